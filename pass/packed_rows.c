// Moves of whole rows go below dequantisation, so that what is moved are packed rows and the dequantised matrix never exists.
//   Before: %2 = etch::dequantize_blocks(%1, type="Q4_0") : f32[64, 64]     After: %2 = aten::view(%1, [2, 16, 2, 36]) : u8[2, 16, 2, 36]
//           %3 = aten::view(%2, [2, 16, 2, 64])                                    %3 = aten::transpose.int(%2, 1, 2)
//           %4 = aten::transpose.int(%3, 1, 2)                                     %4 = aten::view(%3, [64, 36])
//           %5 = aten::view(%4, [64, 64])                                          %5 = etch::dequantize_blocks(%4, type="Q4_0")
// Requires: nothing.
// Keeps: types and names of all values that remain used.
// Breaks: leaves dead dequantisations behind: run `dce`.
// Careful: only operators that treat the last dimension as a whole; a view must keep its size. Rows that the program chooses when it runs
// stay chosen from the dequantised matrix, which is a constant.
#include "pass/packed.h"

static int last_of(const etch_tensor *t) { return t->rank - 1; }
static int64_t width(const etch_tensor *t) { return t->rank ? t->sizes[last_of(t)].v : -1; }

static bool is_inner(const etch_val *dim, int rank)
{
    int64_t d = etch_val_as_int(dim);
    return (d < 0 ? d + rank : d) < rank - 1;
}

// Does the operator move whole rows of its first operand, whatever a row holds?
static bool moves_rows(const etch_node *n)
{
    const etch_tensor *in = n->args[0].kind == ETCH_V_TENSOR ? n->args[0].t : NULL;
    if (!in || n->n_outs != 1 || in->dtype != n->outs[0]->t.dtype || in->rank < 1) return false;
    switch (n->op->id) {
    case ETCH_OP_transpose_int: return is_inner(&n->args[1], in->rank) && is_inner(&n->args[2], in->rank);
    case ETCH_OP_slice_Tensor: case ETCH_OP_select_int: case ETCH_OP_index_select: return is_inner(&n->args[1], in->rank);
    case ETCH_OP_permute: {
        int64_t last = n->args[1].ints.n == in->rank ? n->args[1].ints.p[in->rank - 1].v : 0;
        return last == in->rank - 1 || last == -1;
    }
    case ETCH_OP_index_Tensor: return n->args[1].kind == ETCH_V_TENSORS && n->args[1].tensors.n < in->rank;
    default: return etch_eval_keeps_order(n) && width(in) == width(&n->outs[0]->t);
    }
}

static etch_node *blocks_of(const etch_val *a)
{
    etch_value *v = etch_arg_value(a);
    return v && v->src == ETCH_SRC_NODE && v->def->op->id == ETCH_OP_etch_dequantize_blocks ? v->def : NULL;
}

// etch::dequantize_blocks(moved), of the type of `like`, replaces the result of `n`.
static etch_status *dequantize(etch_method *m, etch_node *n, etch_value *moved, const etch_node *like)
{
    const etch_val args[2] = { etch_val_tensor(&moved->t), like->args[1] };
    etch_node *d;
    ETCH_TRY(etch_method_add_node(m, n, like->op, args, 2, n->where, n->module, &d));
    etch_const_mark_node(d);
    d->outs[0]->fqn = n->outs[0]->fqn;
    n->outs[0]->user = d->outs[0];
    etch_method_remove(m, n);
    return NULL;
}

