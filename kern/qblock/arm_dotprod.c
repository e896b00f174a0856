// In: columns of weights and rows of activations. Out: their product. AArch64 with dot products.
#include "kern/qblock/qblock.h"

#if defined(__aarch64__)
#include <arm_neon.h>

#include "kern/qblock/rows.h"

#define DOT(acc, w, x, lane) vdotq_laneq_s32(acc, w, x, lane)
#define NAME(f) dotprod_##f
#include "kern/qblock/arm.inc"

const etch_qblock_isa etch_qblock__dotprod = { "dotprod", ETCH_CPU_DOTPROD, MR, NR, dotprod_scales, dotprod_z_sums, dotprod_one_row,
                                               dotprod_panel, dotprod_set_x, dotprod_tile, NULL };
#endif
