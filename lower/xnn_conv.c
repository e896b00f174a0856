// Convolutions, pooling, batch norm, resizing: nodes over [N, H, W, C]. Their operands and results are kept in that order inside the
// delegate (NHWC twins), so that a chain of them transposes once on the way in and once on the way out.
//
// Filters, from PyTorch's layout, permuted when the file is written:
//   convolution [OC, IC/g, KH, KW] -> [OC, KH, KW, IC/g] · depthwise [OC, 1, KH, KW] -> [1, KH, KW, OC] · transposed [IC, OC/g, KH, KW] ->
//   [OC, KH, KW, IC/g]
// A batch norm that alone reads a convolution changes its weights: w' = w s, b' = (b - mean) s + beta, s = gamma / sqrt(var + eps).
#include "lower/xnn.h"

static bool const_or_none(const etch_val *a) { return a->kind == ETCH_V_NONE || xnn_is_const(a); }

// ---- convolution
enum { IN, WEIGHT, BIAS, STRIDE, PADDING, DILATION, TRANSPOSED, OUTPUT_PADDING, GROUPS };

static bool can_conv(const lw_method *lm, const etch_node *n)
{
    (void)lm;
    const etch_tensor *in = n->args[IN].t, *w = n->args[WEIGHT].t;
    if (lw_slot_arg(&n->args[IN])->is_const || !xnn_is_const(&n->args[WEIGHT]) || !const_or_none(&n->args[BIAS]) || w->rank != in->rank)
        return false;
    for (int i = STRIDE; i <= GROUPS; i++)
        if (i != TRANSPOSED && !xnn_const_ints(&n->args[i])) return false;
    if (!etch_dim_is_const(in->sizes[1])) return false;
    if (in->rank == 3) return !n->args[TRANSPOSED].b && xnn_dynamic_dims(in) <= 1 && xnn_can_reshape_to(&n->outs[0]->t);
    return in->rank == 4;
}

typedef struct geometry {
    bool one_d, transposed, depthwise;
    int64_t groups, in_channels, out_channels, kernel[2], stride[2], padding[2], dilation[2], adjust[2];
} geometry;

static int64_t pick(const etch_val *v, int i, bool one_d, int64_t none)
{
    if (one_d) return i == 0 ? none : v->ints.p[0].v;
    return v->ints.p[v->ints.n > 1 ? i : 0].v;
}

static geometry geometry_of(const etch_node *n)
{
    const etch_tensor *w = n->args[WEIGHT].t;
    geometry g = { .one_d = w->rank == 3, .transposed = n->args[TRANSPOSED].b, .groups = n->args[GROUPS].i.v };
    g.in_channels = n->args[IN].t->sizes[1].v;
    g.out_channels = g.transposed ? w->sizes[1].v * g.groups : w->sizes[0].v;
    g.depthwise = !g.transposed && g.groups > 1 && g.groups == g.in_channels;
    for (int i = 0; i < 2; i++) {
        g.kernel[i] = g.one_d ? (i ? w->sizes[2].v : 1) : w->sizes[2 + i].v;
        g.stride[i] = pick(&n->args[STRIDE], i, g.one_d, 1);
        g.padding[i] = pick(&n->args[PADDING], i, g.one_d, 0);
        g.dilation[i] = pick(&n->args[DILATION], i, g.one_d, 1);
        g.adjust[i] = g.transposed ? pick(&n->args[OUTPUT_PADDING], i, g.one_d, 0) : 0;
    }
    return g;
}

static etch_status *view(xnn_build *x, etch_value *v, const int64_t *sizes, int n, etch_value **out)
{
    etch_dim dims[6];
    for (int i = 0; i < n; i++) dims[i] = etch_dim_of(sizes[i]);
    return xnn_const_node(x, ETCH_OP_view, (etch_val[]){ etch_val_tensor(&v->t), { .kind = ETCH_V_INTS, .ints = { dims, n } } }, 2, out);
}

static etch_status *permute(xnn_build *x, etch_value *v, const int64_t *perm, int n, etch_value **out)
{
    etch_dim dims[6];
    for (int i = 0; i < n; i++) dims[i] = etch_dim_of(perm[i]);
    return xnn_const_node(x, ETCH_OP_permute, (etch_val[]){ etch_val_tensor(&v->t), { .kind = ETCH_V_INTS, .ints = { dims, n } } }, 2, out);
}

static etch_status *pair(xnn_build *x, etch_op_id op, etch_value *a, etch_value *b, etch_value **out)
{
    return xnn_const_node(x, op, (etch_val[]){ etch_val_tensor(&a->t), etch_val_tensor(&b->t) }, 2, out);
}

