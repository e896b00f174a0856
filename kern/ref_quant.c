// quantized_decomposed ops: quantize, dequantize, choose_qparams, packed embeddings, mixed products, add.
// In: float or integer tensors with scales and zero points. Out: integers clamp(round(x / scale) + zero), or floats (q - zero) * scale.
// f32 arithmetic, rounding half to even, as the official kernels.
#include <math.h>

#include "kern/elem.h"

// Scale and zero point of element i: numbers, or tensors read at an index that depends on the scheme.
typedef struct qparams { double scale; int64_t zero; const etch_tensor *scales, *zeros; } qparams;

// Number or tensor of one element.
static etch_status *one_number(const etch_val *args, int i, double *out)
{
    if (args[i].kind != ETCH_V_TENSOR) return kern_num(args, i, out);
    if (etch_numel(args[i].t) != 1)
        return ETCH_ERR(ETCH_INVALID, "argument %d has %lld elements, not one", i, (long long)etch_numel(args[i].t));
    *out = etch_load_double(args[i].t->data, args[i].t->dtype, 0);
    return NULL;
}

static float inverse(const qparams *p, int64_t i)
{
    float s = p->scales ? kern_get_f32(p->scales->data, p->scales->dtype, i) : (float)p->scale;
    return 1.0f / s;
}
static int64_t zero_at(const qparams *p, int64_t i)
{
    return p->zeros ? etch_load_int(p->zeros->data, p->zeros->dtype, i) : p->zero;
}

static int64_t quantize(float x, float inv, int64_t zero, int64_t lo, int64_t hi)
{
    float r = rintf(x * inv);
    int64_t q = r != r ? 0 : r > 0x1p62f ? INT64_MAX / 2 : r < -0x1p62f ? INT64_MIN / 2 : (int64_t)r;
    q = kern_wadd(q, zero);
    return q < lo ? lo : q > hi ? hi : q;
}

// Which parameter belongs to element i: (i / inner) % count.
typedef struct layout { int64_t inner, count; } layout;

static etch_status *check_params(const etch_tensor *t, layout l, const qparams *p)
{
    if (p->scales && (etch_numel(p->scales) != l.count || !etch_dtype_is_float(p->scales->dtype)))
        return ETCH_ERR(ETCH_INVALID, "%lld scales, expected %lld", (long long)etch_numel(p->scales), (long long)l.count);
    if (p->zeros && etch_numel(p->zeros) != l.count)
        return ETCH_ERR(ETCH_INVALID, "%lld zero points, expected %lld", (long long)etch_numel(p->zeros), (long long)l.count);
    if (p->zero < INT32_MIN || p->zero > INT32_MAX) return ETCH_ERR(ETCH_INVALID, "zero point %lld", (long long)p->zero);
    return etch_dtype_is_complex(t->dtype) ? ETCH_ERR(ETCH_INVALID, "quantization of complex numbers") : NULL;
}

// quant_min and quant_max at argument i and i + 1; the dtype's range bounds them too.
static etch_status *limits(const etch_val *args, int i, etch_dtype d, int64_t *lo, int64_t *hi)
{
    int64_t a = 0, b = 0;
    ETCH_TRY(kern_int(args, i, lo));
    ETCH_TRY(kern_int(args, i + 1, hi));
    switch (d) {
    case ETCH_I8: a = -128, b = 127; break;
    case ETCH_U8: b = 255; break;
    case ETCH_I16: a = -32768, b = 32767; break;
    case ETCH_U16: b = 65535; break;
    case ETCH_I32: a = INT32_MIN, b = INT32_MAX; break;
    default: return ETCH_ERR(ETCH_INVALID, "quantized values of %s", etch_dtype_name(d));
    }
    return *lo < a || *hi > b || *lo > *hi ? ETCH_ERR(ETCH_INVALID, "quantized range [%lld, %lld] of %s", (long long)*lo, (long long)*hi,
                                                      etch_dtype_name(d)) : NULL;
}

