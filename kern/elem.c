// The block engine of elementwise kernels. In: operands and an output of any dtype. Out: the output's elements, block by block.
#include "kern/elem.h"

#include <complex.h>

size_t kern_ctype_size(kern_ctype c) { return c == KERN_F32 ? 4 : c == KERN_B8 ? 1 : 8; }

kern_ctype kern_ctype_of(etch_dtype d)
{
    if (d == ETCH_F64) return KERN_F64;
    if (d == ETCH_C64) return KERN_C64;
    return etch_dtype_is_float(d) ? KERN_F32 : KERN_I64;
}

etch_dtype kern_to_float(etch_dtype d) { return etch_dtype_is_float(d) || etch_dtype_is_complex(d) ? d : ETCH_F32; }

static int category(etch_dtype d)
{
    return etch_dtype_is_complex(d) ? 3 : etch_dtype_is_float(d) ? 2 : d == ETCH_BOOL ? 0 : 1;
}

static etch_dtype join(etch_dtype a, etch_dtype b)
{
    return a == ETCH_DTYPE_NONE ? b : b == ETCH_DTYPE_NONE ? a : etch_dtype_promote(a, b);
}

// Lower priority takes part only when its category is higher.
static etch_dtype combine(etch_dtype high, etch_dtype low)
{
    if (high == ETCH_DTYPE_NONE) return low;
    if (low == ETCH_DTYPE_NONE || category(low) <= category(high)) return high;
    return etch_dtype_promote(high, low);
}

etch_status *kern_promote(const etch_val *const *vals, int n, etch_dtype *out_d)
{
    etch_dtype dim = ETCH_DTYPE_NONE, zero = ETCH_DTYPE_NONE, num = ETCH_DTYPE_NONE;
    for (int k = 0; k < n; k++) {
        const etch_val *v = vals[k];
        if (v->kind == ETCH_V_TENSOR && v->t->rank) dim = join(dim, v->t->dtype);
        else if (v->kind == ETCH_V_TENSOR) zero = join(zero, v->t->dtype);
        else if (v->kind == ETCH_V_FLOAT) num = join(num, ETCH_F32);
        else if (v->kind == ETCH_V_INT) num = join(num, ETCH_I64);
        else if (v->kind == ETCH_V_BOOL) num = join(num, ETCH_BOOL);
        else return ETCH_ERR(ETCH_INVALID, "operand %d is neither a tensor nor a number", k);
    }
    *out_d = combine(combine(dim, zero), num);
    return *out_d == ETCH_DTYPE_NONE ? ETCH_ERR(ETCH_INVALID, "no operands") : NULL;
}

// ---- conversion of contiguous runs ----

// The half conversions of base/num.c without branches, for loops that become vectors. Exact in both directions, NaN stays NaN.
static inline float half_to_f32(uint16_t h)
{
    uint32_t magnitude = (uint32_t)(h & 0x7fffu) << 13;
    float f = etch_f32_from_bits(magnitude) * 0x1p112f;  // the exponent's bias; subnormals become normal
    uint32_t special = f >= 65536.0f ? 0x7f800000u : 0;  // infinity and NaN had exponent 31
    return etch_f32_from_bits(etch_f32_bits(f) | special | (uint32_t)(h & 0x8000u) << 16);
}
static inline uint16_t f32_to_half(float v)
{
    uint32_t b = etch_f32_bits(v), abs = b & 0x7fffffffu;
    uint32_t normal = (abs + 0xfffu + ((abs >> 13) & 1u) - 0x38000000u) >> 13;
    uint32_t small = etch_f32_bits(etch_f32_from_bits(abs) + 0.5f) - 0x3f000000u;  // adding 0.5 aligns and rounds
    uint32_t r = abs < 0x38800000u ? small : normal;
    r = abs >= 0x47800000u ? 0x7c00u : r;
    r = abs > 0x7f800000u ? 0x7e00u : r;
    return (uint16_t)(r | (b >> 16 & 0x8000u));
}

