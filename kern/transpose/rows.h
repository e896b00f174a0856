// The rows of kernels.def, private to this folder.
#ifndef ETCH_KERN_TRANSPOSE_ROWS_H
#define ETCH_KERN_TRANSPOSE_ROWS_H

#include "base/cpu.h"
#include "kern/transpose/transpose.h"

#define KERNELS(suffix, features) extern const etch_transpose_kernels etch_transpose__##suffix;
#include "kern/transpose/kernels.def"
#undef KERNELS

#endif
