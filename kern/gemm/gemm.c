// In: two matrices of any supported layout. Out: their product, tile by tile, on several threads.
//
// Few rows with [n, k] fp32 weights: dot products on the weights where they lie. Otherwise the weights of `nr` columns are laid out as
// [k, nr] fp32 in the worker's scratch (or used in place when they already lie so) and every row tile passes over them.
#include "kern/gemm/gemm.h"

#include <string.h>

#include "base/num.h"
#include "kern/gemm/rows.h"

static const etch_gemm_kernels *const rows[] = {
#define KERNELS(suffix, features) &etch_gemm__##suffix,
#include "kern/gemm/kernels.def"
#undef KERNELS
    NULL,
};

const etch_gemm_kernels *etch_gemm_row(int i)
{
    return i >= 0 && (size_t)i < sizeof rows / sizeof *rows ? rows[i] : NULL;
}

const etch_gemm_kernels *etch_gemm_select(unsigned features)
{
    const etch_gemm_kernels *best = rows[0];
    for (size_t i = 0; rows[i]; i++)
        if ((rows[i]->needs & features) == rows[i]->needs) best = rows[i];
    return best;
}

// Below this many rows, dot products beat laying the weights out.
#define DOT_ROWS 4
#define DOT_COLUMNS 64
#define TILE_BYTES (sizeof(float) * ETCH_GEMM_MAX_MR * ETCH_GEMM_MAX_NR)
#define WORKER_BYTES (sizeof(float) * ETCH_GEMM_KC * ETCH_GEMM_MAX_NR + TILE_BYTES)

typedef struct {
    const etch_gemm_kernels *kn;
    const etch_gemm *g;
    uint8_t *scratch;
    size_t n_tiles, rows_a_task;
} job;

static inline float finish(const etch_gemm *g, float y, size_t j)
{
    if (g->bias) y += g->bias[j];
    if (g->scale) y *= g->scale[j];
    return y < g->lo ? g->lo : y > g->hi ? g->hi : y;
}

// Columns [64 task, 64 task + 64).
static void dots(void *user, size_t task, int worker)
{
    const job *s = user;
    const etch_gemm *g = s->g;
    (void)worker;
    size_t n1 = (task + 1) * DOT_COLUMNS;
    if (n1 > g->n) n1 = g->n;
    for (size_t j = task * DOT_COLUMNS; j < n1; j += 4) {
        const float *w = (const float *)g->b + j * g->ldb;
        for (size_t i = 0; i < g->m; i++) {
            float y[4];
            if (j + 4 <= n1) {
                s->kn->dot4(g->a + i * g->lda, w, g->ldb, g->k, y);
            } else {
                for (size_t r = 0; j + r < n1; r++) {
                    float alone[4];
                    s->kn->dot4(g->a + i * g->lda, w + r * g->ldb, 0, g->k, alone);
                    y[r] = alone[0];
                }
            }
            for (size_t r = 0; r < 4 && j + r < n1; r++) g->c[i * g->ldc + j + r] = finish(g, y[r], j + r);
        }
    }
}

static float weight(const etch_gemm *g, size_t at)
{
    switch (g->b_type) {
    case ETCH_GEMM_F16: return etch_f16_to_f32(((const uint16_t *)g->b)[at]);
    case ETCH_GEMM_BF16: return etch_bf16_to_f32(((const uint16_t *)g->b)[at]);
    case ETCH_GEMM_I8: return (float)((const int8_t *)g->b)[at];
    default: return ((const float *)g->b)[at];
    }
}

// Columns [j, j + n) of rows [p, p + k) as [k, nr], missing columns zero.
static void lay_out(const etch_gemm *g, size_t j, size_t n, size_t p, size_t k, size_t nr, float *out)
{
    if (n < nr) memset(out, 0, sizeof(float) * k * nr);
    if (g->b_is_nk && g->b_type == ETCH_GEMM_F32) {
        for (size_t c = 0; c < n; c++) {
            const float *w = (const float *)g->b + (j + c) * g->ldb + p;
            for (size_t q = 0; q < k; q++) out[q * nr + c] = w[q];
        }
    } else if (g->b_is_nk) {
        for (size_t c = 0; c < n; c++)
            for (size_t q = 0; q < k; q++) out[q * nr + c] = weight(g, (j + c) * g->ldb + p + q);
    } else if (g->b_type == ETCH_GEMM_F32) {
        for (size_t q = 0; q < k; q++) memcpy(out + q * nr, (const float *)g->b + (p + q) * g->ldb + j, sizeof(float) * n);
    } else {
        for (size_t q = 0; q < k; q++)
            for (size_t c = 0; c < n; c++) out[q * nr + c] = weight(g, (p + q) * g->ldb + j + c);
    }
}

