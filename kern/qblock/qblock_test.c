// In: random 4-bit blocks and activations of a grid of sizes, every supported row of kernels.def. Out: the same bits as the formula of
// qblock.h, computed here with plain loops over unpacked values; zero tolerance.
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
#include "kern/qblock/qblock.h"

static uint32_t seed = 1;
static uint32_t next(void) { return (seed = seed * 1664525u + 1013904223u) >> 8; }

typedef struct { size_t m, n, k, group; bool bias, extreme; } shape;

static int nibble(const uint8_t *w, size_t k, size_t j, size_t p) { return (w[j * (k / 2) + p / 2] >> (p % 2 * 4) & 15) - 8; }

static float expected(const shape *s, const uint8_t *w, const uint16_t *ws, const int8_t *q, float scale, int zero, float bias, size_t j,
                      float lo, float hi)
{
    size_t groups = s->k / s->group;
    float z = 0;
    for (size_t g = 0; g < groups; g++) {
        int sum = 0;
        for (size_t p = g * s->group; p < (g + 1) * s->group; p++) sum += nibble(w, s->k, j, p);
        z -= (float)sum * etch_bf16_to_f32(ws[j * groups + g]);
    }
    float f = z * (float)zero;
    for (size_t g = 0; g < groups; g++) {
        int sum = 0;
        for (size_t p = g * s->group; p < (g + 1) * s->group; p++) sum += nibble(w, s->k, j, p) * q[p];
        f = fmaf((float)sum, etch_bf16_to_f32(ws[j * groups + g]), f);
    }
    return fminf(fmaxf(fmaf(f, scale, bias), lo), hi);
}

static void check(const etch_qblock_isa *isa, etch_pool *pool, const shape *s)
{
    size_t groups = s->k / s->group, m = s->m, n = s->n, k = s->k;
    uint8_t *w = malloc(n * k / 2);
    uint16_t *ws = malloc(2 * n * groups);
    int8_t *q = malloc(m * k);
    float *c = malloc(4 * m * n), *bias = malloc(4 * n), *z_sum = malloc(4 * n);
    void *memory = aligned_alloc(64, etch_qblock_x_bytes(m, k));
    void *scratch = aligned_alloc(64, etch_align_up(etch_qblock_scratch(k, etch_pool_threads(pool)), 64));
    for (size_t i = 0; i < n * k / 2; i++) w[i] = !s->extreme ? (uint8_t)next() : i / 16 % 2 || next() % 2 ? 255 : 0;
    for (size_t i = 0; i < n * groups; i++) ws[i] = etch_f32_to_bf16(0.001f * (float)(1 + next() % 999));
    // Some blocks are extreme altogether.
    for (size_t i = 0; i < m * k; i++) q[i] = !s->extreme ? (int8_t)next() : i / 32 % 2 || next() % 2 ? -128 : 127;
    for (size_t i = 0; i < n; i++) bias[i] = (float)(next() % 100) * 0.25f;
    etch_qblock_x x;
    etch_qblock_x_init(&x, m, k, memory);
    for (size_t i = 0; i < m; i++) etch_qblock_x_set(isa, &x, i, q + i * k, 0.01f * (float)(i + 1), (int)(i * 37 % 256) - 128);
    etch_qblock_w qw = { .n = n, .k = k, .group = s->group, .w = w, .scale = ws, .z_sum = z_sum };
    etch_qblock_job job = { &qw, s->bias ? bias : NULL, c, n, -500.0f, 600.0f };
    for (int again = 0; again < 2; again++) {   // the second time with the stored sums
        memset(c, 0xff, 4 * m * n);
        etch_qblock_run(isa, &x, &job, 1, pool, scratch);
        for (size_t i = 0; i < m; i++)
            for (size_t j = 0; j < n; j++) {
                float want = expected(s, w, ws, q + i * k, 0.01f * (float)(i + 1), (int)(i * 37 % 256) - 128, s->bias ? bias[j] : 0, j,
                                      -500.0f, 600.0f);
                if (etch_f32_bits(want) != etch_f32_bits(c[i * n + j]))
                    fail_msg("%s %zux%zux%zu group %zu: [%zu, %zu] %.9g, not %.9g", isa->name, m, n, k, s->group, i, j,
                             (double)c[i * n + j], (double)want);
            }
    }
    free(w);
    free(ws);
    free(q);
    free(c);
    free(bias);
    free(z_sum);
    free(memory);
    free(scratch);
}

