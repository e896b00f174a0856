// Shared inside graph/: growth of arena arrays, copies of arguments, node construction with given result types.
#ifndef ETCH_GRAPH_INTERNAL_H
#define ETCH_GRAPH_INTERNAL_H

#include "graph/graph.h"

// Makes room for one more element: arrays double inside the arena (old copies stay until the program is destroyed).
etch_status *etch_graph__grow(etch_arena *a, void *array, int n, int *cap, size_t elem) ETCH_MUST_USE;
// Copies `in` (lists and strings too) into the arena.
etch_status *etch_graph__copy_val(etch_arena *a, const etch_val *in, etch_val *out) ETCH_MUST_USE;
// Checks `v` against the parameter's type; converts what PyTorch converts (a lone int for int[2], int for float). Borrowed lists stay
// borrowed.
etch_status *etch_graph__coerce(etch_arena *a, const etch_op *op, int param, etch_val *v) ETCH_MUST_USE;
// A node whose results have no type yet (n_outs of them); args are filled, checked and copied. Not yet linked.
etch_status *etch_graph__new_node(etch_method *m, const etch_op *op, const etch_val *args, int n_args, etch_str where, etch_str module,
                                  etch_node **out) ETCH_MUST_USE;
etch_status *etch_graph__new_outs(etch_method *m, etch_node *n, int n_outs) ETCH_MUST_USE;
void etch_graph__link(etch_method *m, etch_node *n, etch_node *before);
// A leaf of any kind, appended to the method's leaves.
etch_status *etch_graph__new_leaf(etch_method *m, etch_src src, etch_str name, const etch_tensor *type, etch_value **out) ETCH_MUST_USE;
// Runs the op's shape rule: *out_types = n_types arena tensors (rule NULL: an error). `cx` as for shape rules.
etch_status *etch_graph__infer(etch_shape_cx *cx, const etch_op *op, const etch_val *args, etch_tensor ***out_types,
                               int *out_n) ETCH_MUST_USE;
bool etch_graph__val_eq(const etch_val *a, const etch_val *b);
bool etch_graph__same_type(const etch_tensor *a, const etch_tensor *b);

#endif
