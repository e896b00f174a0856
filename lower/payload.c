// One XNNPACK payload: header and flatbuffer (XNNGraph). In: a group of nodes. Out: group->blob, and named data for its constants.
//
// The format also has a region for constants behind the flatbuffer. It stays empty: the official runtime frees the payload after the load,
// but XNNPACK keeps pointing at constant operands of elementwise nodes. Named data lives on.
//
//   0   u32 0 · "XH00" · u16 30 · u32 flatbuffer offset 32 · u32 flatbuffer size · u32 constants offset (the end) · u64 0 · 2 zero bytes
//   32  flatbuffer "XN01", zero padded to 16
//
// Values are defined when first asked for. Sizes are upper bounds: XNNPACK takes the present sizes from the arguments at each call.
#include "lower/xnn.h"

#include <math.h>
#include <stdio.h>

#include "base/num.h"

// What a tensor of the graph is in this payload.
typedef struct known { const etch_value *v; uint32_t id, nhwc, dynamic; struct known *next; } known;

struct xnn_build {
    lw_method *lm;
    lw_group *g;
    etch_fbb fb;
    etch_fbo *values; int n_values, cap_values;
    etch_fbo *nodes; int n_nodes, cap_nodes;
    etch_fbo *consts; int n_consts, cap_consts;
    known *table[1024];
    struct { double v; int datatype; uint32_t id; } *scalars; int n_scalars, cap_scalars;
    double lo, hi;       // limits of the next node
    etch_dtype result;   // of the node being written
    int datatype;        // what it computes in
};

static int datatype_of(etch_dtype d) { return d == ETCH_F16 ? XNN_FP16 : d == ETCH_BF16 ? XNN_BF16 : XNN_FP32; }
bool xnn_is_half(const etch_value *v) { return v->t.dtype == ETCH_F16 || v->t.dtype == ETCH_BF16; }
void xnn_compute_wide(xnn_build *x, bool on) { x->datatype = on ? XNN_FP32 : datatype_of(x->result); }

etch_fbb *xnn_fbb(xnn_build *x) { return &x->fb; }
etch_arena *xnn_arena(xnn_build *x) { return &x->lm->lp->arena; }

static etch_status *find(xnn_build *x, const etch_value *v, known **out)
{
    size_t h = (size_t)((uintptr_t)v >> 4) % 1024;
    for (known *k = x->table[h]; k; k = k->next)
        if (k->v == v) {
            *out = k;
            return NULL;
        }
    ETCH_ALLOC(*out, &x->lm->lp->arena, sizeof **out);
    **out = (known){ v, XNN_NONE, XNN_NONE, XNN_NONE, x->table[h] };
    x->table[h] = *out;
    return NULL;
}

// ---- values
static etch_fbo quant_table(xnn_build *x, const xnn_value *v)
{
    etch_fbb *b = &x->fb;
    etch_fbo o;
    if (v->quant == ETCH_FBU(XNNQuantParams, PerTensorQuant)) {
        o = etch_fbb_table(b, ETCH_FB_PerTensorQuant);
        etch_fbb_float(b, o, ETCH_FB(PerTensorQuant, scale), v->scale);
        etch_fbb_int(b, o, ETCH_FB(PerTensorQuant, zero_point), v->zero_point);
    } else if (v->quant == ETCH_FBU(XNNQuantParams, PerChannelQuant)) {
        o = etch_fbb_table(b, ETCH_FB_PerChannelQuant);
        etch_fbb_ref(b, o, ETCH_FB(PerChannelQuant, scale), etch_fbb_vec(b, NULL, 4, 0));
        etch_fbb_int(b, o, ETCH_FB(PerChannelQuant, channel_dim), v->channel_dim);
        etch_fbb_int(b, o, ETCH_FB(PerChannelQuant, scale_buffer_idx), v->scale_constant);
        etch_fbb_int(b, o, ETCH_FB(PerChannelQuant, num_scales), v->num_scales);
    } else if (v->quant == ETCH_FBU(XNNQuantParams, PerChannelGroupQuant)) {
        o = etch_fbb_table(b, ETCH_FB_PerChannelGroupQuant);
        etch_fbb_ref(b, o, ETCH_FB(PerChannelGroupQuant, scale), etch_fbb_vec(b, NULL, 4, 0));
        etch_fbb_int(b, o, ETCH_FB(PerChannelGroupQuant, channel_dim), v->channel_dim);
        etch_fbb_int(b, o, ETCH_FB(PerChannelGroupQuant, group_size), v->group_size);
        etch_fbb_int(b, o, ETCH_FB(PerChannelGroupQuant, scale_buffer_idx), v->scale_constant);
        etch_fbb_int(b, o, ETCH_FB(PerChannelGroupQuant, num_scales), v->num_scales);
    } else {
        o = etch_fbb_table(b, ETCH_FB_PerTokenDynamicQuant);
        etch_fbb_int(b, o, ETCH_FB(PerTokenDynamicQuant, num_nonbatch_dims), v->nonbatch_dims);
    }
    return o;
}

