// Memory plan: every value that owns memory gets an offset in the arena (memory id 1).
//
// Largest first (then earliest, then order of creation: deterministic), each at the lowest offset where it meets no value alive at the same
// time. Offsets and sizes are multiples of 16. The least possible arena is the largest sum of sizes alive at one step; both are reported.
#include "lower/internal.h"

#include <stdlib.h>

#include "base/num.h"

#define ALIGN 16

static bool owns_memory(const lw_slot *s) { return !s->is_const && !s->v->is_scalar && !s->same && s->base == s && s->first >= 0; }

static int by_size(const void *pa, const void *pb)
{
    const lw_slot *a = *(lw_slot *const *)pa, *b = *(lw_slot *const *)pb;
    if (a->nbytes != b->nbytes) return a->nbytes < b->nbytes ? 1 : -1;
    if (a->first != b->first) return a->first < b->first ? -1 : 1;
    return (a->offset > b->offset) - (a->offset < b->offset);  // order of creation, kept here until placed
}

static uint64_t need(const lw_slot *s)
{
    uint64_t n = s->nbytes ? s->nbytes : 1;
    return (n + ALIGN - 1) / ALIGN * ALIGN;
}

// `placed` is sorted by offset.
static uint64_t lowest(lw_slot *const *placed, int n, const lw_slot *s)
{
    uint64_t at = 0, size = need(s);
    for (int i = 0; i < n; i++) {
        const lw_slot *p = placed[i];
        if (p->last < s->first || p->first > s->last) continue;
        if (p->offset >= at + size) break;
        if (p->offset + need(p) > at) at = p->offset + need(p);
    }
    return at;
}

static etch_status *bound_of(lw_method *lm, lw_slot *const *slots, int n, uint64_t *out)
{
    int64_t *delta;
    int steps = lm->n_steps + 3;
    ETCH_ALLOC(delta, &lm->lp->arena, sizeof *delta * (size_t)(steps + 1));
    for (int i = 0; i < n; i++) {
        delta[slots[i]->first] += (int64_t)need(slots[i]);
        delta[slots[i]->last + 1] -= (int64_t)need(slots[i]);
    }
    int64_t now = 0, best = 0;
    for (int i = 0; i < steps; i++) {
        now += delta[i];
        if (now > best) best = now;
    }
    *out = (uint64_t)best;
    return NULL;
}

etch_status *lw_plan(lw_method *lm)
{
    lw_slot **slots, **placed;
    int n = 0;
    ETCH_ALLOC(slots, &lm->lp->arena, sizeof *slots * (size_t)(lm->n_slots + 1));
    ETCH_ALLOC(placed, &lm->lp->arena, sizeof *placed * (size_t)(lm->n_slots + 1));
    for (int i = 0; i < lm->n_slots; i++)
        if (owns_memory(lm->slots[i])) {
            lm->slots[i]->offset = (uint64_t)i;
            slots[n++] = lm->slots[i];
        }
    qsort(slots, (size_t)n, sizeof *slots, by_size);
    uint64_t total = 0;
    for (int i = 0; i < n; i++) {
        slots[i]->offset = lowest(placed, i, slots[i]);
        if (slots[i]->offset + need(slots[i]) > total) total = slots[i]->offset + need(slots[i]);
        int k = i;
        for (; k > 0 && placed[k - 1]->offset > slots[i]->offset; k--) placed[k] = placed[k - 1];
        placed[k] = slots[i];
    }
    ETCH_TRY(bound_of(lm, slots, n, &lm->arena_bound));
    lm->arena_bytes = total;
    return NULL;
}
