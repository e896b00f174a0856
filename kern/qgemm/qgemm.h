// Integer products of quantised activations and 8-bit or 4-bit weights with one scale a row (4-bit blocks: kern/qblock).
//
// In: activations [m, k] as int16, weights [n, k] where they lie. Out: exact sums, or floats after the scales. One row of activations meets
// int8 weights as they lie; with more rows, four rows of weights at a time become int16 for all of them.
#ifndef ETCH_KERN_QGEMM_QGEMM_H
#define ETCH_KERN_QGEMM_QGEMM_H

#include <stddef.h>
#include <stdint.h>

#include "base/pool.h"

#define ETCH_QGEMM_MR 2       // rows of activations a tile
#define ETCH_QGEMM_NR 4       // rows of weights a tile
#define ETCH_QGEMM_K 32768    // columns of one call of the loops below: 255 * 255 * 32768 < 2^31

// One row of kernels.def: the inner loops of one instruction set.
typedef struct etch_qgemm_isa {
    const char *name;
    unsigned needs;      // features (base/cpu.h)
    // out[r] = sum_p x[p] * w[r * ldw + p], r < NR.
    void (*one_row)(const int16_t *x, const int8_t *w, size_t ldw, size_t k, int32_t *out);
    // out[i * NR + r] = sum_p x[i * ldx + p] * w[r * ldw + p], i < m <= MR, r < NR.
    void (*tile)(int m, const int16_t *x, size_t ldx, const int16_t *w, size_t ldw, size_t k, int32_t *out);
} etch_qgemm_isa;

// The last row of kernels.def that `features` allow; and all rows, for tests (NULL beyond the last).
const etch_qgemm_isa *etch_qgemm_select(unsigned features);
const etch_qgemm_isa *etch_qgemm_row(int i);

typedef enum { ETCH_QGEMM_W8, ETCH_QGEMM_W4, ETCH_QGEMM_U8 } etch_qgemm_type;

// Activations are quantised value minus zero point.
typedef struct etch_qgemm {
    size_t m, n, k;
    const int16_t *x;       // [m, k], row stride ldx
    size_t ldx;
    const void *w;          // W8: int8 [n, k]; U8: uint8 [n, k], value - w_zero; W4: nibbles [n, ceil(k/2)], even column low, value - 8
    size_t ldw;             // row stride in bytes
    etch_qgemm_type w_type;
    int32_t w_zero;         // U8 only
    const float *w_scale;   // [n], float output
    const float *bias;      // [n] or NULL, float output
    const float *x_scale;   // [m], float output
    float *c;               // float output: clamp(sum * x_scale * w_scale + bias); NULL: acc is written
    int32_t *acc;           // [m, n] raw sums
    size_t ldc;
    float lo, hi;
} etch_qgemm;

size_t etch_qgemm_scratch(size_t k, int n_threads);
void etch_qgemm_run(const etch_qgemm_isa *isa, const etch_qgemm *g, etch_pool *pool, void *scratch);

#endif
