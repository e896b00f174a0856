// In: operands of one tile. Out: its sums. NEON (every 64-bit ARM has it): 24 sums, 3 weights and 2 broadcasts in 32 registers.
#include "kern/fgemm/fgemm.h"

#if defined(__aarch64__)
#include <arm_neon.h>
#include <math.h>
#include <string.h>

#include "kern/fgemm/rows.h"

#define VL 4
#define NV 3
#define MR 8
#define FMA(acc, x, y) ((neon_vec)vfmaq_f32((float32x4_t)(acc), (float32x4_t)(x), (float32x4_t)(y)))
#define NAME(f) neon_##f

static inline __attribute__((always_inline)) float32x4_t load_weights(etch_fgemm_type type, const void *w, size_t at)
{
    switch (type) {
    case ETCH_FGEMM_F16: return vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16((const uint16_t *)w + at)));
    case ETCH_FGEMM_BF16: return vreinterpretq_f32_u32(vshll_n_u16(vld1_u16((const uint16_t *)w + at), 16));
    case ETCH_FGEMM_I8: {
        int32_t four;
        memcpy(&four, (const int8_t *)w + at, 4);
        return vcvtq_f32_s32(vmovl_s16(vget_low_s16(vmovl_s8(vreinterpret_s8_s32(vdup_n_s32(four))))));
    }
    default: return vld1q_f32((const float *)w + at);
    }
}
#define LOAD(type, w, at) ((neon_vec)load_weights(type, w, at))
#include "kern/fgemm/tile.inc"

// Four rows by four columns, turned.
static inline void transpose4(float32x4_t r[4])
{
    float32x4_t a = vtrn1q_f32(r[0], r[1]), b = vtrn2q_f32(r[0], r[1]), c = vtrn1q_f32(r[2], r[3]), d = vtrn2q_f32(r[2], r[3]);
    r[0] = vcombine_f32(vget_low_f32(a), vget_low_f32(c));
    r[1] = vcombine_f32(vget_low_f32(b), vget_low_f32(d));
    r[2] = vcombine_f32(vget_high_f32(a), vget_high_f32(c));
    r[3] = vcombine_f32(vget_high_f32(b), vget_high_f32(d));
}

static void neon_pack_rows(const float *const *rows, size_t k, float *out)
{
    size_t p = 0;
    for (; p + 4 <= k; p += 4)
        for (size_t i = 0; i < MR; i += 4) {
            float32x4_t r[4];
            for (size_t t = 0; t < 4; t++) r[t] = vld1q_f32(rows[i + t] + p);
            transpose4(r);
            for (size_t t = 0; t < 4; t++) vst1q_f32(out + (p + t) * MR + i, r[t]);
        }
    for (; p < k; p++)
        for (size_t i = 0; i < MR; i++) out[p * MR + i] = rows[i][p];
}

static void neon_pack_columns(etch_fgemm_type type, const void *w, size_t ldw, size_t n, size_t k, float *out)
{
    if (n < NR) memset(out, 0, sizeof *out * k * NR);
    size_t j = 0;
    for (; j + 4 <= n; j += 4) {
        size_t p = 0;
        for (; p + 4 <= k; p += 4) {
            float32x4_t r[4];
            for (size_t t = 0; t < 4; t++) r[t] = load_weights(type, w, (j + t) * ldw + p);
            transpose4(r);
            for (size_t t = 0; t < 4; t++) vst1q_f32(out + (p + t) * NR + j, r[t]);
        }
        for (; p < k; p++)
            for (size_t t = 0; t < 4; t++) out[p * NR + j + t] = neon_one(type, w, (j + t) * ldw + p);
    }
    for (; j < n; j++)
        for (size_t p = 0; p < k; p++) out[p * NR + j] = neon_one(type, w, j * ldw + p);
}

const etch_fgemm_kernels etch_fgemm__neon = { "neon", ETCH_CPU_NEON, MR, NR, 256, neon_tile, neon_pack_rows, neon_pack_columns, neon_dots,
                                              0, NULL, NULL, NULL, NULL };
#endif