static etch_status *quantize_all(const etch_val *args, layout l, const qparams *p, int limits_at, etch_tensor *out)
{
    const etch_tensor *t;
    int64_t lo, hi, n;
    ETCH_TRY(kern_tensor(args, 0, &t));
    ETCH_TRY(kern_want_same(t, out));
    ETCH_TRY(check_params(t, l, p));
    ETCH_TRY(limits(args, limits_at, out->dtype, &lo, &hi));
    n = etch_numel(t);
    for (int64_t i = 0; i < n; i++) {
        int64_t k = l.count > 1 ? i / l.inner % l.count : 0;
        etch_store_int(out->data, out->dtype, i, quantize(kern_get_f32(t->data, t->dtype, i), inverse(p, k), zero_at(p, k), lo, hi));
    }
    return NULL;
}

static etch_status *dequantize_all(const etch_val *args, layout l, const qparams *p, etch_tensor *out)
{
    const etch_tensor *t;
    ETCH_TRY(kern_tensor(args, 0, &t));
    ETCH_TRY(kern_want_same(t, out));
    ETCH_TRY(check_params(t, l, p));
    if (kern_ctype_of(t->dtype) != KERN_I64) return ETCH_ERR(ETCH_INVALID, "dequantize of %s", etch_dtype_name(t->dtype));
    for (int64_t i = 0, n = etch_numel(t); i < n; i++) {
        int64_t k = l.count > 1 ? i / l.inner % l.count : 0;
        float s = p->scales ? kern_get_f32(p->scales->data, p->scales->dtype, k) : (float)p->scale;
        float z = p->zeros ? kern_get_f32(p->zeros->data, p->zeros->dtype, k) : (float)p->zero;
        kern_put_f32(out->data, out->dtype, i, ((float)etch_load_int(t->data, t->dtype, i) - z) * s);
    }
    return NULL;
}

static etch_status *tensor_params(const etch_val *args, qparams *p)
{
    double z;
    ETCH_TRY(one_number(args, 1, &p->scale));
    ETCH_TRY(one_number(args, 2, &z));
    p->zero = kern_f2i(z);
    return NULL;
}
// quantize_per_tensor / dequantize_per_tensor(input, scale, zero_point, quant_min, quant_max, dtype): numbers or one-element tensors
KERNEL(quantize_per_tensor)
{
    KERN_BEGIN(6, 1);
    qparams p = { 0 };
    ETCH_TRY(tensor_params(args, &p));
    return quantize_all(args, (layout){ 1, 1 }, &p, 3, outs[0]);
}
KERNEL(dequantize_per_tensor)
{
    KERN_BEGIN(6, 1);
    qparams p = { 0 };
    ETCH_TRY(tensor_params(args, &p));
    return dequantize_all(args, (layout){ 1, 1 }, &p, outs[0]);
}

// (input, scales, zero_points?, axis, quant_min, quant_max, dtype)
static etch_status *channels(const etch_val *args, int n_args, qparams *p, layout *l)
{
    const etch_tensor *t;
    int d;
    ETCH_TRY(kern_tensor(args, 0, &t));
    ETCH_TRY(kern_tensor(args, 1, &p->scales));
    ETCH_TRY(kern_tensor_opt(args, n_args, 2, &p->zeros));
    ETCH_TRY(kern_dim(args, 3, t->rank, &d));
    if (!t->rank) return ETCH_ERR(ETCH_INVALID, "channels of a 0-d tensor");
    *l = (layout){ kern_prod(t, d + 1, t->rank), kern_size(t, d) };
    return NULL;
}
KERNEL(quantize_per_channel)
{
    KERN_BEGIN(7, 1);
    qparams p = { 0 };
    layout l;
    ETCH_TRY(channels(args, n_args, &p, &l));
    return quantize_all(args, l, &p, 4, outs[0]);
}
KERNEL(dequantize_per_channel)
{
    KERN_BEGIN(7, 1);
    qparams p = { 0 };
    layout l;
    ETCH_TRY(channels(args, n_args, &p, &l));
    return dequantize_all(args, l, &p, outs[0]);
}

