// In: operands of one tile. Out: its sums. AVX-512 (F, BW, DQ, VL).
#include "kern/fgemm/fgemm.h"

#if defined(__x86_64__)
#include <immintrin.h>
#include <math.h>
#include <string.h>

#include "kern/fgemm/rows.h"
#include "kern/simd/avx512.h"

#define VL 16
#define NV 2
#define MR 14
#define FMA(acc, x, y) ((avx512_vec)_mm512_fmadd_ps((__m512)(x), (__m512)(y), (__m512)(acc)))
#define NAME(f) avx512_##f

static inline __attribute__((always_inline)) __m512 load_weights(etch_fgemm_type type, const void *w, size_t at)
{
    switch (type) {
    case ETCH_FGEMM_F16: return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)(const void *)((const uint16_t *)w + at)));
    case ETCH_FGEMM_BF16:
        return _mm512_castsi512_ps(
            _mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)(const void *)((const uint16_t *)w + at))), 16));
    case ETCH_FGEMM_I8:
        return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128((const __m128i *)(const void *)((const int8_t *)w + at))));
    default: return _mm512_loadu_ps((const float *)w + at);
    }
}
#define SUM(v) _mm512_reduce_add_ps((__m512)(v))
#define LOAD(type, w, at) ((avx512_vec)load_weights(type, w, at))
#include "kern/fgemm/tile.inc"

#if defined(__AVX512F__) && !defined(__clang__)
#define FMA_OF(acc, x, y) __asm__("vfmadd231ps %2, %1, %0" : "+v"(acc) : "v"(x), "v"(y))
#define FMA_AT(acc, p, y) __asm__("vfmadd231ps %2%{1to16%}, %1, %0" : "+v"(acc) : "v"(y), "m"(*(p)))
// The number in column q of row `row` of a group of seven, at `address` from its base.
#define BROADCAST(out, base, address, row, q)                                     \
    __asm__("vbroadcastss " address ", %0"                                        \
            : "=v"(out)                                                           \
            : "r"(base), "r"(one), "r"(three), "r"(five), "m"(*(const float(*)[])(base)))
#else   // clang keeps sums where they are; tools/isa emulates
#define FMA_OF(acc, x, y) ((acc) = _mm512_fmadd_ps(x, y, acc))
#define FMA_AT(acc, p, y) ((acc) = _mm512_fmadd_ps(_mm512_set1_ps(*(p)), y, acc))
#define BROADCAST(out, base, address, row, q) ((out) = _mm512_set1_ps((base)[(row) * ldw + (q)]))
#endif

// A whole tile. Sums are named to the compiler as what stays in a register: left to itself, gcc copies and spills some of them in a loop
// of 28. Every other number of A comes as an operand of the multiplication, which spares an instruction; all of them would be more than two
// loads a cycle.
static void whole_tile(size_t k, const float *a, const float *b, size_t ldb, float *c, size_t ldc, bool add, const etch_fgemm_end *end,
                       etch_fgemm_ahead *ahead)
{
    __m512 s[MR][2];
    etch_fgemm_ahead f = *ahead;
    const size_t rarely = ((size_t)4 << f.rarely) - 4;
#pragma GCC unroll 16
    for (int i = 0; i < MR; i++) s[i][0] = s[i][1] = _mm512_setzero_ps();
#define STEP(q)                                                                                \
    do {                                                                                       \
        __m512 x = _mm512_loadu_ps(b + (q) * ldb), y = _mm512_loadu_ps(b + (q) * ldb + 16);    \
        _Pragma("GCC unroll 16") for (int i = 0; i < MR; i += 2)                               \
        {                                                                                      \
            __m512 w = _mm512_set1_ps(a[(q) * MR + i]);                                        \
            FMA_OF(s[i][0], w, x);                                                             \
            FMA_OF(s[i][1], w, y);                                                             \
            FMA_AT(s[i + 1][0], a + (q) * MR + i + 1, x);                                      \
            FMA_AT(s[i + 1][1], a + (q) * MR + i + 1, y);                                      \
        }                                                                                      \
    } while (0)
    size_t p = 0;
    for (; p + 4 <= k; p += 4, a += 4 * MR, b += 4 * ldb) {
        STEP(0);
        STEP(1);
        STEP(2);
        STEP(3);
        if (!(p & rarely)) etch_fgemm__ask(&f);
    }
    for (; p < k; p++, a += MR, b += ldb) STEP(0);
#undef STEP
    *ahead = f;
#pragma GCC unroll 16
    for (int i = 0; i < MR; i++)
#pragma GCC unroll 2
        for (int j = 0; j < 2; j++) {
            float *at = c + (size_t)i * ldc + j * 16;
            __m512 y = s[i][j];
            if (add) y = _mm512_add_ps(y, _mm512_loadu_ps(at));
            if (end) {
                if (end->bias) y = _mm512_add_ps(y, _mm512_loadu_ps(end->bias + j * 16));
                if (end->scale) y = _mm512_mul_ps(y, _mm512_loadu_ps(end->scale + j * 16));
                y = _mm512_min_ps(_mm512_set1_ps(end->hi), _mm512_max_ps(_mm512_set1_ps(end->lo), y));
            }
            _mm512_storeu_ps(at, y);
        }
}

