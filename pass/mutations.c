// Mutations become in-place writes.
//   Before: %4 = buffer "cache" : f32[1, 64, 8] init zeros
//           %9 = aten::index_put(%4, [None, %0], %7)       After:  %9 = aten::index_put_(%4, [None, %0], %7)
//           %10 = aten::add.Tensor(%5, 1)                          %10 = aten::add.Tensor(%5, 1)
//           mutate %4 = %9                                         %11 = aten::copy_(%5, %10)
//           mutate %5 = %10
// Requires: the last of the passes that move or merge nodes; `alias` and `dce` before it.
// Keeps: what every output and every read sees. The result of an in-place node is the buffer itself.
// Breaks: order now matters: nodes that read a buffer must stay in front of the node that writes it.
// Careful: lowering may let views share the memory of their source, so a view of a buffer counts as a read of the buffer wherever the view
// is read. index_put_ is used only when no such read of the old content follows; otherwise the new content is copied at the end, and
// outputs or new contents that are old buffers are cloned in front of the copies.
#include "pass/pass.h"

typedef struct { etch_method *m; int n_nodes; } scan;

static bool is_view(const etch_node *n) { return (n->op->flags & (ETCH_OPF_VIEW | ETCH_OPF_MAY_VIEW)) != 0; }
static int position(const etch_node *n) { return (int)(intptr_t)n->user; }

static void number(scan *s)
{
    int at = 0;
    for (etch_node *n = s->m->first; n; n = n->next) n->user = (void *)(intptr_t)at++;
    s->n_nodes = at;
}

// Position of the last node that may read the bytes of `v`, through views too; n_nodes when an output or a mutation does.
// The use as argument 0 of `writer` does not count.
static int last_read(const scan *s, const etch_value *v, const etch_node *writer)
{
    int last = -1;
    for (int i = 0; i < s->m->n_outputs; i++)
        if (s->m->outputs[i].v == v) return s->n_nodes;
    for (int i = 0; i < s->m->n_mutations; i++)
        if (s->m->mutations[i].v == v) return s->n_nodes;
    for (etch_node *n = v->def ? v->def->next : s->m->first; n; n = n->next) {
        if (etch_node_n_uses(n, v) <= (n == writer)) continue;
        if (position(n) > last) last = position(n);
        for (int i = 0; is_view(n) && i < n->n_outs; i++) {
            int seen = last_read(s, n->outs[i], NULL);
            if (seen > last) last = seen;
        }
    }
    return last;
}

// The value whose bytes `v` may share.
static etch_value *root_of(etch_value *v)
{
    while (v->src == ETCH_SRC_NODE && is_view(v->def) && v->def->n_outs && v->def->args[0].kind == ETCH_V_TENSOR)
        v = etch_value_of(v->def->args[0].t);
    return v;
}

// Rows with an in-place form: argument `written` is the old content. must: there is no other form.
static const struct { etch_op_id id, in_place; int written; bool must; } writers[] = {
    { ETCH_OP_index_put, ETCH_OP_index_put_, 0, false },
    { ETCH_OP_etch_update_cache, ETCH_OP_etch_update_cache_, 1, true },
    { ETCH_OP_etch_update_cache_with_indices, ETCH_OP_etch_update_cache_with_indices_, 1, true },
};
#define N_WRITERS (int)(sizeof writers / sizeof *writers)

// Row of the node that defines `v`, -1 when it has no in-place form.
static int writer_of(const etch_value *v)
{
    for (int i = 0; v->src == ETCH_SRC_NODE && i < N_WRITERS; i++)
        if (v->def->op->id == writers[i].id) return v->def->args[writers[i].written].kind == ETCH_V_TENSOR ? i : -1;
    return -1;
}

static etch_value *old_content(const etch_value *v) { return etch_value_of(v->def->args[writers[writer_of(v)].written].t); }

// Is `v` the buffer after a chain of writers, each of which may write in place?
static bool writes_in_place(const scan *s, const etch_mutation *mu)
{
    for (const etch_value *v = mu->v; v != mu->buffer;) {
        if (writer_of(v) < 0) return false;
        const etch_value *from = old_content(v);
        if (last_read(s, from, v->def) >= position(v->def)) return false;
        v = from;
    }
    return true;
}

