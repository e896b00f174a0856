// In: rows. Out: scores, softmax, sums. AVX512.
#include "kern/attention/attention.h"

#if defined(__x86_64__)
#include <immintrin.h>

#include "kern/attention/rows.h"

#define VL 16
#define NV 2
#define KM 8
#define RM 8
#define CV 2
#define FMA(acc, x, y) ((avx512_vec)_mm512_fmadd_ps((__m512)(x), (__m512)(y), (__m512)(acc)))
#define MAX(x, y) ((avx512_vec)_mm512_max_ps((__m512)(x), (__m512)(y)))
#define NAME(f) avx512_##f
#include "kern/attention/loops.inc"
#include "kern/attention/block.inc"

const etch_attention_isa etch_attention__avx512 = { "avx512", ETCH_CPU_AVX512, avx512_scores, avx512_soften, avx512_values, LANE_ROW };
#endif
