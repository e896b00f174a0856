// In: two matrices of any supported layout. Out: their product, block by block, on several threads.
//
// A worker's block: for KC columns of A and NC of B at a time, B is laid out as tiles [KC, nr] (or used where it lies), then for at most MC
// rows of A, laid out as tiles [KC, mr], each tile of B meets every tile of A: the tile of B stays in the first-level cache, those of A in
// the second.
#include "kern/fgemm/fgemm.h"

#include <math.h>
#include <string.h>

#include "base/num.h"
#include "kern/fgemm/rows.h"

#define FAMILY fgemm
#define KIND kernels
#define ROWS "kern/fgemm/kernels.def"
#include "kern/select.inc"

#define KC ((size_t)ETCH_FGEMM_MAX_KC)
#define MC ((size_t)252)   // at most; the blocks of a matrix are equally high
#define NC ((size_t)512)
// Up to this many rows, dot products beat laying the weights out.
#define DOT_ROWS 6
#define DOT_COLUMNS 32
// More numbers than this do not stay in the second-level cache.
#define LARGE 131072
// Fewer multiplications than this are not worth waking anyone.
#define SMALL 65536

typedef struct {
    float a[(MC + ETCH_FGEMM_MAX_MR) * KC + 64];
    float b[(NC + ETCH_FGEMM_MAX_NR) * KC];
    float tile[ETCH_FGEMM_MAX_MR * ETCH_FGEMM_MAX_NR];
    float bias[ETCH_FGEMM_MAX_NR], scale[ETCH_FGEMM_MAX_NR];
    size_t held;   // what is laid out at b, of this product: all of A (ALL_ROWS), or all of B from column held - 1 on; 0: none of it
} work;

#define ALL_ROWS SIZE_MAX

typedef struct { size_t i0, i1, j0, j1; } area;

static const float zeros[ETCH_FGEMM_MAX_KC];

static size_t work_bytes(void)
{
    size_t split = etch_fgemm__split_scratch();
    return etch_align_up(sizeof(work) > split ? sizeof(work) : split, 64);
}

size_t etch_fgemm_scratch(int n_threads) { return (size_t)n_threads * work_bytes(); }

void *etch_fgemm__work_of(void *scratch, int worker) { return (uint8_t *)scratch + (size_t)worker * work_bytes(); }

// ---- layout

// Rows [i, i + n) and columns [p, p + k) of A as tiles [k, mr], missing rows zero.
static void lay_out_a(const etch_fgemm_kernels *kn, const etch_fgemm *g, size_t i, size_t n, size_t p, size_t k, float *out)
{
    const size_t mr = (size_t)kn->mr;
    const float *at[ETCH_FGEMM_MAX_MR];
    for (size_t t = 0; t < n; t += mr, out += k * mr) {
        size_t m = n - t < mr ? n - t : mr;
        for (size_t r = m; r < mr; r++) at[r] = zeros;
        if (!g->gather) {
            for (size_t r = 0; r < m; r++) at[r] = g->a + (i + t + r) * g->lda + p;
            kn->pack_rows(at, k, out);
            continue;
        }
        for (size_t q = 0; q < k;) {
            size_t run = g->gather(g->user, i + t, m, p + q, k - q, at);
            kn->pack_rows(at, run, out + q * mr);
            q += run;
        }
    }
}

static float weight(const etch_fgemm *g, size_t at)
{
    switch (g->b_type) {
    case ETCH_FGEMM_F16: return etch_f16_to_f32(((const uint16_t *)g->b)[at]);
    case ETCH_FGEMM_BF16: return etch_bf16_to_f32(((const uint16_t *)g->b)[at]);
    case ETCH_FGEMM_I8: return (float)((const int8_t *)g->b)[at];
    default: return ((const float *)g->b)[at];
    }
}

static size_t type_bytes(etch_fgemm_type t) { return t == ETCH_FGEMM_F32 ? 4 : t == ETCH_FGEMM_I8 ? 1 : 2; }

