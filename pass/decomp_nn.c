// Decompositions of layers: normalisation, softmax, dropout, convolution, pooling, resizing, padding.
#include "pass/decomp.h"

static etch_value *arg(etch_build *b, const etch_node *n, int i) { return etch_b_tensor(b, &n->args[i]); }
static etch_value *back(etch_build *b, const etch_node *n, etch_value *v) { return etch_b_to(b, v, n->outs[0]->t.dtype); }

static etch_dim product(etch_build *b, const etch_value *x, int from)
{
    etch_dim p = etch_dim_of(1);
    for (int i = from; i < x->t.rank; i++) p = etch_b_mul(b, p, x->t.sizes[i]);
    return p;
}

// normalisation

DECOMP(layer_norm) { out[0] = B(b, native_layer_norm, n->args[0], n->args[1], n->args[2], n->args[3], n->args[4]); }

static etch_value *group_norm(etch_build *b, etch_value *x, etch_val weight, etch_val bias, etch_val groups, etch_val eps)
{
    return B(b, native_group_norm, V(x), weight, bias, D(etch_b_size(x, 0)), D(etch_b_size(x, 1)), D(product(b, x, 2)), groups, eps);
}

DECOMP(group_norm) { out[0] = group_norm(b, arg(b, n, 0), n->args[2], n->args[3], n->args[1], n->args[4]); }

// x * rsqrt(mean(x^2) + eps) * weight, computed in f32 for half types
DECOMP(rms_norm)
{
    etch_value *x0 = arg(b, n, 0), *x = etch_b_float(b, x0);
    int64_t dims[ETCH_MAX_RANK];
    int count = n->args[1].ints.n < ETCH_MAX_RANK ? n->args[1].ints.n : ETCH_MAX_RANK;
    for (int i = 0; i < count; i++) dims[i] = i - count;
    double eps = n->args[3].kind == ETCH_V_FLOAT ? n->args[3].f : x->t.dtype == ETCH_F64 ? 2.220446049250313e-16 : 1.1920928955078125e-07;
    etch_value *mean = B(b, mean_dim, V(B(b, mul_Tensor, V(x), V(x))), etch_b_ints(b, count, dims), Y(true));
    etch_value *y = B(b, mul_Tensor, V(x), V(B(b, rsqrt, V(B(b, add_Tensor, V(mean), F(eps))))));
    if (n->args[2].kind == ETCH_V_TENSOR) y = B(b, mul_Tensor, V(y), V(etch_b_float(b, arg(b, n, 2))));
    out[0] = back(b, n, y);
}

static etch_value *inference_batch_norm(etch_build *b, const etch_node *n, int training)
{
    if (n->args[training].b || n->args[3].kind != ETCH_V_TENSOR || n->args[4].kind != ETCH_V_TENSOR)
        etch_b_fail(b, "batch normalisation in training mode (call model.eval())");
    return B(b, _native_batch_norm_legit_no_training, n->args[0], n->args[1], n->args[2], n->args[3], n->args[4], n->args[training + 1],
             n->args[training + 2]);
}

// With the statistics of the input itself and none to update: what standardised weights are.
static etch_value *own_batch_norm(etch_build *b, const etch_node *n)
{
    etch_value *x = arg(b, n, 0);
    int64_t dims[ETCH_MAX_RANK];
    etch_dim sizes[ETCH_MAX_RANK];
    int count = 0;
    for (int i = 0; i < x->t.rank; i++) {
        sizes[i] = i == 1 ? x->t.sizes[1] : etch_dim_of(1);
        if (i != 1) dims[count++] = i;
    }
    etch_value *d = B(b, sub_Tensor, V(x), V(B(b, mean_dim, V(x), etch_b_ints(b, count, dims), Y(true))));
    etch_value *var = B(b, mean_dim, V(B(b, mul_Tensor, V(d), V(d))), etch_b_ints(b, count, dims), Y(true));
    etch_value *y = B(b, mul_Tensor, V(d), V(B(b, rsqrt, V(B(b, add_Scalar, V(var), n->args[7])))));
    const etch_val shape = etch_b_dims(b, x->t.rank, sizes);
    if (n->args[1].kind == ETCH_V_TENSOR) y = B(b, mul_Tensor, V(y), V(B(b, view, n->args[1], shape)));
    if (n->args[2].kind == ETCH_V_TENSOR) y = B(b, add_Tensor, V(y), V(B(b, view, n->args[2], shape)));
    return y;
}