#define LOAD_AS(D, ST, EXPR)                                        \
    case ETCH_##D: {                                                \
        const ST *restrict s = (const ST *)src + at;                \
        for (int64_t i = 0; i < n; i++) o[i] = EXPR;                \
        return;                                                     \
    }
#define LOAD_ALL(T, CONV)                                           \
    switch (d) {                                                    \
        LOAD_AS(U8, uint8_t, CONV(s[i]))                            \
        LOAD_AS(I8, int8_t, CONV(s[i]))                             \
        LOAD_AS(I16, int16_t, CONV(s[i]))                           \
        LOAD_AS(I32, int32_t, CONV(s[i]))                           \
        LOAD_AS(I64, int64_t, CONV(s[i]))                           \
        LOAD_AS(U16, uint16_t, CONV(s[i]))                          \
        LOAD_AS(U32, uint32_t, CONV(s[i]))                          \
        LOAD_AS(U64, uint64_t, CONV(s[i]))                          \
        LOAD_AS(BOOL, uint8_t, CONV(s[i] != 0))

#define TO_F32(x) ((float)(x))
#define TO_F64(x) ((double)(x))
#define TO_I64(x) ((int64_t)(x))
#define TO_B8(x) ((uint8_t)((x) != 0))
#define TO_C64(x) ((float)(x))

static void load_f32(float *restrict o, const void *src, etch_dtype d, int64_t at, int64_t n)
{
    LOAD_ALL(float, TO_F32)
        LOAD_AS(F16, uint16_t, half_to_f32(s[i]))
        LOAD_AS(BF16, uint16_t, etch_bf16_to_f32(s[i]))
        LOAD_AS(F32, float, s[i])
        LOAD_AS(F64, double, (float)s[i])
        LOAD_AS(C64, float, s[at + 2 * i])
    case ETCH_DTYPE_NONE: return;
    }
}

static void load_f64(double *restrict o, const void *src, etch_dtype d, int64_t at, int64_t n)
{
    LOAD_ALL(double, TO_F64)
        LOAD_AS(F16, uint16_t, (double)half_to_f32(s[i]))
        LOAD_AS(BF16, uint16_t, (double)etch_bf16_to_f32(s[i]))
        LOAD_AS(F32, float, (double)s[i])
        LOAD_AS(F64, double, s[i])
        LOAD_AS(C64, float, (double)s[at + 2 * i])
    case ETCH_DTYPE_NONE: return;
    }
}

static void load_i64(int64_t *restrict o, const void *src, etch_dtype d, int64_t at, int64_t n)
{
    LOAD_ALL(int64_t, TO_I64)
        LOAD_AS(F16, uint16_t, kern_f2i((double)half_to_f32(s[i])))
        LOAD_AS(BF16, uint16_t, kern_f2i((double)etch_bf16_to_f32(s[i])))
        LOAD_AS(F32, float, kern_f2i((double)s[i]))
        LOAD_AS(F64, double, kern_f2i(s[i]))
        LOAD_AS(C64, float, kern_f2i((double)s[at + 2 * i]))
    case ETCH_DTYPE_NONE: return;
    }
}

static void load_b8(uint8_t *restrict o, const void *src, etch_dtype d, int64_t at, int64_t n)
{
    LOAD_ALL(uint8_t, TO_B8)
        LOAD_AS(F16, uint16_t, (s[i] & 0x7fffu) != 0)
        LOAD_AS(BF16, uint16_t, (s[i] & 0x7fffu) != 0)
        LOAD_AS(F32, float, s[i] != 0)
        LOAD_AS(F64, double, s[i] != 0)
        LOAD_AS(C64, float, s[at + 2 * i] != 0 || s[at + 2 * i + 1] != 0)
    case ETCH_DTYPE_NONE: return;
    }
}

