// All passes over a program, one file each. A pass leaves the graph verified (etch_program_verify) or returns an error that speaks of the
// model.
//
// Every pass has the same signature, so that a pipeline is a table of {name, function}. Usual order:
//   alias · cse · complex · decompose · alias · fold · scalars · types · cse · dce · mutations
// `fold`, `scalars` and `types` may run again after passes that make new nodes. `mutations` comes last: nothing may move nodes after it.
#ifndef ETCH_PASS_PASS_H
#define ETCH_PASS_PASS_H

#include "graph/graph.h"

typedef struct etch_weights etch_weights;  // pass/eval.h

// What a number in a Tensor slot becomes (pass/scalars.c).
typedef enum {
    ETCH_SCALARS_OVERLOAD,      // the .Scalar row where the official runtime has one, otherwise a 0-d tensor
    ETCH_SCALARS_TENSOR_FLOAT,  // a 0-d tensor for float rows that XNNPACK can take (column xnn), otherwise as OVERLOAD
    ETCH_SCALARS_TENSOR,        // a 0-d tensor always
} etch_scalars_mode;

typedef struct etch_pass_opts {
    const etch_weights *weights;  // bytes of FILE values; NULL: constants over files are not folded
    size_t fold_limit;            // results of at most so many bytes become DATA; 0: 64 KiB
    etch_scalars_mode scalars;
    void (*missing)(void *user, const etch_node *n);  // decompose: each node that the runtime cannot take, before the error; or NULL
    void *user;
} etch_pass_opts;

// `o` may be NULL: defaults.
typedef etch_status *(*etch_pass_fn)(etch_program *p, const etch_pass_opts *o);

etch_status *etch_pass_alias(etch_program *p, const etch_pass_opts *o) ETCH_MUST_USE;      // removes nodes that change nothing
etch_status *etch_pass_cse(etch_program *p, const etch_pass_opts *o) ETCH_MUST_USE;        // one node, one leaf for equal ones
etch_status *etch_pass_dce(etch_program *p, const etch_pass_opts *o) ETCH_MUST_USE;        // removes what no output needs
etch_status *etch_pass_complex(etch_program *p, const etch_pass_opts *o) ETCH_MUST_USE;    // complex numbers become pairs of real ones
etch_status *etch_pass_decompose(etch_program *p, const etch_pass_opts *o) ETCH_MUST_USE;  // only rows with an .out name remain
etch_status *etch_pass_fold(etch_program *p, const etch_pass_opts *o) ETCH_MUST_USE;       // small constants become DATA
etch_status *etch_pass_scalars(etch_program *p, const etch_pass_opts *o) ETCH_MUST_USE;    // numbers leave Tensor slots
etch_status *etch_pass_types(etch_program *p, const etch_pass_opts *o) ETCH_MUST_USE;      // one operand dtype in elementwise nodes
etch_status *etch_pass_packed_rows(etch_program *p, const etch_pass_opts *o) ETCH_MUST_USE;  // packed weights move as they are
etch_status *etch_pass_mutations(etch_program *p, const etch_pass_opts *o) ETCH_MUST_USE;  // mutate lines become in-place writes

// Is the value known at export time: a FILE or DATA leaf, or a node over such values without symbols, randomness or effects?
// Valid between two changes of the method: the marks lie in node->user, set by etch_const_mark.
void etch_const_mark(etch_method *m);
void etch_const_mark_node(etch_node *n);  // for a node made after etch_const_mark; its arguments are marked
bool etch_const_is(const etch_value *v);
// "op aten::x (modeling.py:3, in model.layers.0)" for messages, in the program's arena.
const char *etch_node_place(etch_method *m, const etch_node *n);

#endif
