// The last step of an export: a program after the passes becomes a .pte file.
//
// In: a verified program whose nodes all have an .out form, a source of constant bytes, an open writer. Out: the file, written front to
// back: tables first (every size follows from types), then one constant at a time, evaluated in pieces where that is possible.
// The same program gives the same bytes.
#ifndef ETCH_LOWER_EMIT_H
#define ETCH_LOWER_EMIT_H

#include "base/file.h"
#include "graph/graph.h"

typedef enum { ETCH_RECIPE_PORTABLE, ETCH_RECIPE_XNNPACK } etch_recipe;

// Where the bytes of constants come from. `v` is a FILE or DATA leaf or a node over such: calls `put` with its row-major bytes, in pieces
// and in order.
typedef struct etch_const_source {
    etch_status *(*stream)(void *user, etch_value *v, etch_status *(*put)(void *put_user, const void *bytes, size_t n), void *put_user);
    void *user;
} etch_const_source;

// What is decided on the way, for reports. Every function may be NULL.
typedef struct etch_emit_listener {
    // Each node that is executed, by method in order of execution. `outside`: why it is not in a delegate; NULL: it is in one. Static text.
    void (*node)(void *user, const etch_method *m, const etch_node *n, const char *outside);
    void (*constant)(void *user, etch_value *v, uint64_t nbytes);  // each constant of the file, once
    void *user;
} etch_emit_listener;

typedef struct etch_emit_opts {
    etch_recipe recipe;
    const etch_emit_listener *listener;                           // NULL: nobody listens
    void (*progress)(void *user, uint64_t done, uint64_t total);  // bytes of the file; may be NULL
    void *user;
} etch_emit_opts;

// What was done, for the summary.
typedef struct etch_emit_report {
    uint64_t file_bytes, table_bytes, constant_bytes, named_bytes;
    uint64_t arena_bytes;        // largest method
    uint64_t arena_bound;        // of the same method: most bytes alive at once, no plan can be smaller
    int n_instructions, n_delegates, n_nodes, n_delegated;
    int n_bfloat16;              // nodes that a delegate would take in float32 or float16
} etch_emit_report;

// Changes the program: adds nodes for constants in the layout that a delegate needs. `out_report` may be NULL.
// `w` NULL: everything is decided and measured, nothing is evaluated or written, and `source` may be NULL too.
etch_status *etch_emit(etch_program *p, const etch_emit_opts *opts, const etch_const_source *source, etch_writer *w,
                       etch_emit_report *out_report) ETCH_MUST_USE;

#endif
