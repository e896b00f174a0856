// In: floats. Out: a function of each. AVX-512.
#include "kern/ew/ew.h"

#if defined(__x86_64__)
#include "kern/ew/rows.h"

#define NAME(f) avx512_##f
#include "kern/ew/loops.inc"

const etch_ew_kernels etch_ew__avx512 = { "avx512", ETCH_CPU_AVX512, avx512_unary, avx512_binary, avx512_softmax, avx512_layer_norm,
                                          avx512_sum_rows, avx512_quantize_row };
#endif
