// Products of matrices with several leading dimensions as one node (recipe xnnpack, before partitioning).
//
//   Before                                        After
//   %a = view(%x, [b * h, m, k])                  %y = matmul(%x, %w)
//   %b = view(%w, [b * h, k, n])
//   %c = bmm(%a, %b)
//   %y = view(%c, [b, h, m, n])
//
// XNNPACK's batch product takes leading dimensions as they are. A view with several symbolic sizes is no static reshape: it would end the
// delegate before and after each product of attention. Where every view is one, and where XNNPACK could not take the product, all stays as
// it is, since there is no other runtime operator for it. Keeps: types, order. Breaks: matmul is composite elsewhere.
#include "lower/xnn.h"

#define MAX_RANK 6   // of XNNPACK

static int n_uses(const etch_method *m, const etch_value *v)
{
    int uses = 0;
    for (const etch_node *n = m->first; n; n = n->next) uses += etch_node_n_uses(n, v);
    for (int i = 0; i < m->n_outputs; i++) uses += m->outputs[i].v == v;
    for (int i = 0; i < m->n_mutations; i++) uses += m->mutations[i].v == v;
    return uses;
}

static bool is_computed(const etch_value *v) { return v->src != ETCH_SRC_FILE && v->src != ETCH_SRC_DATA; }

// What XNNPACK takes, every size at least 1.
static bool fits(const lw_method *lm, const etch_tensor *t)
{
    if (t->dtype != ETCH_F32 && t->dtype != ETCH_F16 && t->dtype != ETCH_BF16) return false;
    for (int i = 0; i < t->rank; i++)
        if (!etch_dim_known(&lm->m->program->syms, ETCH_CMP_GE, t->sizes[i], etch_dim_of(1))) return false;
    return true;
}

// The operand of which v is the view with the leading dimensions joined: of that rank, with the same last two sizes; NULL: none.
static etch_value *split_operand(const lw_method *lm, etch_value *v, int rank)
{
    const etch_tensor *t = &v->t;
    for (etch_value *w = v; w->src == ETCH_SRC_NODE && lw_node_is_reshape(lm, w->def);) {
        w = etch_arg_value(&w->def->args[0]);
        const etch_tensor *u = &w->t;
        if (u->rank != rank || !etch_dim_same(u->sizes[rank - 1], t->sizes[t->rank - 1])) continue;
        if (etch_dim_same(u->sizes[rank - 2], t->sizes[t->rank - 2])) return w;
    }
    return NULL;
}

static bool is_static(const etch_value *v) { return xnn_can_reshape_to(&v->t); }

// The operands whose matmul `view` of a bmm is.
static bool find(const lw_method *lm, const etch_node *view, etch_value **x, etch_value **w)
{
    if (!lw_node_is_reshape(lm, view)) return false;
    const etch_value *c = etch_arg_value(&view->args[0]), *y = view->outs[0];
    int rank = y->t.rank;
    if (c->src != ETCH_SRC_NODE || c->def->op->id != ETCH_OP_bmm || rank < 4 || rank > MAX_RANK) return false;
    etch_value *a = etch_arg_value(&c->def->args[0]), *b = etch_arg_value(&c->def->args[1]);
    if (is_static(a) && is_static(b) && is_static(y)) return false;
    *x = split_operand(lm, a, rank);
    *w = split_operand(lm, b, rank);
    if (!*x || !*w || !is_computed(*x) || !is_computed(*w) || !fits(lm, &(*x)->t) || !fits(lm, &(*w)->t) || !fits(lm, &y->t)) return false;
    for (int i = 0; i < rank - 2; i++)
        if (!etch_dim_same((*x)->t.sizes[i], y->t.sizes[i]) || !etch_dim_same((*w)->t.sizes[i], y->t.sizes[i])) return false;
    return etch_dim_same(y->t.sizes[rank - 2], (*x)->t.sizes[rank - 2]) && etch_dim_same(y->t.sizes[rank - 1], (*w)->t.sizes[rank - 1]) &&
           n_uses(lm->m, c) == 1;
}

etch_status *lw_products(lw_method *lm)
{
    etch_method_clear_user(lm->m);
    for (etch_node *n = lm->m->first; n; n = n->next) {
        etch_value *x, *w;
        etch_node *product;
        if (!find(lm, n, &x, &w)) continue;
        const etch_val args[2] = { etch_val_tensor(&x->t), etch_val_tensor(&w->t) };
        ETCH_TRY(etch_method_add_node(lm->m, n, etch_op_get(ETCH_OP_matmul), args, 2, n->where, n->module, &product));
        n->outs[0]->user = product->outs[0];
    }
    etch_method_replace_all(lm->m);
    etch_method_clear_user(lm->m);
    return NULL;
}
