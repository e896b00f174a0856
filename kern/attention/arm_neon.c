// In: rows. Out: scores, softmax, sums. AArch64.
#include "kern/attention/attention.h"

#if defined(__aarch64__)
#include <arm_neon.h>

#include "kern/attention/rows.h"

#define VL 4
#define QM 4
#define FV 4
#define NV 4
#define KM 4
#define RM 4
#define CV 4
#define FMA(acc, x, y) ((neon_vec)vfmaq_f32((float32x4_t)(acc), (float32x4_t)(x), (float32x4_t)(y)))
#define MAX(x, y) ((neon_vec)vmaxq_f32((float32x4_t)(x), (float32x4_t)(y)))   // of a number and a NaN: the NaN
#define BYTES(p) bytes(p)
#define HALVES(p) ((neon_vec)vcvt_f32_f16(vreinterpret_f16_u8(vld1_u8(p))))
#define TO_HALVES(v, p) vst1_u8(p, vreinterpret_u8_f16(vcvt_f16_f32((float32x4_t)(v))))
#define NAME(f) neon_##f
#include "kern/attention/vec.inc"

INLINE neon_vec bytes(const uint8_t *p)
{
    uint32_t four;
    __builtin_memcpy(&four, p, sizeof four);
    return (neon_vec)vcvtq_f32_s32(vmovl_s16(vget_low_s16(vmovl_s8(vreinterpret_s8_u32(vdup_n_u32(four))))));
}

#include "kern/attention/few.inc"
#include "kern/attention/many.inc"

const etch_attention_isa etch_attention__neon = { "neon", ETCH_CPU_NEON, neon_soften, neon_loops, LANE_ROW };
#endif
