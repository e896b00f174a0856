// Comparisons, logical and bitwise operations, shifts.
// In: tensors or numbers, broadcast. Out: truth values (comparisons, logical), integers or bool (bitwise).
#include <math.h>

#include "kern/elem.h"

#define CMP_T(name, T, op)                                                              \
    static void name(void *o_, const void *const *in, int n, KERN_UNUSED kern_par *p)   \
    {                                                                                   \
        uint8_t *restrict o = o_;                                                       \
        const T *restrict a = in[0], *restrict b = in[1];                               \
        for (int i = 0; i < n; i++) o[i] = a[i] op b[i];                                \
    }
#define CMP(name, op)                     \
    CMP_T(name##_f32, float, op)          \
    CMP_T(name##_f64, double, op)         \
    CMP_T(name##_i64, int64_t, op)        \
    static const kern_fns name##_fns = { name##_f32, name##_f64, name##_i64, NULL };
CMP(eq, ==)
CMP(ne, !=)
CMP(lt, <)
CMP(le, <=)
CMP(gt, >)
CMP(ge, >=)

// Compares in the promoted type. A number operand whose category is higher decides it (i64 tensor against 2.5: floats).
static etch_status *compare(const etch_val *args, etch_tensor *out, const kern_fns *f)
{
    const etch_val *v[2] = { &args[0], &args[1] };
    etch_dtype d;
    ETCH_TRY(kern_promote(v, 2, &d));
    kern_ctype c = kern_ctype_of(d), ct[2] = { c, c };
    kern_block_fn fn = c == KERN_F32 ? f->f32 : c == KERN_F64 ? f->f64 : c == KERN_I64 ? f->i64 : NULL;
    if (!fn) return ETCH_ERR(ETCH_UNSUPPORTED, "no comparison of %s", etch_dtype_name(d));
    return kern_map(out, v, 2, ct, KERN_B8, fn, NULL);
}
KERNEL(eq) { KERN_BEGIN(2, 1); return compare(args, outs[0], &eq_fns); }
KERNEL(ne) { KERN_BEGIN(2, 1); return compare(args, outs[0], &ne_fns); }
KERNEL(lt) { KERN_BEGIN(2, 1); return compare(args, outs[0], &lt_fns); }
KERNEL(le) { KERN_BEGIN(2, 1); return compare(args, outs[0], &le_fns); }
KERNEL(gt) { KERN_BEGIN(2, 1); return compare(args, outs[0], &gt_fns); }
KERNEL(ge) { KERN_BEGIN(2, 1); return compare(args, outs[0], &ge_fns); }

// isclose(self, other, rtol, atol, equal_nan)
static void isclose_f64(void *o_, const void *const *in, int n, kern_par *p)
{
    uint8_t *restrict o = o_;
    const double *restrict a = in[0], *restrict b = in[1];
    for (int i = 0; i < n; i++) {
        double x = a[i], y = b[i], allowed = p->f[1] + p->f[0] * fabs(y);
        o[i] = x == y || (p->i[0] && x != x && y != y) || (fabs(x) < INFINITY && fabs(y) < INFINITY && fabs(x - y) <= allowed);
    }
}
KERNEL(isclose)
{
    KERN_BEGIN(2, 1);
    kern_par par = { 0 };
    bool nan_too = false;
    ETCH_TRY(kern_num_opt(args, n_args, 2, 1e-5, &par.f[0]));
    ETCH_TRY(kern_num_opt(args, n_args, 3, 1e-8, &par.f[1]));
    if (!kern_is_none(args, n_args, 4)) ETCH_TRY(kern_bool(args, 4, &nan_too));
    par.i[0] = nan_too;
    const etch_val *v[2] = { &args[0], &args[1] };
    return kern_map(outs[0], v, 2, (const kern_ctype[]){ KERN_F64, KERN_F64 }, KERN_B8, isclose_f64, &par);
}

#define LOGICAL(name, op)                                                                                   \
    CMP_T(logical_##name##_b8, uint8_t, op)                                                                 \
    KERNEL(logical_##name)                                                                                  \
    {                                                                                                       \
        KERN_BEGIN(2, 1);                                                                                   \
        const etch_val *v[2] = { &args[0], &args[1] };                                                      \
        return kern_map(outs[0], v, 2, (const kern_ctype[]){ KERN_B8, KERN_B8 }, KERN_B8, logical_##name##_b8, NULL); \
    }
LOGICAL(and, &)
LOGICAL(or, |)
LOGICAL(xor, ^)

#define BIT(name, expr)                                                         \
    static void name(void *o_, const void *const *in, int n, KERN_UNUSED kern_par *p) \
    {                                                                           \
        int64_t *restrict o = o_;                                               \
        const int64_t *restrict a = in[0], *restrict b = in[1];                 \
        for (int i = 0; i < n; i++) {                                           \
            int64_t x = a[i], y = b[i];                                         \
            o[i] = (expr);                                                      \
        }                                                                       \
    }
BIT(and_i64, x &y)
BIT(or_i64, x | y)
BIT(xor_i64, x ^ y)
// p->i[0]: bits of the promoted dtype. Shifting left by a negative count or by all bits gives 0, right gives the sign.
BIT(shl_i64, y < 0 || y >= p->i[0] ? 0 : (int64_t)((uint64_t)x << y))
BIT(shr_i64, x >> (y < 0 || y >= p->i[0] ? p->i[0] - 1 : y))

static etch_status *bitwise(const etch_val *args, etch_tensor *out, kern_block_fn fn)
{
    const etch_val *v[2] = { &args[0], &args[1] };
    etch_dtype d;
    ETCH_TRY(kern_promote(v, 2, &d));
    if (kern_ctype_of(d) != KERN_I64) return ETCH_ERR(ETCH_INVALID, "bitwise operation on %s", etch_dtype_name(d));
    kern_par par = { .i = { (int64_t)etch_dtype_size(d) * 8 } };
    return kern_map(out, v, 2, (const kern_ctype[]){ KERN_I64, KERN_I64 }, KERN_I64, fn, &par);
}
KERNEL(bitwise_and) { KERN_BEGIN(2, 1); return bitwise(args, outs[0], and_i64); }
KERNEL(bitwise_or) { KERN_BEGIN(2, 1); return bitwise(args, outs[0], or_i64); }
KERNEL(bitwise_xor) { KERN_BEGIN(2, 1); return bitwise(args, outs[0], xor_i64); }
KERNEL(bitwise_left_shift) { KERN_BEGIN(2, 1); return bitwise(args, outs[0], shl_i64); }
KERNEL(bitwise_right_shift) { KERN_BEGIN(2, 1); return bitwise(args, outs[0], shr_i64); }
