// Elementwise functions of one operand: arithmetic, rounding, exponentials, trigonometry, tests.
// In: a tensor. Out: floats in the input's type (integers become f32); sign-like and rounding functions keep integers.
#include "kern/elem.h"

#include <complex.h>
#include <math.h>

static etch_status *unary(const etch_val *args, etch_tensor *out, const kern_fns *f, bool to_float, kern_par *par)
{
    const etch_val *v[1] = { &args[0] };
    etch_dtype d;
    ETCH_TRY(kern_promote(v, 1, &d));
    if (to_float) d = kern_to_float(d);
    kern_ctype c = kern_ctype_of(d);
    kern_block_fn fn = c == KERN_F32 ? f->f32 : c == KERN_F64 ? f->f64 : c == KERN_C64 ? f->c64 : f->i64;
    if (!fn) return ETCH_ERR(ETCH_UNSUPPORTED, "no kernel for %s", etch_dtype_name(d));
    return kern_map(out, v, 1, &c, c, fn, par);
}

// FLOAT_FN(token, f32 expression, f64 expression): integers are computed as f32.
#define FLOAT_FN(name, e32, e64)                                                        \
    KERN_UNARY(name##_f32, float, e32)                                                          \
    KERN_UNARY(name##_f64, double, e64)                                                         \
    KERNEL(name)                                                                        \
    {                                                                                   \
        static const kern_fns f = { name##_f32, name##_f64, NULL, NULL };               \
        KERN_BEGIN(1, 1);                                                               \
        return unary(args, outs[0], &f, true, NULL);                                    \
    }
// KEEP_FN: integers stay integers.
#define KEEP_FN(name, e32, e64, e_int)                                                  \
    KERN_UNARY(name##_f32, float, e32)                                                          \
    KERN_UNARY(name##_f64, double, e64)                                                         \
    KERN_UNARY(name##_i64, int64_t, e_int)                                                      \
    KERNEL(name)                                                                        \
    {                                                                                   \
        static const kern_fns f = { name##_f32, name##_f64, name##_i64, NULL };         \
        KERN_BEGIN(1, 1);                                                               \
        return unary(args, outs[0], &f, false, NULL);                                   \
    }

#define PI 3.14159265358979323846

// Derivative of log gamma: reflection below zero, recurrence up to 10, then the asymptotic series.
static double digamma(double x)
{
    if (x == 0) return copysign(INFINITY, -x);
    if (x < 0) return x == trunc(x) ? NAN : digamma(1 - x) - PI / tan(PI * (x - trunc(x)));
    double r = 0;
    for (; x < 10; x++) r -= 1 / x;
    double z = 1 / (x * x);
    return r + log(x) - 0.5 / x - z * (1.0 / 12 - z * (1.0 / 120 - z * (1.0 / 252 - z * (1.0 / 240 - z * (1.0 / 132)))));
}

// Inverse of erf: a starting value from its logarithmic form, then Newton steps on 1 - erf, which keeps its digits near 1.
static double erfinv(double y)
{
    double a = fabs(y);
    if (!(a <= 1)) return NAN;
    if (a == 1) return copysign(INFINITY, y);
    double l = log1p(-a * a), b = 2 / (PI * 0.147) + l / 2, x = sqrt(sqrt(b * b - l / 0.147) - b);
    for (int i = 0; i < 4; i++) x -= ((1 - a) - erfc(x)) / (2 / sqrt(PI) * exp(-x * x));
    return copysign(x, y);
}

// Modified Bessel function of order 0: the power series, in doubles good to where exp overflows.
static double bessel_i0(double x)
{
    double q = x * x / 4, term = 1, sum = 1;
    if (!(fabs(x) < 700)) return x != x ? x : INFINITY;
    for (int k = 1; k < 2000 && term > sum * 1e-17; k++) {
        term *= q / ((double)k * k);
        sum += term;
    }
    return sum;
}

FLOAT_FN(acos, acosf(x), acos(x))
FLOAT_FN(acosh, acoshf(x), acosh(x))
FLOAT_FN(asin, asinf(x), asin(x))
FLOAT_FN(asinh, asinhf(x), asinh(x))
FLOAT_FN(atan, atanf(x), atan(x))
FLOAT_FN(atanh, atanhf(x), atanh(x))
FLOAT_FN(cos, cosf(x), cos(x))
FLOAT_FN(cosh, coshf(x), cosh(x))
FLOAT_FN(erf, erff(x), erf(x))
FLOAT_FN(erfc, erfcf(x), erfc(x))
FLOAT_FN(exp, expf(x), exp(x))
FLOAT_FN(exp2, exp2f(x), exp2(x))
FLOAT_FN(expm1, expm1f(x), expm1(x))
FLOAT_FN(log, logf(x), log(x))
FLOAT_FN(log10, log10f(x), log10(x))
FLOAT_FN(log1p, log1pf(x), log1p(x))
FLOAT_FN(log2, log2f(x), log2(x))
FLOAT_FN(reciprocal, 1.0f / x, 1.0 / x)
FLOAT_FN(rsqrt, 1.0f / sqrtf(x), 1.0 / sqrt(x))
FLOAT_FN(sigmoid, 1.0f / (1.0f + expf(-x)), 1.0 / (1.0 + exp(-x)))
FLOAT_FN(sin, sinf(x), sin(x))
FLOAT_FN(sinh, sinhf(x), sinh(x))
FLOAT_FN(sqrt, sqrtf(x), sqrt(x))
FLOAT_FN(tan, tanf(x), tan(x))
FLOAT_FN(tanh, tanhf(x), tanh(x))

FLOAT_FN(deg2rad, x *0.017453292519943295769f, x *0.017453292519943295769)
FLOAT_FN(rad2deg, x *57.295779513082320877f, x *57.295779513082320877)
FLOAT_FN(lgamma, lgammaf(x), lgamma(x))
FLOAT_FN(digamma, (float)digamma((double)x), digamma(x))
FLOAT_FN(erfinv, (float)erfinv((double)x), erfinv(x))
FLOAT_FN(i0, (float)bessel_i0((double)x), bessel_i0(x))
FLOAT_FN(sinc, x == 0 ? 1 : sinf((float)PI * x) / ((float)PI * x), x == 0 ? 1 : sin(PI * x) / (PI * x))

KEEP_FN(ceil, ceilf(x), ceil(x), x)
KEEP_FN(floor, floorf(x), floor(x), x)
KEEP_FN(trunc, truncf(x), trunc(x), x)
KEEP_FN(frac, x - truncf(x), x - trunc(x), 0 * x)
KEEP_FN(relu, x != x || x > 0 ? x : 0, x != x || x > 0 ? x : 0, x > 0 ? x : 0)
KEEP_FN(sign, (float)((x > 0) - (x < 0)), (double)((x > 0) - (x < 0)), (x > 0) - (x < 0))
KEEP_FN(square, x *x, x *x, kern_wmul(x, x))

KERN_UNARY(neg_f32, float, -x)
KERN_UNARY(neg_f64, double, -x)
KERN_UNARY(neg_i64, int64_t, kern_wsub(0, x))
KERN_UNARY(neg_c64, float _Complex, -x)
KERNEL(neg)
{
    static const kern_fns f = { neg_f32, neg_f64, neg_i64, neg_c64 };
    KERN_BEGIN(1, 1);
    return unary(args, outs[0], &f, false, NULL);
}

KERN_UNARY(copy_f32, float, x)
KERN_UNARY(copy_f64, double, x)
KERN_UNARY(copy_i64, int64_t, x)
KERN_UNARY(conj_c64, float _Complex, conjf(x))
KERNEL(conj)
{
    static const kern_fns f = { copy_f32, copy_f64, copy_i64, conj_c64 };
    KERN_BEGIN(1, 1);
    return unary(args, outs[0], &f, false, NULL);
}

KERN_UNARY(abs_f32, float, fabsf(x))
KERN_UNARY(abs_f64, double, fabs(x))
KERN_UNARY(abs_i64, int64_t, x < 0 ? kern_wsub(0, x) : x)
static void abs_c64(void *o_, const void *const *in, int n, KERN_UNUSED kern_par *p)
{
    float *restrict o = o_;
    const float *restrict a = in[0];
    for (int i = 0; i < n; i++) o[i] = hypotf(a[2 * i], a[2 * i + 1]);
}
KERNEL(abs)
{
    static const kern_fns f = { abs_f32, abs_f64, abs_i64, NULL };
    KERN_BEGIN(1, 1);
    const etch_tensor *t;
    ETCH_TRY(kern_tensor(args, 0, &t));
    if (t->dtype != ETCH_C64) return unary(args, outs[0], &f, false, NULL);
    const etch_val *v[1] = { &args[0] };
    return kern_map(outs[0], v, 1, (const kern_ctype[]){ KERN_C64 }, KERN_F32, abs_c64, NULL);
}

// round(x) and round(x, *, decimals): half to even.
KERN_UNARY(round_f32, float, rintf(x))
KERN_UNARY(round_f64, double, rint(x))
KERN_UNARY(round_scaled_f32, float, rintf(x *(float)p->f[0]) / (float)p->f[0])
KERN_UNARY(round_scaled_f64, double, rint(x *p->f[0]) / p->f[0])
KERN_UNARY(round_tens_f32, float, rintf(x / (float)p->f[0]) * (float)p->f[0])
KERN_UNARY(round_tens_f64, double, rint(x / p->f[0]) * p->f[0])
static etch_status *round_to(const etch_val *args, int n_args, etch_tensor *out)
{
    static const kern_fns plain = { round_f32, round_f64, copy_i64, NULL }, scaled = { round_scaled_f32, round_scaled_f64, copy_i64, NULL },
                          tens = { round_tens_f32, round_tens_f64, copy_i64, NULL };
    int64_t decimals;
    ETCH_TRY(kern_int_opt(args, n_args, 1, 0, &decimals));
    if (decimals < -300 || decimals > 300) return ETCH_ERR(ETCH_INVALID, "decimals %lld", (long long)decimals);
    kern_par par = { .f = { pow(10, fabs((double)decimals)) } };
    return unary(args, out, !decimals ? &plain : decimals > 0 ? &scaled : &tens, false, &par);
}
KERNEL(round) { KERN_BEGIN(1, 1); return round_to(args, 1, outs[0]); }
KERNEL(round_decimals) { KERN_BEGIN(2, 1); return round_to(args, n_args, outs[0]); }

// logit(x, eps): x is clamped to [eps, 1 - eps] when eps is given.
KERN_UNARY(logit_f32, float, logf(x / (1.0f - x)))
KERN_UNARY(logit_f64, double, log(x / (1.0 - x)))
static float clamp_f32(float x, float eps) { return x < eps ? eps : x > 1.0f - eps ? 1.0f - eps : x; }
static double clamp_f64(double x, double eps) { return x < eps ? eps : x > 1.0 - eps ? 1.0 - eps : x; }
KERN_UNARY(logit_eps_f32, float, logf(clamp_f32(x, (float)p->f[0]) / (1.0f - clamp_f32(x, (float)p->f[0]))))
KERN_UNARY(logit_eps_f64, double, log(clamp_f64(x, p->f[0]) / (1.0 - clamp_f64(x, p->f[0]))))
KERNEL(logit)
{
    static const kern_fns plain = { logit_f32, logit_f64, NULL, NULL }, with_eps = { logit_eps_f32, logit_eps_f64, NULL, NULL };
    KERN_BEGIN(1, 1);
    kern_par par = { 0 };
    ETCH_TRY(kern_num_opt(args, n_args, 1, 0, &par.f[0]));
    return unary(args, outs[0], kern_is_none(args, n_args, 1) ? &plain : &with_eps, true, &par);
}

// nan_to_num(x, nan, posinf, neginf): absent infinities become the largest finite values of the dtype.
KERN_UNARY(nan_to_num_f32, float, x != x ? (float)p->f[0] : x == INFINITY ? (float)p->f[1] : x == -INFINITY ? (float)p->f[2] : x)
KERN_UNARY(nan_to_num_f64, double, x != x ? p->f[0] : x == INFINITY ? p->f[1] : x == -INFINITY ? p->f[2] : x)
KERNEL(nan_to_num)
{
    static const kern_fns f = { nan_to_num_f32, nan_to_num_f64, copy_i64, NULL };
    KERN_BEGIN(1, 1);
    const etch_tensor *t;
    ETCH_TRY(kern_tensor(args, 0, &t));
    double big = t->dtype == ETCH_F16 ? 65504.0 : t->dtype == ETCH_BF16 ? 0x1.fep127 : t->dtype == ETCH_F32 ? 0x1.fffffep127
                 : 0x1.fffffffffffffp1023;
    kern_par par = { 0 };
    ETCH_TRY(kern_num_opt(args, n_args, 1, 0, &par.f[0]));
    ETCH_TRY(kern_num_opt(args, n_args, 2, big, &par.f[1]));
    ETCH_TRY(kern_num_opt(args, n_args, 3, -big, &par.f[2]));
    return unary(args, outs[0], &f, false, &par);
}

// ---- truth values ----

#define TEST_FN(token, name, T, expr)                                                   \
    static void name(void *o_, const void *const *in, int n, KERN_UNUSED kern_par *p)   \
    {                                                                                   \
        uint8_t *restrict o = o_;                                                       \
        const T *restrict a = in[0];                                                    \
        for (int i = 0; i < n; i++) {                                                   \
            T x = a[i];                                                                 \
            o[i] = (expr);                                                              \
        }                                                                               \
    }                                                                                   \
    KERNEL(token)                                                                       \
    {                                                                                   \
        KERN_BEGIN(1, 1);                                                               \
        const etch_val *v[1] = { &args[0] };                                            \
        kern_ctype c = sizeof(T) == 1 ? KERN_B8 : KERN_F64;                             \
        return kern_map(outs[0], v, 1, &c, KERN_B8, name, NULL);                        \
    }
TEST_FN(isnan, isnan_f64, double, x != x)
TEST_FN(isinf, isinf_f64, double, fabs(x) == INFINITY)
TEST_FN(isfinite, isfinite_f64, double, fabs(x) < INFINITY)
TEST_FN(isneginf, isneginf_f64, double, x == -INFINITY)
TEST_FN(isposinf, isposinf_f64, double, x == INFINITY)
TEST_FN(signbit, signbit_f64, double, signbit(x) != 0)
TEST_FN(logical_not, not_b8, uint8_t, !x)

KERN_UNARY(bitnot_i64, int64_t, ~x)
KERN_UNARY(bitnot_bool, int64_t, !x)
KERNEL(bitwise_not)
{
    KERN_BEGIN(1, 1);
    const etch_tensor *t;
    ETCH_TRY(kern_tensor(args, 0, &t));
    if (kern_ctype_of(t->dtype) != KERN_I64) return ETCH_ERR(ETCH_INVALID, "bitwise_not of %s", etch_dtype_name(t->dtype));
    const etch_val *v[1] = { &args[0] };
    return kern_map(outs[0], v, 1, (const kern_ctype[]){ KERN_I64 }, KERN_I64, t->dtype == ETCH_BOOL ? bitnot_bool : bitnot_i64, NULL);
}
