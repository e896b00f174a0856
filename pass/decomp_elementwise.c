// Decompositions of elementwise operators: activations, arithmetic, comparisons, selection. The formulas are PyTorch's own
// (documented under torch.nn.functional and torch.special); half types compute in f32 where PyTorch does.
#include <math.h>

#include "pass/decomp.h"

// The first argument as a value that is computed with in f32 at least; the result goes back to the node's type.
static etch_value *in(etch_build *b, const etch_node *n) { return etch_b_float(b, etch_b_tensor(b, &n->args[0])); }
static etch_value *back(etch_build *b, const etch_node *n, etch_value *v) { return etch_b_to(b, v, n->outs[0]->t.dtype); }

// activations

DECOMP(silu)
{
    etch_value *x = in(b, n);
    out[0] = back(b, n, B(b, mul_Tensor, V(x), V(B(b, sigmoid, V(x)))));
}

DECOMP(relu6) { out[0] = B(b, hardtanh, n->args[0], I(0), I(6)); }

static etch_value *relu6_of_x_plus_3(etch_build *b, etch_value *x) { return B(b, hardtanh, V(B(b, add_Tensor, V(x), F(3))), I(0), I(6)); }

DECOMP(hardswish)
{
    etch_value *x = in(b, n);
    out[0] = back(b, n, B(b, div_Tensor, V(B(b, mul_Tensor, V(x), V(relu6_of_x_plus_3(b, x)))), F(6)));
}

DECOMP(hardsigmoid) { out[0] = back(b, n, B(b, div_Tensor, V(relu6_of_x_plus_3(b, in(b, n))), F(6))); }
DECOMP(selu) { out[0] = B(b, elu, n->args[0], F(1.6732632423543772848170429916717), F(1.0507009873554804934193349852946), I(1)); }
DECOMP(celu) { out[0] = B(b, elu, n->args[0], n->args[1], I(1), F(1.0 / etch_val_as_double(&n->args[1]))); }

static etch_value *softplus_of(etch_build *b, etch_value *x, double beta, double threshold)
{
    etch_value *bx = beta == 1.0 ? x : B(b, mul_Tensor, V(x), F(beta));
    etch_value *y = B(b, log1p, V(B(b, exp, V(bx))));
    if (beta != 1.0) y = B(b, div_Tensor, V(y), F(beta));
    return B(b, where_self, V(B(b, gt_Scalar, V(bx), F(threshold))), V(x), V(y));
}

DECOMP(softplus) { out[0] = back(b, n, softplus_of(b, in(b, n), etch_val_as_double(&n->args[1]), etch_val_as_double(&n->args[2]))); }

DECOMP(mish)
{
    etch_value *x = in(b, n);
    out[0] = back(b, n, B(b, mul_Tensor, V(x), V(B(b, tanh, V(softplus_of(b, x, 1, 20))))));
}

DECOMP(log_sigmoid)
{
    etch_value *x = in(b, n);
    etch_value *tail = B(b, log1p, V(B(b, exp, V(B(b, neg, V(B(b, abs, V(x))))))));
    out[0] = back(b, n, B(b, sub_Tensor, V(B(b, clamp, V(x), NONE_, F(0))), V(tail)));
}

DECOMP(hardshrink) { out[0] = B(b, where_self, V(B(b, le_Scalar, V(B(b, abs, n->args[0])), n->args[1])), F(0), n->args[0]); }

DECOMP(softshrink)
{
    etch_value *x = etch_b_tensor(b, &n->args[0]);
    double l = etch_val_as_double(&n->args[1]);
    etch_value *low = B(b, where_self, V(B(b, lt_Scalar, V(x), F(-l))), V(B(b, add_Tensor, V(x), F(l))), F(0));
    out[0] = B(b, where_self, V(B(b, gt_Scalar, V(x), F(l))), V(B(b, sub_Tensor, V(x), F(l))), V(low));
}

DECOMP(threshold)
{
    etch_value *y = B(b, where_self, V(B(b, le_Scalar, n->args[0], n->args[1])), n->args[2], n->args[0]);
    out[0] = back(b, n, y);
}

