// Weights that the checkpoint holds as integers, seen by what writes constants: rows of integers and scales instead of an evaluated float
// tensor.
//
//   const etch_node *n = etch_packed_find(v);        // v = casts and views over etch::dequantize_*
//   etch_packed_weight w;
//   if (n) ETCH_TRY(etch_packed_open(weights, n, &w));
//   etch_packed_row(&w.p, row, q, scales, offsets);  // kern/packed/packed.h
//   etch_packed_close(weights, &w);
#ifndef ETCH_PASS_PACKED_H
#define ETCH_PASS_PACKED_H

#include "kern/packed/packed.h"
#include "pass/eval.h"

typedef struct etch_packed_weight {
    etch_packed p;             // borrows the operands
    etch_evaluated operands[4];
} etch_packed_weight;

bool etch_packed_is(const etch_node *n);  // etch::dequantize_blocks or etch::dequantize_columns
// The etch::dequantize_* node whose rows are the rows of `v`, up to casts between float types; NULL when `v` is something else.
const etch_node *etch_packed_find(const etch_value *v);
// Operands are borrowed from the file where they lie in it as they are.
etch_status *etch_packed_open(const etch_weights *w, const etch_node *n, etch_packed_weight *out) ETCH_MUST_USE;
void etch_packed_close(const etch_weights *w, etch_packed_weight *p);
// Calls `put` with blocks of whole rows of f32, about 1 MiB each.
etch_status *etch_packed_stream(const etch_weights *w, const etch_node *n, etch_status *(*put)(void *user, const etch_tensor *block),
                                void *user) ETCH_MUST_USE;

#endif