// s and b' of a batch norm in float32, as nodes over constants; `bias` of the convolution, in float32, may be NULL.
static etch_status *norm_factors(xnn_build *x, const etch_node *norm, etch_value *bias, etch_value **out_scale, etch_value **out_shift)
{
    etch_value *mean, *var, *gamma, *beta, *t;
    ETCH_TRY(xnn_const_float32(x, etch_arg_value(&norm->args[3]), &mean));
    ETCH_TRY(xnn_const_float32(x, etch_arg_value(&norm->args[4]), &var));
    ETCH_TRY(xnn_const_node(x, ETCH_OP_add_Scalar, (etch_val[]){ etch_val_tensor(&var->t), norm->args[6] }, 2, &t));
    ETCH_TRY(xnn_const_node(x, ETCH_OP_rsqrt, (etch_val[]){ etch_val_tensor(&t->t) }, 1, out_scale));
    if (norm->args[1].kind == ETCH_V_TENSOR) {
        ETCH_TRY(xnn_const_float32(x, etch_arg_value(&norm->args[1]), &gamma));
        ETCH_TRY(pair(x, ETCH_OP_mul_Tensor, *out_scale, gamma, out_scale));
    }
    if (bias) ETCH_TRY(pair(x, ETCH_OP_sub_Tensor, bias, mean, &t));
    else ETCH_TRY(xnn_const_node(x, ETCH_OP_neg, (etch_val[]){ etch_val_tensor(&mean->t) }, 1, &t));
    ETCH_TRY(pair(x, ETCH_OP_mul_Tensor, t, *out_scale, out_shift));
    if (norm->args[2].kind != ETCH_V_TENSOR) return NULL;
    ETCH_TRY(xnn_const_float32(x, etch_arg_value(&norm->args[2]), &beta));
    return pair(x, ETCH_OP_add_Tensor, *out_shift, beta, out_shift);
}

// The filter in XNNPACK's layout.
static etch_status *filter(xnn_build *x, const geometry *g, etch_value *w, etch_value **out, int64_t dims[4])
{
    int64_t kh = g->kernel[0], kw = g->kernel[1], ic = g->in_channels / g->groups;
    if (g->depthwise) {
        memcpy(dims, (int64_t[]){ 1, kh, kw, g->out_channels }, sizeof(int64_t[4]));
        ETCH_TRY(view(x, w, (int64_t[]){ g->out_channels, 1, kh, kw }, 4, &w));
        return permute(x, w, (int64_t[]){ 1, 2, 3, 0 }, 4, out);
    }
    memcpy(dims, (int64_t[]){ g->out_channels, kh, kw, ic }, sizeof(int64_t[4]));
    if (!g->transposed) {
        ETCH_TRY(view(x, w, (int64_t[]){ g->out_channels, ic, kh, kw }, 4, &w));
        return permute(x, w, (int64_t[]){ 0, 2, 3, 1 }, 4, out);
    }
    ETCH_TRY(view(x, w, (int64_t[]){ g->groups, ic, g->out_channels / g->groups, kh, kw }, 5, &w));
    ETCH_TRY(permute(x, w, (int64_t[]){ 0, 2, 3, 4, 1 }, 5, &w));
    return view(x, w, dims, 4, out);
}

// Operand as [N, H, W, C]; a 1-d signal [N, C, L] is [N, C, 1, L].
static etch_status *operand(xnn_build *x, etch_value *v, bool one_d, uint32_t *out)
{
    if (!one_d) return xnn_in_nhwc(x, v, out);
    const int64_t *b = lw_slot_of(v)->bound;
    uint32_t in;
    int64_t shape[3];
    ETCH_TRY(xnn_in(x, v, &in));
    xnn_shape_of(&v->t, shape);
    // [N, C, L] -> [N, L, C] -> [N, 1, L, C]
    uint32_t swapped;
    ETCH_TRY(xnn_temp(x, 3, (int64_t[]){ b[0], b[2], b[1] }, &swapped));
    ETCH_TRY(xnn_transpose(x, in, swapped, 3, (int[]){ 0, 2, 1 }));
    ETCH_TRY(xnn_temp(x, 4, (int64_t[]){ b[0], 1, b[2], b[1] }, out));
    return xnn_reshape(x, swapped, *out, 4, (int64_t[]){ shape[0], 1, shape[2], shape[1] });
}