DECOMP(batch_norm)
{
    const bool own = n->args[5].b && n->args[3].kind != ETCH_V_TENSOR && n->args[4].kind != ETCH_V_TENSOR;
    out[0] = own ? own_batch_norm(b, n) : inference_batch_norm(b, n, 5);
}

DECOMP(native_batch_norm)
{
    out[0] = inference_batch_norm(b, n, 5);
    for (int i = 1; i < n->n_outs; i++) out[i] = etch_b_result(b, i);
}

DECOMP(instance_norm)
{
    if (n->args[5].b) out[0] = group_norm(b, arg(b, n, 0), n->args[1], n->args[2], D(etch_b_size(arg(b, n, 0), 1)), n->args[7]);
    else out[0] = inference_batch_norm(b, n, 5);
}

// softmax and dropout

static etch_value *softmax_input(etch_build *b, const etch_node *n) { return back(b, n, arg(b, n, 0)); }

DECOMP(softmax_int) { out[0] = B(b, _softmax, V(softmax_input(b, n)), n->args[1], Y(false)); }
DECOMP(log_softmax_int) { out[0] = B(b, _log_softmax, V(softmax_input(b, n)), n->args[1], Y(false)); }

DECOMP(dropout)
{
    if (n->args[2].b && n->args[1].f != 0.0) etch_b_fail(b, "dropout in training mode (call model.eval())");
    out[0] = arg(b, n, 0);
}

// convolution

// A list of `n` from a list of 1 or n.
static etch_val spread(etch_build *b, const etch_val *list, int n)
{
    if (list->kind != ETCH_V_INTS || list->ints.n != 1 || n == 1) return *list;
    etch_dim dims[8];
    for (int i = 0; i < n && i < 8; i++) dims[i] = list->ints.p[0];
    return etch_b_dims(b, n, dims);
}

typedef struct { etch_val stride, padding, dilation, output_padding, groups; bool transposed; } conv_args;

static etch_value *convolution(etch_build *b, const etch_node *n, etch_value *x, conv_args c)
{
    int spatial = arg(b, n, 1)->t.rank - 2;
    bool lone = x->t.rank == spatial + 1;
    if (lone) x = B(b, unsqueeze, V(x), I(0));
    etch_value *y = B(b, convolution, V(x), n->args[1], n->args[2], spread(b, &c.stride, spatial), spread(b, &c.padding, spatial),
                      spread(b, &c.dilation, spatial), Y(c.transposed), spread(b, &c.output_padding, spatial), c.groups);
    return lone ? B(b, squeeze_dim, V(y), I(0)) : y;
}

static etch_val zeros(etch_build *b, int n) { return etch_b_ints(b, n, (int64_t[]){ 0, 0, 0, 0 }); }

static void plain_conv(etch_build *b, const etch_node *n, etch_value **out, int spatial)
{
    out[0] = convolution(b, n, arg(b, n, 0), (conv_args){ n->args[3], n->args[4], n->args[5], zeros(b, spatial), n->args[6], false });
}

DECOMP(conv1d) { plain_conv(b, n, out, 1); }
DECOMP(conv2d) { plain_conv(b, n, out, 2); }
DECOMP(conv3d) { plain_conv(b, n, out, 3); }

DECOMP(conv_transpose)
{
    out[0] = convolution(b, n, arg(b, n, 0), (conv_args){ n->args[3], n->args[4], n->args[7], n->args[5], n->args[6], true });
}

