// In: columns of weights and rows of activations. Out: their product. AVX-VNNI: four products of bytes a lane, 256 bits.
#include "kern/qblock/qblock.h"

#if defined(__x86_64__)
#include <immintrin.h>

#include "kern/qblock/rows.h"

#define SUMS(pair) (((pair) >> 16) + (int16_t)(pair))
#define START(v) (v)
#define DOT(acc, u, x) _mm256_dpbusd_avx_epi32(acc, u, x)
#define END(acc) (acc)
#define NAME(f) avxvnni_##f
#define MR 4
#define NV 2
#include "kern/qblock/x86_256.inc"
#include "kern/qblock/x86_tile.inc"

const etch_qblock_isa etch_qblock__avxvnni = { "avxvnni", ETCH_CPU_AVXVNNI, MR, NR, avxvnni_scales, avxvnni_z_sums, avxvnni_one_row,
                                               avxvnni_panel, avxvnni_set_x, avxvnni_tile, NULL };
#endif
