// The rows of kernels.def, private to this folder.
#ifndef ETCH_KERN_QGEMM_ROWS_H
#define ETCH_KERN_QGEMM_ROWS_H

#include "base/cpu.h"
#include "kern/qgemm/qgemm.h"

#define ISA(suffix, features) extern const etch_qgemm_isa etch_qgemm__##suffix;
#include "kern/qgemm/kernels.def"
#undef ISA

#endif