etch_status *xnn_define(xnn_build *x, const xnn_value *v, uint32_t *out_id)
{
    etch_fbb *b = &x->fb;
    uint32_t dims[6];
    for (int i = 0; i < v->rank; i++) dims[i] = (uint32_t)v->dims[i];
    etch_fbo t = etch_fbb_table(b, ETCH_FB_XNNTensorValue);
    etch_fbb_int(b, t, ETCH_FB(XNNTensorValue, datatype), v->datatype);
    etch_fbb_int(b, t, ETCH_FB(XNNTensorValue, num_dims), v->rank);
    etch_fbb_ref(b, t, ETCH_FB(XNNTensorValue, dims), etch_fbb_vec(b, dims, 4, (size_t)v->rank));
    etch_fbb_int(b, t, ETCH_FB(XNNTensorValue, constant_buffer_idx), v->constant);
    etch_fbb_int(b, t, ETCH_FB(XNNTensorValue, external_id), v->external);
    etch_fbb_int(b, t, ETCH_FB(XNNTensorValue, flags), v->flags);
    etch_fbb_int(b, t, ETCH_FB(XNNTensorValue, id_out), x->n_values);
    etch_fbo o = etch_fbb_table(b, ETCH_FB_XValue);
    if (v->quant) {
        etch_fbo q = etch_fbb_table(b, ETCH_FB_XNNQuantizedTensorValue);
        etch_fbb_ref(b, q, ETCH_FB(XNNQuantizedTensorValue, tensor_value), t);
        etch_fbb_union(b, q, ETCH_FB(XNNQuantizedTensorValue, quant_params_type), v->quant, quant_table(x, v));
        etch_fbb_union(b, o, ETCH_FB(XValue, xvalue_union_type), ETCH_FBU(XValueUnion, XNNQuantizedTensorValue), q);
    } else etch_fbb_union(b, o, ETCH_FB(XValue, xvalue_union_type), ETCH_FBU(XValueUnion, XNNTensorValue), t);
    LW_GROW(&x->lm->lp->arena, x->values, x->n_values, x->cap_values);
    *out_id = (uint32_t)x->n_values;
    x->values[x->n_values++] = o;
    return NULL;
}

static xnn_value plain(int datatype, int rank, const int64_t *dims)
{
    xnn_value v = { .datatype = datatype, .rank = rank, .external = XNN_NONE };
    for (int i = 0; i < rank; i++) v.dims[i] = dims[i];
    return v;
}

etch_status *xnn_temp(xnn_build *x, int rank, const int64_t *dims, uint32_t *out_id)
{
    xnn_value v = plain(x->datatype, rank, dims);
    return xnn_define(x, &v, out_id);
}

static int position(lw_slot *const *list, int n, const lw_slot *s)
{
    for (int i = 0; i < n; i++)
        if (list[i] == s) return i;
    return -1;
}

