// Which values are known at export time. In: a method. Out: a mark in node->user of each constant node (DATA and FILE leaves need none).
#include "pass/pass.h"

static char constant_mark;

bool etch_const_is(const etch_value *v)
{
    if (v->src == ETCH_SRC_FILE || v->src == ETCH_SRC_DATA) return true;
    return v->src == ETCH_SRC_NODE && v->def->user == &constant_mark;
}

static void check_use(void *user, etch_value *v)
{
    if (!etch_const_is(v)) *(bool *)user = false;
}

static bool has_symbol(const etch_val *v)
{
    if (v->kind == ETCH_V_INT) return v->i.e != NULL;
    if (v->kind != ETCH_V_INTS) return false;
    for (int i = 0; i < v->ints.n; i++)
        if (v->ints.p[i].e) return true;
    return false;
}

void etch_const_mark_node(etch_node *n)
{
    bool constant = !(n->op->flags & (ETCH_OPF_RANDOM | ETCH_OPF_INPLACE | ETCH_OPF_SYM)) && n->n_outs > 0;
    for (int i = 0; constant && i < n->op->schema->n_params; i++)
        if (has_symbol(&n->args[i])) constant = false;
    for (int i = 0; constant && i < n->n_outs; i++)
        if (etch_tensor_is_dynamic(&n->outs[i]->t)) constant = false;
    if (constant) etch_node_each_use(n, check_use, &constant);
    n->user = constant ? &constant_mark : NULL;
}

void etch_const_mark(etch_method *m)
{
    for (etch_node *n = m->first; n; n = n->next) etch_const_mark_node(n);
}

const char *etch_node_place(etch_method *m, const etch_node *n)
{
    etch_str s = etch_arena_printf(&m->program->arena, "op %.*s%s%.*s%s%.*s%s", ETCH_STR_ARGS(n->op->schema->name),
                                   n->where.len || n->module.len ? " (" : "", ETCH_STR_ARGS(n->where),
                                   n->module.len ? (n->where.len ? ", in " : "in ") : "", ETCH_STR_ARGS(n->module),
                                   n->where.len || n->module.len ? ")" : "");
    return s.ptr ? s.ptr : "an op";
}
