// In: columns of weights and rows of activations. Out: their product. AMX-INT8: 16 rows by 16 columns of sums in a tile.
//
// A group's sums leave their tile through memory to be scaled. Multiplying, storing and scaling each go on two groups after the one before,
// so that none waits for another: a tile is not renamed, and a row that was stored from a tile is not forwarded to a load.
#include "kern/qblock/qblock.h"

#if defined(ETCH_HAS_AMX)
#include <immintrin.h>

#include "kern/qblock/rows.h"

#define SUMS(pair) (((pair) >> 16) + (int16_t)(pair))
#define START(v) (v)
#define DOT(acc, u, x) _mm512_dpbusd_epi32(acc, u, x)
#define END(acc) (acc)
#define ADD_PAIRS(acc, v) _mm512_dpwssd_epi32(acc, v, _mm512_set1_epi16(1))
#define NAME(f) amx_##f
#define NV 3
#include "kern/qblock/x86_512.inc"

#define MR 16
#define UNROLLED _Pragma("GCC unroll 16")   // else results leave their registers
#define BLOCK (VL * ETCH_QBLOCK)   // bytes of 32 columns of 16 rows of activations, and of 32 rows of 16 columns of weights
#define RING 4                     // groups between multiplying and scaling; tiles of sums

// Tiles 0 to 3: sums, 4 and 5: activations, 6 and 7: weights.
static const struct { uint8_t palette, start, none[14]; uint16_t bytes[16]; uint8_t rows[16]; } shapes = {
    .palette = 1,
    .bytes = { 64, 64, 64, 64, ETCH_QBLOCK, ETCH_QBLOCK, 64, 64 },
    .rows = { MR, MR, MR, MR, MR, MR, ETCH_QBLOCK / 4, ETCH_QBLOCK / 4 },
};

static void amx_begin(void) { _tile_loadconfig(&shapes); }
static void amx_end(void) { _tile_release(); }

// [NV, k / 4, VL, 4] signed bytes, one nibble less 8 each.
static void amx_panel(const uint8_t *w, size_t k, uint8_t *out)
{
    const VI low = SET1_8(15), eight = SET1_8(8);
    size_t ld = k / 2;
    for (size_t v = 0; v < NV; v++, w += VL * ld)
        for (size_t p = 0; p < ld; p += ETCH_QBLOCK / 2, out += BLOCK) {
            VI t[4];
            amx_turn(w + p, ld, t);
            for (size_t d = 0; d < 4; d++) {
                STORE(out + 128 * d, _mm512_sub_epi8(AND(t[d], low), eight));
                STORE(out + 128 * d + 64, _mm512_sub_epi8(AND(SRL4(t[d]), low), eight));
            }
        }
}

// A group's sums begin and end; go to memory; are scaled.
#define MULTIPLY(SUM, X, W)                                                \
    do {                                                                   \
        _tile_zero(SUM);                                                   \
        for (const int8_t *e = x + bytes; x < e; x += BLOCK, w += BLOCK) { \
            _tile_loadd(X, x, ETCH_QBLOCK);                                \
            _tile_loadd(W, w, 4 * VL);                                     \
            _tile_dpbssd(SUM, X, W);                                       \
        }                                                                  \
        if (x == last) x = q;                                              \
    } while (0)
#define PUT(SUM) _tile_stored(SUM, sums[SUM], 4 * VL)
#define SCALE(SUM)                                                                                    \
    do {                                                                                              \
        VF by = LOADF(ws);                                                                            \
        UNROLLED for (int r = 0; r < rows; r++) f[r] = FMA(TO_F(LOAD(sums[SUM] + r * VL)), by, f[r]); \
        ws += NR;                                                                                     \
        if (ws >= c->scale + groups * NR) {                                                           \
            UNROLLED for (int i = 0; i < rows; i++) {                                                 \
                if (i == m) break;                                                                    \
                VF r = FMA(f[i], SET1_F(scale[i]), LOADF(c->bias + v));                               \
                STOREF(out + (size_t)i * ldo + v, CLAMP(r, SET1_F(c->lo), SET1_F(c->hi)));            \
            }                                                                                         \
            v += VL;                                                                                  \
            BEGIN;                                                                                    \
        }                                                                                             \
    } while (0)
