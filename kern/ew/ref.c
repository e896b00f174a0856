// In: floats. Out: a function of each. Portable C, vectorised for the compiler's base instruction set (SSE2, NEON).
#include "kern/ew/ew.h"

#include "kern/ew/rows.h"

#define NAME(f) ref_##f
#include "kern/ew/loops.inc"

const etch_ew_kernels etch_ew__ref = { "ref", 0, ref_unary, ref_binary, ref_softmax, ref_layer_norm, ref_sum_rows, ref_quantize_row };