// ---- constants
static etch_status *push_const(xnn_build *x, uint64_t offset, uint64_t size, etch_str key, uint32_t *out_index)
{
    etch_fbb *b = &x->fb;
    etch_fbo o = etch_fbb_table(b, ETCH_FB_ConstantDataOffset);
    etch_fbb_u64(b, o, ETCH_FB(ConstantDataOffset, offset), offset);
    etch_fbb_u64(b, o, ETCH_FB(ConstantDataOffset, size), size);
    if (key.ptr) etch_fbb_string(b, o, ETCH_FB(ConstantDataOffset, named_key), key);
    LW_GROW(&x->lm->lp->arena, x->consts, x->n_consts, x->cap_consts);
    *out_index = (uint32_t)x->n_consts;
    x->consts[x->n_consts++] = o;
    return NULL;
}

etch_status *xnn_const_data(xnn_build *x, etch_value *v, etch_str name, uint32_t *out_index)
{
    lw_blob *blob;
    ETCH_TRY(lw_blob_get(x->lm, v, &blob));
    ETCH_TRY(lw_blob_named(x->lm->lp, blob, name));
    return push_const(x, UINT64_MAX, blob->nbytes, blob->key, out_index);
}

etch_status *xnn_const(xnn_build *x, etch_value *v, int rank, const int64_t *dims, etch_str name, uint32_t *out_id)
{
    xnn_value d = plain(datatype_of(v->t.dtype), rank, dims);
    ETCH_TRY(xnn_const_data(x, v, name, &d.constant));
    return xnn_define(x, &d, out_id);
}

// A scalar in the given type.
static etch_status *scalar_of(xnn_build *x, int datatype, double v, uint32_t *out_id)
{
    for (int i = 0; i < x->n_scalars; i++)
        if (x->scalars[i].datatype == datatype && !memcmp(&x->scalars[i].v, &v, sizeof v)) {
            *out_id = x->scalars[i].id;
            return NULL;
        }
    float f = (float)v;
    etch_dtype dtype = datatype == XNN_FP16 ? ETCH_F16 : datatype == XNN_BF16 ? ETCH_BF16 : ETCH_F32;
    uint8_t bytes[4] = { 0 };
    uint32_t bits;
    etch_store_double(bytes, dtype, 0, (double)f);
    memcpy(&bits, bytes, 4);
    etch_value *data;
    lw_slot *slot;
    etch_tensor t = { .dtype = dtype, .rank = 1, .sizes = { etch_dim_of(1) }, .data = bytes, .capacity = etch_dtype_size(dtype) };
    char name[24];
    snprintf(name, sizeof name, "%s_%0*x", etch_dtype_name(dtype), dtype == ETCH_F32 ? 8 : 4, bits);
    ETCH_TRY(etch_method_add_data(x->lm->m, &t, &data));
    ETCH_TRY(lw_slot_add(x->lm, data, &slot));
    ETCH_TRY(xnn_const(x, data, 1, (int64_t[]){ 1 }, etch_str_of(name), out_id));
    LW_GROW(&x->lm->lp->arena, x->scalars, x->n_scalars, x->cap_scalars);
    x->scalars[x->n_scalars].v = v;
    x->scalars[x->n_scalars].datatype = datatype;
    x->scalars[x->n_scalars++].id = *out_id;
    return NULL;
}

etch_status *xnn_scalar(xnn_build *x, double v, uint32_t *out_id) { return scalar_of(x, x->datatype, v, out_id); }

etch_str xnn_name_of(const etch_value *v)
{
    for (;;) {
        if (v->fqn.len) return v->fqn;
        if (v->src == ETCH_SRC_FILE) return v->name;
        if (v->src != ETCH_SRC_NODE || v->def->op->schema->n_params < 1 || v->def->args[0].kind != ETCH_V_TENSOR)
            return (etch_str){ NULL, 0 };
        v = etch_value_of(v->def->args[0].t);
    }
}

