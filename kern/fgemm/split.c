// In: rows of A against weights [n, k], and an instruction set whose products of short floats are several times faster than those of
// floats. Out: the product, as exact as in floats: every number is the sum of three short ones (fgemm.h).
//
// The side with fewer rows is held, a block of at most HELD bytes at a time, by each worker in its second-level cache; the other passes by
// in strips of 32 rows, each laid out while the one before is multiplied. A block is one loop over the threads.
#include <string.h>

#include "base/num.h"
#include "kern/fgemm/rows.h"

#define ROWS ((size_t)ETCH_FGEMM_SPLIT_ROWS)
#define STEP ((size_t)ETCH_FGEMM_SPLIT_STEP)
#define BYTES ((size_t)ETCH_FGEMM_SPLIT_BYTES)
// Columns of A and W at a time.
#define DEEP ((size_t)768)
#define HELD ((size_t)7 * (DEEP / STEP) * BYTES)
// Where it pays: each thread lays out what is held, which many strips must share; each tile is checked and written; and what fills up
// tiles is multiplied too.
#define FEWEST_PASSING 384
#define FEWEST_HELD 32
#define SHORTEST 192
// Cycles of a task that its start does not show in, and those of a step of one strip against another.
#define TASK 60000
#define STEP_CYCLES 384

typedef struct {
    size_t block;      // that is held, 0: none
    size_t coming;     // the first row of the strip that `next` lays out
    int which;         // strip has it
    etch_fgemm_strip next;
    _Alignas(64) uint8_t held[HELD];
    uint8_t strip[2][DEEP / STEP * BYTES];
    float rows[ROWS * DEEP];
} work;

typedef struct {
    const etch_fgemm_kernels *kn;
    const etch_fgemm *g;
    void *scratch;
    bool is_turned;               // the strips that pass by are rows of W
    size_t n_passing, n_held;     // rows of each side
    size_t block, p, k, first, n; // columns [p, p + k) of both, rows [first, first + n) of what is held
    size_t strips;                // of a task
} job;

size_t etch_fgemm__split_scratch(void) { return sizeof(work); }

bool etch_fgemm__is_split(const etch_fgemm_kernels *kn, const etch_fgemm *g)
{
    if (!kn->split || !g->b_is_nk || g->b_type != ETCH_FGEMM_F32 || g->k < SHORTEST) return false;
    if ((g->m > g->n ? g->m : g->n) < FEWEST_PASSING || (g->m > g->n ? g->n : g->m) < FEWEST_HELD) return false;
    return 3 * etch_align_up(g->m, 16) * etch_align_up(g->n, 16) * etch_align_up(g->k, STEP) <= 4 * g->m * g->n * g->k;
}

// Rows [i, i + n) of A, of the job's columns, one after the other at `out`.
static void gather_rows(const job *s, size_t i, size_t n, float *out)
{
    const float *at[ROWS];
    for (size_t q = 0, run; q < s->k; q += run) {
        run = s->g->gather(s->g->user, i, n, s->p + q, s->k - q, at);
        for (size_t r = 0; r < n; r++) memcpy(out + r * s->k + q, at[r], sizeof *out * run);
    }
}

// Where rows [i, ...) of A (n of them) or W lie, and how far apart.
static const float *rows_of(const job *s, bool is_a, size_t i, size_t n, size_t *apart, work *w)
{
    const etch_fgemm *g = s->g;
    if (is_a && !g->a) {
        gather_rows(s, i, n, w->rows);
        *apart = s->k;
        return w->rows;
    }
    *apart = is_a ? g->lda : g->ldb;
    return (is_a ? g->a : (const float *)g->b) + i * *apart + s->p;
}

static etch_fgemm_strip strip_of(const job *s, bool is_a, size_t i, size_t n, uint8_t *out, work *w)
{
    etch_fgemm_strip f = { .n = n, .k = s->k, .out = out };
    f.x = rows_of(s, is_a, i, n, &f.ldx, w);
    return f;
}

static size_t at_most(size_t n, size_t most) { return n < most ? n : most; }

static void hold(const job *s, work *w)
{
    size_t strip = etch_fgemm__ceil_div(s->k, STEP) * BYTES;
    for (size_t i = 0; i < s->n; i += ROWS) {
        etch_fgemm_strip f = strip_of(s, s->is_turned, s->first + i, at_most(s->n - i, ROWS), w->held + i / ROWS * strip, w);
        s->kn->split->right(&f);
    }
    w->block = s->block;
    w->coming = SIZE_MAX;
}

// A tile with numbers that are not finite, or too large to be split, by dot products in floats.
static void redo(const job *s, size_t i, size_t m, size_t j, size_t n, work *w)
{
    const etch_fgemm *g = s->g;
    s->kn->split->left(&w->next);   // which may lie in w->rows
    size_t lda;
    const float *a = rows_of(s, true, i, m, &lda, w);
    float y[12];
    for (size_t q = 0; q < m; q++)
        for (size_t c = j; c < j + n; c++) {
            s->kn->dots(1, a + q * lda, lda, ETCH_FGEMM_F32, (const float *)g->b + c * g->ldb + s->p, 0, s->k, y);
            float *at = g->c + (i + q) * g->ldc + c, sum = s->p ? *at + y[0] : y[0];
            *at = s->p + s->k >= g->k ? etch_fgemm__finish(g, sum, c) : sum;
        }
}

