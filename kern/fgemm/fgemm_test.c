// In: products over a grid of shapes (one more and one less than every block size, odd sizes), every weight form, every supported row of
// kernels.def. Out: agreement with sums in double.
//
// Tolerance: blocks of 256 products of numbers below 1, each summed in fp32: |error| <= 2^-24 * 256 * k for each sum; taken as 2^-24 * 64 *
// sum |a b|, far above what random signs give and far below one wrong product.
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
#include "kern/fgemm/fgemm.h"

static uint32_t seed = 1;
static uint32_t next(void) { return (seed = seed * 1664525u + 1013904223u) >> 8; }
static float uniform(void) { return (float)(int32_t)(next() % 2001) / 1000.0f - 1.0f; }

typedef struct { size_t m, n, k; etch_fgemm_type type; bool nk, bias, scale, gathered; } form;

static float to_weight(etch_fgemm_type type, void *b, size_t i, float v)
{
    switch (type) {
    case ETCH_FGEMM_F16: return etch_f16_to_f32(((uint16_t *)b)[i] = etch_f32_to_f16(v));
    case ETCH_FGEMM_BF16: return etch_bf16_to_f32(((uint16_t *)b)[i] = etch_f32_to_bf16(v));
    case ETCH_FGEMM_I8: return (float)(((int8_t *)b)[i] = (int8_t)(v * 127));
    default: return ((float *)b)[i] = v;
    }
}

typedef struct { const float *a; size_t lda; } matrix;

// Runs of three columns, as a convolution of three channels would give.
static size_t gather(const void *user, size_t i, size_t n, size_t p, size_t max_k, const float **rows)
{
    const matrix *a = user;
    size_t k = 3 - p % 3;
    for (size_t r = 0; r < n; r++) rows[r] = a->a + (i + r) * a->lda + p;
    return k < max_k ? k : max_k;
}

static void negate(const void *user, float *c, size_t n)
{
    (void)user;
    for (size_t i = 0; i < n; i++) c[i] = -c[i];
}

static void check(const etch_fgemm_kernels *kn, etch_pool *pool, const form *f)
{
    size_t m = f->m, n = f->n, k = f->k, lda = k + 3, ldb = (f->nk ? k : n) + 1, ldc = n + 2, rows_b = f->nk ? n : k;
    float *a = malloc(4 * m * lda), *c = malloc(4 * m * ldc), *w = malloc(4 * (rows_b * ldb + 1)), *bias = malloc(4 * n),
          *scale = malloc(4 * n);
    void *b = malloc(4 * (rows_b * ldb + 1)), *scratch = aligned_alloc(64, etch_fgemm_scratch(etch_pool_threads(pool)));
    for (size_t i = 0; i < m * lda; i++) a[i] = uniform();
    for (size_t i = 0; i < n; i++) {
        bias[i] = uniform();
        scale[i] = uniform();
    }
    for (size_t i = 0; i < rows_b * ldb; i++) w[i] = to_weight(f->type, b, i, uniform());
    for (size_t i = 0; i < m * ldc; i++) c[i] = 1e30f;
    matrix source = { a, lda };
    etch_fgemm g = { .m = m, .n = n, .k = k, .a = a, .lda = lda, .b = b, .ldb = ldb, .b_type = f->type, .b_is_nk = f->nk,
                     .bias = f->bias ? bias : NULL, .scale = f->scale ? scale : NULL, .c = c, .ldc = ldc, .lo = f->scale ? -2.0f
                     : -INFINITY, .hi = f->scale ? 3.0f : INFINITY };
    if (f->gathered) {
        g.a = NULL;
        g.gather = gather;
        g.user = &source;
    }
    if (k % 2) g.after = negate;
    etch_fgemm_run(kn, &g, pool, scratch);
    for (size_t i = 0; i < m; i++)
        for (size_t j = 0; j < ldc; j++) {
            if (j >= n) {
                assert_true(c[i * ldc + j] == 1e30f);   // nothing is written beyond a row
                continue;
            }
            double y = f->bias ? bias[j] : 0, size = fabs(y);
            for (size_t p = 0; p < k; p++) {
                double t = (double)a[i * lda + p] * (double)w[f->nk ? j * ldb + p : p * ldb + j];
                y += t;
                size += fabs(t);
            }
            if (f->scale) {
                y = fmin(fmax(y * (double)scale[j], -2), 3);
                size *= fabs((double)scale[j]);
            }
            if (k % 2) y = -y;
            if (fabs(y - (double)c[i * ldc + j]) > 0x1p-18 * size + 1e-30)
                fail_msg("%s %zux%zux%zu type %d nk %d at %zu, %zu: %.9g, not %.9g", kn->name, m, n, k, f->type, f->nk, i, j,
                         (double)c[i * ldc + j], y);
        }
    free(a);
    free(c);
    free(w);
    free(b);
    free(bias);
    free(scale);
    free(scratch);
}

