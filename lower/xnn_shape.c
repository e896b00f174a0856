// Nodes that move data: reshape, transpose, slice, join, repeat.
//
// Dynamic sizes: a static reshape infers one size (written 0), a slice from 0 of size 0 takes the whole dim, so a dim that a node does not
// touch may be symbolic. Transposes and joins follow their operands.
#include "lower/xnn.h"

static int wrap(int64_t d, int rank) { return (int)(d < 0 ? d + rank : d); }

static bool same_sizes(const etch_tensor *a, const etch_tensor *b)
{
    if (a->rank != b->rank) return false;
    for (int i = 0; i < a->rank; i++)
        if (!etch_dim_same(a->sizes[i], b->sizes[i])) return false;
    return true;
}

// ---- views
static bool can_reshape(const lw_method *lm, const etch_node *n)
{
    (void)lm;
    const etch_tensor *out = &n->outs[0]->t;
    return xnn_can_reshape_to(out) || same_sizes(n->args[0].t, out);
}

static etch_status *write_reshape(xnn_build *x, const etch_node *n)
{
    uint32_t in, out;
    int64_t dims[6];
    etch_value *v = etch_arg_value(&n->args[0]);
    ETCH_TRY(xnn_in(x, v, &in));
    if (same_sizes(&v->t, &n->outs[0]->t)) return xnn_alias(x, n->outs[0], in);
    ETCH_TRY(xnn_out(x, n->outs[0], &out));
    xnn_shape_of(&n->outs[0]->t, dims);
    return xnn_reshape(x, in, out, n->outs[0]->t.rank, dims);
}

extern const xnn_rule xnn_rule_reshape;
const xnn_rule xnn_rule_reshape = { XNN_MOVES, false, can_reshape, write_reshape, NULL, false, false, true };

static bool can_copy(const lw_method *lm, const etch_node *n)
{
    (void)lm;
    return same_sizes(n->args[0].t, &n->outs[0]->t) && n->args[0].t->dtype == n->outs[0]->t.dtype;
}

extern const xnn_rule xnn_rule_copy;
const xnn_rule xnn_rule_copy = { XNN_MOVES, false, can_copy, write_reshape, NULL, false, false, true };

// ---- permute, transpose
static void permutation(const etch_node *n, int perm[6])
{
    int rank = n->args[0].t->rank;
    if (n->op->id == ETCH_OP_permute) {
        for (int i = 0; i < rank; i++) perm[i] = wrap(n->args[1].ints.p[i].v, rank);
        return;
    }
    for (int i = 0; i < rank; i++) perm[i] = i;
    int a = n->op->id == ETCH_OP_t ? 0 : wrap(n->args[1].i.v, rank), b = n->op->id == ETCH_OP_t ? rank - 1 : wrap(n->args[2].i.v, rank);
    perm[a] = b;
    perm[b] = a;
}

static bool can_permute(const lw_method *lm, const etch_node *n)
{
    (void)lm;
    return n->args[0].t->rank >= 1;
}

static etch_status *write_permute(xnn_build *x, const etch_node *n)
{
    uint32_t in, out;
    int perm[6];
    permutation(n, perm);
    etch_value *v = etch_arg_value(&n->args[0]);
    if (xnn_has_nhwc(x, v) && !memcmp(perm, (int[]){ 0, 2, 3, 1 }, sizeof(int[4]))) {
        ETCH_TRY(xnn_in_nhwc(x, v, &in));
        return xnn_alias(x, n->outs[0], in);
    }
    ETCH_TRY(xnn_in(x, etch_arg_value(&n->args[0]), &in));
    bool identity = true;
    for (int i = 0; i < n->args[0].t->rank; i++) identity &= perm[i] == i;
    if (identity) return xnn_alias(x, n->outs[0], in);
    ETCH_TRY(xnn_out(x, n->outs[0], &out));
    return xnn_transpose(x, in, out, n->args[0].t->rank, perm);
}

extern const xnn_rule xnn_rule_permute;
const xnn_rule xnn_rule_permute = { XNN_MOVES, false, can_permute, write_permute, NULL, false, false, true };

