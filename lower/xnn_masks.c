// Boolean masks of attention as arithmetic, so that attention stays in one delegate (recipe xnnpack, before partitioning).
//
//   Before                                        After
//   %m : bool                                     %a = where(%m, 0, c)            (once a mask, outside)
//   %s = where(%m, %x, c)     c <= -1e30          %s = %x + %a
//   %p = _softmax(%s)                             %p = _softmax(%s)
//   %o = bmm(%p, %v)                              %o = bmm(%p, %v)
//   %r = any(%m, -1, keepdim)                     %f = _to_copy(%r, f32)          (once, outside)
//   %y = where(%r, %o, 0)                         %y = %o * %f
//
// Both are exact for finite %x and %v: x + 0 = x; x + c = c, since c is that large. Where the second form is present c = -inf would make
// NaN of a row that is masked altogether, before the multiplication by 0; there c becomes -3e38, whose exp is 0 beside any unmasked
// entry. A where whose result goes elsewhere than to a softmax stays as it is. Keeps: types, order. Breaks: nothing.
#include <math.h>

#include "lower/xnn.h"

// float16: its lowest numbers are no larger than scores may be, and x + c may overflow. There c becomes -61440, whose neighbours are 32
// apart: x + c = c for |x| < 16, x + c is finite down to x = -4096, and exp of the difference to any unmasked score above -61423 is 0.
#define HUGE_NEGATIVE(d) ((d) == ETCH_F16 ? -6e4 : -1e30)
#define FINITE(d) ((d) == ETCH_F16 ? -61440.0f : -3e38f)

static bool is_float(const etch_value *v) { return v && etch_dtype_is_float(v->t.dtype) && v->t.dtype != ETCH_F64; }

static bool scalar_data(const etch_value *v, float *out)
{
    if (!v || v->src != ETCH_SRC_DATA || !is_float(v) || etch_numel(&v->t) != 1) return false;
    *out = (float)etch_load_double(v->t.data, v->t.dtype, 0);
    return true;
}

static bool moves(const lw_method *lm, const etch_node *n)
{
    return lw_node_is_reshape(lm, n) || n->op->id == ETCH_OP_permute || n->op->id == ETCH_OP_transpose_int || n->op->id == ETCH_OP_expand;
}

// The node that made v, views skipped.
static etch_node *source(const lw_method *lm, etch_value *v)
{
    while (v && v->src == ETCH_SRC_NODE && moves(lm, v->def)) v = etch_arg_value(&v->def->args[0]);
    return v && v->src == ETCH_SRC_NODE ? v->def : NULL;
}

static bool is_mask_fill(const etch_node *n, float *c)
{
    return n->op->id == ETCH_OP_where_self && is_float(etch_arg_value(&n->args[1])) && scalar_data(etch_arg_value(&n->args[2]), c) &&
           *c <= HUGE_NEGATIVE(n->outs[0]->t.dtype) &&
           n->outs[0]->t.rank == n->args[1].t->rank;
}

static bool last_dim(const etch_val *dim, const etch_tensor *t) { return dim->i.v == -1 || dim->i.v == t->rank - 1; }

// n is where(any(mask), y, 0) and y comes from a softmax over where(mask, x, c): that fill; else NULL.
static etch_node *row_fill(const lw_method *lm, const etch_node *n)
{
    float zero, c;
    if (n->op->id != ETCH_OP_where_self || !scalar_data(etch_arg_value(&n->args[2]), &zero) || zero != 0) return NULL;
    const etch_value *rows = etch_arg_value(&n->args[0]);
    if (rows->src != ETCH_SRC_NODE || rows->def->op->id != ETCH_OP_any_dim) return NULL;
    etch_node *p = source(lm, etch_arg_value(&n->args[1]));
    if (p && p->op->id == ETCH_OP_bmm) p = source(lm, etch_arg_value(&p->args[0]));
    if (!p || p->op->id != ETCH_OP__softmax || !last_dim(&p->args[1], p->args[0].t) || !last_dim(&rows->def->args[1], rows->def->args[0].t))
        return NULL;
    p = source(lm, etch_arg_value(&p->args[0]));
    return p && is_mask_fill(p, &c) && p->args[0].t == rows->def->args[0].t ? p : NULL;
}

// Does only a softmax read it, views skipped? Uses were linked by `link_readers`.
typedef struct reader { etch_node *node; struct reader *next; } reader;
typedef struct linker { lw_method *lm; etch_node *node; etch_status *error; } linker;

static void link_use(void *user, etch_value *v)
{
    linker *l = user;
    reader *r = l->error ? NULL : etch_arena_alloc(&l->lm->lp->arena, sizeof *r);
    if (!r) {
        if (!l->error) l->error = ETCH_ERR(ETCH_NO_MEMORY, "out of memory");
        return;
    }
    *r = (reader){ l->node, v->user };
    v->user = r;
}

