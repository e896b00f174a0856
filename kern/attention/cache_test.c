// In: random keys and values on a grid of sizes, every type of caches.def, every supported row of kernels.def. Out: attention over the narrow
// rows equals attention in floats over what they hold (2e-6, as attention_test.c), and what they hold is near: half an ulp of a half float,
// half a step of 1/127 of a row's largest number.
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

typedef struct { size_t h, kv, n_q, n_k, d; bool is_masked; } shape;

static uint32_t seed = 7;
static float uniform(void)
{
    seed = seed * 1664525u + 1013904223u;
    return (float)(int32_t)(seed >> 8 & 0xffff) / 32768.0f - 1.0f;
}

static float *randoms(size_t n)
{
    float *p = malloc((n + 16) * sizeof *p);
    for (size_t i = 0; i < n; i++) p[i] = uniform();
    return p;
}

static void check_row(int type, const float *x, const float *y, size_t d)
{
    float top = 0;
    for (size_t c = 0; c < d; c++) top = fmaxf(top, fabsf(x[c]));
    for (size_t c = 0; c < d; c++) {
        float bound = type == ETCH_CACHE_i8 ? top / 254 * 1.001f : fabsf(x[c]) / 2048 + 1e-7f;
        if (!(fabsf(x[c] - y[c]) <= bound)) fail_msg("%s: %g became %g", etch_cache_name(type), (double)x[c], (double)y[c]);
    }
}

// The rows as the type has them, and as floats again.
static uint8_t *narrowed(const etch_attention_isa *isa, int type, float *x, size_t n, size_t d)
{
    const etch_cache_loops *l = isa->loops[type], *ref = etch_attention_row(0)->loops[type];
    size_t bytes = l->row_bytes(d);
    uint8_t *rows = malloc(n * bytes + 1), *same = malloc(bytes);
    float *wide = malloc(n * d * sizeof *wide);
    for (size_t i = 0; i < n; i++) {
        l->narrow(x + i * d, d, rows + i * bytes);
        ref->narrow(x + i * d, d, same);
        assert_memory_equal(same, rows + i * bytes, bytes);
    }
    l->widen(rows, bytes, n, d, wide, d);
    for (size_t i = 0; i < n; i++) check_row(type, x + i * d, wide + i * d, d);
    memcpy(x, wide, n * d * sizeof *x);
    free(wide);
    free(same);
    return rows;
}

static void check(const etch_attention_isa *isa, int type, const shape *s, etch_pool *pool)
{
    size_t d = s->d, q_row = s->h * d, n_out = s->n_q * q_row, bytes = isa->loops[type]->row_bytes(d);
    float *q = randoms(n_out), *k = randoms(s->n_k * s->kv * d), *v = randoms(s->n_k * s->kv * d), *mask = randoms(s->n_q * s->n_k);
    float *want = randoms(n_out), *got = randoms(n_out);
    uint8_t *nk = narrowed(isa, type, k, s->n_k * s->kv, d), *nv = narrowed(isa, type, v, s->n_k * s->kv, d);
    for (size_t i = 0; i < s->n_q * s->n_k; i++) mask[i] = mask[i] > 0.7f && i % s->n_k ? -INFINITY : mask[i];   // as a ring has it
    etch_attention a = { .batches = 1, .heads = s->h, .kv_heads = s->kv, .n_q = s->n_q, .n_k = s->n_k, .d = d, .dv = d, .q = { q, 0, d, q_row },
                         .k = { k, 0, d, s->kv * d }, .v = { v, 0, d, s->kv * d }, .out = want, .out_head = d, .out_row = q_row, .scale = 0.3f,
                         .causal = !s->is_masked, .first = s->n_k - s->n_q, .mask = s->is_masked ? mask : NULL, .mask_row = s->n_k, .mask_key = 1 };
    etch_attention b = a;
    b.cache = (etch_cache_id)type;
    b.k = (etch_attention_rows){ nk, 0, bytes, s->kv * bytes };
    b.v = (etch_attention_rows){ nv, 0, bytes, s->kv * bytes };
    b.out = got;
    int threads = etch_pool_threads(pool);
    size_t room = etch_attention_scratch(isa, &a, threads), more = etch_attention_scratch(isa, &b, threads);
    void *scratch = aligned_alloc(64, etch_align_up((room > more ? room : more) + 64, 64));
    etch_attention_run(isa, &a, pool, scratch);
    etch_attention_run(isa, &b, pool, scratch);
    for (size_t i = 0; i < n_out; i++)
        if (!(fabsf(want[i] - got[i]) < 2e-6f))
            fail_msg("%s %s h%zu/%zu q%zu k%zu d%zu: [%zu] %g, not %g", isa->name, etch_cache_name(type), s->h, s->kv, s->n_q, s->n_k, d, i, (double)got[i],
                     (double)want[i]);
    free(q);
    free(k);
    free(v);
    free(mask);
    free(want);
    free(got);
    free(nk);
    free(nv);
    free(scratch);
}

void test_kern_attention_cache__equals_floats_of_its_rows(void **state)
{
    (void)state;
    static const struct { size_t h, kv; } heads[] = { { 1, 1 }, { 6, 2 }, { 9, 3 }, { 16, 1 } };
    static const struct { size_t n_q, n_k; } sizes[] = { { 1, 1 }, { 1, 63 }, { 1, 600 }, { 3, 130 }, { 33, 200 }, { 64, 64 } };
    static const size_t ds[] = { 1, 20, 64, 47, 16, 128, 72 };
    etch_pool *pool = etch_pool_acquire(2);
    const etch_attention_isa *isa;
    for (int r = 0, i = 0; (isa = etch_attention_row(r)); r++) {
        if ((isa->needs & etch_cpu_features()) != isa->needs) continue;
        for (int type = ETCH_CACHE_F32 + 1; type < ETCH_CACHE_N; type++)
            for (size_t a = 0; a < sizeof heads / sizeof *heads; a++)
                for (size_t b = 0; b < sizeof sizes / sizeof *sizes; b++, i++)
                    check(isa, type, &(shape){ heads[a].h, heads[a].kv, sizes[b].n_q, sizes[b].n_k, ds[i % 7], i % 2 }, i % 3 ? pool : NULL);
    }
    etch_pool_release(pool);
}

// Zeros stay zeros (as fresh memory reads), and a NaN or an infinity is not hidden.
void test_kern_attention_cache__special_rows(void **state)
{
    (void)state;
    const etch_attention_isa *isa = etch_attention_select(etch_cpu_features());
    for (int type = ETCH_CACHE_F32 + 1; type < ETCH_CACHE_N; type++) {
        float x[20] = { 0 }, y[20];
        uint8_t row[128], zeros[128] = { 0 };
        isa->loops[type]->narrow(x, 20, row);
        assert_memory_equal(row, zeros, isa->loops[type]->row_bytes(20));
        for (int k = 0; k < 2; k++) {
            x[17] = k ? NAN : INFINITY;
            isa->loops[type]->narrow(x, 20, row);
            isa->loops[type]->widen(row, 0, 1, 20, y, 20);
            assert_true(!(fabsf(y[17]) < INFINITY));
        }
    }
}