#define BEGIN                                                                                                   \
    do {                                                                                                        \
        VF z = LOADF(c->z_sum + (v < NR ? v : 0));                                                              \
        UNROLLED for (int i = 0; i < rows; i++) f[i] = MUL(z, SET1_F(zero[i < m ? i : m - 1]));                 \
        UNROLLED for (int i = 0; i < rows; i++) __builtin_prefetch(out + (size_t)(i < m ? i : 0) * ldo + v, 1); \
        ws = c->scale + v;                                                                                      \
    } while (0)
// Group s + i is multiplied, the one two before put, the one four before scaled; at the ends those that there are.
#define STEP(SUM, X, W, DONE) \
    do {                      \
        MULTIPLY(SUM, X, W);  \
        PUT(DONE);            \
        SCALE(SUM);           \
    } while (0)
#define STEP_AT_END(i, SUM, X, W, DONE)         \
    do {                                        \
        if (s + (i) < all) MULTIPLY(SUM, X, W); \
        if (s + (i) - 2 < all) PUT(DONE);       \
        if (s + (i) - RING < all) SCALE(SUM);   \
    } while (0)

// `rows` is m or up to seven more: rows that nobody reads. Groups of one VL of columns follow those of another without a pause.
static inline __attribute__((always_inline)) void amx_tile_of(const int rows, int m, const etch_qblock_cols *c, const uint8_t *w,
                                                              const int8_t *q, const float *scale, const float *zero, float *out,
                                                              size_t ldo)
{
    _Alignas(64) int32_t sums[RING][MR * VL];
    const size_t groups = c->k / c->group, all = NV * groups, bytes = c->group * MR;
    const int8_t *x = q, *last = q + c->k * MR;
    const float *ws;
    VF f[MR];
    size_t v = 0, s = 0;
    BEGIN;
    MULTIPLY(0, 4, 6);
    MULTIPLY(1, 5, 7);
    MULTIPLY(2, 4, 6);
    PUT(0);
    if (all > 3) MULTIPLY(3, 5, 7);
    PUT(1);
    for (s = RING; s + RING <= all; s += RING) {
        STEP(0, 4, 6, 2);
        STEP(1, 5, 7, 3);
        STEP(2, 4, 6, 0);
        STEP(3, 5, 7, 1);
    }
    for (; s < all + RING; s += RING) {
        STEP_AT_END(0, 0, 4, 6, 2);
        STEP_AT_END(1, 1, 5, 7, 3);
        STEP_AT_END(2, 2, 4, 6, 0);
        STEP_AT_END(3, 3, 5, 7, 1);
    }
}

static void amx_tile(int m, const etch_qblock_cols *c, const uint8_t *panel, const int8_t *q, const int32_t *sums, const float *scale,
                     const float *zero, float *out, size_t ldo)
{
    (void)sums;
    if (m > 8) amx_tile_of(16, m, c, panel, q, scale, zero, out, ldo);
    else if (m > 4) amx_tile_of(8, m, c, panel, q, scale, zero, out, ldo);
    else amx_tile_of(4, m, c, panel, q, scale, zero, out, ldo);
}

// Up to 31 rows are as fast or faster with AVX512-VNNI (docs/SPEED.md).
static const etch_qblock_many amx_many = { 32, &etch_qblock__avx512vnni, amx_begin, amx_end };
const etch_qblock_isa etch_qblock__amx = { "amx", ETCH_CPU_AMXINT8 | ETCH_CPU_AVX512VNNI, MR, NR, amx_scales, amx_z_sums, amx_one_row,
                                           amx_panel, amx_set_x, amx_tile, &amx_many };
#endif
