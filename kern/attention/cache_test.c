// In: random keys and values on a grid of sizes, every type of caches.def, every supported row of kernels.def. Out: attention over the
// narrow rows equals attention in floats over what they hold (2e-6, as attention_test.c), and what they hold is near: half an ulp of a half
// float, half a step of 1/127 of a row's largest number, and with four bits a quarter of the row's length.
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
    float top = 0, squares = 0, errors = 0;
    for (size_t c = 0; c < d; c++) {
        squares += x[c] * x[c];
        errors += (x[c] - y[c]) * (x[c] - y[c]);
    }
    if (type == ETCH_CACHE_i4) {
        if (!(errors <= squares * 0.0625f)) fail_msg("%s: an error of %g of %g", etch_cache_name(type), (double)errors, (double)squares);
        return;
    }
    for (size_t c = 0; c < d; c++) top = fmaxf(top, fabsf(x[c]));
    for (size_t c = 0; c < d; c++) {
        float bound = type == ETCH_CACHE_i8 ? top / 254 * 1.001f : fabsf(x[c]) / 2048 + 1e-7f;
        if (!(fabsf(x[c] - y[c]) <= bound)) fail_msg("%s: %g became %g", etch_cache_name(type), (double)x[c], (double)y[c]);
    }
}

// Rows x[slot, head] as a cache of the type, whose other slots hold garbage, and as floats again.
static uint8_t *narrowed(const etch_attention_isa *isa, int type, float *x, size_t n, size_t heads, size_t d)
{
    const etch_cache_loops *l = isa->loops[type], *ref = etch_attention_row(0)->loops[type];
    size_t slots = n + 3, bytes = heads * etch_cache_head_bytes(l, slots, d);
    uint8_t *cache = malloc(bytes + 1), *same = malloc(bytes + 1);
    float *wide = malloc(n * d * sizeof *wide);
    assert_int_equal(l->block_bytes(d), ref->block_bytes(d));
    memset(cache, 0xff, bytes);   // NaN
    memset(same, 0xff, bytes);
    for (size_t i = 0; i < n * heads; i++) {
        etch_cache_put(l, cache, slots, d, i % heads, i / heads, x + i * d);
        etch_cache_put(ref, same, slots, d, i % heads, i / heads, x + i * d);
    }
    assert_memory_equal(same, cache, bytes);
    for (size_t h = 0; h < heads; h++) {
        size_t half = n / 2;   // in two parts
        l->widen(cache + h * etch_cache_head_bytes(l, slots, d), 0, half, d, wide, d);
        l->widen(cache + h * etch_cache_head_bytes(l, slots, d), half, n - half, d, wide + half * d, d);
        for (size_t j = 0; j < n; j++) {
            check_row(type, x + (j * heads + h) * d, wide + j * d, d);
            memcpy(x + (j * heads + h) * d, wide + j * d, d * sizeof *x);
        }
    }
    free(wide);
    free(same);
    return cache;
}

// Integers of 16 bits stand for queries and weights of int8: scores here are off by 2e-5, and so are results. Of int4, too, whose results
// are sums over up to 128 mixed columns; the largest of some hundred thousand is further out then.
static float tolerance(int type) { return type == ETCH_CACHE_i8 ? 5e-5f : type == ETCH_CACHE_i4 ? 1e-4f : 2e-6f; }

