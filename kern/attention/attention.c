// In: queries, keys, values. Out: attention. A task is a block of query rows that share a head of keys, or a piece of the keys for it.
//
// A row is a query of one head: row r of a group is query r / g of head r % g. With at most ROWS rows a head (decoding) the keys are split in
// pieces of SPLIT, whose results are joined by their maxima.
#include "kern/attention/attention.h"

#include <math.h>
#include <string.h>

#include "base/num.h"
#include "kern/attention/rows.h"

#define ROWS ETCH_ATTENTION_ROWS
#define KEYS ETCH_ATTENTION_KEYS
#define SPLIT 256

static const etch_attention_isa *const isas[] = {
#define ISA(suffix, features) &etch_attention__##suffix,
#include "kern/attention/kernels.def"
#undef ISA
    NULL,
};

const etch_attention_isa *etch_attention_row(int i) { return i >= 0 && (size_t)i < sizeof isas / sizeof *isas ? isas[i] : NULL; }

const etch_attention_isa *etch_attention_select(unsigned features)
{
    const etch_attention_isa *best = isas[0];
    for (size_t i = 0; isas[i]; i++)
        if ((isas[i]->needs & features) == isas[i]->needs) best = isas[i];
    return best;
}

// Keys that query r sees.
static size_t n_seen(const etch_attention *a, size_t r)
{
    size_t n = a->n_k;
    return a->causal && r + a->first + 1 < n ? r + a->first + 1 : n;
}

typedef struct {
    const etch_attention_isa *isa;
    const etch_attention *a;
    size_t group, rows, blocks, pieces;   // heads that share keys; rows of a head of keys; blocks of them; pieces of the keys
    uint8_t *workers;
    float *parts;                         // [batches * kv_heads, pieces, rows, 2 + dv]: max, sum, acc
} work;

static size_t n_rows(const etch_attention *a) { return a->n_q * (a->heads / a->kv_heads); }
static size_t n_pieces(const etch_attention *a) { return n_rows(a) <= ROWS ? (a->n_k + SPLIT - 1) / SPLIT : 1; }
static size_t worker_bytes(const etch_attention *a) { return etch_align_up(sizeof(float) * ROWS * (KEYS + a->dv), 64); }
static size_t part_floats(const etch_attention *a) { return 2 + a->dv; }

size_t etch_attention_scratch(const etch_attention *a, int n_threads)
{
    size_t parts = n_pieces(a) > 1 ? a->batches * a->kv_heads * n_pieces(a) * n_rows(a) * part_floats(a) * sizeof(float) : 0;
    return (size_t)n_threads * worker_bytes(a) + parts;
}

static void add_mask(const etch_attention *a, size_t b, size_t head, size_t query, size_t j0, size_t n, float *s)
{
    size_t at = b * a->mask_batch + head * a->mask_head + query * a->mask_row + j0 * a->mask_key;
    if (a->is_bool) {
        const uint8_t *m = (const uint8_t *)a->mask + at;
        for (size_t j = 0; j < n; j++) s[j] = m[j * a->mask_key] ? s[j] : -INFINITY;
    } else {
        const float *m = (const float *)a->mask + at;
        for (size_t j = 0; j < n; j++) s[j] += m[j * a->mask_key];
    }
}

static float *out_of(const etch_attention *a, size_t b, size_t head, size_t query)
{
    return a->out + b * a->out_batch + head * a->out_head + query * a->out_row;
}

// Rows [r0, r0 + m) of one head of keys over the keys [from, to).
static void some_rows(const work *s, size_t b, size_t kv, size_t r0, size_t m, size_t from, size_t to, float *p, float *max, float *sum, float *acc)
{
    const etch_attention *a = s->a;
    const float *q[ROWS];
    size_t seen[ROWS], most = 0;
    for (size_t i = 0; i < m; i++) {
        size_t query = (r0 + i) / s->group, head = kv * s->group + (r0 + i) % s->group;
        q[i] = a->q.p + b * a->q.batch + head * a->q.head + query * a->q.row;
        seen[i] = n_seen(a, query);
        most = seen[i] > most ? seen[i] : most;
        max[i] = -INFINITY;
        sum[i] = 0;
    }
    memset(acc, 0, sizeof *acc * m * a->dv);
    const float *k = a->k.p + b * a->k.batch + kv * a->k.head, *v = a->v.p + b * a->v.batch + kv * a->v.head;
    if (to > most) to = most;
    for (size_t j = from; j < to; j += KEYS) {
        size_t n = to - j < KEYS ? to - j : KEYS;
        s->isa->scores((int)m, q, k + j * a->k.row, a->k.row, (int)n, a->d, a->scale, p);
        for (size_t i = 0; i < m; i++) {
            size_t own = seen[i] < j ? 0 : seen[i] - j < n ? seen[i] - j : n;
            if (a->mask) add_mask(a, b, kv * s->group + (r0 + i) % s->group, (r0 + i) / s->group, j, own, p + i * KEYS);
            s->isa->soften((int)own, p + i * KEYS, &max[i], &sum[i], acc + i * a->dv, a->dv);
        }
        s->isa->values((int)m, p, v + j * a->v.row, a->v.row, (int)n, a->dv, acc);
    }
}

