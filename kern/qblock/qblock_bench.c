// Times the products of kern/qblock for every supported row of kernels.def: CPU seconds, one thread, data in the cache.
// Build and run: make bench-kernels. Out: Gmac/s and weight bytes/s of one row (decoding) and of many (prefill).
#define _POSIX_C_SOURCE 200809L
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/cpu.h"
#include "base/num.h"
#include "kern/qblock/qblock.h"

static double cpu_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

// Cycles a second, by a chain of additions.
static double clock_rate(void)
{
    unsigned long a = 1;
    double start = cpu_seconds();
    for (long i = 0; i < 100000000; i++) __asm__ volatile("" : "+r"(a));
    (void)a;
    return 1e8 / (cpu_seconds() - start);
}

static void one(const etch_qblock_isa *isa, size_t m, size_t n, size_t k)
{
    uint8_t *w = malloc(n * k / 2);
    uint16_t *ws = malloc(n * k / 32 * 2);
    float *c = malloc(m * n * sizeof *c), *z_sum = malloc(n * sizeof *z_sum);
    int8_t *q = malloc(k);
    void *memory = aligned_alloc(64, etch_qblock_x_bytes(m, k)), *scratch = aligned_alloc(64, etch_qblock_scratch(k, 1));
    for (size_t i = 0; i < n * k / 2; i++) w[i] = (uint8_t)(i * 37);
    for (size_t i = 0; i < n * k / 32; i++) ws[i] = etch_f32_to_bf16(0.01f);
    for (size_t i = 0; i < k; i++) q[i] = (int8_t)(i * 11);
    etch_qblock_x x;
    etch_qblock_x_init(&x, m, k, memory);
    for (size_t i = 0; i < m; i++) etch_qblock_x_set(isa, &x, i, q, 0.01f, 3);
    etch_qblock_w qw = { .n = n, .k = k, .group = 32, .w = w, .scale = ws, .z_sum = z_sum };
    etch_qblock_job job = { &qw, NULL, c, n, -1e30f, 1e30f };
    etch_qblock_run(isa, &x, &job, 1, NULL, scratch);
    double best = 1e9;
    for (int r = 0; r < 7; r++) {
        double start = cpu_seconds();
        int runs = (int)(2e8 / (double)(m * n * k)) + 1;
        for (int i = 0; i < runs; i++) etch_qblock_run(isa, &x, &job, 1, NULL, scratch);
        double t = (cpu_seconds() - start) / runs;
        best = t < best ? t : best;
    }
    printf("%-12s m %4zu n %4zu k %4zu: %7.1f Gmac/s, weights %6.1f GB/s\n", isa->name, m, n, k, (double)(m * n * k) / best * 1e-9,
           (double)(n * (k / 2 + k / 16)) / best * 1e-9);
    free(w);
    free(ws);
    free(c);
    free(z_sum);
    free(q);
    free(memory);
    free(scratch);
}

int main(void)
{
    const etch_qblock_isa *isa;
    printf("clock %.2f GHz\n", clock_rate() * 1e-9);
    for (int r = 0; (isa = etch_qblock_row(r)); r++) {
        if ((isa->needs & etch_cpu_features()) != isa->needs) continue;
        one(isa, 1, 576, 576);
        one(isa, 1, 576, 1536);
        if (r) one(isa, 1, 300000, 576);   // beyond every cache
        if (r == 0) continue;
        one(isa, 4, 576, 576);
        one(isa, 32, 576, 576);
        one(isa, 128, 576, 1536);
        one(isa, 512, 1536, 576);
    }
    return 0;
}
