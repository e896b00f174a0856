// In: many queries. Out: attention, a block of rows at a time: a lane is a row, its queries lie turned, [column, lane].
#include "base/cpu.h"
#include "kern/attention/work.h"
#include "kern/transpose/transpose.h"

typedef struct {
    float max[ETCH_ATTENTION_LANES], sum[ETCH_ATTENTION_LANES], factor[ETCH_ATTENTION_LANES];
    float s[KEYS * ETCH_ATTENTION_LANES];   // [key, lane]
    float tail[KEYS * 16];                  // columns of values that fill no vector, zeros beyond
    float q[];                              // [d, lanes], then the sums [lanes, lda], then rows of a cache as floats
} block;

// Where a block is: its rows [r0, r0 + m) of head kv of batch b, and its loops.
typedef struct { size_t b, kv, r0, m; const etch_attention_lanes *loops; } place;

void etch_attention__plan_many(etch_attention_work *w)
{
    size_t lanes = (size_t)w->isa->lanes->n;
    w->blocks = (w->rows + lanes - 1) / lanes;
    w->lda = etch_align_up(w->a->dv, (size_t)w->isa->vl);
    size_t most = w->a->d > w->a->dv ? w->a->d : w->a->dv, wide = w->a->cache == ETCH_CACHE_F32 ? 0 : KEYS * most;
    w->worker_bytes = etch_align_up(sizeof(block) + sizeof(float) * (lanes * (w->a->d + w->lda) + wide), 64);
}

// KEYS columns at a time: rows, scaled, in the place of scores, then turned.
static void lay_out_queries(const etch_attention_work *w, place at, block *x)
{
    const etch_transpose_kernels *turn = etch_transpose_select(etch_cpu_features());
    size_t lanes = (size_t)at.loops->n, d = w->a->d;
    float scale = w->a->scale;
    if (at.m < lanes) memset(x->s + at.m * KEYS, 0, sizeof *x->s * (lanes - at.m) * KEYS);
    for (size_t p = 0; p < d; p += KEYS) {
        size_t n = d - p < KEYS ? d - p : KEYS;
        for (size_t i = 0; i < at.m; i++) {
            const float *from = etch_attention__query(w, at.b, at.kv, at.r0 + i) + p;
            for (size_t c = 0; c < n; c++) x->s[i * KEYS + c] = from[c] * scale;
        }
        turn->run((const uint32_t *)(const void *)x->s, KEYS, (uint32_t *)(void *)(x->q + p * lanes), lanes, lanes, n);
    }
}

// Does the mask change nothing of row r with keys [j, j + n)? Most rows of most masks: that is read fast, lanes are written slowly.
static bool is_idle(const etch_attention_work *w, size_t b, size_t kv, size_t r, size_t j, size_t n)
{
    const etch_attention *a = w->a;
    etch_attention_place p = etch_attention__place(w, kv, r);
    size_t at = b * a->mask_batch + p.head * a->mask_head + p.query * a->mask_row + j * a->mask_key;
    if (a->mask_key != 1) return false;
    uint32_t differs = 0;
    if (a->is_bool) {
        const uint8_t *m = (const uint8_t *)a->mask + at;
        for (size_t t = 0; t < n; t++) differs |= !m[t];
    } else {
        const float *m = (const float *)a->mask + at;
        for (size_t t = 0; t < n; t++) differs |= etch_f32_bits(m[t]) << 1;   // but for the sign
    }
    return !differs;
}

// Scores of the keys [j, j + n) that a row does not see, and the mask of the others.
static void mask_block(const etch_attention_work *w, place at, size_t j, size_t n, float *s)
{
    const etch_attention *a = w->a;
    size_t lanes = (size_t)at.loops->n;
    bool is_same = a->mask && !a->is_bool && !a->mask_row && (!a->mask_head || w->group == 1);   // for every row
    if (is_same) {
        const float *mask = (const float *)a->mask + at.b * a->mask_batch + at.kv * w->group * a->mask_head;
        for (size_t t = 0; t < n; t++)
            for (size_t i = 0; i < lanes; i++) s[t * lanes + i] += mask[(j + t) * a->mask_key];
    }
    for (size_t i = 0; i < at.m; i++) {
        size_t seen = etch_attention__seen(w, at.r0 + i), own = seen < j ? 0 : seen - j < n ? seen - j : n;
        if (a->mask && !is_same && !is_idle(w, at.b, at.kv, at.r0 + i, j, own))
            etch_attention__mask(w, at.b, at.kv, at.r0 + i, j, own, s + i, lanes);
        for (size_t t = own; t < n; t++) s[t * lanes + i] = -INFINITY;
    }
}

