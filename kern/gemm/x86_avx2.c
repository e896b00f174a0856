// In: operands of one tile. Out: its sums. AVX2 + FMA.
#include "kern/gemm/gemm.h"

#if defined(__x86_64__)
#include <immintrin.h>

#include "kern/gemm/rows.h"

#define VL 8
#define NV 2
#define MR 6
#define FMA(acc, x, y) ((avx2_vec)_mm256_fmadd_ps((__m256)(x), (__m256)(y), (__m256)(acc)))
#define NAME(f) avx2_##f
#include "kern/gemm/tile.inc"

static inline int32_t sum_lanes(__m256i v)
{
    __m128i s = _mm_add_epi32(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1));
    s = _mm_add_epi32(s, _mm_shuffle_epi32(s, 0x4e));
    s = _mm_add_epi32(s, _mm_shuffle_epi32(s, 0xb1));
    return _mm_cvtsi128_si32(s);
}

static inline __attribute__((always_inline)) void idot_m(const int m, const int16_t *x, size_t ldx, const int8_t *w, size_t ldw, size_t k,
                                                         int32_t out[2][4])
{
    __m256i s[2][4];
    for (int i = 0; i < m; i++)
        for (int r = 0; r < 4; r++) s[i][r] = _mm256_setzero_si256();
    size_t p = 0;
    for (; p + 16 <= k; p += 16) {
        __m256i wr[4];
        for (int r = 0; r < 4; r++) wr[r] = _mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *)(w + (size_t)r * ldw + p)));
        for (int i = 0; i < m; i++) {
            __m256i xi = _mm256_loadu_si256((const __m256i *)(x + (size_t)i * ldx + p));
            for (int r = 0; r < 4; r++) s[i][r] = _mm256_add_epi32(s[i][r], _mm256_madd_epi16(xi, wr[r]));
        }
    }
    for (int i = 0; i < m; i++)
        for (int r = 0; r < 4; r++) {
            int32_t t = sum_lanes(s[i][r]);
            for (size_t q = p; q < k; q++) t += x[(size_t)i * ldx + q] * w[(size_t)r * ldw + q];
            out[i][r] = t;
        }
}

static void avx2_idot4(int m, const int16_t *x, size_t ldx, const int8_t *w, size_t ldw, size_t k, int32_t out[2][4])
{
    if (m == 1) idot_m(1, x, ldx, w, ldw, k, out);
    else idot_m(2, x, ldx, w, ldw, k, out);
}

// 16 bytes (32 columns) a step; lanes keep float partial sums, added up at the end.
static float avx2_qb4dot(const int16_t *xe, const int16_t *xo, const uint8_t *w, const uint16_t *scales, size_t group, size_t n_groups)
{
    size_t half = group / 2;
    __m256 sum = _mm256_setzero_ps();
    const __m128i low = _mm_set1_epi8(15), eight = _mm_set1_epi8(8);
    for (size_t b = 0; b < n_groups; b++, xe += half, xo += half, w += half) {
        __m256i s = _mm256_setzero_si256();
        for (size_t j = 0; j < half; j += 16) {
            __m128i bytes = _mm_loadu_si128((const __m128i *)(w + j));
            __m256i lo = _mm256_cvtepi8_epi16(_mm_sub_epi8(_mm_and_si128(bytes, low), eight));
            __m256i hi = _mm256_cvtepi8_epi16(_mm_sub_epi8(_mm_and_si128(_mm_srli_epi16(bytes, 4), low), eight));
            s = _mm256_add_epi32(s, _mm256_madd_epi16(lo, _mm256_loadu_si256((const __m256i *)(xe + j))));
            s = _mm256_add_epi32(s, _mm256_madd_epi16(hi, _mm256_loadu_si256((const __m256i *)(xo + j))));
        }
        uint32_t bits = (uint32_t)scales[b] << 16;
        float scale;
        __builtin_memcpy(&scale, &bits, 4);
        sum = _mm256_fmadd_ps(_mm256_cvtepi32_ps(s), _mm256_set1_ps(scale), sum);
    }
    float t = 0;
    for (int j = 0; j < 8; j++) t += ((avx2_vec)sum)[j];
    return t;
}

const etch_gemm_kernels etch_gemm__avx2 = { "avx2", ETCH_CPU_AVX2, MR, VL * NV, avx2_tile, avx2_dot4, avx2_idot4, avx2_qb4dot };
#endif
