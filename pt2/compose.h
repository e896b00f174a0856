// Operators of PyTorch that etch has no row for, or not in all their forms, as compositions of rows; etch's torch makes the same in Python.
#ifndef ETCH_PT2_COMPOSE_H
#define ETCH_PT2_COMPOSE_H

#include "pt2/internal.h"

// Arguments in schema order, as bound by the composition's own schema. One result.
typedef etch_status *(*pt2_compose_fn)(pt2_reader *r, const etch_val *args, etch_value **out);

typedef struct pt2_composition {
    const char *name;           // "aten::einsum"
    const char *const *params;  // argument names in order, NULL at the end
    pt2_compose_fn fn;
} pt2_composition;

// NULL when there is none.
const pt2_composition *pt2_composition_of(etch_str name);

// Result 0 of a new node.
etch_status *pt2_call(pt2_reader *r, etch_op_id id, const etch_val *args, int n, etch_value **out) ETCH_MUST_USE;
#define PT2_ARGS(...) (const etch_val[]){ __VA_ARGS__ }, (int)(sizeof((const etch_val[]){ __VA_ARGS__ }) / sizeof(etch_val))
#define PT2_CALL(r, id, out, ...) pt2_call((r), ETCH_OP_##id, PT2_ARGS(__VA_ARGS__), (out))
static inline etch_val pt2_dims(etch_dim *p, int n) { return (etch_val){ .kind = ETCH_V_INTS, .ints = { p, n } }; }

etch_status *pt2_pad(pt2_reader *r, const etch_val *args, etch_value **out) ETCH_MUST_USE;
etch_status *pt2_einsum(pt2_reader *r, const etch_val *args, etch_value **out) ETCH_MUST_USE;
etch_status *pt2_im2col(pt2_reader *r, const etch_val *args, etch_value **out) ETCH_MUST_USE;
etch_status *pt2_col2im(pt2_reader *r, const etch_val *args, etch_value **out) ETCH_MUST_USE;

#endif