static void load_c64(float _Complex *restrict o, const void *src, etch_dtype d, int64_t at, int64_t n)
{
    LOAD_ALL(float _Complex, TO_C64)
        LOAD_AS(F16, uint16_t, half_to_f32(s[i]))
        LOAD_AS(BF16, uint16_t, etch_bf16_to_f32(s[i]))
        LOAD_AS(F32, float, s[i])
        LOAD_AS(F64, double, (float)s[i])
        LOAD_AS(C64, float _Complex, s[i])
    case ETCH_DTYPE_NONE: return;
    }
}

void kern_load(void *dst, kern_ctype c, const void *src, etch_dtype d, int64_t at, int64_t n)
{
    switch (c) {
    case KERN_F32: load_f32(dst, src, d, at, n); return;
    case KERN_F64: load_f64(dst, src, d, at, n); return;
    case KERN_I64: load_i64(dst, src, d, at, n); return;
    case KERN_B8: load_b8(dst, src, d, at, n); return;
    case KERN_C64: load_c64(dst, src, d, at, n); return;
    }
}

#define STORE_AS(D, DT, EXPR)                                       \
    case ETCH_##D: {                                                \
        DT *restrict o = (DT *)dst + at;                            \
        for (int64_t i = 0; i < n; i++) o[i] = (DT)(EXPR);          \
        return;                                                     \
    }
// INT: the element as an int64_t, REAL: as a float or double, TRUTH: as a truth value.
#define STORE_ALL(INT, REAL, TRUTH)                                 \
    switch (d) {                                                    \
        STORE_AS(U8, uint8_t, INT)                                  \
        STORE_AS(I8, int8_t, INT)                                   \
        STORE_AS(I16, int16_t, INT)                                 \
        STORE_AS(I32, int32_t, INT)                                 \
        STORE_AS(I64, int64_t, INT)                                 \
        STORE_AS(U16, uint16_t, INT)                                \
        STORE_AS(U32, uint32_t, INT)                                \
        STORE_AS(U64, uint64_t, INT)                                \
        STORE_AS(BOOL, uint8_t, TRUTH)                              \
        STORE_AS(F16, uint16_t, f32_to_half((float)(REAL)))     \
        STORE_AS(BF16, uint16_t, etch_f32_to_bf16((float)(REAL)))   \
        STORE_AS(F32, float, REAL)                                  \
        STORE_AS(F64, double, REAL)                                 \
        STORE_AS(C64, float _Complex, (float)(REAL))                \
    case ETCH_DTYPE_NONE: return;                                   \
    }

static void store_f32(void *dst, etch_dtype d, int64_t at, const float *restrict s, int64_t n)
{
    STORE_ALL(kern_f2i((double)s[i]), s[i], s[i] != 0)
}
static void store_f64(void *dst, etch_dtype d, int64_t at, const double *restrict s, int64_t n)
{
    STORE_ALL(kern_f2i(s[i]), s[i], s[i] != 0)
}
static void store_i64(void *dst, etch_dtype d, int64_t at, const int64_t *restrict s, int64_t n)
{
    STORE_ALL(s[i], s[i], s[i] != 0)
}
static void store_b8(void *dst, etch_dtype d, int64_t at, const uint8_t *restrict s, int64_t n)
{
    STORE_ALL(s[i] != 0, s[i] != 0, s[i] != 0)
}
static void store_c64(void *dst, etch_dtype d, int64_t at, const float _Complex *restrict s, int64_t n)
{
    if (d == ETCH_C64) {
        memmove((float _Complex *)dst + at, s, (size_t)n * 8);
        return;
    }
    STORE_ALL(kern_f2i((double)crealf(s[i])), crealf(s[i]), crealf(s[i]) != 0 || cimagf(s[i]) != 0)
}