// weight: one element, or one a channel (dimension 1)
DECOMP(prelu)
{
    etch_value *x = etch_b_tensor(b, &n->args[0]), *w = etch_b_tensor(b, &n->args[1]);
    if (n->op->id == ETCH_OP_prelu && w->t.rank == 1 && x->t.rank > 2 && !(w->t.sizes[0].v == 1 && !w->t.sizes[0].e)) {
        etch_dim dims[ETCH_MAX_RANK];
        for (int i = 0; i < x->t.rank - 1; i++) dims[i] = etch_dim_of(1);
        dims[0] = w->t.sizes[0];
        w = etch_b_view(b, w, x->t.rank - 1, dims);
    }
    out[0] = B(b, where_self, V(B(b, gt_Scalar, V(x), I(0))), V(x), V(B(b, mul_Tensor, V(w), V(x))));
}

// one operand

DECOMP(positive) { out[0] = etch_b_tensor(b, &n->args[0]); }
DECOMP(noop) { out[0] = etch_b_tensor(b, &n->args[0]); }
DECOMP(frac) { out[0] = B(b, sub_Tensor, n->args[0], V(B(b, trunc, n->args[0]))); }
DECOMP(square) { out[0] = B(b, mul_Tensor, n->args[0], n->args[0]); }
DECOMP(deg2rad) { out[0] = B(b, mul_Tensor, n->args[0], F(0.017453292519943295769)); }
DECOMP(rad2deg) { out[0] = B(b, mul_Tensor, n->args[0], F(57.295779513082320877)); }
DECOMP(erfc) { out[0] = back(b, n, B(b, rsub_Scalar, V(B(b, erf, V(in(b, n)))), F(1))); }
DECOMP(exp2) { out[0] = B(b, pow_Scalar, F(2), n->args[0]); }
DECOMP(isneginf) { out[0] = B(b, eq_Scalar, n->args[0], F(-INFINITY)); }
DECOMP(isposinf) { out[0] = B(b, eq_Scalar, n->args[0], F(INFINITY)); }
DECOMP(signbit) { out[0] = B(b, lt_Scalar, n->args[0], I(0)); }
DECOMP(isfinite) { out[0] = B(b, lt_Scalar, V(B(b, abs, n->args[0])), F(INFINITY)); }  // false for NaN

DECOMP(sgn)
{
    if (etch_dtype_is_complex(etch_b_dtype(&n->args[0]))) etch_b_fail(b, "complex numbers");
    out[0] = B(b, sign, n->args[0]);
}

DECOMP(round_decimals)
{
    int64_t d = etch_val_as_int(&n->args[1]);
    double p = pow(10.0, (double)(d < 0 ? -d : d));
    etch_value *x = in(b, n);
    if (d >= 0) x = B(b, div_Tensor, V(B(b, round, V(B(b, mul_Tensor, V(x), F(p))))), F(p));
    else x = B(b, mul_Tensor, V(B(b, round, V(B(b, div_Tensor, V(x), F(p))))), F(p));
    out[0] = back(b, n, x);
}

DECOMP(nan_to_num)
{
    etch_value *x = etch_b_tensor(b, &n->args[0]);
    double biggest = x->t.dtype == ETCH_F16 ? 65504.0 : x->t.dtype == ETCH_BF16 ? 3.3895313892515355e38
                     : x->t.dtype == ETCH_F64 ? 1.7976931348623157e308
                     : 3.4028234663852886e38;
    if (!etch_dtype_is_float(x->t.dtype)) {
        out[0] = x;
        return;
    }
    double nan = n->args[1].kind == ETCH_V_FLOAT ? n->args[1].f : 0.0, hi = n->args[2].kind == ETCH_V_FLOAT ? n->args[2].f : biggest,
           lo = n->args[3].kind == ETCH_V_FLOAT ? n->args[3].f : -biggest;
    etch_value *y = B(b, where_self, V(B(b, isnan, V(x))), F(nan), V(x));
    y = B(b, where_self, V(B(b, eq_Scalar, V(x), F(INFINITY))), F(hi), V(y));
    out[0] = B(b, where_self, V(B(b, eq_Scalar, V(x), F(-INFINITY))), F(lo), V(y));
}

