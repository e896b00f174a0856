// The rows of kernels.def and what the files of this folder share; private to it.
#ifndef ETCH_KERN_QGEMM_ROWS_H
#define ETCH_KERN_QGEMM_ROWS_H

#include "base/cpu.h"
#include "kern/qgemm/qgemm.h"

#define ISA(suffix, features) extern const etch_qgemm_isa etch_qgemm__##suffix;
#include "kern/qgemm/kernels.def"
#undef ISA

extern const etch_qgemm_bytes etch_qgemm__avx512vnni_loops;   // x86-64

static inline int32_t etch_qgemm__zero(const etch_qgemm *g, size_t i) { return g->x_zero ? g->x_zero[i] : g->x_zero_all; }

// c or acc [i, j + r] of n sums.
void etch_qgemm__put(const etch_qgemm *g, size_t i, size_t j, size_t n, const int64_t *sum);
void etch_qgemm__put_four(const etch_qgemm *g, size_t i, size_t j, const int32_t *sum);   // floats

size_t etch_qgemm__wide_scratch(size_t m, size_t k, int n_threads);
void etch_qgemm__run_wide(const etch_qgemm_wide *isa, const etch_qgemm *g, etch_pool *pool, uint8_t *scratch);
size_t etch_qgemm__bytes_scratch(size_t m, size_t k, int n_threads);
void etch_qgemm__run_bytes(const etch_qgemm_bytes *isa, const etch_qgemm_many *many, const etch_qgemm *g, etch_pool *pool,
                           uint8_t *scratch);

#endif