void kern_store(void *dst, etch_dtype d, int64_t at, const void *src, kern_ctype c, int64_t n)
{
    switch (c) {
    case KERN_F32: store_f32(dst, d, at, src, n); return;
    case KERN_F64: store_f64(dst, d, at, src, n); return;
    case KERN_I64: store_i64(dst, d, at, src, n); return;
    case KERN_B8: store_b8(dst, d, at, src, n); return;
    case KERN_C64: store_c64(dst, d, at, src, n); return;
    }
}

// ---- operands ----

static bool is_native(etch_dtype d, kern_ctype c)
{
    return (c == KERN_F32 && d == ETCH_F32) || (c == KERN_F64 && d == ETCH_F64) || (c == KERN_I64 && d == ETCH_I64) ||
           (c == KERN_C64 && d == ETCH_C64);
}

typedef struct src {
    const void *data;
    etch_dtype dtype;
    kern_ctype c;
    bool is_const, is_native;  // one value everywhere (block is filled once); readable where it lies
    int rank;                  // collapsed dims, strides in elements (0: broadcast)
    int64_t size[ETCH_MAX_RANK], stride[ETCH_MAX_RANK], idx[ETCH_MAX_RANK], at;
    _Alignas(64) uint8_t block[KERN_BLOCK * 8];
} src;

static void fill(void *dst, kern_ctype c, const void *one, int64_t n)
{
    if (c == KERN_B8) {
        memset(dst, *(const uint8_t *)one, (size_t)n);
    } else if (c == KERN_F32) {
        uint32_t v, *o = dst;
        memcpy(&v, one, 4);
        for (int64_t i = 0; i < n; i++) o[i] = v;
    } else {
        uint64_t v, *o = dst;
        memcpy(&v, one, 8);
        for (int64_t i = 0; i < n; i++) o[i] = v;
    }
}

static etch_status *src_init(src *s, const etch_val *v, const etch_tensor *out, int64_t total, kern_ctype c, int k)
{
    int64_t fill_n = total < KERN_BLOCK ? total : KERN_BLOCK;
    s->c = c;
    s->is_const = true;
    s->at = 0;
    _Alignas(8) uint8_t one[8];
    if (v->kind != ETCH_V_TENSOR) {
        double f = v->kind == ETCH_V_FLOAT ? v->f : 0;
        int64_t i = v->kind == ETCH_V_INT ? v->i.v : v->kind == ETCH_V_BOOL ? v->b : 0;
        if (v->kind == ETCH_V_FLOAT) kern_load(one, c, &f, ETCH_F64, 0, 1);
        else if (v->kind == ETCH_V_INT || v->kind == ETCH_V_BOOL) kern_load(one, c, &i, ETCH_I64, 0, 1);
        else return ETCH_ERR(ETCH_INVALID, "operand %d is neither a tensor nor a number", k);
        fill(s->block, c, one, fill_n);
        return NULL;
    }
    const etch_tensor *t = v->t;
    int pad = out->rank - t->rank;
    if (pad < 0) return ETCH_ERR(ETCH_INVALID, "operand %d has rank %d, the result %d", k, t->rank, out->rank);
    s->data = t->data;
    s->dtype = t->dtype;
    s->rank = 0;
    int64_t strides[ETCH_MAX_RANK];
    etch_tensor_strides(t, strides);
    for (int d = 0; d < out->rank; d++) {
        int64_t n = out->sizes[d].v, tn = d < pad ? 1 : t->sizes[d - pad].v, st = tn == 1 ? 0 : strides[d - pad];
        if (tn != 1 && tn != n)
            return ETCH_ERR(ETCH_INVALID, "operand %d: size %lld does not broadcast to %lld", k, (long long)tn, (long long)n);
        if (n == 1) continue;
        if (st) s->is_const = false;
        int r = s->rank;
        if (r && s->stride[r - 1] == st * n) {  // also 0 == 0
            s->size[r - 1] *= n;
            s->stride[r - 1] = st;
        } else {
            s->size[r] = n;
            s->stride[r] = st;
            s->idx[r] = 0;
            s->rank++;
        }
    }
    if (!total) return NULL;
    if (s->is_const) {
        kern_load(one, c, t->data, t->dtype, 0, 1);
        fill(s->block, c, one, fill_n);
    }
    s->is_native = is_native(t->dtype, c);
    return NULL;
}

