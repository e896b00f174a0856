// Elementwise nodes: one XNode each, limits folded where XNNPACK has them. Values in NHWC stay there when all operands do.
#include <math.h>

#include "lower/xnn.h"

static bool always(const lw_method *lm, const etch_node *n)
{
    (void)lm;
    (void)n;
    return true;
}

static const etch_val *arg(const etch_node *n, const char *name)
{
    int i = etch_schema_param(n->op->schema, etch_str_of(name));
    return i < 0 ? NULL : &n->args[i];
}

// Operand and result of a one-operand node, both in the layout of the operand.
static etch_status *ends(xnn_build *x, const etch_node *n, uint32_t *in, uint32_t *out)
{
    etch_value *v = etch_arg_value(&n->args[0]);
    if (xnn_has_nhwc(x, v)) {
        ETCH_TRY(xnn_in_nhwc(x, v, in));
        return xnn_out_nhwc(x, n->outs[0], out);
    }
    ETCH_TRY(xnn_in(x, v, in));
    return xnn_out(x, n->outs[0], out);
}

// ---- one operand
static etch_status *write_unary(xnn_build *x, const etch_node *n)
{
    uint32_t in, out;
    ETCH_TRY(ends(x, n, &in, &out));
    switch (n->op->id) {
    case ETCH_OP_abs: return XNN_UNARY(x, XNNAbs, in, out);
    case ETCH_OP_ceil: return XNN_UNARY(x, XNNCeiling, in, out);
    case ETCH_OP_floor: return XNN_UNARY(x, XNNFloor, in, out);
    case ETCH_OP_neg: return XNN_UNARY(x, XNNNegate, in, out);
    case ETCH_OP_cos: return XNN_UNARY(x, XNNCos, in, out);
    case ETCH_OP_sin: return XNN_UNARY(x, XNNSin, in, out);
    case ETCH_OP_exp: return XNN_UNARY(x, XNNExp, in, out);
    case ETCH_OP_log: return XNN_UNARY(x, XNNLog, in, out);
    case ETCH_OP_rsqrt: return XNN_UNARY(x, XNNReciprocalSquareRoot, in, out);
    case ETCH_OP_sqrt: return XNN_UNARY(x, XNNSquareRoot, in, out);
    case ETCH_OP_sigmoid: return XNN_UNARY(x, XNNSigmoid, in, out);
    case ETCH_OP_tanh: return XNN_UNARY(x, XNNTanh, in, out);
    default: return ETCH_ERR(ETCH_INTERNAL, "no XNNPACK node for %.*s", ETCH_STR_ARGS(n->op->schema->name));
    }
}

static bool can_unary(const lw_method *lm, const etch_node *n)
{
    (void)lm;
    switch (n->op->id) {
    case ETCH_OP_abs: case ETCH_OP_ceil: case ETCH_OP_floor: case ETCH_OP_neg: case ETCH_OP_cos: case ETCH_OP_sin: case ETCH_OP_exp:
    case ETCH_OP_log:
    case ETCH_OP_rsqrt: case ETCH_OP_sqrt: case ETCH_OP_sigmoid: case ETCH_OP_tanh: return true;
    default: return false;
    }
}

extern const xnn_rule xnn_rule_unary;
const xnn_rule xnn_rule_unary = { XNN_LIGHT, false, can_unary, write_unary, NULL, false, false, true };

static etch_status *write_clamp(xnn_build *x, const etch_node *n)
{
    uint32_t in, out;
    double lo = -INFINITY, hi = INFINITY;
    ETCH_TRY(ends(x, n, &in, &out));
    if (n->op->id == ETCH_OP_relu) lo = 0;
    else {
        if (n->args[1].kind != ETCH_V_NONE) lo = etch_val_as_double(&n->args[1]);
        if (n->args[2].kind != ETCH_V_NONE) hi = etch_val_as_double(&n->args[2]);
    }
    xnn_limits(x, lo, hi);
    return XNN_UNARY(x, XNNClamp, in, out);
}

