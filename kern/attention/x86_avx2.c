// In: rows. Out: scores, softmax, sums. AVX2+FMA.
#include "kern/attention/attention.h"

#if defined(__x86_64__)
#include <immintrin.h>

#include "kern/attention/rows.h"

#define NAME(f) avx2_##f
#define PAIRS(x, b) ((BITS)_mm256_madd_epi16((__m256i)(x), (__m256i)(b)))
#include "kern/attention/x86_256.inc"

const etch_attention_isa etch_attention__avx2 = { "avx2", ETCH_CPU_AVX2, avx2_soften, avx2_join, avx2_loops, LANE_ROW };
#endif
