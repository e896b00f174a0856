// Dead code.
//   Before: %2 = aten::relu(%0)            After:  return "y" %0
//           return "y" %0
// Requires: nothing.
// Keeps: inputs (the signature), buffers whose content some output needs in this call or a later one, in-place writes, nodes that define a
// symbol which something live uses.
// Breaks: value numbers.
// Careful: assertions (no results) go; a symbol may be used by a size in a type only.
#include "pass/pass.h"

typedef struct { etch_method *m; bool *symbols; } sweep;

static char live_mark;

static void keep(etch_value *v) { v->user = &live_mark; }
static void keep_use(void *user, etch_value *v) { (void)user; keep(v); }

static void keep_dim(sweep *s, etch_dim d)
{
    const etch_monomial *terms;
    int n;
    if (!d.e) return;
    etch_dim_terms(d, &terms, &n);
    for (int i = 0; i < n; i++)
        for (int k = 0; k < terms[i].n_atoms; k++) {
            const etch_atom *a = terms[i].atoms[k];
            if (a->kind == ETCH_ATOM_SYM) {
                s->symbols[a->sym] = true;
            } else {
                keep_dim(s, a->a);
                keep_dim(s, a->b);
            }
        }
}

static void keep_node(sweep *s, const etch_node *n)
{
    etch_node_each_use(n, keep_use, NULL);
    for (int i = 0; i < n->op->schema->n_params; i++) {
        if (n->args[i].kind == ETCH_V_INT) keep_dim(s, n->args[i].i);
        if (n->args[i].kind != ETCH_V_INTS) continue;
        for (int k = 0; k < n->args[i].ints.n; k++) keep_dim(s, n->args[i].ints.p[k]);
    }
    for (int i = 0; i < n->n_outs; i++)
        for (int k = 0; k < n->outs[i]->t.rank && !n->outs[i]->is_scalar; k++) keep_dim(s, n->outs[i]->t.sizes[k]);
}

static bool is_bare_symbol(etch_dim d, int *out_sym)
{
    const etch_monomial *terms;
    int n;
    if (!d.e) return false;
    etch_dim_terms(d, &terms, &n);
    if (n != 1 || terms[0].coef != 1 || terms[0].n_atoms != 1 || terms[0].atoms[0]->kind != ETCH_ATOM_SYM) return false;
    *out_sym = terms[0].atoms[0]->sym;
    return true;
}

static bool is_live(const sweep *s, const etch_node *n)
{
    if (n->op->flags & ETCH_OPF_INPLACE) return true;
    int sym;
    for (int i = 0; i < n->n_outs; i++) {
        const etch_value *v = n->outs[i];
        if (v->user == &live_mark) return true;
        // sym_size gives a size that the inputs have anyway; the others define theirs
        if (v->is_scalar && n->op->id != ETCH_OP_sym_size_int && is_bare_symbol(v->scalar, &sym) && s->symbols[sym]) return true;
        for (int k = 0; !v->is_scalar && k < v->t.rank; k++)
            if (n->op->id == ETCH_OP_nonzero && is_bare_symbol(v->t.sizes[k], &sym) && s->symbols[sym]) return true;
    }
    return false;
}

static bool may_matter(const etch_node *n)
{
    bool needed = (n->op->flags & ETCH_OPF_INPLACE) || ((n->op->flags & ETCH_OPF_SYM) && n->op->id != ETCH_OP_sym_size_int);
    for (int i = 0; i < n->n_outs && !needed; i++) needed = n->outs[i]->user == &live_mark;
    return needed;
}

// State that only feeds itself (a counter that nothing reads) is not state: its mutation goes.
static void drop_unread_state(etch_method *m)
{
    etch_method_clear_user(m);
    for (int i = 0; i < m->n_outputs; i++) keep(m->outputs[i].v);
    for (bool changed = true; changed;) {
        changed = false;
        for (const etch_node *n = m->last; n; n = n->prev)
            if (may_matter(n)) etch_node_each_use(n, keep_use, NULL);
        for (int i = 0; i < m->n_mutations; i++) {
            if (m->mutations[i].buffer->user != &live_mark || m->mutations[i].v->user == &live_mark) continue;
            keep(m->mutations[i].v);
            changed = true;
        }
    }
    int kept = 0;
    for (int i = 0; i < m->n_mutations; i++)
        if (m->mutations[i].buffer->user == &live_mark) m->mutations[kept++] = m->mutations[i];
    m->n_mutations = kept;
}

static etch_status *sweep_method(etch_method *m)
{
    sweep s = { .m = m };
    ETCH_ALLOC(s.symbols, &m->program->arena, (size_t)m->program->syms.n_syms + 1);
    etch_method_clear_user(m);
    for (int i = 0; i < m->n_outputs; i++) keep(m->outputs[i].v);
    for (int i = 0; i < m->n_mutations; i++) {
        keep(m->mutations[i].buffer);
        keep(m->mutations[i].v);
    }
    // An initial value may be a node, anywhere in the list: keep those of all buffers that some node mentions.
    for (etch_node *n = m->first; n; n = n->next) etch_node_each_use(n, keep_use, NULL);
    bool *used;
    ETCH_ALLOC(used, &m->program->arena, (size_t)m->n_leaves + 1);
    for (int i = 0; i < m->n_leaves; i++) used[i] = m->leaves[i]->user == &live_mark;
    etch_method_clear_user(m);
    for (int i = 0; i < m->n_outputs; i++) keep(m->outputs[i].v);
    for (int i = 0; i < m->n_mutations; i++) {
        keep(m->mutations[i].buffer);
        keep(m->mutations[i].v);
    }
    for (int i = 0; i < m->n_leaves; i++)
        if (used[i] && m->leaves[i]->init) keep(m->leaves[i]->init);
    for (etch_node *n = m->last, *prev; n; n = prev) {
        prev = n->prev;
        if (is_live(&s, n)) keep_node(&s, n);
        else etch_method_remove(m, n);
    }
    int kept = 0;
    for (int i = 0; i < m->n_leaves; i++) {
        etch_value *v = m->leaves[i];
        if (v->src == ETCH_SRC_INPUT || v->user == &live_mark) m->leaves[kept++] = v;
        else v->init = NULL;
    }
    m->n_leaves = kept;
    etch_method_renumber(m);
    return NULL;
}

etch_status *etch_pass_dce(etch_program *p, const etch_pass_opts *o)
{
    (void)o;
    for (int i = 0; i < p->n_methods; i++) {
        drop_unread_state(p->methods[i]);
        // A buffer that goes may free the node of its initial value: until nothing changes.
        for (int before = -1; before != p->methods[i]->n_values;) {
            before = p->methods[i]->n_values;
            ETCH_TRY(sweep_method(p->methods[i]));
        }
    }
    return NULL;
}
