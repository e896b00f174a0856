// In: activations and weights. Out: their products over bytes, a panel of weight rows a task.
//
// With w' = w (U8: w - 128), z' = the zero point of weights (0; U8: w_zero - 128), u the activation as u8 and z its zero point:
//   sum (u - z) * (w' - z') = sum u * w' - z * sum w' + z' * (k * z - sum u)
// in int32: what wraps on the way comes back, the result fits for k <= ETCH_QGEMM_K; longer rows are cut in pieces.
#include <string.h>

#include "base/num.h"
#include "kern/qgemm/rows.h"
#include "kern/simd/ahead.h"

#define NR ETCH_QGEMM_NR
#define SPAN 32        // rows of activations a task of their setting
#define MAX_NR ETCH_QGEMM_BYTES_NR
#define MAX_MR ETCH_QGEMM_MANY_MR

typedef struct { size_t zero, add, stride, all; } x_places;          // the u8 rows come first
typedef struct { size_t rows, sums, scale, bias, tile, all; } w_places;  // the panel comes first

typedef struct {
    const etch_qgemm_bytes *isa;
    const etch_qgemm_many *many;   // NULL: not for this product
    const etch_qgemm *g;
    size_t n_pieces, units;
    uint8_t *x;             // [m, stride]
    int32_t *zero, *add;    // [m, n_pieces]: zero points of u8; what w_zero adds to the sums
    size_t stride;
    uint8_t *scratch;
} work;

static size_t pieces(size_t k) { return k ? (k + ETCH_QGEMM_K - 1) / ETCH_QGEMM_K : 1; }

static x_places places_of_x(size_t m, size_t k)
{
    x_places p = { .stride = etch_align_up(k, k < 64 ? 4 : 64) };
    p.zero = etch_align_up((m == 1 ? 1 : etch_align_up(m, MAX_MR)) * p.stride, 64);
    p.add = p.zero + etch_align_up(m * pieces(k) * sizeof(int32_t), 64);
    p.all = p.add + etch_align_up(m * pieces(k) * sizeof(int32_t), 64);
    return p;
}

static w_places places_of_w(size_t k)
{
    size_t row = etch_align_up(k, 64);
    w_places p = { .rows = row * MAX_NR };
    p.sums = p.rows + row * MAX_NR;
    p.scale = p.sums + pieces(k) * MAX_NR * sizeof(int32_t);
    p.bias = p.scale + MAX_NR * sizeof(float);
    p.tile = p.bias + MAX_NR * sizeof(float);
    p.all = etch_align_up(p.tile + MAX_MR * MAX_NR * sizeof(float), 64);
    return p;
}

size_t etch_qgemm__bytes_scratch(size_t m, size_t k, int n_threads)
{
    return places_of_x(m, k).all + (size_t)n_threads * places_of_w(k).all;
}

static size_t piece(size_t k, size_t p) { return k - p < ETCH_QGEMM_K ? k - p : ETCH_QGEMM_K; }

// ---- activations

static void some_x(void *user, size_t task, int worker)
{
    const work *s = user;
    const etch_qgemm *g = s->g;
    int32_t w_zero = g->w_type == ETCH_QGEMM_U8 ? g->w_zero - 128 : 0;
    (void)worker;
    for (size_t i = task * SPAN; i < (task + 1) * SPAN && i < g->m; i++) {
        uint8_t *out = s->x + i * s->stride;
        int32_t zero = etch_qgemm__zero(g, i);
        for (size_t b = 0, p = 0; b < s->n_pieces; b++, p += ETCH_QGEMM_K) {
            size_t k = piece(g->k, p), at = i * g->ldx + p, e = i * s->n_pieces + b;
            const void *x = g->x_type == ETCH_QGEMM_X_WIDE ? (const void *)((const int16_t *)g->x + at) : (const uint8_t *)g->x + at;
            uint32_t sum = s->isa->set_x(x, g->x_type, zero, k, out + p);
            s->zero[e] = g->x_type == ETCH_QGEMM_X_S8 ? zero + 128 : zero;
            s->add[e] = (int32_t)((uint32_t)w_zero * ((uint32_t)k * (uint32_t)s->zero[e] - sum));
        }
        memset(out + g->k, 0, s->stride - g->k);
    }
}