// ---- slice, select, split
// One slice along `dim`; the other dims whole.
static etch_status *slice_node(xnn_build *x, uint32_t in, uint32_t out, const etch_tensor *t, int dim, int64_t start, int64_t size)
{
    uint32_t offsets[6] = { 0 }, sizes[6] = { 0 };
    for (int i = 0; i < t->rank; i++) sizes[i] = etch_dim_is_const(t->sizes[i]) ? (uint32_t)t->sizes[i].v : 0;
    offsets[dim] = (uint32_t)start;
    sizes[dim] = (uint32_t)size;
    etch_fbb *b = xnn_fbb(x);
    etch_fbo s = etch_fbb_table(b, ETCH_FB_XNNStaticSlice);
    etch_fbb_int(b, s, ETCH_FB(XNNStaticSlice, num_dims), t->rank);
    etch_fbb_ref(b, s, ETCH_FB(XNNStaticSlice, offsets), etch_fbb_vec(b, offsets, 4, (size_t)t->rank));
    etch_fbb_ref(b, s, ETCH_FB(XNNStaticSlice, sizes), etch_fbb_vec(b, sizes, 4, (size_t)t->rank));
    etch_fbb_int(b, s, ETCH_FB(XNNStaticSlice, input_id), in);
    etch_fbb_int(b, s, ETCH_FB(XNNStaticSlice, output_id), out);
    return xnn_node(x, ETCH_FBU(XNodeUnion, XNNStaticSlice), s);
}

// Start of a slice node; false when it is not fixed.
static bool slice_start(const etch_node *n, int dim, int64_t *out)
{
    const etch_val *a = &n->args[2];
    const etch_dim size = n->args[0].t->sizes[dim];
    *out = 0;
    if (a->kind == ETCH_V_NONE) return true;
    if (a->kind != ETCH_V_INT || !etch_dim_is_const(a->i)) return false;
    *out = a->i.v;
    if (*out >= 0) return true;
    *out += size.v;
    return etch_dim_is_const(size) && *out >= 0;
}

// x[start::step] with step dividing the size: a column of the dim seen as [size / step, step].
static bool is_column(const etch_node *n, int dim, int64_t start)
{
    const etch_tensor *in = n->args[0].t, *out = &n->outs[0]->t;
    int64_t step = n->args[4].i.v;
    return in->rank < 6 && xnn_dynamic_dims(in) <= 1 && etch_dim_is_const(in->sizes[dim]) && etch_dim_is_const(out->sizes[dim]) &&
           start < step && in->sizes[dim].v == out->sizes[dim].v * step;
}

static bool can_slice(const lw_method *lm, const etch_node *n)
{
    (void)lm;
    const etch_tensor *in = n->args[0].t, *out = &n->outs[0]->t;
    int64_t start;
    if (in->rank < 1 || !xnn_const_ints(&n->args[4])) return false;
    if (same_sizes(in, out)) return true;
    int dim = wrap(n->args[1].i.v, in->rank);
    if (n->args[4].i.v != 1) return slice_start(n, dim, &start) && is_column(n, dim, start);
    return etch_dim_is_const(out->sizes[dim]) && slice_start(n, dim, &start) &&
           (etch_dim_is_const(in->sizes[dim]) ? start + out->sizes[dim].v <= in->sizes[dim].v : start >= 0);
}

static etch_status *write_column(xnn_build *x, const etch_node *n, uint32_t in, int dim, int64_t start)
{
    const lw_slot *s = lw_slot_of(etch_arg_value(&n->args[0]));
    int rank = s->v->t.rank;
    int64_t step = n->args[4].i.v, shape[6], bound[6];
    etch_tensor split = s->v->t;
    uint32_t wide, column, out;
    split.rank = rank + 1;
    for (int i = rank; i > dim + 1; i--) split.sizes[i] = split.sizes[i - 1];
    split.sizes[dim] = n->outs[0]->t.sizes[dim];
    split.sizes[dim + 1] = etch_dim_of(step);
    xnn_shape_of(&split, shape);
    for (int i = 0; i <= rank; i++) bound[i] = i == dim ? split.sizes[i].v : i == dim + 1 ? step : s->bound[i < dim ? i : i - 1];
    ETCH_TRY(xnn_temp(x, rank + 1, bound, &wide));
    ETCH_TRY(xnn_reshape(x, in, wide, rank + 1, shape));
    bound[dim + 1] = 1;
    ETCH_TRY(xnn_temp(x, rank + 1, bound, &column));
    ETCH_TRY(slice_node(x, wide, column, &split, dim + 1, start, 1));
    ETCH_TRY(xnn_out(x, n->outs[0], &out));
    xnn_shape_of(&n->outs[0]->t, shape);
    return xnn_reshape(x, column, out, rank, shape);
}