// Columns [j, j + n) and rows [p, p + k) of B as one tile [k, nr], missing columns zero.
static void lay_out_b(const etch_fgemm_kernels *kn, const etch_fgemm *g, size_t j, size_t n, size_t p, size_t k, float *out)
{
    const size_t nr = (size_t)kn->nr;
    if (g->b_is_nk) {
        kn->pack_columns(g->b_type, (const uint8_t *)g->b + (j * g->ldb + p) * type_bytes(g->b_type), g->ldb, n, k, out);
        return;
    }
    for (size_t q = 0; q < k; q++, out += nr) {
        size_t at = (p + q) * g->ldb + j;
        if (g->b_type == ETCH_FGEMM_F32) memcpy(out, (const float *)g->b + at, sizeof *out * n);
        else
            for (size_t c = 0; c < n; c++) out[c] = weight(g, at + c);
        for (size_t c = n; c < nr; c++) out[c] = 0;
    }
}

// ---- blocks

// Are rows of A read where they lie? Not where a stride of 4 KiB, a way of a first-level cache, puts those of a tile into one set.
static bool is_lying(const etch_fgemm_kernels *kn, const etch_fgemm *g, size_t rows)
{
    return kn->lying && g->a && g->lda % 1024 && rows >= (size_t)kn->mr;
}

// The last columns' bias and scale, padded to a whole tile.
static etch_fgemm_end end_of(const etch_fgemm *g, size_t j, size_t n, size_t nr, work *w)
{
    etch_fgemm_end e = { g->bias ? g->bias + j : NULL, g->scale ? g->scale + j : NULL, g->lo, g->hi };
    if (n == nr) return e;
    for (size_t c = 0; c < nr; c++) {
        w->bias[c] = e.bias && c < n ? e.bias[c] : 0;
        w->scale[c] = e.scale && c < n ? e.scale[c] : 0;
    }
    if (e.bias) e.bias = w->bias;
    if (e.scale) e.scale = w->scale;
    return e;
}

// What lay_out_b will read for the tile of columns [j, j + n), spread over `calls` tiles of k steps.
static etch_fgemm_ahead ahead_of(const etch_fgemm *g, size_t j, size_t n, size_t p, size_t k, size_t calls)
{
    size_t size = type_bytes(g->b_type), first = g->b_is_nk ? j * g->ldb + p : p * g->ldb + j;
    etch_fgemm_ahead f = { (const uint8_t *)g->b + first * size, g->ldb * size, (g->b_is_nk ? k : n) * size, g->b_is_nk ? n : k, 0, 0 };
    for (size_t lines = etch_fgemm__ceil_div(f.bytes, 64) * f.n; f.rarely < 5 && (lines * 8 << f.rarely) <= calls * k; f.rarely++) {}
    return f;
}

// One tile of columns against `m` rows of A that are laid out at `rows_a`.
static void column_tile(const etch_fgemm_kernels *kn, const etch_fgemm *g, work *w, const float *rows_a, const float *b, size_t ldb,
                        size_t i, size_t m, size_t j, size_t n, size_t k, bool add, bool last, etch_fgemm_ahead *f)
{
    const size_t mr = (size_t)kn->mr, nr = (size_t)kn->nr;
    etch_fgemm_end end = end_of(g, j, n, nr, w);
    for (size_t t = 0; t < m; t += mr) {
        size_t h = m - t < mr ? m - t : mr;
        const float *a = rows_a + t * k;
        float *c = g->c + (i + t) * g->ldc + j;
        if (n == nr) {
            kn->tile((int)h, k, a, b, ldb, c, g->ldc, add, last ? &end : NULL, f);
            continue;
        }
        for (size_t r = 0; add && r < h; r++) memcpy(w->tile + r * nr, c + r * g->ldc, sizeof *c * n);
        kn->tile((int)h, k, a, b, ldb, w->tile, nr, add, last ? &end : NULL, f);
        for (size_t r = 0; r < h; r++) memcpy(c + r * g->ldc, w->tile + r * nr, sizeof *c * n);
    }
}

