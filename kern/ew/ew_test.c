// Dynamic quantization step by step: what the official runtime's qd8 conversion gives, ties included. Exact: each value is a few fp32
// operations.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdlib.h>

#include "base/cpu.h"
#include "kern/ew/ew.h"

static void expect(const float *x, size_t n, const int8_t *want, float scale, int32_t zero)
{
    int8_t q[16];
    float s;
    int32_t z;
    const etch_ew_kernels *kn;
    for (int r = 0; (kn = etch_ew_row(r)); r++) {
        if (kn->needs & ~etch_cpu_features()) continue;
        kn->quantize_row(x, n, q, &s, &z);
        assert_memory_equal(&s, &scale, 4);
        assert_int_equal(z, zero);
        assert_memory_equal(q, want, n);
    }
}

void test_kern_ew__quantize_row_rounds_ties_to_even(void **state)
{
    (void)state;
    // Range [0, 255]: s = 1, z = -128.
    expect((const float[]){ 255, 0.5f, 1.5f, 2.5f, 3.4999998f }, 5, (const int8_t[]){ 127, -128, -126, -126, -125 }, 1, -128);
    // Range [-127.5, 127.5]: s = 1, z from the maximum: 127 - 127.5 = -0.5 -> 0 (even).
    expect((const float[]){ 127.5f, -127.5f, -0.5f, -65.5f }, 4, (const int8_t[]){ 127, -128, 0, -66 }, 1, 0);
}

void test_kern_ew__quantize_row_takes_zero_into_the_range(void **state)
{
    (void)state;
    expect((const float[]){ 510, 509, 255 }, 3, (const int8_t[]){ 127, 126, 0 }, 2, -128);       // 254.5 -> 254, 127.5 -> 128
    expect((const float[]){ -510, -509, -255 }, 3, (const int8_t[]){ -128, -127, -1 }, 2, 127);
    expect((const float[]){ 0, 0 }, 2, (const int8_t[]){ 127, 127 }, 1, 127);                    // -128 + 127 <= 0: z = 127 - 0
}

void test_kern_ew__quantize_row_multiplies_by_the_scale(void **state)
{
    (void)state;
    // s = fl(255 / 0.3); the product with s and the quotient by fl(1 / s) round differently for some x: q must be the product's.
    const float hi = 0.3f, s = 255.0f / hi;
    for (int k = 1; k < 255; k++) {
        float x[2] = { hi, ((float)k + 0.5f) / s };
        int8_t q[2];
        float scale;
        int32_t z;
        etch_ew_select(etch_cpu_features())->quantize_row(x, 2, q, &scale, &z);
        float v = x[1] * s;
        int32_t low = (int32_t)v, want = v - (float)low > 0.5f ? low + 1 : v - (float)low < 0.5f ? low : low + low % 2;
        assert_int_equal(q[1], want + z);
    }
}

void test_kern_ew__quantize_row_gives_the_same_bits_everywhere(void **state)
{
    (void)state;
    enum { MOST = 700 };
    static float x[MOST];
    static int8_t want[MOST], q[MOST];
    const etch_ew_kernels *ref = etch_ew_row(0), *kn;
    srand(3);
    for (size_t n = 0; n < MOST; n += n < 70 ? 1 : 37) {
        for (int kind = 0; kind < 4; kind++) {
            for (size_t i = 0; i < n; i++)
                x[i] = ((float)rand() / (float)RAND_MAX - (kind == 1 ? 0.0f : 0.4f)) * (kind == 2 ? 1e30f : 3.0f);
            if (kind == 3 && n) x[(size_t)rand() % n] = NAN, x[(size_t)rand() % n] = INFINITY;
            float s, s_want;
            int32_t z, z_want;
            ref->quantize_row(x, n, want, &s_want, &z_want);
            for (int r = 1; (kn = etch_ew_row(r)); r++) {
                if (kn->needs & ~etch_cpu_features()) continue;
                kn->quantize_row(x, n, q, &s, &z);
                assert_memory_equal(&s, &s_want, 4);
                assert_int_equal(z, z_want);
                assert_memory_equal(q, want, n);
            }
        }
    }
}
