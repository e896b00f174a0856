// The verifier. In: a program. Out: NULL, or an error that names the method and prints the node. Run between passes.
#include <stdlib.h>

#include "graph/internal.h"

typedef struct {
    etch_program *p;
    etch_method *m;
    etch_value **by_id;   // values defined so far, [m->n_values]
    etch_arena scratch;
} checker;

static bool is_defined(const checker *c, const etch_value *v)
{
    return v && v->id >= 0 && v->id < c->m->n_values && c->by_id[v->id] == v;
}

static etch_status *check_use(const checker *c, const etch_value *v, const char *what)
{
    if (!v) return ETCH_ERR(ETCH_INTERNAL, "%s is missing", what);
    if (!is_defined(c, v)) return ETCH_ERR(ETCH_INTERNAL, "%s %%%d is not defined before its use", what, v->id);
    if (v->is_scalar) return ETCH_ERR(ETCH_INTERNAL, "%s %%%d is not a tensor", what, v->id);
    return NULL;
}

static etch_status *check_args(checker *c, const etch_node *n)
{
    for (int i = 0; i < n->op->schema->n_params; i++) {
        etch_val v = n->args[i];
        ETCH_TRY(etch_graph__coerce(&c->scratch, n->op, i, &v));
        if (v.kind == ETCH_V_TENSOR) ETCH_TRY(check_use(c, etch_value_of(v.t), "argument"));
        if (v.kind != ETCH_V_TENSORS) continue;
        for (int k = 0; k < v.tensors.n; k++)
            if (v.tensors.p[k]) ETCH_TRY(check_use(c, etch_value_of(v.tensors.p[k]), "argument"));
    }
    return NULL;
}

static etch_status *type_error(const etch_value *v, const etch_tensor *rule)
{
    etch_buf have = { 0 }, want = { 0 };
    etch_tensor_print_type(&have, &v->t);
    etch_tensor_print_type(&want, rule);
    etch_status *s = ETCH_ERR(ETCH_INTERNAL, "result %%%d is %.*s, its shape rule gives %.*s", v->id, ETCH_STR_ARGS(etch_buf_str(&have)),
                              ETCH_STR_ARGS(etch_buf_str(&want)));
    etch_buf_deinit(&have);
    etch_buf_deinit(&want);
    return s;
}

// A rule that makes a fresh size symbol (nonzero) gives another one each time: such sizes are equal when the stated one is a bare symbol
// too.
static bool same_but_fresh(const etch_tensor *stated, const etch_tensor *rule)
{
    if (stated->dtype != rule->dtype || stated->rank != rule->rank) return false;
    for (int i = 0; i < stated->rank; i++)
        if (!etch_dim_same(stated->sizes[i], rule->sizes[i]) && !(stated->sizes[i].e && rule->sizes[i].e)) return false;
    return true;
}

static etch_status *check_results(checker *c, etch_node *n)
{
    etch_syms *syms = &c->p->syms;
    if ((n->op->flags & ETCH_OPF_SYM) || !n->op->shape) return NULL;
    int n_guards = syms->n_guards, n_syms = syms->n_syms, n_types;
    etch_tensor **types;
    etch_shape_cx cx = { syms, n->where, &c->scratch };
    ETCH_TRY(etch_graph__infer(&cx, n->op, n->args, &types, &n_types));
    bool fresh = syms->n_syms != n_syms;
    syms->n_guards = n_guards;
    if (n_types != n->n_outs) return ETCH_ERR(ETCH_INTERNAL, "%d results, its shape rule gives %d", n->n_outs, n_types);
    for (int i = 0; i < n_types; i++)
        if (!(fresh ? same_but_fresh(&n->outs[i]->t, types[i]) : etch_graph__same_type(&n->outs[i]->t, types[i])))
            return type_error(n->outs[i], types[i]);
    return NULL;
}

