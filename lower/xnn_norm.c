// Softmax, means and normalisation.
//
// XNNPACK's mean in the payload format is over dims 1 and 2 of [N, H, W, C]. A mean over the last dims of a tensor is that of its reshape
// to [rows, 1, columns, 1], so means and layer norms need no fallback: rows may be dynamic (the size that a static reshape infers).
#include "lower/xnn.h"

static int wrap(int64_t d, int rank) { return (int)(d < 0 ? d + rank : d); }

static bool can_softmax(const lw_method *lm, const etch_node *n)
{
    (void)lm;
    return wrap(n->args[1].i.v, n->args[0].t->rank) == n->args[0].t->rank - 1;
}

static etch_status *write_softmax(xnn_build *x, const etch_node *n)
{
    uint32_t in, out, wide;
    etch_value *v = etch_arg_value(&n->args[0]);
    if (!xnn_needs_wide(v)) {
        ETCH_TRY(xnn_in(x, v, &in));
        ETCH_TRY(xnn_out(x, n->outs[0], &out));
        return XNN_UNARY(x, XNNSoftmax, in, out);
    }
    xnn_compute_wide(x, true);
    ETCH_TRY(xnn_in_wide(x, v, &in));
    ETCH_TRY(xnn_temp(x, v->t.rank, lw_slot_of(v)->bound, &wide));
    ETCH_TRY(XNN_UNARY(x, XNNSoftmax, in, wide));
    ETCH_TRY(xnn_out(x, n->outs[0], &out));
    return xnn_convert(x, wide, out);
}

extern const xnn_rule xnn_rule_softmax;
const xnn_rule xnn_rule_softmax = { XNN_LIGHT, false, can_softmax, write_softmax, NULL, false, false, true };

// Bounds of t as [rows, 1, columns, 1], with the last n_last dims as columns.
static void rows_columns(const lw_slot *s, int n_last, int64_t dims[4])
{
    dims[0] = dims[2] = 1;
    dims[1] = dims[3] = 1;
    for (int i = 0; i < s->v->t.rank; i++) dims[i < s->v->t.rank - n_last ? 0 : 2] *= s->bound[i];
}

static bool columns_fixed(const etch_tensor *t, int n_last)
{
    for (int i = t->rank - n_last; i < t->rank; i++)
        if (!etch_dim_is_const(t->sizes[i])) return false;
    return true;
}

static etch_status *to_rows(xnn_build *x, etch_value *v, int n_last, uint32_t *out, int64_t dims[4])
{
    uint32_t in;
    int64_t shape[4];
    ETCH_TRY(xnn_in(x, v, &in));
    rows_columns(lw_slot_of(v), n_last, dims);
    memcpy(shape, dims, sizeof shape);
    if (xnn_dynamic_dims(&v->t)) shape[0] = 0;
    ETCH_TRY(xnn_temp(x, 4, dims, out));
    return xnn_reshape(x, in, *out, 4, shape);
}

#define KEEP_DIMS 0x40

static etch_status *mean_node(xnn_build *x, uint32_t in, uint32_t out)
{
    etch_fbb *b = xnn_fbb(x);
    etch_fbo t = etch_fbb_table(b, ETCH_FB_XNNGlobalAvgPooling2d);
    etch_fbb_int(b, t, ETCH_FB(XNNGlobalAvgPooling2d, input_id), in);
    etch_fbb_int(b, t, ETCH_FB(XNNGlobalAvgPooling2d, output_id), out);
    etch_fbb_int(b, t, ETCH_FB(XNNGlobalAvgPooling2d, flags), KEEP_DIMS);
    return xnn_node(x, ETCH_FBU(XNodeUnion, XNNGlobalAvgPooling2d), t);
}

static etch_status *row_mean(xnn_build *x, uint32_t in, int64_t rows, uint32_t *out)
{
    ETCH_TRY(xnn_temp(x, 4, (int64_t[]){ rows, 1, 1, 1 }, out));
    return mean_node(x, in, *out);
}

// ---- mean over the last dims
// Number of trailing dims that are reduced; 0 when the reduced dims are not the last ones.
static int trailing(const etch_node *n)
{
    int rank = n->args[0].t->rank, count = 0;
    unsigned mask = 0;
    if (n->args[1].kind != ETCH_V_INTS) return 0;
    for (int i = 0; i < n->args[1].ints.n; i++) mask |= 1u << wrap(n->args[1].ints.p[i].v, rank);
    while (count < rank && (mask & 1u << (rank - 1 - count))) count++;
    return mask == ((1u << count) - 1) << (rank - count) ? count : 0;
}

static bool can_mean(const lw_method *lm, const etch_node *n)
{
    (void)lm;
    int k = trailing(n);
    const etch_val *dtype = &n->args[3];
    if (dtype->kind == ETCH_V_INT && dtype->i.v != n->args[0].t->dtype) return false;
    return k && columns_fixed(n->args[0].t, k) && xnn_can_reshape_to(&n->outs[0]->t);
}

