// Elementwise operations of three operands and choices: where, clamp, masked_fill, addcmul, addcdiv, lerp, fill, casts.
// In: tensors or numbers, broadcast. Out: values in the promoted type of the value operands, cast to the output's dtype.
#include "kern/elem.h"

#define WHERE(name, T)                                                                  \
    static void name(void *o_, const void *const *in, int n, KERN_UNUSED kern_par *p)   \
    {                                                                                   \
        T *restrict o = o_;                                                             \
        const uint8_t *restrict c = in[0];                                              \
        const T *restrict a = in[1], *restrict b = in[2];                               \
        for (int i = 0; i < n; i++) o[i] = c[i] ? a[i] : b[i];                          \
    }
WHERE(where_f32, float)
WHERE(where_i64, int64_t)  // also f64 and c64: eight bytes each

static etch_status *where(const etch_val *c, const etch_val *a, const etch_val *b, etch_dtype d, etch_tensor *out)
{
    const etch_val *v[3] = { c, a, b };
    kern_ctype t = kern_ctype_of(d), ct[3] = { KERN_B8, t, t };
    return kern_map(out, v, 3, ct, t, t == KERN_F32 ? where_f32 : where_i64, NULL);
}

// where(condition, self, other)
KERNEL(where)
{
    KERN_BEGIN(3, 1);
    const etch_val *v[2] = { &args[1], &args[2] };
    etch_dtype d;
    ETCH_TRY(kern_promote(v, 2, &d));
    return where(&args[0], &args[1], &args[2], d, outs[0]);
}

// masked_fill(self, mask, value): value is a number or a 0-d tensor; the result keeps self's dtype.
KERNEL(masked_fill)
{
    KERN_BEGIN(3, 1);
    const etch_tensor *t, *mask;
    ETCH_TRY(kern_tensor(args, 0, &t));
    ETCH_TRY(kern_tensor(args, 1, &mask));
    ETCH_TRY(kern_want_dtype(mask, "the mask", ETCH_BOOL));
    if (args[2].kind == ETCH_V_TENSOR && args[2].t->rank)
        return ETCH_ERR(ETCH_INVALID, "the value of masked_fill has rank %d", args[2].t->rank);
    return where(&args[1], &args[2], &args[0], t->dtype, outs[0]);
}

// ---- clamp ----

#define CLAMP_T(name, T, isnan)                                                         \
    static void name##_lo(void *o_, const void *const *in, int n, KERN_UNUSED kern_par *p) \
    {                                                                                   \
        T *restrict o = o_;                                                             \
        const T *restrict a = in[0], *restrict b = in[1];                               \
        for (int i = 0; i < n; i++) o[i] = isnan(a[i]) ? a[i] : a[i] > b[i] ? a[i] : b[i]; \
    }                                                                                   \
    static void name##_hi(void *o_, const void *const *in, int n, KERN_UNUSED kern_par *p) \
    {                                                                                   \
        T *restrict o = o_;                                                             \
        const T *restrict a = in[0], *restrict b = in[1];                               \
        for (int i = 0; i < n; i++) o[i] = isnan(a[i]) ? a[i] : a[i] < b[i] ? a[i] : b[i]; \
    }                                                                                   \
    static void name##_both(void *o_, const void *const *in, int n, KERN_UNUSED kern_par *p) \
    {                                                                                   \
        T *restrict o = o_;                                                             \
        const T *restrict a = in[0], *restrict b = in[1], *restrict c = in[2];          \
        for (int i = 0; i < n; i++) {                                                   \
            T x = isnan(a[i]) ? a[i] : a[i] > b[i] ? a[i] : b[i];                       \
            o[i] = isnan(x) ? x : x < c[i] ? x : c[i];                                  \
        }                                                                               \
    }
#define IS_NAN(x) ((x) != (x))
#define NEVER(x) 0
CLAMP_T(clamp_f32, float, IS_NAN)
CLAMP_T(clamp_f64, double, IS_NAN)
CLAMP_T(clamp_i64, int64_t, NEVER)
static const kern_fns lo_fns = { clamp_f32_lo, clamp_f64_lo, clamp_i64_lo,
                                 NULL }, hi_fns = { clamp_f32_hi, clamp_f64_hi, clamp_i64_hi, NULL },
                      both_fns = { clamp_f32_both, clamp_f64_both, clamp_i64_both, NULL };

