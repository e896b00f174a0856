// The rows of kernels.def, private to this folder.
#ifndef ETCH_KERN_FGEMM_ROWS_H
#define ETCH_KERN_FGEMM_ROWS_H

#include "base/cpu.h"
#include "kern/fgemm/fgemm.h"

#define KERNELS(suffix, features) extern const etch_fgemm_kernels etch_fgemm__##suffix;
#include "kern/fgemm/kernels.def"
#undef KERNELS

#endif
