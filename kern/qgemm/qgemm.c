// In: activations and weights. Out: their products, a run of weight rows a task.
#include "kern/qgemm/qgemm.h"

#include <stdbool.h>
#include <string.h>

#include "base/num.h"
#include "kern/qgemm/rows.h"

#define COLUMNS 32
#define MR ETCH_QGEMM_MR
#define NR ETCH_QGEMM_NR

static const etch_qgemm_isa *const isas[] = {
#define ISA(suffix, features) &etch_qgemm__##suffix,
#include "kern/qgemm/kernels.def"
#undef ISA
    NULL,
};

const etch_qgemm_isa *etch_qgemm_row(int i) { return i >= 0 && (size_t)i < sizeof isas / sizeof *isas ? isas[i] : NULL; }

const etch_qgemm_isa *etch_qgemm_select(unsigned features)
{
    const etch_qgemm_isa *best = isas[0];
    for (size_t i = 0; isas[i]; i++)
        if ((isas[i]->needs & features) == isas[i]->needs) best = isas[i];
    return best;
}

typedef struct { const etch_qgemm_isa *isa; const etch_qgemm *g; uint8_t *scratch; } work;

// Four rows of weights as int16.
static size_t wide_bytes(size_t k) { return etch_align_up(NR * k * sizeof(int16_t), 64); }

size_t etch_qgemm_scratch(size_t k, int n_threads) { return (size_t)n_threads * wide_bytes(k); }

static inline void put(const etch_qgemm *g, size_t i, size_t j, int64_t sum)
{
    if (!g->c) {
        g->acc[i * g->ldc + j] = sum > INT32_MAX ? INT32_MAX : sum < INT32_MIN ? INT32_MIN : (int32_t)sum;
        return;
    }
    float f = (float)sum * g->x_scale[i];
    if (g->w_scale) f *= g->w_scale[j];
    if (g->bias) f += g->bias[j];
    g->c[i * g->ldc + j] = f < g->lo ? g->lo : f > g->hi ? g->hi : f;
}

// Four sums of a row at once: the same operations in the same order.
static inline void put_four(const etch_qgemm *g, size_t i, size_t j, const int32_t *sum)
{
    float f[NR], *c = g->c + i * g->ldc + j;
    for (size_t r = 0; r < NR; r++) f[r] = (float)sum[r] * g->x_scale[i];
    if (g->w_scale)
        for (size_t r = 0; r < NR; r++) f[r] *= g->w_scale[j + r];
    if (g->bias)
        for (size_t r = 0; r < NR; r++) f[r] += g->bias[j + r];
    for (size_t r = 0; r < NR; r++) f[r] = f[r] < g->lo ? g->lo : f[r] > g->hi ? g->hi : f[r];
    memcpy(c, f, sizeof f);
}

static void widen(const etch_qgemm *g, size_t j, int16_t *out)
{
    const uint8_t *w = (const uint8_t *)g->w + j * g->ldw;
    size_t k = g->k;
    switch (g->w_type) {
    case ETCH_QGEMM_W8: for (size_t p = 0; p < k; p++) out[p] = (int8_t)w[p]; break;
    case ETCH_QGEMM_U8: for (size_t p = 0; p < k; p++) out[p] = (int16_t)(w[p] - g->w_zero); break;
    case ETCH_QGEMM_W4:
        for (size_t p = 0; p + 1 < k; p += 2) {
            out[p] = (int16_t)((w[p / 2] & 15) - 8);
            out[p + 1] = (int16_t)((w[p / 2] >> 4) - 8);
        }
        if (k % 2) out[k - 1] = (int16_t)((w[k / 2] & 15) - 8);
    }
}

// Rows [i, i + m) of activations against rows [j, j + n) of weights; `wide`: those as int16, or NULL (int8 as they lie, one row). n < NR: the
// other rows of `wide` hold anything.
static void one_tile(const work *s, size_t i, size_t m, size_t j, size_t n, const int16_t *wide)
{
    const etch_qgemm *g = s->g;
    if (g->k <= ETCH_QGEMM_K && g->c && n == NR) {
        int32_t all[MR * NR];
        const int16_t *x = g->x + i * g->ldx;
        if (wide) s->isa->tile((int)m, x, g->ldx, wide, g->k, g->k, all);
        else s->isa->one_row(x, (const int8_t *)g->w + j * g->ldw, g->ldw, g->k, all);
        for (size_t a = 0; a < m; a++) put_four(g, i + a, j, all + a * NR);
        return;
    }
    int64_t sum[MR * NR] = { 0 };
    for (size_t p = 0; p < g->k; p += ETCH_QGEMM_K) {
        int32_t part[MR * NR];
        size_t k = g->k - p < ETCH_QGEMM_K ? g->k - p : ETCH_QGEMM_K;
        const int16_t *x = g->x + i * g->ldx + p;
        if (wide) s->isa->tile((int)m, x, g->ldx, wide + p, g->k, k, part);
        else s->isa->one_row(x, (const int8_t *)g->w + j * g->ldw + p, g->ldw, k, part);
        for (size_t r = 0; r < m * NR; r++) sum[r] += part[r];
    }
    for (size_t a = 0; a < m; a++)
        for (size_t r = 0; r < n; r++) put(g, i + a, j + r, sum[a * NR + r]);
}

static void some_columns(void *user, size_t task, int worker)
{
    const work *s = user;
    const etch_qgemm *g = s->g;
    int16_t *wide = (int16_t *)(void *)(s->scratch + (size_t)worker * wide_bytes(g->k));
    size_t end = (task + 1) * COLUMNS < g->n ? (task + 1) * COLUMNS : g->n;
    for (size_t j = task * COLUMNS; j < end; j += NR) {
        size_t n = end - j < NR ? end - j : NR;
        bool as_they_lie = g->m == 1 && g->w_type == ETCH_QGEMM_W8 && n == NR;
        if (!as_they_lie) {
            for (size_t r = 0; r < n; r++) widen(g, j + r, wide + r * g->k);
            memset(wide + n * g->k, 0, (NR - n) * g->k * sizeof *wide);
        }
        for (size_t i = 0; i < g->m; i += MR) one_tile(s, i, g->m - i < MR ? g->m - i : MR, j, n, as_they_lie ? NULL : wide);
    }
}

void etch_qgemm_run(const etch_qgemm_isa *isa, const etch_qgemm *g, etch_pool *pool, void *scratch)
{
    if (!g->m || !g->n) return;
    work s = { isa, g, scratch };
    if (g->m * g->n * (g->k + 1) < 32768) pool = NULL;
    etch_pool_run(pool, (g->n + COLUMNS - 1) / COLUMNS, some_columns, &s);
}
