// Views and in-place writes over a functional graph, for readers of programs in which tensors share memory.
//
// A reader keeps one value for each storage (its whole content, row-major) and a chain of views for each tensor. Reading a tensor after
// its storage changed replays the chain; writing a tensor gives the storage's next value:
//
//   x = base.transpose(0, 1)[2]; x.add_(1) becomes
//   v0 = transpose(base); v1 = select(v0); v2 = add(v1, 1); v3 = select_scatter(v0, v2); base' = transpose(v3)
#ifndef ETCH_GRAPH_VIEWS_H
#define ETCH_GRAPH_VIEWS_H

#include "graph/graph.h"

typedef struct etch_view {
    const struct etch_view *parent;  // NULL: applies to the storage
    const etch_op *op;
    const etch_val *args;            // args[0] is not read: the parent takes its place
    int n_args;
    etch_tensor type;                // of the result; no data
} etch_view;

// Appends a node for the reader, which knows the place in the source.
typedef struct etch_recorder {
    etch_program *program;
    etch_status *(*record)(void *user, const etch_op *op, const etch_val *args, int n, etch_node **out);
    void *user;
} etch_recorder;

// `v`, result `out` of the view `op` of a tensor of type `base`, as a view on top of `parent`. Parts of a split or unbind become slices
// and selects.
etch_status *etch_view_push(const etch_recorder *r, const etch_view *parent, const etch_tensor *base, const etch_op *op,
                            const etch_val *args, int n,
                            int out, const etch_value *v, const etch_view **out_view) ETCH_MUST_USE;
// The tensor behind `chain` when its storage holds `storage`.
etch_status *etch_view_read(const etch_recorder *r, etch_value *storage, const etch_view *chain, etch_value **out) ETCH_MUST_USE;
// `v` cast and expanded to `type`, as an in-place write does.
etch_status *etch_view_fit(const etch_recorder *r, const etch_tensor *type, etch_value *v, etch_value **out) ETCH_MUST_USE;
// What the storage holds after the tensor behind `chain` was given `v` (of the view's type). Views that cannot be written through:
// ETCH_UNSUPPORTED.
etch_status *etch_view_write(const etch_recorder *r, etch_value *storage, const etch_view *chain, etch_value *v,
                             etch_value **out) ETCH_MUST_USE;

etch_status *etch_record_cast(const etch_recorder *r, etch_value *v, etch_dtype d, etch_value **out) ETCH_MUST_USE;
// The row that computes the new content of the argument that `op` writes: aten::add.Tensor for aten::add_.Tensor, etch::update_cache for
// llama::update_cache. NULL when there is none.
const etch_op *etch_op_functional(etch_str name);
bool etch_op_is_named(const etch_op *op, const char *name);  // "aten::select", any overload
int etch_wrap_axis(etch_dim d, int rank);

#endif