// ---- weights

// Rows [j, j + n) as s8: where they lie, or in `rows`, with rows of zeros up to `all` of them.
static const int8_t *weights(const work *s, size_t j, size_t n, size_t all, int8_t *rows, size_t *ld)
{
    const etch_qgemm *g = s->g;
    const uint8_t *w = (const uint8_t *)g->w + j * g->ldw;
    *ld = g->ldw;
    if (g->w_type == ETCH_QGEMM_W8 && n == all) return (const int8_t *)w;
    *ld = etch_align_up(g->k, 64);
    for (size_t r = 0; r < n; r++) s->isa->set_w(w + r * g->ldw, g->w_type, g->k, rows + r * *ld);
    for (size_t r = n; r < all; r++) memset(rows + r * *ld, 0, g->k);
    return rows;
}

// ---- products

static etch_qgemm_end end_of(const etch_qgemm *g, size_t j, size_t n, size_t nr, float *scale, float *bias)
{
    for (size_t r = 0; r < nr; r++) {   // neither factor nor summand: 1 and -0, which change no float
        scale[r] = g->w_scale && r < n ? g->w_scale[j + r] : 1;
        bias[r] = g->bias && r < n ? g->bias[j + r] : -0.0f;
    }
    return (etch_qgemm_end){ g->c && g->k <= ETCH_QGEMM_K, g->x_scale, scale, bias, g->lo, g->hi };
}

// More than ETCH_QGEMM_K columns: rows [i, i + m) of activations, n columns from j.
static void tile_in_pieces(const work *s, size_t i, size_t m, size_t j, size_t n, const int8_t *panel, const int32_t *sums, int32_t *tile)
{
    const etch_qgemm *g = s->g;
    size_t nr = (size_t)s->isa->nr;
    const etch_qgemm_end end = { .is_float = false };
    for (size_t a = 0; a < m; a++) {
        int64_t sum[MAX_NR] = { 0 };
        for (size_t b = 0, p = 0; b < s->n_pieces; b++, p += ETCH_QGEMM_K) {
            size_t e = (i + a) * s->n_pieces + b;
            const uint8_t *x = s->x + (i + a) * s->stride + p;
            s->isa->tile(1, x, s->stride, piece(g->k, p), panel + p * nr, sums + b * nr, s->zero + e, s->add + e, &end, tile, nr);
            for (size_t r = 0; r < n; r++) sum[r] += tile[r];
        }
        etch_qgemm__put(g, i + a, j, n, sum);
    }
}

// Columns [j, j + n), n <= nr.
static void some_columns(const work *s, size_t j, size_t n, uint8_t *memory)
{
    const etch_qgemm *g = s->g;
    const w_places at = places_of_w(g->k);
    size_t nr = (size_t)s->isa->nr, mr = s->many ? MAX_MR : (size_t)s->isa->mr, ld;
    int8_t *panel = (int8_t *)memory;
    int32_t *sums = (int32_t *)(void *)(memory + at.sums), *tile = (int32_t *)(void *)(memory + at.tile);
    const int8_t *w = weights(s, j, n, nr, (int8_t *)memory + at.rows, &ld);
    for (size_t b = 0, p = 0; b < s->n_pieces; b++, p += ETCH_QGEMM_K)
        s->isa->panel(w + p, ld, piece(g->k, p), panel + p * nr, sums + b * nr);
    // The weights of the next panel, which this thread probably needs then.
    etch_ahead next = etch_ahead_of((const uint8_t *)g->w + (j + nr) * g->ldw, j + 2 * nr <= g->n ? nr * g->ldw : 0, (g->m + mr - 1) / mr);
    etch_qgemm_end end = end_of(g, j, n, nr, (float *)(void *)(memory + at.scale), (float *)(void *)(memory + at.bias));
    if (s->many) s->many->begin();
    for (size_t i = 0; i < g->m; i += mr) {
        size_t m = g->m - i < mr ? g->m - i : mr;
        etch_ahead_ask(&next);
        if (s->n_pieces > 1) {
            tile_in_pieces(s, i, m, j, n, panel, sums, tile);
            continue;
        }
        uint8_t *out = (uint8_t *)(g->c ? (void *)g->c : (void *)g->acc) + 4 * (i * g->ldc + j);   // both are of four bytes
        (s->many ? s->many->tile : s->isa->tile)((int)m, s->x + i * s->stride, s->stride, g->k, panel, sums, s->zero + i, s->add + i, &end,
                                                 n == nr ? (void *)out : tile, n == nr ? g->ldc : nr);
        for (size_t a = 0; a < m && n < nr; a++) memcpy(out + 4 * a * g->ldc, tile + a * nr, 4 * n);
        if (end.is_float) end.x_scale += m;
    }
    if (s->many) s->many->end();
}