// (input [.., K], scales [.., 1], zero_points, ...): one pair a row
static etch_status *tokens(const etch_val *args, int n_args, qparams *p, layout *l)
{
    const etch_tensor *t;
    ETCH_TRY(kern_tensor(args, 0, &t));
    ETCH_TRY(kern_tensor(args, 1, &p->scales));
    ETCH_TRY(kern_tensor_opt(args, n_args, 2, &p->zeros));
    if (!t->rank) return ETCH_ERR(ETCH_INVALID, "tokens of a 0-d tensor");
    *l = (layout){ kern_size(t, t->rank - 1), kern_prod(t, 0, t->rank - 1) };
    return NULL;
}
KERNEL(quantize_per_token)
{
    KERN_BEGIN(6, 1);
    qparams p = { 0 };
    layout l;
    ETCH_TRY(tokens(args, n_args, &p, &l));
    return quantize_all(args, l, &p, 3, outs[0]);
}
KERNEL(dequantize_per_token)
{
    KERN_BEGIN(6, 1);
    qparams p = { 0 };
    layout l;
    ETCH_TRY(tokens(args, n_args, &p, &l));
    return dequantize_all(args, l, &p, outs[0]);
}
// dequantize_per_channel_group(input [N, K], scales [N, K/g], zero_points?, quant_min, quant_max, dtype, group_size, output_dtype)
KERNEL(dequantize_per_channel_group)
{
    KERN_BEGIN(7, 1);
    qparams p = { 0 };
    const etch_tensor *t;
    int64_t g;
    ETCH_TRY(kern_tensor(args, 0, &t));
    ETCH_TRY(kern_tensor(args, 1, &p.scales));
    ETCH_TRY(kern_tensor_opt(args, n_args, 2, &p.zeros));
    ETCH_TRY(kern_int(args, 6, &g));
    if (!t->rank || g <= 0 || kern_size(t, t->rank - 1) % g) return ETCH_ERR(ETCH_INVALID, "groups of %lld", (long long)g);
    return dequantize_all(args, (layout){ g, etch_numel(t) / g }, &p, outs[0]);
}

// ---- choosing parameters ----

// Scale and zero point (asymmetric, 0 included) of a range; q in [lo, hi].
static void choose(float min, float max, float lo, float hi, float eps, bool nudge, double *out_scale, int64_t *out_zero)
{
    if (min > 0) min = 0;
    if (max < 0) max = 0;
    float scale = (max - min) / (hi - lo), zero;
    if (!(scale > eps)) scale = eps;
    if (nudge) {
        float dmin = min / scale, dmax = max / scale;
        zero = lo + dmin + hi + dmax > 0 ? lo - dmin : hi - dmax;
        zero = rintf(zero < lo ? lo : zero > hi ? hi : zero);
    } else {
        zero = lo - rintf(min / scale);
        zero = zero < lo ? lo : zero > hi ? hi : zero;
    }
    *out_scale = (double)scale;
    *out_zero = kern_f2i((double)zero);
}
static etch_status *choose_rows(const etch_tensor *t, int64_t rows, int64_t n, float lo, float hi, float eps, bool nudge,
                                etch_tensor *const *outs)
{
    if (!etch_dtype_is_float(t->dtype)) return ETCH_ERR(ETCH_INVALID, "quantization of %s", etch_dtype_name(t->dtype));
    if (etch_numel(outs[0]) != rows || etch_numel(outs[1]) != rows || n < 1)
        return ETCH_ERR(ETCH_INVALID, "choose_qparams: the outputs do not fit");
    for (int64_t r = 0; r < rows; r++) {
        float min = INFINITY, max = -INFINITY;
        for (int64_t i = 0; i < n; i++) {
            float x = kern_get_f32(t->data, t->dtype, r * n + i);
            min = x < min ? x : min;
            max = x > max ? x : max;
        }
        double scale;
        int64_t zero;
        choose(min, max, lo, hi, eps, nudge, &scale, &zero);
        etch_store_double(outs[0]->data, outs[0]->dtype, r, scale);
        etch_store_int(outs[1]->data, outs[1]->dtype, r, zero);
    }
    return NULL;
}
// choose_qparams(input, quant_min, quant_max, eps, dtype) -> scale [1], zero_point [1]
KERNEL(choose_qparams)
{
    KERN_BEGIN(4, 2);
    const etch_tensor *t;
    int64_t lo, hi;
    double eps;
    ETCH_TRY(kern_tensor(args, 0, &t));
    ETCH_TRY(kern_int(args, 1, &lo));
    ETCH_TRY(kern_int(args, 2, &hi));
    ETCH_TRY(kern_num(args, 3, &eps));
    if (lo >= hi) return ETCH_ERR(ETCH_INVALID, "quantized range [%lld, %lld]", (long long)lo, (long long)hi);
    return choose_rows(t, 1, etch_numel(t), (float)lo, (float)hi, (float)eps, false, outs);
}
// choose_qparams_per_token_asymmetric(input, dtype): i8 range
KERNEL(choose_qparams_per_token_asymmetric)
{
    KERN_BEGIN(1, 2);
    const etch_tensor *t;
    ETCH_TRY(kern_tensor(args, 0, &t));
    if (!t->rank) return ETCH_ERR(ETCH_INVALID, "tokens of a 0-d tensor");
    return choose_rows(t, kern_prod(t, 0, t->rank - 1), kern_size(t, t->rank - 1), -128, 127, 0x1p-23f, true, outs);
}

