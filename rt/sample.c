#include "rt/sample.h"

#include <math.h>
#include <stdlib.h>

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

etch_status *etch_sampler_see(etch_sampler *s, const int32_t *ids, size_t n_ids, int64_t n)
{
    if (s->repetition_penalty == 0 || s->repetition_penalty == 1) return NULL;
    if (!s->seen) s->seen = calloc((size_t)n, 1);
    if (!s->seen) return ETCH_ERR(ETCH_NO_MEMORY, "out of memory");
    s->n_seen = n;
    for (size_t i = 0; i < n_ids; i++)
        if (ids[i] >= 0 && ids[i] < n) s->seen[ids[i]] = 1;
    return NULL;
}

void etch_sampler_deinit(etch_sampler *s)
{
    free(s->seen);
    free(s->scratch);
    s->seen = NULL;
    s->scratch = NULL;
}

static float logit(const etch_sampler *s, const float *logits, int64_t i)
{
    const float x = logits[i];
    if (!s->seen || i >= s->n_seen || !s->seen[i]) return x;
    return x < 0 ? x * s->repetition_penalty : x / s->repetition_penalty;
}

etch_status *etch_sample(etch_sampler *s, const float *logits, int64_t n, int32_t *out_id)
{
    int64_t best = -1;
    float most = 0;
    for (int64_t i = 0; i < n; i++) {
        const float x = logit(s, logits, i);
        if (isnan(x) || (best >= 0 && !(x > most))) continue;
        best = i;
        most = x;
    }
    if (best < 0) return ETCH_ERR(ETCH_INVALID, "the model gave no number among its %lld logits", (long long)n);
    *out_id = (int32_t)best;
    if (s->temperature <= 0) return NULL;
    if (!s->scratch) s->scratch = malloc((size_t)n * sizeof *s->scratch);
    if (!s->scratch) return ETCH_ERR(ETCH_NO_MEMORY, "out of memory");
    etch_sample_pair *p = s->scratch;
    for (int64_t i = 0; i < n; i++) {
        const float x = logit(s, logits, i);
        const float e = x == most ? 1 : expf((x - most) / s->temperature);  // also where both are infinite
        p[i] = (etch_sample_pair){ isnan(x) ? 0 : e, (int32_t)i };
    }
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
    for (int64_t i = 0; i < kept; i++) {
        if (p[i].p < s->min_p) p[i].p = 0;
        total += p[i].p;
    }
    double at = uniform(&s->state) * total;
    for (int64_t i = 0; i < kept; i++) {
        if (p[i].p <= 0) continue;
        *out_id = p[i].id;
        at -= p[i].p;
        if (at < 0) break;
    }
    return NULL;
}