static etch_status *write_slice(xnn_build *x, const etch_node *n)
{
    uint32_t in, out;
    int64_t start;
    const etch_tensor *t = n->args[0].t;
    int dim = wrap(n->args[1].i.v, t->rank);
    ETCH_TRY(xnn_in(x, etch_arg_value(&n->args[0]), &in));
    if (same_sizes(t, &n->outs[0]->t)) return xnn_alias(x, n->outs[0], in);
    if (!slice_start(n, dim, &start)) return ETCH_ERR(ETCH_INTERNAL, "the start of a slice is not fixed");
    if (n->args[4].i.v != 1) return write_column(x, n, in, dim, start);
    ETCH_TRY(xnn_out(x, n->outs[0], &out));
    return slice_node(x, in, out, t, dim, start, n->outs[0]->t.sizes[dim].v);
}

extern const xnn_rule xnn_rule_slice;
const xnn_rule xnn_rule_slice = { XNN_MOVES, false, can_slice, write_slice, NULL, false, false, true };

static bool can_select(const lw_method *lm, const etch_node *n)
{
    (void)lm;
    const etch_tensor *t = n->args[0].t;
    return t->rank >= 2 && xnn_const_ints(&n->args[2]) && etch_dim_is_const(t->sizes[wrap(n->args[1].i.v, t->rank)]) &&
           xnn_can_reshape_to(&n->outs[0]->t);
}

static etch_status *write_select(xnn_build *x, const etch_node *n)
{
    uint32_t in, mid, out;
    const etch_value *v = etch_arg_value(&n->args[0]);
    int dim = wrap(n->args[1].i.v, v->t.rank);
    int64_t index = n->args[2].i.v, dims[6];
    if (index < 0) index += v->t.sizes[dim].v;
    ETCH_TRY(xnn_in(x, etch_arg_value(&n->args[0]), &in));
    if (v->t.sizes[dim].v != 1) {
        for (int i = 0; i < v->t.rank; i++) dims[i] = i == dim ? 1 : lw_slot_of(v)->bound[i];
        ETCH_TRY(xnn_temp(x, v->t.rank, dims, &mid));
        ETCH_TRY(slice_node(x, in, mid, &v->t, dim, index, 1));
        in = mid;
    }
    ETCH_TRY(xnn_out(x, n->outs[0], &out));
    xnn_shape_of(&n->outs[0]->t, dims);
    return xnn_reshape(x, in, out, n->outs[0]->t.rank, dims);
}

extern const xnn_rule xnn_rule_select;
const xnn_rule xnn_rule_select = { XNN_MOVES, false, can_select, write_select, NULL, false, false, true };

static bool can_split(const lw_method *lm, const etch_node *n)
{
    (void)lm;
    const etch_tensor *t = n->args[0].t;
    int dim = wrap(n->args[2].i.v, t->rank);
    if (!etch_dim_is_const(t->sizes[dim])) return false;
    for (int i = 0; i < n->n_outs; i++)
        if (!etch_dim_is_const(n->outs[i]->t.sizes[dim])) return false;
    return true;
}

static etch_status *write_split(xnn_build *x, const etch_node *n)
{
    uint32_t in, out;
    const etch_tensor *t = n->args[0].t;
    int dim = wrap(n->args[2].i.v, t->rank);
    int64_t at = 0;
    ETCH_TRY(xnn_in(x, etch_arg_value(&n->args[0]), &in));
    for (int i = 0; i < n->n_outs; i++) {
        int64_t size = n->outs[i]->t.sizes[dim].v;
        if (lw_slot_of(n->outs[i])->uses) {
            ETCH_TRY(xnn_out(x, n->outs[i], &out));
            ETCH_TRY(slice_node(x, in, out, t, dim, at, size));
        }
        at += size;
    }
    return NULL;
}

extern const xnn_rule xnn_rule_split;
const xnn_rule xnn_rule_split = { XNN_MOVES, false, can_split, write_split, NULL, false, false, true };

// ---- cat
static etch_status *cat_node(xnn_build *x, const uint32_t *in, int n, int axis, uint32_t out)
{
    static const struct { int code; etch_fb_table_id table; } kinds[] = {
        { ETCH_FBU(XNodeUnion, XNNConcatenate2), ETCH_FB_XNNConcatenate2 },
        { ETCH_FBU(XNodeUnion, XNNConcatenate3), ETCH_FB_XNNConcatenate3 },
        { ETCH_FBU(XNodeUnion, XNNConcatenate4), ETCH_FB_XNNConcatenate4 },
        { ETCH_FBU(XNodeUnion, XNNConcatenate5), ETCH_FB_XNNConcatenate5 },
    };
    static const int fields[] = { ETCH_FB(XNNConcatenate5, input1_id), ETCH_FB(XNNConcatenate5, input2_id),
                                  ETCH_FB(XNNConcatenate5, input3_id), ETCH_FB(XNNConcatenate5, input4_id),
                                  ETCH_FB(XNNConcatenate5, input5_id) };
    etch_fbb *b = xnn_fbb(x);
    etch_fbo t = etch_fbb_table(b, kinds[n - 2].table);
    etch_fbb_int(b, t, ETCH_FB(XNNConcatenate5, axis), axis);
    for (int i = 0; i < 5; i++) etch_fbb_int(b, t, fields[i], i < n ? in[i] : XNN_NONE);
    etch_fbb_int(b, t, ETCH_FB(XNNConcatenate5, output_id), out);
    return xnn_node(x, kinds[n - 2].code, t);
}

