// In: columns of weights and rows of activations. Out: their product. AVX512-VNNI: four products of bytes a lane, 512 bits. The
// weights of one row are asked for as AMD's processors (Zen 5) read them fastest.
#include "kern/qblock/qblock.h"

#if defined(__x86_64__)
#include <immintrin.h>

#include "kern/qblock/rows.h"

#define NAME(f) avx512vnni_amd_##f
#define IS_ONCE 1
#include "kern/qblock/x86_512vnni.inc"

const etch_qblock_isa etch_qblock__avx512vnni_amd = {
    "avx512vnni_amd", ETCH_CPU_AVX512VNNI | ETCH_CPU_AMD, MR, NR, avx512vnni_amd_scales, avx512vnni_amd_z_sums, avx512vnni_amd_one_row,
    avx512vnni_amd_panel, avx512vnni_amd_set_x, avx512vnni_amd_tile, NULL,
};
#endif