static bool only_softmax(const lw_method *lm, const etch_value *v)
{
    for (int i = 0; i < lm->m->n_outputs; i++)
        if (lm->m->outputs[i].v == v) return false;
    for (const reader *r = v->user; r; r = r->next) {
        if (r->node->op->id == ETCH_OP__softmax) continue;
        if (!moves(lm, r->node) || !only_softmax(lm, r->node->outs[0])) return false;
    }
    return v->user != NULL;
}

// ---- what replaces a mask: made once, before the first use
typedef struct made { const etch_tensor *mask; etch_dtype dtype; float c; bool is_factor; etch_value *v; struct made *next; } made;

static etch_status *scalar(lw_method *lm, etch_dtype d, float f, etch_value **out)
{
    uint8_t bytes[4];
    etch_store_double(bytes, d, 0, (double)f);
    etch_tensor t = { .dtype = d, .data = bytes, .capacity = etch_dtype_size(d) };
    return etch_method_add_data(lm->m, &t, out);
}

static etch_status *replacement(lw_method *lm, made **list, etch_node *before, bool is_factor, float c, etch_value **out)
{
    etch_tensor *mask = before->args[0].t;
    etch_dtype dtype = before->outs[0]->t.dtype;
    for (const made *m = *list; m; m = m->next)
        if (m->mask == mask && m->dtype == dtype && m->is_factor == is_factor && !memcmp(&m->c, &c, 4)) {
            *out = m->v;
            return NULL;
        }
    etch_node *n;
    if (is_factor) {
        const etch_op *op = etch_op_get(ETCH_OP__to_copy);
        const etch_val args[2] = { etch_val_tensor(mask), etch_val_int(dtype) };
        ETCH_TRY(etch_method_add_node(lm->m, before, op, args, 2, before->where, before->module, &n));
    } else {
        etch_value *zero, *fill;
        ETCH_TRY(scalar(lm, dtype, 0, &zero));
        ETCH_TRY(scalar(lm, dtype, c, &fill));
        ETCH_TRY(etch_method_add_node(lm->m, before, etch_op_get(ETCH_OP_where_self),
                                      (etch_val[]){ etch_val_tensor(mask), etch_val_tensor(&zero->t), etch_val_tensor(&fill->t) }, 3,
                                      before->where, before->module, &n));
    }
    made *m;
    ETCH_ALLOC(m, &lm->lp->arena, sizeof *m);
    *m = (made){ mask, dtype, c, is_factor, n->outs[0], *list };
    *list = m;
    *out = m->v;
    return NULL;
}

typedef struct change { etch_node *node; bool is_factor; float c; struct change *next; } change;

static etch_status *find_changes(lw_method *lm, change **out)
{
    change **tail = out;
    etch_method_clear_user(lm->m);
    for (etch_node *n = lm->m->first; n; n = n->next) {
        linker l = { lm, n, NULL };
        etch_node_each_use(n, link_use, &l);
        ETCH_TRY(l.error);
    }
    for (etch_node *n = lm->m->first; n; n = n->next) {
        float c;
        etch_node *fill = row_fill(lm, n);
        bool is_fill = !fill && is_mask_fill(n, &c) && only_softmax(lm, n->outs[0]);
        if (!is_fill && !(fill && only_softmax(lm, fill->outs[0]))) continue;
        change *k;
        ETCH_ALLOC(k, &lm->lp->arena, sizeof *k);
        if (is_fill && isfinite(c) && n->outs[0]->t.dtype == ETCH_F16) c = FINITE(ETCH_F16);
        *k = (change){ n, fill != NULL, is_fill ? c : 0, NULL };
        *tail = k;
        tail = &k->next;
        if (fill)
            for (change *f = *out; f; f = f->next)
                if (f->node == fill) f->c = FINITE(n->outs[0]->t.dtype);
    }
    etch_method_clear_user(lm->m);
    return NULL;
}

etch_status *lw_masks(lw_method *lm)
{
    change *changes = NULL;
    made *list = NULL;
    ETCH_TRY(find_changes(lm, &changes));
    for (change *k = changes; k; k = k->next) {
        etch_value *with = NULL;
        etch_node *n;
        ETCH_TRY(replacement(lm, &list, k->node, k->is_factor, k->c, &with));
        const etch_op *op = etch_op_get(k->is_factor ? ETCH_OP_mul_Tensor : ETCH_OP_add_Tensor);
        ETCH_TRY(etch_method_add_node(lm->m, k->node, op, (etch_val[]){ k->node->args[1], etch_val_tensor(&with->t) }, 2, k->node->where,
                                      k->node->module, &n));
        k->node->outs[0]->user = n->outs[0];
    }
    etch_method_replace_all(lm->m);
    etch_method_clear_user(lm->m);
    return NULL;
}
