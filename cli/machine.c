// In: the process and the machine. Out: figures.
#include "cli/machine.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/pool.h"

static int by_time(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

void etch_cli_sort_times(uint64_t *ns, size_t n) { qsort(ns, n, sizeof *ns, by_time); }

double etch_cli_quantile_ms(const uint64_t *sorted_ns, size_t n, double q)
{
    return n ? (double)sorted_ns[(size_t)(q * (double)(n - 1) + 0.5)] * 1e-6 : 0;
}

uint64_t etch_cli_anonymous_bytes(void)
{
    FILE *f = fopen("/proc/self/status", "r");
    char line[256];
    unsigned long long kib = 0;
    while (f && fgets(line, sizeof line, f))
        if (sscanf(line, "RssAnon: %llu", &kib) == 1) break;
    if (f) fclose(f);
    return (uint64_t)kib * 1024;
}

#define PIECE ((size_t)1 << 20)
#define PASSES 16

typedef uint64_t lanes __attribute__((vector_size(16), aligned(8), may_alias));
typedef struct { uint8_t *buffer; size_t ahead; lanes sums[64]; } reading;

static void fill_piece(void *user, size_t i, int worker)
{
    (void)worker;
    memset(((reading *)user)->buffer + i * PIECE, (int)i + 1, PIECE);
}

static void read_piece(void *user, size_t i, int worker)
{
    reading *r = user;
    const lanes *p = (const lanes *)(const void *)(r->buffer + i * PIECE);
    const uint8_t *ahead = (const uint8_t *)p + r->ahead;
    lanes a = { 0 }, b = a, c = a, d = a;
    for (size_t k = 0; k < PIECE / sizeof *p; k += 4, ahead += 64) {
        if (r->ahead) __builtin_prefetch(ahead);
        a += p[k];
        b += p[k + 1];
        c += p[k + 2];
        d += p[k + 3];
    }
    r->sums[worker] += a + b + c + d;
}

double etch_cli_read_bandwidth(int n_threads, size_t bytes)
{
    static const size_t ahead[] = { 0, 2048, 4096, 8192 };   // what asking for it gives depends on the processor
    size_t pieces = (bytes + PIECE - 1) / PIECE;
    reading *r = calloc(1, sizeof *r);
    if (r) r->buffer = aligned_alloc(4096, pieces * PIECE);
    double best = 0;
    if (r && r->buffer) {
        etch_pool *pool = etch_pool_acquire(n_threads);
        etch_pool_run(pool, pieces, fill_piece, r);
        for (size_t i = 0; i < PASSES; i++) {
            r->ahead = ahead[i % 4];
            uint64_t begin = etch_clock_ns();
            etch_pool_run(pool, pieces, read_piece, r);
            double rate = (double)(pieces * PIECE) / ((double)(etch_clock_ns() - begin) * 1e-9);
            if (rate > best) best = rate;
        }
        volatile uint64_t kept = r->sums[0][0];   // the sums are wanted
        (void)kept;
        etch_pool_release(pool);
    }
    if (r) free(r->buffer);
    free(r);
    return best;
}