DECOMP(sinc)
{
    etch_value *px = B(b, mul_Tensor, V(in(b, n)), F(3.141592653589793));
    out[0] = back(b, n, B(b, where_self, V(B(b, eq_Scalar, V(px), I(0))), F(1), V(B(b, div_Tensor, V(B(b, sin, V(px))), V(px)))));
}

static bool is_complex(etch_build *b, const etch_node *n)
{
    if (!etch_dtype_is_complex(etch_b_dtype(&n->args[0]))) return false;
    etch_b_fail(b, "complex numbers have no form in a .pte");
    return true;
}

DECOMP(conj) { out[0] = is_complex(b, n) ? &b->harmless : etch_b_tensor(b, &n->args[0]); }
DECOMP(real) { out[0] = is_complex(b, n) ? &b->harmless : etch_b_tensor(b, &n->args[0]); }

DECOMP(imag)
{
    (void)n;
    etch_b_fail(b, "complex numbers have no form in a .pte");
    out[0] = &b->harmless;
}

DECOMP(polar)
{
    (void)n;
    etch_b_fail(b, "complex numbers have no form in a .pte");
    out[0] = &b->harmless;
}

DECOMP(angle)
{
    if (is_complex(b, n)) {
        out[0] = &b->harmless;
        return;
    }
    etch_value *x = in(b, n);
    etch_value *y = B(b, where_self, V(B(b, lt_Scalar, V(x), I(0))), F(3.141592653589793), F(0));
    if (etch_dtype_is_float(x->t.dtype)) y = B(b, where_self, V(B(b, isnan, V(x))), V(x), V(y));
    out[0] = back(b, n, y);
}

// two operands

DECOMP(rsub) { out[0] = B(b, sub_Tensor, n->args[1], n->args[0], n->args[2]); }
DECOMP(true_divide) { out[0] = B(b, div_Tensor, n->args[0], n->args[1]); }
DECOMP(floor_divide) { out[0] = B(b, floor_divide, n->args[0], n->args[1]); }
DECOMP(remainder) { out[0] = B(b, remainder_Tensor, n->args[0], n->args[1]); }
DECOMP(max_other) { out[0] = B(b, maximum, n->args[0], n->args[1]); }
DECOMP(min_other) { out[0] = B(b, minimum, n->args[0], n->args[1]); }
DECOMP(lshift) { out[0] = B(b, bitwise_left_shift_Tensor, n->args[0], n->args[1]); }
DECOMP(rshift) { out[0] = B(b, bitwise_right_shift_Tensor, n->args[0], n->args[1]); }

static etch_value *ignoring_nan(etch_build *b, const etch_node *n, etch_value *best)
{
    if (!etch_dtype_is_float(best->t.dtype)) return best;
    etch_value *y = B(b, where_self, V(B(b, isnan, n->args[1])), n->args[0], V(best));
    return B(b, where_self, V(B(b, isnan, n->args[0])), n->args[1], V(y));
}

DECOMP(fmax) { out[0] = back(b, n, ignoring_nan(b, n, B(b, maximum, n->args[0], n->args[1]))); }
DECOMP(fmin) { out[0] = back(b, n, ignoring_nan(b, n, B(b, minimum, n->args[0], n->args[1]))); }

DECOMP(copysign)
{
    etch_value *m = B(b, abs, n->args[0]);
    out[0] = back(b, n, B(b, where_self, V(B(b, lt_Tensor, n->args[1], I(0))), V(B(b, neg, V(m))), V(m)));
}

DECOMP(hypot)
{
    etch_value *xx = B(b, mul_Tensor, n->args[0], n->args[0]), *yy = B(b, mul_Tensor, n->args[1], n->args[1]);
    out[0] = back(b, n, B(b, sqrt, V(B(b, add_Tensor, V(xx), V(yy)))));
}

