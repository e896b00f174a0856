// In: rows. Out: scores, softmax, sums. AVX512.
#include "kern/attention/attention.h"

#if defined(__x86_64__)
#include <immintrin.h>

#include "kern/attention/rows.h"

#define VL 16
#define FMA(acc, x, y) ((avx512_vec)_mm512_fmadd_ps((__m512)(x), (__m512)(y), (__m512)(acc)))
#define NAME(f) avx512_##f
#include "kern/attention/loops.inc"

const etch_attention_isa etch_attention__avx512 = { "avx512", ETCH_CPU_AVX512, avx512_scores, avx512_soften, avx512_values };
#endif