static etch_status *write_mean(xnn_build *x, const etch_node *n)
{
    uint32_t rows, mean, out;
    int64_t dims[4], shape[6];
    etch_value *v = etch_arg_value(&n->args[0]);
    if (trailing(n) == 2 && xnn_has_nhwc(x, v)) {
        ETCH_TRY(xnn_in_nhwc(x, v, &rows));
        ETCH_TRY(xnn_temp(x, 4, (int64_t[]){ lw_slot_of(v)->bound[0], 1, 1, lw_slot_of(v)->bound[1] }, &mean));
        ETCH_TRY(mean_node(x, rows, mean));
    } else {
        ETCH_TRY(to_rows(x, v, trailing(n), &rows, dims));
        if (xnn_needs_wide(v)) {
            uint32_t wide, wide_mean;
            xnn_compute_wide(x, true);
            ETCH_TRY(xnn_temp(x, 4, dims, &wide));
            ETCH_TRY(xnn_convert(x, rows, wide));
            ETCH_TRY(row_mean(x, wide, dims[0], &wide_mean));
            xnn_compute_wide(x, false);
            ETCH_TRY(xnn_temp(x, 4, (int64_t[]){ dims[0], 1, 1, 1 }, &mean));
            ETCH_TRY(xnn_convert(x, wide_mean, mean));
        } else ETCH_TRY(row_mean(x, rows, dims[0], &mean));
    }
    ETCH_TRY(xnn_out(x, n->outs[0], &out));
    xnn_shape_of(&n->outs[0]->t, shape);
    return xnn_reshape(x, mean, out, n->outs[0]->t.rank, shape);
}

extern const xnn_rule xnn_rule_mean;
const xnn_rule xnn_rule_mean = { XNN_LIGHT, false, can_mean, write_mean, NULL, false, false, true };

// ---- layer norm: (x - mean) * rsqrt(mean((x - mean)^2) + eps) * weight + bias
static bool const_or_none(const etch_val *a) { return a->kind == ETCH_V_NONE || xnn_is_const(a); }

static bool can_layer_norm(const lw_method *lm, const etch_node *n)
{
    (void)lm;
    const etch_tensor *in = n->args[0].t;
    int k = n->args[1].ints.n;
    for (int i = 1; i < n->n_outs; i++)
        if (lw_slot_of(n->outs[i])->uses) return false;
    return k >= 1 && k <= in->rank && columns_fixed(in, k) && const_or_none(&n->args[2]) && const_or_none(&n->args[3]) &&
           xnn_can_reshape_to(&n->outs[0]->t);
}

static etch_status *write_layer_norm(xnn_build *x, const etch_node *n)
{
    etch_value *v = etch_arg_value(&n->args[0]), *operand[2] = { etch_arg_value(&n->args[2]), etch_arg_value(&n->args[3]) };
    int rank = v->t.rank, last = operand[1] ? 1 : operand[0] ? 0 : -1;
    bool half = xnn_is_half(v);
    int64_t dims[4], shape[6], one[4];
    uint32_t rows, mean, eps, centred, square, var, sum, scale, y, next, c, out;
    ETCH_TRY(to_rows(x, v, n->args[1].ints.n, &rows, dims));
    xnn_compute_wide(x, true);   // squares of float16 values leave its range
    if (half) {
        uint32_t wide;
        ETCH_TRY(xnn_temp(x, 4, dims, &wide));
        ETCH_TRY(xnn_convert(x, rows, wide));
        rows = wide;
    }
    memcpy(one, (int64_t[]){ dims[0], 1, 1, 1 }, sizeof one);
    ETCH_TRY(row_mean(x, rows, dims[0], &mean));
    ETCH_TRY(xnn_temp(x, 4, dims, &centred));
    ETCH_TRY(XNN_BINARY(x, XNNSubtract, rows, mean, centred));
    ETCH_TRY(xnn_temp(x, 4, dims, &square));
    ETCH_TRY(XNN_UNARY(x, XNNSquare, centred, square));
    ETCH_TRY(row_mean(x, square, dims[0], &var));
    ETCH_TRY(xnn_scalar(x, etch_val_as_double(&n->args[4]), &eps));
    ETCH_TRY(xnn_temp(x, 4, one, &sum));
    ETCH_TRY(XNN_BINARY(x, XNNAdd, var, eps, sum));
    ETCH_TRY(xnn_temp(x, 4, one, &scale));
    ETCH_TRY(XNN_UNARY(x, XNNReciprocalSquareRoot, sum, scale));
    ETCH_TRY(xnn_temp(x, 4, dims, &y));
    ETCH_TRY(XNN_BINARY(x, XNNMultiply, centred, scale, y));
    xnn_shape_of(&n->outs[0]->t, shape);
    ETCH_TRY(xnn_out(x, n->outs[0], &out));
    if (last < 0 && !half) next = out;
    else ETCH_TRY(xnn_temp(x, rank, lw_slot_of(v)->bound, &next));
    ETCH_TRY(xnn_reshape(x, y, next, rank, shape));
    for (int i = 0; i < 2; i++) {
        if (!operand[i]) continue;
        y = next;
        ETCH_TRY(xnn_const_float32(x, operand[i], &operand[i]));
        ETCH_TRY(xnn_in(x, operand[i], &c));
        if (i == last && !half) next = out;
        else ETCH_TRY(xnn_temp(x, rank, lw_slot_of(v)->bound, &next));
        if (i == 0) ETCH_TRY(XNN_BINARY(x, XNNMultiply, y, c, next));
        else ETCH_TRY(XNN_BINARY(x, XNNAdd, y, c, next));
    }
    return half ? xnn_convert(x, next, out) : NULL;
}

extern const xnn_rule xnn_rule_layer_norm;
const xnn_rule xnn_rule_layer_norm = { XNN_LIGHT, false, can_layer_norm, write_layer_norm, NULL, false, false, true };
