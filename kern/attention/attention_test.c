// In: random operands of a grid of sizes, every supported row of kernels.def. Out: what softmax(scale q k + mask) v gives in doubles.
// Tolerance 2e-6 of the largest value: sums of at most 600 products in fp32, exp within 2 ulp.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/cpu.h"
#include "base/num.h"
#include "kern/attention/attention.h"

static uint32_t seed = 1;
static float uniform(void)
{
    seed = seed * 1664525u + 1013904223u;
    return (float)(int32_t)(seed >> 8 & 0xffff) / 32768.0f - 1.0f;
}

typedef enum { NO_MASK, CAUSAL, ADDED, CHOSEN, SHARED, N_MASKS } mask_kind;   // SHARED: floats, one row for all queries
typedef struct { size_t b, h, kv, n_q, n_k, d, dv; mask_kind mask; } shape;

static float *random_floats(size_t n)
{
    float *p = malloc(n * sizeof *p + 64);
    for (size_t i = 0; i < n; i++) p[i] = uniform();
    return p;
}

static void check(const etch_attention_isa *isa, etch_pool *pool, const shape *s)
{
    size_t d = s->d, dv = s->dv, g = s->h / s->kv, q_row = s->h * d, o_row = s->h * dv;
    size_t k_row = s->kv * d, v_row = s->kv * dv, cache = s->n_k + 3;
    float *q = random_floats(s->b * s->n_q * q_row), *k = random_floats(s->b * cache * k_row), *v = random_floats(s->b * cache * v_row);
    float *out = random_floats(s->b * s->n_q * o_row), *added = random_floats(s->n_q * s->n_k);
    uint8_t *chosen = malloc(s->n_q * s->n_k);
    for (size_t i = 0; i < s->n_q * s->n_k; i++) {
        chosen[i] = added[i] < 0.3f && i / s->n_k != 1;   // query 1 sees nothing
        added[i] = added[i] > 0.8f ? -INFINITY : added[i];
    }
    void *mask = s->mask == ADDED || s->mask == SHARED ? (void *)added : s->mask == CHOSEN ? (void *)chosen : NULL;
    etch_attention a = { .batches = s->b, .heads = s->h, .kv_heads = s->kv, .n_q = s->n_q, .n_k = s->n_k, .d = d, .dv = dv,
                         .q = { q, s->n_q * q_row, d, q_row }, .k = { k, cache * k_row, d, k_row }, .v = { v, cache * v_row, dv, v_row },
                         .out = out, .out_batch = s->n_q * o_row, .out_head = dv, .out_row = o_row, .scale = 0.3f,
                         .causal = s->mask == CAUSAL, .first = s->n_k - s->n_q, .mask = mask,
                         .is_bool = s->mask == CHOSEN, .mask_row = s->mask == SHARED ? 0 : s->n_k, .mask_key = 1 };
    void *scratch = aligned_alloc(64, etch_align_up(etch_attention_scratch(isa, &a, etch_pool_threads(pool)), 64));
    etch_attention_run(isa, &a, pool, scratch);
    double *p = malloc(s->n_k * sizeof *p);
    for (size_t b = 0; b < s->b; b++)
        for (size_t h = 0; h < s->h; h++)
            for (size_t r = 0; r < s->n_q; r++) {
                double sum = 0, max = -INFINITY;
                for (size_t j = 0; j < s->n_k; j++) {
                    double y = 0;
                    for (size_t c = 0; c < d; c++)
                        y += (double)q[(b * s->n_q + r) * q_row + h * d + c] * (double)k[(b * cache + j) * k_row + h / g * d + c];
                    p[j] = y * (double)0.3f;
                    if (s->mask == CAUSAL && j > r + a.first) p[j] = -INFINITY;
                    if (s->mask == SHARED) p[j] += (double)added[j];
                    if (s->mask == ADDED) p[j] += (double)added[r * s->n_k + j];
                    if (s->mask == CHOSEN && !chosen[r * s->n_k + j]) p[j] = -INFINITY;
                    max = fmax(max, p[j]);
                }
                for (size_t j = 0; j < s->n_k; j++) sum += p[j] = max == -INFINITY ? 0 : exp(p[j] - max);
                for (size_t c = 0; c < dv; c++) {
                    double y = 0;
                    for (size_t j = 0; j < s->n_k; j++) y += p[j] * (double)v[(b * cache + j) * v_row + h / g * dv + c];
                    y = sum > 0 ? y / sum : 0;
                    float got = out[(b * s->n_q + r) * o_row + h * dv + c];
                    if (!(fabs(y - (double)got) < 2e-6))
                        fail_msg("%s b%zu h%zu/%zu q%zu k%zu d%zu mask %d: [%zu %zu %zu %zu] %g, not %g", isa->name, s->b, s->h, s->kv,
                                 s->n_q, s->n_k, d, s->mask, b, h, r, c, (double)got, y);
                }
            }
    free(p);
    free(q);
    free(k);
    free(v);
    free(out);
    free(added);
    free(chosen);
    free(scratch);
}

