// Products of floating-point matrices: fp32 activations with fp32, fp16, bf16 or int8 weights, threads, bias and clamp included.
//
// In: rows of A (a matrix, or gathered by a function: convolution), B either way round. Out: C, every sum in some order of fp32 additions:
// blocks of products (kc, or 768) are added up one after the other. (Or of bf16 additions: etch_fgemm_split.)
//
// Blocks of A and B are laid out for the inner loop in the caller's scratch, about 1.7 MiB a thread; weights are never copied as a whole.
// One or a few rows against weights [n, k] are dot products on the weights where they lie, so that a matrix-vector product reads them once.
#ifndef ETCH_KERN_FGEMM_FGEMM_H
#define ETCH_KERN_FGEMM_FGEMM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/pool.h"

#define ETCH_FGEMM_MAX_KC 512
#define ETCH_FGEMM_MAX_MR 14
#define ETCH_FGEMM_MAX_NR 32

typedef enum { ETCH_FGEMM_F32, ETCH_FGEMM_F16, ETCH_FGEMM_BF16, ETCH_FGEMM_I8 } etch_fgemm_type;

// What becomes of a finished sum: clamp((sum + bias[j]) * scale[j], lo, hi). Columns of one tile; NULL: none.
typedef struct etch_fgemm_end { const float *bias, *scale; float lo, hi; } etch_fgemm_end;

// Bytes that will be read next: `n` rows of `bytes` from `row`, a stride apart. A cache line is fetched in each 4 << rarely steps of a
// tile.
typedef struct etch_fgemm_ahead { const uint8_t *row; size_t stride, bytes, n, at; int rarely; } etch_fgemm_ahead;

// Products of floats as products of bf16, where those are several times faster. A float is the sum of three bf16 (8 + 8 + 8 of its 24
// bits), each the rest rounded; of the nine products of two such sums six are added up in fp32, and the three that are left out are below
// 2^-24 |a b| together. So sums are as exact as sums of floats, with two differences: parts and products below 2^-126 count as zero, and
// where a part is not finite (infinities, no numbers, 3.39e38 and more) no sum is.
#define ETCH_FGEMM_SPLIT_ROWS 32    // of a strip, at most
#define ETCH_FGEMM_SPLIT_STEP 32    // columns that are laid out together, the last ones filled up with zeros
#define ETCH_FGEMM_SPLIT_BYTES (6 * ETCH_FGEMM_SPLIT_ROWS * ETCH_FGEMM_SPLIT_STEP)   // of a strip for a step

// A strip that is laid out in parts: n rows of k numbers at x, ldx apart, to `out` (64-aligned). Rows below `row` and columns below `p` of
// that row are done.
typedef struct etch_fgemm_strip { const float *x; size_t ldx, n, k; uint8_t *out; size_t row, p; } etch_fgemm_strip;

typedef struct etch_fgemm_split {
    void (*begin)(void), (*end)(void);   // around calls of `tile` on a thread
    // Of a product one strip is a left one, the other a right one. Lays out what is not done yet.
    void (*left)(etch_fgemm_strip *s);
    void (*right)(const etch_fgemm_strip *s);
    // c[i*ldc + j] = (add ? c : 0) + sum_p left[i][p] * right[j][p], i < n_left, j < n_right (is_turned: c[j*ldc + i]); with `end`:
    // finished. Meanwhile `each` steps of a row of the left strip `next` are laid out for each of its own.
    // False, and c as it was: some sum is not finite.
    bool (*tile)(bool is_turned, size_t n_left, size_t n_right, size_t k, const uint8_t *left, const uint8_t *right, float *c, size_t ldc,
                 bool add, const struct etch_fgemm_end *end, etch_fgemm_strip *next, size_t each);
} etch_fgemm_split;

