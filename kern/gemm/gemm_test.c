// In: products of many shapes, every weight form, every supported row of kernels.def. Out: agreement with plain loops.
// Floats: sums of at most 1,100 products of numbers below 1 in another order differ by less than 1e-4; integers are exact.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <math.h>
#include <stdlib.h>
#include <cmocka.h>

#include "base/cpu.h"
#include "base/num.h"
#include "kern/gemm/gemm.h"

static uint32_t seed = 1;
static uint32_t next(void) { return (seed = seed * 1664525u + 1013904223u) >> 8; }
static float uniform(void) { return (float)(int32_t)(next() % 2001) / 1000.0f - 1.0f; }

static const struct { size_t m, n, k; } shapes[] = {
    { 1, 1, 1 }, { 1, 7, 5 }, { 2, 64, 33 }, { 3, 65, 64 }, { 4, 16, 8 }, { 7, 17, 19 }, { 13, 40, 100 }, { 33, 31, 1100 }, { 64, 5, 2 },
};

static void check_float(const etch_gemm_kernels *kn, etch_pool *pool, size_t m, size_t n, size_t k, etch_gemm_type type, bool nk)
{
    float *a = malloc(m * k * 4), *c = malloc(m * n * 4), *bias = malloc(n * 4), *scale = malloc(n * 4), *w = malloc(n * k * 4);
    void *b = malloc(n * k * 4), *scratch = malloc(etch_gemm_scratch(etch_pool_threads(pool)));
    for (size_t i = 0; i < m * k; i++) a[i] = uniform();
    for (size_t i = 0; i < n; i++) {
        bias[i] = uniform();
        scale[i] = uniform();
    }
    for (size_t i = 0; i < n * k; i++) {
        w[i] = type == ETCH_GEMM_I8 ? (float)((int)(next() % 255) - 127) : uniform();
        if (type == ETCH_GEMM_F16) w[i] = etch_f16_to_f32(((uint16_t *)b)[i] = etch_f32_to_f16(w[i]));
        else if (type == ETCH_GEMM_BF16) w[i] = etch_bf16_to_f32(((uint16_t *)b)[i] = etch_f32_to_bf16(w[i]));
        else if (type == ETCH_GEMM_I8) ((int8_t *)b)[i] = (int8_t)w[i];
        else ((float *)b)[i] = w[i];
    }
    etch_gemm g = { m, n, k, a, k, b, nk ? k : n, type, nk, bias, scale, c, n, -50.0f, 60.0f };
    etch_gemm_run(kn, &g, pool, scratch);
    double tolerance = type == ETCH_GEMM_I8 ? 1e-2 : 1e-4;
    for (size_t i = 0; i < m; i++)
        for (size_t j = 0; j < n; j++) {
            double y = bias[j];
            for (size_t p = 0; p < k; p++) y += (double)a[i * k + p] * (double)(nk ? w[j * k + p] : w[p * n + j]);
            y = fmin(fmax(y * (double)scale[j], -50.0), 60.0);
            if (fabs(y - (double)c[i * n + j]) > tolerance) fail_msg("%s %zux%zux%zu type %d: %g, not %g", kn->name, m, n, k, type, (double)c[i * n + j], y);
        }
    free(a);
    free(c);
    free(bias);
    free(scale);
    free(w);
    free(b);
    free(scratch);
}

void test_kern_gemm__float_products(void **state)
{
    (void)state;
    etch_pool *pool = etch_pool_acquire(2);
    const etch_gemm_kernels *kn;
    for (int r = 0; (kn = etch_gemm_row(r)); r++) {
        if ((kn->needs & etch_cpu_features()) != kn->needs) continue;
        for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++)
            for (int type = ETCH_GEMM_F32; type <= ETCH_GEMM_I8; type++)
                for (int nk = 0; nk < 2; nk++) check_float(kn, s % 2 ? pool : NULL, shapes[s].m, shapes[s].n, shapes[s].k, (etch_gemm_type)type, nk);
    }
    etch_pool_release(pool);
}

