// Edits of a method: replacing values, moving and unlinking nodes, renumbering. Nothing is freed: nodes live in the program's arena.
#include "graph/internal.h"

typedef struct { etch_method *m; etch_value *from, *to; } swap;

static etch_value *resolve(const swap *s, etch_value *v)
{
    if (s->from) return v == s->from ? s->to : v;
    while (v->user) v = v->user;
    return v;
}

static void swap_uses(const swap *s)
{
    etch_method *m = s->m;
    for (etch_node *n = m->first; n; n = n->next)
        for (int i = 0; i < n->op->schema->n_params; i++) {
            etch_val *a = &n->args[i];
            if (a->kind == ETCH_V_TENSOR) a->t = &resolve(s, etch_value_of(a->t))->t;
            if (a->kind != ETCH_V_TENSORS) continue;
            for (int k = 0; k < a->tensors.n; k++)
                if (a->tensors.p[k]) a->tensors.p[k] = &resolve(s, etch_value_of(a->tensors.p[k]))->t;
        }
    for (int i = 0; i < m->n_outputs; i++) m->outputs[i].v = resolve(s, m->outputs[i].v);
    for (int i = 0; i < m->n_mutations; i++) m->mutations[i].v = resolve(s, m->mutations[i].v);
    for (int i = 0; i < m->n_leaves; i++)
        if (m->leaves[i]->init) m->leaves[i]->init = resolve(s, m->leaves[i]->init);
}

void etch_method_replace(etch_method *m, etch_value *old_v, etch_value *new_v)
{
    if (old_v != new_v) swap_uses(&(swap){ m, old_v, new_v });
}

void etch_method_replace_all(etch_method *m) { swap_uses(&(swap){ m, NULL, NULL }); }

void etch_method_clear_user(etch_method *m)
{
    for (int i = 0; i < m->n_leaves; i++) m->leaves[i]->user = NULL;
    for (etch_node *n = m->first; n; n = n->next) {
        n->user = NULL;
        for (int i = 0; i < n->n_outs; i++) n->outs[i]->user = NULL;
    }
}

static void unlink_node(etch_method *m, etch_node *n)
{
    if (n->prev) n->prev->next = n->next;
    else m->first = n->next;
    if (n->next) n->next->prev = n->prev;
    else m->last = n->prev;
}

// `n->next` stays, so that a loop over the nodes may remove the node it stands on.
void etch_method_remove(etch_method *m, etch_node *n)
{
    if (n->dead) return;
    unlink_node(m, n);
    n->dead = true;
}

void etch_method_move_before(etch_method *m, etch_node *n, etch_node *before)
{
    if (n == before || n->next == before) return;
    unlink_node(m, n);
    etch_graph__link(m, n, before);
}

void etch_method_renumber(etch_method *m)
{
    int id = 0;
    for (int i = 0; i < m->n_leaves; i++) m->leaves[i]->id = id++;
    for (etch_node *n = m->first; n; n = n->next)
        for (int i = 0; i < n->n_outs; i++) n->outs[i]->id = id++;
    m->n_values = id;
}

void etch_node_each_use(const etch_node *n, etch_use_fn fn, void *user)
{
    for (int i = 0; i < n->op->schema->n_params; i++) {
        const etch_val *a = &n->args[i];
        if (a->kind == ETCH_V_TENSOR) fn(user, etch_value_of(a->t));
        if (a->kind != ETCH_V_TENSORS) continue;
        for (int k = 0; k < a->tensors.n; k++)
            if (a->tensors.p[k]) fn(user, etch_value_of(a->tensors.p[k]));
    }
}

typedef struct { const etch_value *v; int n; } count;

static void count_use(void *user, etch_value *v)
{
    count *c = user;
    c->n += v == c->v;
}

int etch_node_n_uses(const etch_node *n, const etch_value *v)
{
    count c = { v, 0 };
    etch_node_each_use(n, count_use, &c);
    return c.n;
}
