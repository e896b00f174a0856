// Shape rules of reductions, scans and sorts.
#include "op/shape_util.h"

// Marks the dims named by `v` (int, list or None). None marks all; an empty list too unless `empty_is_none_of_them`.
static etch_status *reduced_dims(const etch_val *v, int rank, bool empty_is_none_of_them, bool mask[ETCH_MAX_RANK])
{
    shape_list dims;
    ETCH_TRY(shape_ints(v, &dims));
    bool all = v->kind == ETCH_V_NONE || (dims.n == 0 && !empty_is_none_of_them);
    for (int i = 0; i < ETCH_MAX_RANK; i++) mask[i] = all;
    for (int i = 0; i < dims.n; i++) {
        int axis;
        if (dims.p[i].e) return ETCH_ERR(ETCH_UNSUPPORTED, "a reduced dim is symbolic");
        ETCH_TRY(shape_axis_of(dims.p[i].v, rank, &axis));
        if (mask[axis]) return ETCH_ERR(ETCH_INVALID, "dim %d is reduced twice", axis);
        mask[axis] = true;
    }
    return NULL;
}

static etch_status *set_reduced(etch_outs *outs, int k, etch_dtype d, const etch_tensor *t, const bool mask[ETCH_MAX_RANK], bool keepdim)
{
    etch_dim sizes[ETCH_MAX_RANK];
    int n = 0;
    for (int i = 0; i < t->rank; i++) {
        if (!mask[i]) sizes[n++] = t->sizes[i];
        else if (keepdim) sizes[n++] = DIM(1);
    }
    return shape_set(outs, k, d, n, sizes);
}

static etch_status *reduce(const etch_val *args, int n_args, etch_outs *outs, int dim_arg, int keepdim_arg, etch_dtype d)
{
    TENSOR(t, 0);
    bool mask[ETCH_MAX_RANK];
    ETCH_TRY(reduced_dims(ARG(dim_arg), t->rank, false, mask));
    return set_reduced(outs, 0, d, t, mask, shape_bool(ARG(keepdim_arg), false));
}

static etch_dtype sum_type(etch_dtype d) { return etch_dtype_is_int(d) || d == ETCH_BOOL ? ETCH_I64 : d; }
static etch_dtype real_of(etch_dtype d) { return d == ETCH_C64 ? ETCH_F32 : d; }

// sum.dim_IntList(self, dim?, keepdim, *, dtype), prod.dim_int(self, dim, keepdim, *, dtype)
SHAPE(sum)
{
    TENSOR(t, 0);
    etch_dtype d;
    ETCH_TRY(shape_dtype(ARG(3), sum_type(t->dtype), &d));
    return reduce(args, n_args, outs, 1, 2, d);
}

// sum(self, *, dtype), prod(self, *, dtype)
SHAPE(sum_all)
{
    TENSOR(t, 0);
    etch_dtype d;
    ETCH_TRY(shape_dtype(ARG(1), sum_type(t->dtype), &d));
    return shape_set(outs, 0, d, 0, NULL);
}

static etch_status *mean_type(const etch_val *dtype, const etch_tensor *t, etch_dtype *out)
{
    ETCH_TRY(shape_dtype(dtype, t->dtype, out));
    if (!etch_dtype_is_float(*out) && !etch_dtype_is_complex(*out))
        return shape_mismatch("mean needs a floating point type", "self", t, NULL, NULL);
    return NULL;
}

// mean.dim(self, dim?, keepdim, *, dtype)
SHAPE(mean)
{
    TENSOR(t, 0);
    etch_dtype d;
    ETCH_TRY(mean_type(ARG(3), t, &d));
    return reduce(args, n_args, outs, 1, 2, d);
}

// mean(self, *, dtype)
SHAPE(mean_all)
{
    TENSOR(t, 0);
    etch_dtype d;
    ETCH_TRY(mean_type(ARG(1), t, &d));
    return shape_set(outs, 0, d, 0, NULL);
}

// amax(self, dim, keepdim)
SHAPE(reduce_same)
{
    TENSOR(t, 0);
    return reduce(args, n_args, outs, 1, 2, t->dtype);
}

// max(self)
SHAPE(reduce_all)
{
    TENSOR(t, 0);
    return shape_set(outs, 0, t->dtype, 0, NULL);
}

