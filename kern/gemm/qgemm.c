// In: int16 activations (value minus zero point) and int8, uint8 or 4-bit weights. Out: exact int32 sums, or floats after the scales.
//
// Four weight rows a step. 4-bit weights meet one activation row as they lie; with more rows they are widened to int8 once for all rows.
#include "kern/gemm/gemm.h"

#include "base/num.h"

#define COLUMNS 32
// idot4 adds up int32: at most 255 * 128 * 32768 < 2^31.
#define MAX_K 32768

typedef struct {
    const etch_gemm_kernels *kn;
    const etch_qgemm *g;
    int16_t *xe, *xo;   // one row: even and odd columns
    int8_t *wide;       // 4 rows of k a worker
} job;

static size_t wide_bytes(size_t k) { return etch_align_up(4 * k, 64); }

size_t etch_qgemm_scratch(size_t m, size_t k, int n_threads)
{
    (void)m;
    return etch_align_up(2 * sizeof(int16_t) * (k / 2 + 1), 64) + (size_t)n_threads * wide_bytes(k);
}

static inline void put(const etch_qgemm *g, size_t i, size_t j, int64_t sum, float f)
{
    if (!g->c) {
        g->acc[i * g->ldc + j] = sum > INT32_MAX ? INT32_MAX : sum < INT32_MIN ? INT32_MIN : (int32_t)sum;
        return;
    }
    f *= g->x_scale[i];
    if (g->w_scale) f *= g->w_scale[j];
    if (g->bias) f += g->bias[j];
    g->c[i * g->ldc + j] = f < g->lo ? g->lo : f > g->hi ? g->hi : f;
}

static void widen_row(const uint8_t *w, size_t k, int8_t *out)
{
    for (size_t p = 0; p + 1 < k; p += 2) {
        out[p] = (int8_t)((w[p / 2] & 15) - 8);
        out[p + 1] = (int8_t)((w[p / 2] >> 4) - 8);
    }
    if (k % 2) out[k - 1] = (int8_t)((w[k / 2] & 15) - 8);
}

// Rows i, i+1 against four weight rows (n of them real).
static void rows_by_four(const job *s, size_t i, size_t j, size_t n, const int8_t *w, size_t ldw)
{
    const etch_qgemm *g = s->g;
    int m = g->m - i < 2 ? 1 : 2;
    const int16_t *x = g->x + i * g->ldx;
    size_t step = g->group ? g->group : MAX_K;
    int64_t sum[2][4] = { { 0 } };
    float f[2][4] = { { 0 } };
    for (size_t p = 0; p < g->k; p += step) {
        size_t k = g->k - p < step ? g->k - p : step;
        int32_t part[2][4];
        s->kn->idot4(m, x + p, g->ldx, w + p, ldw, k, part);
        for (int a = 0; a < m; a++)
            for (size_t r = 0; r < n; r++) {
                sum[a][r] += part[a][r];
                if (g->group) f[a][r] += (float)part[a][r] * etch_bf16_to_f32(g->w_block_scale[(j + r) * (g->k / g->group) + p / g->group]);
            }
    }
    for (int a = 0; a < m; a++)
        for (size_t r = 0; r < n; r++) put(g, i + (size_t)a, j + r, sum[a][r], g->group ? f[a][r] : (float)sum[a][r]);
}

static void by_columns(void *user, size_t task, int worker)
{
    const job *s = user;
    const etch_qgemm *g = s->g;
    size_t j1 = (task + 1) * COLUMNS < g->n ? (task + 1) * COLUMNS : g->n;
    const uint8_t *bytes = g->w;
    for (size_t j = task * COLUMNS; j < j1;) {
        if (g->w_type == ETCH_QGEMM_W4 && g->m == 1 && g->group && g->group % 32 == 0) {
            float f = s->kn->qb4dot(s->xe, s->xo, bytes + j * g->ldw, g->w_block_scale + j * (g->k / g->group), g->group, g->k / g->group);
            put(g, 0, j++, 0, f);
            continue;
        }
        size_t n = j1 - j < 4 ? 1 : 4;
        const int8_t *w = (const int8_t *)bytes + j * g->ldw;
        size_t ldw = n == 4 ? g->ldw : 0;
        if (g->w_type == ETCH_QGEMM_W4) {
            int8_t *wide = s->wide + (size_t)worker * wide_bytes(g->k);
            for (size_t r = 0; r < n; r++) widen_row(bytes + (j + r) * g->ldw, g->k, wide + r * g->k);
            w = wide;
            ldw = n == 4 ? g->k : 0;
        }
        for (size_t i = 0; i < g->m; i += 2) rows_by_four(s, i, j, n, w, ldw);
        j += n;
    }
}

// uint8 weights with a zero point: rare, so plain.
static void by_columns_u8(void *user, size_t task, int worker)
{
    const job *s = user;
    const etch_qgemm *g = s->g;
    (void)worker;
    size_t j1 = (task + 1) * COLUMNS < g->n ? (task + 1) * COLUMNS : g->n;
    for (size_t j = task * COLUMNS; j < j1; j++) {
        const uint8_t *w = (const uint8_t *)g->w + j * g->ldw;
        for (size_t i = 0; i < g->m; i++) {
            const int16_t *x = g->x + i * g->ldx;
            int64_t sum = 0;
            for (size_t p = 0; p < g->k; p++) sum += x[p] * ((int32_t)w[p] - g->w_zero);
            put(g, i, j, sum, (float)sum);
        }
    }
}

void etch_qgemm_run(const etch_gemm_kernels *kn, const etch_qgemm *g, etch_pool *pool, void *scratch)
{
    if (!g->m || !g->n) return;
    uint8_t *at = scratch;
    size_t row = etch_align_up(2 * sizeof(int16_t) * (g->k / 2 + 1), 64);
    job s = { kn, g, (int16_t *)(void *)at, (int16_t *)(void *)at + g->k / 2 + 1, (int8_t *)(at + row) };
    if (g->w_type == ETCH_QGEMM_W4 && g->m == 1 && g->group)
        for (size_t p = 0; p + 1 < g->k; p += 2) {
            s.xe[p / 2] = g->x[p];
            s.xo[p / 2] = g->x[p + 1];
        }
    if (g->m * g->n * (g->k + 1) < 32768) pool = NULL;
    etch_pool_run(pool, (g->n + COLUMNS - 1) / COLUMNS, g->w_type == ETCH_QGEMM_U8 ? by_columns_u8 : by_columns, &s);
}
