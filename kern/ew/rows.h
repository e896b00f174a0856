// The rows of kernels.def, private to this folder.
#ifndef ETCH_KERN_EW_ROWS_H
#define ETCH_KERN_EW_ROWS_H

#include "base/cpu.h"
#include "kern/ew/ew.h"

typedef struct { float lo, hi, far; } etch_ew__range;   // loops.inc

#define KERNELS(suffix, features) extern const etch_ew_kernels etch_ew__##suffix;
#include "kern/ew/kernels.def"
#undef KERNELS

#endif
