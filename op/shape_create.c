// Shape rules of creation ops: sizes from arguments, type from `dtype` or from the fill value.
#include <math.h>

#include "op/shape_util.h"

// Sizes of argument `i` (list), none negative, into result 0 of type d.
static etch_status *sized(const etch_val *args, int n_args, etch_outs *outs, int i, etch_dtype d)
{
    shape_list sizes;
    ETCH_TRY(shape_ints(ARG(i), &sizes));
    return shape_set(outs, 0, d, sizes.n, sizes.p);
}

// empty(size, *, dtype)
SHAPE(empty)
{
    etch_dtype d;
    ETCH_TRY(shape_dtype(ARG(1), ETCH_F32, &d));
    return sized(args, n_args, outs, 0, d);
}

static etch_dtype type_of_number(const etch_val *v)
{
    if (v->kind == ETCH_V_INT) return ETCH_I64;
    if (v->kind == ETCH_V_BOOL) return ETCH_BOOL;
    if (v->kind == ETCH_V_TENSOR) return v->t->dtype;
    return ETCH_F32;
}

// full(size, fill_value, *, dtype)
SHAPE(full)
{
    etch_dtype d;
    ETCH_TRY(shape_dtype(ARG(2), type_of_number(ARG(1)), &d));
    return sized(args, n_args, outs, 0, d);
}

// new_zeros(self, size, *, dtype)
SHAPE(new_empty)
{
    TENSOR(self, 0);
    etch_dtype d;
    ETCH_TRY(shape_dtype(ARG(2), self->dtype, &d));
    return sized(args, n_args, outs, 1, d);
}

// new_full(self, size, fill_value, *, dtype), new_empty_strided(self, size, stride, *, dtype)
SHAPE(new_full)
{
    TENSOR(self, 0);
    etch_dtype d;
    ETCH_TRY(shape_dtype(ARG(3), self->dtype, &d));
    return sized(args, n_args, outs, 1, d);
}

// scalar_tensor(s, *, dtype)
SHAPE(scalar_tensor)
{
    etch_dtype d;
    ETCH_TRY(shape_dtype(ARG(1), ETCH_F32, &d));
    return shape_set(outs, 0, d, 0, NULL);
}

static bool is_integral(const etch_val *v) { return v->kind == ETCH_V_INT || v->kind == ETCH_V_BOOL; }

static etch_status *arange(etch_shape_cx *cx, etch_outs *outs, const etch_val *start, const etch_val *end, const etch_val *step,
                           const etch_val *dtype)
{
    static const etch_val zero = { .kind = ETCH_V_INT }, one = { .kind = ETCH_V_INT, .i = { 1, NULL } };
    if (start->kind == ETCH_V_NONE) start = &zero;
    if (step->kind == ETCH_V_NONE) step = &one;
    bool ints = is_integral(start) && is_integral(end) && is_integral(step);
    etch_dtype d;
    ETCH_TRY(shape_dtype(dtype, ints ? ETCH_I64 : ETCH_F32, &d));
    etch_dim n;
    if (ints) {
        etch_dim a, b, s, zero_dim = DIM(0);
        ETCH_TRY(shape_dim(start, zero_dim, &a));
        ETCH_TRY(shape_dim(end, zero_dim, &b));
        ETCH_TRY(shape_dim(step, zero_dim, &s));
        if (s.e) return ETCH_ERR(ETCH_UNSUPPORTED, "arange with a symbolic step");
        if (s.v == 0) return ETCH_ERR(ETCH_INVALID, "arange with step 0");
        if (s.v > 0) SUB(b, a, &n);
        else SUB(a, b, &n);
        bool bad;
        ETCH_TRY(shape_decide(cx, ETCH_CMP_LT, n, 0, &bad));
        if (bad) return ETCH_ERR(ETCH_INVALID, "arange from %lld to %lld with step %lld", (long long)a.v, (long long)b.v, (long long)s.v);
        if (s.v == INT64_MIN) return ETCH_ERR(ETCH_INVALID, "arange with step %lld", (long long)s.v);
        ETCH_TRY(shape_ceildiv(cx, n, DIM(s.v > 0 ? s.v : -s.v), &n));
    } else {
        double a = etch_val_as_double(start), b = etch_val_as_double(end), s = etch_val_as_double(step);
        if ((start->kind == ETCH_V_INT && start->i.e) || (end->kind == ETCH_V_INT && end->i.e) || (step->kind == ETCH_V_INT && step->i.e))
            return ETCH_ERR(ETCH_UNSUPPORTED, "arange over fractions with a symbolic bound");
        if (d == ETCH_I64) {  // upstream truncates the bounds first
            a = (double)etch_val_as_int(start);
            b = (double)etch_val_as_int(end);
            s = (double)etch_val_as_int(step);
        }
        double count = ceil((b - a) / s);
        if (!(count >= 0 && count < 4503599627370496.0)) return ETCH_ERR(ETCH_INVALID, "arange from %g to %g with step %g", a, b, s);
        n = DIM((int64_t)count);
    }
    return shape_set(outs, 0, d, 1, &n);
}