void test_kern_attention__equals_double_precision(void **state)
{
    (void)state;
    static const struct { size_t h, kv; } heads[] = { { 1, 1 }, { 6, 2 }, { 4, 4 }, { 16, 1 } };
    static const struct { size_t n_q, n_k; } sizes[] = { { 1, 1 }, { 1, 63 }, { 1, 600 }, { 2, 65 }, { 3, 130 }, { 7, 7 },
                                                          { 17, 40 }, { 33, 200 }, { 70, 129 }, { 64, 64 } };
    static const size_t ds[] = { 1, 8, 20, 64, 72, 47, 16 };
    etch_pool *pool = etch_pool_acquire(2);
    const etch_attention_isa *isa;
    for (int r = 0, i = 0; (isa = etch_attention_row(r)); r++) {
        if ((isa->needs & etch_cpu_features()) != isa->needs) continue;
        for (size_t a = 0; a < sizeof heads / sizeof *heads; a++)
            for (size_t b = 0; b < sizeof sizes / sizeof *sizes; b++)
                for (int mask = NO_MASK; mask < N_MASKS; mask++, i++)
                    check(isa, i % 2 ? pool : NULL,
                          &(shape){ 1 + (size_t)i % 2, heads[a].h, heads[a].kv, sizes[b].n_q, sizes[b].n_k, ds[i % 7],
                                    ds[i % 3 ? i % 7 : i % 5], (mask_kind)mask });
    }
    etch_pool_release(pool);
}

// Many queries: a NaN or an infinity reaches the rows that see it and no other; a row whose mask hides every key gives zeros.
void test_kern_attention__blocks_keep_rows_apart(void **state)
{
    (void)state;
    enum { N = 50, D = 24 };
    float *q = random_floats(N * D), *k = random_floats(N * D), *mask = random_floats(N * N), clean[N * D], out[N * D];
    etch_attention a = { .batches = 1, .heads = 1, .kv_heads = 1, .n_q = N, .n_k = N, .d = D, .dv = D,
                         .q = { q, 0, 0, D }, .k = { k, 0, 0, D }, .v = { k, 0, 0, D }, .out = clean, .out_row = D, .scale = 1,
                         .mask = mask, .mask_row = N, .mask_key = 1 };
    const etch_attention_isa *isa;
    for (int r = 0; (isa = etch_attention_row(r)); r++) {
        if ((isa->needs & etch_cpu_features()) != isa->needs) continue;
        void *scratch = aligned_alloc(64, etch_align_up(etch_attention_scratch(isa, &a, 1), 64));
        a.out = clean;
        etch_attention_run(isa, &a, NULL, scratch);
        float q3 = q[3 * D], m5 = mask[5 * N + 49], m7 = mask[7 * N + 2], row[N];
        q[3 * D] = NAN;
        mask[5 * N + 49] = INFINITY;
        mask[7 * N + 2] = NAN;
        memcpy(row, mask + 41 * N, sizeof row);
        for (int j = 0; j < N; j++) mask[41 * N + j] = -INFINITY;
        a.out = out;
        etch_attention_run(isa, &a, NULL, scratch);
        for (int i = 0; i < N; i++)
            for (int c = 0; c < D; c++) {
                float y = out[i * D + c];
                if (i == 3 || i == 5 || i == 7) assert_true(isnan(y));
                else if (i == 41) assert_true(y == 0);
                else assert_memory_equal(&y, clean + i * D + c, sizeof y);
            }
        q[3 * D] = q3;
        mask[5 * N + 49] = m5;
        mask[7 * N + 2] = m7;
        memcpy(mask + 41 * N, row, sizeof row);
        free(scratch);
    }
    free(q);
    free(k);
    free(mask);
}

// One thread and two give the same bits; a NaN reaches the rows that see it and no other.
void test_kern_attention__threads_and_nan(void **state)
{
    (void)state;
    enum { H = 4, K = 700, D = 24 };
    float *q = random_floats(2 * H * D), *k = random_floats(K * D), one[2 * H * D], two[2 * H * D];
    etch_attention a = { .batches = 1, .heads = H, .kv_heads = 1, .n_q = 2, .n_k = K, .d = D, .dv = D,
                         .q = { q, 0, D, H * D }, .k = { k, 0, 0, D }, .v = { k, 0, 0, D }, .out = one, .out_head = D, .out_row = H * D,
                         .scale = 1, .causal = true, .first = K - 2 };
    const etch_attention_isa *isa = etch_attention_select(etch_cpu_features());
    etch_pool *pool = etch_pool_acquire(2);
    void *scratch = aligned_alloc(64, etch_align_up(etch_attention_scratch(isa, &a, 2), 64));
    etch_attention_run(isa, &a, NULL, scratch);
    a.out = two;
    etch_attention_run(isa, &a, pool, scratch);
    assert_memory_equal(one, two, sizeof one);
    q[H * D] = NAN;   // query 1, head 0
    etch_attention_run(isa, &a, NULL, scratch);
    for (int c = 0; c < D; c++) assert_true(isnan(two[H * D + c]));
    assert_memory_equal(one, two, sizeof(float) * H * D);
    assert_memory_equal(one + (H + 1) * D, two + (H + 1) * D, sizeof(float) * (H - 1) * D);
    etch_pool_release(pool);
    free(q);
    free(k);
    free(scratch);
}