static bool can_clamp(const lw_method *lm, const etch_node *n)
{
    (void)lm;
    if (n->op->id == ETCH_OP_relu) return true;
    double lo = n->args[1].kind == ETCH_V_NONE ? -INFINITY : etch_val_as_double(&n->args[1]);
    double hi = n->args[2].kind == ETCH_V_NONE ? INFINITY : etch_val_as_double(&n->args[2]);
    return lo < hi && xnn_const_ints(&n->args[1]) + (n->args[1].kind != ETCH_V_INT) &&
           xnn_const_ints(&n->args[2]) + (n->args[2].kind != ETCH_V_INT);
}

extern const xnn_rule xnn_rule_clamp;
const xnn_rule xnn_rule_clamp = { XNN_LIGHT, false, can_clamp, write_clamp, NULL, false, false, true };

static etch_status *write_leaky_relu(xnn_build *x, const etch_node *n)
{
    uint32_t in, out;
    ETCH_TRY(ends(x, n, &in, &out));
    etch_fbo t = etch_fbb_table(xnn_fbb(x), ETCH_FB_XNNLeakyReLU);
    etch_fbb_float(xnn_fbb(x), t, ETCH_FB(XNNLeakyReLU, negative_slope), etch_val_as_double(&n->args[1]));
    etch_fbb_int(xnn_fbb(x), t, ETCH_FB(XNNLeakyReLU, input_id), in);
    etch_fbb_int(xnn_fbb(x), t, ETCH_FB(XNNLeakyReLU, output_id), out);
    return xnn_node(x, ETCH_FBU(XNodeUnion, XNNLeakyReLU), t);
}

extern const xnn_rule xnn_rule_leaky_relu;
const xnn_rule xnn_rule_leaky_relu = { XNN_LIGHT, false, always, write_leaky_relu, NULL, false, false, false };

// A value like the operand, in the operand's layout.
static etch_status *like(xnn_build *x, const etch_node *n, uint32_t *out)
{
    const etch_value *v = etch_arg_value(&n->args[0]);
    const int64_t *d = lw_slot_of(v)->bound;
    if (xnn_has_nhwc(x, v)) return xnn_temp(x, 4, (int64_t[]){ d[0], d[2], d[3], d[1] }, out);
    return xnn_temp(x, v->t.rank, d, out);
}

// ---- types: float32 into the 16-bit floats and back
static bool can_cast(const lw_method *lm, const etch_node *n)
{
    (void)lm;
    return (n->args[0].t->dtype == ETCH_F32) != (n->outs[0]->t.dtype == ETCH_F32);
}

static etch_status *write_cast(xnn_build *x, const etch_node *n)
{
    uint32_t in, out;
    ETCH_TRY(ends(x, n, &in, &out));
    return xnn_convert(x, in, out);
}

extern const xnn_rule xnn_rule_cast;
const xnn_rule xnn_rule_cast = { XNN_MOVES, false, can_cast, write_cast, NULL, false, true, true };