static etch_status *promoted(etch_tensor *out, const etch_val *const *v, int n, const kern_fns *f, kern_par *par)
{
    etch_dtype d;
    ETCH_TRY(kern_promote(v, n, &d));
    kern_ctype c = kern_ctype_of(d), ct[3] = { c, c, c };
    kern_block_fn fn = c == KERN_F32 ? f->f32 : c == KERN_F64 ? f->f64 : c == KERN_I64 ? f->i64 : f->c64;
    if (!fn) return ETCH_ERR(ETCH_UNSUPPORTED, "no kernel for %s", etch_dtype_name(d));
    return kern_map(out, v, n, ct, c, fn, par);
}

// clamp(self, min?, max?): bounds are numbers or tensors.
KERNEL(clamp)
{
    KERN_BEGIN(1, 1);
    bool lo = !kern_is_none(args, n_args, 1), hi = !kern_is_none(args, n_args, 2);
    const etch_val *v[3] = { &args[0], lo ? &args[1] : &args[0], &args[0] };
    if (lo && hi) {
        v[2] = &args[2];
        return promoted(outs[0], v, 3, &both_fns, NULL);
    }
    if (hi) v[1] = &args[2];
    return promoted(outs[0], v, 2, hi ? &hi_fns : &lo_fns, NULL);
}
KERNEL(clamp_min)
{
    KERN_BEGIN(2, 1);
    const etch_val *v[2] = { &args[0], &args[1] };
    return promoted(outs[0], v, 2, &lo_fns, NULL);
}
KERNEL(clamp_max)
{
    KERN_BEGIN(2, 1);
    const etch_val *v[2] = { &args[0], &args[1] };
    return promoted(outs[0], v, 2, &hi_fns, NULL);
}

// ---- three values ----

#define TER(name, T, expr)                                                              \
    static void name(void *o_, const void *const *in, int n, KERN_UNUSED kern_par *p)   \
    {                                                                                   \
        T *restrict o = o_;                                                             \
        const T *restrict a = in[0], *restrict b = in[1], *restrict c = in[2];          \
        for (int i = 0; i < n; i++) {                                                   \
            T x = a[i], y = b[i], z = c[i];                                             \
            o[i] = (expr);                                                              \
        }                                                                               \
    }
TER(addcmul_f32, float, x + (float)p->f[0] * y * z)
TER(addcmul_f64, double, x + p->f[0] * y * z)
TER(addcmul_i64, int64_t, kern_wadd(x, kern_wmul(p->i[0], kern_wmul(y, z))))
TER(addcdiv_f32, float, x + (float)p->f[0] * y / z)
TER(addcdiv_f64, double, x + p->f[0] * y / z)
TER(lerp_f32, float, (z < 0 ? -z : z) < 0.5f ? x + z * (y - x) : y - (y - x) * (1.0f - z))
TER(lerp_f64, double, (z < 0 ? -z : z) < 0.5 ? x + z * (y - x) : y - (y - x) * (1.0 - z))

static etch_status *three(const etch_val *args, int n_args, etch_tensor *out, const kern_fns *f)
{
    const etch_val *v[3] = { &args[0], &args[1], &args[2] };
    kern_par par = { .f = { 1 }, .i = { 1 } };
    ETCH_TRY(kern_num_opt(args, n_args, 3, 1, &par.f[0]));
    par.i[0] = kern_f2i(par.f[0]);
    return promoted(out, v, 3, f, &par);
}
// addcmul / addcdiv(self, tensor1, tensor2, *, value)
KERNEL(addcmul)
{
    static const kern_fns f = { addcmul_f32, addcmul_f64, addcmul_i64, NULL };
    KERN_BEGIN(3, 1);
    return three(args, n_args, outs[0], &f);
}
KERNEL(addcdiv)
{
    static const kern_fns f = { addcdiv_f32, addcdiv_f64, NULL, NULL };
    KERN_BEGIN(3, 1);
    return three(args, n_args, outs[0], &f);
}
// lerp(self, end, weight): weight a number or a tensor.
KERNEL(lerp)
{
    static const kern_fns f = { lerp_f32, lerp_f64, NULL, NULL };
    KERN_BEGIN(3, 1);
    return three(args, 3, outs[0], &f);
}