// A constant operand. One element of literal data is shared with the scalars.
static etch_status *const_operand(xnn_build *x, etch_value *v, uint32_t *out_id)
{
    const etch_value *root = lw_const_root(x->lm, v);
    const lw_slot *s = lw_slot_of(v);
    if (s->nbytes == etch_dtype_size(v->t.dtype) && root->src == ETCH_SRC_DATA && root->t.dtype == v->t.dtype)
        return scalar_of(x, datatype_of(v->t.dtype), etch_load_double(root->t.data, root->t.dtype, 0), out_id);
    if (v->t.rank == 0) return xnn_const(x, v, 1, (int64_t[]){ 1 }, xnn_name_of(v), out_id);
    return xnn_const(x, v, v->t.rank, s->bound, xnn_name_of(v), out_id);
}

etch_status *xnn_const_node(xnn_build *x, etch_op_id op, const etch_val *args, int n_args, etch_value **out)
{
    etch_node *n;
    lw_slot *s;
    ETCH_TRY(etch_method_add_node(x->lm->m, NULL, etch_op_get(op), args, n_args, ETCH_LIT(""), ETCH_LIT(""), &n));
    for (int i = 0; i < n->n_outs; i++) ETCH_TRY(lw_slot_add(x->lm, n->outs[i], &s));
    *out = n->outs[0];
    return NULL;
}

etch_status *xnn_const_float32(xnn_build *x, etch_value *v, etch_value **out)
{
    *out = v;
    if (v->t.dtype == ETCH_F32) return NULL;
    return xnn_const_node(x, ETCH_OP__to_copy, (etch_val[]){ etch_val_tensor(&v->t), etch_val_int(ETCH_F32) }, 2, out);
}

// ---- tensors of the graph
static void nchw_to_nhwc(const int64_t *d, int64_t *out)
{
    out[0] = d[0], out[1] = d[2], out[2] = d[3], out[3] = d[1];
}

static etch_status *define_tensor(xnn_build *x, etch_value *v, uint32_t *out_id)
{
    lw_slot *s = lw_slot_of(v);
    xnn_value d = plain(datatype_of(v->t.dtype), v->t.rank, s->bound);
    int in = position(x->g->inputs, x->g->n_inputs, s), out = position(x->g->outputs, x->g->n_outputs, s);
    if (in >= 0) {
        d.external = (uint32_t)in;
        d.flags = 1;
    } else if (out >= 0) {
        d.external = (uint32_t)(x->g->n_inputs + out);
        d.flags = 2;
    }
    return xnn_define(x, &d, out_id);
}

etch_status *xnn_in(xnn_build *x, etch_value *v, uint32_t *out_id)
{
    known *k;
    ETCH_TRY(find(x, v, &k));
    if (k->id == XNN_NONE) {
        if (lw_slot_of(v)->is_const) ETCH_TRY(const_operand(x, v, &k->id));
        else {
            ETCH_TRY(define_tensor(x, v, &k->id));
            if (k->nhwc != XNN_NONE) ETCH_TRY(xnn_transpose(x, k->nhwc, k->id, 4, (int[]){ 0, 3, 1, 2 }));
        }
    }
    *out_id = k->id;
    return NULL;
}

etch_status *xnn_in_wide(xnn_build *x, etch_value *v, uint32_t *out_id)
{
    uint32_t in;
    if (v->t.dtype == ETCH_F32) return xnn_in(x, v, out_id);
    ETCH_TRY(xnn_in(x, v, &in));
    xnn_value d = plain(XNN_FP32, v->t.rank, lw_slot_of(v)->bound);
    ETCH_TRY(xnn_define(x, &d, out_id));
    return xnn_convert(x, in, *out_id);
}

