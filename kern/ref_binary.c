// Elementwise arithmetic of two operands: add, sub, mul, div, remainder, pow, maximum, minimum, atan2, ...
// In: tensors or numbers, broadcast against each other. Out: the value in the promoted type, cast to the output's dtype.
#include "kern/elem.h"

#include <complex.h>
#include <math.h>

#ifndef CMPLXF  // glibc has it for GCC only
#define CMPLXF(re, im) __builtin_complex((float)(re), (float)(im))
#endif

typedef float _Complex c64;

// BIN(name, type, expression of x, y and p)
#define BIN(name, T, expr)                                                              \
    static void name(void *o_, const void *const *in, int n, KERN_UNUSED kern_par *p)   \
    {                                                                                   \
        T *restrict o = o_;                                                             \
        const T *restrict a = in[0], *restrict b = in[1];                               \
        for (int i = 0; i < n; i++) {                                                   \
            T x = a[i], y = b[i];                                                       \
            o[i] = (expr);                                                              \
        }                                                                               \
    }

BIN(add_f32, float, x + y)
BIN(add_f64, double, x + y)
BIN(add_i64, int64_t, kern_wadd(x, y))
BIN(add_c64, c64, x + y)
BIN(adda_f32, float, x + (float)p->f[0] * y)
BIN(adda_f64, double, x + p->f[0] * y)
BIN(adda_i64, int64_t, kern_wadd(x, kern_wmul(p->i[0], y)))
BIN(adda_c64, c64, x + (float)p->f[0] * y)
BIN(sub_f32, float, x - y)
BIN(sub_f64, double, x - y)
BIN(sub_i64, int64_t, kern_wsub(x, y))
BIN(sub_c64, c64, x - y)
BIN(mul_f32, float, x *y)
BIN(mul_f64, double, x *y)
BIN(mul_i64, int64_t, kern_wmul(x, y))
BIN(mul_c64, c64, CMPLXF(crealf(x) * crealf(y) - cimagf(x) * cimagf(y), crealf(x) * cimagf(y) + cimagf(x) * crealf(y)))
BIN(div_f32, float, x / y)
BIN(div_f64, double, x / y)
BIN(div_c64, c64, x / y)
BIN(max_f32, float, x != x ? x : y != y ? y : x > y ? x : y)
BIN(max_f64, double, x != x ? x : y != y ? y : x > y ? x : y)
BIN(max_i64, int64_t, x > y ? x : y)
BIN(min_f32, float, x != x ? x : y != y ? y : x < y ? x : y)
BIN(min_f64, double, x != x ? x : y != y ? y : x < y ? x : y)
BIN(min_i64, int64_t, x < y ? x : y)
BIN(atan2_f32, float, atan2f(x, y))
BIN(atan2_f64, double, atan2(x, y))
BIN(hypot_f32, float, hypotf(x, y))
BIN(hypot_f64, double, hypot(x, y))
BIN(fmax_f32, float, fmaxf(x, y))
BIN(fmax_f64, double, fmax(x, y))
BIN(fmin_f32, float, fminf(x, y))
BIN(fmin_f64, double, fmin(x, y))
BIN(fmod_f32, float, fmodf(x, y))
BIN(fmod_f64, double, fmod(x, y))
BIN(trunc_div_f32, float, truncf(x / y))
BIN(trunc_div_f64, double, trunc(x / y))
BIN(pow_f32, float, powf(x, y))
BIN(pow_f64, double, pow(x, y))

BIN(copysign_f32, float, copysignf(x, y))
BIN(copysign_f64, double, copysign(x, y))
BIN(logaddexp_f32, float, x == y && fabsf(x) == INFINITY ? x : fmaxf(x, y) + log1pf(expf(-fabsf(x - y))))
BIN(logaddexp_f64, double, x == y && fabs(x) == INFINITY ? x : fmax(x, y) + log1p(exp(-fabs(x - y))))
BIN(logaddexp2_f32, float, x == y && fabsf(x) == INFINITY ? x : fmaxf(x, y) + log2f(1.0f + exp2f(-fabsf(x - y))))
BIN(logaddexp2_f64, double, x == y && fabs(x) == INFINITY ? x : fmax(x, y) + log2(1.0 + exp2(-fabs(x - y))))
BIN(xlogy_f32, float, y != y ? y : x == 0 ? 0 : x *logf(y))
BIN(xlogy_f64, double, y != y ? y : x == 0 ? 0 : x *log(y))
BIN(heaviside_f32, float, x == 0 ? y : (float)(x > 0))
BIN(heaviside_f64, double, x == 0 ? y : (double)(x > 0))
BIN(heaviside_i64, int64_t, x == 0 ? y : x > 0)
BIN(nextafter_f32, float, nextafterf(x, y))
BIN(nextafter_f64, double, nextafter(x, y))
BIN(prelu_f32, float, x > 0 ? x : x *y)
BIN(prelu_f64, double, x > 0 ? x : x *y)

