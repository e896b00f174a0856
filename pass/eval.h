// Evaluates constant values of a graph (etch_const_is) with the reference kernels, on demand and one at a time: what is big in a model is
// never all in memory.
//
//   etch_weights w = { get, done, user };
//   etch_evaluated r;
//   ETCH_TRY(etch_eval_const(&w, v, &r));   // r.t: bytes of the value, borrowed from the file map or owned by r
//   use(r.t.data);
//   etch_evaluated_free(&w, &r);
#ifndef ETCH_PASS_EVAL_H
#define ETCH_PASS_EVAL_H

#include "pass/pass.h"

// Where the bytes of FILE values come from. `get` gives the tensor's bytes (row-major, of the value's type), which stay valid until
// `done`; an error when the file or key is absent or its type differs. `done` (may be NULL) says that the bytes are not needed soon.
struct etch_weights {
    etch_status *(*get)(void *user, etch_str file, etch_str key, const etch_tensor *type, etch_span *out_bytes);
    void (*done)(void *user, etch_str file, etch_str key);
    void *user;
};

typedef struct etch_evaluated {
    etch_tensor t;          // t.data: the bytes
    void *owned;            // what to free; NULL when borrowed
    const etch_value *file; // the FILE value whose bytes are borrowed, or NULL
} etch_evaluated;

// Any constant value. Intermediate results are freed as soon as nothing needs them. A value that depends on a random node is an error
// that names the parameter; `w` may be NULL when no file is involved.
etch_status *etch_eval_const(const etch_weights *w, etch_value *v, etch_evaluated *out) ETCH_MUST_USE;
void etch_evaluated_free(const etch_weights *w, etch_evaluated *r);

// The same bytes in pieces, in order. A chain of casts, clones and views over a FILE value or an etch::dequantize_* node runs in blocks of
// about 1 MiB; everything else is evaluated whole.
typedef etch_status *(*etch_sink_fn)(void *user, const void *bytes, size_t n);
etch_status *etch_eval_stream(const etch_weights *w, etch_value *v, etch_sink_fn put, void *user) ETCH_MUST_USE;

// Every value that `v` is computed from, down to the leaves, `v` included: calls fn once for each (any order).
etch_status *etch_eval_each_source(etch_value *v, void (*fn)(void *user, etch_value *v), void *user) ETCH_MUST_USE;

// Are the result's elements those of argument 0 in the same order, up to their type (casts, clones, views)?
bool etch_eval_keeps_order(const etch_node *n);

#endif
