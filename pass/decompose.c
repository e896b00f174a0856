// Composite operators become operators that a .pte can hold.
//   Before: %2 = aten::silu(%0)            After:  %2 = aten::sigmoid(%0)
//                                                  %3 = aten::mul.Tensor(%0, %2)
// Requires: nothing; `alias` before it saves work.
// Keeps: names of results; source place and module go to every new node.
// Breaks: the constant marks. New nodes may hold numbers in Tensor slots: run `scalars` afterwards.
// Careful: constant nodes that have a kernel stay: they are evaluated, never emitted. What remains has an .out name, or the pass fails.
//
// A row of op/ops.def is decomposed whenever its column `decomp` names a function, also when it has an .out name (split, t): the parts
// are what backends take.
#include "pass/decomp.h"

#include "kern/kern.h"

#define decomp_NONE NULL
static const etch_decomp_fn decomps[ETCH_OP_COUNT] = {
#define OP(id, schema, out, flags, shape, kern, decomp, xnn) [ETCH_OP_##id] = decomp_##decomp,
#include "op/ops.def"
#undef OP
};

static void forward_args(etch_node *n)
{
    for (int i = 0; i < n->op->schema->n_params; i++) {
        etch_val *a = &n->args[i];
        if (a->kind == ETCH_V_TENSOR)
            while (etch_value_of(a->t)->user) a->t = etch_value_of(a->t)->user;
        if (a->kind != ETCH_V_TENSORS) continue;
        for (int k = 0; k < a->tensors.n; k++)
            while (a->tensors.p[k] && etch_value_of(a->tensors.p[k])->user) a->tensors.p[k] = etch_value_of(a->tensors.p[k])->user;
    }
}

static bool same_type(const etch_tensor *a, const etch_tensor *b)
{
    if (a->dtype != b->dtype || a->rank != b->rank) return false;
    for (int i = 0; i < a->rank; i++)
        if (!etch_dim_same(a->sizes[i], b->sizes[i])) return false;
    return true;
}

static etch_status *wrong_type(const etch_tensor *have, const etch_tensor *want)
{
    etch_buf h = { 0 }, w = { 0 };
    etch_tensor_print_type(&h, have);
    etch_tensor_print_type(&w, want);
    etch_status *s = ETCH_ERR(ETCH_INTERNAL, "its parts give %.*s, not %.*s", ETCH_STR_ARGS(etch_buf_str(&h)),
                              ETCH_STR_ARGS(etch_buf_str(&w)));
    etch_buf_deinit(&h);
    etch_buf_deinit(&w);
    return s;
}

// Replaces the node by new ones in front of it.
static etch_status *decompose_node(etch_method *m, etch_node *n)
{
    etch_build b = { .m = m, .before = n, .from = n };
    etch_value **results;
    b.harmless.t.dtype = ETCH_F32;
    ETCH_ALLOC(results, &m->program->arena, (size_t)(n->n_outs + 1) * sizeof *results);
    decomps[n->op->id](&b, n, results);
    ETCH_TRY(b.error);
    for (int i = 0; i < n->n_outs; i++) {
        etch_value *r = results[i], *old = n->outs[i];
        if (!r) return ETCH_ERR(ETCH_INTERNAL, "result %d has no replacement", i);
        if (!same_type(&r->t, &old->t)) return wrong_type(&r->t, &old->t);
        if (!r->fqn.len && r->src == ETCH_SRC_NODE) r->fqn = old->fqn;
        old->user = r;
    }
    etch_method_remove(m, n);
    return NULL;
}

static bool is_evaluated(const etch_node *n) { return n->n_outs > 0 && etch_const_is(n->outs[0]) && etch_kern_find(n->op->id); }

static etch_status *run(etch_method *m)
{
    enum { MAX_STEPS = 4000000 };
    int steps = 0;
    etch_method_clear_user(m);
    for (etch_node *n = m->first, *next; n; n = next) {
        next = n->next;
        if (++steps > MAX_STEPS) return ETCH_ERR(ETCH_INTERNAL, "decomposition does not end");
        forward_args(n);
        etch_const_mark_node(n);
        if (n->op->id == ETCH_OP_item) {  // same arguments and result
            n->op = etch_op_get(ETCH_OP__local_scalar_dense);
            continue;
        }
        if (!decomps[n->op->id] || is_evaluated(n)) continue;
        etch_node *prev = n->prev;
        etch_status *s = decompose_node(m, n);
        if (s) return etch_status_frame(s, __FILE__, __LINE__, "%s cannot be lowered", etch_node_place(m, n));
        next = prev ? prev->next : m->first;  // the new nodes are looked at too
    }
    etch_method_replace_all(m);
    return NULL;
}

static void mark_use(void *user, etch_value *v) { v->user = user; }

// Every node that is not constant needs an .out name; assertions go with the dead code. Rows etch::* are what later steps of our own
// replace.
// All that lack one are named, each operator with its first place.
static etch_status *check(etch_method *m, const etch_pass_opts *o)
{
    etch_buf missing = { 0 };
    bool named[ETCH_OP_COUNT] = { false };
    int n_missing = 0;
    static char used;
    etch_const_mark(m);
    for (int i = 0; i < m->n_leaves; i++) m->leaves[i]->user = NULL;
    for (etch_node *n = m->first; n; n = n->next)
        for (int i = 0; i < n->n_outs; i++) n->outs[i]->user = NULL;
    for (int i = 0; i < m->n_outputs; i++) m->outputs[i].v->user = &used;
    for (int i = 0; i < m->n_mutations; i++) m->mutations[i].v->user = &used;
    for (etch_node *n = m->last; n; n = n->prev) {
        bool needed = (n->op->flags & (ETCH_OPF_INPLACE | ETCH_OPF_SYM)) != 0;
        for (int i = 0; i < n->n_outs; i++) needed = needed || n->outs[i]->user == &used;
        if (!needed) continue;
        etch_node_each_use(n, mark_use, &used);
        if (n->op->out_name || (n->n_outs && etch_const_is(n->outs[0])) || etch_str_starts(n->op->schema->name, "etch::")) continue;
        if (o && o->missing) o->missing(o->user, n);
        if (named[n->op->id]) continue;
        named[n->op->id] = true;
        if (missing.len) etch_buf_puts(&missing, ", ");
        etch_buf_puts(&missing, etch_node_place(m, n));
        n_missing++;
    }
    etch_status *s = etch_buf_check(&missing);
    if (!s && n_missing)
        s = ETCH_ERR(ETCH_UNSUPPORTED, "%.*s cannot be lowered: the runtime has no operator for %s and no decomposition is known",
                     ETCH_STR_ARGS(etch_buf_str(&missing)), n_missing > 1 ? "them" : "it");
    etch_buf_deinit(&missing);
    return s;
}

etch_status *etch_pass_decompose(etch_program *p, const etch_pass_opts *o)
{
    for (int i = 0; i < p->n_methods; i++) {
        ETCH_TRY(run(p->methods[i]));
        ETCH_TRY(check(p->methods[i], o));
    }
    return NULL;
}
