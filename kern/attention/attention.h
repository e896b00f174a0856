// Attention over keys and values where they lie (a KV cache), without a matrix of scores: softmax is corrected as keys go by.
//
// In: fp32 queries, keys and values with strides, those in fp32 or in a type of caches.def. Out: fp32 out[query, head] = sum over keys of
// softmax(scale q k + mask) v. Heads that share keys (grouped queries) read them once. Few queries: the keys are split in pieces that
// threads share; the pieces depend on sizes only, so any number of threads gives the same bits.
// A query that sees no key gives zeros or what the caller says.
#ifndef ETCH_KERN_ATTENTION_ATTENTION_H
#define ETCH_KERN_ATTENTION_ATTENTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/pool.h"

#define ETCH_ATTENTION_FEW 16    // queries that share keys: up to so many are few
#define ETCH_ATTENTION_KEYS 64   // keys between two corrections
#define ETCH_ATTENTION_LANES 32  // queries of a block, at most
#define ETCH_ATTENTION_SPAN 256  // columns of scores of few queries
#define ETCH_CACHE_BLOCK 16      // slots of a block of a cache

// How keys and values lie: as rows of floats, or as one of caches.def. Such a cache is [batch, head, block, slot of the block]: the blocks
// of a head lie one after the other, each block is whole, and what lies in a block is the type's own business. Zeroed memory is zeros.
typedef enum {
    ETCH_CACHE_F32,
#define CACHE(id, name) ETCH_CACHE_##id,
#include "kern/attention/caches.def"
#undef CACHE
    ETCH_CACHE_N
} etch_cache_id;

// Name of a type, "file" for floats; NULL when there is no such type.
const char *etch_cache_name(int id);

// What an instruction set does with keys and values of one type. `ld`: bytes from one float row to the next (blocks: those of a slot on
// average); nothing needs alignment. `next`: as many keys or values that will be read soon, which are asked for on the way.
typedef struct etch_cache_loops {
    size_t (*block_bytes)(size_t d);
    void (*narrow)(const float *x, size_t d, uint8_t *block, size_t slot);   // slot < BLOCK
    // Slots [from, from + n) of a head as floats: out[j * ld_out + c].
    void (*widen)(const uint8_t *head, size_t from, size_t n, size_t d, float *out, size_t ld_out);
    // A query for `scores`, times `scale`: query_bytes(d), a multiple of 4, anywhere.
    size_t (*query_bytes)(size_t d);
    void (*prepare)(const float *q, size_t d, float scale, uint8_t *out);
    // s[i][j] = q[i] . k[j], i < m <= FEW, j < n <= SPAN; s has SPAN columns, of which those up to a multiple of BLOCK may be written.
    void (*scores)(int m, const uint8_t *q, const uint8_t *k, size_t ld, int n, size_t d, float *s, const uint8_t *next);
    // acc[i] += sum over j < n of p[i][j] * v[j]; acc has dv columns; p >= 0, zeros up to a multiple of BLOCK.
    void (*values)(int m, const float *p, const uint8_t *v, size_t ld, int n, size_t dv, float *acc, const uint8_t *next);
    // NULL, or what makes a row of sums of values that of the numbers, in place.
    void (*finish)(float *sums, size_t dv);
} etch_cache_loops;

// Bytes of one head, and where a number of the heads of a cache begins, in the order [batch, head].
static inline size_t etch_cache_head_bytes(const etch_cache_loops *l, size_t slots, size_t d)
{
    return (slots + ETCH_CACHE_BLOCK - 1) / ETCH_CACHE_BLOCK * l->block_bytes(d);
}
static inline void etch_cache_put(const etch_cache_loops *l, uint8_t *cache, size_t slots, size_t d, size_t head, size_t slot,
                                  const float *x)
{
    uint8_t *block = cache + head * etch_cache_head_bytes(l, slots, d) + slot / ETCH_CACHE_BLOCK * l->block_bytes(d);
    l->narrow(x, d, block, slot % ETCH_CACHE_BLOCK);
}

// What is read after some scores, row by row, and asked for meanwhile: keys, dk columns (0: none), values, dv columns. Only addresses: may
// be beyond the end.
typedef struct etch_attention_next { const float *k, *v; size_t ldk, dk, ldv, dv; } etch_attention_next;

// Loops over a block of queries: lane i is query i.
typedef struct etch_attention_lanes {
    int n;   // lanes
    // s[j * lanes + i] = sum_p q[p * lanes + i] * k[j * ldk + p], j < n <= KEYS. Meanwhile `next` is asked for.
    void (*scores)(const float *q, const float *k, size_t ldk, int n, size_t d, float *s, const etch_attention_next *next);
    // Lane i: *max and *sum go on with n scores, which become exp(s - max); factor: to the new maximum. False: every factor is 1.
    bool (*soften)(int n, float *s, float *max, float *sum, float *factor);
    // acc[i * lda + c] = acc * factor[i] (NULL: 1) + sum_j p[j * lanes + i] * v[j * ldv + c]; dv a multiple of vl; lanes i < m (or more).
    void (*values)(int m, const float *p, const float *v, size_t ldv, int n, size_t dv, float *acc, size_t lda, const float *factor);
} etch_attention_lanes;

// One row of kernels.def.
typedef struct etch_attention_isa {
    const char *name;
    unsigned needs;      // features (base/cpu.h)
    // Row i < m of s (SPAN columns): max[i] and sum[i] go on with its first n[i] scores, which become exp(s - max), the others up to a
    // multiple of BLOCK beyond `all` zeros; row i of acc (dv columns) is scaled to the new maximum.
    void (*soften)(int m, const int *n, int all, float *s, float *max, float *sum, float *acc, size_t dv);
    // out[c] = factor * sum over i < n of weights[i] * parts[i * step + c], c < dv, in this order.
    void (*join)(const float *parts, size_t step, size_t n, const float *weights, size_t dv, float factor, float *out);
    const etch_cache_loops *const *loops;   // by etch_cache_id
    int vl;              // floats a vector, which divides the lanes
    const etch_attention_lanes *lanes, *half;   // many queries, a block at a time; the last block has as many lanes or half of them
} etch_attention_isa;

const etch_attention_isa *etch_attention_select(unsigned features);
const etch_attention_isa *etch_attention_row(int i);

// A strided operand: element (batch b, head h, row r, column c) at p[b * batch + h * head + r * row + c]. A cache type: strides in bytes,
// those of batches and heads only.
typedef struct etch_attention_rows { const void *p; size_t batch, head, row; } etch_attention_rows;

typedef struct etch_attention {
    size_t batches, heads, kv_heads;   // heads a multiple of kv_heads
    size_t n_q, n_k, d, dv;            // columns of q and k; of v
    etch_attention_rows q, k, v;
    etch_cache_id cache;               // how k and v lie
    float *out;
    size_t out_batch, out_head, out_row;
    float scale;
    float blind;                       // times zero: the result of a query that sees no key
    bool causal;                       // query r sees keys 0 ... r + first
    size_t first;
    const void *mask;                  // floats that are added, or with is_bool bytes of which nonzero takes part; NULL: none
    bool is_bool;
    size_t mask_batch, mask_head, mask_row, mask_key;   // its strides
} etch_attention;

// Bytes of scratch, 64-aligned.
size_t etch_attention_scratch(const etch_attention_isa *isa, const etch_attention *a, int n_threads);
void etch_attention_run(const etch_attention_isa *isa, const etch_attention *a, etch_pool *pool, void *scratch);

#endif
