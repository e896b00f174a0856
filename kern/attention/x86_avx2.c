// In: rows. Out: scores, softmax, sums. AVX2+FMA.
#include "kern/attention/attention.h"

#if defined(__x86_64__)
#include <immintrin.h>

#include "kern/attention/rows.h"

#define VL 8
#define QM 2
#define FV 4
#define NV 2
#define KM 6
#define RM 4
#define CV 2
#define FMA(acc, x, y) ((avx2_vec)_mm256_fmadd_ps((__m256)(x), (__m256)(y), (__m256)(acc)))
#define MAX(x, y) ((avx2_vec)_mm256_max_ps((__m256)(x), (__m256)(y)))
#define ANY(b) !_mm256_testz_si256((__m256i)(b), (__m256i)(b))
#define SUM4(v, out) sum4((__m256)(v)[0], (__m256)(v)[1], (__m256)(v)[2], (__m256)(v)[3], out)
#define BYTES(p) ((avx2_vec)_mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64((const __m128i *)(const void *)(p)))))
#define HALVES(p) ((avx2_vec)_mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(const void *)(p))))
#define TO_HALVES(v, p) _mm_storeu_si128((__m128i *)(void *)(p), _mm256_cvtps_ph((__m256)(v), 0))
#define NAME(f) avx2_##f

static inline void sum4(__m256 v0, __m256 v1, __m256 v2, __m256 v3, float *out)
{
    __m256 s = _mm256_hadd_ps(_mm256_hadd_ps(v0, v1), _mm256_hadd_ps(v2, v3));
    _mm_storeu_ps(out, _mm_add_ps(_mm256_castps256_ps128(s), _mm256_extractf128_ps(s, 1)));
}

#include "kern/attention/vec.inc"
#include "kern/attention/few.inc"
#include "kern/attention/many.inc"

const etch_attention_isa etch_attention__avx2 = { "avx2", ETCH_CPU_AVX2, avx2_soften, avx2_loops, LANE_ROW };
#endif
