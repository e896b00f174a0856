// Which results need no memory of their own.
//
// A result with the bytes of its argument in the same order (view, unsqueeze, clone, a permutation that moves only sizes of 1, ...):
//   same shape        the same EValue
//   both static       a second Tensor EValue over the same memory, no instruction
//   dynamic           executorch_prim::et_view, which sets the data pointer at run time
// It stays a copy when it shows a state buffer that an in-place operation changes while the view is still needed, or when it is dynamic and
// an output of the method (outputs are planned).
//
// In: lm->steps in order. Out: step kinds, slot->same / base / is_et_view, lifetimes.
#include "lower/internal.h"

static bool same_shape(const etch_tensor *a, const etch_tensor *b)
{
    if (a->rank != b->rank) return false;
    for (int i = 0; i < a->rank; i++)
        if (!etch_dim_same(a->sizes[i], b->sizes[i])) return false;
    return true;
}

// A permutation keeps the order of bytes when the dims that are not always 1 keep theirs.
static bool keeps_order(const etch_tensor *t, const int *perm)
{
    int last = -1;
    for (int i = 0; i < t->rank; i++) {
        int d = perm[i];
        if (etch_dim_is_const(t->sizes[d]) && t->sizes[d].v == 1) continue;
        if (d < last) return false;
        last = d;
    }
    return true;
}

static int wrap(int64_t d, int rank) { return (int)(d < 0 ? d + rank : d); }

bool lw_node_is_reshape(const lw_method *lm, const etch_node *n)
{
    (void)lm;
    if (n->n_outs != 1 || n->outs[0]->is_scalar || n->op->schema->n_params < 1 || n->args[0].kind != ETCH_V_TENSOR) return false;
    const etch_tensor *in = n->args[0].t, *out = &n->outs[0]->t;
    if (in->dtype != out->dtype) return false;
    int perm[ETCH_MAX_RANK];
    switch (n->op->id) {
    case ETCH_OP_view: case ETCH_OP_reshape: case ETCH_OP__unsafe_view: case ETCH_OP_unsqueeze: case ETCH_OP_squeeze:
    case ETCH_OP_squeeze_dim:
    case ETCH_OP_squeeze_dims: case ETCH_OP_view_as: case ETCH_OP_flatten_using_ints: case ETCH_OP_unflatten_int: case ETCH_OP_ravel:
    case ETCH_OP_alias: case ETCH_OP_detach: case ETCH_OP_lift_fresh: case ETCH_OP_lift_fresh_copy: case ETCH_OP_contiguous:
    case ETCH_OP_clone:
    case ETCH_OP__clone_dim_order:
        return true;
    case ETCH_OP__to_copy: case ETCH_OP_expand: case ETCH_OP_slice_Tensor:
        return same_shape(in, out) && (n->op->id != ETCH_OP_slice_Tensor || (n->args[4].i.v == 1 && etch_dim_is_const(n->args[4].i)));
    case ETCH_OP_permute:
        for (int i = 0; i < in->rank; i++) perm[i] = wrap(n->args[1].ints.p[i].v, in->rank);
        return keeps_order(in, perm);
    case ETCH_OP_transpose_int: case ETCH_OP_t: {
        for (int i = 0; i < in->rank; i++) perm[i] = i;
        if (in->rank < 2) return true;
        int a = n->op->id == ETCH_OP_t ? 0 : wrap(n->args[1].i.v, in->rank);
        int b = n->op->id == ETCH_OP_t ? 1 : wrap(n->args[2].i.v, in->rank);
        perm[a] = b;
        perm[b] = a;
        return keeps_order(in, perm);
    }
    default: return false;
    }
}

etch_value *lw_const_root(const lw_method *lm, etch_value *v)
{
    while (v->src == ETCH_SRC_NODE && lw_node_is_reshape(lm, v->def)) v = etch_arg_value(&v->def->args[0]);
    return v;
}

// ---- lifetimes
typedef struct { int at; } use_at;

static void touch(void *user, etch_value *v)
{
    lw_slot *s = lw_slot_of(v);
    int at = ((use_at *)user)->at;
    if (s->last < at) s->last = at;
}

static void step_uses(const lw_step *st, int at)
{
    use_at u = { at };
    if (st->node) etch_node_each_use(st->node, touch, &u);
    for (int i = 0; st->group && i < st->group->n_inputs; i++) touch(&u, st->group->inputs[i]->v);
}

// The buffer or value whose memory an in-place node writes: its mutable argument.
static lw_slot *written(const etch_node *n)
{
    if (!(n->op->flags & ETCH_OPF_INPLACE)) return NULL;
    for (int i = 0; i < n->op->schema->n_params; i++)
        if (n->op->schema->params[i].is_mutable) return lw_slot_arg(&n->args[i]);
    return NULL;
}

// The first result of an in-place node is the argument it wrote, as far as types agree.
static void alias_inplace(const etch_node *n)
{
    lw_slot *w = written(n);
    if (w && n->n_outs && n->outs[0]->t.dtype == w->v->t.dtype && same_shape(&n->outs[0]->t, &w->v->t)) lw_slot_of(n->outs[0])->same = w;
}