static bool can_cat(const lw_method *lm, const etch_node *n)
{
    (void)lm;
    if (n->args[0].tensors.n < 2) return false;
    for (int i = 0; i < n->args[0].tensors.n; i++)
        if (!n->args[0].tensors.p[i] || n->args[0].tensors.p[i]->rank != n->outs[0]->t.rank) return false;
    return true;
}

// The i-th operand of a join and its upper bound along the axis.
typedef etch_status *(*operand_fn)(xnn_build *x, const etch_node *n, int i, int axis, uint32_t *out_id, int64_t *out_along);

// More than 5: the first five, then that with the next four, ...
static etch_status *join(xnn_build *x, const etch_node *n, int axis, operand_fn operand)
{
    int total = n->args[0].tensors.n, held = 0, at = 0;
    uint32_t in[5], out;
    int64_t dims[6], along = 0, more;
    memcpy(dims, lw_slot_of(n->outs[0])->bound, sizeof(int64_t) * (size_t)n->outs[0]->t.rank);
    while (at < total) {
        for (; held < 5 && at < total; at++) {
            ETCH_TRY(operand(x, n, at, axis, &in[held++], &more));
            along += more;
        }
        if (at == total) break;
        dims[axis] = along;
        ETCH_TRY(xnn_temp(x, n->outs[0]->t.rank, dims, &out));
        ETCH_TRY(cat_node(x, in, held, axis, out));
        in[0] = out;
        held = 1;
    }
    ETCH_TRY(xnn_out(x, n->outs[0], &out));
    return cat_node(x, in, held, axis, out);
}

static etch_status *cat_operand(xnn_build *x, const etch_node *n, int i, int axis, uint32_t *out_id, int64_t *out_along)
{
    etch_value *v = etch_value_of(n->args[0].tensors.p[i]);
    *out_along = lw_slot_of(v)->bound[axis];
    return xnn_in(x, v, out_id);
}

static etch_status *write_cat(xnn_build *x, const etch_node *n)
{
    return join(x, n, wrap(n->args[1].i.v, n->outs[0]->t.rank), cat_operand);
}

extern const xnn_rule xnn_rule_cat;
const xnn_rule xnn_rule_cat = { XNN_MOVES, false, can_cat, write_cat, NULL, false, false, true };

// ---- stack: a join of operands with a size of 1 put in
static bool can_stack(const lw_method *lm, const etch_node *n)
{
    (void)lm;
    return n->args[0].tensors.n >= 2 && n->outs[0]->t.rank <= 6 && xnn_can_reshape_to(&n->outs[0]->t);
}

static etch_status *stack_operand(xnn_build *x, const etch_node *n, int i, int axis, uint32_t *out_id, int64_t *out_along)
{
    int rank = n->outs[0]->t.rank;
    uint32_t in;
    int64_t shape[6], bound[6];
    xnn_shape_of(&n->outs[0]->t, shape);
    memcpy(bound, lw_slot_of(n->outs[0])->bound, sizeof(int64_t) * (size_t)rank);
    shape[axis] = bound[axis] = 1;
    *out_along = 1;
    ETCH_TRY(xnn_in(x, etch_value_of(n->args[0].tensors.p[i]), &in));
    ETCH_TRY(xnn_temp(x, rank, bound, out_id));
    return xnn_reshape(x, in, *out_id, rank, shape);
}

static etch_status *write_stack(xnn_build *x, const etch_node *n)
{
    return join(x, n, wrap(n->args[1].i.v, n->outs[0]->t.rank), stack_operand);
}

extern const xnn_rule xnn_rule_stack;
const xnn_rule xnn_rule_stack = { XNN_MOVES, false, can_stack, write_stack, NULL, false, false, true };

