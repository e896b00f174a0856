// Choosing the next token. In order: the repetition penalty, then with a temperature top_k, top_p, min_p and a draw, as transformers does.
#ifndef ETCH_RT_SAMPLE_H
#define ETCH_RT_SAMPLE_H

#include <stdint.h>

#include "base/status.h"

typedef struct etch_sample_pair { float p; int32_t id; } etch_sample_pair;

typedef struct etch_sampler {
    float temperature;          // 0: the largest logit (the lowest id among equals); else a draw from softmax(logits / temperature)
    float top_p;                // cut to the smallest set of tokens with probability >= top_p together (1: all)
    int top_k;                  // before that, cut to the top_k likeliest (0: all)
    uint64_t state;             // of the draws
    float min_p;                // after both, cut to those with at least min_p times the likeliest one's probability (0: all)
    float repetition_penalty;   // the logit of a token that was seen is divided by it where positive, multiplied where not (0 or 1: none)
    uint8_t *seen;              // by id, for the penalty
    int64_t n_seen;             // ids that `seen` has room for
    etch_sample_pair *scratch;  // for the cuts
} etch_sampler;

// Tokens of the text, prompt included; ids outside of the model's n logits have no logit to change.
etch_status *etch_sampler_see(etch_sampler *s, const int32_t *ids, size_t n_ids, int64_t n) ETCH_MUST_USE;
// `n` is the same in every call.
etch_status *etch_sample(etch_sampler *s, const float *logits, int64_t n, int32_t *out_id) ETCH_MUST_USE;
void etch_sampler_deinit(etch_sampler *s);

#endif
