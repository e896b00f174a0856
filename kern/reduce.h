// Walks of reductions: for one output element, the elements that it reduces come in blocks of a compute type, in row-major order.
#ifndef ETCH_KERN_REDUCE_H
#define ETCH_KERN_REDUCE_H

#include "kern/elem.h"

typedef struct kern_red {
    const etch_tensor *t;
    int64_t n_out, n_red;                                        // output elements, elements reduced into each
    int n_kept, n_dims;
    int64_t kept_size[ETCH_MAX_RANK], kept_stride[ETCH_MAX_RANK];  // merged, outermost first
    int64_t size[ETCH_MAX_RANK], stride[ETCH_MAX_RANK];            // the reduced dims, merged
} kern_red;

// `mask`: bit d set, dim d is reduced (rank 0: one element). `out`: its element count must be that of the kept dims.
etch_status *kern_red_init(kern_red *r, const etch_tensor *t, uint32_t mask, const etch_tensor *out) ETCH_MUST_USE;

// n values of the compute type; `pos` is the index of the first among the reduced elements.
typedef void (*kern_red_fn)(void *state, const void *block, int n, int64_t pos);
void kern_red_each(const kern_red *r, int64_t o, kern_ctype c, kern_red_fn fn, void *state);

#endif
