// The rows of kernels.def, private to this folder.
#ifndef ETCH_KERN_FGEMM_ROWS_H
#define ETCH_KERN_FGEMM_ROWS_H

#include "base/cpu.h"
#include "kern/fgemm/fgemm.h"

// turned.c: C[i0 ... i1, j0 ... j1) with the weights where they lie. Takes `len` floats at `x`.
bool etch_fgemm__is_turned(const etch_fgemm_kernels *kn, const etch_fgemm *g, size_t columns);
void etch_fgemm__turned(const etch_fgemm_kernels *kn, const etch_fgemm *g, size_t i0, size_t i1, size_t j0, size_t j1, float *x, size_t len);

#define KERNELS(suffix, features) extern const etch_fgemm_kernels etch_fgemm__##suffix;
#include "kern/fgemm/kernels.def"
#undef KERNELS

#endif