// The same with rows [i, i + m) where they lie; the last ones reach back over rows that are done.
static void lying_tile(const etch_fgemm_kernels *kn, const etch_fgemm *g, const float *b, size_t i, size_t m, size_t j, size_t n, size_t p,
                       size_t k, bool last, etch_fgemm_ahead *f)
{
    const size_t mr = (size_t)kn->mr;
    etch_fgemm_end end = { g->bias ? g->bias + j : NULL, g->scale ? g->scale + j : NULL, g->lo, g->hi };
    for (size_t t = 0; t < m; t += mr) {
        size_t skip = m - t < mr ? mr - (m - t) : 0, row = i + t - skip;
        kn->lying((int)skip, (int)n, k, g->a + row * g->lda + p, g->lda, b, g->c + row * g->ldc + j, g->ldc, p > 0, last ? &end : NULL, f);
    }
}

// All columns of B against one tile of rows after the other; the sums are whole (k <= kc).
static void block_row_by_row(const etch_fgemm_kernels *kn, const etch_fgemm *g, work *w, size_t i, size_t m, size_t j, size_t n,
                             bool lays_out, bool lies_a)
{
    const size_t mr = (size_t)kn->mr, nr = (size_t)kn->nr, k = g->k;
    etch_fgemm_ahead nothing = { 0 };
    for (size_t t = 0; lays_out && t < n; t += nr) lay_out_b(kn, g, j + t, n - t < nr ? n - t : nr, 0, k, w->b + t * k);
    for (size_t q = 0; q < m; q += mr)
        for (size_t t = 0; t < n; t += nr) {
            size_t high = m - q < mr ? m - q : mr, wide = n - t < nr ? n - t : nr;
            if (lies_a) lying_tile(kn, g, w->b + t * k, i + q, high, j + t, wide, 0, k, true, &nothing);
            else column_tile(kn, g, w, w->a + q * k, w->b + t * k, nr, i + q, high, j + t, wide, k, false, true, &nothing);
        }
}

// The function of finished numbers: rows [i, i + m), columns [j, j + n).
static void apply(const etch_fgemm *g, size_t i, size_t m, size_t j, size_t n)
{
    bool is_whole = g->n == g->ldc && n == g->n;
    for (size_t q = i; g->after && q < i + m; q += is_whole ? m : 1) g->after(g->after_user, g->c + q * g->ldc + j, is_whole ? m * n : n);
}

static void block(const etch_fgemm_kernels *kn, const etch_fgemm *g, area r, work *w)
{
    const size_t nr = (size_t)kn->nr;
    if (etch_fgemm__is_turned(kn, g, r.j1 - r.j0)) {
        bool holds = etch_fgemm__turned(kn, g, r.i0, r.i1, r.j0, r.j1, w->b, sizeof w->b / sizeof *w->b, w->held == ALL_ROWS);
        w->held = holds && !r.i0 && r.i1 == g->m ? ALL_ROWS : 0;
        return;
    }
    // Few rows read B once: laying it out would double the work.
    bool in_place = !g->b_is_nk && g->b_type == ETCH_FGEMM_F32 && r.i1 - r.i0 <= 2 * (size_t)kn->mr;
    size_t high = etch_fgemm__equal_part(r.i1 - r.i0, MC, (size_t)kn->mr);
    bool is_one_block = high >= r.i1 - r.i0;
    bool lies_a = !in_place && is_lying(kn, g, r.i1 - r.i0);
    // A short sum into a large C is a matter of writing: in order, then.
    bool row_by_row = !in_place && g->k <= (size_t)kn->kc && (r.i1 - r.i0) * (r.j1 - r.j0) > LARGE;
    size_t deep = etch_fgemm__equal_part(g->k, (size_t)kn->kc, 16), wide = etch_fgemm__equal_part(r.j1 - r.j0, NC, nr);
    // Areas of the same columns follow each other: B is laid out once.
    bool holds = !in_place && g->k <= (size_t)kn->kc && r.j1 - r.j0 <= NC && r.i1 - r.i0 < g->m, is_held = holds && w->held == r.j0 + 1;
    for (size_t j = r.j0; j < r.j1; j += wide) {
        size_t n = r.j1 - j < wide ? r.j1 - j : wide, p = 0;
        do {
            size_t k = g->k - p < deep ? g->k - p : deep;
            for (size_t i = r.i0; i < r.i1; i += high) {
                size_t m = r.i1 - i < high ? r.i1 - i : high;
                if (!lies_a) lay_out_a(kn, g, i, m, p, k, w->a);
                if (row_by_row) block_row_by_row(kn, g, w, i, m, j, n, i == r.i0 && !is_held, lies_a);
                for (size_t t = 0; t < n && !row_by_row; t += nr) {
                    size_t width = n - t < nr ? n - t : nr;
                    bool lies = in_place && width == nr, lays_out = i == r.i0 && !lies && !is_held;
                    // Rows that are one block use a tile once: each takes the place of the one before.
                    float *laid_out = w->b + (is_one_block && !holds ? 0 : t * k);
                    const float *b = lies ? (const float *)g->b + p * g->ldb + j + t : laid_out;
                    // The first rows lay out B, tile by tile: it is then in the first-level cache, and the next one is on its way.
                    if (lays_out) lay_out_b(kn, g, j + t, width, p, k, laid_out);
                    etch_fgemm_ahead f = { 0 };
                    if (lays_out && t + nr < n)
                        f = ahead_of(g, j + t + nr, n - t - nr < nr ? n - t - nr : nr, p, k, etch_fgemm__ceil_div(m, (size_t)kn->mr));
                    if (lies_a) lying_tile(kn, g, b, i, m, j + t, width, p, k, p + k >= g->k, &f);
                    else column_tile(kn, g, w, w->a, b, lies ? g->ldb : nr, i, m, j + t, width, k, p > 0, p + k >= g->k, &f);
                }
                if (p + k >= g->k) apply(g, i, m, j, n);
            }
            p += k;
        } while (p < g->k);
    }
    w->held = holds ? r.j0 + 1 : 0;
}

