// In: every supported row of kernels.def. Out: functions within the stated ulp of libm in double over their whole range, special values,
// and reductions of every length up to past the number of partial results.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <math.h>
#include <stdlib.h>
#include <cmocka.h>

#include "base/cpu.h"
#include "base/num.h"
#include "kern/ew/ew.h"

static double gelu(double v) { return 0.5 * v * erfc(-v * 0.70710678118654752); }
static double gelu_tanh(double v) { return 0.5 * v * (1 + tanh(0.79788456080286536 * (v + 0.044715 * v * v * v))); }
static double sigmoid(double v) { return 1 / (1 + exp(-v)); }
static double silu(double v) { return v / (1 + exp(-v)); }

// Distance of y from the true value in units of the last place of `scale`.
static double ulps(float y, double truth, double scale)
{
    double unit = fmax(fabs(scale), 0x1p-126);
    return fabs((double)y - truth) / ldexp(1, ilogb(unit) - 23);
}

typedef struct { etch_ew_unary op; double (*truth)(double); float lo, hi; double bound; bool by_input; const char *name; } function;

static const function functions[] = {
    { ETCH_EW_EXP, exp, -87, 88, 2, false, "exp" },           { ETCH_EW_TANH, tanh, -12, 12, 3, false, "tanh" },
    { ETCH_EW_ERF, erf, -5, 5, 3, false, "erf" },             { ETCH_EW_SIGMOID, sigmoid, -80, 80, 4, false, "sigmoid" },
    { ETCH_EW_SILU, silu, -80, 80, 5, false, "silu" },        { ETCH_EW_GELU, gelu, -12, 12, 4, true, "gelu" },
    { ETCH_EW_GELU_TANH, gelu_tanh, -12, 12, 8, true, "gelu_tanh" },
};

static void check_function(const etch_ew_kernels *kn, const function *f)
{
    enum { N = 20011 };
    float *x = malloc(N * 4), *y = malloc(N * 4);
    for (int i = 0; i < N; i++) {
        float t = (float)i / (N - 1);
        x[i] = i % 3 ? f->lo + (f->hi - f->lo) * t : ldexpf(i % 2 ? 1.3f : -1.7f, -(i % 40));   // evenly, and towards 0
        if (x[i] < f->lo || x[i] > f->hi) x[i] = 0.5f;
    }
    kn->unary(f->op, 0, 0, x, y, N);
    for (int i = 0; i < N; i++) {
        double truth = f->truth((double)x[i]), scale = f->by_input ? fmax(fabs(truth), fabs((double)x[i]) / 8) : truth;
        double d = ulps(y[i], truth, scale);
        if (!(d <= f->bound)) fail_msg("%s %s(%.9g) = %.9g, not %.9g: %.1f ulp", kn->name, f->name, (double)x[i], (double)y[i], truth, d);
    }
    free(x);
    free(y);
}

void test_kern_functions__functions_within_ulps(void **state)
{
    (void)state;
    const etch_ew_kernels *kn;
    for (int r = 0; (kn = etch_ew_row(r)); r++) {
        if ((kn->needs & etch_cpu_features()) != kn->needs) continue;
        for (size_t i = 0; i < sizeof functions / sizeof *functions; i++) check_function(kn, &functions[i]);
        const float special[8] = { INFINITY, -INFINITY, NAN, 0.0f, -0.0f, 1e30f, -1e30f, 0x1p-140f };
        float y[8];
        kn->unary(ETCH_EW_EXP, 0, 0, special, y, 8);
        assert_true(y[0] == INFINITY && y[1] == 0 && y[2] != y[2] && y[3] == 1 && y[4] == 1 && y[5] == INFINITY && y[6] == 0 && y[7] == 1);
        kn->unary(ETCH_EW_TANH, 0, 0, special, y, 8);
        assert_true(y[0] == 1 && y[1] == -1 && y[2] != y[2] && y[3] == 0 && y[5] == 1 && y[6] == -1 && y[7] == special[7]);
        kn->unary(ETCH_EW_ERF, 0, 0, special, y, 8);
        assert_true(y[0] == 1 && y[1] == -1 && y[2] != y[2] && y[3] == 0 && y[5] == 1 && y[6] == -1);
        kn->unary(ETCH_EW_SIGMOID, 0, 0, special, y, 8);
        assert_true(y[0] == 1 && y[1] < 1e-37f && y[2] != y[2] && y[3] == 0.5f && y[5] == 1 && y[6] < 1e-37f);
    }
}