// Where a 1-d result [N, 1, L, C] goes: back to [N, C, L]. `v` is what the node writes, clamps and norms followed.
static etch_status *result_1d(xnn_build *x, etch_value *v, uint32_t from)
{
    const int64_t *b = lw_slot_of(v)->bound;
    uint32_t flat, out;
    int64_t shape[3];
    xnn_shape_of(&v->t, shape);
    ETCH_TRY(xnn_temp(x, 3, (int64_t[]){ b[0], b[2], b[1] }, &flat));
    ETCH_TRY(xnn_reshape(x, from, flat, 3, (int64_t[]){ shape[0], shape[2], shape[1] }));
    ETCH_TRY(xnn_in_place_of(x, v, &out));
    return xnn_transpose(x, flat, out, 3, (int[]){ 0, 2, 1 });
}

static etch_fbo conv_table(xnn_build *x, etch_fb_table_id id, const geometry *g, const uint32_t ids[4])
{
    etch_fbb *b = xnn_fbb(x);
    etch_fbo t = etch_fbb_table(b, id);
#define SET(field, v) etch_fbb_int(b, t, ETCH_FB(XNNConv2d, field), (v))
    SET(padding_top, g->padding[0]);
    SET(padding_right, g->padding[1]);
    SET(padding_bottom, g->padding[0]);
    SET(padding_left, g->padding[1]);
    SET(kernel_height, g->kernel[0]);
    SET(kernel_width, g->kernel[1]);
    SET(subsampling_height, g->stride[0]);
    SET(subsampling_width, g->stride[1]);
    SET(dilation_height, g->dilation[0]);
    SET(dilation_width, g->dilation[1]);
    SET(group_input_channels, g->in_channels / g->groups);
    SET(group_output_channels, g->out_channels / g->groups);
    SET(groups, g->groups);
    SET(adjustment_height, g->adjust[0]);
    SET(adjustment_width, g->adjust[1]);
    SET(input1_id, ids[0]);
    SET(filter_id, ids[1]);
    SET(bias_id, ids[2]);
    SET(output_id, ids[3]);
#undef SET
    return t;
}

static etch_status *write_conv(xnn_build *x, const etch_node *n)
{
    geometry g = geometry_of(n);
    etch_value *w = etch_arg_value(&n->args[WEIGHT]), *bias = etch_arg_value(&n->args[BIAS]), *stored;
    etch_str name = xnn_name_of(w), bias_name = bias ? xnn_name_of(bias) : (etch_str){ NULL, 0 };
    ETCH_TRY(xnn_const_float32(x, w, &w));   // as the official exporter: filters and biases of convolutions are float32
    if (bias) ETCH_TRY(xnn_const_float32(x, bias, &bias));
    const etch_node *norm = lw_slot_of(n->outs[0])->norm;
    uint32_t ids[4] = { 0, 0, XNN_NONE, 0 };
    int64_t dims[4], ones[4] = { g.out_channels, 1, 1, 1 };
    if (norm) {
        etch_value *scale, *shift;
        ETCH_TRY(norm_factors(x, norm, bias, &scale, &shift));
        ETCH_TRY(view(x, scale, ones, w->t.rank, &scale));
        ETCH_TRY(pair(x, ETCH_OP_mul_Tensor, w, scale, &w));
        bias = shift;
    }
    ETCH_TRY(operand(x, etch_arg_value(&n->args[IN]), g.one_d, &ids[0]));
    ETCH_TRY(filter(x, &g, w, &stored, dims));
    ETCH_TRY(xnn_const(x, stored, 4, dims, name, &ids[1]));
    if (bias) ETCH_TRY(xnn_const(x, bias, 1, (int64_t[]){ g.out_channels }, bias_name, &ids[2]));
    etch_value *target = xnn_written_as(x, n->outs[0]);
    if (g.one_d) {
        const int64_t *b = lw_slot_of(target)->bound;
        ETCH_TRY(xnn_temp(x, 4, (int64_t[]){ b[0], 1, b[2], b[1] }, &ids[3]));
    } else ETCH_TRY(xnn_out_nhwc(x, n->outs[0], &ids[3]));
    int code = g.transposed ? ETCH_FBU(XNodeUnion, XNNConvTranspose2d) : g.depthwise ? ETCH_FBU(XNodeUnion, XNNDepthwiseConv2d)
               : ETCH_FBU(XNodeUnion, XNNConv2d);
    etch_fb_table_id id = g.transposed ? ETCH_FB_XNNConvTranspose2d : g.depthwise ? ETCH_FB_XNNDepthwiseConv2d : ETCH_FB_XNNConv2d;
    ETCH_TRY(xnn_node(x, code, conv_table(x, id, &g, ids)));
    return g.one_d ? result_1d(x, target, ids[3]) : NULL;
}