static void avx512_tile_of(int m, size_t k, const float *a, const float *b, size_t ldb, float *c, size_t ldc, bool add,
                           const etch_fgemm_end *end, etch_fgemm_ahead *ahead)
{
    if (m == MR) whole_tile(k, a, b, ldb, c, ldc, add, end, ahead);
    else avx512_tile(m, k, a, b, ldb, c, ldc, add, end, ahead);
}

// MR rows a transposition of sixteen; each store runs two floats into the next one's place.
static void avx512_pack_rows(const float *const *rows, size_t k, float *out)
{
    size_t p = 0;
    for (; p + 16 <= k; p += 16, out += 16 * MR) {
        __m512 r[16];
#pragma GCC unroll 16
        for (int i = 0; i < MR; i++) r[i] = _mm512_loadu_ps(rows[i] + p);
        r[14] = r[15] = _mm512_setzero_ps();
        etch_avx512_transpose(r);
#pragma GCC unroll 16
        for (int i = 0; i < 16; i++) _mm512_storeu_ps(out + i * MR, r[i]);
    }
    if (p == k) return;
    uint16_t rest = (uint16_t)((1u << (k - p)) - 1);
    __m512 r[16];
#pragma GCC unroll 16
    for (int i = 0; i < MR; i++) r[i] = _mm512_maskz_loadu_ps(rest, rows[i] + p);
    r[14] = r[15] = _mm512_setzero_ps();
    etch_avx512_transpose(r);
#pragma GCC unroll 16
    for (int i = 0; i < 16; i++)
        if (p + (size_t)i < k) _mm512_mask_storeu_ps(out + i * MR, (1u << MR) - 1, r[i]);
}

#define FEW 10

// The sums of n <= 14 rows of weights and 16 * nv rows of A. Two rows and strides reach all the others: five registers, where fourteen
// addresses would not leave one.
static inline __attribute__((always_inline)) void turned_sums(const int nv, const int n, size_t k, const float *w, size_t ldw,
                                                              const float *x, __m512 s[NV][16], etch_fgemm_ahead *f)
{
    size_t one = ldw * sizeof *w, three = 3 * one, five = 5 * one;
    (void)three, (void)five;   // of the assembler alone
    const float *w7 = w + 7 * ldw;
    const float *end = w + (k & ~(size_t)3);
#define ROW(i, base, address, q)                   \
    if ((i) < n) {                                 \
        __m512 y;                                  \
        BROADCAST(y, base, address, (i) % 7, q);   \
        FMA_OF(s[0][i], y, b0);                    \
        if (nv > 1) FMA_OF(s[1][i], y, b1);        \
    }
#define SEVEN(i, base, at, q)            \
    ROW(i, base, at "(%1)", q)           \
    ROW(i + 1, base, at "(%1,%2)", q)    \
    ROW(i + 2, base, at "(%1,%2,2)", q)  \
    ROW(i + 3, base, at "(%1,%3)", q)    \
    ROW(i + 4, base, at "(%1,%2,4)", q)  \
    ROW(i + 5, base, at "(%1,%4)", q)    \
    ROW(i + 6, base, at "(%1,%3,2)", q)
#define STEP(q, at)                                                                           \
    do {                                                                                      \
        __m512 b0 = _mm512_loadu_ps(x + (q) * NR), b1 = b0;                                   \
        if (nv > 1) b1 = _mm512_loadu_ps(x + (q) * NR + 16);                                  \
        SEVEN(0, w, at, q)                                                                       \
        SEVEN(7, w7, at, q)                                                                      \
    } while (0)
    for (; w < end; w += 4, w7 += 4, x += 4 * NR) {
        STEP(0, "0");
        STEP(1, "4");
        STEP(2, "8");
        STEP(3, "12");
        etch_fgemm__ask(f);
    }
    for (size_t p = k & 3; p; p--, w++, w7++, x += NR) STEP(0, "0");
#undef STEP
#undef SEVEN
#undef ROW
}

