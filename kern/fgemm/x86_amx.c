// In: strips of numbers, each as three bf16. Out: sums of their products. AMX-BF16: 32 by 32 sums in four tiles.
//
// A strip, for every 32 numbers of k: three parts of two tiles, 16 rows of 64 bytes each. A row of a left tile is one of the strip's, its
// numbers p and p + 16 side by side; a row of a right tile holds the numbers p and p + 16 of sixteen of the strip's, which is what
// TDPBF16PS wants. It adds in fp32, rounds to nearest and takes what is smaller than 2^-126 as zero, whatever the mode of the thread
// (Intel SDM, vol. 2, TDPBF16PS).
#include "kern/fgemm/fgemm.h"

#if defined(ETCH_HAS_AMX)
#include <immintrin.h>

#include "kern/fgemm/rows.h"
#include "kern/simd/avx512.h"

#define ROWS ETCH_FGEMM_SPLIT_ROWS
#define STEP ETCH_FGEMM_SPLIT_STEP
#define BYTES ETCH_FGEMM_SPLIT_BYTES
#define TILE 1024
#define PART (2 * TILE)

// Tiles 0 to 3: sums, 4 and 5: left, 6 and 7: right.
static const struct { uint8_t palette, start, none[14]; uint16_t bytes[16]; uint8_t rows[16]; } shapes = {
    .palette = 1,
    .bytes = { 64, 64, 64, 64, 64, 64, 64, 64 },
    .rows = { 16, 16, 16, 16, 16, 16, 16, 16 },
};

static void begin(void) { _tile_loadconfig(&shapes); }
static void end(void) { _tile_release(); }

typedef struct { __m512i part[3]; } parts;

// The high halves of u over those of v, lane by lane.
static inline __attribute__((always_inline)) __m512i high_halves(__m512i u, __m512i v)
{
    return _mm512_mask_blend_epi16(0xaaaaaaaa, _mm512_srli_epi32(v, 16), u);
}

// x = part 0 + part 1 + part 2: each of the first two is what is left, rounded to 8 bits, so that 8 or fewer are left for the third.
static inline __attribute__((always_inline)) parts split(__m512 u, __m512 v)
{
    const __m512i half = _mm512_set1_epi32(0x8000), high = _mm512_set1_epi32((int)0xffff0000);
    parts y;
#pragma GCC unroll 2
    for (int i = 0; i < 2; i++) {
        __m512i ru = _mm512_add_epi32(_mm512_castps_si512(u), half), rv = _mm512_add_epi32(_mm512_castps_si512(v), half);
        y.part[i] = high_halves(ru, rv);
        u = _mm512_sub_ps(u, _mm512_castsi512_ps(_mm512_and_epi32(ru, high)));
        v = _mm512_sub_ps(v, _mm512_castsi512_ps(_mm512_and_epi32(rv, high)));
    }
    y.part[2] = high_halves(_mm512_castps_si512(u), _mm512_castps_si512(v));
    return y;
}

// Numbers [p, p + 32) of a row, zeros beyond k.
static inline __attribute__((always_inline)) parts split_at(const float *x, size_t p, size_t k)
{
    if (p + STEP <= k) return split(_mm512_loadu_ps(x + p), _mm512_loadu_ps(x + p + 16));
    uint32_t which = ((uint32_t)1 << (k - p)) - 1;
    return split(_mm512_maskz_loadu_ps((uint16_t)which, x + p), _mm512_maskz_loadu_ps((uint16_t)(which >> 16), x + p + 16));
}