void test_kern_qblock__equals_the_formula(void **state)
{
    (void)state;
    static const size_t ms[] = { 1, 2, 3, 4, 5, 7, 8, 9, 13, 35, 41, 52 }, ns[] = { 1, 7, 8, 9, 16, 31, 32, 48, 75, 97 };
    static const struct { size_t k, group; } ks[] = { { 32, 32 }, { 96, 32 }, { 288, 32 }, { 64, 32 }, { 320, 32 }, { 64, 64 },
                                                      { 384, 128 }, { 160, 160 } };
    etch_pool *pool = etch_pool_acquire(2);
    const etch_qblock_isa *isa;
    int tried = 0;
    for (int r = 0; (isa = etch_qblock_row(r)); r++) {
        unsigned needs = isa->needs & ~(unsigned)ETCH_CPU_AMD;   // no instructions
        if ((needs & etch_cpu_features()) != needs) continue;
        for (size_t a = 0; a < sizeof ms / sizeof *ms; a++)
            for (size_t b = 0; b < sizeof ns / sizeof *ns; b++)
                for (size_t c = 0; c < sizeof ks / sizeof *ks; c++, tried++)
                    check(isa, tried % 2 ? pool : NULL, &(shape){ ms[a], ns[b], ks[c].k, ks[c].group, tried % 3 > 0, tried % 5 == 0 });
        check(isa, pool, &(shape){ 1, 700, 256, 32, true, false });   // several tasks a thread
        check(isa, pool, &(shape){ 6, 257, 512, 32, true, false });
    }
    etch_pool_release(pool);
}

// Products that share their activations give what each gives alone.
void test_kern_qblock__jobs_share_activations(void **state)
{
    (void)state;
    enum { M = 3, K = 64 };
    static const size_t ns[3] = { 40, 5, 17 };
    const etch_qblock_isa *isa = etch_qblock_select(etch_cpu_features());
    _Alignas(64) uint8_t memory[4096], w[40 * K / 2];
    uint16_t ws[40 * K / 32];
    float z[3][40], alone_z[40], c[3][M * 40], alone[M * 40];
    int8_t q[M * K];
    void *scratch = aligned_alloc(64, etch_qblock_scratch(K, 1));
    for (size_t i = 0; i < sizeof w; i++) w[i] = (uint8_t)next();
    for (size_t i = 0; i < 40 * K / 32; i++) ws[i] = etch_f32_to_bf16(0.01f * (float)(1 + next() % 9));
    for (size_t i = 0; i < sizeof q; i++) q[i] = (int8_t)next();
    assert_true(etch_qblock_x_bytes(M, K) <= sizeof memory);
    etch_qblock_x x;
    etch_qblock_x_init(&x, M, K, memory);
    for (size_t i = 0; i < M; i++) etch_qblock_x_set(isa, &x, i, q + i * K, 0.5f, (int)i);
    etch_qblock_w qw[3];
    etch_qblock_job jobs[3];
    for (int j = 0; j < 3; j++) {
        qw[j] = (etch_qblock_w){ .n = ns[j], .k = K, .group = 32, .w = w, .scale = ws, .z_sum = z[j] };
        jobs[j] = (etch_qblock_job){ &qw[j], NULL, c[j], ns[j], -INFINITY, INFINITY };
    }
    etch_qblock_run(isa, &x, jobs, 3, NULL, scratch);
    for (int j = 0; j < 3; j++) {
        etch_qblock_w one = { .n = ns[j], .k = K, .group = 32, .w = w, .scale = ws, .z_sum = alone_z };
        etch_qblock_run(isa, &x, &(etch_qblock_job){ &one, NULL, alone, ns[j], -INFINITY, INFINITY }, 1, NULL, scratch);
        assert_memory_equal(alone, c[j], sizeof(float) * M * ns[j]);
    }
    free(scratch);
}