// Upstream keeps uint8 for any and all.
static etch_dtype any_type(etch_dtype d) { return d == ETCH_U8 ? ETCH_U8 : ETCH_BOOL; }

// any(self)
SHAPE(any_all)
{
    TENSOR(t, 0);
    return shape_set(outs, 0, any_type(t->dtype), 0, NULL);
}

// any.dim(self, dim, keepdim), any.dims(self, dim?, keepdim): an empty list reduces nothing
SHAPE(any_dims)
{
    TENSOR(t, 0);
    bool mask[ETCH_MAX_RANK];
    ETCH_TRY(reduced_dims(ARG(1), t->rank, true, mask));
    return set_reduced(outs, 0, any_type(t->dtype), t, mask, shape_bool(ARG(2), false));
}

// argmax(self, dim?, keepdim), count_nonzero(self, dim?)
SHAPE(argmax) { return reduce(args, n_args, outs, 1, 2, ETCH_I64); }

// max.dim(self, dim, keepdim) -> (values, indices)
SHAPE(max_dim)
{
    TENSOR(t, 0);
    bool mask[ETCH_MAX_RANK];
    ETCH_TRY(reduced_dims(ARG(1), t->rank, false, mask));
    ETCH_TRY(set_reduced(outs, 1, ETCH_I64, t, mask, shape_bool(ARG(2), false)));
    return set_reduced(outs, 0, t->dtype, t, mask, shape_bool(ARG(2), false));
}

// logsumexp(self, dim, keepdim)
SHAPE(logsumexp)
{
    TENSOR(t, 0);
    return reduce(args, n_args, outs, 1, 2, shape_to_float(t->dtype));
}

static etch_status *need_float(const etch_tensor *t, const char *what)
{
    if (etch_dtype_is_float(t->dtype) || etch_dtype_is_complex(t->dtype)) return NULL;
    etch_status *s = shape_mismatch("a floating point type is needed", "self", t, NULL, NULL);
    return etch_status_frame(s, __FILE__, __LINE__, "%s", what);
}

// norm(self, p, dim, keepdim, *, dtype), linalg_vector_norm(self, ord, dim?, keepdim, *, dtype?)
SHAPE(norm)
{
    TENSOR(t, 0);
    if (ARG(4)->kind == ETCH_V_NONE) ETCH_TRY(need_float(t, "norm"));
    etch_dtype d;
    ETCH_TRY(shape_dtype(ARG(4), t->dtype, &d));
    return reduce(args, n_args, outs, 2, 3, real_of(d));
}

// norm.Scalar(self, p)
SHAPE(norm_all)
{
    TENSOR(t, 0);
    ETCH_TRY(need_float(t, "norm"));
    return shape_set(outs, 0, real_of(t->dtype), 0, NULL);
}

// var.correction(self, dim?, *, correction, keepdim), var.dim(self, dim?, unbiased, keepdim)
SHAPE(var)
{
    TENSOR(t, 0);
    ETCH_TRY(need_float(t, "variance"));
    return reduce(args, n_args, outs, 1, 3, real_of(t->dtype));
}

// var(self, unbiased)
SHAPE(var_all)
{
    TENSOR(t, 0);
    ETCH_TRY(need_float(t, "variance"));
    return shape_set(outs, 0, real_of(t->dtype), 0, NULL);
}

// var_mean.correction(self, dim?, *, correction, keepdim) -> (var, mean)
SHAPE(var_mean)
{
    TENSOR(t, 0);
    ETCH_TRY(need_float(t, "variance"));
    bool mask[ETCH_MAX_RANK];
    ETCH_TRY(reduced_dims(ARG(1), t->rank, false, mask));
    ETCH_TRY(set_reduced(outs, 1, t->dtype, t, mask, shape_bool(ARG(3), false)));
    return set_reduced(outs, 0, real_of(t->dtype), t, mask, shape_bool(ARG(3), false));
}

// var_mean(self, unbiased)
SHAPE(var_mean_all)
{
    TENSOR(t, 0);
    ETCH_TRY(need_float(t, "variance"));
    ETCH_TRY(shape_set(outs, 1, t->dtype, 0, NULL));
    return shape_set(outs, 0, real_of(t->dtype), 0, NULL);
}

