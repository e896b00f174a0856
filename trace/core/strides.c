// Strides: what comes in is a tensor's chain of views; what goes out are the strides and the offset that PyTorch would report. The values
// of the graph are row-major whatever they say; they decide what is_contiguous() answers and whether a reshape aliases or copies.
#include "trace/core/core.h"

#include <string.h>

typedef struct { etch_tensor type; etch_dim strides[ETCH_MAX_RANK], offset; } layout;

static etch_status *row_major(etch_syms *syms, layout *l)
{
    etch_dim step = etch_dim_of(1);
    for (int i = l->type.rank - 1; i >= 0; i--) {
        l->strides[i] = step;
        if (!(etch_dim_is_const(l->type.sizes[i]) && l->type.sizes[i].v == 0)) ETCH_TRY(etch_dim_mul(syms, step, l->type.sizes[i], &step));
    }
    return NULL;
}

static bool is_const(etch_dim d, int64_t v) { return etch_dim_is_const(d) && d.v == v; }

// Strides of `to` over the memory of `l`; *ok is false when it needs a copy. Runs of old dimensions that are contiguous among
// themselves are matched with runs of new ones of the same element count, from the last to the first.
static etch_status *regroup(etch_syms *syms, const layout *l, const etch_tensor *to, etch_dim *out, bool *ok)
{
    layout fresh = { .type = *to };
    *ok = true;
    bool empty = false;
    for (int i = 0; i < to->rank; i++) empty |= is_const(to->sizes[i], 0);
    if (!l->type.rank || empty) {
        ETCH_TRY(row_major(syms, &fresh));
        memcpy(out, fresh.strides, sizeof fresh.strides);
        return NULL;
    }
    int k = to->rank - 1;
    etch_dim base = l->strides[l->type.rank - 1], n_old = etch_dim_of(1), n_new = etch_dim_of(1), run;
    for (int i = l->type.rank - 1; i >= 0; i--) {
        ETCH_TRY(etch_dim_mul(syms, n_old, l->type.sizes[i], &n_old));
        ETCH_TRY(etch_dim_mul(syms, n_old, base, &run));
        if (i > 0 && (is_const(l->type.sizes[i - 1], 1) || etch_dim_same(l->strides[i - 1], run))) continue;
        while (k >= 0 && (n_new.v < n_old.v || is_const(to->sizes[k], 1))) {
            ETCH_TRY(etch_dim_mul(syms, n_new, base, &out[k]));
            ETCH_TRY(etch_dim_mul(syms, n_new, to->sizes[k], &n_new));
            k--;
        }
        if (!etch_dim_same(n_new, n_old)) {
            *ok = false;
            return NULL;
        }
        if (i > 0) {
            base = l->strides[i - 1];
            n_old = n_new = etch_dim_of(1);
        }
    }
    *ok = k < 0;
    return NULL;
}

static void drop(layout *l, int axis)
{
    for (int i = axis; i + 1 < l->type.rank; i++) l->strides[i] = l->strides[i + 1], l->type.sizes[i] = l->type.sizes[i + 1];
    l->type.rank--;
}

// Adds `at` (may be negative) steps along `axis` to the offset.
static etch_status *advance(etch_syms *syms, layout *l, int axis, etch_dim at)
{
    etch_dim skip;
    if (etch_dim_is_const(at) && at.v < 0) ETCH_TRY(etch_dim_add(syms, at, l->type.sizes[axis], &at));
    ETCH_TRY(etch_dim_mul(syms, at, l->strides[axis], &skip));
    return etch_dim_add(syms, l->offset, skip, &l->offset);
}

