// In: columns of weights and rows of activations. Out: their product. AVX512 F, BW, DQ, VL: as AVX2, twice as wide.
#include "kern/qblock/qblock.h"

#if defined(__x86_64__)
#include <immintrin.h>

#include "kern/qblock/rows.h"

// Ranges: see x86_avx2.c.
#define SUMS(pair) (pair)
#define START(v) _mm512_madd_epi16(v, _mm512_set1_epi16(1))
#define DOT(acc, u, x) _mm512_add_epi16(acc, _mm512_maddubs_epi16(u, x))
#define END(acc) _mm512_madd_epi16(acc, _mm512_set1_epi16(1))
#define NAME(f) avx512_##f
#define MR 4
#define NV 3
#include "kern/qblock/x86_512.inc"
#include "kern/qblock/x86_tile.inc"

const etch_qblock_isa etch_qblock__avx512 = { "avx512", ETCH_CPU_AVX512, MR, NR, avx512_scales, avx512_z_sums, avx512_one_row, avx512_panel,
                                              avx512_set_x, avx512_tile, NULL };
#endif