// Row t ... of what passes by begins to be laid out.
static void begin_strip(const job *s, size_t t, work *w)
{
    w->which ^= 1;
    w->coming = t;
    w->next = t < s->n_passing ? strip_of(s, !s->is_turned, t, at_most(s->n_passing - t, ROWS), w->strip[w->which], w)
                               : (etch_fgemm_strip){ 0 };
}

// Rows [t, t + n) of what passes by, laid out at `strip`, against all that is held. Meanwhile what comes next is laid out.
static void multiply(const job *s, const uint8_t *strip, size_t t, size_t n, work *w)
{
    const etch_fgemm *g = s->g;
    bool is_last = s->p + s->k >= g->k;
    size_t bytes = etch_fgemm__ceil_div(s->k, STEP) * BYTES, each = etch_fgemm__ceil_div(ROWS, etch_fgemm__ceil_div(s->n, ROWS));
    for (size_t h = 0; h < s->n; h += ROWS) {
        size_t width = at_most(s->n - h, ROWS), i = s->is_turned ? s->first + h : t, j = s->is_turned ? t : s->first + h;
        etch_fgemm_end end = { g->bias ? g->bias + j : NULL, g->scale ? g->scale + j : NULL, g->lo, g->hi };
        if (!s->kn->split->tile(s->is_turned, n, width, s->k, strip, w->held + h / ROWS * bytes, g->c + i * g->ldc + j, g->ldc, s->p > 0,
                                is_last ? &end : NULL, &w->next, each))
            redo(s, i, s->is_turned ? width : n, j, s->is_turned ? n : width, w);
    }
}

static void task(void *user, size_t index, int worker)
{
    const job *s = user;
    const etch_fgemm *g = s->g;
    work *w = etch_fgemm__work_of(s->scratch, worker);
    size_t rows = s->strips * ROWS, t0 = index * rows, t1 = at_most(t0 + rows, s->n_passing);
    if (w->block != s->block) hold(s, w);
    if (w->coming != t0) begin_strip(s, t0, w);
    s->kn->split->begin();
    for (size_t t = t0; t < t1; t += ROWS) {
        s->kn->split->left(&w->next);
        const uint8_t *strip = w->strip[w->which];
        begin_strip(s, t + ROWS, w);   // of the next task too: a thread of the pool takes one after the other
        multiply(s, strip, t, at_most(t1 - t, ROWS), w);
    }
    s->kn->split->end();
    if (!g->after || s->p + s->k < g->k) return;
    size_t i0 = s->is_turned ? s->first : t0, i1 = s->is_turned ? s->first + s->n : t1;
    size_t j0 = s->is_turned ? t0 : s->first, j1 = s->is_turned ? t1 : s->first + s->n;
    for (size_t i = i0; i < i1; i++) g->after(g->after_user, g->c + i * g->ldc + j0, j1 - j0);
}

void etch_fgemm__split(const etch_fgemm_kernels *kn, const etch_fgemm *g, etch_pool *pool, void *scratch)
{
    size_t threads = (size_t)etch_pool_threads(pool);
    bool is_turned = g->m <= g->n;
    job s = { .kn = kn, .g = g, .scratch = scratch, .is_turned = is_turned, .n_passing = is_turned ? g->n : g->m,
              .n_held = is_turned ? g->m : g->n };
    for (size_t i = 0; i < threads; i++) {
        work *w = etch_fgemm__work_of(scratch, (int)i);
        w->block = 0;
        w->which = 0;
    }
    size_t deep = etch_fgemm__equal_part(g->k, DEEP, STEP), strips = etch_fgemm__ceil_div(s.n_passing, ROWS);
    size_t most = HELD / (etch_fgemm__ceil_div(deep, STEP) * BYTES) * ROWS;
    size_t high = etch_fgemm__equal_part(s.n_held, most, ROWS);
    for (s.p = 0; s.p < g->k; s.p += s.k) {
        s.k = at_most(g->k - s.p, deep);
        for (s.first = 0; s.first < s.n_held; s.first += s.n) {
            s.n = at_most(s.n_held - s.first, high);
            s.block++;
            size_t cycles = etch_fgemm__ceil_div(s.k, STEP) * etch_fgemm__ceil_div(s.n, ROWS) * STEP_CYCLES;
            s.strips = etch_fgemm__ceil_div(TASK, cycles);
            if (s.strips < strips / (16 * threads)) s.strips = strips / (16 * threads);
            if (s.strips > etch_fgemm__ceil_div(strips, threads)) s.strips = etch_fgemm__ceil_div(strips, threads);
            etch_pool_run(pool, etch_fgemm__ceil_div(strips, s.strips), task, &s);
        }
    }
}
