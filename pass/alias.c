// Nodes that change nothing, alone or after the one before them (an order of dimensions that is undone).
//   Before: %1 = aten::view(%0, [2, 3]) : f32[2, 3]     After:  %2 = aten::relu(%0)
//           %2 = aten::relu(%1)                         (%0 is f32[2, 3])
// Requires: nothing.
// Keeps: a name (fqn) that only the removed node's result has moves to its source when that has none and is a node.
// Breaks: nothing.
// Careful: a graph is functional, so a copy is as good as its source; `mutations` protects what later passes share.
#include "pass/pass.h"

static bool same_type(const etch_tensor *a, const etch_tensor *b)
{
    if (a->dtype != b->dtype || a->rank != b->rank) return false;
    for (int i = 0; i < a->rank; i++)
        if (!etch_dim_same(a->sizes[i], b->sizes[i])) return false;
    return true;
}

static bool is_identity_permutation(const etch_node *n)
{
    const etch_val *dims = &n->args[1];
    int rank = n->outs[0]->t.rank;
    for (int i = 0; i < dims->ints.n; i++)
        if (dims->ints.p[i].v != i && dims->ints.p[i].v + rank != i) return false;
    return true;
}

static bool all_int(const etch_val *v, int64_t want)
{
    for (int i = 0; i < v->ints.n; i++)
        if (v->ints.p[i].e || v->ints.p[i].v != want) return false;
    return true;
}

static int64_t wrap(int64_t d, int rank) { return d < 0 ? d + rank : d; }

static bool is_number(const etch_val *v, double want)
{
    return (v->kind == ETCH_V_INT && !v->i.e && (double)v->i.v == want) || (v->kind == ETCH_V_FLOAT && v->f == want);
}

// Does result 0 equal argument 0 (which is a tensor of the same type)?
static bool changes_nothing(const etch_node *n)
{
    int rank = n->outs[0]->t.rank;
    switch (n->op->id) {
    case ETCH_OP_view: case ETCH_OP__unsafe_view: case ETCH_OP_reshape: case ETCH_OP_view_as: case ETCH_OP_flatten_using_ints:
    case ETCH_OP_unflatten_int: case ETCH_OP_ravel: case ETCH_OP_squeeze: case ETCH_OP_squeeze_dim: case ETCH_OP_squeeze_dims:
    case ETCH_OP_expand: case ETCH_OP_expand_as: case ETCH_OP_broadcast_to: case ETCH_OP_clone: case ETCH_OP_contiguous:
    case ETCH_OP_lift_fresh_copy:
    case ETCH_OP_lift_fresh: case ETCH_OP_alias: case ETCH_OP_detach: case ETCH_OP__clone_dim_order: case ETCH_OP__to_copy:
    case ETCH_OP_to_dtype: case ETCH_OP_to_dtype_layout: case ETCH_OP_to_device: case ETCH_OP_to_other: case ETCH_OP_type_as:
    case ETCH_OP_resolve_conj: case ETCH_OP_resolve_neg: case ETCH_OP_positive: case ETCH_OP_constant_pad_nd: case ETCH_OP_narrow:
    case ETCH_OP__to_dim_order_copy: case ETCH_OP_view_dtype:
        return n->op->id != ETCH_OP_constant_pad_nd || all_int(&n->args[1], 0);
    case ETCH_OP_slice_Tensor: return true;  // the same size with any start and step is the whole
    case ETCH_OP_dropout: case ETCH_OP_alpha_dropout: case ETCH_OP_feature_dropout: return !n->args[2].b || n->args[1].f == 0.0;
    case ETCH_OP_permute: return is_identity_permutation(n);
    case ETCH_OP_transpose_int: case ETCH_OP_swapaxes:
    case ETCH_OP_swapdims: return wrap(n->args[1].i.v, rank) == wrap(n->args[2].i.v, rank);
    case ETCH_OP_t: return rank < 2;
    case ETCH_OP_repeat: case ETCH_OP_tile: return all_int(&n->args[1], 1);
    case ETCH_OP_mul_Tensor: case ETCH_OP_mul_Scalar: case ETCH_OP_div_Tensor: case ETCH_OP_div_Scalar: return is_number(&n->args[1], 1.0);
    default: return false;
    }
}

// The slice rule holds only where no size is guessed: equal canonical sizes, and a positive one is not stepped over.
static bool slice_is_whole(const etch_node *n)
{
    if (n->op->id != ETCH_OP_slice_Tensor) return true;
    const etch_val *step = &n->args[4];
    return step->kind == ETCH_V_INT && !step->i.e && step->i.v == 1;
}

static etch_value *forward(etch_value *v)
{
    while (v->user) v = v->user;
    return v;
}

// Which dimension of the argument each dimension of the result is; false: not such a node.
static bool permutation(const etch_node *n, int64_t *out)
{
    int rank = n->outs[0]->t.rank;
    for (int i = 0; i < rank; i++) out[i] = i;
    if (n->op->id == ETCH_OP_permute) {
        for (int i = 0; i < rank && i < n->args[1].ints.n; i++) out[i] = wrap(n->args[1].ints.p[i].v, rank);
        return true;
    }
    if (n->op->id != ETCH_OP_transpose_int || rank < 1) return false;
    int64_t a = wrap(n->args[1].i.v, rank), b = wrap(n->args[2].i.v, rank);
    out[a] = b;
    out[b] = a;
    return true;
}

// `n` rearranges `from`, which is `of` rearranged: is the result in the order of `of`?
static etch_value *undone(const etch_node *n, const etch_value *from)
{
    int64_t p[ETCH_MAX_RANK], q[ETCH_MAX_RANK];
    if (from->src != ETCH_SRC_NODE || from->is_scalar || from->def->n_outs != 1 || !permutation(n, p) || !permutation(from->def, q))
        return NULL;
    for (int i = 0; i < from->t.rank; i++)
        if (q[p[i]] != i) return NULL;
    return forward(etch_value_of(from->def->args[0].t));
}

static etch_status *run(etch_method *m)
{
    etch_method_clear_user(m);
    for (etch_node *n = m->first; n; n = n->next) {
        if (n->op->id == ETCH_OP_native_dropout && n->args[2].kind == ETCH_V_BOOL && !n->args[2].b && n->args[0].kind == ETCH_V_TENSOR) {
            n->outs[0]->user = forward(etch_value_of(n->args[0].t));
            continue;  // the mask stays, dead code unless used
        }
        if (n->n_outs != 1 || n->op->schema->n_params < 1 || n->args[0].kind != ETCH_V_TENSOR || n->outs[0]->is_scalar) continue;
        etch_value *from = forward(etch_value_of(n->args[0].t)), *v = n->outs[0];
        etch_value *of = undone(n, from);
        if (of) from = of;
        else if (!same_type(&from->t, &v->t) || !changes_nothing(n) || !slice_is_whole(n)) continue;
        if (!from->fqn.len && from->src == ETCH_SRC_NODE) from->fqn = v->fqn;
        v->user = from;
        etch_method_remove(m, n);
    }
    etch_method_replace_all(m);
    return NULL;
}

etch_status *etch_pass_alias(etch_program *p, const etch_pass_opts *o)
{
    (void)o;
    for (int i = 0; i < p->n_methods; i++) ETCH_TRY(run(p->methods[i]));
    return NULL;
}
