// Normalisations: layer, RMS, group, batch. In: a float tensor with optional scale and shift. Out: the normalised tensor, mean and 1/std.
// Statistics in double; the affine part in f32 (f64 inputs: double).
#include "kern/elem.h"

#include <math.h>

static etch_status *float_input(const etch_val *args, const etch_tensor **out_t)
{
    ETCH_TRY(kern_tensor(args, 0, out_t));
    return etch_dtype_is_float((*out_t)->dtype) ? NULL : ETCH_ERR(ETCH_INVALID, "a norm of %s", etch_dtype_name((*out_t)->dtype));
}

static etch_status *want_count(const etch_tensor *t, const char *what, int64_t n)
{
    if (!t) return NULL;
    if (etch_numel(t) != n) return ETCH_ERR(ETCH_INVALID, "%s has %lld elements, not %lld", what, (long long)etch_numel(t), (long long)n);
    return etch_dtype_is_float(t->dtype) ? NULL : ETCH_ERR(ETCH_INVALID, "%s is %s", what, etch_dtype_name(t->dtype));
}

// Mean and variance (biased) of n contiguous elements. Eight partial sums.
static void stats(const etch_tensor *t, int64_t at, int64_t n, double *out_mean, double *out_var)
{
    float block[KERN_BLOCK];
    double mean = 0, var = 0;
    for (int pass = 0; pass < 2; pass++) {
        double s[8] = { 0 };
        for (int64_t i = 0; i < n; i += KERN_BLOCK) {
            int64_t m = n - i < KERN_BLOCK ? n - i : KERN_BLOCK;
            if (t->dtype == ETCH_F64) {
                for (int64_t j = 0; j < m; j++) {
                    double x = ((const double *)t->data)[at + i + j] - mean;
                    s[j & 7] += pass ? x * x : x;
                }
                continue;
            }
            const float *p = block;
            if (t->dtype == ETCH_F32) p = (const float *)t->data + at + i;
            else kern_load(block, KERN_F32, t->data, t->dtype, at + i, m);
            int64_t j = 0;
            for (; j + 8 <= m; j += 8)
                for (int l = 0; l < 8; l++) {
                    double x = (double)p[j + l] - mean;
                    s[l] += pass ? x * x : x;
                }
            for (; j < m; j++) {
                double x = (double)p[j] - mean;
                s[0] += pass ? x * x : x;
            }
        }
        double sum = ((s[0] + s[1]) + (s[2] + s[3])) + ((s[4] + s[5]) + (s[6] + s[7]));
        if (pass) var = sum / (double)n;
        else mean = sum / (double)n;
    }
    *out_mean = mean;
    *out_var = var;
}

// out = (x - mean) * rstd * weight[j / per] + bias[j / per] over n elements; weight index starts at w0.
static void apply(const etch_tensor *t, etch_tensor *out, int64_t at, int64_t n, double mean, double rstd, const etch_tensor *w,
                  const etch_tensor *b, int64_t w0, int64_t per)
{
    if (t->dtype == ETCH_F64 || out->dtype == ETCH_F64) {
        for (int64_t i = 0; i < n; i++) {
            double x = (etch_load_double(t->data, t->dtype, at + i) - mean) * rstd;
            if (w) x *= etch_load_double(w->data, w->dtype, w0 + i / per);
            if (b) x += etch_load_double(b->data, b->dtype, w0 + i / per);
            etch_store_double(out->data, out->dtype, at + i, x);
        }
        return;
    }
    float x[KERN_BLOCK], ws[KERN_BLOCK], bs[KERN_BLOCK], fm = (float)mean, fr = (float)rstd;
    for (int64_t i = 0; i < n; i += KERN_BLOCK) {
        int64_t m = n - i < KERN_BLOCK ? n - i : KERN_BLOCK;
        kern_load(x, KERN_F32, t->data, t->dtype, at + i, m);
        for (int64_t j = 0; j < m; j++) x[j] = (x[j] - fm) * fr;
        if (per == 1) {
            if (w) kern_load(ws, KERN_F32, w->data, w->dtype, w0 + i, m);
            if (b) kern_load(bs, KERN_F32, b->data, b->dtype, w0 + i, m);
        } else {
            for (int64_t j = 0; j < m; j++) {
                if (w) ws[j] = kern_get_f32(w->data, w->dtype, w0 + (i + j) / per);
                if (b) bs[j] = kern_get_f32(b->data, b->dtype, w0 + (i + j) / per);
            }
        }
        if (w)
            for (int64_t j = 0; j < m; j++) x[j] *= ws[j];
        if (b)
            for (int64_t j = 0; j < m; j++) x[j] += bs[j];
        kern_store(out->data, out->dtype, at + i, x, KERN_F32, m);
    }
}