static etch_status *move_below(etch_method *m, etch_node *n, const etch_node *d)
{
    enum { MAX_ARGS = 8 };
    etch_val args[MAX_ARGS];
    etch_dim sizes[ETCH_MAX_RANK];
    const int n_args = n->op->schema->n_params;
    if (n_args > MAX_ARGS) return NULL;
    memcpy(args, n->args, (size_t)n_args * sizeof *args);
    args[0] = d->args[0];
    if (n_args > 1 && args[1].kind == ETCH_V_INTS && n->op->id != ETCH_OP_permute) {  // the sizes of a view
        const etch_tensor *out = &n->outs[0]->t;
        for (int i = 0; i < out->rank; i++) sizes[i] = i < last_of(out) ? out->sizes[i] : etch_dim_of(width(args[0].t));
        args[1] = (etch_val){ .kind = ETCH_V_INTS, .ints = { sizes, out->rank } };
    }
    etch_node *moved;
    ETCH_TRY(etch_method_add_node(m, n, n->op, args, n_args, n->where, n->module, &moved));
    etch_const_mark_node(moved);
    return dequantize(m, n, moved->outs[0], d);
}

// cat of dequantised blocks of one type along rows.
static etch_status *join_below(etch_method *m, etch_node *n)
{
    const etch_val *list = &n->args[0];
    const etch_node *first = NULL;
    for (int i = 0; i < list->tensors.n; i++) {
        const etch_val a = etch_val_tensor(list->tensors.p[i]);
        const etch_node *d = list->tensors.p[i] ? blocks_of(&a) : NULL;
        if (!d || (first && !etch_str_eq(d->args[1].s, first->args[1].s))) return NULL;
        if (!first) first = d;
    }
    if (!first || !is_inner(&n->args[1], n->outs[0]->t.rank)) return NULL;
    etch_tensor **inputs;
    ETCH_ALLOC(inputs, &m->program->arena, (size_t)list->tensors.n * sizeof(etch_tensor *));
    for (int i = 0; i < list->tensors.n; i++) {
        const etch_val a = etch_val_tensor(list->tensors.p[i]);
        inputs[i] = blocks_of(&a)->args[0].t;
    }
    const etch_val args[2] = { { .kind = ETCH_V_TENSORS, .tensors = { inputs, list->tensors.n } }, n->args[1] };
    etch_node *moved;
    ETCH_TRY(etch_method_add_node(m, n, n->op, args, 2, n->where, n->module, &moved));
    etch_const_mark_node(moved);
    return dequantize(m, n, moved->outs[0], first);
}

static void follow(void *user, etch_value *v)
{
    if (v->user) *(bool *)user = true;
}

// Arguments that were replaced earlier in this sweep.
static void update(etch_node *n)
{
    for (int i = 0; i < n->op->schema->n_params; i++) {
        etch_val *a = &n->args[i];
        if (a->kind == ETCH_V_TENSOR && etch_value_of(a->t)->user) a->t = &((etch_value *)etch_value_of(a->t)->user)->t;
        for (int k = 0; a->kind == ETCH_V_TENSORS && k < a->tensors.n; k++)
            if (a->tensors.p[k] && etch_value_of(a->tensors.p[k])->user)
                a->tensors.p[k] = &((etch_value *)etch_value_of(a->tensors.p[k])->user)->t;
    }
}

static etch_status *run(etch_method *m)
{
    etch_method_clear_user(m);
    etch_const_mark(m);
    for (etch_node *n = m->first; n; n = n->next) {
        if (!n->n_outs || !etch_const_is(n->outs[0])) continue;
        bool replaced = false;
        etch_node_each_use(n, follow, &replaced);
        if (replaced) update(n);
        const etch_node *d = n->op->schema->n_params ? blocks_of(&n->args[0]) : NULL;
        if (d && moves_rows(n)) ETCH_TRY(move_below(m, n, d));
        else if (n->op->id == ETCH_OP_cat && n->args[0].kind == ETCH_V_TENSORS) ETCH_TRY(join_below(m, n));
    }
    etch_method_replace_all(m);
    return NULL;
}

etch_status *etch_pass_packed_rows(etch_program *p, const etch_pass_opts *o)
{
    (void)o;
    for (int i = 0; i < p->n_methods; i++) ETCH_TRY(run(p->methods[i]));
    return NULL;
}