// The node becomes its in-place form; readers of the new content read the form's result, which is the buffer.
static etch_status *make_in_place(etch_method *m, const etch_mutation *mu)
{
    for (etch_value *v = mu->v; v != mu->buffer;) {
        etch_value *from = old_content(v);
        etch_node *old = v->def, *n;
        const etch_op *op = etch_op_get(writers[writer_of(v)].in_place);
        if (op->schema->n_returns == 1) {
            old->op = op;
        } else {
            ETCH_TRY(etch_method_add_node(m, old, op, old->args, old->op->schema->n_params, old->where, old->module, &n));
            etch_method_replace(m, v, n->outs[0]);
            etch_method_remove(m, old);
        }
        v = from;
    }
    return NULL;
}

// A cache write whose result is no buffer's new content has no operator.
static etch_status *check_all_in_place(etch_method *m)
{
    for (const etch_node *n = m->first; n; n = n->next)
        for (int i = 0; i < N_WRITERS; i++)
            if (writers[i].must && n->op->id == writers[i].id)
                return ETCH_ERR(ETCH_UNSUPPORTED, "%s: the cache is read after it was overwritten; export without --use_custom_kv_cache",
                                etch_node_place(m, n));
    return NULL;
}

static etch_status *append(etch_method *m, etch_op_id id, const etch_val *args, int n_args, const etch_value *like, etch_node **out)
{
    etch_str none = { "", 0 };
    const etch_node *d = like->def;
    return etch_method_add_node(m, NULL, etch_op_get(id), args, n_args, d ? d->where : none, d ? d->module : none, out);
}

// A copy of `v` at the end, made once.
static etch_status *cloned(etch_method *m, etch_value *v, etch_value **out)
{
    if (!v->user) {
        etch_val arg = etch_val_tensor(&v->t);
        etch_node *n;
        ETCH_TRY(append(m, ETCH_OP_clone, &arg, 1, v, &n));
        v->user = n->outs[0];
    }
    *out = v->user;
    return NULL;
}

static etch_status *run(etch_method *m)
{
    scan s = { m, 0 };
    etch_method_clear_user(m);
    number(&s);
    char *in_place;
    ETCH_ALLOC(in_place, &m->program->arena, (size_t)m->n_mutations + 1);
    for (int i = 0; i < m->n_mutations; i++) in_place[i] = writes_in_place(&s, &m->mutations[i]);
    for (int i = 0; i < m->n_mutations; i++)
        if (in_place[i]) ETCH_TRY(make_in_place(m, &m->mutations[i]));
    ETCH_TRY(check_all_in_place(m));

    // Old contents that outlive the copies.
    for (int i = 0; i < m->n_mutations; i++) {
        const etch_mutation *mu = &m->mutations[i];
        if (in_place[i]) continue;
        for (int k = 0; k < m->n_outputs; k++)
            if (root_of(m->outputs[k].v) == mu->buffer) ETCH_TRY(cloned(m, m->outputs[k].v, &m->outputs[k].v));
        for (int k = 0; k < m->n_mutations; k++)
            if (!in_place[k] && root_of(m->mutations[k].v) == mu->buffer) ETCH_TRY(cloned(m, m->mutations[k].v, &m->mutations[k].v));
    }
    for (int i = 0; i < m->n_mutations; i++) {
        if (in_place[i]) continue;
        etch_node *n;
        etch_val args[] = { etch_val_tensor(&m->mutations[i].buffer->t), etch_val_tensor(&m->mutations[i].v->t) };
        ETCH_TRY(append(m, ETCH_OP_copy_, args, 2, m->mutations[i].v, &n));
    }
    m->n_mutations = 0;
    return NULL;
}

etch_status *etch_pass_mutations(etch_program *p, const etch_pass_opts *o)
{
    (void)o;
    for (int i = 0; i < p->n_methods; i++) ETCH_TRY(run(p->methods[i]));
    return NULL;
}