static void divide(float *out, const float *acc, float sum, size_t dv)
{
    float f = sum == 0 ? 0 : 1.0f / sum;
    for (size_t c = 0; c < dv; c++) out[c] = acc[c] * f;
}

static void one_task(void *user, size_t task, int worker)
{
    const work *s = user;
    const etch_attention *a = s->a;
    size_t piece = task % s->pieces, block = task / s->pieces % s->blocks, head = task / s->pieces / s->blocks, b = head / a->kv_heads;
    // Blocks of late queries see the most keys: they go first.
    block = s->blocks - 1 - block;
    size_t r0 = block * ROWS, m = s->rows - r0 < ROWS ? s->rows - r0 : ROWS;
    float *p = (float *)(void *)(s->workers + (size_t)worker * worker_bytes(a)), *acc = p + ROWS * KEYS, max[ROWS], sum[ROWS];
    size_t from = s->pieces > 1 ? piece * SPLIT : 0, to = s->pieces > 1 && from + SPLIT < a->n_k ? from + SPLIT : a->n_k;
    some_rows(s, b, head % a->kv_heads, r0, m, from, to, p, max, sum, acc);
    for (size_t i = 0; i < m; i++) {
        if (s->pieces == 1) {
            size_t query = (r0 + i) / s->group, h = head % a->kv_heads * s->group + (r0 + i) % s->group;
            divide(out_of(a, b, h, query), acc + i * a->dv, sum[i], a->dv);
            continue;
        }
        float *part = s->parts + ((head * s->pieces + piece) * s->rows + i) * part_floats(a);
        part[0] = max[i];
        part[1] = sum[i];
        memcpy(part + 2, acc + i * a->dv, sizeof *acc * a->dv);
    }
}

static void join(const work *s, size_t head, size_t r)
{
    const etch_attention *a = s->a;
    float *first = s->parts + (head * s->pieces * s->rows + r) * part_floats(a), top = -INFINITY, sum = 0;
    size_t step = s->rows * part_floats(a);
    for (size_t i = 0; i < s->pieces; i++) top = first[i * step] > top ? first[i * step] : top;
    for (size_t i = 0; i < s->pieces; i++) {
        const float *part = first + i * step;
        float f = part[0] == top || part[0] == -INFINITY ? 1.0f : expf(part[0] - top);
        sum += part[1] * f;
        for (size_t c = 0; c < a->dv; c++) first[2 + c] = (i ? first[2 + c] : 0) + part[2 + c] * f;
    }
    divide(out_of(a, head / a->kv_heads, head % a->kv_heads * s->group + r % s->group, r / s->group), first + 2, sum, a->dv);
}

void etch_attention_run(const etch_attention_isa *isa, const etch_attention *a, etch_pool *pool, void *scratch)
{
    if (!a->batches || !a->heads || !a->n_q) return;
    work s = { .isa = isa, .a = a, .group = a->heads / a->kv_heads, .rows = n_rows(a), .pieces = n_pieces(a), .workers = scratch };
    if (!s.pieces) s.pieces = 1;
    s.blocks = (s.rows + ROWS - 1) / ROWS;
    s.parts = (float *)(void *)(s.workers + (size_t)etch_pool_threads(pool) * worker_bytes(a));
    size_t heads = a->batches * a->kv_heads;
    if (heads * s.rows * a->n_k * (a->d + a->dv) < 65536) pool = NULL;
    // Pieces that nobody sees would only be set to nothing.
    etch_pool_run(pool, heads * s.blocks * s.pieces, one_task, &s);
    for (size_t i = 0; s.pieces > 1 && i < heads * s.rows; i++) join(&s, i / s.rows, i % s.rows);
}