extern const xnn_rule xnn_rule_conv;
const xnn_rule xnn_rule_conv = { XNN_HEAVY, true, can_conv, write_conv, NULL, false, false, false };

// ---- batch norm: folded into the convolution before it, else a product and a sum
static bool can_batch_norm(const lw_method *lm, const etch_node *n)
{
    (void)lm;
    for (int i = 1; i < n->n_outs; i++)
        if (lw_slot_of(n->outs[i])->uses) return false;
    return n->args[0].t->rank >= 2 && const_or_none(&n->args[1]) && const_or_none(&n->args[2]) && xnn_is_const(&n->args[3]) &&
           xnn_is_const(&n->args[4]);
}

static etch_status *absorb_batch_norm(xnn_build *x, const etch_node *n)
{
    const etch_value *v = etch_arg_value(&n->args[0]);
    if (!xnn_sole_use(x, v) || v->def->op->id != ETCH_OP_convolution || v->def->args[TRANSPOSED].b) return NULL;
    lw_slot_of(v)->norm = n;
    xnn_skip(x, n->outs[0]);
    return NULL;
}

static etch_status *write_batch_norm(xnn_build *x, const etch_node *n)
{
    etch_value *v = etch_arg_value(&n->args[0]), *scale, *shift;
    bool nhwc = xnn_has_nhwc(x, v);
    int64_t c = v->t.sizes[1].v, dims[6] = { c, 1, 1, 1, 1, 1 };
    int rank = nhwc ? 1 : v->t.rank - 1;
    uint32_t in, s, b, t, out;
    ETCH_TRY(norm_factors(x, n, NULL, &scale, &shift));
    if (xnn_is_half(v)) {
        ETCH_TRY(xnn_const_node(x, ETCH_OP__to_copy, (etch_val[]){ etch_val_tensor(&scale->t), etch_val_int(v->t.dtype) }, 2, &scale));
        ETCH_TRY(xnn_const_node(x, ETCH_OP__to_copy, (etch_val[]){ etch_val_tensor(&shift->t), etch_val_int(v->t.dtype) }, 2, &shift));
    }
    if (nhwc) ETCH_TRY(xnn_in_nhwc(x, v, &in));
    else ETCH_TRY(xnn_in(x, v, &in));
    ETCH_TRY(xnn_const(x, scale, rank, dims, (etch_str){ NULL, 0 }, &s));
    ETCH_TRY(xnn_const(x, shift, rank, dims, (etch_str){ NULL, 0 }, &b));
    const int64_t *d = lw_slot_of(v)->bound;
    if (nhwc) ETCH_TRY(xnn_temp(x, 4, (int64_t[]){ d[0], d[2], d[3], d[1] }, &t));
    else ETCH_TRY(xnn_temp(x, v->t.rank, d, &t));
    ETCH_TRY(XNN_BINARY(x, XNNMultiply, in, s, t));
    if (nhwc) ETCH_TRY(xnn_out_nhwc(x, n->outs[0], &out));
    else ETCH_TRY(xnn_out(x, n->outs[0], &out));
    return XNN_BINARY(x, XNNAdd, t, b, out);
}

extern const xnn_rule xnn_rule_batch_norm;
const xnn_rule xnn_rule_batch_norm = { XNN_LIGHT, true, can_batch_norm, write_batch_norm, absorb_batch_norm, false, false, false };

// ---- pooling
typedef struct pool { int64_t kernel[2], stride[2], padding[2], dilation[2]; } pool;

static int64_t at(const etch_val *v, int i, int64_t empty)
{
    if (v->kind != ETCH_V_INTS || v->ints.n == 0) return empty;
    return v->ints.p[v->ints.n > 1 ? i : 0].v;
}

static pool pool_of(const etch_node *n, bool max)
{
    pool p;
    for (int i = 0; i < 2; i++) {
        p.kernel[i] = at(&n->args[1], i, 1);
        p.stride[i] = at(&n->args[2], i, p.kernel[i]);
        p.padding[i] = at(&n->args[3], i, 0);
        p.dilation[i] = max ? at(&n->args[4], i, 1) : 1;
    }
    return p;
}

static bool can_pool(const etch_node *n, bool max)
{
    pool p = pool_of(n, max);
    if (n->args[0].t->rank != 4 || n->args[max ? 5 : 4].b || p.kernel[0] * p.kernel[1] < 2) return false;
    if (max) return (n->n_outs < 2 || !lw_slot_of(n->outs[1])->uses) && p.stride[0] <= p.kernel[0] && p.stride[1] <= p.kernel[1];
    bool padded = p.padding[0] || p.padding[1];
    return !(padded && n->args[5].b) && (n->args[6].kind == ETCH_V_NONE || xnn_scalar_is(&n->args[6], (double)(p.kernel[0] * p.kernel[1])));
}