void test_kern_fgemm__every_shape(void **state)
{
    (void)state;
    static const size_t ms[] = { 1, 2, 3, 4, 5, 6, 7, 13, 14, 29, 50 }, ns[] = { 1, 3, 4, 8, 15, 16, 17, 32, 33, 47, 97 },
                        ks[] = { 0, 1, 7, 8, 16, 31, 64 };
    etch_pool *pool = etch_pool_acquire(2);
    const etch_fgemm_kernels *kn;
    for (int r = 0; (kn = etch_fgemm_row(r)); r++) {
        if ((kn->needs & etch_cpu_features()) != kn->needs) continue;
        unsigned t = 0;
        for (size_t m = 0; m < sizeof ms / sizeof *ms; m++)
            for (size_t n = 0; n < sizeof ns / sizeof *ns; n++)
                for (size_t k = 0; k < sizeof ks / sizeof *ks; k++, t++) {
                    form f = { ms[m], ns[n], ks[k], (etch_fgemm_type)(t % 4), t / 4 % 2, t % 3 == 0, t % 5 == 0, t % 7 == 0 };
                    check(kn, t % 2 ? pool : NULL, &f);
                }
    }
    etch_pool_release(pool);
}

// Past every block size, for each weight form.
void test_kern_fgemm__blocks(void **state)
{
    (void)state;
    static const form forms[] = {
        { 197, 65, 300, 0, true, true, false, false }, { 200, 530, 257, 0, false, true, false, false },
        { 5, 600, 513, 0, true, false, false, false },
        { 2, 33, 700, 0, false, true, true, false },      { 301, 601, 19, 0, true, true, false, false },
        { 257, 521, 40, 0, false, false, true, false },   { 193, 49, 511, 0, true, true, true, true },
        { 12, 520, 256, 0, false, false, false, false },
        // Weights where they lie: rows that fill tiles, that do not, that leave a few for dot products; several blocks of k; columns left
        // over.
        { 64, 225, 49, 0, true, true, true, false },      { 37, 126, 801, 0, true, true, false, false },
        { 80, 340, 1541, 0, true, false, true, false },
        { 7, 253, 16, 0, true, true, false, false },       { 433, 131, 769, 0, true, true, false, false },
        { 69, 123, 1023, 0, true, true, true, false },   // ldb 1024
        // By parts, rows of W passing by and rows of A: tails on every side, several blocks of k and of what is held, gathered rows.
        { 33, 385, 193, 0, true, true, true, false },      { 197, 401, 1601, 0, true, true, false, false },
        { 449, 389, 224, 0, true, false, true, false },    { 500, 243, 770, 0, true, true, true, false },
        { 387, 49, 195, 0, true, true, false, true },      { 48, 390, 258, 0, true, true, true, true },
    };
    etch_pool *pool = etch_pool_acquire(3);
    const etch_fgemm_kernels *kn;
    for (int r = 0; (kn = etch_fgemm_row(r)); r++) {
        if ((kn->needs & etch_cpu_features()) != kn->needs) continue;
        for (size_t i = 0; i < sizeof forms / sizeof *forms; i++)
            for (int type = ETCH_FGEMM_F32; type <= ETCH_FGEMM_I8; type += 1 + (int)(i % 2)) {
                form f = forms[i];
                f.type = (etch_fgemm_type)type;
                check(kn, pool, &f);
            }
    }
    etch_pool_release(pool);
}

typedef struct { const float *a, *b; float *c; size_t m, n, k; } many;

