// Against torchao's results (tools/golden/quantize.py). Scales: 1e-6 relative (another summation order); integers equal except where w / s
// falls within 1e-4 of a rounding boundary.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/file.h"
#include "kern/quantize/quantize.h"

void test_kern_quantize__equals_torchao(void **state)
{
    (void)state;
    etch_buf file = { 0 };
    assert_null(etch_file_read(ETCH_SOURCE_DIR "/kern/quantize/testdata/quantize.txt", &file));
    etch_buf_put(&file, "", 1);
    char *p = (char *)file.ptr;
    int cases = 0;
    while (*p) {
        etch_quant_scheme s = { .bits = (int)strtol(p, &p, 10) };
        s.group = strtol(p, &p, 10);
        s.rule = p[1] == 'h' ? ETCH_QPARAMS_HQQ : ETCH_QPARAMS_MINMAX;
        p += s.rule == ETCH_QPARAMS_HQQ ? 4 : 7;
        long n = strtol(p, &p, 10), k = strtol(p, &p, 10), groups = s.group ? k / s.group : 1;
        for (long r = 0; r < n; r++) {
            float w[256], scales[256];
            int8_t q[256];
            for (long i = 0; i < k; i++) w[i] = strtof(p, &p);
            etch_quantize_row(w, k, &s, q, scales, NULL);
            long want_q[256];
            for (long i = 0; i < k; i++) want_q[i] = strtol(p, &p, 10);
            for (long i = 0; i < groups; i++) {
                float want = strtof(p, &p);
                if (fabsf(scales[i] - want) > 1e-6f * fabsf(want))
                    fail_msg("row %ld group %ld: scale %a, torchao %a", r, i, (double)scales[i], (double)want);
            }
            for (long i = 0; i < k; i++) {
                float x = w[i] / scales[s.group ? i / s.group : 0];
                if (q[i] != want_q[i] && fabsf(fabsf(x - floorf(x)) - 0.5f) > 1e-4f)
                    fail_msg("row %ld column %ld: %d, torchao %ld", r, i, q[i], want_q[i]);
            }
        }
        while (*p == '\n') p++;
        cases++;
    }
    assert_int_equal(cases, 10);
    etch_buf_deinit(&file);
}

// The chosen instruction set gives the bits of ref.c: integers, scales and sums, tails included.
void test_kern_quantize__rows_equal_reference(void **state)
{
    (void)state;
    uint32_t seed = 1;
    for (int64_t k = 1; k < 80; k++)
        for (int rule = 0; rule < 2; rule++)
            for (int bits = 4; bits <= 8; bits += 4) {
                float w[80], s[2][80];
                int8_t q[2][80];
                etch_quant_sums sums[2] = { { 0 } };
                etch_quant_scheme scheme = { bits, k % 3 ? 0 : 3, rule ? ETCH_QPARAMS_MINMAX : ETCH_QPARAMS_HQQ };
                for (int64_t i = 0; i < k; i++) w[i] = (float)((seed = seed * 1664525u + 1013904223u) >> 8) / 8388608.0f - 1;
                if (k % 7 == 0) memset(w, 0, sizeof w);
                etch_quantize_row__ref(w, k, &scheme, q[0], s[0], &sums[0]);
                etch_quantize_row(w, k, &scheme, q[1], s[1], &sums[1]);
                int64_t groups = scheme.group ? k / 3 : 1;
                assert_memory_equal(q[0], q[1], (size_t)k);
                assert_memory_equal(s[0], s[1], (size_t)groups * sizeof(float));
                assert_memory_equal(&sums[0], &sums[1], sizeof sums[0]);
            }
}

void test_kern_quantize__packs_nibbles(void **state)
{
    (void)state;
    int8_t q[5] = { -8, 7, 0, -1, 3 };
    uint8_t out[3];
    etch_pack_nibbles_low_first(q, 5, out);
    assert_int_equal(out[0], 0xF0);
    assert_int_equal(out[1], 0x78);
    assert_int_equal(out[2], 0x8B);
    etch_pack_nibbles_high_first(q, 4, out);
    assert_int_equal(out[0], 0x0F);
    assert_int_equal(out[1], 0x87);
}
