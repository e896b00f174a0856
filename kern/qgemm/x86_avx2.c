// In: rows of activations and weights. Out: their sums of products. AVX2.
#include "kern/qgemm/qgemm.h"

#if defined(__x86_64__)
#include <immintrin.h>

#include "kern/qgemm/rows.h"

#define VL 16
#define VI __m256i
#define ZERO _mm256_setzero_si256()
#define LOAD(p) _mm256_loadu_si256((const __m256i *)(const void *)(p))
#define WIDEN(p) _mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *)(const void *)(p)))
#define MADD(acc, a, b) _mm256_add_epi32(acc, _mm256_madd_epi16(a, b))
#define TOTAL(v) total(v)
#define PREFETCH(p) _mm_prefetch((const char *)(p), _MM_HINT_T0)
#define NAME(f) avx2_##f

static inline int32_t total(__m256i v)
{
    __m128i s = _mm_add_epi32(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1));
    s = _mm_add_epi32(s, _mm_shuffle_epi32(s, 0x4e));
    s = _mm_add_epi32(s, _mm_shuffle_epi32(s, 0xb1));
    return _mm_cvtsi128_si32(s);
}

#include "kern/qgemm/simd.inc"

const etch_qgemm_isa etch_qgemm__avx2 = { "avx2", ETCH_CPU_AVX2, &avx2_loops, NULL, NULL };
#endif