// 16 * nv rows of A (vectors), n rows of weights (scalars).
static inline __attribute__((always_inline)) void turned(const int nv, const int n, int m, int skip, size_t k, const float *w, size_t ldw,
                                                         const float *x, float *c, size_t ldc, bool add, const etch_fgemm_end *end,
                                                         etch_fgemm_ahead *ahead)
{
    __m512 s[NV][16];
#pragma GCC unroll 2
    for (int v = 0; v < nv; v++)
#pragma GCC unroll 16
        for (int i = 0; i < 16; i++) s[v][i] = _mm512_setzero_ps();
    etch_fgemm_ahead f = *ahead;
    turned_sums(nv, n, k, w, ldw, x, s, &f);
    *ahead = f;
    uint16_t which = (uint16_t)((1u << n) - (1u << skip));
#pragma GCC unroll 2
    for (int v = 0; v < nv; v++) {
        etch_avx512_transpose(s[v]);
#pragma GCC unroll 16
        for (int i = 0; i < 16; i++) {
            if (v * 16 + i >= m) break;
            float *at = c + (size_t)(v * 16 + i) * ldc;
            __m512 y = s[v][i];
            if (add) y = _mm512_add_ps(y, _mm512_maskz_loadu_ps(which, at));
            if (end) {
                if (end->bias) y = _mm512_add_ps(y, _mm512_maskz_loadu_ps(which, end->bias));
                if (end->scale) y = _mm512_mul_ps(y, _mm512_maskz_loadu_ps(which, end->scale));
                // A number that is no number stays one.
                y = _mm512_min_ps(_mm512_set1_ps(end->hi), _mm512_max_ps(_mm512_set1_ps(end->lo), y));
            }
            _mm512_mask_storeu_ps(at, which, y);
        }
    }
}

static void avx512_turned(int m, int n, int skip, size_t k, const float *w, size_t ldw, const float *x, float *c, size_t ldc, bool add,
                          const etch_fgemm_end *end, etch_fgemm_ahead *ahead)
{
    if (m > 16 && n > FEW) turned(2, MR, m, skip, k, w, ldw, x, c, ldc, add, end, ahead);
    else if (m > 16) turned(2, FEW, m, skip, k, w, ldw, x, c, ldc, add, end, ahead);
    else if (n > FEW) turned(1, MR, m, skip, k, w, ldw, x, c, ldc, add, end, ahead);
    else turned(1, FEW, m, skip, k, w, ldw, x, c, ldc, add, end, ahead);
}

// The first 16 * nv of a tile's columns (vectors), rows of A (scalars).
static inline __attribute__((always_inline)) void lying(const int nv, int skip, int n, size_t k, const float *a, size_t lda, const float *b,
                                                        float *c, size_t ldc, bool add, const etch_fgemm_end *end, etch_fgemm_ahead *ahead)
{
    __m512 s[NV][16];
#pragma GCC unroll 2
    for (int v = 0; v < nv; v++)
#pragma GCC unroll 16
        for (int i = 0; i < MR; i++) s[v][i] = _mm512_setzero_ps();
    etch_fgemm_ahead f = *ahead;
    turned_sums(nv, MR, k, a, lda, b, s, &f);
    *ahead = f;
#pragma GCC unroll 2
    for (int v = 0; v < nv; v++) {
        uint16_t which = (uint16_t)(n - v * 16 < 16 ? (1u << (n - v * 16)) - 1 : 0xffff);
        __m512 bias = _mm512_setzero_ps(), scale = _mm512_set1_ps(1), lo = scale, hi = scale;
        if (end) {
            if (end->bias) bias = _mm512_maskz_loadu_ps(which, end->bias + v * 16);
            if (end->scale) scale = _mm512_maskz_loadu_ps(which, end->scale + v * 16);
            lo = _mm512_set1_ps(end->lo);
            hi = _mm512_set1_ps(end->hi);
        }
#pragma GCC unroll 16
        for (int i = 0; i < MR; i++) {
            if (i < skip) continue;
            float *at = c + (size_t)i * ldc + v * 16;
            __m512 y = s[v][i];
            if (add) y = _mm512_add_ps(y, _mm512_maskz_loadu_ps(which, at));
            if (end) {
                if (end->bias) y = _mm512_add_ps(y, bias);
                if (end->scale) y = _mm512_mul_ps(y, scale);
                y = _mm512_min_ps(hi, _mm512_max_ps(lo, y));   // a number that is no number stays one
            }
            _mm512_mask_storeu_ps(at, which, y);
        }
    }
}

static void avx512_lying(int skip, int n, size_t k, const float *a, size_t lda, const float *b, float *c, size_t ldc, bool add,
                         const etch_fgemm_end *end, etch_fgemm_ahead *ahead)
{
    if (n > 16) lying(2, skip, n, k, a, lda, b, c, ldc, add, end, ahead);
    else lying(1, skip, n, k, a, lda, b, c, ldc, add, end, ahead);
}

