// In: rows of activations and weights. Out: their sums of products. AVX-VNNI: four products of bytes a lane, 256 bits.
#include "kern/qgemm/qgemm.h"

#if defined(__x86_64__)
#include <immintrin.h>

#include "kern/qgemm/rows.h"

#define NAME(f) avxvnni_##f
#include "kern/simd/bytes_256.inc"

#define SUB(a, b) _mm256_sub_epi32(a, b)
#define MULLO(a, b) _mm256_mullo_epi32(a, b)
#define FOLD(v) _mm_add_epi32(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1))
#define DOT(acc, u, x) _mm256_dpbusd_avx_epi32(acc, u, x)
#define ADDF(a, b) _mm256_add_ps(a, b)
#define MR 6
#define NV 2
#include "kern/qgemm/vnni.inc"

static const etch_qgemm_bytes loops = LOOPS;
const etch_qgemm_isa etch_qgemm__avxvnni = { "avxvnni", ETCH_CPU_AVXVNNI, NULL, &loops, NULL };
#endif
