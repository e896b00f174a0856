// Products of matrices. Constant weights go to XNNFullyConnected in the layout they have: [N, K] as it is, [K, N] with flag 1; a transpose
// that the model applies to a weight is undone by the flag and never evaluated. Two runtime operands go to XNNBatchMatrixMultiply.
#include "lower/xnn.h"

#define TRANSPOSED 1

// A constant [N, K] seen through transposes: *out_flag tells whether the stored one is [K, N].
static etch_value *stored_weight(etch_value *w, bool is_kn, uint32_t *out_flag)
{
    while (w->src == ETCH_SRC_NODE && w->t.rank == 2) {
        const etch_node *n = w->def;
        bool swaps = n->op->id == ETCH_OP_t || n->op->id == ETCH_OP_transpose_int || n->op->id == ETCH_OP_permute;
        if (n->op->id == ETCH_OP_transpose_int) swaps = (n->args[1].i.v - n->args[2].i.v) % 2 != 0;
        if (n->op->id == ETCH_OP_permute) swaps = n->args[1].ints.p[0].v % 2 != 0;
        if (!swaps) break;
        w = etch_arg_value(&n->args[0]);
        is_kn = !is_kn;
    }
    *out_flag = is_kn ? TRANSPOSED : 0;
    return w;
}

typedef struct { etch_value *in, *weight, *bias; bool is_kn; } parts;

static bool split(const etch_node *n, parts *p)
{
    bool addmm = n->op->id == ETCH_OP_addmm, mm = n->op->id == ETCH_OP_mm;
    *p = (parts){ etch_arg_value(&n->args[addmm ? 1 : 0]), etch_arg_value(&n->args[addmm ? 2 : 1]), NULL, addmm || mm };
    if (addmm) p->bias = etch_arg_value(&n->args[0]);
    else if (!mm) p->bias = etch_arg_value(&n->args[2]);
    return p->in && p->weight;
}

static bool can_linear(const lw_method *lm, const etch_node *n)
{
    (void)lm;
    parts p;
    if (!split(n, &p) || !lw_slot_of(p.weight)->is_const || p.weight->t.rank != 2 || lw_slot_of(p.in)->is_const) return false;
    if (n->op->id == ETCH_OP_addmm && (!xnn_scalar_is(&n->args[3], 1) || !xnn_scalar_is(&n->args[4], 1))) return false;
    if (!p.bias) return true;
    int64_t numel, n_out = p.weight->t.sizes[p.is_kn ? 1 : 0].v;
    return lw_slot_of(p.bias)->is_const && etch_tensor_numel(&p.bias->t, &numel) && numel == n_out;
}

static etch_status *write_linear(xnn_build *x, const etch_node *n)
{
    parts p;
    uint32_t in, weight, bias = XNN_NONE, out, flags;
    if (!split(n, &p)) return ETCH_ERR(ETCH_INTERNAL, "a linear without operands");
    etch_value *w = stored_weight(p.weight, p.is_kn, &flags);
    ETCH_TRY(xnn_in(x, p.in, &in));
    ETCH_TRY(xnn_const(x, w, 2, lw_slot_of(w)->bound, xnn_name_of(w), &weight));
    if (p.bias) {
        etch_str name = xnn_name_of(p.bias);
        if (xnn_needs_wide(p.bias)) ETCH_TRY(xnn_const_float32(x, p.bias, &p.bias));   // products of bfloat16 take biases of float32
        ETCH_TRY(xnn_const(x, p.bias, 1, (int64_t[]){ lw_slot_of(p.weight)->bound[p.is_kn ? 1 : 0] }, name, &bias));
    }
    ETCH_TRY(xnn_out(x, n->outs[0], &out));
    etch_fbb *b = xnn_fbb(x);
    etch_fbo t = etch_fbb_table(b, ETCH_FB_XNNFullyConnected);
    etch_fbb_int(b, t, ETCH_FB(XNNFullyConnected, input1_id), in);
    etch_fbb_int(b, t, ETCH_FB(XNNFullyConnected, filter_id), weight);
    etch_fbb_int(b, t, ETCH_FB(XNNFullyConnected, bias_id), bias);
    etch_fbb_int(b, t, ETCH_FB(XNNFullyConnected, output_id), out);
    etch_fbb_int(b, t, ETCH_FB(XNNFullyConnected, flags), flags);
    return xnn_node(x, ETCH_FBU(XNodeUnion, XNNFullyConnected), t);
}

