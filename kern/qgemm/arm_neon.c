// In: rows of activations and weights. Out: their sums of products. AArch64.
#include "kern/qgemm/qgemm.h"

#if defined(__aarch64__)
#include <arm_neon.h>

#include "kern/qgemm/rows.h"

#define VL 8
#define VI int32x4_t
#define ZERO vdupq_n_s32(0)
#define NR ETCH_QGEMM_NR
#define NAME(f) neon_##f
#include "kern/qgemm/x.inc"

static inline int32x4_t madd(int32x4_t acc, int16x8_t a, int16x8_t b)
{
    return vmlal_high_s16(vmlal_s16(acc, vget_low_s16(a), vget_low_s16(b)), a, b);
}

static void neon_one_row(const int16_t *x, const int8_t *w, size_t ldw, size_t k, int32_t *out)
{
    for (int r = 0; r < NR; r++, w += ldw) {
        int32x4_t s = ZERO;
        size_t p = 0;
        for (; p + VL <= k; p += VL) s = madd(s, vld1q_s16(x + p), vmovl_s8(vld1_s8(w + p)));
        int32_t t = vaddvq_s32(s);
        for (; p < k; p++) t += x[p] * w[p];
        out[r] = t;
    }
}

static void neon_tile(int m, const int16_t *x, size_t ldx, const int16_t *w, size_t ldw, size_t k, int32_t *out)
{
    for (int i = 0; i < m; i++, x += ldx, out += NR) {
        int32x4_t s[NR] = { ZERO, ZERO, ZERO, ZERO };
        size_t p = 0;
        for (; p + VL <= k; p += VL)
            for (size_t r = 0; r < NR; r++) s[r] = madd(s[r], vld1q_s16(x + p), vld1q_s16(w + r * ldw + p));
        for (size_t r = 0; r < NR; r++) {
            out[r] = vaddvq_s32(s[r]);
            for (size_t q = p; q < k; q++) out[r] += x[q] * w[r * ldw + q];
        }
    }
}

static const etch_qgemm_wide neon_loops = { neon_set_x, neon_set_w, neon_one_row, neon_tile };
const etch_qgemm_isa etch_qgemm__neon = { "neon", ETCH_CPU_NEON, &neon_loops, NULL, NULL };
#endif