// arange(end, *, dtype)
SHAPE(arange) { return arange(cx, outs, shape_arg(args, 0, 0), ARG(0), shape_arg(args, 0, 0), ARG(1)); }
// arange(start, end, *, dtype)
SHAPE(arange_start) { return arange(cx, outs, ARG(0), ARG(1), shape_arg(args, 0, 0), ARG(2)); }
// arange(start, end, step, *, dtype)
SHAPE(arange_step) { return arange(cx, outs, ARG(0), ARG(1), ARG(2), ARG(3)); }

// linspace(start, end, steps, *, dtype)
SHAPE(linspace)
{
    etch_dtype d;
    ETCH_TRY(shape_dtype(ARG(3), ETCH_F32, &d));
    return sized(args, n_args, outs, 2, d);
}

// eye(n, *, dtype)
SHAPE(eye)
{
    etch_dtype d;
    etch_dim n[2];
    ETCH_TRY(shape_dtype(ARG(1), ETCH_F32, &d));
    ETCH_TRY(shape_dim(ARG(0), DIM(0), &n[0]));
    n[1] = n[0];
    return shape_set(outs, 0, d, 2, n);
}

// eye.m(n, m, *, dtype)
SHAPE(eye_m)
{
    etch_dtype d;
    etch_dim n[2];
    ETCH_TRY(shape_dtype(ARG(2), ETCH_F32, &d));
    ETCH_TRY(shape_dim(ARG(0), DIM(0), &n[0]));
    ETCH_TRY(shape_dim(ARG(1), DIM(0), &n[1]));
    return shape_set(outs, 0, d, 2, n);
}

// tril_indices(row, col, offset, *, dtype) -> [2, n]: n pairs (r, c) with c - r <= offset
static etch_status *triangle(const etch_val *args, int n_args, etch_outs *outs, bool upper)
{
    int64_t rows, cols, offset, n = 0;
    etch_dtype d;
    ETCH_TRY(shape_int(ARG(0), 0, &rows));
    ETCH_TRY(shape_int(ARG(1), 0, &cols));
    ETCH_TRY(shape_int(ARG(2), 0, &offset));
    ETCH_TRY(shape_dtype(ARG(3), ETCH_I64, &d));
    if (rows < 0 || cols < 0 || rows > INT32_MAX || cols > INT32_MAX || offset > INT32_MAX || offset < INT32_MIN)
        return ETCH_ERR(ETCH_INVALID, "indices of a %lld x %lld triangle", (long long)rows, (long long)cols);
    for (int64_t r = 0; r < rows; r++) {
        int64_t k = upper ? r + offset : r + offset + 1;  // first column of the upper part, end of the lower one
        k = k < 0 ? 0 : k > cols ? cols : k;
        n += upper ? cols - k : k;
    }
    etch_dim sizes[2] = { DIM(2), DIM(n) };
    return shape_set(outs, 0, d, 2, sizes);
}

SHAPE(tril_indices) { return triangle(args, n_args, outs, false); }
SHAPE(triu_indices) { return triangle(args, n_args, outs, true); }

// normal(mean, std, size, *, generator, dtype)
SHAPE(normal)
{
    etch_dtype d;
    ETCH_TRY(shape_dtype(ARG(4), ETCH_F32, &d));
    return sized(args, n_args, outs, 2, d);
}

// randint(high, size, *, dtype)
SHAPE(randint)
{
    etch_dtype d;
    ETCH_TRY(shape_dtype(ARG(2), ETCH_I64, &d));
    return sized(args, n_args, outs, 1, d);
}

// randint.low(low, high, size, *, dtype)
SHAPE(randint_low)
{
    etch_dtype d;
    ETCH_TRY(shape_dtype(ARG(3), ETCH_I64, &d));
    return sized(args, n_args, outs, 2, d);
}

// randperm(n, *, dtype)
SHAPE(randperm)
{
    etch_dtype d;
    ETCH_TRY(shape_dtype(ARG(1), ETCH_I64, &d));
    return sized(args, n_args, outs, 0, d);
}