static void nth(const void *user, size_t i, etch_fgemm *g)
{
    const many *s = user;
    g->a = s->a + i * s->m * s->k;
    g->b = s->b + i * s->k * s->n;
    g->c = s->c + i * s->m * s->n;
}

void test_kern_fgemm__many(void **state)
{
    (void)state;
    enum { COUNT = 5, M = 9, N = 18, K = 11 };
    float a[COUNT * M * K], b[COUNT * K * N], c[COUNT * M * N];
    for (size_t i = 0; i < sizeof a / 4; i++) a[i] = uniform();
    for (size_t i = 0; i < sizeof b / 4; i++) b[i] = uniform();
    etch_pool *pool = etch_pool_acquire(2);
    void *scratch = aligned_alloc(64, etch_fgemm_scratch(2));
    const etch_fgemm_kernels *kn = etch_fgemm_select(etch_cpu_features());
    for (int count = 1; count <= COUNT; count += 4) {
        many s = { a, b, c, M, N, K };
        etch_fgemm g = { .m = M, .n = N, .k = K, .lda = K, .ldb = N, .ldc = N, .lo = -INFINITY, .hi = INFINITY };
        memset(c, 0, sizeof c);
        etch_fgemm_run_many(kn, &g, (size_t)count, nth, &s, pool, scratch);
        for (int x = 0; x < count; x++)
            for (int i = 0; i < M; i++)
                for (int j = 0; j < N; j++) {
                    double y = 0;
                    for (int p = 0; p < K; p++) y += (double)a[(x * M + i) * K + p] * (double)b[(x * K + p) * N + j];
                    assert_true(fabs(y - (double)c[(x * M + i) * N + j]) < 1e-5);
                }
    }
    free(scratch);
    etch_pool_release(pool);
}

// Infinities, no numbers, numbers too large for a part and numbers with parts below 2^-126, each in a row of A or W of its own.
void test_kern_fgemm__special_numbers(void **state)
{
    (void)state;
    enum { M = 400, N = 70, K = 200 };
    static const float special[] = { INFINITY, -INFINITY, NAN, 3.4e38f, -3.39e38f, 1e-38f, 1e-42f, 0x1p-110f };
    float *a = malloc(sizeof *a * M * K), *w = malloc(sizeof *w * N * K), *c = malloc(sizeof *c * M * N);
    void *scratch = aligned_alloc(64, etch_fgemm_scratch(1));
    for (size_t i = 0; i < M * K; i++) a[i] = uniform();
    for (size_t i = 0; i < N * K; i++) w[i] = uniform();
    for (size_t i = 0; i < sizeof special / sizeof *special; i++) {
        a[(i * 37 + 3) * K + i * 11] = special[i];
        w[(i * 8 + 5) * K + i * 7] = special[i];
        for (size_t j = 0; j < N; j += 3) w[j * K + i * 11] = 0;   // an infinity times zero is no number
    }
    const etch_fgemm_kernels *kn;
    for (int r = 0; (kn = etch_fgemm_row(r)); r++) {
        if ((kn->needs & etch_cpu_features()) != kn->needs) continue;
        etch_fgemm g = { .m = M, .n = N, .k = K, .a = a, .lda = K, .b = w, .ldb = K, .b_is_nk = true, .c = c, .ldc = N, .lo = -INFINITY,
                         .hi = INFINITY };
        etch_fgemm_run(kn, &g, NULL, scratch);
        for (size_t i = 0; i < M; i++)
            for (size_t j = 0; j < N; j++) {
                double y = 0, size = 0, got = (double)c[i * N + j];
                for (size_t p = 0; p < K; p++) {
                    y += (double)a[i * K + p] * (double)w[j * K + p];
                    size += fabs((double)a[i * K + p] * (double)w[j * K + p]);
                }
                if (size > 3.4e38 && size < INFINITY) continue;   // whether it overflows depends on the order of the sum
                if (isnan(y) ? !isnan(got) : isinf(y) ? got != y : fabs(y - got) > 0x1p-18 * size + 1e-30)
                    fail_msg("%s at %zu, %zu: %.9g, not %.9g", kn->name, i, j, got, y);
            }
    }
    free(a);
    free(w);
    free(c);
    free(scratch);
}
