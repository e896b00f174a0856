// Times the products of kern/fgemm on the shapes of encoders, weights from memory (a buffer beyond every cache), on one thread and two.
// Build and run: make bench-kernels, or fgemm_bench [ROW [WHAT]]. Out: GFLOP/s.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/cpu.h"
#include "kern/fgemm/fgemm.h"

typedef struct { const char *what; size_t m, n, k, batches; bool nk, weights; } shape;

static const shape shapes[] = {
    { "ViT", 197, 768, 768, 1, true, true }, { "ViT", 197, 3072, 768, 1, true, true }, { "ViT", 197, 768, 3072, 1, true, true },
    { "BERT", 128, 768, 768, 1, true, true }, { "BERT", 128, 3072, 768, 1, true, true }, { "BERT", 128, 768, 3072, 1, true, true },
    { "BERT", 128, 30522, 768, 1, true, true },
    { "Whisper", 1500, 384, 384, 1, true, true }, { "Whisper", 1500, 1536, 384, 1, true, true },
    { "Whisper", 1500, 384, 1536, 1, true, true },
    { "pointwise", 4096, 256, 64, 1, true, true }, { "pointwise", 4096, 64, 256, 1, true, true },
    { "pointwise", 16384, 128, 32, 1, true, true },
    { "pointwise", 16384, 16, 27, 1, true, true }, { "MobileViT", 1024, 144, 144, 1, true, true },
    { "MobileViT", 1024, 288, 144, 1, true, true },
    { "MobileViT", 1024, 144, 288, 1, true, true }, { "MobileViT", 256, 192, 192, 1, true, true },
    { "MobileViT", 64, 240, 480, 1, true, true },
    { "scores", 256, 256, 36, 16, false, false }, { "values", 256, 36, 256, 16, false, false },
    { "scores", 197, 197, 64, 12, false, false },
    { "values", 197, 64, 197, 12, false, false },
};

typedef struct { const float *a, *b; float *c; } operands;

static void nth(const void *user, size_t i, etch_fgemm *g)
{
    const operands *o = user;
    g->a = o->a + i * g->m * g->k;
    g->b = o->b + i * g->n * g->k;
    g->c = o->c + i * g->m * g->n;
}

#define POOL ((size_t)32 << 20)   // floats of weights

int main(int argc, char **argv)
{
    float *w = malloc(POOL * sizeof *w), *a = malloc(sizeof *a * (16384 * 1536)), *c = malloc(sizeof *c * (16384 * 1536));
    if (!w || !a || !c) return 1;
    for (size_t i = 0; i < POOL; i++) w[i] = (float)(i % 17) - 8;
    for (size_t i = 0; i < 16384 * 1536; i++) a[i] = (float)(i % 13) - 6;
    memset(c, 0, sizeof *c * (16384 * 1536));
    etch_pool *pool = etch_pool_acquire(2);
    void *scratch = aligned_alloc(64, etch_fgemm_scratch(2));
    const etch_fgemm_kernels *kn;
    for (int row = 1; (kn = etch_fgemm_row(row)); row++) {
        if ((kn->needs & etch_cpu_features()) != kn->needs || (argc > 1 && strcmp(argv[1], kn->name))) continue;
        for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++) {
            shape f = shapes[s];
            if (argc > 2 && strcmp(argv[2], f.what)) continue;
            printf("%-7s %-9s %5zu x %5zu x %4zu x %2zu", kn->name, f.what, f.m, f.n, f.k, f.batches);
            double flops = 2.0 * (double)(f.m * f.n * f.k * f.batches);
            for (int threads = 1; threads <= 2; threads++) {
                double best = 1e9;
                size_t at = 0, runs = (size_t)(3e9 / flops) + 1;
                for (int r = 0; r < 5; r++) {
                    uint64_t start = etch_clock_ns();
                    for (size_t i = 0; i < runs; i++) {
                        if (at + f.n * f.k * f.batches > POOL) at = 0;
                        operands o = { a, w + at, c };
                        etch_fgemm g = { .m = f.m, .n = f.n, .k = f.k, .a = a, .lda = f.k, .b = w + at, .ldb = f.nk ? f.k : f.n,
                                         .b_is_nk = f.nk, .c = c, .bias = f.weights ? a : NULL, .ldc = f.n, .lo = -INFINITY,
                                         .hi = INFINITY };
                        if (f.batches > 1) etch_fgemm_run_many(kn, &g, f.batches, nth, &o, threads > 1 ? pool : NULL, scratch);
                        else etch_fgemm_run(kn, &g, threads > 1 ? pool : NULL, scratch);
                        if (f.weights) at += f.n * f.k;
                    }
                    double t = (double)(etch_clock_ns() - start) * 1e-9 / (double)runs;
                    best = t < best ? t : best;
                }
                printf("  %6.1f", flops / best * 1e-9);
            }
            printf(" GFLOP/s\n");
        }
    }
    etch_pool_release(pool);
    free(scratch);
    free(w);
    free(a);
    free(c);
    return 0;
}