// The product of normalized_shape, checked against the trailing sizes.
static etch_status *inner_size(const etch_val *args, int n_args, int i, const etch_tensor *t, int64_t *out_n)
{
    kern_list shape;
    ETCH_TRY(kern_ints(args, n_args, i, &shape));
    *out_n = 1;
    if (!shape.n || shape.n > t->rank) return ETCH_ERR(ETCH_INVALID, "normalized_shape has %d sizes, the input %d", shape.n, t->rank);
    for (int d = 0; d < shape.n; d++) {
        if (shape.v[d] != kern_size(t, t->rank - shape.n + d)) return ETCH_ERR(ETCH_INVALID, "normalized_shape does not fit the input");
        *out_n *= shape.v[d];
    }
    return NULL;
}

// native_layer_norm(input, normalized_shape, weight?, bias?, eps) -> out, mean, rstd; layer_norm gives out only.
static etch_status *layer_norm(const etch_val *args, int n_args, etch_tensor *const *outs, int n_outs)
{
    const etch_tensor *t, *w, *b;
    int64_t n;
    double eps;
    ETCH_TRY(float_input(args, &t));
    ETCH_TRY(inner_size(args, n_args, 1, t, &n));
    ETCH_TRY(kern_tensor_opt(args, n_args, 2, &w));
    ETCH_TRY(kern_tensor_opt(args, n_args, 3, &b));
    ETCH_TRY(kern_num_opt(args, n_args, 4, 1e-5, &eps));
    ETCH_TRY(want_count(w, "the weight", n));
    ETCH_TRY(want_count(b, "the bias", n));
    ETCH_TRY(kern_want_same(t, outs[0]));
    int64_t rows = n ? etch_numel(t) / n : 0;
    for (int k = 1; k < n_outs; k++)
        if (n && etch_numel(outs[k]) != rows) return ETCH_ERR(ETCH_INVALID, "layer_norm: output %d has the wrong size", k);
    for (int64_t r = 0; r < rows; r++) {
        double mean, var;
        stats(t, r * n, n, &mean, &var);
        double rstd = 1.0 / sqrt(var + eps);
        apply(t, outs[0], r * n, n, mean, rstd, w, b, 0, 1);
        if (n_outs > 1) etch_store_double(outs[1]->data, outs[1]->dtype, r, mean);
        if (n_outs > 2) etch_store_double(outs[2]->data, outs[2]->dtype, r, rstd);
    }
    return NULL;
}
KERNEL(native_layer_norm) { KERN_BEGIN(4, 3); return layer_norm(args, n_args, outs, n_outs); }
KERNEL(layer_norm) { KERN_BEGIN(2, 1); return layer_norm(args, n_args, outs, 1); }

// rms_norm(input, normalized_shape, weight?, eps?): eps defaults to the machine epsilon of the computation.
KERNEL(rms_norm)
{
    KERN_BEGIN(2, 1);
    const etch_tensor *t, *w;
    int64_t n;
    double eps;
    ETCH_TRY(float_input(args, &t));
    ETCH_TRY(inner_size(args, n_args, 1, t, &n));
    ETCH_TRY(kern_tensor_opt(args, n_args, 2, &w));
    ETCH_TRY(kern_num_opt(args, n_args, 3, t->dtype == ETCH_F64 ? 0x1p-52 : 0x1p-23, &eps));
    ETCH_TRY(want_count(w, "the weight", n));
    ETCH_TRY(kern_want_same(t, outs[0]));
    for (int64_t r = 0, rows = n ? etch_numel(t) / n : 0; r < rows; r++) {
        double sum = 0;
        for (int64_t i = 0; i < n; i++) {
            double x = t->dtype == ETCH_F64 ? ((const double *)t->data)[r * n + i] : (double)kern_get_f32(t->data, t->dtype, r * n + i);
            sum += x * x;
        }
        apply(t, outs[0], r * n, n, 0, 1.0 / sqrt(sum / (double)n + eps), w, NULL, 0, 1);
    }
    return NULL;
}

// native_group_norm(input [N, C, ...], weight?, bias?, N, C, HxW, group, eps) -> out, mean [N, G], rstd [N, G]
KERNEL(native_group_norm)
{
    KERN_BEGIN(8, 3);
    const etch_tensor *t, *w, *b;
    int64_t n, c, hw, g, total;
    double eps;
    ETCH_TRY(float_input(args, &t));
    ETCH_TRY(kern_tensor_opt(args, n_args, 1, &w));
    ETCH_TRY(kern_tensor_opt(args, n_args, 2, &b));
    ETCH_TRY(kern_int(args, 3, &n));
    ETCH_TRY(kern_int(args, 4, &c));
    ETCH_TRY(kern_int(args, 5, &hw));
    ETCH_TRY(kern_int(args, 6, &g));
    ETCH_TRY(kern_num(args, 7, &eps));
    if (n < 0 || c <= 0 || hw < 0 || g <= 0 || c % g || !etch_mul_ok(n, c, &total) || !etch_mul_ok(total, hw, &total) ||
        total != etch_numel(t))
        return ETCH_ERR(ETCH_INVALID, "native_group_norm: N, C, HxW and group do not fit the input");
    ETCH_TRY(want_count(w, "the weight", c));
    ETCH_TRY(want_count(b, "the bias", c));
    ETCH_TRY(kern_want_same(t, outs[0]));
    if (etch_numel(outs[1]) != n * g || etch_numel(outs[2]) != n * g)
        return ETCH_ERR(ETCH_INVALID, "native_group_norm: statistics of the wrong size");
    int64_t len = c / g * hw;
    for (int64_t i = 0; i < n * g; i++) {
        double mean = 0, var = 0;
        if (len) stats(t, i * len, len, &mean, &var);
        double rstd = 1.0 / sqrt(var + eps);
        apply(t, outs[0], i * len, len, mean, rstd, w, b, i % g * (c / g), hw ? hw : 1);
        etch_store_double(outs[1]->data, outs[1]->dtype, i, mean);
        etch_store_double(outs[2]->data, outs[2]->dtype, i, rstd);
    }
    return NULL;
}

