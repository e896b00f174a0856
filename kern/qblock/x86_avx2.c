// In: columns of weights and rows of activations. Out: their product. AVX2 + FMA: products of bytes in pairs, 16-bit sums over a block.
#include "kern/qblock/qblock.h"

#if defined(__x86_64__)
#include <immintrin.h>

#include "kern/qblock/rows.h"

// A lane of 16 bits sums 16 products (nibble - 8) * x: at most 16 * 8 * 128 < 2^15. On the way there it may wrap, which does no harm.
#define SUMS(pair) (pair)
#define START(v) _mm256_madd_epi16(v, _mm256_set1_epi16(1))
#define DOT(acc, u, x) _mm256_add_epi16(acc, _mm256_maddubs_epi16(u, x))
#define END(acc) _mm256_madd_epi16(acc, _mm256_set1_epi16(1))
#define NAME(f) avx2_##f
#define MR 4
#define NV 2
#include "kern/qblock/x86_256.inc"
#include "kern/qblock/x86_tile.inc"

const etch_qblock_isa etch_qblock__avx2 = { "avx2", ETCH_CPU_AVX2, MR, NR, avx2_scales, avx2_z_sums, avx2_one_row, avx2_panel, avx2_set_x,
                                            avx2_tile, NULL };
#endif