etch_status *xnn_in_dynamic(xnn_build *x, etch_value *v, uint32_t *out_id)
{
    known *k;
    ETCH_TRY(find(x, v, &k));
    if (k->dynamic == XNN_NONE) {
        uint32_t in;
        ETCH_TRY(xnn_in_wide(x, v, &in));
        xnn_value d = plain(XNN_QDINT8, v->t.rank, lw_slot_of(v)->bound);
        d.quant = ETCH_FBU(XNNQuantParams, PerTokenDynamicQuant);
        d.nonbatch_dims = 1;
        ETCH_TRY(xnn_define(x, &d, &k->dynamic));
        ETCH_TRY(XNN_UNARY(x, XNNConvert, in, k->dynamic));
    }
    *out_id = k->dynamic;
    return NULL;
}

etch_value *xnn_written_as(xnn_build *x, etch_value *v)
{
    if (lw_slot_of(v)->norm) v = lw_slot_of(v)->norm->outs[0];
    const etch_node *c = lw_slot_of(v)->clamp;
    if (!c) return v;
    double lo = -INFINITY, hi = INFINITY;
    switch (c->op->id) {
    case ETCH_OP_relu: lo = 0; break;
    default:
        if (c->args[1].kind != ETCH_V_NONE) lo = etch_val_as_double(&c->args[1]);
        if (c->args[2].kind != ETCH_V_NONE) hi = etch_val_as_double(&c->args[2]);
    }
    xnn_limits(x, lo, hi);
    return c->outs[0];
}

etch_status *xnn_out(xnn_build *x, etch_value *v, uint32_t *out_id)
{
    return xnn_in_place_of(x, xnn_written_as(x, v), out_id);
}

etch_status *xnn_in_place_of(xnn_build *x, etch_value *v, uint32_t *out_id)
{
    known *k;
    ETCH_TRY(find(x, v, &k));
    if (k->id == XNN_NONE) ETCH_TRY(define_tensor(x, v, &k->id));
    *out_id = k->id;
    return NULL;
}

etch_status *xnn_alias(xnn_build *x, etch_value *v, uint32_t id)
{
    known *k;
    ETCH_TRY(find(x, v, &k));
    if (position(x->g->outputs, x->g->n_outputs, lw_slot_of(v)) < 0) {
        k->id = id;
        return NULL;
    }
    ETCH_TRY(define_tensor(x, v, &k->id));
    return XNN_UNARY(x, XNNCopy, id, k->id);
}

bool xnn_has_nhwc(const xnn_build *x, const etch_value *v)
{
    size_t h = (size_t)((uintptr_t)v >> 4) % 1024;
    for (const known *k = x->table[h]; k; k = k->next)
        if (k->v == v) return k->nhwc != XNN_NONE;
    return false;
}

static etch_status *nhwc_twin(xnn_build *x, const etch_value *v, const int64_t dims[4], uint32_t *out_id)
{
    xnn_value d = plain(datatype_of(v->t.dtype), 4, dims);
    return xnn_define(x, &d, out_id);
}

etch_status *xnn_in_nhwc(xnn_build *x, etch_value *v, uint32_t *out_id)
{
    known *k;
    ETCH_TRY(find(x, v, &k));
    if (k->nhwc == XNN_NONE) {
        int64_t dims[4];
        uint32_t id;
        ETCH_TRY(xnn_in(x, v, &id));
        nchw_to_nhwc(lw_slot_of(v)->bound, dims);
        ETCH_TRY(nhwc_twin(x, v, dims, &k->nhwc));
        ETCH_TRY(xnn_transpose(x, id, k->nhwc, 4, (int[]){ 0, 2, 3, 1 }));
    }
    *out_id = k->nhwc;
    return NULL;
}

etch_status *xnn_out_nhwc(xnn_build *x, etch_value *v, uint32_t *out_id)
{
    known *k;
    int64_t dims[4];
    v = xnn_written_as(x, v);
    ETCH_TRY(find(x, v, &k));
    nchw_to_nhwc(lw_slot_of(v)->bound, dims);
    ETCH_TRY(nhwc_twin(x, v, dims, &k->nhwc));
    *out_id = k->nhwc;
    return NULL;
}

