// In: activations and weights. Out: their products, by the loops of one instruction set.
#include "kern/qgemm/qgemm.h"

#include <string.h>

#include "kern/qgemm/rows.h"

#define NR ETCH_QGEMM_NR

#define FAMILY qgemm
#define KIND isa
#define ROWS "kern/qgemm/kernels.def"
#include "kern/select.inc"

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

void etch_qgemm__put(const etch_qgemm *g, size_t i, size_t j, size_t n, const int64_t *sum)
{
    for (size_t r = 0; r < n; r++) put(g, i, j + r, sum[r]);
}

// Four sums of a row at once: the same operations in the same order.
void etch_qgemm__put_four(const etch_qgemm *g, size_t i, size_t j, const int32_t *sum)
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

size_t etch_qgemm_scratch(size_t m, size_t k, int n_threads)
{
    size_t a = etch_qgemm__wide_scratch(m, k, n_threads), b = etch_qgemm__bytes_scratch(m, k, n_threads);
    return a > b ? a : b;
}

void etch_qgemm_run(const etch_qgemm_isa *isa, const etch_qgemm *g, etch_pool *pool, void *scratch)
{
    if (!g->m || !g->n) return;
    if (g->m * g->n * (g->k + 1) < 32768) pool = NULL;
    if (isa->bytes) etch_qgemm__run_bytes(isa->bytes, isa->many, g, pool, scratch);
    else etch_qgemm__run_wide(isa->wide, g, pool, scratch);
}