// Up to `steps` of a left strip. The row after is asked for: it lies elsewhere.
static inline __attribute__((always_inline)) void go_on(etch_fgemm_strip *f, size_t steps)
{
    for (; steps && f->row < f->n; steps--) {
        const float *x = f->x + f->row * f->ldx;
        uint8_t *out = f->out + f->p / STEP * BYTES + f->row * 64;
        if (f->row + 1 < f->n) {
            _mm_prefetch((const char *)(x + f->ldx + f->p), _MM_HINT_T0);
            _mm_prefetch((const char *)(x + f->ldx + f->p + 16), _MM_HINT_T0);
        }
        parts y = split_at(x, f->p, f->k);
#pragma GCC unroll 3
        for (size_t s = 0; s < 3; s++) _mm512_store_si512(out + s * PART, y.part[s]);
        if ((f->p += STEP) < f->k) continue;
        f->p = 0;
        f->row++;
    }
}

static void left(etch_fgemm_strip *f)
{
    go_on(f, SIZE_MAX);
    for (size_t i = f->n; i % 16; i++)
        for (size_t p = 0; p < f->k; p += STEP)
            for (size_t s = 0; s < 3; s++) _mm512_store_si512(f->out + p / STEP * BYTES + s * PART + i * 64, _mm512_setzero_si512());
}

// Numbers [p, p + 16) of sixteen rows (n of them, the rest zeros), turned.
static inline __attribute__((always_inline)) void load_turned(const etch_fgemm_strip *f, size_t row, size_t p, __m512 r[16])
{
    const float *x = f->x + row * f->ldx + p;
    __mmask16 which = (__mmask16)(p + 16 <= f->k ? 0xffff : p < f->k ? (1u << (f->k - p)) - 1 : 0);
    if (row + 16 <= f->n && which == 0xffff) {
#pragma GCC unroll 16
        for (size_t i = 0; i < 16; i++) r[i] = _mm512_loadu_ps(x + i * f->ldx);
    } else {
#pragma GCC unroll 16
        for (size_t i = 0; i < 16; i++) r[i] = row + i < f->n ? _mm512_maskz_loadu_ps(which, x + i * f->ldx) : _mm512_setzero_ps();
    }
    etch_avx512_transpose(r);
}

static void right(const etch_fgemm_strip *f)
{
    uint8_t *out = f->out;
    for (size_t p = 0; p < f->k; p += STEP, out += BYTES)
        for (size_t t = 0; t < f->n; t += 16) {
            __m512 u[16], v[16];
            load_turned(f, t, p, u);
            load_turned(f, t, p + 16, v);
#pragma GCC unroll 16
            for (size_t i = 0; i < 16; i++) {
                parts y = split(u[i], v[i]);
#pragma GCC unroll 3
                for (size_t s = 0; s < 3; s++) _mm512_store_si512(out + s * PART + t * 64 + i * 64, y.part[s]);
            }
        }
}

#define LEFT(s)                                              \
    do {                                                     \
        _tile_loadd(4, l + (s) * PART, 64);                  \
        if (is_tall) _tile_loadd(5, l + (s) * PART + TILE, 64); \
    } while (0)
#define RIGHT(s)                                             \
    do {                                                     \
        _tile_loadd(6, r + (s) * PART, 64);                  \
        if (is_wide) _tile_loadd(7, r + (s) * PART + TILE, 64); \
    } while (0)
#define MULTIPLY                               \
    do {                                       \
        _tile_dpbf16ps(0, 4, 6);               \
        if (is_wide) _tile_dpbf16ps(1, 4, 7);  \
        if (is_tall) _tile_dpbf16ps(2, 5, 6);  \
        if (is_tall && is_wide) _tile_dpbf16ps(3, 5, 7); \
    } while (0)

