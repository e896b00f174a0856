// Matrix products: fp32 with fp32, fp16, bf16 or int8 weights, and integer products of quantised activations and weights.
//
// In: row-major matrices. Out: C [m, n]. Kernels are chosen once by etch_gemm_select; all of them give the sums in some order of fp32
// additions (float family) or exactly (integer family).
#ifndef ETCH_KERN_GEMM_GEMM_H
#define ETCH_KERN_GEMM_GEMM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/pool.h"

#define ETCH_GEMM_MAX_MR 8
#define ETCH_GEMM_MAX_NR 32
#define ETCH_GEMM_KC 1024

// One row of kernels.def: the inner loops of one instruction set.
typedef struct etch_gemm_kernels {
    const char *name;
    unsigned needs;      // features (base/cpu.h)
    int mr, nr;
    // c[i][j] (+)= sum_p a[i*lda + p] * b[p*ldb + j], i < m <= mr, j < nr; c has nr columns. `add`: c is read first.
    void (*tile)(int m, size_t k, const float *a, size_t lda, const float *b, size_t ldb, float *c, bool add);
    // out[r] = sum_p x[p] * w[r*ldw + p], r < 4.
    void (*dot4)(const float *x, const float *w, size_t ldw, size_t k, float out[4]);
    // out[i][r] = sum_p x[i*ldx + p] * w[r*ldw + p], i < m <= 2, r < 4; k <= 32768.
    void (*idot4)(int m, const int16_t *x, size_t ldx, const int8_t *w, size_t ldw, size_t k, int32_t out[2][4]);
    // Nibbles: out = sum over blocks b of scale[b] * sum_p (q(p) - 8) * x(p) over `group` (a multiple of 32) columns. xe and xo: the even and
    // odd columns of x; scales are bf16.
    float (*qb4dot)(const int16_t *xe, const int16_t *xo, const uint8_t *w, const uint16_t *scales, size_t group, size_t n_groups);
} etch_gemm_kernels;

// The last row of kernels.def that `features` allow.
const etch_gemm_kernels *etch_gemm_select(unsigned features);
// All rows, for tests and benches; NULL beyond the last.
const etch_gemm_kernels *etch_gemm_row(int i);

typedef enum { ETCH_GEMM_F32, ETCH_GEMM_F16, ETCH_GEMM_BF16, ETCH_GEMM_I8 } etch_gemm_type;

// C = clamp((A B + bias) * scale, lo, hi).
typedef struct etch_gemm {
    size_t m, n, k;
    const float *a;         // [m, k], row stride lda
    size_t lda;
    const void *b;          // b_is_nk: [n, k], else [k, n]; row stride ldb in elements
    size_t ldb;
    etch_gemm_type b_type;
    bool b_is_nk;
    const float *bias;      // [n] or NULL
    const float *scale;     // [n] or NULL
    float *c;               // [m, n], row stride ldc
    size_t ldc;
    float lo, hi;
} etch_gemm;

// Bytes of scratch that any product needs on n_threads threads (64-aligned).
size_t etch_gemm_scratch(int n_threads);
void etch_gemm_run(const etch_gemm_kernels *kn, const etch_gemm *g, etch_pool *pool, void *scratch);
// The same without threads; scratch of etch_gemm_scratch(1).
void etch_gemm_run_one(const etch_gemm_kernels *kn, const etch_gemm *g, void *scratch);

typedef enum { ETCH_QGEMM_W8, ETCH_QGEMM_W4, ETCH_QGEMM_U8 } etch_qgemm_type;

// Integer products. Activations are given as int16: quantised value minus zero point.
typedef struct etch_qgemm {
    size_t m, n, k;
    const int16_t *x;       // [m, k], row stride ldx
    size_t ldx;
    const void *w;          // W8: int8 [n, k]; U8: uint8 [n, k], value - w_zero; W4: nibbles [n, ceil(k/2)], even column low, value - 8
    size_t ldw;             // row stride in bytes
    etch_qgemm_type w_type;
    int32_t w_zero;         // U8 only
    size_t group;           // 0: one scale a row; else W4 only: a scale each `group` columns
    const float *w_scale;   // [n], group == 0, float output
    const uint16_t *w_block_scale;  // bf16 [n, k / group]
    const float *bias;      // [n] or NULL, float output
    const float *x_scale;   // [m], float output
    float *c;               // float output: clamp(sum * x_scale * w_scale + bias); NULL: acc is written
    int32_t *acc;           // [m, n] raw sums
    size_t ldc;
    float lo, hi;
} etch_qgemm;

size_t etch_qgemm_scratch(size_t m, size_t k, int n_threads);
void etch_qgemm_run(const etch_gemm_kernels *kn, const etch_qgemm *g, etch_pool *pool, void *scratch);

#endif