extern const xnn_rule xnn_rule_linear;
const xnn_rule xnn_rule_linear = { XNN_HEAVY, true, can_linear, write_linear, NULL, false, false, true };

// ---- bmm: [.., M, K] x [.., K, N]
static bool can_bmm(const lw_method *lm, const etch_node *n)
{
    (void)lm;
    return n->args[0].t->rank >= 2 && n->args[0].t->rank == n->args[1].t->rank;
}

// A transpose of the last two dims of the second operand, used here alone: flag 1 does it.
static const etch_node *folded_transpose(const etch_node *n)
{
    const etch_value *b = etch_arg_value(&n->args[1]);
    if (b->src != ETCH_SRC_NODE) return NULL;
    const etch_node *t = b->def;
    int rank = b->t.rank;
    if (t->op->id == ETCH_OP_transpose_int) {
        int64_t d0 = t->args[1].i.v, d1 = t->args[2].i.v;
        d0 += d0 < 0 ? rank : 0;
        d1 += d1 < 0 ? rank : 0;
        return d0 + d1 == 2 * rank - 3 && (d0 == rank - 1 || d1 == rank - 1) ? t : NULL;
    }
    if (t->op->id != ETCH_OP_permute) return NULL;
    for (int i = 0; i < rank; i++) {
        int64_t d = t->args[1].ints.p[i].v, want = i == rank - 1 ? rank - 2 : i == rank - 2 ? rank - 1 : i;
        if ((d < 0 ? d + rank : d) != want) return NULL;
    }
    return t;
}

static etch_status *absorb_bmm(xnn_build *x, const etch_node *n)
{
    const etch_value *b = etch_arg_value(&n->args[1]);
    if (folded_transpose(n) && xnn_sole_use(x, b)) xnn_skip(x, b);
    return NULL;
}

static etch_status *write_bmm(xnn_build *x, const etch_node *n)
{
    uint32_t a, b, out;
    etch_value *vb = etch_arg_value(&n->args[1]);
    bool folded = folded_transpose(n) && vb->def->user;
    const uint32_t flags = folded ? TRANSPOSED : 0;
    bool is_wide = xnn_needs_wide(n->outs[0]);
    etch_status *(*in)(xnn_build *, etch_value *, uint32_t *) = is_wide ? xnn_in_wide : xnn_in;
    ETCH_TRY(in(x, etch_arg_value(&n->args[0]), &a));
    ETCH_TRY(in(x, folded ? etch_arg_value(&vb->def->args[0]) : vb, &b));
    if (!is_wide) {
        ETCH_TRY(xnn_out(x, n->outs[0], &out));
        return xnn_binary(x, ETCH_FBU(XNodeUnion, XNNBatchMatrixMultiply), ETCH_FB_XNNBatchMatrixMultiply, a, b, out, flags);
    }
    uint32_t wide;
    xnn_compute_wide(x, true);
    ETCH_TRY(xnn_temp(x, n->outs[0]->t.rank, lw_slot_of(n->outs[0])->bound, &wide));
    ETCH_TRY(xnn_binary(x, ETCH_FBU(XNodeUnion, XNNBatchMatrixMultiply), ETCH_FB_XNNBatchMatrixMultiply, a, b, wide, flags));
    ETCH_TRY(xnn_out(x, n->outs[0], &out));
    return xnn_convert(x, wide, out);
}

extern const xnn_rule xnn_rule_bmm;
const xnn_rule xnn_rule_bmm = { XNN_HEAVY, false, can_bmm, write_bmm, absorb_bmm, false, false, true };
