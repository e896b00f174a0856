// In: operands of attention where they lie. Out: its sizes, its result (kern/attention).
#include "rt/xnn_attention.h"

#include <math.h>

#include "kern/attention/attention.h"

#define BAD(...) ETCH_ERR(ETCH_INVALID, __VA_ARGS__)

// Sizes and strides in elements by axis; rank 3: axis 0 has size 1, axis 1 is batch and head.
typedef struct { int64_t size[4], step[4]; } layout;

typedef struct { layout q, k, v, mask; int64_t size[4], n_k, d; } geometry;

static layout lay(const etch_xnn_value *v, const etch_xnn_axes *a)
{
    layout l = { .size = { 1, 1, 1, 1 } };
    int64_t steps[ETCH_XNN_RANK];
    etch_xnn__strides(v, 1, steps);
    for (int i = 0; i < a->rank; i++) {
        l.size[4 - a->rank + i] = v->dims[a->dim[i]];
        l.step[4 - a->rank + i] = steps[a->dim[i]];
    }
    return l;
}

// [1, batch * head, ...] as [batch, head, ...].
static etch_status *split(layout *l, int64_t batches, int64_t heads)
{
    if (l->size[0] != 1 || l->size[1] == 1) return NULL;
    if (l->size[1] != batches * heads) return BAD("%lld matrices meet %lld", (long long)l->size[1], (long long)(batches * heads));
    l->size[0] = batches;
    l->size[1] = heads;
    l->step[0] = heads * l->step[1];
    return NULL;
}

static etch_status *broadcast(int64_t *size, int64_t other)
{
    if (*size != other && *size != 1 && other != 1) return BAD("sizes %lld and %lld do not broadcast", (long long)*size, (long long)other);
    *size = *size == 1 ? other : *size;
    return NULL;
}

static etch_status *batches_of(const etch_xnn_attention *a, geometry *g, bool has_mask)
{
    layout *all[4] = { &g->q, &g->k, &g->v, &g->mask };
    const etch_xnn_axes *axes[3] = { &a->q, &a->k, &a->v };
    int n = has_mask ? 4 : 3;
    g->size[0] = g->size[1] = 1;
    if (a->heads) {
        int64_t total = 1;
        for (int i = 0; i < 3; i++) ETCH_TRY(broadcast(&total, all[i]->size[0] * all[i]->size[1]));
        if (total % a->heads) return BAD("%lld matrices of %lld heads", (long long)total, (long long)a->heads);
        g->size[0] = total / a->heads;
        g->size[1] = a->heads;
        for (int i = 0; i < n; i++) {
            bool is_flat = i < 3 ? axes[i]->is_flat : a->mask_rank == 4;
            if (!is_flat) ETCH_TRY(split(all[i], g->size[0], g->size[1]));
        }
    }
    for (int i = 0; i < n; i++)
        for (int d = 0; d < 2; d++) {
            int64_t size = g->size[d];
            ETCH_TRY(broadcast(&g->size[d], all[i]->size[d]));
            if (a->heads && g->size[d] != size) return BAD("%lld heads or batches meet %lld", (long long)all[i]->size[d], (long long)size);
            if (i < 3 && axes[i]->is_flat && all[i]->size[0] * all[i]->size[1] != 1 && all[i]->size[d] != g->size[d])
                return BAD("%lld heads or batches meet %lld", (long long)all[i]->size[d], (long long)g->size[d]);
        }
    return NULL;
}