static lw_slot *root_of(lw_slot *s)
{
    for (;;) {
        if (s->same) s = s->same;
        else if (s->base != s) s = s->base;
        else return s;
    }
}

static bool is_output(const lw_method *lm, const lw_slot *s)
{
    for (int i = 0; i < lm->m->n_outputs; i++)
        if (lw_slot_of(lm->m->outputs[i].v) == s) return true;
    return false;
}

// Does a later in-place step write `root` while `s` (made at step `at`) is still read?
static bool overwritten(const lw_method *lm, const lw_slot *root, const lw_slot *s, int at)
{
    for (int i = at; i < lm->n_steps && i + 1 <= s->last; i++) {
        lw_slot *w = lm->steps[i].node ? written(lm->steps[i].node) : NULL;
        if (w && root_of(w) == root) return true;
    }
    return false;
}

static void decide(lw_method *lm, lw_step *st, int at)
{
    etch_node *n = st->node;
    if (st->kind != LW_KERNEL || !lw_node_is_reshape(lm, n)) return;
    lw_slot *out = lw_slot_of(n->outs[0]), *in = lw_real(lw_slot_arg(&n->args[0]));
    lw_slot *root = root_of(in);
    if (root->is_const && in->is_const) return;  // constants are folded elsewhere; a copy is right
    if (root->v->src == ETCH_SRC_BUFFER && overwritten(lm, root, out, at)) return;
    bool output = is_output(lm, out);
    if (same_shape(&in->v->t, &out->v->t) && in->v->t.dtype == out->v->t.dtype && !(output && in->is_et_view)) {
        out->same = in;
        st->kind = LW_NOTHING;
    } else if (!in->dynamic && !out->dynamic && !in->is_et_view) {
        out->base = in;
        st->kind = LW_NOTHING;
    } else if (!output) {
        out->base = in;
        out->is_et_view = true;
        st->kind = LW_ET_VIEW;
    }
}

etch_status *lw_views(lw_method *lm)
{
    // Steps are numbered from 1; 0 is the call, n + 1 the return.
    int end = lm->n_steps + 1;
    for (int i = 0; i < lm->m->n_outputs; i++) lw_slot_of(lm->m->outputs[i].v)->last = end;
    for (int i = lm->n_steps - 1; i >= 0; i--) {
        lw_step *st = &lm->steps[i];
        step_uses(st, i + 1);
        if (!st->node) continue;
        // what a possible view shows is needed as long as the view
        int last = -1;
        if (lw_node_is_reshape(lm, st->node) || (st->node->op->flags & ETCH_OPF_INPLACE))
            for (int k = 0; k < st->node->n_outs; k++)
                if (lw_slot_of(st->node->outs[k])->last > last) last = lw_slot_of(st->node->outs[k])->last;
        lw_slot *shown = st->node->op->flags & ETCH_OPF_INPLACE ? written(st->node) : lw_slot_arg(&st->node->args[0]);
        if (last >= 0 && shown && shown->last < last) shown->last = last;
    }
    for (int i = 0; i < lm->n_steps; i++)
        if (lm->steps[i].node) alias_inplace(lm->steps[i].node);
    for (int i = 0; i < lm->n_steps; i++) decide(lm, &lm->steps[i], i + 1);
    // Lifetimes of what owns memory, over everything that shows it.
    for (int i = 0; i < lm->n_slots; i++) lm->slots[i]->last = -1;
    for (int i = 0; i < lm->n_steps; i++) {
        lw_step *st = &lm->steps[i];
        if (st->kind == LW_NOTHING) continue;
        step_uses(st, i + 1);
        for (int k = 0; st->node && k < st->node->n_outs; k++) {
            lw_slot *s = lw_slot_of(st->node->outs[k]);
            if (s->first < 0) s->first = i + 1;
            if (s->last < i + 1) s->last = i + 1;
        }
        for (int k = 0; st->group && k < st->group->n_outputs; k++) {
            lw_slot *s = st->group->outputs[k];
            s->first = i + 1;
            if (s->last < i + 1) s->last = i + 1;
        }
    }
    for (int i = 0; i < lm->m->n_outputs; i++) lw_slot_of(lm->m->outputs[i].v)->last = end;
    for (int i = 0; i < lm->m->n_leaves; i++) {
        lw_slot *s = lw_slot_of(lm->m->leaves[i]);
        if (s->v->src == ETCH_SRC_INPUT || s->v->src == ETCH_SRC_BUFFER) s->first = 0;
        if (s->v->src == ETCH_SRC_INPUT && s->last < 0) s->last = 0;
        if (s->v->src == ETCH_SRC_BUFFER && s->last >= 0) s->last = end;
    }
    for (int i = 0; i < lm->n_slots; i++) {
        lw_slot *s = lm->slots[i], *root = root_of(s);
        if (root != s && s->last > root->last) root->last = s->last;
    }
    return NULL;
}