// One row of kernels.def: the inner loops of one instruction set.
typedef struct etch_fgemm_kernels {
    const char *name;
    unsigned needs;      // features (base/cpu.h)
    int mr, nr, kc;      // of a tile: rows, columns, products at most (a multiple of 16)
    // c[i*ldc + j] = (add ? c : 0) + sum_p a[p*mr + i] * b[p*ldb + j], i < m <= mr, j < nr; with `end`: finished.
    // Meanwhile what comes next is fetched, and `ahead` moved on.
    void (*tile)(int m, size_t k, const float *a, const float *b, size_t ldb, float *c, size_t ldc, bool add, const etch_fgemm_end *end,
                 etch_fgemm_ahead *ahead);
    // out[p*mr + i] = rows[i][p], i < mr, p < k. Writes up to 8 floats beyond.
    void (*pack_rows)(const float *const *rows, size_t k, float *out);
    // out[p*nr + j] = w[j*ldw + p], j < n <= nr, the rest zero; p < k.
    void (*pack_columns)(etch_fgemm_type type, const void *w, size_t ldw, size_t n, size_t k, float *out);
    // out[i*4 + r] = sum_p x[i*ldx + p] * w[r*ldw + p], i < m <= 3, r < 4.
    void (*dots)(int m, const float *x, size_t ldx, etch_fgemm_type type, const void *w, size_t ldw, size_t k, float out[12]);
    // The same product with the weights where they lie, row by row, and rows of A as tile [k, nr]; NULL: the instruction set has none.
    // c[i*ldc + j] = (add ? c : 0) + sum_p w[j*ldw + p] * x[p*nr + i], i < m <= nr, skip <= j < n; with `end`: finished. n is mr or few.
    int few;             // rows of weights that a first-level cache holds when they all fall into one of its sets
    void (*turned)(int m, int n, int skip, size_t k, const float *w, size_t ldw, const float *x, float *c, size_t ldc, bool add,
                   const etch_fgemm_end *end, etch_fgemm_ahead *ahead);
    // out[i*4 + r] = sum_p x[i*ldx + p] * w[r*ldw + p], i < m <= 6, r < 4: rows of A beyond whole tiles. NULL as `turned`.
    void (*rest)(int m, const float *x, size_t ldx, const float *w, size_t ldw, size_t k, float out[24]);
    // The same product as `tile` with rows of A where they lie, lda apart, mr of them; NULL as `turned`.
    // c[i*ldc + j] = (add ? c : 0) + sum_p a[i*lda + p] * b[p*nr + j], skip <= i < mr, j < n <= nr; with `end`: finished.
    void (*lying)(int skip, int n, size_t k, const float *a, size_t lda, const float *b, float *c, size_t ldc, bool add,
                  const etch_fgemm_end *end, etch_fgemm_ahead *ahead);
    const etch_fgemm_split *split;   // NULL: the instruction set has none
} etch_fgemm_kernels;

// The last row of kernels.def that `features` allow.
const etch_fgemm_kernels *etch_fgemm_select(unsigned features);
// All rows, for tests and benches; NULL beyond the last.
const etch_fgemm_kernels *etch_fgemm_row(int i);

// Sets rows[0 ... n) to where columns [p, p + k) of rows i, i+1, ... of A lie, for some k <= max_k of its choice, and returns that k.
typedef size_t etch_fgemm_gather(const void *user, size_t i, size_t n, size_t p, size_t max_k, const float **rows);

typedef struct etch_fgemm {
    size_t m, n, k;
    const float *a;         // [m, k], row stride lda; or NULL: `gather` says
    size_t lda;
    etch_fgemm_gather *gather;
    const void *user;
    const void *b;          // b_is_nk: [n, k], else [k, n]; row stride ldb in elements
    size_t ldb;
    etch_fgemm_type b_type;
    bool b_is_nk;
    const float *bias;      // [n] or NULL
    const float *scale;     // [n] or NULL
    float *c;               // [m, n], row stride ldc
    size_t ldc;
    float lo, hi;
    // Called on every part of C once, when it is finished and still in a cache: n contiguous numbers, to be changed in place. NULL:
    // nothing.
    void (*after)(const void *user, float *c, size_t n);
    const void *after_user;
} etch_fgemm;

// Bytes of scratch that any product needs on n_threads threads (64-aligned).
size_t etch_fgemm_scratch(int n_threads);
void etch_fgemm_run(const etch_fgemm_kernels *kn, const etch_fgemm *g, etch_pool *pool, void *scratch);

// `count` products of one form, whose operands are found by `at` (which sets a, b and c of its copy): spread over the threads as a whole.
typedef void etch_fgemm_at(const void *user, size_t i, etch_fgemm *g);
void etch_fgemm_run_many(const etch_fgemm_kernels *kn, const etch_fgemm *g, size_t count, etch_fgemm_at *at, const void *user,
                         etch_pool *pool, void *scratch);

#endif
