// In: rows. Out: scores, softmax, sums. AVX512-VNNI: as AVX512, but four products of bytes a lane.
#include "kern/attention/attention.h"

#if defined(__x86_64__)
#include <immintrin.h>

#include "kern/attention/rows.h"

#define NAME(f) avx512vnni_##f
#define DOT4(acc, x, b) ((BITS)_mm512_dpbusd_epi32((__m512i)(acc), (__m512i)(x), (__m512i)(b)))
#include "kern/attention/x86_512.inc"

const etch_attention_isa etch_attention__avx512vnni = { "avx512vnni", ETCH_CPU_AVX512VNNI, avx512vnni_soften, avx512vnni_join,
                                                        avx512vnni_loops, LANE_ROW };
#endif