// ---- dot products

static void dot_columns(const etch_fgemm_kernels *kn, const etch_fgemm *g, size_t j0, size_t j1)
{
    float y[12];
    for (size_t j = j0; j < j1; j += 4) {
        size_t n = j1 - j < 4 ? j1 - j : 4;
        for (size_t i = 0; i < g->m; i += 3) {
            int m = g->m - i < 3 ? (int)(g->m - i) : 3;
            // Four rows at once; a rest of fewer one by one.
            for (size_t r = 0; r < n; r += n == 4 ? 4 : 1) {
                const void *w = (const uint8_t *)g->b + (j + r) * g->ldb * type_bytes(g->b_type);
                kn->dots(m, g->a + i * g->lda, g->lda, g->b_type, w, n == 4 ? g->ldb : 0, g->k, y);
                for (size_t c = 0; c < (n == 4 ? 4 : 1); c++)
                    for (size_t q = 0; q < (size_t)m; q++)
                        g->c[(i + q) * g->ldc + j + r + c] = etch_fgemm__finish(g, y[q * 4 + c], j + r + c);
            }
        }
    }
    for (size_t i = 0; g->after && i < g->m; i++) g->after(g->after_user, g->c + i * g->ldc + j0, j1 - j0);
}

static bool wants_dots(const etch_fgemm *g) { return g->b_is_nk && !g->gather && g->m <= DOT_ROWS; }

// ---- threads

typedef struct {
    const etch_fgemm_kernels *kn;
    const etch_fgemm *g;
    void *scratch;
    size_t parts_m, rows, columns;   // of a task
    etch_fgemm_at *at;
    const void *user;
} job;

static void dot_task(void *user, size_t i, int worker)
{
    const job *s = user;
    (void)worker;
    size_t j = i * DOT_COLUMNS;
    dot_columns(s->kn, s->g, j, s->g->n - j < DOT_COLUMNS ? s->g->n : j + DOT_COLUMNS);
}

static void block_task(void *user, size_t i, int worker)
{
    const job *s = user;
    area r = { i % s->parts_m * s->rows, 0, i / s->parts_m * s->columns, 0 };
    r.i1 = s->g->m - r.i0 < s->rows ? s->g->m : r.i0 + s->rows;
    r.j1 = s->g->n - r.j0 < s->columns ? s->g->n : r.j0 + s->columns;
    block(s->kn, s->g, r, etch_fgemm__work_of(s->scratch, worker));
}

