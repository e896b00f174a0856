// Activations on a rounding tie: where two correct runtimes may differ by one 8-bit step.
//
// Dynamic quantization rounds x * scale to an integer. When that product lies at n + 1/2, the last bit of a float computed before decides
// which integer it becomes, and that bit depends on the processor's kernels (order of additions, fused multiply-add, reciprocal
// estimates): the official runtime itself gives different results on AVX2 and on AVX512. A caller that compares runs can have such
// activations counted, and rounded the other way.
#ifndef ETCH_RT_TIES_H
#define ETCH_RT_TIES_H

#include <stdint.h>

#define ETCH_RT_RECENT_TIES 64

typedef struct etch_rt_ties {
    double within;         // in: how far from n + 1/2 counts as a tie, in steps of the 8-bit grid
    const int64_t *other;  // in: ascending numbers of the ties that are rounded to the other side
    int n_other;
    int64_t n;             // out: ties met, numbered in order of execution; the caller sets it to 0 before a replay. An activation that
                           // several nodes quantize (the inputs of query, key and value) is one tie
    int64_t n_rounded;     // out: activations quantized
    struct { uint64_t key; int64_t number; } recent[ETCH_RT_RECENT_TIES];  // to recognise the same activation; private to the backends
} etch_rt_ties;

#endif