static etch_status *follow(core_state *st, const core_storage *s, const etch_view *c, layout *l)
{
    etch_syms *syms = &st->program->syms;
    if (!c) {
        *l = (layout){ .type = s->cur->t };
        return row_major(syms, l);
    }
    ETCH_TRY(follow(st, s, c->parent, l));
    const layout old = *l;
    const etch_val *a = c->args;
    const int rank = old.type.rank;
    if (etch_op_is_named(c->op, "aten::transpose") || etch_op_is_named(c->op, "aten::t") || etch_op_is_named(c->op, "aten::permute")) {
        const bool permute = etch_op_is_named(c->op, "aten::permute");
        int order[ETCH_MAX_RANK];
        for (int i = 0; i < rank; i++) order[i] = permute ? etch_wrap_axis(a[1].ints.p[i], rank) : i;
        if (!permute && rank > 1) {
            int x = c->n_args > 2 ? etch_wrap_axis(a[1].i, rank) : 0, y = c->n_args > 2 ? etch_wrap_axis(a[2].i, rank) : 1;
            order[x] = y;
            order[y] = x;
        }
        for (int i = 0; i < rank; i++) l->strides[i] = old.strides[order[i]], l->type.sizes[i] = old.type.sizes[order[i]];
        return NULL;
    }
    l->type = c->type;
    if (etch_op_is_named(c->op, "aten::slice") && c->n_args >= 5) {
        int d = etch_wrap_axis(a[1].i, rank);
        etch_tensor type = l->type;
        l->type = old.type;
        if (a[2].kind == ETCH_V_INT && !is_const(type.sizes[d], 0)) ETCH_TRY(advance(syms, l, d, a[2].i));
        l->type = type;
        return etch_dim_mul(syms, old.strides[d], a[4].i, &l->strides[d]);
    }
    if (etch_op_is_named(c->op, "aten::select")) {
        int d = etch_wrap_axis(a[1].i, rank);
        l->type = old.type;
        ETCH_TRY(advance(syms, l, d, a[2].i));
        drop(l, d);
        return NULL;
    }
    if (etch_op_is_named(c->op, "aten::expand")) {
        int lead = l->type.rank - rank;
        for (int i = 0; i < l->type.rank; i++)
            l->strides[i] = i >= lead && etch_dim_same(l->type.sizes[i], old.type.sizes[i - lead]) ? old.strides[i - lead] : etch_dim_of(0);
        return NULL;
    }
    if (etch_op_is_named(c->op, "aten::unsqueeze")) {
        int d = etch_wrap_axis(a[1].i, rank + 1);
        for (int i = l->type.rank - 1; i > d; i--) l->strides[i] = old.strides[i - 1];
        l->strides[d] = etch_dim_of(1);
        return d < rank ? etch_dim_mul(syms, old.type.sizes[d], old.strides[d], &l->strides[d]) : NULL;
    }
    if (etch_op_is_named(c->op, "aten::diagonal")) {
        int x = etch_wrap_axis(a[2].i, rank), y = etch_wrap_axis(a[3].i, rank), k = 0;
        for (int i = 0; i < rank; i++)
            if (i != x && i != y) l->strides[k++] = old.strides[i];
        return etch_dim_add(syms, old.strides[x], old.strides[y], &l->strides[k]);
    }
    if (etch_op_is_named(c->op, "aten::squeeze")) {
        etch_tensor type = l->type;
        l->type = old.type;
        for (int i = rank - 1; i >= 0 && l->type.rank > type.rank; i--) {
            bool named = c->n_args < 2 || a[1].kind == ETCH_V_NONE || (a[1].kind == ETCH_V_INT && etch_wrap_axis(a[1].i, rank) == i);
            for (int k = 0; c->n_args > 1 && a[1].kind == ETCH_V_INTS && k < a[1].ints.n; k++)
                named |= etch_wrap_axis(a[1].ints.p[k], rank) == i;
            if (named && is_const(old.type.sizes[i], 1)) drop(l, i);
        }
        l->type = type;
        return NULL;
    }
    bool ok = false;
    if (l->type.dtype == old.type.dtype) ETCH_TRY(regroup(syms, &old, &l->type, l->strides, &ok));
    return ok ? NULL : row_major(syms, l);
}

etch_status *core_strides(core_tensor *t, etch_dim *out, etch_dim *out_offset)
{
    layout l = { 0 };
    ETCH_TRY(follow(t->st, t->s, t->chain, &l));
    memcpy(out, l.strides, sizeof l.strides);
    if (out_offset) *out_offset = l.offset;
    return NULL;
}

int core_is_contiguous(core_tensor *t)
{
    etch_dim strides[ETCH_MAX_RANK];
    core_state *st = t->st;
    if (!t->chain) return 1;
    etch_status *s = core_strides(t, strides, NULL);
    if (s) {
        core_raise(st, s);
        return -1;
    }
    layout want = { .type = t->v->t };
    s = row_major(&st->program->syms, &want);
    if (s) {
        core_raise(st, s);
        return -1;
    }
    for (int i = 0; i < want.type.rank; i++)
        if (is_const(want.type.sizes[i], 0)) return 1;
    for (int i = 0; i < want.type.rank; i++)
        if (!is_const(want.type.sizes[i], 1) && !etch_dim_same(want.strides[i], strides[i])) return 0;
    return 1;
}

bool core_can_view(core_tensor *t, const etch_tensor *as)
{
    layout l = { 0 };
    etch_dim strides[ETCH_MAX_RANK];
    bool ok = false;
    etch_status *s = follow(t->st, t->s, t->chain, &l);
    if (!s) s = regroup(&t->st->program->syms, &l, as, strides, &ok);
    etch_status_ignore(s);
    return !s && ok;
}
