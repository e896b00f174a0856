// In: rows. Out: scores, softmax, sums. AVX512.
#include "kern/attention/attention.h"

#if defined(__x86_64__)
#include <immintrin.h>

#include "kern/attention/rows.h"

#define VL 16
#define QM 4
#define FV 4
#define NV 2
#define KM 8
#define RM 8
#define CV 2
#define FMA(acc, x, y) ((avx512_vec)_mm512_fmadd_ps((__m512)(x), (__m512)(y), (__m512)(acc)))
#if defined(__AVX512F__) && !defined(__clang__)   // gcc copies and spills sums in long loops; clang keeps them where they are, tools/isa emulates
#define FMA_TO(acc, x, y) __asm__("vfmadd231ps %2, %1, %0" : "+v"(acc) : "v"(x), "v"(y))
#endif
#define MAX(x, y) ((avx512_vec)_mm512_max_ps((__m512)(x), (__m512)(y)))
#define ANY(b) _mm512_test_epi32_mask((__m512i)(b), (__m512i)(b))
#define SUM4(v, out) sum4((__m512)(v)[0], (__m512)(v)[1], (__m512)(v)[2], (__m512)(v)[3], out)
#define BYTES(p) ((avx512_vec)_mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128((const __m128i *)(const void *)(p)))))
#define HALVES(p) ((avx512_vec)_mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)(const void *)(p))))
#define TO_HALVES(v, p) to_halves((__m512)(v), p)
#define NAME(f) avx512_##f

static inline void sum4(__m512 v0, __m512 v1, __m512 v2, __m512 v3, float *out)
{
    __m512 a = _mm512_add_ps(_mm512_unpacklo_ps(v0, v1), _mm512_unpackhi_ps(v0, v1));
    __m512 b = _mm512_add_ps(_mm512_unpacklo_ps(v2, v3), _mm512_unpackhi_ps(v2, v3));
    __m512 s = _mm512_add_ps(_mm512_shuffle_ps(a, b, 0x44), _mm512_shuffle_ps(a, b, 0xee));
    __m256 t = _mm256_add_ps(_mm512_castps512_ps256(s), _mm256_castpd_ps(_mm512_extractf64x4_pd(_mm512_castps_pd(s), 1)));
    _mm_storeu_ps(out, _mm_add_ps(_mm256_castps256_ps128(t), _mm256_extractf128_ps(t, 1)));
}

// 256 bits at a time: those conversions compile at every level of optimization and have an emulation.
static inline void to_halves(__m512 v, void *out)
{
    const __m256 high = _mm256_castpd_ps(_mm512_extractf64x4_pd(_mm512_castps_pd(v), 1));
    _mm_storeu_si128((__m128i *)out, _mm256_cvtps_ph(_mm512_castps512_ps256(v), 0));
    _mm_storeu_si128((__m128i *)out + 1, _mm256_cvtps_ph(high, 0));
}

#include "kern/attention/vec.inc"
#include "kern/attention/few.inc"
#include "kern/attention/many.inc"

const etch_attention_isa etch_attention__avx512 = { "avx512", ETCH_CPU_AVX512, avx512_soften, avx512_loops, LANE_ROW };
#endif