// ---- expand: one dim of size 1 repeated n times, as joins of copies (n a product of numbers up to 5). Same size: nothing.
static bool expanded_dim(const etch_node *n, int *dim, int64_t *times)
{
    const etch_tensor *in = n->args[0].t, *out = &n->outs[0]->t;
    *dim = -1;
    *times = 1;
    if (in->rank != out->rank) return false;
    for (int i = 0; i < in->rank; i++) {
        if (etch_dim_same(in->sizes[i], out->sizes[i])) continue;
        if (*dim >= 0 || !etch_dim_is_const(in->sizes[i]) || in->sizes[i].v != 1 || !etch_dim_is_const(out->sizes[i])) return false;
        *dim = i;
        *times = out->sizes[i].v;
    }
    int64_t rest = *times;
    for (int f = 5; f >= 2; f--)
        while (rest % f == 0) rest /= f;
    return rest == 1 && *times <= 64;
}

static bool can_expand(const lw_method *lm, const etch_node *n)
{
    (void)lm;
    int dim;
    int64_t times;
    return expanded_dim(n, &dim, &times);
}

static etch_status *write_expand(xnn_build *x, const etch_node *n)
{
    uint32_t in, out;
    int dim;
    int64_t times, dims[6];
    etch_value *v = etch_arg_value(&n->args[0]);
    ETCH_TRY(xnn_in(x, v, &in));
    if (!expanded_dim(n, &dim, &times)) return ETCH_ERR(ETCH_INTERNAL, "expand cannot be written as joins");
    if (dim < 0) return xnn_alias(x, n->outs[0], in);
    memcpy(dims, lw_slot_of(v)->bound, sizeof(int64_t) * (size_t)v->t.rank);
    for (int f = 5; f >= 2; f--)
        while (times % f == 0) {
            times /= f;
            dims[dim] *= f;
            if (times == 1) ETCH_TRY(xnn_out(x, n->outs[0], &out));
            else ETCH_TRY(xnn_temp(x, v->t.rank, dims, &out));
            ETCH_TRY(cat_node(x, (uint32_t[]){ in, in, in, in, in }, f, dim, out));
            in = out;
        }
    return NULL;
}

extern const xnn_rule xnn_rule_expand;
const xnn_rule xnn_rule_expand = { XNN_MOVES, false, can_expand, write_expand, NULL, false, false, true };

// ---- constant_pad_nd: pairs from the last dim backwards
static bool can_pad(const lw_method *lm, const etch_node *n)
{
    (void)lm;
    if (!xnn_const_ints(&n->args[1])) return false;
    for (int i = 0; i < n->args[1].ints.n; i++)
        if (n->args[1].ints.p[i].v < 0) return false;
    return n->args[2].kind != ETCH_V_INT || etch_dim_is_const(n->args[2].i);
}

static etch_status *write_pad(xnn_build *x, const etch_node *n)
{
    uint32_t in, out, pre[6] = { 0 }, post[6] = { 0 };
    int rank = n->args[0].t->rank;
    for (int i = 0; i < n->args[1].ints.n / 2; i++) {
        pre[rank - 1 - i] = (uint32_t)n->args[1].ints.p[2 * i].v;
        post[rank - 1 - i] = (uint32_t)n->args[1].ints.p[2 * i + 1].v;
    }
    ETCH_TRY(xnn_in(x, etch_arg_value(&n->args[0]), &in));
    ETCH_TRY(xnn_out(x, n->outs[0], &out));
    etch_fbb *b = xnn_fbb(x);
    etch_fbo t = etch_fbb_table(b, ETCH_FB_XNNStaticConstantPad);
    etch_fbb_ref(b, t, ETCH_FB(XNNStaticConstantPad, pre_paddings), etch_fbb_vec(b, pre, 4, (size_t)rank));
    etch_fbb_ref(b, t, ETCH_FB(XNNStaticConstantPad, post_paddings), etch_fbb_vec(b, post, 4, (size_t)rank));
    etch_fbb_float(b, t, ETCH_FB(XNNStaticConstantPad, padding_value), etch_val_as_double(&n->args[2]));
    etch_fbb_int(b, t, ETCH_FB(XNNStaticConstantPad, input_id), in);
    etch_fbb_int(b, t, ETCH_FB(XNNStaticConstantPad, output_id), out);
    return xnn_node(x, ETCH_FBU(XNodeUnion, XNNStaticConstantPad), t);
}

extern const xnn_rule xnn_rule_pad;
const xnn_rule xnn_rule_pad = { XNN_MOVES, false, can_pad, write_pad, NULL, false, false, false };
