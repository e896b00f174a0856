// Shape rules of elementwise ops: sizes broadcast, types promote as in PyTorch.
#include "op/shape_util.h"

// Result 0 is argument 0 with dtype d.
static etch_status *like_first(const etch_val *args, int n_args, etch_outs *outs, etch_dtype d)
{
    TENSOR(t, 0);
    return shape_set_like(outs, 0, d, t);
}

SHAPE(unary)
{
    TENSOR(t, 0);
    return shape_set_like(outs, 0, t->dtype, t);
}

SHAPE(second)
{
    TENSOR(t, 1);
    return shape_set_like(outs, 0, t->dtype, t);
}

SHAPE(unary_float)
{
    TENSOR(t, 0);
    return shape_set_like(outs, 0, shape_to_float(t->dtype), t);
}

SHAPE(unary_bool) { return like_first(args, n_args, outs, ETCH_BOOL); }

static etch_dtype real_of(etch_dtype d) { return d == ETCH_C64 ? ETCH_F32 : d; }

SHAPE(abs)
{
    TENSOR(t, 0);
    return shape_set_like(outs, 0, real_of(t->dtype), t);
}

SHAPE(real)
{
    TENSOR(t, 0);
    return shape_set_like(outs, 0, real_of(t->dtype), t);
}

SHAPE(angle)
{
    TENSOR(t, 0);
    return shape_set_like(outs, 0, shape_to_float(real_of(t->dtype)), t);
}

// pow(self, 2): the integer 2 lifts bool.
SHAPE(square)
{
    TENSOR(t, 0);
    return shape_set_like(outs, 0, t->dtype == ETCH_BOOL ? ETCH_I64 : t->dtype, t);
}

// Broadcast and promoted type of arguments from..to (excl.); None is skipped.
static etch_status *join(etch_shape_cx *cx, const etch_val *args, int n_args, int from, int to, etch_tensor *io, etch_dtype *out_dtype)
{
    shape_promotion p = shape_promotion_start();
    for (int i = from; i < to; i++) {
        const etch_val *v = ARG(i);
        ETCH_TRY(shape_promote(&p, v));
        if (v->kind == ETCH_V_TENSOR) ETCH_TRY(shape_broadcast(cx, io, v->t));
    }
    return shape_promoted(&p, out_dtype);
}

SHAPE(binary)
{
    etch_tensor r = { .rank = 0 };
    ETCH_TRY(join(cx, args, n_args, 0, 2, &r, &r.dtype));
    return shape_set_like(outs, 0, r.dtype, &r);
}

SHAPE(binary_float)
{
    etch_tensor r = { .rank = 0 };
    ETCH_TRY(join(cx, args, n_args, 0, 2, &r, &r.dtype));
    return shape_set_like(outs, 0, shape_to_float(r.dtype), &r);
}

// div(self, other, *, rounding_mode): true division only without a mode.
SHAPE(div_mode)
{
    etch_tensor r = { .rank = 0 };
    ETCH_TRY(join(cx, args, n_args, 0, 2, &r, &r.dtype));
    bool is_true = ARG(2)->kind != ETCH_V_STR;
    return shape_set_like(outs, 0, is_true ? shape_to_float(r.dtype) : r.dtype, &r);
}

SHAPE(compare)
{
    etch_tensor r = { .rank = 0 };
    ETCH_TRY(join(cx, args, n_args, 0, 2, &r, &r.dtype));
    return shape_set_like(outs, 0, ETCH_BOOL, &r);
}

// where(condition, self, other)
SHAPE(where)
{
    TENSOR(cond, 0);
    etch_tensor r = { .rank = 0 };
    ETCH_TRY(join(cx, args, n_args, 1, 3, &r, &r.dtype));
    ETCH_TRY(shape_broadcast(cx, &r, cond));
    return shape_set_like(outs, 0, r.dtype, &r);
}

// clamp(self, min?, max?)
SHAPE(clamp)
{
    etch_tensor r = { .rank = 0 };
    ETCH_TRY(join(cx, args, n_args, 0, 3, &r, &r.dtype));
    return shape_set_like(outs, 0, r.dtype, &r);
}

// addcmul(self, tensor1, tensor2, *, value)
SHAPE(ternary)
{
    etch_tensor r = { .rank = 0 };
    ETCH_TRY(join(cx, args, n_args, 0, 3, &r, &r.dtype));
    return shape_set_like(outs, 0, r.dtype, &r);
}

