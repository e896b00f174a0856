// In: many rows of activations and weights. Out: their sums of products. AMX-INT8: 32 rows by 32 columns of sums in four tiles; the loops
// for few rows and what lays out weights and activations are those of AVX512-VNNI.
#include "kern/qgemm/qgemm.h"

#if defined(ETCH_HAS_AMX)
#include <immintrin.h>

#include "kern/qgemm/rows.h"

#define NR ETCH_QGEMM_BYTES_NR
#define MR ETCH_QGEMM_MANY_MR
#define K 64   // columns of a tile of activations, four times the rows of one of weights

// Tiles 0 to 3: sums, 4 and 5: activations, 6 and 7: weights.
static const struct { uint8_t palette, start, none[14]; uint16_t bytes[16]; uint8_t rows[16]; } shapes = {
    .palette = 1,
    .bytes = { K, K, K, K, K, K, K, K },
    .rows = { 16, 16, 16, 16, 16, 16, 16, 16 },
};

static void begin(void) { _tile_loadconfig(&shapes); }
static void end(void) { _tile_release(); }

// 16 rows, or 32. Each tile of sums takes turns, so that no product waits for the one before.
static void multiply(int m, const uint8_t *x, size_t ldx, size_t k, const int8_t *w, int32_t *out)
{
    const size_t row = 4 * NR;   // of weights and sums, bytes
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
    for (size_t p = 0; p < k; p += K, x += K, w += K * NR) {
        _tile_loadd(4, x, ldx);
        _tile_loadd(6, w, row);
        _tile_dpbusd(0, 4, 6);
        _tile_loadd(7, w + K, row);
        _tile_dpbusd(1, 4, 7);
        if (m <= 16) continue;
        _tile_loadd(5, x + 16 * ldx, ldx);
        _tile_dpbusd(2, 5, 6);
        _tile_dpbusd(3, 5, 7);
    }
    _tile_stored(0, out, row);
    _tile_stored(1, out + 16, row);
    if (m <= 16) return;
    _tile_stored(2, out + 16 * NR, row);
    _tile_stored(3, out + 16 * NR + 16, row);
}

static void tile(int m, const uint8_t *x, size_t ldx, size_t k, const int8_t *panel, const int32_t *sums, const int32_t *zero,
                 const int32_t *add, const etch_qgemm_end *e, void *out, size_t ldo)
{
    _Alignas(64) int32_t all[MR * NR];
    multiply(m, x, ldx, k, panel, all);
    const __m512i sum[2] = { _mm512_loadu_si512(sums), _mm512_loadu_si512(sums + 16) };
    const __m512 ws[2] = { _mm512_loadu_ps(e->w_scale), _mm512_loadu_ps(e->w_scale + 16) };
    const __m512 bias[2] = { _mm512_loadu_ps(e->bias), _mm512_loadu_ps(e->bias + 16) };
    const __m512 lo = _mm512_set1_ps(e->lo), hi = _mm512_set1_ps(e->hi);
    for (int i = 0; i < m; i++)   // row by row: the two lines of a result are neighbours, which memory gives together
        for (int v = 0; v < 2; v++) {
            __m512i s = _mm512_sub_epi32(_mm512_set1_epi32(add[i]), _mm512_mullo_epi32(sum[v], _mm512_set1_epi32(zero[i])));
            s = _mm512_add_epi32(s, _mm512_load_si512(all + i * NR + 16 * v));
            size_t at = (size_t)i * ldo + 16 * (size_t)v;
            if (!e->is_float) {
                _mm512_storeu_si512((int32_t *)out + at, s);
                continue;
            }
            __m512 f = _mm512_mul_ps(_mm512_mul_ps(_mm512_cvtepi32_ps(s), _mm512_set1_ps(e->x_scale[i])), ws[v]);
            f = _mm512_add_ps(f, bias[v]);
            _mm512_storeu_ps((float *)out + at, _mm512_min_ps(hi, _mm512_max_ps(lo, f)));
        }
}

static const etch_qgemm_many many = { 16, begin, end, tile };
const etch_qgemm_isa etch_qgemm__amx = { "amx", ETCH_CPU_AMXINT8 | ETCH_CPU_AVX512VNNI, NULL, &etch_qgemm__avx512vnni_loops, &many };
#endif
