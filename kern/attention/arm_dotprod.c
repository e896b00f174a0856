// In: rows. Out: scores, softmax, sums. AArch64 with dot products: as NEON, but four products of bytes a lane, signed ones.
#include "kern/attention/attention.h"

#if defined(__aarch64__)
#include <arm_neon.h>

#include "kern/attention/rows.h"

static inline uint32x4_t dot4(uint32x4_t acc, uint32x4_t x, uint32x4_t b)
{
    int8x16_t level = vreinterpretq_s8_u32(veorq_u32(x, vdupq_n_u32(0x80808080)));
    return vreinterpretq_u32_s32(vdotq_s32(vreinterpretq_s32_u32(acc), level, vreinterpretq_s8_u32(b)));
}

#define NAME(f) dotprod_##f
#define BIAS 0
#define DOT4(acc, x, b) ((BITS)dot4((uint32x4_t)(acc), (uint32x4_t)(x), (uint32x4_t)(b)))
#include "kern/attention/arm.inc"

const etch_attention_isa etch_attention__dotprod = { "dotprod", ETCH_CPU_DOTPROD, dotprod_soften, dotprod_join, dotprod_loops, LANE_ROW };
#endif
