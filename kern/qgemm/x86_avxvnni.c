// In: rows of activations and weights. Out: their sums of products. AVX-VNNI: four products of bytes a lane, 256 bits.
#include "kern/qgemm/qgemm.h"

#if defined(__x86_64__)
#include <immintrin.h>

#include "kern/qgemm/rows.h"

#define VL 8
#define VI __m256i
#define VF __m256
#define LOAD(p) _mm256_loadu_si256((const __m256i *)(const void *)(p))
#define STORE(p, v) _mm256_storeu_si256((__m256i *)(void *)(p), v)
#define SUB(a, b) _mm256_sub_epi32(a, b)
#define MULLO(a, b) _mm256_mullo_epi32(a, b)
#define SET1_8(x) _mm256_set1_epi8(x)
#define SET1_32(x) _mm256_set1_epi32(x)
#define UNPACK32LO(a, b) _mm256_unpacklo_epi32(a, b)
#define UNPACK32HI(a, b) _mm256_unpackhi_epi32(a, b)
#define UNPACK64LO(a, b) _mm256_unpacklo_epi64(a, b)
#define UNPACK64HI(a, b) _mm256_unpackhi_epi64(a, b)
#define ROW(p) _mm_loadu_si128((const __m128i *)(const void *)(p))
#define ROWS4(w, ld) _mm256_inserti128_si256(_mm256_castsi128_si256(ROW(w)), ROW((w) + 4 * (ld)), 1)
#define FOLD(v) _mm_add_epi32(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1))
#define DOT(acc, u, x) _mm256_dpbusd_avx_epi32(acc, u, x)
#define TO_F(v) _mm256_cvtepi32_ps(v)
#define MULF(a, b) _mm256_mul_ps(a, b)
#define ADDF(a, b) _mm256_add_ps(a, b)
#define LOADF(p) _mm256_loadu_ps(p)
#define STOREF(p, v) _mm256_storeu_ps(p, v)
#define SET1_F(x) _mm256_set1_ps(x)
#define CLAMP(v, lo, hi) _mm256_min_ps(hi, _mm256_max_ps(lo, v))
#define NAME(f) avxvnni_##f
#define MR 6
#define NV 2
#include "kern/qgemm/vnni.inc"

const etch_qgemm_isa etch_qgemm__avxvnni = { "avxvnni", ETCH_CPU_AVXVNNI, NULL, &avxvnni_loops };
#endif
