// In: columns of weights and rows of activations. Out: the product, by the formula. What every other instruction set must equal bit by bit.
#include <math.h>
#include <string.h>

#include "base/num.h"
#include "kern/qblock/rows.h"

#define NR 8
#define MR 4

static inline int low(uint8_t b) { return (b & 15) - 8; }
static inline int high(uint8_t b) { return (b >> 4) - 8; }

static void ref_set_x(const int8_t *q, size_t k, int8_t *out, size_t step, int32_t *sums)
{
    for (size_t p = 0; p < k; p += ETCH_QBLOCK, q += ETCH_QBLOCK, out += step, sums++) {
        *sums = 0;
        for (int a = 0; a < ETCH_QBLOCK; a += 8)
            for (int b = 0; b < 4; b++) {
                out[a + b] = q[a + 2 * b];
                out[a + 4 + b] = q[a + 2 * b + 1];
                *sums -= 8 * (out[a + b] + out[a + 4 + b]);
            }
    }
}

static void ref_scales(const uint16_t *scale, size_t n_groups, float *out)
{
    for (size_t g = 0; g < n_groups; g++)
        for (size_t j = 0; j < NR; j++) out[g * NR + j] = etch_bf16_to_f32(scale[j * n_groups + g]);
}

static void ref_z_sums(const etch_qblock_cols *c, float *out)
{
    for (size_t j = 0; j < NR; j++) {
        const uint8_t *w = c->w + j * (c->k / 2);
        float f = 0;
        for (size_t g = 0; g < c->k / c->group; g++) {
            int s = 0;
            for (size_t p = 0; p < c->group / 2; p++, w++) s += low(*w) + high(*w);
            f -= (float)s * c->scale[g * NR + j];
        }
        out[j] = f;
    }
}

// Columns of x in the order of `q`: bytes 4a ... 4a + 3 of w meet q[8a ...] (low nibbles), q[8a + 4 ...] (high nibbles).
static float product(const etch_qblock_cols *c, size_t j, const int8_t *q, float scale, float zero)
{
    const uint8_t *w = c->w + j * (c->k / 2);
    float f = c->z_sum[j] * zero;
    for (size_t g = 0; g < c->k / c->group; g++) {
        int s = 0;
        for (size_t p = 0; p < c->group; p += 8, w += 4, q += 8)
            for (int i = 0; i < 4; i++) s += low(w[i]) * q[i] + high(w[i]) * q[4 + i];
        f = fmaf((float)s, c->scale[g * NR + j], f);
    }
    f = fmaf(f, scale, c->bias[j]);
    return f < c->lo ? c->lo : f > c->hi ? c->hi : f;
}

static void ref_one_row(const etch_qblock_cols *c, const int8_t *q, const int32_t *sums, float scale, float zero, float *out)
{
    (void)sums;
    for (size_t j = 0; j < NR; j++) out[j] = product(c, j, q, scale, zero);
}

static void ref_panel(const uint8_t *w, size_t k, uint8_t *out) { memcpy(out, w, NR * k / 2); }

static void ref_tile(int m, const etch_qblock_cols *c, const uint8_t *panel, const int8_t *q, const int32_t *sums, const float *scale,
                     const float *zero, float *out, size_t ldo)
{
    (void)panel;
    for (int i = 0; i < m; i++) ref_one_row(c, q + (size_t)i * c->k, sums, scale[i], zero[i], out + (size_t)i * ldo);
}

const etch_qblock_isa etch_qblock__ref = { "ref", 0, MR, NR, ref_scales, ref_z_sums, ref_one_row, ref_panel, ref_set_x, ref_tile, NULL };
