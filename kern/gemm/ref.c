// In: operands of one tile. Out: its sums. Portable C; the vector type becomes whatever the compiler's base instruction set has.
#include "kern/gemm/gemm.h"

#include "base/num.h"
#include "kern/gemm/rows.h"

#define VL 4
#define NV 2
#define MR 4
#define FMA(acc, x, y) ((acc) + (x) * (y))
#define NAME(f) ref_##f
#include "kern/gemm/tile.inc"

static void ref_idot4(int m, const int16_t *x, size_t ldx, const int8_t *w, size_t ldw, size_t k, int32_t out[2][4])
{
    const int8_t *w0 = w, *w1 = w + ldw, *w2 = w + 2 * ldw, *w3 = w + 3 * ldw;
    for (int i = 0; i < m; i++) {
        const int16_t *xi = x + (size_t)i * ldx;
        int32_t s0 = 0, s1 = 0, s2 = 0, s3 = 0;
        for (size_t p = 0; p < k; p++) {
            s0 += xi[p] * w0[p];
            s1 += xi[p] * w1[p];
            s2 += xi[p] * w2[p];
            s3 += xi[p] * w3[p];
        }
        out[i][0] = s0;
        out[i][1] = s1;
        out[i][2] = s2;
        out[i][3] = s3;
    }
}

static float ref_qb4dot(const int16_t *xe, const int16_t *xo, const uint8_t *w, const uint16_t *scales, size_t group, size_t n_groups)
{
    size_t half = group / 2;
    float sum = 0;
    for (size_t b = 0; b < n_groups; b++, xe += half, xo += half, w += half) {
        int32_t s = 0;
        for (size_t j = 0; j < half; j++) s += xe[j] * ((w[j] & 15) - 8) + xo[j] * ((w[j] >> 4) - 8);
        sum += (float)s * etch_bf16_to_f32(scales[b]);
    }
    return sum;
}

const etch_gemm_kernels etch_gemm__ref = { "ref", 0, MR, VL * NV, ref_tile, ref_dot4, ref_idot4, ref_qb4dot };
