// finish(): copies what the outputs and the changed buffers of each method need from the scratch method into the methods of the program,
// verifies and prints them. In: the scratch method and the declared methods. Out: graph text.
#include "trace/core/core.h"

#include <stdlib.h>
#include <string.h>

// Buffers that the current method changed become mutations, and get their leaf back for the next method.
etch_status *core_settle(core_state *st)
{
    if (!st->n_methods) return NULL;
    core_method *m = &st->methods[st->n_methods - 1];
    for (int i = 0; i < st->n_buffers; i++) {
        core_storage *s = st->buffers[i];
        if (s->cur == s->buffer) continue;
        ETCH_TRY(core_grow(&m->mutations, m->n_mutations, &m->cap_mutations, sizeof *m->mutations));
        m->mutations[m->n_mutations++] = (etch_mutation){ s->buffer, s->cur };
        s->cur = s->buffer;
        s->version++;
    }
    return NULL;
}

typedef struct { etch_value **p; int n, cap; etch_status *error; } worklist;

static void visit(void *user, etch_value *v)
{
    worklist *w = user;
    core_info *info = core_info_of(v);
    if (w->error || info->marked) return;
    info->marked = true;
    w->error = core_grow(&w->p, w->n, &w->cap, sizeof *w->p);
    if (!w->error) w->p[w->n++] = v;
}

static void unmark(core_state *st)
{
    for (int i = 0; i < st->m->n_leaves; i++) core_info_of(st->m->leaves[i])->marked = false, core_info_of(st->m->leaves[i])->copy = NULL;
    for (etch_node *n = st->m->first; n; n = n->next)
        for (int i = 0; i < n->n_outs; i++) core_info_of(n->outs[i])->marked = false, core_info_of(n->outs[i])->copy = NULL;
}

// An expression that uses an unbacked symbol needs the node that defines the symbol. defs: by symbol index, NULL for declared ones.
static void mark_dim(worklist *w, etch_value *const *defs, etch_dim d)
{
    const etch_monomial *terms = NULL;
    int n = 0;
    if (etch_dim_is_const(d)) return;
    etch_dim_terms(d, &terms, &n);
    for (int i = 0; i < n; i++)
        for (int k = 0; k < terms[i].n_atoms; k++) {
            const etch_atom *a = terms[i].atoms[k];
            if (a->kind != ETCH_ATOM_SYM) mark_dim(w, defs, a->a), mark_dim(w, defs, a->b);
            else if (defs[a->sym]) visit(w, defs[a->sym]);
        }
}

static void mark_args(worklist *w, etch_value *const *defs, const etch_node *n)
{
    etch_node_each_use(n, visit, w);
    for (int i = 0; i < n->op->schema->n_params; i++) {
        const etch_val *a = &n->args[i];
        if (a->kind == ETCH_V_INT) mark_dim(w, defs, a->i);
        for (int k = 0; a->kind == ETCH_V_INTS && k < a->ints.n; k++) mark_dim(w, defs, a->ints.p[k]);
    }
}

static etch_status *symbol_defs(core_state *st, etch_value ***out)
{
    etch_value **defs;
    ETCH_ALLOC(defs, &st->program->arena, sizeof *defs * (size_t)(st->program->syms.n_syms + 1));
    for (etch_node *n = st->m->first; n; n = n->next) {
        if (n->n_outs != 1 || !n->outs[0]->is_scalar || etch_str_starts(n->op->schema->name, "aten::sym_size")) continue;
        const etch_monomial *terms = NULL;
        int count = 0;
        if (!etch_dim_is_const(n->outs[0]->scalar)) etch_dim_terms(n->outs[0]->scalar, &terms, &count);
        if (count == 1 && terms[0].n_atoms == 1 && terms[0].atoms[0]->kind == ETCH_ATOM_SYM) defs[terms[0].atoms[0]->sym] = n->outs[0];
    }
    *out = defs;
    return NULL;
}

// Marks what the outputs of `m` need, and what the new contents of live buffers need (live: by buffer leaf, some method reads it).
static etch_status *mark(core_state *st, const core_method *m)
{
    worklist w = { 0 };
    etch_value **defs = NULL;
    ETCH_TRY(symbol_defs(st, &defs));
    for (int i = 0; i < m->n_outputs; i++) visit(&w, m->outputs[i].v);
    for (int i = 0; i < m->n_mutations; i++)
        if (core_info_of(m->mutations[i].buffer)->live) visit(&w, m->mutations[i].v), visit(&w, m->mutations[i].buffer);
    while (w.n && !w.error) {
        etch_value *v = w.p[--w.n];
        if (v->src == ETCH_SRC_NODE) mark_args(&w, defs, v->def);
        if (v->src == ETCH_SRC_BUFFER && v->init) visit(&w, v->init);
    }
    free(w.p);
    return w.error;
}

static etch_tensor *mapped(etch_tensor *t) { return t ? &core_info_of(etch_value_of(t))->copy->t : NULL; }