static bool can_max_pool(const lw_method *lm, const etch_node *n) { return lm && can_pool(n, true); }
static bool can_avg_pool(const lw_method *lm, const etch_node *n) { return lm && can_pool(n, false); }

static etch_status *write_pool(xnn_build *x, const etch_node *n, bool max)
{
    pool p = pool_of(n, max);
    uint32_t in, out;
    ETCH_TRY(xnn_in_nhwc(x, etch_arg_value(&n->args[0]), &in));
    ETCH_TRY(xnn_out_nhwc(x, n->outs[0], &out));
    etch_fbb *b = xnn_fbb(x);
    etch_fbo t = etch_fbb_table(b, max ? ETCH_FB_XNNMaxPooling2d : ETCH_FB_XNNAvgPooling2d);
#define SET(field, v) etch_fbb_int(b, t, ETCH_FB(XNNMaxPooling2d, field), (v))
    SET(padding_top, p.padding[0]);
    SET(padding_right, p.padding[1]);
    SET(padding_bottom, p.padding[0]);
    SET(padding_left, p.padding[1]);
    SET(pooling_height, p.kernel[0]);
    SET(pooling_width, p.kernel[1]);
    SET(stride_height, p.stride[0]);
    SET(stride_width, p.stride[1]);
    SET(dilation_height, p.dilation[0]);
    SET(dilation_width, p.dilation[1]);
    SET(input_id, in);
    SET(output_id, out);
#undef SET
    return xnn_node(x, max ? ETCH_FBU(XNodeUnion, XNNMaxPooling2d) : ETCH_FBU(XNodeUnion, XNNAvgPooling2d), t);
}

static etch_status *write_max_pool(xnn_build *x, const etch_node *n) { return write_pool(x, n, true); }
static etch_status *write_avg_pool(xnn_build *x, const etch_node *n) { return write_pool(x, n, false); }

extern const xnn_rule xnn_rule_max_pool2d, xnn_rule_avg_pool2d;
const xnn_rule xnn_rule_max_pool2d = { XNN_LIGHT, false, can_max_pool, write_max_pool, NULL, false, false, false };
const xnn_rule xnn_rule_avg_pool2d = { XNN_LIGHT, false, can_avg_pool, write_avg_pool, NULL, false, false, false };

// ---- bilinear resizing to a fixed size
#define ALIGN_CORNERS 8

static bool can_resize(const lw_method *lm, const etch_node *n)
{
    (void)lm;
    const etch_tensor *in = n->args[0].t, *out = &n->outs[0]->t;
    if (in->rank != 4) return false;
    for (int i = 2; i < 4; i++) {
        if (!etch_dim_is_const(in->sizes[i]) || !etch_dim_is_const(out->sizes[i]) || in->sizes[i].v < 2 || out->sizes[i].v < 2)
            return false;
        if (n->args[3].kind == ETCH_V_FLOATS && (double)in->sizes[i].v * n->args[3].floats.p[i - 2] != (double)out->sizes[i].v)
            return false;
    }
    return true;
}

static etch_status *write_resize(xnn_build *x, const etch_node *n)
{
    uint32_t in, out;
    ETCH_TRY(xnn_in_nhwc(x, etch_arg_value(&n->args[0]), &in));
    ETCH_TRY(xnn_out_nhwc(x, n->outs[0], &out));
    etch_fbb *b = xnn_fbb(x);
    etch_fbo t = etch_fbb_table(b, ETCH_FB_XNNStaticResizeBilinear2D);
    etch_fbb_int(b, t, ETCH_FB(XNNStaticResizeBilinear2D, new_height), n->outs[0]->t.sizes[2].v);
    etch_fbb_int(b, t, ETCH_FB(XNNStaticResizeBilinear2D, new_width), n->outs[0]->t.sizes[3].v);
    etch_fbb_int(b, t, ETCH_FB(XNNStaticResizeBilinear2D, input_id), in);
    etch_fbb_int(b, t, ETCH_FB(XNNStaticResizeBilinear2D, output_id), out);
    etch_fbb_int(b, t, ETCH_FB(XNNStaticResizeBilinear2D, flags), n->args[2].b ? ALIGN_CORNERS : 0);
    return xnn_node(x, ETCH_FBU(XNodeUnion, XNNStaticResizeBilinear2D), t);
}

extern const xnn_rule xnn_rule_upsample_bilinear2d;
const xnn_rule xnn_rule_upsample_bilinear2d = { XNN_LIGHT, false, can_resize, write_resize, NULL, false, false, false };
