// Reference kernels: one pure function an op, used by the runtime, by constant folding and by `.item()` in the tracer.
#ifndef ETCH_KERN_KERN_H
#define ETCH_KERN_KERN_H

#include "op/op.h"

// Scratch memory for one kernel call, supplied by the caller; kernels never call malloc.
typedef struct etch_kern_cx {
    void *(*scratch)(void *user, size_t bytes);  // 64-aligned, valid until the kernel returns; NULL when exhausted
    void *user;
    // Optional: inner loops for large f32 products and threads to spread them over. NULL: the scalar loops, on the calling thread.
    const struct etch_fgemm_kernels *fgemm;
    const struct etch_attention_isa *attention;   // the same for attention over f32
    const struct etch_ew_kernels *ew;             // and for elementwise ops, softmax, norms (kern/fast.h)
    struct etch_pool *pool;
    int cache;                                    // etch_cache_id of the caches that narrow kernels (kern/narrow.h) read and write
} etch_kern_cx;

// Arguments in schema order. Outputs have dtype, sizes (set by the shape rule) and memory; the dtype of an output may be
// wider than the computed one (a .pte states it): results are computed in the promoted type of the inputs and cast.
// Inputs may be any dtype that the op's promotion allows. No output overlaps an input unless the op is INPLACE or VIEW.
// Views as kernels: copy (data may be equal for VIEW ops: then nothing to do).
typedef etch_status *(*etch_kern_fn)(etch_kern_cx *cx, const etch_val *args, int n_args, etch_tensor *const *outs, int n_outs);

// NULL when the op has no kernel.
etch_kern_fn etch_kern_find(etch_op_id id);

// Shape rule + heap-allocated outputs + kernel: for constant folding and tests. `outs[i]->data` is malloc'ed, the caller frees.
// n_outs is the number of results (for Tensor[]: at most `cap`).
etch_status *etch_kern_eval(const etch_op *op, const etch_val *args, int n_args, etch_tensor *outs, int cap, int *out_n) ETCH_MUST_USE;

#endif
