// In: integer products of many shapes, every weight form, every supported row of kernels.def. Out: exact sums; floats within the rounding
// of three operations.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <math.h>
#include <stdlib.h>
#include <cmocka.h>

#include "base/cpu.h"
#include "base/num.h"
#include "kern/qgemm/qgemm.h"

static uint32_t seed = 1;
static uint32_t next(void) { return (seed = seed * 1664525u + 1013904223u) >> 8; }

static const struct { size_t m, n, k; } shapes[] = {
    { 1, 1, 1 }, { 1, 7, 5 }, { 2, 64, 33 }, { 3, 65, 64 }, { 4, 16, 8 }, { 7, 17, 19 }, { 13, 40, 100 }, { 33, 31, 1100 }, { 64, 5, 2 },
    { 1, 4, 128 }, { 1, 150, 200 }, { 8, 48, 64 }, { 21, 100, 37 }, { 5, 97, 72 },
    { 16, 40, 64 }, { 49, 65, 130 }, { 32, 96, 61 },
};

static void check(const etch_qgemm_isa *isa, etch_pool *pool, size_t m, size_t n, size_t k, etch_qgemm_type type, etch_qgemm_x_type x_type)
{
    size_t ldw = type == ETCH_QGEMM_W4 ? (k + 1) / 2 : k;
    int16_t *x = malloc(m * k * 2);
    int8_t *bytes = malloc(m * k);
    int32_t *zeros = malloc(4 * m);
    uint8_t *w = malloc(n * ldw);
    float *ws = malloc(4 * n), *xs = malloc(4 * m), *c = malloc(4 * m * n);
    int32_t *acc = malloc(4 * m * n);
    void *scratch = aligned_alloc(64, etch_qgemm_scratch(m, k, etch_pool_threads(pool)));
    // A byte b less its row's zero point z, both 0 ... 255 (X_S8: both less 128).
    bool extreme = next() % 3 == 0;
    for (size_t i = 0; i < m; i++) zeros[i] = extreme ? (int32_t)(next() % 2) * 255 : (int32_t)(next() % 256);
    for (size_t i = 0; i < m * k; i++) {
        int b = extreme ? (int)(next() % 2) * 255 : (int)(next() % 256);
        x[i] = (int16_t)(b - zeros[i / k]);
        bytes[i] = (int8_t)(uint8_t)(x_type == ETCH_QGEMM_X_S8 ? b - 128 : b);
    }
    for (size_t i = 0; x_type == ETCH_QGEMM_X_S8 && i < m; i++) zeros[i] -= 128;
    for (size_t i = 0; i < n * ldw; i++) w[i] = (uint8_t)next();
    for (size_t i = 0; i < n; i++) ws[i] = 0.01f + 0.001f * (float)(i % 7);
    for (size_t i = 0; i < m; i++) xs[i] = 0.02f + 0.001f * (float)(i % 5);
    etch_qgemm g = { .m = m, .n = n, .k = k, .x = x_type == ETCH_QGEMM_X_WIDE ? (const void *)x : bytes, .ldx = k,
                     .x_type = x_type, .x_zero = zeros, .w = w, .ldw = ldw, .w_type = type, .w_zero = 3, .w_scale = ws, .bias = ws,
                     .x_scale = xs, .c = c, .ldc = n, .lo = -INFINITY, .hi = INFINITY };
    etch_qgemm_run(isa, &g, pool, scratch);
    g.c = NULL;
    g.acc = acc;
    etch_qgemm_run(isa, &g, pool, scratch);
    for (size_t i = 0; i < m; i++)
        for (size_t j = 0; j < n; j++) {
            int64_t sum = 0;
            for (size_t p = 0; p < k; p++)
                sum += x[i * k + p] * (type == ETCH_QGEMM_W8 ? (int8_t)w[j * ldw + p]
                                       : type == ETCH_QGEMM_U8 ? w[j * ldw + p] - 3 : (w[j * ldw + p / 2] >> (p % 2 * 4) & 15) - 8);
            assert_int_equal(acc[i * n + j], sum);
            double product = (double)sum * (double)xs[i] * (double)ws[j], y = product + (double)ws[j];
            if (fabs(y - (double)c[i * n + j]) > 4e-7 * (fabs(product) + (double)ws[j]))
                fail_msg("%s %zux%zux%zu w%d: %g, not %g", isa->name, m, n, k, (int)type, (double)c[i * n + j], y);
        }
    free(x);
    free(bytes);
    free(zeros);
    free(w);
    free(ws);
    free(xs);
    free(c);
    free(acc);
    free(scratch);
}

void test_kern_qgemm__every_shape(void **state)
{
    (void)state;
    etch_pool *pool = etch_pool_acquire(2);
    const etch_qgemm_isa *isa;
    for (int r = 0; (isa = etch_qgemm_row(r)); r++) {
        if ((isa->needs & etch_cpu_features()) != isa->needs) continue;
        for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++)
            for (int type = ETCH_QGEMM_W8; type <= ETCH_QGEMM_U8; type++)
                for (int x = ETCH_QGEMM_X_WIDE; x <= ETCH_QGEMM_X_U8; x++)
                    check(isa, s % 2 ? pool : NULL, shapes[s].m, shapes[s].n, shapes[s].k, (etch_qgemm_type)type, (etch_qgemm_x_type)x);
        for (size_t m = 1; m < 3; m++) check(isa, NULL, m, 5, ETCH_QGEMM_K + 40, ETCH_QGEMM_W8, ETCH_QGEMM_X_S8);   // two pieces
    }
    etch_pool_release(pool);
}