// ---- packed embeddings ----

// (weight [V, D / per], weight_scales [V] or [V, groups], weight_zero_points?, quant_min, quant_max, indices, dtype?) -> [.., D]
static etch_status *embedding(const etch_val *args, int n_args, etch_tensor *out, int per)
{
    const etch_tensor *w, *s, *z, *idx;
    ETCH_TRY(kern_tensor(args, 0, &w));
    ETCH_TRY(kern_tensor(args, 1, &s));
    ETCH_TRY(kern_tensor_opt(args, n_args, 2, &z));
    ETCH_TRY(kern_tensor(args, 5, &idx));
    ETCH_TRY(kern_want_rank(w, "the weight", 2, 2));
    ETCH_TRY(kern_want_rank(s, "the scales", 1, 2));
    ETCH_TRY(kern_want_rank(idx, "the indices", 0, ETCH_MAX_RANK - 1));
    if (w->dtype != ETCH_U8 && (per > 1 || w->dtype != ETCH_I8))
        return ETCH_ERR(ETCH_INVALID, "the weight is %s", etch_dtype_name(w->dtype));
    if (!etch_dtype_is_float(s->dtype) || !etch_dtype_is_float(out->dtype))
        return ETCH_ERR(ETCH_INVALID, "scales of %s, output of %s", etch_dtype_name(s->dtype), etch_dtype_name(out->dtype));
    int64_t v = kern_size(w, 0), bytes = kern_size(w, 1), d, groups = s->rank == 2 ? kern_size(s, 1) : 1, want[ETCH_MAX_RANK];
    if (!etch_mul_ok(bytes, per, &d) || kern_size(s, 0) != v || groups < 1 || d % groups || (z && !kern_same_sizes(z, s)))
        return ETCH_ERR(ETCH_INVALID, "scales or zero points do not fit the weight");
    ETCH_TRY(kern_want_in_range(idx, "the indices", v, false));
    for (int k = 0; k < idx->rank; k++) want[k] = kern_size(idx, k);
    want[idx->rank] = d;
    ETCH_TRY(kern_want_sizes(out, "the output", idx->rank + 1, want));
    int64_t g = d / groups;
    for (int64_t i = 0, n = etch_numel(idx); i < n; i++) {
        int64_t row = kern_get_index(idx, i);
        const uint8_t *p = (const uint8_t *)w->data + row * bytes;
        for (int64_t j = 0; j < d; j += g) {
            float scale = kern_get_f32(s->data, s->dtype, row * groups + j / g);
            float zero = z ? kern_get_f32(z->data, z->dtype, row * groups + j / g) : 0;
            for (int64_t c = j; c < j + g; c++) {
                int q = per == 4 ? (p[c / 4] >> (2 * (c % 4)) & 3) - 2 : per == 2 ? (p[c / 2] >> (c % 2 ? 0 : 4) & 15) - 8
                        : w->dtype == ETCH_U8 ? p[c] : (int8_t)p[c];
                kern_put_f32(out->data, out->dtype, i * d + c, ((float)q - zero) * scale);
            }
        }
    }
    return NULL;
}
KERNEL(embedding_byte) { KERN_BEGIN(6, 1); return embedding(args, n_args, outs[0], 1); }
KERNEL(embedding_4bit) { KERN_BEGIN(6, 1); return embedding(args, n_args, outs[0], 2); }
KERNEL(embedding_2bit) { KERN_BEGIN(6, 1); return embedding(args, n_args, outs[0], 4); }

// ---- products with i8 weights ----

