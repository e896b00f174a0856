// In: rows of activations and weights. Out: their sums of products. AVX512-VNNI: four products of bytes a lane, 512 bits.
#include "kern/qgemm/qgemm.h"

#if defined(__x86_64__)
#include <immintrin.h>

#include "kern/qgemm/rows.h"

#define VL 16
#define VI __m512i
#define VF __m512
#define LOAD(p) _mm512_loadu_si512(p)
#define STORE(p, v) _mm512_storeu_si512(p, v)
#define SUB(a, b) _mm512_sub_epi32(a, b)
#define MULLO(a, b) _mm512_mullo_epi32(a, b)
#define SET1_8(x) _mm512_set1_epi8(x)
#define SET1_32(x) _mm512_set1_epi32(x)
#define UNPACK32LO(a, b) _mm512_unpacklo_epi32(a, b)
#define UNPACK32HI(a, b) _mm512_unpackhi_epi32(a, b)
#define UNPACK64LO(a, b) _mm512_unpacklo_epi64(a, b)
#define UNPACK64HI(a, b) _mm512_unpackhi_epi64(a, b)
#define ROW(p) _mm_loadu_si128((const __m128i *)(const void *)(p))
#define TWO(w, ld) _mm256_inserti128_si256(_mm256_castsi128_si256(ROW(w)), ROW((w) + 4 * (ld)), 1)
#define ROWS4(w, ld) _mm512_inserti64x4(_mm512_castsi256_si512(TWO(w, ld)), TWO((w) + 8 * (ld), ld), 1)
#define FOLD(v) fold(v)
#define DOT(acc, u, x) _mm512_dpbusd_epi32(acc, u, x)
#define TO_F(v) _mm512_cvtepi32_ps(v)
#define MULF(a, b) _mm512_mul_ps(a, b)
#define ADDF(a, b) _mm512_add_ps(a, b)
#define LOADF(p) _mm512_loadu_ps(p)
#define STOREF(p, v) _mm512_storeu_ps(p, v)
#define SET1_F(x) _mm512_set1_ps(x)
#define CLAMP(v, lo, hi) _mm512_min_ps(hi, _mm512_max_ps(lo, v))
#define NAME(f) avx512vnni_##f
#define MR 8
#define NV 2

static inline __m128i fold(__m512i v)
{
    __m256i s = _mm256_add_epi32(_mm512_castsi512_si256(v), _mm512_extracti64x4_epi64(v, 1));
    return _mm_add_epi32(_mm256_castsi256_si128(s), _mm256_extracti128_si256(s, 1));
}

#include "kern/qgemm/vnni.inc"

const etch_qgemm_isa etch_qgemm__avx512vnni = { "avx512vnni", ETCH_CPU_AVX512VNNI, NULL, &avx512vnni_loops };
#endif