// Steps over n elements of the innermost dim and carries into the outer ones.
static void src_step(src *s, int64_t n)
{
    int d = s->rank - 1;
    s->idx[d] += n;
    s->at += n * s->stride[d];
    for (; d > 0 && s->idx[d] == s->size[d]; d--) {
        s->at -= s->stride[d] * s->idx[d];
        s->idx[d] = 0;
        s->idx[d - 1]++;
        s->at += s->stride[d - 1];
    }
}

// The next n elements (at most KERN_BLOCK) as the compute type. The innermost stride is 0 or 1.
static const void *src_next(src *s, int64_t n)
{
    if (s->is_const) return s->block;
    size_t es = kern_ctype_size(s->c);
    int last = s->rank - 1;
    if (s->is_native && s->stride[last] && s->size[last] - s->idx[last] >= n) {
        const uint8_t *p = (const uint8_t *)s->data + (size_t)s->at * es;
        src_step(s, n);
        return p;
    }
    for (uint8_t *o = s->block; n;) {
        int64_t take = s->size[last] - s->idx[last];
        if (take > n) take = n;
        if (s->stride[last]) {
            kern_load(o, s->c, s->data, s->dtype, s->at, take);
        } else {
            _Alignas(8) uint8_t one[8];
            kern_load(one, s->c, s->data, s->dtype, s->at, 1);
            fill(o, s->c, one, take);
        }
        src_step(s, take);
        o += (size_t)take * es;
        n -= take;
    }
    return s->block;
}

etch_status *kern_map(etch_tensor *out, const etch_val *const *vals, int n, const kern_ctype *ct, kern_ctype rt, kern_block_fn fn,
                      kern_par *par)
{
    src s[3];
    if (n > 3) return ETCH_ERR(ETCH_INTERNAL, "%d operands", n);
    int64_t total = etch_numel(out);
    for (int k = 0; k < n; k++) ETCH_TRY(src_init(&s[k], vals[k], out, total, ct[k], k));
    bool direct = is_native(out->dtype, rt) || (out->dtype == ETCH_BOOL && rt == KERN_B8);
    _Alignas(64) uint8_t result[KERN_BLOCK * 8];
    size_t es = kern_ctype_size(rt);
    kern_par none = { 0 };
    if (!par) par = &none;
    for (int64_t at = 0; at < total; at += KERN_BLOCK) {
        int64_t m = total - at < KERN_BLOCK ? total - at : KERN_BLOCK;
        const void *in[3] = { NULL, NULL, NULL };
        for (int k = 0; k < n; k++) in[k] = src_next(&s[k], m);
        void *o = direct ? (uint8_t *)out->data + (size_t)at * es : result;
        fn(o, in, (int)m, par);
        if (!direct) kern_store(out->data, out->dtype, at, result, rt, m);
    }
    return par->div_zero ? ETCH_ERR(ETCH_INVALID, "integer division by zero") : NULL;
}

static void same_4(void *out, const void *const *in, int n, KERN_UNUSED kern_par *p) { memmove(out, in[0], (size_t)n * 4); }
static void same_8(void *out, const void *const *in, int n, KERN_UNUSED kern_par *p) { memmove(out, in[0], (size_t)n * 8); }

etch_status *kern_cast(etch_tensor *out, const etch_val *v)
{
    etch_dtype d = out->dtype;
    if (v->kind == ETCH_V_TENSOR) d = v->t->dtype;
    else if (v->kind == ETCH_V_FLOAT) d = ETCH_F64;
    else d = ETCH_I64;
    kern_ctype c = kern_ctype_of(d);
    return kern_map(out, &v, 1, &c, c, c == KERN_F32 ? same_4 : same_8, NULL);
}
