// In: operands of one tile. Out: its sums. AVX2, FMA and F16C.
#include "kern/fgemm/fgemm.h"

#if defined(__x86_64__)
#include <math.h>
#include <string.h>

#include "kern/fgemm/rows.h"
#include "kern/simd/avx2.h"

#define VL 8
#define NV 2
#define MR 6
#define FMA(acc, x, y) ((avx2_vec)_mm256_fmadd_ps((__m256)(x), (__m256)(y), (__m256)(acc)))
#define NAME(f) avx2_##f

static inline __attribute__((always_inline)) __m256 load_weights(etch_fgemm_type type, const void *w, size_t at)
{
    switch (type) {
    case ETCH_FGEMM_F16: return _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(const void *)((const uint16_t *)w + at)));
    case ETCH_FGEMM_BF16:
        return _mm256_castsi256_ps(
            _mm256_slli_epi32(_mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i *)(const void *)((const uint16_t *)w + at))), 16));
    case ETCH_FGEMM_I8:
        return _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64((const __m128i *)(const void *)((const int8_t *)w + at))));
    default: return _mm256_loadu_ps((const float *)w + at);
    }
}
#define LOAD(type, w, at) ((avx2_vec)load_weights(type, w, at))
#include "kern/fgemm/tile.inc"

// Six rows a transposition of eight; each store runs two floats into the next one's place.
static void avx2_pack_rows(const float *const *rows, size_t k, float *out)
{
    size_t p = 0;
    for (; p + 8 <= k; p += 8, out += 8 * MR) {
        __m256 r[8];
        for (int i = 0; i < MR; i++) r[i] = _mm256_loadu_ps(rows[i] + p);
        r[6] = r[7] = _mm256_setzero_ps();
        etch_avx2_transpose(r);
        for (int i = 0; i < 8; i++) _mm256_storeu_ps(out + i * MR, r[i]);
    }
    for (; p < k; p++, out += MR)
        for (int i = 0; i < MR; i++) out[i] = rows[i][p];
}

static inline __attribute__((always_inline)) void pack_columns(const etch_fgemm_type type, const void *w, size_t ldw, size_t n, size_t k,
                                                               float *out)
{
    if (n < NR) memset(out, 0, sizeof *out * k * NR);
    size_t j = 0;
    for (; j + 8 <= n; j += 8) {
        size_t p = 0;
        for (; p + 8 <= k; p += 8) {
            __m256 r[8];
            for (size_t i = 0; i < 8; i++) r[i] = load_weights(type, w, (j + i) * ldw + p);
            etch_avx2_transpose(r);
            for (size_t i = 0; i < 8; i++) _mm256_storeu_ps(out + (p + i) * NR + j, r[i]);
        }
        for (; p < k; p++)
            for (size_t i = 0; i < 8; i++) out[p * NR + j + i] = avx2_one(type, w, (j + i) * ldw + p);
    }
    for (; j < n; j++)
        for (size_t p = 0; p < k; p++) out[p * NR + j] = avx2_one(type, w, j * ldw + p);
}

static void avx2_pack_columns(etch_fgemm_type type, const void *w, size_t ldw, size_t n, size_t k, float *out)
{
    switch (type) {
    case ETCH_FGEMM_F16: pack_columns(ETCH_FGEMM_F16, w, ldw, n, k, out); break;
    case ETCH_FGEMM_BF16: pack_columns(ETCH_FGEMM_BF16, w, ldw, n, k, out); break;
    case ETCH_FGEMM_I8: pack_columns(ETCH_FGEMM_I8, w, ldw, n, k, out); break;
    default: pack_columns(ETCH_FGEMM_F32, w, ldw, n, k, out); break;
    }
}

const etch_fgemm_kernels etch_fgemm__avx2 = { "avx2", ETCH_CPU_AVX2, MR, NR, 256, avx2_tile, avx2_pack_rows, avx2_pack_columns, avx2_dots,
                                              0, NULL, NULL, NULL, NULL };
#endif