// Rows [j, j + n) of d floats, *ld apart: where they lie, or widened into `room`.
static const float *floats(const etch_attention_work *w, const etch_attention_rows *x, size_t b, size_t kv, size_t j, size_t n, size_t d,
                           float *room, size_t *ld)
{
    const uint8_t *head = etch_attention__head(w, x, b, kv);
    *ld = x->row;
    if (w->a->cache == ETCH_CACHE_F32) return (const float *)(const void *)head + j * x->row;
    *ld = d;
    w->loops->widen(head, j, n, d, room, d);
    return room;
}

static void add_values(const etch_attention_work *w, place at, block *x, const float *v, size_t ldv, size_t n, bool is_scaled, float *acc)
{
    const etch_attention *a = w->a;
    size_t vl = (size_t)w->isa->vl, whole = a->dv / vl * vl, rest = a->dv - whole, done = 0;
    const float *factor = is_scaled ? x->factor : NULL;
    // Where a last vector that is not whole ends within the next row, it is read there; what it adds up beyond the columns is left alone.
    if (rest && whole + vl <= ldv + a->dv && n > 1) {
        done = n - 1;
        at.loops->values((int)at.m, x->s, v, ldv, (int)done, whole + vl, acc, w->lda, factor);
        factor = NULL;
    }
    const float *p = x->s + done * (size_t)at.loops->n;
    v += done * ldv;
    n -= done;
    if (whole) at.loops->values((int)at.m, p, v, ldv, (int)n, whole, acc, w->lda, factor);
    if (!rest) return;
    for (size_t j = 0; j < n; j++)
        for (size_t c = 0; c < vl; c++) x->tail[j * vl + c] = c < rest ? v[j * ldv + whole + c] : 0;
    at.loops->values((int)at.m, p, x->tail, vl, (int)n, vl, acc + whole, w->lda, factor);
}

static void run_block(void *user, size_t task, int worker)
{
    const etch_attention_work *w = user;
    const etch_attention *a = w->a;
    // Blocks of late queries see the most keys: they go first.
    size_t most_lanes = (size_t)w->isa->lanes->n, head = task / w->blocks, r0 = (w->blocks - 1 - task % w->blocks) * most_lanes;
    place at = { head / a->kv_heads, head % a->kv_heads, r0, w->rows - r0 < most_lanes ? w->rows - r0 : most_lanes, w->isa->lanes };
    if (at.m <= (size_t)w->isa->half->n) at.loops = w->isa->half;
    size_t lanes = (size_t)at.loops->n;
    block *x = (block *)(void *)(w->workers + (size_t)worker * w->worker_bytes);
    float *acc = x->q + a->d * lanes, *room = acc + lanes * w->lda;
    lay_out_queries(w, at, x);
    memset(acc, 0, sizeof *acc * lanes * w->lda);
    for (size_t i = 0; i < lanes; i++) {
        x->max[i] = -INFINITY;
        x->sum[i] = 0;
    }
    size_t least = etch_attention__seen(w, r0), most = etch_attention__seen(w, r0 + at.m - 1);
    for (size_t j = 0; j < most; j += KEYS) {
        size_t n = most - j < KEYS ? most - j : KEYS, ld;
        const float *k = floats(w, &a->k, at.b, at.kv, j, n, a->d, room, &ld);
        etch_attention_next next = { .k = k, .v = k };
        if (a->cache == ETCH_CACHE_F32) {
            const float *v = (const float *)(const void *)etch_attention__head(w, &a->v, at.b, at.kv) + j * a->v.row;
            next = (etch_attention_next){ k + n * ld, v, ld, a->d, a->v.row, a->dv };
        }
        at.loops->scores(x->q, k, ld, (int)n, a->d, x->s, &next);
        if (a->mask || j + n > least) mask_block(w, at, j, n, x->s);
        bool is_scaled = at.loops->soften((int)n, x->s, x->max, x->sum, x->factor);
        const float *v = floats(w, &a->v, at.b, at.kv, j, n, a->dv, room, &ld);
        add_values(w, at, x, v, ld, n, is_scaled, acc);
    }
    for (size_t i = 0; i < at.m; i++) {
        float f = etch_attention__factor(w, x->sum[i]), *out = etch_attention__out(w, at.b, at.kv, r0 + i);
        const float *from = acc + i * w->lda;
        for (size_t c = 0; c < a->dv; c++) out[c] = from[c] * f;
    }
}

void etch_attention__run_many(const etch_attention_work *w, etch_pool *pool)
{
    etch_pool_run(pool, w->a->batches * w->a->kv_heads * w->blocks, run_block, (void *)(uintptr_t)w);
}