static inline __attribute__((always_inline)) void rest_m(const int m, const float *x, size_t ldx, const float *w, size_t ldw, size_t k,
                                                         float *out)
{
    __m512 s[6][4];
#pragma GCC unroll 6
    for (int i = 0; i < m; i++)
#pragma GCC unroll 4
        for (int r = 0; r < 4; r++) s[i][r] = _mm512_setzero_ps();
    for (size_t p = 0; p < k; p += 16) {
        uint16_t which = (uint16_t)(k - p < 16 ? (1u << (k - p)) - 1 : 0xffff);
        __m512 v[4];
#pragma GCC unroll 4
        for (size_t r = 0; r < 4; r++) v[r] = _mm512_maskz_loadu_ps(which, w + r * ldw + p);
#pragma GCC unroll 6
        for (int i = 0; i < m; i++) {
            __m512 a = _mm512_maskz_loadu_ps(which, x + (size_t)i * ldx + p);
#pragma GCC unroll 4
            for (int r = 0; r < 4; r++) FMA_OF(s[i][r], a, v[r]);
        }
    }
#pragma GCC unroll 6
    for (int i = 0; i < m; i++) etch_avx512_sum4(s[i][0], s[i][1], s[i][2], s[i][3], out + i * 4);
}

static void avx512_rest(int m, const float *x, size_t ldx, const float *w, size_t ldw, size_t k, float out[24])
{
    switch (m) {
    case 1: rest_m(1, x, ldx, w, ldw, k, out); break;
    case 2: rest_m(2, x, ldx, w, ldw, k, out); break;
    case 3: rest_m(3, x, ldx, w, ldw, k, out); break;
    case 4: rest_m(4, x, ldx, w, ldw, k, out); break;
    case 5: rest_m(5, x, ldx, w, ldw, k, out); break;
    default: rest_m(6, x, ldx, w, ldw, k, out); break;
    }
}

static inline __attribute__((always_inline)) void pack_columns(const etch_fgemm_type type, const void *w, size_t ldw, size_t n, size_t k,
                                                               float *out)
{
    if (n < NR) memset(out, 0, sizeof *out * k * NR);
    size_t j = 0, three = 3 * ldw;
    __asm__("" : "+r"(three));   // not to be computed from scratch at each place
    for (; j + 16 <= n; j += 16) {
        size_t p = 0;
        for (; p + 16 <= k; p += 16) {
            __m512 r[16];
            size_t at = j * ldw + p, four = 4 * ldw;
#pragma GCC unroll 4
            for (size_t i = 0; i < 16; i += 4, at += four) {
                r[i] = load_weights(type, w, at);
                r[i + 1] = load_weights(type, w, at + ldw);
                r[i + 2] = load_weights(type, w, at + 2 * ldw);
                r[i + 3] = load_weights(type, w, at + three);
            }
            etch_avx512_transpose(r);
#pragma GCC unroll 16
            for (size_t i = 0; i < 16; i++) _mm512_storeu_ps(out + (p + i) * NR + j, r[i]);
        }
        for (; p < k; p++)
            for (size_t i = 0; i < 16; i++) out[p * NR + j + i] = avx512_one(type, w, (j + i) * ldw + p);
    }
    for (; j < n; j++)
        for (size_t p = 0; p < k; p++) out[p * NR + j] = avx512_one(type, w, j * ldw + p);
}

static void avx512_pack_columns(etch_fgemm_type type, const void *w, size_t ldw, size_t n, size_t k, float *out)
{
    switch (type) {
    case ETCH_FGEMM_F16: pack_columns(ETCH_FGEMM_F16, w, ldw, n, k, out); break;
    case ETCH_FGEMM_BF16: pack_columns(ETCH_FGEMM_BF16, w, ldw, n, k, out); break;
    case ETCH_FGEMM_I8: pack_columns(ETCH_FGEMM_I8, w, ldw, n, k, out); break;
    default: pack_columns(ETCH_FGEMM_F32, w, ldw, n, k, out); break;
    }
}

#define LOOPS MR, NR, 512, avx512_tile_of, avx512_pack_rows, avx512_pack_columns, avx512_dots, FEW, avx512_turned, avx512_rest, avx512_lying
const etch_fgemm_kernels etch_fgemm__avx512 = { "avx512", ETCH_CPU_AVX512, LOOPS, NULL };
#if defined(ETCH_HAS_AMX)
const etch_fgemm_kernels etch_fgemm__amx = { "amx", ETCH_CPU_AVX512 | ETCH_CPU_AMXBF16, LOOPS, &etch_fgemm__amx_split };
#endif
#endif