static etch_status *measure(const etch_xnn *x, const etch_xnn_node *n, geometry *g)
{
    const etch_xnn_attention *a = n->attention;
    const etch_xnn_axes *axes[3] = { &a->q, &a->k, &a->v };
    layout *all[3] = { &g->q, &g->k, &g->v };
    bool has_mask = n->n_in == 4;
    for (int i = 0; i < 3; i++) {
        const etch_xnn_value *v = &x->values[n->in[i]];
        if (v->rank != axes[i]->rank) return BAD("rank %d, not %d", v->rank, axes[i]->rank);
        *all[i] = lay(v, axes[i]);
    }
    if (has_mask) {
        const etch_xnn_value *v = &x->values[n->in[3]];
        if (v->rank > a->mask_rank) return BAD("a mask of rank %d on scores of rank %d", v->rank, a->mask_rank);
        g->mask = lay(v, &(etch_xnn_axes){ v->rank, { 0, 1, 2, 3 }, false });
    }
    ETCH_TRY(batches_of(a, g, has_mask));
    g->size[2] = g->q.size[2];
    g->size[3] = g->v.size[3];
    g->n_k = g->k.size[2];
    g->d = g->q.size[3];
    if (g->k.size[3] != g->d) return BAD("queries of %lld meet keys of %lld", (long long)g->d, (long long)g->k.size[3]);
    if (has_mask) {
        ETCH_TRY(broadcast(&g->size[2], g->mask.size[2]));
        ETCH_TRY(broadcast(&g->n_k, g->mask.size[3]));
    }
    if (g->v.size[2] != g->n_k) return BAD("%lld values for %lld keys", (long long)g->v.size[2], (long long)g->n_k);
    // What repeats stays where it is.
    layout *repeats[4] = { &g->q, &g->k, &g->v, &g->mask };
    for (int i = 0; i < 4; i++)
        for (int d = 0; d < 4; d++)
            if (repeats[i]->size[d] == 1) repeats[i]->step[d] = 0;
    return NULL;
}

etch_status *etch_xnn__attention_shape(const etch_xnn *x, const etch_xnn_node *n, int64_t *dims, int *rank)
{
    geometry g = { 0 };
    ETCH_TRY(measure(x, n, &g));
    const etch_xnn_axes *out = &n->attention->out;
    *rank = out->rank;
    if (out->rank == 3) {
        g.size[1] *= g.size[0];
        g.size[0] = 1;
    }
    for (int i = 0; i < out->rank; i++) dims[out->dim[i]] = g.size[4 - out->rank + i];
    return NULL;
}

static etch_attention_rows rows(const etch_xnn_value *v, const layout *l)
{
    return (etch_attention_rows){ (const float *)(const void *)v->data, (size_t)l->step[0], (size_t)l->step[1], (size_t)l->step[2] };
}

void etch_xnn__run_attention(etch_xnn_cx *cx, const etch_xnn_node *n)
{
    const etch_xnn *x = cx->x;
    const etch_xnn_value *out = etch_xnn__out(cx, n, 0);
    geometry g = { 0 };
    etch_status_ignore(measure(x, n, &g));   // etch_xnn__shape has asked
    layout y = lay(out, &n->attention->out);
    if (n->attention->out.rank == 3) y.step[0] = g.size[1] * y.step[1];
    etch_attention a = { .batches = (size_t)g.size[0], .heads = (size_t)g.size[1], .kv_heads = (size_t)g.size[1], .n_q = (size_t)g.size[2],
                         .n_k = (size_t)g.n_k, .d = (size_t)g.d, .dv = (size_t)g.size[3], .q = rows(etch_xnn__in(cx, n, 0), &g.q),
                         .k = rows(etch_xnn__in(cx, n, 1), &g.k), .v = rows(etch_xnn__in(cx, n, 2), &g.v), .out = etch_xnn__mut(out),
                         .out_batch = (size_t)y.step[0], .out_head = (size_t)y.step[1], .out_row = (size_t)y.step[2],
                         .scale = n->attention->scale, .blind = g.n_k ? NAN : 0 };   // 0 / 0, as softmax and product give
    if (n->n_in == 4) {
        a.mask = etch_xnn__in(cx, n, 3)->data;
        a.mask_batch = (size_t)g.mask.step[0];
        a.mask_head = (size_t)g.mask.step[1];
        a.mask_row = (size_t)g.mask.step[2];
        a.mask_key = (size_t)g.mask.step[3];
    }
    if (!a.heads) return;
    void *scratch = etch_xnn__take(cx, etch_attention_scratch(x->attention, &a, etch_pool_threads(x->pool)));
    if (!cx->dry) etch_attention_run(x->attention, &a, x->pool, scratch);
}
