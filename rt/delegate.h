// What a backend implements to run the delegate calls of a program, and the tensors it gets. One row a backend in rt/backends.def.
//
// In: a blob and named data of the file, untrusted. Out: tensors written in place.
#ifndef ETCH_RT_DELEGATE_H
#define ETCH_RT_DELEGATE_H

#include "op/value.h"
#include "rt/event.h"
#include "rt/ties.h"

// A tensor of a loaded method.
typedef struct etch_rt_tensor {
    etch_tensor t;                        // FIRST member. Sizes in logical order; data laid out by dim_order, dense; capacity in bytes
    uint8_t dim_order[ETCH_MAX_RANK];     // outer to inner; identity when is_plain
    bool is_plain;
    bool is_dynamic;                      // sizes may change: same rank, numel <= max_numel
    bool is_constant;                     // lies in the file map: never written
    bool is_unfixed;                      // data is known at run time only (view, move, borrowed input)
    bool is_readonly;                     // constant, borrowed input, or a view of one, at this moment
    bool is_last_row_enough;              // an output of which the caller reads only the last row (last entry of the last-but-one dim)
    int64_t max_numel;                    // from the declared sizes; t.capacity >= max_numel * element size when data is planned
    int64_t max_sizes[ETCH_MAX_RANK];     // the declared sizes
    uint32_t version;                     // grows when sizes change
} etch_rt_tensor;

// New sizes (logical order) for `t`: nothing when equal. An error when it is static or the bound is exceeded. No allocation.
etch_status *etch_rt_tensor_resize(etch_rt_tensor *t, int rank, const int64_t *sizes) ETCH_MUST_USE;

// What init may use; valid while the delegate lives. The blob and named data stay mapped as long: weights may be used where they lie.
typedef struct etch_delegate_env {
    // Named data of the program. ETCH_NOT_FOUND when absent. The span may be unaligned in a hostile file: check before using it in place.
    etch_status *(*named)(void *user, etch_str key, etch_span *out);
    void *user;
    int n_threads;                        // >= 1
    size_t max_bytes;                     // refuse to need more working memory than this; 0: no limit
    etch_rt_ties *ties;                   // NULL: off
} etch_delegate_env;

typedef struct etch_backend {
    const char *id;                       // BackendDelegate.id
    // Verifies the blob completely. Allocates only what the delegate keeps (packed weights, plans); destroy frees it.
    etch_status *(*init)(etch_span blob, const etch_delegate_env *env, void **out_self);
    // Once per call site at load. Checks the number of arguments, their dtypes, ranks and bounds against the blob, plans intermediate
    // tensors for the arguments' max_sizes, and sets is_output[i] for each argument. args[i] is
    // NULL where the program passes a value that is no tensor (a symbolic size).
    // *out_scratch: bytes of scratch that execute needs; the runtime gives one block to all delegates of a method, its content is not
    // kept between calls.
    etch_status *(*bind)(void *self, etch_rt_tensor *const *args, int n_args, bool *is_output, size_t *out_scratch);
    // Sizes of inputs are current; outputs must be resized (etch_rt_tensor_resize) before they are written. Input data is non-NULL when
    // numel > 0, output data has room for max_numel elements; no output overlaps an input. No allocation, error statuses aside.
    // `scratch` is 64-aligned.
    etch_status *(*execute)(void *self, etch_rt_tensor *const *args, int n_args, void *scratch, size_t scratch_len);
    void (*destroy)(void *self);
    // Tells l->fn of each node that execute runs, as long as l->fn is set. l lives as long as the delegate. NULL when a backend cannot.
    void (*listen)(void *self, const etch_rt_listener *l);
} etch_backend;

// NULL when no backend has this id.
const etch_backend *etch_backend_find(etch_str id);

#endif