// One column tile for a range of rows.
static void tiles(void *user, size_t task, int worker)
{
    const job *s = user;
    const etch_gemm *g = s->g;
    const size_t nr = (size_t)s->kn->nr, mr = (size_t)s->kn->mr;
    size_t j = task % s->n_tiles * nr, n = g->n - j < nr ? g->n - j : nr;
    size_t i0 = task / s->n_tiles * s->rows_a_task, i1 = i0 + s->rows_a_task < g->m ? i0 + s->rows_a_task : g->m;
    float *tile = (float *)(void *)(s->scratch + (size_t)worker * WORKER_BYTES), *panel = tile + TILE_BYTES / sizeof(float);
    bool in_place = !g->b_is_nk && g->b_type == ETCH_GEMM_F32 && n == nr && i1 - i0 <= 4 * mr;
    size_t p = 0;
    do {
        size_t k = g->k - p < ETCH_GEMM_KC ? g->k - p : ETCH_GEMM_KC;
        bool last = p + k >= g->k;
        const float *b = panel;
        size_t ldb = nr;
        if (in_place) {
            b = (const float *)g->b + p * g->ldb + j;
            ldb = g->ldb;
        } else {
            lay_out(g, j, n, p, k, nr, panel);
        }
        for (size_t i = i0; i < i1; i += mr) {
            size_t m = i1 - i < mr ? i1 - i : mr;
            for (size_t r = 0; p && r < m; r++) memcpy(tile + r * nr, g->c + (i + r) * g->ldc + j, sizeof(float) * n);
            s->kn->tile((int)m, k, g->a + i * g->lda + p, g->lda, b, ldb, tile, p > 0);
            for (size_t r = 0; r < m; r++) {
                float *c = g->c + (i + r) * g->ldc + j;
                if (last)
                    for (size_t q = 0; q < n; q++) c[q] = finish(g, tile[r * nr + q], j + q);
                else
                    memcpy(c, tile + r * nr, sizeof(float) * n);
            }
        }
        p += k;
    } while (p < g->k);
}

size_t etch_gemm_scratch(int n_threads) { return (size_t)n_threads * WORKER_BYTES; }

static void run(const etch_gemm_kernels *kn, const etch_gemm *g, etch_pool *pool, void *scratch)
{
    if (!g->m || !g->n) return;
    job s = { kn, g, scratch, (g->n + (size_t)kn->nr - 1) / (size_t)kn->nr, g->m };
    if (g->b_is_nk && g->b_type == ETCH_GEMM_F32 && g->m < DOT_ROWS) {
        etch_pool_run(pool, (g->n + DOT_COLUMNS - 1) / DOT_COLUMNS, dots, &s);
        return;
    }
    // Few column tiles: split the rows too.
    size_t want = 4 * (size_t)etch_pool_threads(pool), parts = 1;
    if (want > 4 && s.n_tiles < want) parts = want / s.n_tiles;
    size_t mr = (size_t)kn->mr, row_tiles = (g->m + mr - 1) / mr;
    if (parts > row_tiles) parts = row_tiles;
    s.rows_a_task = (row_tiles + parts - 1) / parts * mr;
    parts = (g->m + s.rows_a_task - 1) / s.rows_a_task;
    // Small work is not worth waking anyone.
    if (g->m * g->n * (g->k + 1) < 32768) pool = NULL;
    etch_pool_run(pool, s.n_tiles * parts, tiles, &s);
}

void etch_gemm_run(const etch_gemm_kernels *kn, const etch_gemm *g, etch_pool *pool, void *scratch) { run(kn, g, pool, scratch); }
void etch_gemm_run_one(const etch_gemm_kernels *kn, const etch_gemm *g, void *scratch) { run(kn, g, NULL, scratch); }