static uint32_t seed = 5;
static float uniform(void) { return (float)((seed = seed * 1664525u + 1013904223u) >> 8) / 8388608.0f - 1.0f; }

static void check_rows(const etch_ew_kernels *kn, size_t n)
{
    enum { ROWS = 3 };
    float *x = malloc(4 * ROWS * n), *y = malloc(4 * ROWS * n), *w = malloc(4 * n), *b = malloc(4 * n), mean[ROWS], rstd[ROWS];
    for (size_t i = 0; i < ROWS * n; i++) x[i] = 4 * uniform();
    for (size_t i = 0; i < n; i++) {
        w[i] = uniform();
        b[i] = uniform();
    }
    kn->softmax(x, y, ROWS, n);
    for (size_t r = 0; r < ROWS; r++) {
        double sum = 0;
        for (size_t i = 0; i < n; i++) sum += exp((double)x[r * n + i]);
        for (size_t i = 0; i < n; i++) assert_true(fabs(exp((double)x[r * n + i]) / sum - (double)y[r * n + i]) < 1e-6);
    }
    kn->layer_norm(x, y, ROWS, n, w, n % 2 ? b : NULL, 1e-5f, mean, rstd);
    for (size_t r = 0; r < ROWS; r++) {
        double m = 0, s = 0;
        for (size_t i = 0; i < n; i++) m += (double)x[r * n + i] / (double)n;
        for (size_t i = 0; i < n; i++) s += ((double)x[r * n + i] - m) * ((double)x[r * n + i] - m) / (double)n;
        double k = 1 / sqrt(s + 1e-5), size = n > 1 ? 1 : k;   // of one element nothing is left but rounding, magnified by k
        assert_true(fabs(m - (double)mean[r]) < 1e-6 && fabs(k - (double)rstd[r]) < 1e-5 * k);
        for (size_t i = 0; i < n; i++) {
            double truth = ((double)x[r * n + i] - m) * k * (double)w[i] + (n % 2 ? (double)b[i] : 0);
            assert_true(fabs(truth - (double)y[r * n + i]) < 2e-5 * size);
        }
    }
    kn->sum_rows(x, ROWS, n, y);
    for (size_t i = 0; i < n; i++) assert_true(fabsf(x[i] + x[n + i] + x[2 * n + i] - y[i]) < 1e-5f);
    kn->sum_rows(x, ROWS * n, 1, y);
    double all = 0;
    for (size_t i = 0; i < ROWS * n; i++) all += (double)x[i];
    assert_true(fabs(all - (double)y[0]) < 1e-4);
    free(x);
    free(y);
    free(w);
    free(b);
}

void test_kern_functions__rows_of_every_length(void **state)
{
    (void)state;
    const etch_ew_kernels *kn;
    for (int r = 0; (kn = etch_ew_row(r)); r++) {
        if ((kn->needs & etch_cpu_features()) != kn->needs) continue;
        for (size_t n = 1; n <= 70; n++) check_rows(kn, n);
        check_rows(kn, 197);
        check_rows(kn, 1500);
    }
}

void test_kern_functions__binary_steps_and_range(void **state)
{
    (void)state;
    const etch_ew_kernels *kn;
    const float a[19] = { -3, -2, -1, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15 },
                b[19] = { 2, -2, 4, 1, -1, 8, 2, 2, 2, 4, 4, 4, 1, 1, 1, -2, -4, 2, 1 };
    for (int r = 0; (kn = etch_ew_row(r)); r++) {
        if ((kn->needs & etch_cpu_features()) != kn->needs) continue;
        for (int op = ETCH_EW_ADD; op <= ETCH_EW_PRELU; op++)
            for (size_t steps = 1; steps < 4; steps++) {
                float y[19];
                kn->binary((etch_ew_binary)op, a, steps & 1, b, steps >> 1, -5, 20, y, 19);
                for (size_t i = 0; i < 19; i++) {
                    float u = a[steps & 1 ? i : 0], v = b[steps >> 1 ? i : 0], t = 0;
                    switch (op) {
                    case ETCH_EW_ADD: t = u + v; break;
                    case ETCH_EW_SUB: t = u - v; break;
                    case ETCH_EW_MUL: t = u * v; break;
                    case ETCH_EW_DIV: t = u / v; break;
                    case ETCH_EW_MIN: t = fminf(u, v); break;
                    case ETCH_EW_MAX: t = fmaxf(u, v); break;
                    case ETCH_EW_PRELU: t = u < 0 ? u * v : u; break;
                    }
                    assert_true(y[i] == fminf(fmaxf(t, -5), 20));
                }
            }
    }
}
