// In: a matrix. Out: the same turned, 8 x 8 elements in registers at a time. AVX2.
#include "kern/transpose/transpose.h"

#if defined(__x86_64__)
#include "kern/simd/avx2.h"
#include "kern/transpose/rows.h"

#define SIDE 8
static inline void turn(const uint32_t *from, size_t ldf, uint32_t *to, size_t ldt)
{
    __m256 r[8];
    for (size_t i = 0; i < 8; i++) r[i] = _mm256_loadu_ps((const float *)(const void *)(from + i * ldf));
    etch_avx2_transpose(r);
    for (size_t i = 0; i < 8; i++) _mm256_storeu_ps((float *)(void *)(to + i * ldt), r[i]);
}
static inline void turn_half(const uint32_t *from, size_t ldf, size_t rows, uint32_t *to, size_t ldt)
{
    __m256 r[8];
    for (size_t i = 0; i < 8; i++) r[i] = i < rows ? _mm256_loadu_ps((const float *)(const void *)(from + i * ldf)) : _mm256_setzero_ps();
    etch_avx2_transpose(r);
    for (size_t i = 0; i < 8; i++) _mm_storeu_ps((float *)(void *)(to + i * ldt), _mm256_castps256_ps128(r[i]));
}
#define BLOCK turn
#define HALF turn_half
#define NAME(f) avx2_##f
#include "kern/transpose/blocks.inc"

const etch_transpose_kernels etch_transpose__avx2 = { "avx2", ETCH_CPU_AVX2, avx2_run };
#endif