static void check_int(const etch_gemm_kernels *kn, etch_pool *pool, size_t m, size_t n, size_t k, etch_qgemm_type type, size_t group)
{
    size_t ldw = type == ETCH_QGEMM_W4 ? (k + 1) / 2 : k;
    int16_t *x = malloc(m * k * 2);
    uint8_t *w = malloc(n * ldw);
    uint16_t *blocks = malloc(2 * n * (k + 1));
    float *ws = malloc(4 * n), *xs = malloc(4 * m), *c = malloc(4 * m * n);
    int32_t *acc = malloc(4 * m * n);
    void *scratch = malloc(etch_qgemm_scratch(m, k, etch_pool_threads(pool)));
    for (size_t i = 0; i < m * k; i++) x[i] = (int16_t)((int)(next() % 511) - 255);
    for (size_t i = 0; i < n * ldw; i++) w[i] = (uint8_t)next();
    for (size_t i = 0; i < n; i++) ws[i] = 0.01f + 0.001f * (float)(i % 7);
    for (size_t i = 0; i < m; i++) xs[i] = 0.02f + 0.001f * (float)(i % 5);
    for (size_t i = 0; i < n * (k + 1); i++) blocks[i] = etch_f32_to_bf16(0.01f + 0.001f * (float)(i % 11));
    etch_qgemm g = { .m = m, .n = n, .k = k, .x = x, .ldx = k, .w = w, .ldw = ldw, .w_type = type, .w_zero = 3, .group = group,
                     .w_scale = group ? NULL : ws, .w_block_scale = group ? blocks : NULL, .x_scale = xs, .c = c, .ldc = n,
                     .lo = -INFINITY, .hi = INFINITY };
    etch_qgemm_run(kn, &g, pool, scratch);
    if (!group) {
        g.c = NULL;
        g.acc = acc;
        etch_qgemm_run(kn, &g, pool, scratch);
    }
    for (size_t i = 0; i < m; i++)
        for (size_t j = 0; j < n; j++) {
            int64_t sum = 0;
            double y = 0, size = 0;
            for (size_t p = 0; p < k; p++) {
                int v = type == ETCH_QGEMM_W8 ? (int8_t)w[j * ldw + p]
                        : type == ETCH_QGEMM_U8 ? w[j * ldw + p] - 3 : (w[j * ldw + p / 2] >> (p % 2 * 4) & 15) - 8;
                sum += x[i * k + p] * v;
                double s = (double)(group ? etch_bf16_to_f32(blocks[j * (k / group) + p / group]) : ws[j]);
                y += x[i * k + p] * v * s;
                size += fabs(x[i * k + p] * v * s);
            }
            y *= (double)xs[i];
            if (!group) assert_int_equal(acc[i * n + j], sum);
            if (fabs(y - (double)c[i * n + j]) > 1e-6 * (double)xs[i] * size + 1e-6 * fabs(y))
                fail_msg("%s %zux%zux%zu w%d g%zu: %g, not %g", kn->name, m, n, k, type, group, (double)c[i * n + j], y);
        }
    free(x);
    free(w);
    free(blocks);
    free(ws);
    free(xs);
    free(c);
    free(acc);
    free(scratch);
}

void test_kern_gemm__integer_products(void **state)
{
    (void)state;
    etch_pool *pool = etch_pool_acquire(2);
    const etch_gemm_kernels *kn;
    for (int r = 0; (kn = etch_gemm_row(r)); r++) {
        if ((kn->needs & etch_cpu_features()) != kn->needs) continue;
        for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++)
            for (int type = ETCH_QGEMM_W8; type <= ETCH_QGEMM_U8; type++)
                check_int(kn, s % 2 ? pool : NULL, shapes[s].m, shapes[s].n, shapes[s].k, (etch_qgemm_type)type, 0);
        for (size_t m = 1; m <= 5; m++) {
            check_int(kn, pool, m, 37, 96, ETCH_QGEMM_W4, 32);
            check_int(kn, pool, m, 40, 256, ETCH_QGEMM_W4, 64);
        }
    }
    etch_pool_release(pool);
}
