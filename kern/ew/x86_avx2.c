// In: floats. Out: a function of each. AVX2 and FMA.
#include "kern/ew/ew.h"

#if defined(__x86_64__)
#include "kern/ew/rows.h"

#define NAME(f) avx2_##f
#include "kern/ew/loops.inc"

const etch_ew_kernels etch_ew__avx2 = { "avx2", ETCH_CPU_AVX2, avx2_unary, avx2_binary, avx2_softmax, avx2_layer_norm, avx2_sum_rows,
                                        avx2_quantize_row };
#endif