// Columns [j, end) of one row of activations.
static void one_row(const work *s, size_t j, size_t end, uint8_t *memory)
{
    const etch_qgemm *g = s->g;
    int8_t *rows = (int8_t *)memory + places_of_w(g->k).rows;
    if (g->w_type != ETCH_QGEMM_W4) etch_ahead_first(g->w, (const uint8_t *)g->w + g->n * g->ldw, j * g->ldw);
    for (size_t n; j < end; j += n) {
        n = end - j < NR ? end - j : NR;
        size_t ld;
        int32_t part[NR];
        int64_t sum[NR] = { 0 };
        const int8_t *w = weights(s, j, n, NR, rows, &ld);
        for (size_t b = 0, p = 0; b < s->n_pieces; b++, p += ETCH_QGEMM_K) {
            s->isa->one_row(s->x + p, s->zero[b], w + p, ld, piece(g->k, p), part);
            for (size_t r = 0; r < NR; r++) part[r] = (int32_t)((uint32_t)part[r] + (uint32_t)s->add[b]);
            for (size_t r = 0; r < NR; r++) sum[r] += part[r];
        }
        if (s->n_pieces == 1 && g->c && n == NR) etch_qgemm__put_four(g, 0, j, part);
        else etch_qgemm__put(g, 0, j, n, sum);
    }
}

// The last task takes the columns that do not fill a panel, in one that begins before them.
static void one_task(void *user, size_t task, int worker)
{
    const work *s = user;
    uint8_t *memory = s->scratch + (size_t)worker * places_of_w(s->g->k).all;
    size_t nr = (size_t)s->isa->nr, n = s->g->n, a_task = s->units * nr, j = task * a_task;
    size_t end = j + a_task + nr > n ? n : j + a_task;
    if (s->g->m == 1) one_row(s, j, end, memory);
    else if (n < nr) some_columns(s, 0, n, memory);
    else for (; j < end; j += nr) some_columns(s, j + nr <= n ? j : n - nr, nr, memory);
}

void etch_qgemm__run_bytes(const etch_qgemm_bytes *isa, const etch_qgemm_many *many, const etch_qgemm *g, etch_pool *pool,
                           uint8_t *scratch)
{
    const x_places at = places_of_x(g->m, g->k);
    work s = { .isa = isa, .g = g, .n_pieces = pieces(g->k), .units = 1, .x = scratch,
               .stride = at.stride, .scratch = scratch + at.all };
    if (many && g->m >= many->from && s.n_pieces == 1) s.many = many;
    s.zero = (int32_t *)(void *)(scratch + at.zero);
    s.add = (int32_t *)(void *)(scratch + at.add);
    size_t nr = (size_t)isa->nr, panels = g->n / nr;
    if (g->m == 1) {   // about eight tasks a thread, of at most 256 columns
        s.units = panels / (8 * (size_t)etch_pool_threads(pool)) + 1;
        if (s.units > 256 / nr) s.units = 256 / nr;
    }
    etch_pool_run(g->m < SPAN ? NULL : pool, (g->m + SPAN - 1) / SPAN, some_x, &s);
    etch_pool_run(pool, panels ? (panels + s.units - 1) / s.units : 1, one_task, &s);
}