// ---- nodes
void xnn_limits(xnn_build *x, double lo, double hi) { x->lo = lo, x->hi = hi; }

etch_status *xnn_node(xnn_build *x, int code, etch_fbo table)
{
    etch_fbb *b = &x->fb;
    etch_fbo o = etch_fbb_table(b, ETCH_FB_XNode);
    etch_fbb_union(b, o, ETCH_FB(XNode, xnode_union_type), code, table);
    etch_fbb_int(b, o, ETCH_FB(XNode, debug_handle), x->n_nodes + 1);
    if (x->lo != -INFINITY || x->hi != INFINITY) {
        etch_fbo m = etch_fbb_table(b, ETCH_FB_OutputMinMax);
        etch_fbb_float(b, m, ETCH_FB(OutputMinMax, output_min), x->lo);
        etch_fbb_float(b, m, ETCH_FB(OutputMinMax, output_max), x->hi);
        etch_fbb_ref(b, o, ETCH_FB(XNode, output_min_max), m);
    }
    x->lo = -INFINITY;
    x->hi = INFINITY;
    LW_GROW(&x->lm->lp->arena, x->nodes, x->n_nodes, x->cap_nodes);
    x->nodes[x->n_nodes++] = o;
    return NULL;
}

etch_status *xnn_convert(xnn_build *x, uint32_t in, uint32_t out) { return XNN_UNARY(x, XNNConvert, in, out); }

// Where the operands of the plain kinds stand: after the fields of their own.
etch_status *xnn_unary(xnn_build *x, int code, etch_fb_table_id table, uint32_t in, uint32_t out)
{
    etch_fbo t = etch_fbb_table(&x->fb, table);
    etch_fbb_int(&x->fb, t, 0, in);
    etch_fbb_int(&x->fb, t, 1, out);
    return xnn_node(x, code, t);
}

etch_status *xnn_binary(xnn_build *x, int code, etch_fb_table_id table, uint32_t a, uint32_t b, uint32_t out, uint32_t flags)
{
    etch_fbo t = etch_fbb_table(&x->fb, table);
    etch_fbb_int(&x->fb, t, 0, a);
    etch_fbb_int(&x->fb, t, 1, b);
    etch_fbb_int(&x->fb, t, 2, out);
    etch_fbb_int(&x->fb, t, 3, flags);
    return xnn_node(x, code, t);
}

etch_status *xnn_reshape(xnn_build *x, uint32_t in, uint32_t out, int rank, const int64_t *new_shape)
{
    uint32_t dims[6];
    for (int i = 0; i < rank; i++) dims[i] = (uint32_t)new_shape[i];
    etch_fbo t = etch_fbb_table(&x->fb, ETCH_FB_XNNStaticReshape);
    etch_fbb_int(&x->fb, t, ETCH_FB(XNNStaticReshape, num_dims), rank);
    etch_fbb_ref(&x->fb, t, ETCH_FB(XNNStaticReshape, new_shape), etch_fbb_vec(&x->fb, dims, 4, (size_t)rank));
    etch_fbb_int(&x->fb, t, ETCH_FB(XNNStaticReshape, input_id), in);
    etch_fbb_int(&x->fb, t, ETCH_FB(XNNStaticReshape, output_id), out);
    return xnn_node(x, ETCH_FBU(XNodeUnion, XNNStaticReshape), t);
}

etch_status *xnn_transpose(xnn_build *x, uint32_t in, uint32_t out, int rank, const int *perm)
{
    uint32_t p[6];
    for (int i = 0; i < rank; i++) p[i] = (uint32_t)perm[i];
    etch_fbo t = etch_fbb_table(&x->fb, ETCH_FB_XNNStaticTranspose);
    etch_fbb_int(&x->fb, t, ETCH_FB(XNNStaticTranspose, num_dims), rank);
    etch_fbb_ref(&x->fb, t, ETCH_FB(XNNStaticTranspose, perm), etch_fbb_vec(&x->fb, p, 4, (size_t)rank));
    etch_fbb_int(&x->fb, t, ETCH_FB(XNNStaticTranspose, input_id), in);
    etch_fbb_int(&x->fb, t, ETCH_FB(XNNStaticTranspose, output_id), out);
    return xnn_node(x, ETCH_FBU(XNodeUnion, XNNStaticTranspose), t);
}