// Floor division as Python defines it on floats: exact where the quotient is close to an integer.
#define FLOOR_DIV(name, T, FMOD, FLOOR, COPYSIGN)                  \
    static T name(T a, T b)                                        \
    {                                                              \
        if (b == 0) return a / b;                                  \
        T mod = FMOD(a, b), div = (a - mod) / b;                   \
        if (mod != 0 && (b < 0) != (mod < 0)) div -= 1;            \
        if (div == 0) return COPYSIGN((T)0, a / b);                \
        T f = FLOOR(div);                                          \
        return div - f > (T)0.5 ? f + 1 : f;                       \
    }
FLOOR_DIV(floor_div_one_f32, float, fmodf, floorf, copysignf)
FLOOR_DIV(floor_div_one_f64, double, fmod, floor, copysign)
BIN(floor_div_f32, float, floor_div_one_f32(x, y))
BIN(floor_div_f64, double, floor_div_one_f64(x, y))

#define REM(name, T, FMOD)                                     \
    static T name(T a, T b)                                    \
    {                                                          \
        T mod = FMOD(a, b);                                    \
        return mod != 0 && (b < 0) != (mod < 0) ? mod + b : mod; \
    }
REM(rem_one_f32, float, fmodf)
REM(rem_one_f64, double, fmod)
BIN(rem_f32, float, rem_one_f32(x, y))
BIN(rem_f64, double, rem_one_f64(x, y))

// Integer division: by zero sets the flag and gives 0; INT64_MIN / -1 wraps.
static int64_t trunc_div_one(int64_t a, int64_t b, kern_par *p)
{
    if (b == 0) p->div_zero = true;
    return b == 0 ? 0 : b == -1 ? kern_wsub(0, a) : a / b;
}
static int64_t fmod_one(int64_t a, int64_t b, kern_par *p)
{
    if (b == 0) p->div_zero = true;
    return b == 0 || b == -1 ? 0 : a % b;
}
static int64_t floor_div_one(int64_t a, int64_t b, kern_par *p)
{
    int64_t q = trunc_div_one(a, b, p), r = b == 0 || b == -1 ? 0 : a % b;
    return r != 0 && (r < 0) != (b < 0) ? q - 1 : q;
}
static int64_t rem_one(int64_t a, int64_t b, kern_par *p)
{
    int64_t r = fmod_one(a, b, p);
    return r != 0 && (r < 0) != (b < 0) ? r + b : r;
}
static int64_t pow_one(int64_t x, int64_t e)
{
    if (e < 0) return x == 1 ? 1 : x == -1 ? (e & 1 ? -1 : 1) : 0;
    int64_t r = 1;
    for (; e; e >>= 1) {
        if (e & 1) r = kern_wmul(r, x);
        x = kern_wmul(x, x);
    }
    return r;
}
BIN(trunc_div_i64, int64_t, trunc_div_one(x, y, p))
BIN(floor_div_i64, int64_t, floor_div_one(x, y, p))
BIN(fmod_i64, int64_t, fmod_one(x, y, p))
BIN(rem_i64, int64_t, rem_one(x, y, p))
BIN(pow_i64, int64_t, pow_one(x, y))

// ---- dispatch ----

static etch_status *run(etch_tensor *out, const etch_val *a, const etch_val *b, etch_dtype d, const kern_fns *f, kern_par *par)
{
    const etch_val *v[2] = { a, b };
    kern_ctype c = kern_ctype_of(d), ct[2] = { c, c };
    kern_block_fn fn = c == KERN_F32 ? f->f32 : c == KERN_F64 ? f->f64 : c == KERN_C64 ? f->c64 : f->i64;
    if (!fn) return ETCH_ERR(ETCH_UNSUPPORTED, "no kernel for %s", etch_dtype_name(d));
    return kern_map(out, v, 2, ct, c, fn, par);
}