// Of the nine products of parts the six that are not below 2^-24 of the whole, in an order that changes one side at a time.
static inline __attribute__((always_inline)) void multiply(const bool is_tall, const bool is_wide, size_t k, const uint8_t *l,
                                                           const uint8_t *r, float *sums, etch_fgemm_strip *next, size_t each)
{
    etch_fgemm_strip f = *next;
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
    for (size_t p = 0; p < k; p += STEP, l += BYTES, r += BYTES) {
        LEFT(0);
        RIGHT(2);
        MULTIPLY;
        RIGHT(1);
        MULTIPLY;
        LEFT(1);
        MULTIPLY;
        RIGHT(0);
        MULTIPLY;
        LEFT(2);
        MULTIPLY;
        LEFT(0);
        MULTIPLY;
        go_on(&f, each);
    }
    _tile_stored(0, sums, ROWS * 4);
    _tile_stored(1, sums + 16, ROWS * 4);
    _tile_stored(2, sums + 16 * ROWS, ROWS * 4);
    _tile_stored(3, sums + 16 * ROWS + 16, ROWS * 4);
    *next = f;
}

static bool are_finite(const float *sums)
{
    __m512 s[4] = { _mm512_setzero_ps(), _mm512_setzero_ps(), _mm512_setzero_ps(), _mm512_setzero_ps() }, zero = _mm512_setzero_ps();
    for (size_t i = 0; i < ROWS * ROWS; i += 64)
#pragma GCC unroll 4
        for (size_t v = 0; v < 4; v++) s[v] = _mm512_fmadd_ps(_mm512_load_ps(sums + i + v * 16), zero, s[v]);
    __m512 all = _mm512_add_ps(_mm512_add_ps(s[0], s[1]), _mm512_add_ps(s[2], s[3]));
    return !_mm512_cmp_ps_mask(all, all, _CMP_UNORD_Q);
}

// Columns [j, j + 16) of a row at `c`.
static inline __attribute__((always_inline)) void put(__m512 y, size_t j, __mmask16 which, float *c, bool add, const etch_fgemm_end *e)
{
    if (add) y = _mm512_add_ps(y, _mm512_maskz_loadu_ps(which, c + j));
    if (e) {
        if (e->bias) y = _mm512_add_ps(y, _mm512_maskz_loadu_ps(which, e->bias + j));
        if (e->scale) y = _mm512_mul_ps(y, _mm512_maskz_loadu_ps(which, e->scale + j));
        // A number that is no number stays one.
        y = _mm512_min_ps(_mm512_set1_ps(e->hi), _mm512_max_ps(_mm512_set1_ps(e->lo), y));
    }
    _mm512_mask_storeu_ps(c + j, which, y);
}

static __mmask16 first(size_t n) { return (__mmask16)(n < 16 ? (1u << n) - 1 : 0xffff); }

static bool tile(bool is_turned, size_t n_left, size_t n_right, size_t k, const uint8_t *l, const uint8_t *r, float *c, size_t ldc,
                 bool add, const etch_fgemm_end *e, etch_fgemm_strip *next, size_t each)
{
    _Alignas(64) float sums[ROWS * ROWS];
    if (n_left > 16 && n_right > 16) multiply(true, true, k, l, r, sums, next, each);
    else if (n_left > 16) multiply(true, false, k, l, r, sums, next, each);
    else if (n_right > 16) multiply(false, true, k, l, r, sums, next, each);
    else multiply(false, false, k, l, r, sums, next, each);
    if (!are_finite(sums)) return false;
    if (!is_turned) {
        for (size_t i = 0; i < n_left; i++)
            for (size_t j = 0; j < n_right; j += 16)
                put(_mm512_load_ps(sums + i * ROWS + j), j, first(n_right - j), c + i * ldc, add, e);
        return true;
    }
    for (size_t i = 0; i < n_right; i += 16)
        for (size_t j = 0; j < n_left; j += 16) {
            __m512 y[16];
#pragma GCC unroll 16
            for (size_t q = 0; q < 16; q++) y[q] = _mm512_load_ps(sums + (j + q) * ROWS + i);
            etch_avx512_transpose(y);
#pragma GCC unroll 16
            for (size_t q = 0; q < 16; q++)
                if (i + q < n_right) put(y[q], j, first(n_left - j), c + (i + q) * ldc, add, e);
        }
    return true;
}

const etch_fgemm_split etch_fgemm__amx_split = { begin, end, left, right, tile };
#endif
