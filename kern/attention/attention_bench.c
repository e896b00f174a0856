// Times kern/attention for every supported row of kernels.def and 1 and 2 threads: wall seconds, best of many. Run: make bench-kernels.
// Out: Gflop/s of the products of a prompt (causal) and of an encoder, bytes/s of keys and values of a decoding step over cold memory.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/cpu.h"
#include "base/num.h"
#include "kern/attention/attention.h"

// `layers` calls in turn, each with keys and values of its own.
static void one(const char *what, const etch_attention_isa *isa, int threads, size_t h, size_t kv, size_t n_q, size_t n_k, size_t d,
                bool causal, int layers, int cache)
{
    size_t unit = cache ? 1 : sizeof(float), head = cache ? etch_cache_head_bytes(isa->loops[cache], n_k, d) : d, q_row = h * d,
           k_row = cache ? 0 : kv * d;
    size_t layer = cache ? kv * head : n_k * k_row;
    float *q = malloc(n_q * q_row * sizeof *q), *out = malloc(n_q * q_row * sizeof *q), row[256];
    uint8_t *k = malloc(2 * layer * (size_t)layers * unit);
    for (size_t i = 0; i < n_q * q_row; i++) q[i] = (float)(i * 37 % 1000) * 0.002f - 1;
    for (size_t i = 0; i < 2 * n_k * kv * (size_t)layers; i++) {
        for (size_t c = 0; c < d; c++) row[c] = (float)((i * d + c) * 73 % 1000) * 0.002f - 1;
        if (!cache) memcpy(k + i * d * unit, row, d * unit);
        else etch_cache_put(isa->loops[cache], k + i / (n_k * kv) * layer, n_k, d, i % kv, i / kv % n_k, row);
    }
    etch_pool *pool = etch_pool_acquire(threads);
    etch_attention a = { .batches = 1, .heads = h, .kv_heads = kv, .n_q = n_q, .n_k = n_k, .d = d, .dv = d,
                         .q = { q, 0, d, q_row }, .k = { NULL, 0, head, k_row }, .v = { NULL, 0, head, k_row },
                         .cache = (etch_cache_id)cache, .out = out, .out_head = d, .out_row = q_row, .scale = 0.125f, .causal = causal,
                         .first = n_k - n_q };
    void *scratch = aligned_alloc(64, etch_align_up(etch_attention_scratch(isa, &a, threads), 64));
    double best = 1e9;
    for (int r = 0; r < 12; r++) {
        uint64_t start = etch_clock_ns();
        for (size_t i = 0; i < (size_t)layers; i++) {
            a.k.p = k + 2 * i * layer * unit;
            a.v.p = k + (2 * i + 1) * layer * unit;
            etch_attention_run(isa, &a, pool, scratch);
        }
        double t = (double)(etch_clock_ns() - start) * 1e-9;
        best = t < best ? t : best;
    }
    double pairs = (double)n_q * (causal ? (double)(n_k - n_q) + (double)(n_q + 1) / 2 : (double)n_k),
           macs = 2 * (double)(h * d) * layers * pairs;
    printf("%-8s %-7s %-7s %d threads: %8.3f ms, %6.1f Gflop/s, keys and values %5.1f GB/s\n", what, isa->name, etch_cache_name(cache),
           threads, best * 1e3, 2e-9 * macs / best, (double)(2 * layer * unit * (size_t)layers) / best * 1e-9);
    etch_pool_release(pool);
    free(q);
    free(out);
    free(k);
    free(scratch);
}

// With an argument: only the instruction set of that name.
int main(int argc, char **argv)
{
    const etch_attention_isa *isa;
    for (int r = 0; (isa = etch_attention_row(r)); r++) {
        if ((isa->needs & etch_cpu_features()) != isa->needs || (argc > 1 && strcmp(argv[1], isa->name))) continue;
        for (int threads = 1; threads <= 2; threads++) {
            one("prompt", isa, threads, 9, 3, 512, 512, 64, true, 2, 0);
            one("encoder", isa, threads, 6, 6, 1500, 1500, 64, false, 1, 0);
            one("narrow", isa, threads, 16, 16, 256, 256, 36, false, 1, 0);
            for (int cache = 0; cache < ETCH_CACHE_N; cache++) {
                one("step", isa, threads, 9, 3, 1, 1900, 64, true, 30, cache);
                one("step", isa, threads, 16, 8, 1, 1900, 128, true, 10, cache);
            }
        }
    }
}
