// Next-token choice: greedy, or temperature with top-k and top-p.
#include <math.h>
#include <stdlib.h>

#include "rt/lm.h"

static double uniform(uint64_t *state)  // splitmix64, 53 bits
{
    uint64_t z = *state += 0x9E3779B97F4A7C15u;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return (double)((z ^ (z >> 31)) >> 11) * 0x1p-53;
}

static int by_p(const void *a, const void *b)
{
    const etch_sample_pair *x = a, *y = b;
    if (x->p != y->p) return x->p > y->p ? -1 : 1;
    return (x->id > y->id) - (x->id < y->id);
}

etch_status *etch_sample(etch_sampler *s, const float *logits, int64_t n, etch_sample_pair **scratch, int32_t *out_id)
{
    int64_t best = -1;
    for (int64_t i = 0; i < n; i++)
        if (!isnan(logits[i]) && (best < 0 || logits[i] > logits[best])) best = i;
    if (best < 0) return ETCH_ERR(ETCH_INVALID, "the model gave no number among its %lld logits", (long long)n);
    *out_id = (int32_t)best;
    if (s->temperature <= 0) return NULL;
    if (!*scratch) *scratch = malloc((size_t)n * sizeof **scratch);
    if (!*scratch) return ETCH_ERR(ETCH_NO_MEMORY, "out of memory");
    etch_sample_pair *p = *scratch;
    for (int64_t i = 0; i < n; i++)
        p[i] = (etch_sample_pair){ isnan(logits[i]) ? 0 : expf((logits[i] - logits[best]) / s->temperature), (int32_t)i };
    int64_t kept = n;
    double total = 0;
    if ((s->top_k > 0 && s->top_k < n) || s->top_p < 1) {
        qsort(p, (size_t)n, sizeof *p, by_p);
        if (s->top_k > 0 && s->top_k < n) kept = s->top_k;
        for (int64_t i = 0; i < kept; i++) total += p[i].p;
        double sum = 0;
        for (int64_t i = 0; i < kept && s->top_p < 1; i++) {
            sum += p[i].p;
            if (sum >= s->top_p * total) kept = i + 1;
        }
        total = 0;
    }
    for (int64_t i = 0; i < kept; i++) total += p[i].p;
    double at = uniform(&s->state) * total;
    for (int64_t i = 0; i < kept; i++) {
        *out_id = p[i].id;
        at -= p[i].p;
        if (at < 0) break;
    }
    return NULL;
}