// Batch norm of input [N, C, ...] with given statistics (mean, var: double by channel from tensors) or those of the batch.
static etch_status *batch_norm(const etch_tensor *t, const etch_tensor *w, const etch_tensor *b, const etch_tensor *rm,
                               const etch_tensor *rv, bool training, double eps, etch_tensor *const *outs, bool save)
{
    if (t->rank < 2) return ETCH_ERR(ETCH_INVALID, "batch norm of rank %d", t->rank);
    int64_t n = kern_size(t, 0), c = kern_size(t, 1), hw = kern_prod(t, 2, t->rank);
    ETCH_TRY(want_count(w, "the weight", c));
    ETCH_TRY(want_count(b, "the bias", c));
    ETCH_TRY(want_count(rm, "the running mean", c));
    ETCH_TRY(want_count(rv, "the running variance", c));
    ETCH_TRY(kern_want_same(t, outs[0]));
    if (save && (etch_numel(outs[1]) != c || etch_numel(outs[2]) != c))
        return ETCH_ERR(ETCH_INVALID, "batch norm: statistics of the wrong size");
    for (int64_t ch = 0; ch < c; ch++) {
        double mean = 0, var = 0;
        if (training) {
            double count = (double)(n * hw);
            for (int pass = 0; pass < 2; pass++) {
                double s = 0;
                for (int64_t i = 0; i < n; i++)
                    for (int64_t j = 0; j < hw; j++) {
                        double x = etch_load_double(t->data, t->dtype, (i * c + ch) * hw + j) - mean;
                        s += pass ? x * x : x;
                    }
                if (pass) var = s / count;
                else mean = s / count;
            }
        } else {
            mean = etch_load_double(rm->data, rm->dtype, ch);
            var = etch_load_double(rv->data, rv->dtype, ch);
        }
        double rstd = 1.0 / sqrt(var + eps);
        for (int64_t i = 0; i < n; i++) apply(t, outs[0], (i * c + ch) * hw, hw, mean, rstd, w, b, ch, hw ? hw : 1);
        if (save) {
            etch_store_double(outs[1]->data, outs[1]->dtype, ch, mean);
            etch_store_double(outs[2]->data, outs[2]->dtype, ch, rstd);
        }
    }
    return NULL;
}

// (input, weight?, bias?, mean, var, ..., eps at `eps_at`): batch norm with the given statistics.
static etch_status *with_given_stats(const etch_val *args, int n_args, int eps_at, etch_tensor *const *outs)
{
    const etch_tensor *t, *w, *b, *rm, *rv;
    double eps;
    ETCH_TRY(float_input(args, &t));
    ETCH_TRY(kern_tensor_opt(args, n_args, 1, &w));
    ETCH_TRY(kern_tensor_opt(args, n_args, 2, &b));
    ETCH_TRY(kern_tensor(args, 3, &rm));
    ETCH_TRY(kern_tensor(args, 4, &rv));
    ETCH_TRY(kern_num(args, eps_at, &eps));
    return batch_norm(t, w, b, rm, rv, false, eps, outs, false);
}
// _native_batch_norm_legit_no_training(input, weight?, bias?, mean, var, momentum, eps) -> out, empty, empty
KERNEL(native_batch_norm_no_training) { KERN_BEGIN(7, 3); return with_given_stats(args, n_args, 6, outs); }
// _native_batch_norm_legit(input, weight?, bias?, mean, var, training, momentum, eps). Running statistics are not updated: the
// functional form returns the batch's.
KERNEL(native_batch_norm)
{
    KERN_BEGIN(8, 3);
    bool training;
    ETCH_TRY(kern_bool(args, 5, &training));
    if (training) return ETCH_ERR(ETCH_UNSUPPORTED, "batch norm in training mode");
    return with_given_stats(args, n_args, 7, outs);
}
// _native_batch_norm_legit.no_stats(input, weight?, bias?, training, momentum, eps): statistics of the batch.
KERNEL(native_batch_norm_no_stats)
{
    KERN_BEGIN(6, 3);
    const etch_tensor *t, *w, *b;
    double eps;
    ETCH_TRY(float_input(args, &t));
    ETCH_TRY(kern_tensor_opt(args, n_args, 1, &w));
    ETCH_TRY(kern_tensor_opt(args, n_args, 2, &b));
    ETCH_TRY(kern_num(args, 5, &eps));
    return batch_norm(t, w, b, NULL, NULL, true, eps, outs, true);
}