static etch_status *binary(const etch_val *args, etch_tensor *out, const kern_fns *f, bool to_float, kern_par *par)
{
    const etch_val *v[2] = { &args[0], &args[1] };
    etch_dtype d;
    ETCH_TRY(kern_promote(v, 2, &d));
    return run(out, v[0], v[1], to_float ? kern_to_float(d) : d, f, par);
}

static const kern_fns add_fns = { add_f32, add_f64, add_i64, add_c64 }, adda_fns = { adda_f32, adda_f64, adda_i64, adda_c64 },
                      sub_fns = { sub_f32, sub_f64, sub_i64, sub_c64 }, mul_fns = { mul_f32, mul_f64, mul_i64, mul_c64 },
                      div_fns = { div_f32, div_f64, NULL, div_c64 }, max_fns = { max_f32, max_f64, max_i64, NULL },
                      min_fns = { min_f32, min_f64, min_i64, NULL }, atan2_fns = { atan2_f32, atan2_f64, NULL, NULL },
                      copysign_fns = { copysign_f32, copysign_f64, NULL,
                                       NULL }, logaddexp_fns = { logaddexp_f32, logaddexp_f64, NULL, NULL },
                      logaddexp2_fns = { logaddexp2_f32, logaddexp2_f64, NULL, NULL }, xlogy_fns = { xlogy_f32, xlogy_f64, NULL, NULL },
                      heaviside_fns = { heaviside_f32, heaviside_f64, heaviside_i64,
                                        NULL }, nextafter_fns = { nextafter_f32, nextafter_f64, NULL, NULL },
                      prelu_fns = { prelu_f32, prelu_f64, NULL, NULL }, hypot_fns = { hypot_f32, hypot_f64, NULL, NULL },
                      fmax_fns = { fmax_f32, fmax_f64, max_i64, NULL }, fmin_fns = { fmin_f32, fmin_f64, min_i64, NULL },
                      fmod_fns = { fmod_f32, fmod_f64, fmod_i64, NULL }, rem_fns = { rem_f32, rem_f64, rem_i64, NULL },
                      floor_fns = { floor_div_f32, floor_div_f64, floor_div_i64, NULL },
                      trunc_fns = { trunc_div_f32, trunc_div_f64, trunc_div_i64, NULL }, pow_fns = { pow_f32, pow_f64, pow_i64, NULL };

// self + sign * alpha * other; alpha at argument `at`. `swap` exchanges the operands (rsub).
static etch_status *add_alpha(const etch_val *args, int n_args, etch_tensor *out, int sign, bool swap)
{
    double alpha;
    ETCH_TRY(kern_num_opt(args, n_args, 2, 1, &alpha));
    const etch_val *v[2] = { &args[swap], &args[!swap] };
    etch_dtype d;
    ETCH_TRY(kern_promote(v, 2, &d));
    if (alpha == 1) return run(out, v[0], v[1], d, sign > 0 ? &add_fns : &sub_fns, NULL);
    kern_par par = { .f = { sign * alpha } };
    par.i[0] = kern_wmul(sign, kern_is_none(args, n_args, 2) ? 1 : etch_val_as_int(&args[2]));
    return run(out, v[0], v[1], d, &adda_fns, &par);
}