// ---- helpers of the rules
bool xnn_is_const(const etch_val *a) { return a->kind == ETCH_V_TENSOR && lw_slot_arg(a)->is_const; }
bool xnn_no_tensor(const etch_val *a) { return a->kind == ETCH_V_NONE; }

bool xnn_scalar_is(const etch_val *a, double v)
{
    if (a->kind == ETCH_V_INT && !etch_dim_is_const(a->i)) return false;
    return (a->kind == ETCH_V_INT || a->kind == ETCH_V_FLOAT || a->kind == ETCH_V_BOOL) && etch_val_as_double(a) == v;
}

bool xnn_const_ints(const etch_val *a)
{
    if (a->kind == ETCH_V_INT) return etch_dim_is_const(a->i);
    if (a->kind != ETCH_V_INTS) return false;
    for (int i = 0; i < a->ints.n; i++)
        if (!etch_dim_is_const(a->ints.p[i])) return false;
    return true;
}

int xnn_dynamic_dims(const etch_tensor *t)
{
    int n = 0;
    for (int i = 0; i < t->rank; i++) n += !etch_dim_is_const(t->sizes[i]);
    return n;
}

bool xnn_can_reshape_to(const etch_tensor *t) { return t->rank >= 1 && t->rank <= 6 && xnn_dynamic_dims(t) <= 1; }

void xnn_shape_of(const etch_tensor *t, int64_t *out_dims)
{
    for (int i = 0; i < t->rank; i++) out_dims[i] = etch_dim_is_const(t->sizes[i]) ? t->sizes[i].v : 0;
}

bool xnn_sole_use(const xnn_build *x, const etch_value *v)
{
    const lw_slot *s = lw_slot_of(v);
    return v->src == ETCH_SRC_NODE && s->made_in == x->g && s->uses == 1 && s->reader;
}

void xnn_skip(xnn_build *x, const etch_value *v)
{
    (void)x;
    v->def->user = v->def;
}

// ---- a group
// A clamp that alone reads the result of a node whose kind has limits.
static void fold_clamps(xnn_build *x)
{
    for (int i = 0; i < x->g->n_nodes; i++) {
        etch_node *n = x->g->nodes[i];
        if (n->op->id != ETCH_OP_relu && n->op->id != ETCH_OP_hardtanh && n->op->id != ETCH_OP_clamp) continue;
        etch_value *v = etch_arg_value(&n->args[0]);
        if (!xnn_sole_use(x, v) || !lw_xnn_rule(v->def->op->id)->takes_clamp || lw_slot_of(v) != lw_slot_of(v->def->outs[0])) continue;
        lw_slot_of(v)->clamp = n;
        n->user = n;
    }
}

static etch_status *write_nodes(xnn_build *x)
{
    uint32_t unused;
    ETCH_TRY(push_const(x, 0, 0, ETCH_LIT(""), &unused));  // index 0 means: not a constant
    for (int i = 0; i < x->g->n_nodes; i++) x->g->nodes[i]->user = NULL;
    fold_clamps(x);
    // Nodes that a later one absorbs say so from the last to the first.
    for (int i = x->g->n_nodes - 1; i >= 0; i--) {
        const xnn_rule *r = lw_xnn_rule(x->g->nodes[i]->op->id);
        if (r->absorb && !x->g->nodes[i]->user) ETCH_TRY(r->absorb(x, x->g->nodes[i]));
    }
    for (int i = 0; i < x->g->n_nodes; i++) {
        etch_node *n = x->g->nodes[i];
        if (n->user) continue;
        x->result = n->outs[0]->t.dtype;
        xnn_compute_wide(x, false);
        ETCH_TRYF(lw_xnn_rule(n->op->id)->write(x, n), "%.*s of %.*s", ETCH_STR_ARGS(n->op->schema->name), ETCH_STR_ARGS(n->where));
    }
    // Results that were left in NHWC.
    for (int i = 0; i < x->g->n_outputs; i++) ETCH_TRY(xnn_in(x, x->g->outputs[i]->v, &unused));
    for (int i = 0; i < x->g->n_nodes; i++) x->g->nodes[i]->user = NULL;
    return NULL;
}

