// Operators that can work on caches in a narrower type than the program's (kern/attention/caches.def): one row an operator. Their kernels
// take the cache arguments as float32 tensors whose data lies row by row in the type cx->cache, and need cx->attention.
#ifndef ETCH_KERN_NARROW_H
#define ETCH_KERN_NARROW_H

#include "kern/kern.h"

typedef struct etch_kern_narrow {
    etch_op_id op;
    unsigned caches;        // bits of the arguments that are caches, [B, slots, heads, columns]
    bool is_writer;         // writes them
    etch_kern_fn run;
} etch_kern_narrow;

// NULL when the op has no such form.
const etch_kern_narrow *etch_kern_find_narrow(etch_op_id id);

#endif
