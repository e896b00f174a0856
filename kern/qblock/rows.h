// The rows of kernels.def, private to this folder.
#ifndef ETCH_KERN_QBLOCK_ROWS_H
#define ETCH_KERN_QBLOCK_ROWS_H

#include "base/cpu.h"
#include "kern/qblock/qblock.h"
#include "kern/simd/ahead.h"

#define ISA(suffix, features) extern const etch_qblock_isa etch_qblock__##suffix;
#include "kern/qblock/kernels.def"
#undef ISA

#endif