static void store(uint8_t *p, uint64_t v, int n)
{
    for (int i = 0; i < n; i++) p[i] = (uint8_t)(v >> (8 * i));
}

static etch_status *assemble(xnn_build *x)
{
    etch_fbb *b = &x->fb;
    etch_buf fb;
    uint32_t *ids;
    int n_ext = x->g->n_inputs + x->g->n_outputs;
    ETCH_ALLOC(ids, &x->lm->lp->arena, sizeof *ids * (size_t)(n_ext + 1));
    for (int i = 0; i < x->g->n_inputs; i++) ETCH_TRY(xnn_in(x, x->g->inputs[i]->v, &ids[i]));
    for (int i = 0; i < x->g->n_outputs; i++) ETCH_TRY(xnn_in(x, x->g->outputs[i]->v, &ids[x->g->n_inputs + i]));
    etch_fbo root = etch_fbb_table(b, ETCH_FB_XNNGraph);
    etch_fbb_string(b, root, ETCH_FB(XNNGraph, version), ETCH_LIT("0"));
    etch_fbb_ref(b, root, ETCH_FB(XNNGraph, xnodes), etch_fbb_refs(b, x->nodes, (size_t)x->n_nodes));
    etch_fbb_ref(b, root, ETCH_FB(XNNGraph, xvalues), etch_fbb_refs(b, x->values, (size_t)x->n_values));
    etch_fbb_int(b, root, ETCH_FB(XNNGraph, num_externs), n_ext);
    etch_fbb_ref(b, root, ETCH_FB(XNNGraph, input_ids), etch_fbb_vec(b, ids, 4, (size_t)x->g->n_inputs));
    etch_fbb_ref(b, root, ETCH_FB(XNNGraph, output_ids), etch_fbb_vec(b, ids + x->g->n_inputs, 4, (size_t)x->g->n_outputs));
    etch_fbb_ref(b, root, ETCH_FB(XNNGraph, constant_data), etch_fbb_refs(b, x->consts, (size_t)x->n_consts));
    etch_buf_init(&fb);
    etch_status *s = etch_fbb_finish(b, root, "XN01", 0, &fb);
    size_t len = 32 + (fb.len + 15) / 16 * 16;
    uint8_t *p = s ? NULL : etch_arena_alloc(&x->lm->lp->arena, len);
    if (!s && !p) s = ETCH_ERR(ETCH_NO_MEMORY, "out of memory");
    if (!s) {
        memcpy(p + 4, "XH00", 4);
        store(p + 8, 30, 2);
        store(p + 10, 32, 4);
        store(p + 14, fb.len, 4);
        store(p + 18, len, 4);
        memcpy(p + 32, fb.ptr, fb.len);
        x->g->blob = (etch_span){ p, len };
    }
    etch_buf_deinit(&fb);
    return s;
}

etch_status *lw_payload(lw_method *lm, lw_group *g)
{
    xnn_build *x;
    ETCH_ALLOC(x, &lm->lp->arena, sizeof *x);
    x->lm = lm;
    x->g = g;
    x->lo = -INFINITY;
    x->hi = INFINITY;
    etch_fbb_init(&x->fb);
    etch_status *s = write_nodes(x);
    if (!s) s = assemble(x);
    etch_fbb_deinit(&x->fb);
    return s;
}
