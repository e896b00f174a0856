// In: rows of activations and weights. Out: their sums of products. AVX512.
#include "kern/qgemm/qgemm.h"

#if defined(__x86_64__)
#include <immintrin.h>

#include "kern/qgemm/rows.h"

#define VL 32
#define VI __m512i
#define ZERO _mm512_setzero_si512()
#define LOAD(p) _mm512_loadu_si512(p)
#define WIDEN(p) _mm512_cvtepi8_epi16(_mm256_loadu_si256((const __m256i *)(const void *)(p)))
#define MADD(acc, a, b) _mm512_add_epi32(acc, _mm512_madd_epi16(a, b))
#define TOTAL(v) _mm512_reduce_add_epi32(v)
#define PREFETCH(p) (_mm_prefetch((const char *)(p), _MM_HINT_T0), _mm_prefetch((const char *)(p) + 64, _MM_HINT_T0))
#define NAME(f) avx512_##f
#include "kern/qgemm/simd.inc"

const etch_qgemm_isa etch_qgemm__avx512 = { "avx512", ETCH_CPU_AVX512, &avx512_loops, NULL, NULL };
#endif