// gelu: the payload's node is the erf form. approximate="tanh" is another function: 0.5 x (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))),
// written out.
static etch_status *gelu(xnn_build *x, const etch_node *n, uint32_t in, uint32_t out)
{
    uint32_t k[4], t[6];
    if (!etch_str_eqz(arg(n, "approximate")->s, "tanh")) return XNN_UNARY(x, XNNGelu, in, out);
    static const double constants[4] = { 0.044715, 0.7978845608028654, 1, 0.5 };
    for (int i = 0; i < 4; i++) ETCH_TRY(xnn_scalar(x, constants[i], &k[i]));
    for (int i = 0; i < 6; i++) ETCH_TRY(like(x, n, &t[i]));
    ETCH_TRY(XNN_UNARY(x, XNNSquare, in, t[0]));
    ETCH_TRY(XNN_BINARY(x, XNNMultiply, t[0], k[0], t[1]));
    ETCH_TRY(XNN_BINARY(x, XNNAdd, t[1], k[2], t[2]));            // 1 + 0.044715 x^2
    ETCH_TRY(XNN_BINARY(x, XNNMultiply, t[2], in, t[3]));
    ETCH_TRY(XNN_BINARY(x, XNNMultiply, t[3], k[1], t[4]));
    ETCH_TRY(XNN_UNARY(x, XNNTanh, t[4], t[5]));
    ETCH_TRY(like(x, n, &t[0]));
    ETCH_TRY(like(x, n, &t[1]));
    ETCH_TRY(XNN_BINARY(x, XNNAdd, t[5], k[2], t[0]));
    ETCH_TRY(XNN_BINARY(x, XNNMultiply, in, k[3], t[1]));
    return XNN_BINARY(x, XNNMultiply, t[0], t[1], out);
}

// The official partitioner leaves 16-bit floats outside; here they are computed in float32, as PyTorch does.
static etch_status *write_gelu(xnn_build *x, const etch_node *n)
{
    uint32_t in, out, wide_in, wide_out;
    ETCH_TRY(ends(x, n, &in, &out));
    if (!xnn_is_half(n->outs[0])) return gelu(x, n, in, out);
    xnn_compute_wide(x, true);
    ETCH_TRY(like(x, n, &wide_in));
    ETCH_TRY(like(x, n, &wide_out));
    ETCH_TRY(xnn_convert(x, in, wide_in));
    ETCH_TRY(gelu(x, n, wide_in, wide_out));
    return xnn_convert(x, wide_out, out);
}

extern const xnn_rule xnn_rule_gelu;
const xnn_rule xnn_rule_gelu = { XNN_LIGHT, false, always, write_gelu, NULL, false, false, true };

// pow with exponent 2 or 3.
static etch_status *write_square(xnn_build *x, const etch_node *n)
{
    uint32_t in, out, t;
    ETCH_TRY(ends(x, n, &in, &out));
    if (xnn_scalar_is(&n->args[1], 2)) return XNN_UNARY(x, XNNSquare, in, out);
    ETCH_TRY(like(x, n, &t));
    ETCH_TRY(XNN_UNARY(x, XNNSquare, in, t));
    return XNN_BINARY(x, XNNMultiply, t, in, out);
}

static bool can_square(const lw_method *lm, const etch_node *n)
{
    (void)lm;
    return xnn_scalar_is(&n->args[1], 2) || xnn_scalar_is(&n->args[1], 3);
}

extern const xnn_rule xnn_rule_square;
const xnn_rule xnn_rule_square = { XNN_LIGHT, false, can_square, write_square, NULL, false, false, true };

// ---- two operands
static bool can_binary(const lw_method *lm, const etch_node *n)
{
    (void)lm;
    const etch_val *alpha = arg(n, "alpha");
    return n->args[0].kind == ETCH_V_TENSOR && n->args[1].kind == ETCH_V_TENSOR && (!alpha || xnn_scalar_is(alpha, 1));
}

static etch_status *binary_node(xnn_build *x, etch_op_id id, uint32_t a, uint32_t b, uint32_t out)
{
    switch (id) {
    case ETCH_OP_add_Tensor: case ETCH_OP_add_Scalar: return XNN_BINARY(x, XNNAdd, a, b, out);
    case ETCH_OP_sub_Tensor: case ETCH_OP_sub_Scalar: return XNN_BINARY(x, XNNSubtract, a, b, out);
    case ETCH_OP_rsub_Scalar: return XNN_BINARY(x, XNNSubtract, b, a, out);
    case ETCH_OP_mul_Tensor: case ETCH_OP_mul_Scalar: return XNN_BINARY(x, XNNMultiply, a, b, out);
    case ETCH_OP_div_Tensor: case ETCH_OP_div_Scalar: return XNN_BINARY(x, XNNDiv, a, b, out);
    case ETCH_OP_maximum: return XNN_BINARY(x, XNNMaximum, a, b, out);
    case ETCH_OP_minimum: return XNN_BINARY(x, XNNMinimum, a, b, out);
    default: return ETCH_ERR(ETCH_INTERNAL, "no XNNPACK node for this pair");
    }
}