// cumsum(self, dim, *, dtype)
SHAPE(cumsum)
{
    TENSOR(t, 0);
    etch_dtype d;
    int axis;
    ETCH_TRY(shape_axis(ARG(1), t->rank, &axis));
    ETCH_TRY(shape_dtype(ARG(2), sum_type(t->dtype), &d));
    return shape_set_like(outs, 0, d, t);
}

// sort(self, ...), cummax(self, dim) -> (values, indices)
SHAPE(sort)
{
    TENSOR(t, 0);
    ETCH_TRY(shape_set_like(outs, 1, ETCH_I64, t));
    return shape_set_like(outs, 0, t->dtype, t);
}

SHAPE(argsort)
{
    TENSOR(t, 0);
    return shape_set_like(outs, 0, ETCH_I64, t);
}

// topk(self, k, dim, largest, sorted) -> (values, indices)
SHAPE(topk)
{
    TENSOR(t, 0);
    etch_tensor r = *t;
    int axis;
    bool too_many;
    etch_dim k;
    ETCH_TRY(shape_dim(ARG(1), DIM(1), &k));
    const etch_val minus_one = etch_val_int(-1);
    ETCH_TRY(shape_axis(ARG(2)->kind == ETCH_V_NONE ? &minus_one : ARG(2), t->rank, &axis));
    ETCH_TRY(etch_dim_decide(cx->syms, ETCH_CMP_GT, k, t->rank ? t->sizes[axis] : DIM(1), cx->where, &too_many));
    if (too_many) return shape_mismatch("topk takes more elements than there are", "self", t, NULL, NULL);
    if (t->rank) r.sizes[axis] = k;
    ETCH_TRY(shape_set_like(outs, 1, ETCH_I64, &r));
    return shape_set_like(outs, 0, t->dtype, &r);
}

// _softmax(self, dim, half_to_float), _log_softmax
SHAPE(softmax)
{
    TENSOR(t, 0);
    int axis;
    ETCH_TRY(shape_axis(ARG(1), t->rank, &axis));
    return shape_set_like(outs, 0, shape_bool(ARG(2), false) && t->dtype == ETCH_F16 ? ETCH_F32 : t->dtype, t);
}

// multinomial(self, num_samples, replacement)
SHAPE(multinomial)
{
    TENSOR(t, 0);
    etch_tensor r = *t;
    if (t->rank < 1 || t->rank > 2) return shape_mismatch("multinomial needs 1 or 2 dims", "self", t, NULL, NULL);
    ETCH_TRY(shape_dim(ARG(1), DIM(1), &r.sizes[t->rank - 1]));
    return shape_set_like(outs, 0, ETCH_I64, &r);
}

// histc(self, bins, min, max)
SHAPE(histc)
{
    TENSOR(t, 0);
    etch_dim bins;
    ETCH_TRY(shape_dim(ARG(1), DIM(100), &bins));
    return shape_set(outs, 0, t->dtype, 1, &bins);
}

// bucketize(self, boundaries, *, out_int32, right)
SHAPE(bucketize)
{
    TENSOR(t, 0);
    return shape_set_like(outs, 0, shape_bool(ARG(2), false) ? ETCH_I32 : ETCH_I64, t);
}

// searchsorted(sorted_sequence, self, *, out_int32, right, ...)
SHAPE(searchsorted)
{
    TENSOR(t, 1);
    return shape_set_like(outs, 0, shape_bool(ARG(2), false) ? ETCH_I32 : ETCH_I64, t);
}

// choose_qparams.tensor(input, ...) -> (scale f64[1], zero_point i64[1])
SHAPE(choose_qparams)
{
    etch_dim one = DIM(1);
    ETCH_TRY(shape_set(outs, 0, ETCH_F64, 1, &one));
    return shape_set(outs, 1, ETCH_I64, 1, &one);
}

// choose_qparams_per_token_asymmetric(input, dtype) -> (scale f64[..., 1], zero_point i64[..., 1])
SHAPE(choose_qparams_per_token)
{
    TENSOR(t, 0);
    etch_tensor r = *t;
    if (t->rank) r.sizes[t->rank - 1] = DIM(1);
    ETCH_TRY(shape_set_like(outs, 0, ETCH_F64, &r));
    return shape_set_like(outs, 1, ETCH_I64, &r);
}