static etch_status *check_node(checker *c, etch_node *n)
{
    if (n->dead) return ETCH_ERR(ETCH_INTERNAL, "the node was removed but is still linked");
    if ((n->next ? n->next->prev : c->m->last) != n) return ETCH_ERR(ETCH_INTERNAL, "the list of nodes is broken");
    if (!n->op->schema->returns_list && n->n_outs != n->op->schema->n_returns) return ETCH_ERR(ETCH_INTERNAL, "wrong number of results");
    ETCH_TRY(check_args(c, n));
    ETCH_TRY(check_results(c, n));
    for (int i = 0; i < n->n_outs; i++) {
        etch_value *v = n->outs[i];
        if (v->def != n || v->def_index != i || v->src != ETCH_SRC_NODE) return ETCH_ERR(ETCH_INTERNAL, "result %d does not point back", i);
        c->by_id[v->id] = v;
    }
    return NULL;
}

static etch_status *check_ends(checker *c)
{
    etch_method *m = c->m;
    for (int i = 0; i < m->n_outputs; i++) ETCH_TRY(check_use(c, m->outputs[i].v, "output"));
    for (int i = 0; i < m->n_mutations; i++) {
        etch_value *b = m->mutations[i].buffer, *v = m->mutations[i].v;
        ETCH_TRY(check_use(c, b, "mutated buffer"));
        ETCH_TRY(check_use(c, v, "new content"));
        if (b->src != ETCH_SRC_BUFFER) return ETCH_ERR(ETCH_INTERNAL, "%%%d is mutated but is no buffer", b->id);
        if (!etch_graph__same_type(&b->t, &v->t)) return ETCH_ERR(ETCH_INTERNAL, "mutate %%%d = %%%d changes the type", b->id, v->id);
        for (int k = 0; k < i; k++)
            if (m->mutations[k].buffer == b) return ETCH_ERR(ETCH_INTERNAL, "buffer %%%d is mutated twice", b->id);
    }
    for (int i = 0; i < m->n_leaves; i++) {
        const etch_value *b = m->leaves[i];
        if (!b->init) continue;
        ETCH_TRY(check_use(c, b->init, "initial content"));
        if (!etch_graph__same_type(&b->t, &b->init->t))
            return ETCH_ERR(ETCH_INTERNAL, "buffer %%%d and its initial content differ in type", b->id);
    }
    return NULL;
}

static etch_status *check_leaf(const etch_value *v)
{
    size_t n;
    if (v->src == ETCH_SRC_NODE || v->def) return ETCH_ERR(ETCH_INTERNAL, "leaf %%%d is a node's result", v->id);
    if (v->src != ETCH_SRC_DATA) return NULL;
    if (!etch_tensor_nbytes(&v->t, &n) || v->t.capacity < n || (n && !v->t.data))
        return ETCH_ERR(ETCH_INTERNAL, "data %%%d lacks bytes", v->id);
    return NULL;
}

static etch_status *check_method(checker *c)
{
    etch_method *m = c->m;
    etch_method_renumber(m);
    for (int i = 0; i < m->n_leaves; i++) {
        ETCH_TRY(check_leaf(m->leaves[i]));
        c->by_id[m->leaves[i]->id] = m->leaves[i];
    }
    for (etch_node *n = m->first; n; n = n->next) {
        etch_status *s = check_node(c, n);
        if (!s) continue;
        etch_buf text = { 0 };
        etch_node_print(n, &text);
        s = etch_status_frame(s, __FILE__, __LINE__, "node '%.*s'", ETCH_STR_ARGS(etch_buf_str(&text)));
        etch_buf_deinit(&text);
        return s;
    }
    return check_ends(c);
}

etch_status *etch_program_verify(etch_program *p)
{
    for (int i = 0; i < p->n_methods; i++) {
        checker c = { .p = p, .m = p->methods[i] };
        etch_arena_init(&c.scratch);
        etch_method_renumber(c.m);
        c.by_id = calloc((size_t)c.m->n_values + 1, sizeof *c.by_id);
        etch_status *s = c.by_id ? check_method(&c) : ETCH_ERR(ETCH_NO_MEMORY, "out of memory");
        free(c.by_id);
        etch_arena_deinit(&c.scratch);
        if (s) return etch_status_frame(s, __FILE__, __LINE__, "method '%.*s'", ETCH_STR_ARGS(c.m->name));
    }
    return NULL;
}
