// Integer products of quantised activations and 8-bit or 4-bit weights with one scale a row (4-bit blocks: kern/qblock).
//
// In: activations [m, k], quantised values or values less their zero point; weights [n, k] where they lie. Out: exact sums, or floats after
// the scales. An instruction set either multiplies int16 (wide.c: value minus zero point) or bytes (bytes.c: u8 by s8, with
// sum (u - z) * w = sum u * w - z * sum w). Both give the same sums.
#ifndef ETCH_KERN_QGEMM_QGEMM_H
#define ETCH_KERN_QGEMM_QGEMM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/pool.h"

#define ETCH_QGEMM_K 32768    // columns of one call of the loops below: 255 * 255 * 32768 < 2^31
#define ETCH_QGEMM_MR 2       // wide: rows of activations a tile
#define ETCH_QGEMM_NR 4       // rows of weights a tile (wide), or at a time (one row of activations)
#define ETCH_QGEMM_BYTES_MR 8    // the most
#define ETCH_QGEMM_BYTES_NR 32
#define ETCH_QGEMM_MANY_MR 32    // rows of a tile of many rows; all are read

// X_WIDE: int16, value minus zero point. X_S8, X_U8: the quantised values.
typedef enum { ETCH_QGEMM_X_WIDE, ETCH_QGEMM_X_S8, ETCH_QGEMM_X_U8 } etch_qgemm_x_type;
typedef enum { ETCH_QGEMM_W8, ETCH_QGEMM_W4, ETCH_QGEMM_U8 } etch_qgemm_type;

// Loops over int16.
typedef struct etch_qgemm_wide {
    // k values less `zero` (X_S8, X_U8).
    void (*set_x)(const void *x, etch_qgemm_x_type type, int32_t zero, size_t k, int16_t *out);
    // k weights: W8, U8 less `zero`, or W4 (nibble less 8).
    void (*set_w)(const uint8_t *w, etch_qgemm_type type, int32_t zero, size_t k, int16_t *out);
    // out[r] = sum_p x[p] * w[r * ldw + p], r < NR.
    void (*one_row)(const int16_t *x, const int8_t *w, size_t ldw, size_t k, int32_t *out);
    // out[i * NR + r] = sum_p x[i * ldx + p] * w[r * ldw + p], i < m <= MR, r < NR.
    void (*tile)(int m, const int16_t *x, size_t ldx, const int16_t *w, size_t ldw, size_t k, int32_t *out);
} etch_qgemm_wide;

// What a tile of bytes does with its sums: floats clamp(sum * x_scale[i] * w_scale[r] + bias[r], lo, hi), or int32.
typedef struct etch_qgemm_end {
    bool is_float;
    const float *x_scale;            // [m]
    const float *w_scale, *bias;     // [nr]
    float lo, hi;
} etch_qgemm_end;

// Loops over bytes: activations u8, weights s8. Rows of activations have a stride of whole words (4 bytes;
// from 64 columns on of 64), zeros behind k.
typedef struct etch_qgemm_bytes {
    int mr, nr;
    // k values as u8: `zero` is added (X_WIDE), or 128 (X_S8). Returns their sum.
    uint32_t (*set_x)(const void *x, etch_qgemm_x_type type, int32_t zero, size_t k, uint8_t *out);
    // k weights as s8: U8 less 128, W4 (nibble less 8).
    void (*set_w)(const uint8_t *w, etch_qgemm_type type, size_t k, int8_t *out);
    // out[r] = sum_p (x[p] - zero) * w[r * ldw + p], r < ETCH_QGEMM_NR.
    void (*one_row)(const uint8_t *x, int32_t zero, const int8_t *w, size_t ldw, size_t k, int32_t *out);
    // nr rows of weights -> [ceil(k / 64) * 16, nr, 4], zeros behind k; sums[r] of each row.
    void (*panel)(const int8_t *w, size_t ldw, size_t k, int8_t *out, int32_t *sums);
    // Sums of x[i * ldx + p] * panel - zero[i] * sums[r] + add[i], i < m <= mr, r < nr; floats or int32 at out + i * ldo + r.
    void (*tile)(int m, const uint8_t *x, size_t ldx, size_t k, const int8_t *panel, const int32_t *sums, const int32_t *zero,
                 const int32_t *add, const etch_qgemm_end *end, void *out, size_t ldo);
} etch_qgemm_bytes;

// What an instruction set does beside its loops over bytes with `from` rows of activations and more. `begin` and `end` stand around a
// thread's calls of `tile`, which is that of etch_qgemm_bytes for up to ETCH_QGEMM_MANY_MR rows.
typedef struct etch_qgemm_many {
    size_t from;
    void (*begin)(void), (*end)(void);
    void (*tile)(int m, const uint8_t *x, size_t ldx, size_t k, const int8_t *panel, const int32_t *sums, const int32_t *zero,
                 const int32_t *add, const etch_qgemm_end *end, void *out, size_t ldo);
} etch_qgemm_many;

// One row of kernels.def: the loops of one instruction set, of one kind or the other.
typedef struct etch_qgemm_isa {
    const char *name;
    unsigned needs;      // features (base/cpu.h)
    const etch_qgemm_wide *wide;
    const etch_qgemm_bytes *bytes;
    const etch_qgemm_many *many;   // beside bytes, or NULL
} etch_qgemm_isa;

// The last row of kernels.def that `features` allow; and all rows, for tests (NULL beyond the last).
const etch_qgemm_isa *etch_qgemm_select(unsigned features);
const etch_qgemm_isa *etch_qgemm_row(int i);

typedef struct etch_qgemm {
    size_t m, n, k;
    const void *x;          // [m, k], row stride ldx values
    size_t ldx;
    etch_qgemm_x_type x_type;
    const int32_t *x_zero;  // zero point of each row [m], or NULL: x_zero_all. Of X_WIDE: such that value + zero is in 0 ... 255
    int32_t x_zero_all;
    const void *w;          // W8: int8 [n, k]; U8: uint8 [n, k], value - w_zero; W4: nibbles [n, ceil(k/2)], even column low, value - 8
    size_t ldw;             // row stride in bytes
    etch_qgemm_type w_type;
    int32_t w_zero;         // U8 only
    const float *w_scale;   // [n] or NULL, float output
    const float *bias;      // [n] or NULL, float output
    const float *x_scale;   // [m], float output
    float *c;               // float output: clamp(sum * x_scale * w_scale + bias); NULL: acc is written
    int32_t *acc;           // [m, n] raw sums
    size_t ldc;
    float lo, hi;
} etch_qgemm;

// Memory for products of up to m rows.
size_t etch_qgemm_scratch(size_t m, size_t k, int n_threads);
void etch_qgemm_run(const etch_qgemm_isa *isa, const etch_qgemm *g, etch_pool *pool, void *scratch);

#endif
