// In: a method after the passes. Out: one slot a value (constant? upper bounds? bytes?), and the schedule of the nodes that matter.
#include "lower/internal.h"

#include "base/num.h"

typedef struct { bool all_const; } const_use;

static void use_const(void *user, etch_value *v)
{
    const lw_slot *s = lw_slot_of(v);
    if (!s || !s->is_const) ((const_use *)user)->all_const = false;
}

static bool dims_const(const etch_dim *d, int n)
{
    for (int i = 0; i < n; i++)
        if (!etch_dim_is_const(d[i])) return false;
    return true;
}

bool lw_node_is_const(const etch_node *n)
{
    if (n->op->flags & (ETCH_OPF_RANDOM | ETCH_OPF_INPLACE | ETCH_OPF_SYM)) return false;
    for (int i = 0; i < n->op->schema->n_params; i++) {
        const etch_val *a = &n->args[i];
        if (a->kind == ETCH_V_INT && !etch_dim_is_const(a->i)) return false;
        if (a->kind == ETCH_V_INTS && !dims_const(a->ints.p, a->ints.n)) return false;
    }
    for (int i = 0; i < n->n_outs; i++)
        if (!dims_const(n->outs[i]->t.sizes, n->outs[i]->t.rank)) return false;
    const_use u = { true };
    etch_node_each_use(n, use_const, &u);
    return u.all_const;
}

// Upper bounds and bytes at them.
static etch_status *measure(lw_method *lm, lw_slot *s)
{
    const etch_tensor *t = &s->v->t;
    size_t elem = etch_dtype_size(t->dtype);
    if (!elem) return ETCH_ERR(ETCH_UNSUPPORTED, "a tensor of type %s cannot be stored in a .pte", etch_dtype_name(t->dtype));
    uint64_t bytes = elem;
    for (int i = 0; i < t->rank; i++) {
        int64_t lo, hi = t->sizes[i].v;
        if (!etch_dim_is_const(t->sizes[i])) {
            s->dynamic = true;
            etch_dim_range(&lm->m->program->syms, t->sizes[i], &lo, &hi);
        }
        if (hi < 0) hi = 0;
        if (hi > INT32_MAX || !etch_mul_ok(bytes, (uint64_t)hi, &bytes) || bytes > (uint64_t)1 << 48) {
            etch_buf text;
            etch_buf_init(&text);
            etch_tensor_print_type(&text, t);
            etch_status *st = ETCH_ERR(ETCH_UNSUPPORTED, "size %d of %.*s has no upper bound that fits a plan; give the symbol a range", i,
                                       ETCH_STR_ARGS(etch_buf_str(&text)));
            etch_buf_deinit(&text);
            return st;
        }
        s->bound[i] = hi;
    }
    s->nbytes = bytes;
    return NULL;
}

etch_status *lw_slot_add(lw_method *lm, etch_value *v, lw_slot **out)
{
    lw_slot *s;
    ETCH_ALLOC(s, &lm->lp->arena, sizeof *s);
    LW_GROW(&lm->lp->arena, lm->slots, lm->n_slots, lm->cap_slots);
    lm->slots[lm->n_slots++] = s;
    s->v = v;
    s->base = s;
    s->first = s->last = s->evalue = -1;
    v->user = s;
    *out = s;
    if (v->is_scalar) return NULL;
    if (v->src == ETCH_SRC_FILE || v->src == ETCH_SRC_DATA) s->is_const = true;
    else if (v->src == ETCH_SRC_NODE) s->is_const = lw_node_is_const(v->def);
    return measure(lm, s);
}

etch_status *lw_slots_init(lw_method *lm)
{
    etch_method_clear_user(lm->m);
    lw_slot *s;
    for (int i = 0; i < lm->m->n_leaves; i++)
        ETCH_TRYF(lw_slot_add(lm, lm->m->leaves[i], &s), "%.*s", ETCH_STR_ARGS(lm->m->leaves[i]->name));
    for (etch_node *n = lm->m->first; n; n = n->next)
        for (int i = 0; i < n->n_outs; i++)
            ETCH_TRYF(lw_slot_add(lm, n->outs[i], &s), "%.*s of %.*s", ETCH_STR_ARGS(n->op->schema->name), ETCH_STR_ARGS(n->where));
    return NULL;
}

static void mark(void *user, etch_value *v)
{
    (void)user;
    if (v->src == ETCH_SRC_NODE && !lw_slot_of(v)->is_const) v->def->user = v->def;
}

// Symbols read by sizes of a needed node come from inputs or earlier results: what defines an unbacked symbol is needed too.
static bool defines_symbol(const etch_node *n) { return n->op->id == ETCH_OP__local_scalar_dense; }

etch_status *lw_schedule_all(lw_method *lm)
{
    for (int i = 0; i < lm->m->n_outputs; i++) mark(NULL, lm->m->outputs[i].v);
    int n_steps = 0;
    for (etch_node *n = lm->m->last; n; n = n->prev) {
        if ((n->op->flags & ETCH_OPF_INPLACE) || defines_symbol(n)) n->user = n;
        if (!n->user) continue;
        etch_node_each_use(n, mark, NULL);
        n_steps++;
    }
    for (etch_node *n = lm->m->first; n && n_steps; n = n->next) {
        if (!n->user) continue;
        n->user = NULL;
        if ((n->op->flags & ETCH_OPF_SYM) && !defines_symbol(n)) continue;  // an expression over other symbols: computed where it is used
        LW_GROW(&lm->lp->arena, lm->steps, lm->n_steps, lm->cap_steps);
        lm->steps[lm->n_steps++] = (lw_step){ .kind = LW_KERNEL, .node = n };
    }
    return NULL;
}
