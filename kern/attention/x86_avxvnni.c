// In: rows. Out: scores, softmax, sums. AVX-VNNI: as AVX2, but four products of bytes a lane.
#include "kern/attention/attention.h"

#if defined(__x86_64__)
#include <immintrin.h>

#include "kern/attention/rows.h"

#define NAME(f) avxvnni_##f
#define DOT4(acc, x, b) ((BITS)_mm256_dpbusd_avx_epi32((__m256i)(acc), (__m256i)(x), (__m256i)(b)))
#include "kern/attention/x86_256.inc"

const etch_attention_isa etch_attention__avxvnni = { "avxvnni", ETCH_CPU_AVXVNNI, avxvnni_soften, avxvnni_join, avxvnni_loops, LANE_ROW };
#endif