static etch_status *write_binary(xnn_build *x, const etch_node *n)
{
    etch_value *va = etch_arg_value(&n->args[0]), *vb = etch_arg_value(&n->args[1]);
    uint32_t a, b, out;
    int64_t numel_b;
    bool b_scalar = etch_tensor_numel(&vb->t, &numel_b) && numel_b == 1 && lw_slot_of(vb)->is_const;
    if (xnn_has_nhwc(x, va) && (b_scalar || xnn_has_nhwc(x, vb))) {
        ETCH_TRY(xnn_in_nhwc(x, va, &a));
        if (b_scalar) ETCH_TRY(xnn_in(x, vb, &b));
        else ETCH_TRY(xnn_in_nhwc(x, vb, &b));
        ETCH_TRY(xnn_out_nhwc(x, n->outs[0], &out));
    } else {
        ETCH_TRY(xnn_in(x, va, &a));
        ETCH_TRY(xnn_in(x, vb, &b));
        ETCH_TRY(xnn_out(x, n->outs[0], &out));
    }
    return binary_node(x, n->op->id, a, b, out);
}

extern const xnn_rule xnn_rule_binary;
const xnn_rule xnn_rule_binary = { XNN_LIGHT, true, can_binary, write_binary, NULL, false, false, true };

static bool can_binary_scalar(const lw_method *lm, const etch_node *n)
{
    (void)lm;
    const etch_val *alpha = arg(n, "alpha"), *s = &n->args[1];
    bool number = s->kind == ETCH_V_FLOAT || s->kind == ETCH_V_BOOL || (s->kind == ETCH_V_INT && etch_dim_is_const(s->i));
    if (!number || (alpha && !xnn_scalar_is(alpha, 1))) return false;
    double v = fabs(etch_val_as_double(s));
    bool is_half = n->outs[0]->t.dtype == ETCH_F16, is_sum = n->op->id == ETCH_OP_add_Scalar || n->op->id == ETCH_OP_sub_Scalar;
    // PyTorch computes with the scalar in float32; a factor that float16 rounds to few bits or to infinity would be another factor.
    if (is_half) return v <= 65504 && (v == 0 || v >= 0x1p-14 || is_sum);
    return isfinite((float)v);
}

static etch_status *write_binary_scalar(xnn_build *x, const etch_node *n)
{
    uint32_t a, b, out, wide;
    double scalar = etch_val_as_double(&n->args[1]);
    if (!xnn_needs_wide(n->outs[0])) {
        ETCH_TRY(ends(x, n, &a, &out));
        ETCH_TRY(xnn_scalar(x, scalar, &b));
        return binary_node(x, n->op->id, a, b, out);
    }
    xnn_compute_wide(x, true);
    ETCH_TRY(xnn_in_wide(x, etch_arg_value(&n->args[0]), &a));
    ETCH_TRY(xnn_scalar(x, scalar, &b));
    ETCH_TRY(like(x, n, &wide));
    etch_value *target = xnn_written_as(x, n->outs[0]);   // limits of a folded clamp go to the next node
    ETCH_TRY(binary_node(x, n->op->id, a, b, wide));
    ETCH_TRY(xnn_in_place_of(x, target, &out));
    return xnn_convert(x, wide, out);
}

extern const xnn_rule xnn_rule_binary_scalar;
const xnn_rule xnn_rule_binary_scalar = { XNN_LIGHT, true, can_binary_scalar, write_binary_scalar, NULL, false, false, true };
