// In: operands of one tile. Out: its sums. AVX-512 (F, BW, DQ, VL).
#include "kern/fgemm/fgemm.h"

#if defined(__x86_64__)
#include <immintrin.h>
#include <math.h>
#include <string.h>

#include "kern/fgemm/rows.h"

// Without optimisation (make test-asan) gcc's scatters are macros that turn their mask, 0xffff, into a short.
#pragma GCC diagnostic ignored "-Wsign-conversion"

#define VL 16
#define NV 2
#define MR 14
#define FMA(acc, x, y) ((avx512_vec)_mm512_fmadd_ps((__m512)(x), (__m512)(y), (__m512)(acc)))
#define NAME(f) avx512_##f

static inline __attribute__((always_inline)) __m512 load_weights(etch_fgemm_type type, const void *w, size_t at)
{
    switch (type) {
    case ETCH_FGEMM_F16: return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)(const void *)((const uint16_t *)w + at)));
    case ETCH_FGEMM_BF16:
        return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)(const void *)((const uint16_t *)w + at))), 16));
    case ETCH_FGEMM_I8: return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128((const __m128i *)(const void *)((const int8_t *)w + at))));
    default: return _mm512_loadu_ps((const float *)w + at);
    }
}
#define LOAD(type, w, at) ((avx512_vec)load_weights(type, w, at))
#include "kern/fgemm/tile.inc"

// Sixteen positions of a row at a time, written MR apart.
static void avx512_pack_rows(const float *const *rows, size_t k, float *out)
{
    const __m512i step = _mm512_mullo_epi32(_mm512_set1_epi32(MR), _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15));
    for (int i = 0; i < MR; i++) {
        size_t p = 0;
        for (; p + 16 <= k; p += 16) _mm512_i32scatter_ps(out + p * MR + i, step, _mm512_loadu_ps(rows[i] + p), 4);
        for (; p < k; p++) out[p * MR + (size_t)i] = rows[i][p];
    }
}

static void avx512_pack_columns(etch_fgemm_type type, const void *w, size_t ldw, size_t n, size_t k, float *out)
{
    const __m512i step = _mm512_mullo_epi32(_mm512_set1_epi32(NR), _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15));
    if (n < NR) memset(out, 0, sizeof *out * k * NR);
    for (size_t j = 0; j < n; j++) {
        size_t p = 0;
        for (; p + 16 <= k; p += 16) _mm512_i32scatter_ps(out + p * NR + j, step, load_weights(type, w, j * ldw + p), 4);
        for (; p < k; p++) out[p * NR + j] = avx512_one(type, w, j * ldw + p);
    }
}

const etch_fgemm_kernels etch_fgemm__avx512 = { "avx512", ETCH_CPU_AVX512, MR, NR, avx512_tile, avx512_pack_rows, avx512_pack_columns, avx512_dots };
#endif