// padding="valid" pads nothing; "same" pads dilation * (kernel - 1) in all, the odd element behind.
DECOMP(conv_padding)
{
    etch_value *x = arg(b, n, 0), *w = arg(b, n, 1);
    int spatial = w->t.rank - 2;
    int64_t sides[8] = { 0 }, pads[4] = { 0 };
    bool odd = false;
    etch_val dilation = spread(b, &n->args[5], spatial);
    for (int i = 0; i < spatial && i < 4 && etch_str_eqz(n->args[4].s, "same"); i++) {
        int64_t total = dilation.ints.p[i].v * (w->t.sizes[2 + i].v - 1);
        pads[i] = total / 2;
        sides[2 * (spatial - 1 - i) + 1] = total % 2;
        if (total % 2) odd = true;
    }
    if (odd) x = B(b, constant_pad_nd, V(x), etch_b_ints(b, 2 * spatial, sides), F(0));
    out[0] = convolution(b, n, x, (conv_args){ n->args[3], etch_b_ints(b, spatial, pads), n->args[5], zeros(b, spatial), n->args[6],
                                               false });
}

// pooling: one-dimensional forms as two-dimensional ones of height 1

static int64_t first_int(const etch_val *list, int64_t otherwise) { return list->ints.n ? list->ints.p[0].v : otherwise; }

DECOMP(max_pool2d)
{
    out[0] = B(b, max_pool2d_with_indices, n->args[0], n->args[1], n->args[2], n->args[3], n->args[4], n->args[5]);
}

DECOMP(max_pool1d)
{
    int64_t k = first_int(&n->args[1], 1), stride = first_int(&n->args[2], k);
    etch_value *y = B(b, max_pool2d_with_indices, V(B(b, unsqueeze, n->args[0], I(-2))), INTS(b, 1, k), INTS(b, 1, stride),
                      INTS(b, 0, first_int(&n->args[3], 0)), INTS(b, 1, first_int(&n->args[4], 1)), n->args[5]);
    out[0] = B(b, squeeze_dim, V(y), I(-2));
}

DECOMP(avg_pool1d)
{
    int64_t k = first_int(&n->args[1], 1), stride = first_int(&n->args[2], k);
    etch_value *y = B(b, avg_pool2d, V(B(b, unsqueeze, n->args[0], I(-2))), INTS(b, 1, k), INTS(b, 1, stride),
                      INTS(b, 0, first_int(&n->args[3], 0)), n->args[4], n->args[5]);
    out[0] = B(b, squeeze_dim, V(y), I(-2));
}

DECOMP(adaptive_avg_pool2d)
{
    const etch_val *size = &n->args[1];
    bool global = size->ints.n == 2 && !size->ints.p[0].e && !size->ints.p[1].e && size->ints.p[0].v == 1 && size->ints.p[1].v == 1;
    out[0] = global ? B(b, mean_dim, n->args[0], INTS(b, -1, -2), Y(true)) : B(b, _adaptive_avg_pool2d, n->args[0], *size);
}

DECOMP(adaptive_avg_pool1d)
{
    if (n->args[1].ints.n == 1 && n->args[1].ints.p[0].v == 1) {
        out[0] = B(b, mean_dim, n->args[0], INTS(b, -1), Y(true));
        return;
    }
    etch_value *y = B(b, _adaptive_avg_pool2d, V(B(b, unsqueeze, n->args[0], I(-2))), INTS(b, 1, first_int(&n->args[1], 1)));
    out[0] = B(b, squeeze_dim, V(y), I(-2));
}

// resizing: the .vec forms, by factors where the node states them, otherwise by the result's size

static etch_val factors(etch_build *b, const etch_val *h, const etch_val *w)
{
    if (h->kind != ETCH_V_FLOAT || w->kind != ETCH_V_FLOAT) return NONE_;
    return etch_b_floats(b, 2, (double[]){ h->f, w->f });
}

static etch_val last_two(etch_build *b, const etch_value *v) { return DIMS(b, etch_b_size(v, -2), etch_b_size(v, -1)); }

DECOMP(upsample_bilinear2d)
{
    etch_val scale = factors(b, &n->args[3], &n->args[4]);
    etch_val size = scale.kind == ETCH_V_NONE ? last_two(b, n->outs[0]) : NONE_;
    out[0] = B(b, upsample_bilinear2d_vec, n->args[0], size, n->args[2], scale);
}