KERNEL(add) { KERN_BEGIN(2, 1); return add_alpha(args, n_args, outs[0], 1, false); }
KERNEL(sub) { KERN_BEGIN(2, 1); return add_alpha(args, n_args, outs[0], -1, false); }
KERNEL(rsub) { KERN_BEGIN(2, 1); return add_alpha(args, n_args, outs[0], -1, true); }
KERNEL(mul) { KERN_BEGIN(2, 1); return binary(args, outs[0], &mul_fns, false, NULL); }
KERNEL(maximum) { KERN_BEGIN(2, 1); return binary(args, outs[0], &max_fns, false, NULL); }
KERNEL(minimum) { KERN_BEGIN(2, 1); return binary(args, outs[0], &min_fns, false, NULL); }
KERNEL(fmax) { KERN_BEGIN(2, 1); return binary(args, outs[0], &fmax_fns, false, NULL); }
KERNEL(fmin) { KERN_BEGIN(2, 1); return binary(args, outs[0], &fmin_fns, false, NULL); }
KERNEL(atan2) { KERN_BEGIN(2, 1); return binary(args, outs[0], &atan2_fns, true, NULL); }
KERNEL(copysign) { KERN_BEGIN(2, 1); return binary(args, outs[0], &copysign_fns, true, NULL); }
KERNEL(logaddexp) { KERN_BEGIN(2, 1); return binary(args, outs[0], &logaddexp_fns, true, NULL); }
KERNEL(logaddexp2) { KERN_BEGIN(2, 1); return binary(args, outs[0], &logaddexp2_fns, true, NULL); }
KERNEL(xlogy) { KERN_BEGIN(2, 1); return binary(args, outs[0], &xlogy_fns, true, NULL); }
KERNEL(heaviside) { KERN_BEGIN(2, 1); return binary(args, outs[0], &heaviside_fns, false, NULL); }
KERNEL(nextafter) { KERN_BEGIN(2, 1); return binary(args, outs[0], &nextafter_fns, false, NULL); }
// prelu(self, weight): one weight, or one a channel (dim 1); _prelu_kernel has a weight that broadcasts as it is.
KERNEL(prelu)
{
    KERN_BEGIN(2, 1);
    const etch_tensor *t, *w;
    ETCH_TRY(kern_tensor(args, 0, &t));
    ETCH_TRY(kern_tensor(args, 1, &w));
    etch_tensor shaped = *w;
    etch_val v[2] = { args[0], etch_val_tensor(&shaped) };
    if (w->rank <= 1 && etch_numel(w) != 1 && t->rank > 1) {
        shaped.rank = t->rank;
        for (int d = 0; d < t->rank; d++) shaped.sizes[d] = (etch_dim){ d == 1 ? etch_numel(w) : 1, NULL };
    }
    return binary(v, outs[0], &prelu_fns, false, NULL);
}
KERNEL(hypot) { KERN_BEGIN(2, 1); return binary(args, outs[0], &hypot_fns, true, NULL); }

static etch_status *int_div(const etch_val *args, etch_tensor *out, const kern_fns *f)
{
    kern_par par = { 0 };
    return binary(args, out, f, false, &par);
}
KERNEL(fmod) { KERN_BEGIN(2, 1); return int_div(args, outs[0], &fmod_fns); }
KERNEL(remainder) { KERN_BEGIN(2, 1); return int_div(args, outs[0], &rem_fns); }
KERNEL(floor_divide) { KERN_BEGIN(2, 1); return int_div(args, outs[0], &floor_fns); }

// div(self, other) and div(self, other, *, str? rounding_mode).
KERNEL(div)
{
    KERN_BEGIN(2, 1);
    etch_str mode;
    ETCH_TRY(kern_str_opt(args, n_args, 2, &mode));
    if (etch_str_eqz(mode, "floor")) return int_div(args, outs[0], &floor_fns);
    if (etch_str_eqz(mode, "trunc")) return int_div(args, outs[0], &trunc_fns);
    if (mode.len) return ETCH_ERR(ETCH_INVALID, "rounding_mode %.*s", ETCH_STR_ARGS(mode));
    return binary(args, outs[0], &div_fns, true, NULL);
}

static void pow2_f32(void *o_, const void *const *in, int n, KERN_UNUSED kern_par *p)
{
    float *restrict o = o_;
    const float *restrict a = in[0];
    for (int i = 0; i < n; i++) o[i] = a[i] * a[i];
}
static void pow3_f32(void *o_, const void *const *in, int n, KERN_UNUSED kern_par *p)
{
    float *restrict o = o_;
    const float *restrict a = in[0];
    for (int i = 0; i < n; i++) o[i] = a[i] * a[i] * a[i];
}
static void pow_half_f32(void *o_, const void *const *in, int n, KERN_UNUSED kern_par *p)
{
    float *restrict o = o_;
    const float *restrict a = in[0];
    for (int i = 0; i < n; i++) o[i] = sqrtf(a[i]);
}

// pow(Tensor or Scalar, Tensor or Scalar). Scalar exponents 2, 3 and 0.5 take the product or the root, as PyTorch does.
KERNEL(pow)
{
    KERN_BEGIN(2, 1);
    static const kern_fns square = { pow2_f32, pow_f64, pow_i64, NULL }, cube = { pow3_f32, pow_f64, pow_i64, NULL },
                          root = { pow_half_f32, pow_f64, pow_i64, NULL };
    const kern_fns *f = &pow_fns;
    if (args[1].kind == ETCH_V_INT || args[1].kind == ETCH_V_FLOAT) {
        double e = etch_val_as_double(&args[1]);
        f = e == 2 ? &square : e == 3 ? &cube : e == 0.5 ? &root : f;
    }
    return binary(args, outs[0], f, false, NULL);
}