// max + log(1 + base^-|x - y|); equal infinities would give NaN, so the difference is cleared there.
static etch_value *log_add(etch_build *b, const etch_node *n, double ln_base)
{
    etch_value *m = B(b, maximum, n->args[0], n->args[1]);
    etch_value *d = B(b, neg, V(B(b, abs, V(B(b, sub_Tensor, n->args[0], n->args[1])))));
    etch_value *equal = B(b, eq_Tensor, n->args[0], n->args[1]);
    d = B(b, where_self, V(equal), F(0), V(d));
    if (ln_base != 1.0) d = B(b, mul_Tensor, V(d), F(ln_base));
    d = B(b, log1p, V(B(b, exp, V(d))));
    if (ln_base != 1.0) d = B(b, div_Tensor, V(d), F(ln_base));
    return B(b, add_Tensor, V(m), V(d));
}

DECOMP(logaddexp) { out[0] = back(b, n, log_add(b, n, 1.0)); }
DECOMP(logaddexp2) { out[0] = back(b, n, log_add(b, n, 0.69314718055994530942)); }

DECOMP(xlogy)
{
    etch_value *y = B(b, mul_Tensor, n->args[0], V(B(b, log, n->args[1])));
    etch_value *zero = B(b, logical_and, V(B(b, eq_Tensor, n->args[0], I(0))), V(B(b, logical_not, V(B(b, isnan, n->args[1])))));
    out[0] = back(b, n, B(b, where_self, V(zero), F(0), V(y)));
}

DECOMP(heaviside)
{
    etch_value *step = etch_b_to(b, B(b, gt_Scalar, n->args[0], I(0)), n->outs[0]->t.dtype);
    out[0] = B(b, where_self, V(B(b, eq_Scalar, n->args[0], I(0))), n->args[1], V(step));
}

DECOMP(isclose)
{
    double rtol = etch_val_as_double(&n->args[2]), atol = etch_val_as_double(&n->args[3]);
    etch_value *d = B(b, abs, V(B(b, sub_Tensor, n->args[0], n->args[1])));
    etch_value *bound = B(b, add_Tensor, V(B(b, mul_Tensor, V(B(b, abs, n->args[1])), F(rtol))), F(atol));
    etch_value *near = B(b, logical_and, V(B(b, le_Tensor, V(d), V(bound))), V(B(b, lt_Scalar, V(d), F(INFINITY))));
    etch_value *y = B(b, logical_or, V(B(b, eq_Tensor, n->args[0], n->args[1])), V(near));
    if (n->args[4].b) y = B(b, logical_or, V(y), V(B(b, logical_and, V(B(b, isnan, n->args[0])), V(B(b, isnan, n->args[1])))));
    out[0] = y;
}

// selection

DECOMP(where_scalar) { out[0] = B(b, where_self, n->args[0], n->args[1], n->args[2]); }

DECOMP(clamp_min)
{
    if (n->args[1].kind == ETCH_V_TENSOR) out[0] = B(b, maximum, n->args[0], n->args[1]);
    else out[0] = B(b, clamp, n->args[0], n->args[1], NONE_);
}

DECOMP(clamp_max)
{
    if (n->args[1].kind == ETCH_V_TENSOR) out[0] = B(b, minimum, n->args[0], n->args[1]);
    else out[0] = B(b, clamp, n->args[0], NONE_, n->args[1]);
}

static etch_val scaled(etch_build *b, etch_value *v, const etch_val *by)
{
    bool one = (by->kind == ETCH_V_INT && !by->i.e && by->i.v == 1) || (by->kind == ETCH_V_FLOAT && by->f == 1.0);
    return one ? V(v) : V(B(b, mul_Tensor, V(v), *by));
}

DECOMP(addcmul) { out[0] = B(b, add_Tensor, n->args[0], scaled(b, B(b, mul_Tensor, n->args[1], n->args[2]), &n->args[3])); }
DECOMP(addcdiv) { out[0] = B(b, add_Tensor, n->args[0], scaled(b, B(b, div_Tensor, n->args[1], n->args[2]), &n->args[3])); }

DECOMP(lerp)
{
    etch_value *d = B(b, sub_Tensor, n->args[1], n->args[0]);
    out[0] = B(b, add_Tensor, n->args[0], V(B(b, mul_Tensor, V(d), n->args[2])));
}

DECOMP(masked_fill_tensor)
{
    etch_value *v = etch_b_to(b, etch_b_tensor(b, &n->args[2]), n->outs[0]->t.dtype);
    out[0] = B(b, where_self, n->args[1], V(v), n->args[0]);
}
