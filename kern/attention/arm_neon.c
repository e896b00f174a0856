// In: rows. Out: scores, softmax, sums. AArch64.
#include "kern/attention/attention.h"

#if defined(__aarch64__)
#include <arm_neon.h>

#include "kern/attention/rows.h"

static inline uint32x4_t pairs(uint32x4_t a, uint32x4_t b)
{
    int16x8_t x = vreinterpretq_s16_u32(a), y = vreinterpretq_s16_u32(b);
    return vreinterpretq_u32_s32(vpaddq_s32(vmull_s16(vget_low_s16(x), vget_low_s16(y)), vmull_high_s16(x, y)));
}

#define NAME(f) neon_##f
#define PAIRS(x, b) ((BITS)pairs((uint32x4_t)(x), (uint32x4_t)(b)))
#include "kern/attention/arm.inc"

const etch_attention_isa etch_attention__neon = { "neon", ETCH_CPU_NEON, neon_soften, neon_join, neon_loops, LANE_ROW };
#endif
