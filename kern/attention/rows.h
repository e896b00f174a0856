// The rows of kernels.def, private to this folder.
#ifndef ETCH_KERN_ATTENTION_ROWS_H
#define ETCH_KERN_ATTENTION_ROWS_H

#include "base/cpu.h"
#include "kern/attention/attention.h"

#define ISA(suffix, features) extern const etch_attention_isa etch_attention__##suffix;
#include "kern/attention/kernels.def"
#undef ISA

#endif
