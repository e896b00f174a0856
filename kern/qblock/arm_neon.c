// In: columns of weights and rows of activations. Out: their product. AArch64 without dot products: 16-bit products, added in pairs.
#include "kern/qblock/qblock.h"

#if defined(__aarch64__)
#include <arm_neon.h>

#include "kern/qblock/rows.h"

// acc[c] += w[4c ... 4c + 3] . x[4 lane ... 4 lane + 3] for four columns c.
#define DOT(acc, w, x, lane) \
    vpadalq_s16(acc, vpaddq_s16(vmull_s8(vget_low_s8(w), FOUR(x, lane)), vmull_s8(vget_high_s8(w), FOUR(x, lane))))
#define FOUR(x, lane) vreinterpret_s8_s32(vdup_laneq_s32(vreinterpretq_s32_s8(x), lane))
#define NAME(f) neon_##f
#include "kern/qblock/arm.inc"

const etch_qblock_isa etch_qblock__neon = { "neon", ETCH_CPU_NEON, MR, NR, neon_scales, neon_z_sums, neon_one_row, neon_panel, neon_set_x,
                                            neon_tile, NULL };
#endif
