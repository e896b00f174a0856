// In: rows. Out: scores, softmax, sums. AVX512.
#include "kern/attention/attention.h"

#if defined(__x86_64__)
#include <immintrin.h>

#include "kern/attention/rows.h"

#define NAME(f) avx512_##f
#define PAIRS(x, b) ((BITS)_mm512_madd_epi16((__m512i)(x), (__m512i)(b)))
#include "kern/attention/x86_512.inc"

const etch_attention_isa etch_attention__avx512 = { "avx512", ETCH_CPU_AVX512, avx512_soften, avx512_join, avx512_loops, LANE_ROW };
#endif
