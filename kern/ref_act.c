// Activation functions with parameters: gelu, silu, elu, hardtanh, leaky_relu, softplus, glu, ...
// In: a float tensor and scalars. Out: the same shape (glu: half of one dimension).
#include "kern/elem.h"

#include <math.h>

#define SQRT_HALF 0.70710678118654752440
#define SQRT_2_PI 0.79788456080286535588

// Computes in f32 (f64 inputs in f64); integer inputs are allowed only with an i64 form.
static etch_status *act(const etch_val *args, etch_tensor *out, const kern_fns *f, kern_par *par)
{
    const etch_tensor *t;
    ETCH_TRY(kern_tensor(args, 0, &t));
    kern_ctype c = kern_ctype_of(t->dtype);
    kern_block_fn fn = c == KERN_F32 ? f->f32 : c == KERN_F64 ? f->f64 : c == KERN_I64 ? f->i64 : NULL;
    if (!fn) return ETCH_ERR(ETCH_UNSUPPORTED, "no kernel for %s", etch_dtype_name(t->dtype));
    const etch_val *v[1] = { &args[0] };
    return kern_map(out, v, 1, &c, c, fn, par);
}

#define ACT_FN(name, e32, e64)                                                          \
    KERN_UNARY(name##_f32, float, e32)                                                          \
    KERN_UNARY(name##_f64, double, e64)                                                         \
    KERNEL(name)                                                                        \
    {                                                                                   \
        static const kern_fns f = { name##_f32, name##_f64, NULL, NULL };               \
        KERN_BEGIN(1, 1);                                                               \
        return act(args, outs[0], &f, NULL);                                            \
    }
ACT_FN(silu, x / (1.0f + expf(-x)), x / (1.0 + exp(-x)))
ACT_FN(mish, x *tanhf(log1pf(expf(x))), x *tanh(log1p(exp(x))))
#define SIX(x) ((x) < -3 ? 0 : (x) > 3 ? 6 : (x) + 3)  // NaN stays NaN
ACT_FN(hardsigmoid, SIX(x) / 6.0f, SIX(x) / 6.0)
ACT_FN(hardswish, x *SIX(x) / 6.0f, x *SIX(x) / 6.0)
ACT_FN(log_sigmoid, fminf(x, 0.0f) - log1pf(expf(-fabsf(x))), fmin(x, 0.0) - log1p(exp(-fabs(x))))
ACT_FN(selu, 1.0507009873554804934193349852946f * (x > 0 ? x : 1.6732632423543772848170429916717f * expm1f(x)),
       1.0507009873554804934193349852946 * (x > 0 ? x : 1.6732632423543772848170429916717 * expm1(x)))

KERN_UNARY(gelu_f32, float, x * 0.5f * (1.0f + erff(x * (float)SQRT_HALF)))
KERN_UNARY(gelu_f64, double, x * 0.5 * (1.0 + erf(x * SQRT_HALF)))
KERN_UNARY(gelu_tanh_f32, float, 0.5f * x * (1.0f + tanhf((float)SQRT_2_PI * (x + 0.044715f * x * x * x))))
KERN_UNARY(gelu_tanh_f64, double, 0.5 * x * (1.0 + tanh(SQRT_2_PI * (x + 0.044715 * x * x * x))))
KERNEL(gelu)
{
    static const kern_fns exact = { gelu_f32, gelu_f64, NULL, NULL }, approx = { gelu_tanh_f32, gelu_tanh_f64, NULL, NULL };
    KERN_BEGIN(1, 1);
    etch_str mode;
    ETCH_TRY(kern_str_opt(args, n_args, 1, &mode));
    if (mode.len && !etch_str_eqz(mode, "none") && !etch_str_eqz(mode, "tanh"))
        return ETCH_ERR(ETCH_INVALID, "gelu approximate=%.*s", ETCH_STR_ARGS(mode));
    return act(args, outs[0], etch_str_eqz(mode, "tanh") ? &approx : &exact, NULL);
}

// elu(x, alpha, scale, input_scale)
KERN_UNARY(elu_f32, float, x <= 0 ? (float)p->f[0] * (float)p->f[1] * expm1f(x * (float)p->f[2]) : x * (float)p->f[1])
KERN_UNARY(elu_f64, double, x <= 0 ? p->f[0] * p->f[1] * expm1(x * p->f[2]) : x * p->f[1])
KERNEL(elu)
{
    static const kern_fns f = { elu_f32, elu_f64, NULL, NULL };
    KERN_BEGIN(1, 1);
    kern_par par = { 0 };
    for (int i = 0; i < 3; i++) ETCH_TRY(kern_num_opt(args, n_args, i + 1, 1, &par.f[i]));
    return act(args, outs[0], &f, &par);
}

// celu(x, alpha)
KERN_UNARY(celu_f32, float, x <= 0 ? (float)p->f[0] * expm1f(x / (float)p->f[0]) : x)
KERN_UNARY(celu_f64, double, x <= 0 ? p->f[0] * expm1(x / p->f[0]) : x)
KERNEL(celu)
{
    static const kern_fns f = { celu_f32, celu_f64, NULL, NULL };
    KERN_BEGIN(1, 1);
    kern_par par = { 0 };
    ETCH_TRY(kern_num_opt(args, n_args, 1, 1, &par.f[0]));
    return act(args, outs[0], &f, &par);
}

// hardtanh(x, min, max); NaN stays NaN.
KERN_UNARY(hardtanh_f32, float, x < (float)p->f[0] ? (float)p->f[0] : x > (float)p->f[1] ? (float)p->f[1] : x)
KERN_UNARY(hardtanh_f64, double, x < p->f[0] ? p->f[0] : x > p->f[1] ? p->f[1] : x)
KERN_UNARY(hardtanh_i64, int64_t, x < p->i[0] ? p->i[0] : x > p->i[1] ? p->i[1] : x)
static const kern_fns hardtanh_fns = { hardtanh_f32, hardtanh_f64, hardtanh_i64, NULL };
KERNEL(hardtanh)
{
    KERN_BEGIN(1, 1);
    kern_par par = { 0 };
    ETCH_TRY(kern_num_opt(args, n_args, 1, -1, &par.f[0]));
    ETCH_TRY(kern_num_opt(args, n_args, 2, 1, &par.f[1]));
    for (int i = 0; i < 2; i++) par.i[i] = kern_f2i(par.f[i]);
    return act(args, outs[0], &hardtanh_fns, &par);
}
KERNEL(relu6)
{
    KERN_BEGIN(1, 1);
    kern_par par = { .f = { 0, 6 }, .i = { 0, 6 } };
    return act(args, outs[0], &hardtanh_fns, &par);
}

KERN_UNARY(leaky_f32, float, x > 0 ? x : x *(float)p->f[0])
KERN_UNARY(leaky_f64, double, x > 0 ? x : x *p->f[0])
KERNEL(leaky_relu)
{
    static const kern_fns f = { leaky_f32, leaky_f64, NULL, NULL };
    KERN_BEGIN(1, 1);
    kern_par par = { 0 };
    ETCH_TRY(kern_num_opt(args, n_args, 1, 0.01, &par.f[0]));
    return act(args, outs[0], &f, &par);
}

// softplus(x, beta, threshold): linear above the threshold.
KERN_UNARY(softplus_f32, float, x *(float)p->f[0] > (float)p->f[1] ? x : log1pf(expf(x * (float)p->f[0])) / (float)p->f[0])
KERN_UNARY(softplus_f64, double, x *p->f[0] > p->f[1] ? x : log1p(exp(x * p->f[0])) / p->f[0])
KERNEL(softplus)
{
    static const kern_fns f = { softplus_f32, softplus_f64, NULL, NULL };
    KERN_BEGIN(1, 1);
    kern_par par = { 0 };
    ETCH_TRY(kern_num_opt(args, n_args, 1, 1, &par.f[0]));
    ETCH_TRY(kern_num_opt(args, n_args, 2, 20, &par.f[1]));
    return act(args, outs[0], &f, &par);
}

// threshold(x, threshold, value): x where x > threshold, else value.
KERN_UNARY(threshold_f32, float, x <= (float)p->f[0] ? (float)p->f[1] : x)
KERN_UNARY(threshold_f64, double, x <= p->f[0] ? p->f[1] : x)
KERN_UNARY(threshold_i64, int64_t, x <= p->i[0] ? p->i[1] : x)
KERNEL(threshold)
{
    static const kern_fns f = { threshold_f32, threshold_f64, threshold_i64, NULL };
    KERN_BEGIN(3, 1);
    kern_par par = { 0 };
    for (int i = 0; i < 2; i++) {
        ETCH_TRY(kern_num(args, i + 1, &par.f[i]));
        par.i[i] = kern_f2i(par.f[i]);
    }
    return act(args, outs[0], &f, &par);
}

// hardshrink, softshrink(x, lambd)
KERN_UNARY(hardshrink_f32, float, x >= -(float)p->f[0] && x <= (float)p->f[0] ? 0 : x)
KERN_UNARY(hardshrink_f64, double, x >= -p->f[0] && x <= p->f[0] ? 0 : x)
KERN_UNARY(softshrink_f32, float, x > (float)p->f[0] ? x - (float)p->f[0] : x < -(float)p->f[0] ? x + (float)p->f[0] : x != x ? x : 0)
KERN_UNARY(softshrink_f64, double, x > p->f[0] ? x - p->f[0] : x < -p->f[0] ? x + p->f[0] : x != x ? x : 0)
static etch_status *shrink(const etch_val *args, int n_args, etch_tensor *out, const kern_fns *f)
{
    kern_par par = { 0 };
    ETCH_TRY(kern_num_opt(args, n_args, 1, 0.5, &par.f[0]));
    return act(args, out, f, &par);
}
KERNEL(hardshrink)
{
    static const kern_fns f = { hardshrink_f32, hardshrink_f64, NULL, NULL };
    KERN_BEGIN(1, 1);
    return shrink(args, n_args, outs[0], &f);
}
KERNEL(softshrink)
{
    static const kern_fns f = { softshrink_f32, softshrink_f64, NULL, NULL };
    KERN_BEGIN(1, 1);
    return shrink(args, n_args, outs[0], &f);
}

// glu(x, dim): first half times sigmoid of the second half along `dim`.
KERNEL(glu)
{
    KERN_BEGIN(1, 1);
    const etch_tensor *t;
    ETCH_TRY(kern_tensor(args, 0, &t));
    etch_tensor *out = outs[0];
    int64_t dim_arg;
    int d;
    ETCH_TRY(kern_int_opt(args, n_args, 1, -1, &dim_arg));
    ETCH_TRY(kern_wrap_dim(dim_arg, t->rank, &d));
    if (!t->rank || !etch_dtype_is_float(t->dtype)) return ETCH_ERR(ETCH_INVALID, "glu of %s, rank %d", etch_dtype_name(t->dtype), t->rank);
    int64_t want[ETCH_MAX_RANK];
    for (int k = 0; k < t->rank; k++) want[k] = kern_size(t, k);
    if (want[d] % 2) return ETCH_ERR(ETCH_INVALID, "glu needs an even size, not %lld", (long long)want[d]);
    want[d] /= 2;
    ETCH_TRY(kern_want_sizes(out, "the output of glu", t->rank, want));
    int64_t inner = kern_prod(t, d + 1, t->rank) * want[d], outer = kern_prod(t, 0, d);
    bool wide = t->dtype == ETCH_F64;
    for (int64_t o = 0; o < outer; o++)
        for (int64_t i = 0; i < inner; i++) {
            int64_t a = o * 2 * inner + i;
            if (wide) {
                double x = etch_load_double(t->data, t->dtype, a), g = etch_load_double(t->data, t->dtype, a + inner);
                etch_store_double(out->data, out->dtype, o * inner + i, x / (1.0 + exp(-g)));
            } else {
                float x = kern_get_f32(t->data, t->dtype, a), g = kern_get_f32(t->data, t->dtype, a + inner);
                kern_put_f32(out->data, out->dtype, o * inner + i, x / (1.0f + expf(-g)));
            }
        }
    return NULL;
}
