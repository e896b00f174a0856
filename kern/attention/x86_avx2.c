// In: rows. Out: scores, softmax, sums. AVX2+FMA.
#include "kern/attention/attention.h"

#if defined(__x86_64__)
#include <immintrin.h>

#include "kern/attention/rows.h"

#define VL 8
#define FMA(acc, x, y) ((avx2_vec)_mm256_fmadd_ps((__m256)(x), (__m256)(y), (__m256)(acc)))
#define NAME(f) avx2_##f
#include "kern/attention/loops.inc"

const etch_attention_isa etch_attention__avx2 = { "avx2", ETCH_CPU_AVX2, avx2_scores, avx2_soften, avx2_values };
#endif
