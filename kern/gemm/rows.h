// The rows of kernels.def, private to this folder.
#ifndef ETCH_KERN_GEMM_ROWS_H
#define ETCH_KERN_GEMM_ROWS_H

#include "base/cpu.h"
#include "kern/gemm/gemm.h"

#define KERNELS(suffix, features) extern const etch_gemm_kernels etch_gemm__##suffix;
#include "kern/gemm/kernels.def"
#undef KERNELS

#endif
