// A call in progress, and the two ways to do it. Private to this folder.
#ifndef ETCH_KERN_ATTENTION_WORK_H
#define ETCH_KERN_ATTENTION_WORK_H

#include <math.h>
#include <stdatomic.h>
#include <string.h>

#include "base/num.h"
#include "kern/attention/attention.h"

#define KEYS ETCH_ATTENTION_KEYS

// A row is a query of one head: row r of the heads that share a head of keys is query r / group of head r % group of them.
typedef struct etch_attention_work {
    const etch_attention_isa *isa;
    const etch_attention *a;
    size_t group, rows;      // heads that share a head of keys; their rows
    const etch_cache_loops *loops;
    size_t unit;             // bytes that a stride of keys and values counts
    size_t k_block, v_block; // bytes of a block of a cache; 0: rows of floats
    size_t blocks, lda;      // many: blocks of rows; columns of sums in memory
    size_t pieces, piece;    // few: pieces of the keys; keys of one
    size_t together;         // few: heads of keys that a task reads in turn, `step` keys of one before the next
    size_t step, span;       // few: keys between two corrections
    size_t ahead;            // few, rows: keys between those that are read and those that are asked for
    size_t query_bytes;
    uint8_t *workers;        // scratch of each thread
    size_t worker_bytes;
    float *parts;            // few: results of the pieces
    atomic_size_t *ended;    // few: of each group of heads that are read together, pieces that have ended
} etch_attention_work;

// few.c
void etch_attention__plan_few(etch_attention_work *w);
size_t etch_attention__few_parts(const etch_attention_work *w);   // floats
size_t etch_attention__few_groups(const etch_attention_work *w);
void etch_attention__run_few(const etch_attention_work *w, etch_pool *pool);
// many.c
void etch_attention__plan_many(etch_attention_work *w);
void etch_attention__run_many(const etch_attention_work *w, etch_pool *pool);

typedef struct { size_t head, query; } etch_attention_place;

static inline etch_attention_place etch_attention__place(const etch_attention_work *w, size_t kv, size_t r)
{
    return (etch_attention_place){ kv * w->group + r % w->group, r / w->group };
}

static inline const float *etch_attention__query(const etch_attention_work *w, size_t b, size_t kv, size_t r)
{
    etch_attention_place p = etch_attention__place(w, kv, r);
    return (const float *)w->a->q.p + b * w->a->q.batch + p.head * w->a->q.head + p.query * w->a->q.row;
}

// The rows, or the blocks, of one head of keys or values.
static inline const uint8_t *etch_attention__head(const etch_attention_work *w, const etch_attention_rows *x, size_t b, size_t kv)
{
    return (const uint8_t *)x->p + (b * x->batch + kv * x->head) * w->unit;
}

// Keys that row r sees.
static inline size_t etch_attention__seen(const etch_attention_work *w, size_t r)
{
    const etch_attention *a = w->a;
    size_t n = a->n_k, last = r / w->group + a->first + 1;
    return a->causal && last < n ? last : n;
}

// s[j * step], j < n: scores of row r with keys j0 + j, to which the mask is applied.
static inline void etch_attention__mask(const etch_attention_work *w, size_t b, size_t kv, size_t r, size_t j0, size_t n, float *s,
                                        size_t step)
{
    const etch_attention *a = w->a;
    etch_attention_place p = etch_attention__place(w, kv, r);
    size_t at = b * a->mask_batch + p.head * a->mask_head + p.query * a->mask_row + j0 * a->mask_key;
    if (a->is_bool) {
        const uint8_t *m = (const uint8_t *)a->mask + at;
        for (size_t j = 0; j < n; j++) s[j * step] = m[j * a->mask_key] ? s[j * step] : -INFINITY;
    } else {
        const float *m = (const float *)a->mask + at;
        for (size_t j = 0; j < n; j++) s[j * step] += m[j * a->mask_key];
    }
}

// Where a row of the result goes, and the factor of what was summed.
static inline float *etch_attention__out(const etch_attention_work *w, size_t b, size_t kv, size_t r)
{
    etch_attention_place p = etch_attention__place(w, kv, r);
    return w->a->out + b * w->a->out_batch + p.head * w->a->out_head + p.query * w->a->out_row;
}

static inline float etch_attention__factor(const etch_attention_work *w, float sum) { return sum == 0 ? w->a->blind : 1.0f / sum; }

#endif