// lerp(self, end, weight): weight may be a number, which does not promote
SHAPE(lerp)
{
    etch_tensor r = { .rank = 0 };
    ETCH_TRY(join(cx, args, n_args, 0, 2, &r, &r.dtype));
    if (ARG(2)->kind == ETCH_V_TENSOR) ETCH_TRY(shape_broadcast(cx, &r, ARG(2)->t));
    return shape_set_like(outs, 0, r.dtype, &r);
}

// masked_fill(self, mask, value), masked_scatter(self, mask, source): the type is that of self
SHAPE(masked_fill)
{
    TENSOR(self, 0);
    TENSOR(mask, 1);
    etch_tensor r = { .rank = 0 };
    ETCH_TRY(shape_broadcast(cx, &r, self));
    ETCH_TRY(shape_broadcast(cx, &r, mask));
    return shape_set_like(outs, 0, self->dtype, &r);
}

// Argument 0 with the dtype of argument k, when given.
static etch_status *with_dtype(const etch_val *args, int n_args, etch_outs *outs, int k)
{
    TENSOR(t, 0);
    etch_dtype d;
    ETCH_TRY(shape_dtype(ARG(k), t->dtype, &d));
    return shape_set_like(outs, 0, d, t);
}

SHAPE(dtype1) { return with_dtype(args, n_args, outs, 1); }
SHAPE(dtype2) { return with_dtype(args, n_args, outs, 2); }
SHAPE(dtype5) { return with_dtype(args, n_args, outs, 5); }
SHAPE(dtype6) { return with_dtype(args, n_args, outs, 6); }

// Argument 0 with the dtype of tensor argument 1.
SHAPE(type_as)
{
    TENSOR(other, 1);
    return like_first(args, n_args, outs, other->dtype);
}

// Argument 0 as float, or the dtype of argument k.
static etch_status *dequantized(const etch_val *args, int n_args, etch_outs *outs, int k)
{
    etch_dtype d;
    ETCH_TRY(shape_dtype(ARG(k), ETCH_F32, &d));
    return like_first(args, n_args, outs, d);
}

SHAPE(dequantize6) { return dequantized(args, n_args, outs, 6); }
SHAPE(dequantize7) { return dequantized(args, n_args, outs, 7); }

// complex(real, imag), polar(abs, angle)
SHAPE(complex)
{
    etch_tensor r = { .rank = 0 };
    ETCH_TRY(join(cx, args, n_args, 0, 2, &r, &r.dtype));
    if (r.dtype != ETCH_F32)
        return ETCH_ERR(ETCH_UNSUPPORTED, "complex numbers of %s parts are not supported", etch_dtype_torch_name(r.dtype));
    return shape_set_like(outs, 0, ETCH_C64, &r);
}

// glu(self, dim): halves one dim
SHAPE(glu)
{
    TENSOR(t, 0);
    etch_tensor r = *t;
    int axis;
    bool even;
    ETCH_TRY(shape_axis(ARG(1), t->rank, &axis));
    if (t->rank == 0) return ETCH_ERR(ETCH_INVALID, "glu needs a tensor with dims");
    etch_dim rest;
    ETCH_TRY(etch_dim_mod(cx->syms, t->sizes[axis], DIM(2), &rest));
    ETCH_TRY(shape_decide(cx, ETCH_CMP_EQ, rest, 0, &even));
    if (!even) return shape_mismatch("glu splits a dim of odd size", "self", t, NULL, NULL);
    DIV(t->sizes[axis], DIM(2), &r.sizes[axis]);
    return shape_set_like(outs, 0, t->dtype, &r);
}

// native_dropout(input, p, train) -> (result, mask)
SHAPE(native_dropout)
{
    TENSOR(t, 0);
    ETCH_TRY(shape_set_like(outs, 1, ETCH_BOOL, t));
    return shape_set_like(outs, 0, t->dtype, t);
}

// A SYM op: the result is a number, nothing to type.
SHAPE(scalar)
{
    TENSOR(t, 0);
    (void)t;
    return outs->n > 0 && outs->t && outs->t[0] ? shape_set(outs, 0, t->dtype, 0, NULL) : NULL;
}

SHAPE(nothing) { return NULL; }