static etch_status *copy_node(core_state *st, etch_method *to, const etch_node *n)
{
    const int np = n->op->schema->n_params;
    etch_val *args;
    ETCH_ALLOC(args, &st->program->arena, sizeof *args * (size_t)(np + 1));
    for (int i = 0; i < np; i++) {
        args[i] = n->args[i];
        if (args[i].kind == ETCH_V_TENSOR) args[i].t = mapped(args[i].t);
        if (args[i].kind != ETCH_V_TENSORS || !args[i].tensors.n) continue;
        ETCH_ALLOC(args[i].tensors.p, &st->program->arena, sizeof(etch_tensor *) * (size_t)args[i].tensors.n);
        for (int k = 0; k < args[i].tensors.n; k++) args[i].tensors.p[k] = mapped(n->args[i].tensors.p[k]);
    }
    etch_node *copy = NULL;
    ETCH_TRY(etch_method_add_copy(to, n, args, &copy));
    for (int i = 0; i < n->n_outs; i++) core_info_of(n->outs[i])->copy = copy->outs[i];
    return NULL;
}

static etch_status *copy_leaf(etch_method *to, etch_value *v)
{
    etch_value *copy = NULL;
    switch (v->src) {
    case ETCH_SRC_FILE: ETCH_TRY(etch_method_add_file(to, v->file, v->name, &v->t, &copy)); break;
    case ETCH_SRC_DATA: ETCH_TRY(etch_method_add_data(to, &v->t, &copy)); break;
    default: return NULL;
    }
    copy->fqn = v->fqn;
    core_info_of(v)->copy = copy;
    return NULL;
}

static bool node_marked(const etch_node *n)
{
    for (int i = 0; i < n->n_outs; i++)
        if (core_info_of(n->outs[i])->marked) return true;
    return false;
}

static bool before_buffers(const etch_value *v) { return !core_info_of((etch_value *)(uintptr_t)v)->dynamic; }

// Leaves, constants, then buffers (their initial content is a constant), then the rest in recording order.
static etch_status *build(core_state *st, const core_method *m)
{
    etch_method *to = NULL, *from = st->m;
    ETCH_TRY(etch_program_add_method(st->program, m->name, &to));
    unmark(st);
    ETCH_TRY(mark(st, m));
    for (int i = 0; i < m->n_inputs; i++) {
        etch_value *v = NULL;
        ETCH_TRY(etch_method_add_input(to, m->inputs[i]->name, &m->inputs[i]->t, &v));
        core_info_of(m->inputs[i])->copy = v;
    }
    for (int i = 0; i < from->n_leaves; i++)
        if (core_info_of(from->leaves[i])->marked) ETCH_TRY(copy_leaf(to, from->leaves[i]));
    for (etch_node *n = from->first; n; n = n->next)
        if (node_marked(n) && before_buffers(n->outs[0])) ETCH_TRY(copy_node(st, to, n));
    for (int i = 0; i < from->n_leaves; i++) {
        etch_value *v = from->leaves[i], *copy = NULL;
        if (v->src != ETCH_SRC_BUFFER || !core_info_of(v)->marked) continue;
        ETCH_TRY(etch_method_add_buffer(to, v->name, &v->t, v->init ? core_info_of(v->init)->copy : NULL, &copy));
        copy->fqn = v->fqn;
        core_info_of(v)->copy = copy;
    }
    for (etch_node *n = from->first; n; n = n->next)
        if (node_marked(n) && !before_buffers(n->outs[0])) {
            for (int i = 0; i < n->op->schema->n_params; i++) {
                const etch_value *v = etch_arg_value(&n->args[i]);
                if (v && !core_info_of((etch_value *)(uintptr_t)v)->copy)
                    return ETCH_ERR(ETCH_INVALID, "method %.*s uses input \"%.*s\" of another method", ETCH_STR_ARGS(m->name),
                                    ETCH_STR_ARGS(v->name));
            }
            ETCH_TRY(copy_node(st, to, n));
        }
    for (int i = 0; i < m->n_mutations; i++)
        if (core_info_of(m->mutations[i].buffer)->live)
            ETCH_TRY(etch_method_add_mutation(to, core_info_of(m->mutations[i].buffer)->copy, core_info_of(m->mutations[i].v)->copy));
    for (int i = 0; i < m->n_outputs; i++) ETCH_TRY(etch_method_add_output(to, m->outputs[i].name, core_info_of(m->outputs[i].v)->copy));
    etch_method_renumber(to);
    return NULL;
}

// Buffers whose content from an earlier call no method ever reads are scratch, not state.
etch_status *core_find_live(core_state *st)
{
    ETCH_TRY(core_settle(st));
    for (int i = 0; i < st->n_buffers; i++) core_info_of(st->buffers[i]->buffer)->live = false;
    for (bool changed = true; changed;) {
        changed = false;
        for (int k = 0; k < st->n_methods; k++) {
            unmark(st);
            ETCH_TRY(mark(st, &st->methods[k]));
            for (int i = 0; i < st->n_buffers; i++) {
                core_info *info = core_info_of(st->buffers[i]->buffer);
                changed |= info->marked && !info->live;
                info->live |= info->marked;
            }
        }
    }
    return NULL;
}

// The scratch method is taken out of the program while it prints.
etch_status *core_finish(core_state *st, etch_buf *out)
{
    etch_program *p = st->program;
    etch_status *s = core_find_live(st);
    int first = p->n_methods;
    for (int i = 0; i < st->n_methods && !s; i++) s = build(st, &st->methods[i]);
    etch_method **all = p->methods;
    const int n_all = p->n_methods;
    p->methods = all + first;
    p->n_methods = n_all - first;
    if (!s) s = etch_program_verify(p);
    if (!s) etch_program_print(p, out);
    p->methods = all;
    p->n_methods = first;
    return s ? s : etch_buf_check(out);
}
