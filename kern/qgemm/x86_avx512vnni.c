// In: rows of activations and weights. Out: their sums of products. AVX512-VNNI: four products of bytes a lane, 512 bits.
#include "kern/qgemm/qgemm.h"

#if defined(__x86_64__)
#include <immintrin.h>

#include "kern/qgemm/rows.h"

#define NAME(f) avx512vnni_##f
#include "kern/simd/bytes_512.inc"

#define SUB(a, b) _mm512_sub_epi32(a, b)
#define MULLO(a, b) _mm512_mullo_epi32(a, b)
#define FOLD(v) fold(v)
#define DOT(acc, u, x) _mm512_dpbusd_epi32(acc, u, x)
#define ADDF(a, b) _mm512_add_ps(a, b)
#define MR 8
#define NV 2

static inline __m128i fold(__m512i v)
{
    __m256i s = _mm256_add_epi32(_mm512_castsi512_si256(v), _mm512_extracti64x4_epi64(v, 1));
    return _mm_add_epi32(_mm256_castsi256_si128(s), _mm256_extracti128_si256(s, 1));
}

#include "kern/qgemm/vnni.inc"

const etch_qgemm_bytes etch_qgemm__avx512vnni_loops = LOOPS;
const etch_qgemm_isa etch_qgemm__avx512vnni = { "avx512vnni", ETCH_CPU_AVX512VNNI, NULL, &etch_qgemm__avx512vnni_loops, NULL };
#endif
