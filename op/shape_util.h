// What the shape rules share: reading arguments, promoting types, broadcasting, setting results. Nothing here allocates
// when all sizes are constant.
#ifndef ETCH_OP_SHAPE_UTIL_H
#define ETCH_OP_SHAPE_UTIL_H

#include "op/shape.h"

#define SHAPE_UNUSED __attribute__((unused))
// SHAPE(binary) { ... }: the rule of the token `binary`. In scope: cx, args, n_args, outs.
#define SHAPE(name)                                                                                              \
    etch_status *shape_##name(SHAPE_UNUSED etch_shape_cx *cx, SHAPE_UNUSED const etch_val *args, SHAPE_UNUSED int n_args, \
                              SHAPE_UNUSED etch_outs *outs)
// Argument i, None when the list is shorter.
#define ARG(i) shape_arg(args, n_args, (i))
// const etch_tensor *t = tensor of argument i, or returns the error.
#define TENSOR(t, i)      \
    const etch_tensor *t; \
    ETCH_TRY(shape_tensor(ARG(i), (i), &(t)))
// Dim arithmetic with early return: ADD(a, b, &c).
#define ADD(a, b, out) ETCH_TRY(etch_dim_add(cx->syms, (a), (b), (out)))
#define SUB(a, b, out) ETCH_TRY(etch_dim_sub(cx->syms, (a), (b), (out)))
#define MUL(a, b, out) ETCH_TRY(etch_dim_mul(cx->syms, (a), (b), (out)))
#define DIV(a, b, out) ETCH_TRY(etch_dim_floordiv(cx->syms, (a), (b), (out)))
#define DIM(v) etch_dim_of(v)

const etch_val *shape_arg(const etch_val *args, int n_args, int i);
etch_status *shape_tensor(const etch_val *v, int i, const etch_tensor **out_t) ETCH_MUST_USE;
// A dimension number in [-rank, rank), normalised to [0, rank). A tensor of rank 0 accepts -1 and 0 and gives 0.
etch_status *shape_axis(const etch_val *v, int rank, int *out_axis) ETCH_MUST_USE;
etch_status *shape_axis_of(int64_t axis, int rank, int *out_axis) ETCH_MUST_USE;
// Constant int; `fallback` for None. A symbolic value is an error.
etch_status *shape_int(const etch_val *v, int64_t fallback, int64_t *out) ETCH_MUST_USE;
// Int that may be symbolic.
etch_status *shape_dim(const etch_val *v, etch_dim fallback, etch_dim *out) ETCH_MUST_USE;
// List of ints (a lone int is a list of one; None is empty). Borrows the list.
typedef struct { const etch_dim *p; int n; } shape_list;
etch_status *shape_ints(const etch_val *v, shape_list *out) ETCH_MUST_USE;
// True for a BOOL true; None and others: `fallback`.
bool shape_bool(const etch_val *v, bool fallback);
// A dtype argument; `fallback` for None.
etch_status *shape_dtype(const etch_val *v, etch_dtype fallback, etch_dtype *out) ETCH_MUST_USE;

// Type of an expression over tensors and numbers: PyTorch's result_type. Zero it, add operands, then finish.
typedef struct { etch_dtype dim, zero, wrapped; bool any; } shape_promotion;
static inline shape_promotion shape_promotion_start(void)
{
    return (shape_promotion){ ETCH_DTYPE_NONE, ETCH_DTYPE_NONE, ETCH_DTYPE_NONE, false };
}
etch_status *shape_promote(shape_promotion *p, const etch_val *v) ETCH_MUST_USE;
etch_status *shape_promote_tensor(shape_promotion *p, const etch_tensor *t) ETCH_MUST_USE;
etch_status *shape_promoted(const shape_promotion *p, etch_dtype *out) ETCH_MUST_USE;
// Integers and bool become the default float type.
static inline etch_dtype shape_to_float(etch_dtype d) { return etch_dtype_is_float(d) || etch_dtype_is_complex(d) ? d : ETCH_F32; }

// Broadcasts the sizes of `t` into `io` (rank and sizes); start with rank 0.
etch_status *shape_broadcast(etch_shape_cx *cx, etch_tensor *io, const etch_tensor *t) ETCH_MUST_USE;
// One dim of a broadcast.
etch_status *shape_broadcast_dim(etch_shape_cx *cx, etch_dim a, etch_dim b, etch_dim *out, bool *out_ok) ETCH_MUST_USE;
// Are two dims equal? Undecidable ones are decided by the example and guarded.
etch_status *shape_equal(etch_shape_cx *cx, etch_dim a, etch_dim b, bool *out) ETCH_MUST_USE;
etch_status *shape_decide(etch_shape_cx *cx, etch_cmp cmp, etch_dim a, int64_t b, bool *out) ETCH_MUST_USE;
// The value of a dim that must not vary (number of results): guarded when symbolic.
etch_status *shape_fix(etch_shape_cx *cx, etch_dim d, int64_t *out) ETCH_MUST_USE;
// Product of the sizes from (incl.) to (excl.).
etch_status *shape_product(etch_shape_cx *cx, const etch_dim *sizes, int from, int to, etch_dim *out) ETCH_MUST_USE;
// ceil(a / b) for a >= 0 and constant b > 0.
etch_status *shape_ceildiv(etch_shape_cx *cx, etch_dim a, etch_dim b, etch_dim *out) ETCH_MUST_USE;

// Sets result k; `sizes` may alias the result's.
etch_status *shape_set(etch_outs *outs, int k, etch_dtype dtype, int rank, const etch_dim *sizes) ETCH_MUST_USE;
static inline etch_status *shape_set_like(etch_outs *outs, int k, etch_dtype dtype, const etch_tensor *like)
{
    return shape_set(outs, k, dtype, like->rank, like->sizes);
}
// "what: self is f32[2, 3], other f32[4]" as an INVALID status. Names of the operands may be NULL when b is.
etch_status *shape_mismatch(const char *what, const char *name_a, const etch_tensor *a, const char *name_b, const etch_tensor *b);

#endif
