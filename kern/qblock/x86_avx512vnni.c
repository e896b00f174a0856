// In: columns of weights and rows of activations. Out: their product. AVX512-VNNI: four products of bytes a lane, 512 bits.
#include "kern/qblock/qblock.h"

#if defined(__x86_64__)
#include <immintrin.h>

#include "kern/qblock/rows.h"

#define NAME(f) avx512vnni_##f
#include "kern/qblock/x86_512vnni.inc"

const etch_qblock_isa etch_qblock__avx512vnni = { "avx512vnni", ETCH_CPU_AVX512VNNI, MR, NR, avx512vnni_scales, avx512vnni_z_sums,
                                                  avx512vnni_one_row, avx512vnni_panel, avx512vnni_set_x, avx512vnni_tile, NULL };
#endif
