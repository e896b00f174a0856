// In: every supported row of kernels.def. Out: depthwise convolution as the plain loop gives it: all paddings, strides, dilations, widths
// around a block of pixels, channels around whole vectors.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/cpu.h"
#include "kern/nhwc/nhwc.h"

static uint32_t seed = 3;
static int64_t any(int64_t n) { return (int64_t)((seed = seed * 1664525u + 1013904223u) >> 8) % n; }

static float *numbers(int64_t n)
{
    float *x = malloc(sizeof *x * (size_t)(n + 1));
    for (int64_t i = 0; i < n; i++) x[i] = (float)any(2001) * 0.001f - 1;
    return x;
}

static void check(const etch_nhwc_kernels *kn)
{
    etch_nhwc g = { .n = 1 + any(2), .h = 1 + any(9), .w = 1 + any(22), .c = 1 + any(70), .kh = 1 + any(4), .kw = any(3) ? 3 : 1 + any(5),
                    .sh = 1 + any(3), .sw = 1 + any(3), .dh = 1 + any(2), .dw = any(3) ? 1 : 2 };
    g.top = any(g.kh);
    g.left = any(g.kw);
    g.oh = (g.h + g.top + any(2) - (g.kh - 1) * g.dh - 1) / g.sh + 1;
    g.ow = (g.w + g.left + any(2) - (g.kw - 1) * g.dw - 1) / g.sw + 1;
    if (g.h + g.top < (g.kh - 1) * g.dh + 1 || g.w + g.left < (g.kw - 1) * g.dw + 1) return;
    int64_t n = g.n * g.oh * g.ow * g.c;
    float *x = numbers(g.n * g.h * g.w * g.c), *w = numbers(g.kh * g.kw * g.c), *bias = any(3) ? numbers(g.c) : NULL;
    float *y = numbers(n), *truth = numbers(n), lo = any(2) ? -INFINITY : -0.5f, hi = any(2) ? INFINITY : 0.7f;
    kn->depthwise(&g, x, w, bias, lo, hi, 0, g.n * g.oh, y);
    etch_nhwc_depthwise_f32(&g, 1, x, w, bias, lo, hi, 0, g.n * g.oh, truth);
    for (int64_t i = 0; i < n; i++)   // up to 21 terms below 1
        if (!(fabsf(y[i] - truth[i]) < 4e-6f)) fail_msg("%s: %g, not %g", kn->name, (double)y[i], (double)truth[i]);
    free(x);
    free(w);
    free(bias);
    free(y);
    free(truth);
}

void test_kern_nhwc__depthwise_as_the_plain_loop(void **state)
{
    (void)state;
    const etch_nhwc_kernels *kn;
    for (int r = 0; (kn = etch_nhwc_row(r)); r++)
        for (int i = 0; i < 3000 && (kn->needs & etch_cpu_features()) == kn->needs; i++) check(kn);
}
