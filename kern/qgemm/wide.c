// In: activations and weights. Out: their products over int16, a run of weight rows a task.
//
// One row of activations meets int8 weights as they lie; with more rows, four rows of weights at a time become int16 for all of them.
#include <string.h>

#include "base/num.h"
#include "kern/qgemm/rows.h"

#define COLUMNS 32
#define MR ETCH_QGEMM_MR
#define NR ETCH_QGEMM_NR

typedef struct {
    const etch_qgemm_wide *isa;
    const etch_qgemm *g;
    const int16_t *x;    // [m, k], row stride ldx
    size_t ldx;
    uint8_t *scratch;
} work;

// Four rows of weights.
static size_t w_bytes(size_t k) { return etch_align_up(NR * k * sizeof(int16_t), 64); }
static size_t x_bytes(size_t m, size_t k) { return etch_align_up(m * k * sizeof(int16_t), 64); }

size_t etch_qgemm__wide_scratch(size_t m, size_t k, int n_threads) { return x_bytes(m, k) + (size_t)n_threads * w_bytes(k); }

// Rows [i, i + m) of activations against rows [j, j + n) of weights; `wide`: those as int16, or NULL (int8 as they lie, one row). n < NR:
// the other rows of `wide` hold anything.
static void one_tile(const work *s, size_t i, size_t m, size_t j, size_t n, const int16_t *wide)
{
    const etch_qgemm *g = s->g;
    if (g->k <= ETCH_QGEMM_K && g->c && n == NR) {
        int32_t all[MR * NR];
        const int16_t *x = s->x + i * s->ldx;
        if (wide) s->isa->tile((int)m, x, s->ldx, wide, g->k, g->k, all);
        else s->isa->one_row(x, (const int8_t *)g->w + j * g->ldw, g->ldw, g->k, all);
        for (size_t a = 0; a < m; a++) etch_qgemm__put_four(g, i + a, j, all + a * NR);
        return;
    }
    int64_t sum[MR * NR] = { 0 };
    for (size_t p = 0; p < g->k; p += ETCH_QGEMM_K) {
        int32_t part[MR * NR];
        size_t k = g->k - p < ETCH_QGEMM_K ? g->k - p : ETCH_QGEMM_K;
        const int16_t *x = s->x + i * s->ldx + p;
        if (wide) s->isa->tile((int)m, x, s->ldx, wide + p, g->k, k, part);
        else s->isa->one_row(x, (const int8_t *)g->w + j * g->ldw + p, g->ldw, k, part);
        for (size_t r = 0; r < m * NR; r++) sum[r] += part[r];
    }
    for (size_t a = 0; a < m; a++) etch_qgemm__put(g, i + a, j, n, sum + a * NR);
}

static void some_columns(void *user, size_t task, int worker)
{
    const work *s = user;
    const etch_qgemm *g = s->g;
    int16_t *wide = (int16_t *)(void *)(s->scratch + (size_t)worker * w_bytes(g->k));
    size_t end = (task + 1) * COLUMNS < g->n ? (task + 1) * COLUMNS : g->n;
    for (size_t j = task * COLUMNS; j < end; j += NR) {
        size_t n = end - j < NR ? end - j : NR;
        bool as_they_lie = g->m == 1 && g->w_type == ETCH_QGEMM_W8 && n == NR;
        if (!as_they_lie) {
            const uint8_t *w = (const uint8_t *)g->w + j * g->ldw;
            for (size_t r = 0; r < n; r++) s->isa->set_w(w + r * g->ldw, g->w_type, g->w_zero, g->k, wide + r * g->k);
            memset(wide + n * g->k, 0, (NR - n) * g->k * sizeof *wide);
        }
        for (size_t i = 0; i < g->m; i += MR) one_tile(s, i, g->m - i < MR ? g->m - i : MR, j, n, as_they_lie ? NULL : wide);
    }
}

static void some_rows(void *user, size_t task, int worker)
{
    const work *s = user;
    const etch_qgemm *g = s->g;
    const uint8_t *x = g->x;
    int16_t *out = (int16_t *)(void *)s->scratch;
    (void)worker;
    for (size_t i = task * COLUMNS; i < (task + 1) * COLUMNS && i < g->m; i++)
        s->isa->set_x(x + i * g->ldx, g->x_type, etch_qgemm__zero(g, i), g->k, out + i * g->k);
}

void etch_qgemm__run_wide(const etch_qgemm_wide *isa, const etch_qgemm *g, etch_pool *pool, uint8_t *scratch)
{
    work s = { isa, g, g->x, g->ldx, scratch };
    if (g->x_type != ETCH_QGEMM_X_WIDE) {
        etch_pool_run(pool, (g->m + COLUMNS - 1) / COLUMNS, some_rows, &s);
        s.x = (const int16_t *)(void *)scratch;
        s.ldx = g->k;
        s.scratch += x_bytes(g->m, g->k);
    }
    etch_pool_run(pool, (g->n + COLUMNS - 1) / COLUMNS, some_columns, &s);
}
