// The rows of kernels.def, private to this folder.
#ifndef ETCH_KERN_FGEMM_ROWS_H
#define ETCH_KERN_FGEMM_ROWS_H

#include "base/cpu.h"
#include "kern/fgemm/fgemm.h"

// turned.c: C[i0 ... i1, j0 ... j1) with the weights where they lie. Takes `len` floats at `x`, where rows of A are laid out; is_held: they
// are already. True: all of them are there at the end.
bool etch_fgemm__is_turned(const etch_fgemm_kernels *kn, const etch_fgemm *g, size_t columns);
bool etch_fgemm__turned(const etch_fgemm_kernels *kn, const etch_fgemm *g, size_t i0, size_t i1, size_t j0, size_t j1, float *x,
                        size_t len, bool is_held);

// split.c: the whole product, by parts. Its part of the scratch of a worker is etch_fgemm__split_scratch() bytes.
bool etch_fgemm__is_split(const etch_fgemm_kernels *kn, const etch_fgemm *g);
void etch_fgemm__split(const etch_fgemm_kernels *kn, const etch_fgemm *g, etch_pool *pool, void *scratch);
size_t etch_fgemm__split_scratch(void);
// fgemm.c
void *etch_fgemm__work_of(void *scratch, int worker);

static inline size_t etch_fgemm__ceil_div(size_t a, size_t b) { return (a + b - 1) / b; }

// The size of the fewest equal parts of `n` that are `most` at most, in whole steps (of which `most` is a multiple).
static inline size_t etch_fgemm__equal_part(size_t n, size_t most, size_t step)
{
    return n ? etch_fgemm__ceil_div(etch_fgemm__ceil_div(n, etch_fgemm__ceil_div(n, most)), step) * step : step;
}

// A finished sum of column j.
static inline float etch_fgemm__finish(const etch_fgemm *g, float y, size_t j)
{
    if (g->bias) y += g->bias[j];
    if (g->scale) y *= g->scale[j];
    return y < g->lo ? g->lo : y > g->hi ? g->hi : y;
}

// Asks for the next line of what comes next, for the second-level cache.
static inline __attribute__((always_inline)) void etch_fgemm__ask(etch_fgemm_ahead *f)
{
    if (!f->n) return;
    __builtin_prefetch(f->row + f->at, 0, 2);
    if ((f->at += 64) < f->bytes) return;
    f->at = 0;
    f->row += f->stride;
    f->n--;
}

#define KERNELS(suffix, features) extern const etch_fgemm_kernels etch_fgemm__##suffix;
#include "kern/fgemm/kernels.def"
#undef KERNELS
extern const etch_fgemm_split etch_fgemm__amx_split;

#endif