// `linear`: weight [N, K], scales [N] or [N, groups]; otherwise weight [K, N], scales [K].
static etch_status *mixed(const etch_val *args, int n_args, etch_tensor *out, bool linear)
{
    const etch_tensor *x, *w, *s, *z;
    ETCH_TRY(kern_tensor(args, 0, &x));
    ETCH_TRY(kern_tensor(args, 1, &w));
    ETCH_TRY(kern_tensor(args, 2, &s));
    ETCH_TRY(kern_tensor_opt(args, n_args, 3, &z));
    ETCH_TRY(kern_want_rank(x, "the input", 1, ETCH_MAX_RANK));
    ETCH_TRY(kern_want_rank(w, "the weight", 2, 2));
    ETCH_TRY(kern_want_rank(s, "the scales", 1, 2));
    ETCH_TRY(kern_want_dtype(w, "the weight", ETCH_I8));
    int64_t k = kern_size(x, x->rank - 1), m = kern_prod(x, 0, x->rank - 1), n = kern_size(w, linear ? 0 : 1), rows = kern_size(w, 0);
    int64_t groups = s->rank == 2 ? kern_size(s, 1) : 1;
    if (kern_size(w, linear ? 1 : 0) != k || kern_size(s, 0) != rows || groups < 1 || (!linear && groups != 1) || (linear && k % groups) ||
        (z && !kern_same_sizes(z, s)) || etch_numel(out) != m * n || out->rank != x->rank || kern_size(out, out->rank - 1) != n)
        return ETCH_ERR(ETCH_INVALID, "sizes do not fit");
    if (!etch_dtype_is_float(x->dtype) || !etch_dtype_is_float(s->dtype) || !etch_dtype_is_float(out->dtype))
        return ETCH_ERR(ETCH_INVALID, "input, scales and output must be floats");
    const int8_t *q = w->data;
    for (int64_t i = 0; i < m; i++)
        for (int64_t j = 0; j < n; j++) {
            double sum = 0;
            for (int64_t p = 0; p < k; p++) {
                int64_t at = linear ? j * groups + p / (k / groups) : p;
                float scale = kern_get_f32(s->data, s->dtype, at), zero = z ? kern_get_f32(z->data, z->dtype, at) : 0;
                sum += (double)(kern_get_f32(x->data, x->dtype, i * k + p) * (((float)q[linear ? j * k + p : p * n + j] - zero) * scale));
            }
            etch_store_double(out->data, out->dtype, i * n + j, sum);
        }
    return NULL;
}
KERNEL(mixed_mm) { KERN_BEGIN(3, 1); return mixed(args, n_args, outs[0], false); }
KERNEL(mixed_linear) { KERN_BEGIN(3, 1); return mixed(args, n_args, outs[0], true); }

// add(a, a_scale, a_zero, a_min, a_max, b, b_scale, b_zero, b_min, b_max, out_scale, out_zero, out_min, out_max)
KERNEL(quantized_add)
{
    KERN_BEGIN(14, 1);
    const etch_tensor *t[2];
    float scale[3];
    int64_t zero[3], lo, hi;
    for (int i = 0; i < 3; i++) {
        double s;
        if (i < 2) ETCH_TRY(kern_tensor(args, 5 * i, &t[i]));
        ETCH_TRY(kern_num(args, i < 2 ? 5 * i + 1 : 10, &s));
        ETCH_TRY(kern_int(args, i < 2 ? 5 * i + 2 : 11, &zero[i]));
        scale[i] = (float)s;
    }
    ETCH_TRY(kern_want_same(t[0], t[1]));
    ETCH_TRY(kern_want_same(t[0], outs[0]));
    ETCH_TRY(limits(args, 12, outs[0]->dtype, &lo, &hi));
    for (int i = 0; i < 2; i++)
        if (kern_ctype_of(t[i]->dtype) != KERN_I64) return ETCH_ERR(ETCH_INVALID, "operand of %s", etch_dtype_name(t[i]->dtype));
    for (int64_t i = 0, n = etch_numel(t[0]); i < n; i++) {
        float x = 0;
        for (int k = 0; k < 2; k++) x += (float)kern_wsub(etch_load_int(t[k]->data, t[k]->dtype, i), zero[k]) * scale[k];
        etch_store_int(outs[0]->data, outs[0]->dtype, i, quantize(x, 1.0f / scale[2], zero[2], lo, hi));
    }
    return NULL;
}