DECOMP(upsample_nearest2d)
{
    etch_val scale = factors(b, &n->args[2], &n->args[3]);
    out[0] = B(b, upsample_nearest2d_vec, n->args[0], scale.kind == ETCH_V_NONE ? last_two(b, n->outs[0]) : NONE_, scale);
}

// scales: the last argument, a float? or float[]?
static etch_val scale_1d(etch_build *b, const etch_node *n)
{
    const etch_val *a = &n->args[n->op->schema->n_params - 1];
    if (a->kind == ETCH_V_FLOAT) return etch_b_floats(b, 2, (double[]){ 1.0, a->f });
    if (a->kind == ETCH_V_FLOATS && a->floats.n == 1) return etch_b_floats(b, 2, (double[]){ 1.0, a->floats.p[0] });
    return NONE_;
}

DECOMP(upsample_linear1d)
{
    etch_value *x = B(b, unsqueeze, n->args[0], I(-2));
    etch_val scale = scale_1d(b, n);
    etch_val size = scale.kind == ETCH_V_NONE ? DIMS(b, C(1), etch_b_size(n->outs[0], -1)) : NONE_;
    out[0] = B(b, squeeze_dim, V(B(b, upsample_bilinear2d_vec, V(x), size, n->args[2], scale)), I(-2));
}

DECOMP(upsample_nearest1d)
{
    etch_value *x = B(b, unsqueeze, n->args[0], I(-2));
    etch_val scale = scale_1d(b, n);
    etch_val size = scale.kind == ETCH_V_NONE ? DIMS(b, C(1), etch_b_size(n->outs[0], -1)) : NONE_;
    out[0] = B(b, squeeze_dim, V(B(b, upsample_nearest2d_vec, V(x), size, scale)), I(-2));
}

DECOMP(grid_sampler)
{
    if (arg(b, n, 0)->t.rank != 4) etch_b_fail(b, "grid sampling of volumes");
    out[0] = B(b, grid_sampler_2d, n->args[0], n->args[1], n->args[2], n->args[3], n->args[4]);
}

// padding

// Wraps around: the end of the dimension in front, its beginning behind.
static etch_value *pad_circular(etch_build *b, etch_value *x, const etch_val *pad)
{
    for (int i = 0; i < pad->ints.n / 2; i++) {
        int dim = x->t.rank - 1 - i;
        etch_dim before = pad->ints.p[2 * i], after = pad->ints.p[2 * i + 1], size = etch_b_size(x, dim);
        etch_value *parts[3];
        int count = 0;
        if (before.e || before.v) parts[count++] = B(b, slice_Tensor, V(x), I(dim), D(etch_b_sub(b, size, before)), D(size));
        parts[count++] = x;
        if (after.e || after.v) parts[count++] = B(b, slice_Tensor, V(x), I(dim), I(0), D(after));
        if (count > 1) x = B(b, cat, etch_b_tensors(b, count, parts), I(dim));
    }
    return x;
}

DECOMP(pad)
{
    static const etch_op_id reflect[] = { ETCH_OP_reflection_pad1d, ETCH_OP_reflection_pad2d, ETCH_OP_reflection_pad3d };
    static const etch_op_id replicate[] = { ETCH_OP_replication_pad1d, ETCH_OP_replication_pad2d, ETCH_OP_replication_pad3d };
    etch_str mode = n->args[2].s;
    int pairs = n->args[1].ints.n / 2;
    if (etch_str_eqz(mode, "constant")) {
        out[0] = B(b, constant_pad_nd, n->args[0], n->args[1], n->args[3].kind == ETCH_V_FLOAT ? n->args[3] : I(0));
    } else if (etch_str_eqz(mode, "circular")) {
        out[0] = pad_circular(b, arg(b, n, 0), &n->args[1]);
    } else if (pairs < 1 || pairs > 3) {
        etch_b_fail(b, "padding of more than three dimensions");
    } else {
        etch_op_id id = etch_str_eqz(mode, "reflect") ? reflect[pairs - 1] : replicate[pairs - 1];
        out[0] = etch_b(b, id, (const etch_val[]){ n->args[0], n->args[1] }, 2);
    }
}
