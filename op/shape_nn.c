// Shape rules of normalisation, and of Fourier transforms.
#include "op/shape_util.h"

// The last dims of input must be `shape`.
static etch_status *check_normalized(etch_shape_cx *cx, const etch_tensor *t, const shape_list *shape)
{
    bool ok = shape->n > 0 && shape->n <= t->rank;
    for (int i = 0; ok && i < shape->n; i++) ETCH_TRY(shape_equal(cx, shape->p[i], t->sizes[t->rank - shape->n + i], &ok));
    if (ok) return NULL;
    etch_tensor shown = { .dtype = t->dtype, .rank = shape->n < ETCH_MAX_RANK ? shape->n : 0 };
    for (int i = 0; i < shown.rank; i++) shown.sizes[i] = shape->p[i];
    return shape_mismatch("normalized_shape must equal the last dims", "input", t, "normalized_shape", &shown);
}

// layer_norm(input, normalized_shape, ...), rms_norm(input, normalized_shape, ...)
SHAPE(layer_norm)
{
    TENSOR(t, 0);
    shape_list shape;
    ETCH_TRY(shape_ints(ARG(1), &shape));
    ETCH_TRY(check_normalized(cx, t, &shape));
    return shape_set_like(outs, 0, t->dtype, t);
}

// Statistics of half inputs with float weights are float.
static etch_dtype stats_type(const etch_tensor *t, const etch_val *weight)
{
    return weight->kind == ETCH_V_TENSOR && weight->t->dtype == ETCH_F32 ? ETCH_F32 : t->dtype;
}

// native_layer_norm(input, normalized_shape, weight?, bias?, eps) -> (out, mean, rstd)
SHAPE(native_layer_norm)
{
    TENSOR(t, 0);
    shape_list shape;
    ETCH_TRY(shape_ints(ARG(1), &shape));
    ETCH_TRY(check_normalized(cx, t, &shape));
    etch_tensor stats = *t;
    for (int i = t->rank - shape.n; i < t->rank; i++) stats.sizes[i] = DIM(1);
    ETCH_TRY(shape_set_like(outs, 1, stats_type(t, ARG(2)), &stats));
    ETCH_TRY(shape_set_like(outs, 2, stats_type(t, ARG(2)), &stats));
    return shape_set_like(outs, 0, t->dtype, t);
}

// native_group_norm(input, weight?, bias?, N, C, HxW, group, eps) -> (out, mean [N, group], rstd)
SHAPE(native_group_norm)
{
    TENSOR(t, 0);
    etch_dim sizes[2];
    ETCH_TRY(shape_dim(ARG(3), DIM(1), &sizes[0]));
    ETCH_TRY(shape_dim(ARG(6), DIM(1), &sizes[1]));
    ETCH_TRY(shape_set(outs, 1, stats_type(t, ARG(1)), 2, sizes));
    ETCH_TRY(shape_set(outs, 2, stats_type(t, ARG(1)), 2, sizes));
    return shape_set_like(outs, 0, t->dtype, t);
}

// (out, save_mean, save_rstd): statistics [C] in training, else empty
static etch_status *batch_norm(etch_outs *outs, const etch_tensor *t, bool training, const etch_val *weight)
{
    if (t->rank < 2) return shape_mismatch("batch norm needs [N, C, *]", "input", t, NULL, NULL);
    etch_dim n = training ? t->sizes[1] : DIM(0);
    etch_dtype d = stats_type(t, weight);
    ETCH_TRY(shape_set(outs, 1, d, 1, &n));
    ETCH_TRY(shape_set(outs, 2, d, 1, &n));
    return shape_set_like(outs, 0, t->dtype, t);
}

// native_batch_norm(input, weight?, bias?, running_mean?, running_var?, training, momentum, eps)
SHAPE(native_batch_norm)
{
    TENSOR(t, 0);
    return batch_norm(outs, t, shape_bool(ARG(5), false), ARG(1));
}

// _native_batch_norm_legit.no_stats(input, weight?, bias?, training, momentum, eps)
SHAPE(native_batch_norm_no_stats)
{
    TENSOR(t, 0);
    return batch_norm(outs, t, true, ARG(1));
}

// _native_batch_norm_legit_no_training(input, weight?, bias?, running_mean, running_var, momentum, eps)
SHAPE(native_batch_norm_no_training)
{
    TENSOR(t, 0);
    return batch_norm(outs, t, false, ARG(1));
}

static etch_status *last_axis(const etch_val *dims, int rank, int *out_axis)
{
    shape_list list;
    ETCH_TRY(shape_ints(dims, &list));
    if (list.n < 1 || rank < 1) return ETCH_ERR(ETCH_INVALID, "a Fourier transform needs dims");
    for (int i = 0; i < list.n; i++) ETCH_TRY(shape_axis_of(list.p[i].v, rank, out_axis));
    return NULL;
}

// _fft_r2c(self, dim, normalization, onesided)
SHAPE(fft_r2c)
{
    TENSOR(t, 0);
    int axis;
    if (t->dtype != ETCH_F32) return shape_mismatch("_fft_r2c needs float32", "self", t, NULL, NULL);
    ETCH_TRY(last_axis(ARG(1), t->rank, &axis));
    etch_tensor r = *t;
    if (shape_bool(ARG(3), false)) {
        DIV(r.sizes[axis], DIM(2), &r.sizes[axis]);
        ADD(r.sizes[axis], DIM(1), &r.sizes[axis]);
    }
    return shape_set_like(outs, 0, ETCH_C64, &r);
}

// _fft_c2r(self, dim, normalization, last_dim_size)
SHAPE(fft_c2r)
{
    TENSOR(t, 0);
    int axis;
    if (t->dtype != ETCH_C64) return shape_mismatch("_fft_c2r needs complex64", "self", t, NULL, NULL);
    ETCH_TRY(last_axis(ARG(1), t->rank, &axis));
    etch_tensor r = *t;
    ETCH_TRY(shape_dim(ARG(3), t->sizes[axis], &r.sizes[axis]));
    return shape_set_like(outs, 0, ETCH_F32, &r);
}