static void check(const etch_attention_isa *isa, int type, const shape *s, etch_pool *pool)
{
    size_t d = s->d, q_row = s->h * d, n_out = s->n_q * q_row, bytes = etch_cache_head_bytes(isa->loops[type], s->n_k + 3, d);
    float *q = randoms(n_out), *k = randoms(s->n_k * s->kv * d), *v = randoms(s->n_k * s->kv * d), *mask = randoms(s->n_q * s->n_k);
    float *want = randoms(n_out), *got = randoms(n_out);
    uint8_t *nk = narrowed(isa, type, k, s->n_k, s->kv, d), *nv = narrowed(isa, type, v, s->n_k, s->kv, d);
    for (size_t i = 0; i < s->n_q * s->n_k; i++) mask[i] = mask[i] > 0.7f && i % s->n_k ? -INFINITY : mask[i];   // as a ring has it
    etch_attention a = { .batches = 1, .heads = s->h, .kv_heads = s->kv, .n_q = s->n_q, .n_k = s->n_k, .d = d, .dv = d,
                         .q = { q, 0, d, q_row }, .k = { k, 0, d, s->kv * d }, .v = { v, 0, d, s->kv * d }, .out = want, .out_head = d,
                         .out_row = q_row, .scale = 0.3f, .causal = !s->is_masked, .first = s->n_k - s->n_q,
                         .mask = s->is_masked ? mask : NULL, .mask_row = s->n_k, .mask_key = 1 };
    etch_attention b = a;
    b.cache = (etch_cache_id)type;
    b.k = (etch_attention_rows){ nk, 0, bytes, 0 };
    b.v = (etch_attention_rows){ nv, 0, bytes, 0 };
    b.out = got;
    int threads = etch_pool_threads(pool);
    size_t room = etch_attention_scratch(isa, &a, threads), more = etch_attention_scratch(isa, &b, threads);
    void *scratch = aligned_alloc(64, etch_align_up((room > more ? room : more) + 64, 64));
    etch_attention_run(isa, &a, pool, scratch);
    etch_attention_run(isa, &b, pool, scratch);
    for (size_t i = 0; i < n_out; i++)
        if (!(fabsf(want[i] - got[i]) < tolerance(type)))
            fail_msg("%s %s h%zu/%zu q%zu k%zu d%zu: [%zu] %g, not %g", isa->name, etch_cache_name(type), s->h, s->kv, s->n_q, s->n_k, d, i,
                     (double)got[i], (double)want[i]);
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
    static const struct { size_t h, kv; } heads[] = { { 1, 1 }, { 6, 2 }, { 9, 3 }, { 16, 1 }, { 2, 1 }, { 8, 2 }, { 5, 1 }, { 12, 2 },
                                                      { 7, 1 }, { 8, 1 } };
    static const struct { size_t n_q, n_k; } sizes[] = { { 1, 1 }, { 1, 63 }, { 1, 600 }, { 3, 130 }, { 33, 200 }, { 64, 64 } };
    static const size_t ds[] = { 1, 20, 64, 47, 16, 128, 72 };
    etch_pool *pool = etch_pool_acquire(2);
    const etch_attention_isa *isa;
    for (int r = 0, i = 0; (isa = etch_attention_row(r)); r++) {
        if ((isa->needs & etch_cpu_features()) != isa->needs) continue;
        for (int type = ETCH_CACHE_F32 + 1; type < ETCH_CACHE_N; type++)
            for (size_t a = 0; a < sizeof heads / sizeof *heads; a++)
                for (size_t b = 0; b < sizeof sizes / sizeof *sizes; b++, i++)
                    check(isa, type, &(shape){ heads[a].h, heads[a].kv, sizes[b].n_q, sizes[b].n_k, ds[i % 7], i % 2 },
                          i % 3 ? pool : NULL);
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
        uint8_t block[20 * 4 * ETCH_CACHE_BLOCK] = { 0 };
        assert_true(isa->loops[type]->block_bytes(20) <= sizeof block);
        for (int k = 0; k < 2; k++) {   // fresh memory; written
            isa->loops[type]->widen(block, 5, 1, 20, y, 20);
            for (int c = 0; c < 20; c++) assert_true(y[c] == 0);
            isa->loops[type]->narrow(x, 20, block, 5);
        }
        for (int k = 0; k < 2; k++) {
            x[17] = k ? NAN : INFINITY;
            isa->loops[type]->narrow(x, 20, block, 5);
            isa->loops[type]->widen(block, 5, 1, 20, y, 20);
            assert_true(!(fabsf(y[17]) < INFINITY));
        }
    }
}
