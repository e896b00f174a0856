// Transposition of 4-byte elements between two strided matrices.
#ifndef ETCH_KERN_TRANSPOSE_TRANSPOSE_H
#define ETCH_KERN_TRANSPOSE_TRANSPOSE_H

#include <stddef.h>
#include <stdint.h>

// One row of kernels.def: to[j * ldt + i] = from[i * ldf + j], i < rows, j < columns; strides in elements, the areas do not overlap.
typedef struct etch_transpose_kernels {
    const char *name;
    unsigned needs;   // features (base/cpu.h)
    void (*run)(const uint32_t *from, size_t ldf, uint32_t *to, size_t ldt, size_t rows, size_t columns);
} etch_transpose_kernels;

// The last row of kernels.def that `features` allow.
const etch_transpose_kernels *etch_transpose_select(unsigned features);
// All rows, for tests; NULL beyond the last.
const etch_transpose_kernels *etch_transpose_row(int i);

#endif
