// Products of dynamically quantised activations (int8, a scale and zero point a row) and 4-bit weights in blocks, used where they lie.
//
// In: activations [m, k], weights [n, k] as XNNPACK's QBINT4 stores them. Out: fp32 [m, n]. One row reads the weights once, in the order of
// memory; more rows share a panel of `nr` columns laid out in a worker's scratch. Every instruction set gives the same bits, for one row
// and for many, because the order of roundings is fixed (fma: one rounding):
//   f = z_sum[j] * zero[i];  for each group b: f = fma(S, scale[j][b], f);  c = clamp(fma(f, x_scale[i], bias[j]), lo, hi)
// where S = sum over the group of (nibble - 8) * x is an exact integer and z_sum[j] = - sum over b of scale[j][b] * sum (nibble - 8).
// The official kernels take the same sums and the same steps; those of AVX2 keep several partial sums of f.
#ifndef ETCH_KERN_QBLOCK_QBLOCK_H
#define ETCH_KERN_QBLOCK_QBLOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/pool.h"

#define ETCH_QBLOCK 32      // k and group are multiples of it
#define ETCH_QBLOCK_MAX_MR 16
#define ETCH_QBLOCK_MAX_NR 48

// Activations as the kernels read them. Within eight columns the even ones come first: as the nibbles of four weight bytes. Instruction
// sets with `many` keep the rows of a tile together, 32 columns of each in turn.
typedef struct etch_qblock_x {
    size_t m, k;
    int8_t *q;          // [m, k], or [ceil(m / mr), k / 32, mr, 32]
    int32_t *sums;      // [m, k / 32]: - 8 * sum of 32 columns, in the form that set_x of an instruction set gives its loops
    float *scale;       // [m]
    float *zero;        // [m], the zero point
} etch_qblock_x;

// Bytes of memory that m rows of k take; `init` places the arrays in them (64-aligned).
size_t etch_qblock_x_bytes(size_t m, size_t k);
void etch_qblock_x_init(etch_qblock_x *x, size_t m, size_t k, void *memory);

// Weights. All pointers are borrowed; z_sum is the caller's memory of n floats, filled by the first product.
typedef struct etch_qblock_w {
    size_t n, k, group;
    const uint8_t *w;        // [n, k / 2], even column in the low nibble
    const uint16_t *scale;   // bf16 [n, k / group]
    float *z_sum;            // [n]
    bool has_z_sum;
} etch_qblock_w;

// One product of a list that shares its activations.
typedef struct etch_qblock_job {
    etch_qblock_w *w;
    const float *bias;       // [n] or NULL
    float *c;                // [m, n], row stride ldc
    size_t ldc;
    float lo, hi;
} etch_qblock_job;

// What the loops of one instruction set work on: `nr` rows of weights (the columns of the product) from one.
typedef struct etch_qblock_cols {
    const uint8_t *w;        // row stride k / 2
    const float *scale;      // [k / group, nr]
    const float *z_sum, *bias;   // [nr]
    size_t k, group;
    float lo, hi;
    const uint8_t *first, *end;  // all weights of the product; one_row asks for those further on
} etch_qblock_cols;

// An instruction set that many rows of activations are worth: fewer than `from` go to the row `few`, which has its nr and set_x. `begin`
// and `end` stand around a thread's calls of `tile`, which may read all mr rows.
typedef struct etch_qblock_many {
    size_t from;
    const struct etch_qblock_isa *few;
    void (*begin)(void), (*end)(void);
} etch_qblock_many;

// One row of kernels.def.
typedef struct etch_qblock_isa {
    const char *name;
    unsigned needs;          // features (base/cpu.h)
    int mr, nr;
    void (*scales)(const uint16_t *scale, size_t n_groups, float *out);        // bf16 [nr, n_groups] -> [n_groups, nr]
    void (*z_sums)(const etch_qblock_cols *c, float *out);                      // [nr]
    void (*one_row)(const etch_qblock_cols *c, const int8_t *q, const int32_t *sums, float scale, float zero, float *out);
    void (*panel)(const uint8_t *w, size_t k, uint8_t *out);                   // nr rows -> k * nr bytes
    // One row of plain int8 values: 32 of them each `step` bytes.
    void (*set_x)(const int8_t *q, size_t k, int8_t *out, size_t step, int32_t *sums);
    // out [m, nr] with row stride ldo, m <= mr; q and sums are m rows.
    void (*tile)(int m, const etch_qblock_cols *c, const uint8_t *panel, const int8_t *q, const int32_t *sums, const float *scale,
                 const float *zero, float *out, size_t ldo);
    const etch_qblock_many *many;   // NULL: any number of rows
} etch_qblock_isa;

// The last row of kernels.def that `features` allow; and all rows, for tests and benches (NULL beyond the last).
const etch_qblock_isa *etch_qblock_select(unsigned features);
const etch_qblock_isa *etch_qblock_row(int i);

// Row i from k plain int8 values.
void etch_qblock_x_set(const etch_qblock_isa *isa, const etch_qblock_x *x, size_t i, const int8_t *q, float scale, int32_t zero);
// Does the family take these sizes?
bool etch_qblock_fits(size_t k, size_t group);
size_t etch_qblock_scratch(size_t k, int n_threads);
// c of every job from x.
void etch_qblock_run(const etch_qblock_isa *isa, const etch_qblock_x *x, const etch_qblock_job *jobs, int n_jobs, etch_pool *pool,
                     void *scratch);

#endif