// Splits C into areas such that the least is laid out twice: every row part lays out all of B, every column part all of A (unless what the
// area before laid out is still there). Many areas let the threads end together, even when one of them was interrupted.
static void divide(const etch_fgemm_kernels *kn, const etch_fgemm *g, size_t threads, job *s)
{
    bool is_turned = etch_fgemm__is_turned(kn, g, g->n / threads);
    size_t mr = (size_t)(is_turned ? kn->nr : kn->mr), nr = (size_t)(is_turned ? kn->mr : kn->nr);
    size_t tiles_m = etch_fgemm__ceil_div(g->m, mr), tiles_n = etch_fgemm__ceil_div(g->n, nr), best_m = 1, best_n = 1;
    size_t most = threads > 1 ? 8 * threads : 1;
    double lay_out_row = !is_turned && is_lying(kn, g, mr) ? 0.25 : 0.5;
    double best = INFINITY;
    for (size_t pn = 1; pn <= most && pn <= tiles_n; pn++)
        for (size_t pm = 1; pm * pn <= most && pm <= tiles_m && !(is_turned && pm > 1); pm++) {
            size_t tasks = pm * pn, rounds = etch_fgemm__ceil_div(tasks, threads);
            // The busiest thread's share, and a part of an area for what cannot be foreseen.
            double share = (double)(etch_fgemm__ceil_div(tiles_m, pm) * etch_fgemm__ceil_div(tiles_n, pn) * mr * nr) *
                           ((double)rounds + (threads > 1 ? 0.06 : 0));
            // Laying out costs about half a cycle a number, a product 1/16.
            double cost = share / 16 +
                          ((is_turned ? 0 : 0.4) * (double)pm * (double)g->n + lay_out_row * (double)pn * (double)g->m) / (double)threads;
            if (cost >= best) continue;
            best = cost;
            best_m = pm;
            best_n = pn;
        }
    s->rows = etch_fgemm__ceil_div(tiles_m, best_m) * mr;
    s->columns = etch_fgemm__ceil_div(tiles_n, best_n) * nr;
    s->parts_m = etch_fgemm__ceil_div(g->m, s->rows);
}

void etch_fgemm_run(const etch_fgemm_kernels *kn, const etch_fgemm *g, etch_pool *pool, void *scratch)
{
    if (!g->m || !g->n) return;
    if (g->m * g->n * (g->k + 1) < SMALL) pool = NULL;
    job s = { .kn = kn, .g = g, .scratch = scratch };
    if (wants_dots(g)) {
        etch_pool_run(pool, etch_fgemm__ceil_div(g->n, DOT_COLUMNS), dot_task, &s);
        return;
    }
    if (etch_fgemm__is_split(kn, g)) {
        etch_fgemm__split(kn, g, pool, scratch);
        return;
    }
    int threads = etch_pool_threads(pool);
    for (int i = 0; i < threads; i++) ((work *)etch_fgemm__work_of(scratch, i))->held = 0;
    divide(kn, g, (size_t)threads, &s);
    etch_pool_run(pool, s.parts_m * etch_fgemm__ceil_div(g->n, s.columns), block_task, &s);
}

static void one_of_many(void *user, size_t i, int worker)
{
    const job *s = user;
    etch_fgemm g = *s->g;
    s->at(s->user, i, &g);
    work *w = etch_fgemm__work_of(s->scratch, worker);
    if (wants_dots(&g)) dot_columns(s->kn, &g, 0, g.n);
    else if (etch_fgemm__is_split(s->kn, &g)) etch_fgemm__split(s->kn, &g, NULL, w);
    else {
        w->held = 0;
        block(s->kn, &g, (area){ 0, g.m, 0, g.n }, w);
    }
}

void etch_fgemm_run_many(const etch_fgemm_kernels *kn, const etch_fgemm *g, size_t count, etch_fgemm_at *at, const void *user,
                         etch_pool *pool, void *scratch)
{
    if (!g->m || !g->n || !count) return;
    if (count < (size_t)etch_pool_threads(pool)) {
        for (size_t i = 0; i < count; i++) {
            etch_fgemm one = *g;
            at(user, i, &one);
            etch_fgemm_run(kn, &one, pool, scratch);
        }
        return;
    }
    job s = { .kn = kn, .g = g, .scratch = scratch, .at = at, .user = user };
    etch_pool_run(count * g->m * g->n * (g->k + 1) < SMALL ? NULL : pool, count, one_of_many, &s);
}
