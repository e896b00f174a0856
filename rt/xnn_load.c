// In: payload bytes. Out: verified values with their constants, then nodes (xnn_node.c). Everything that a file states is checked here
// once.
#include "rt/xnn.h"
#include "rt/xnn_chain.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>

#define BAD(...) ETCH_ERR(ETCH_INVALID, __VA_ARGS__)
#define MAX_VALUES (1 << 18)
#define MAX_EXTERNS 4096

typedef struct {
    etch_xnn *x;
    const etch_delegate_env *env;
    etch_span region;            // constants inside the blob
    etch_fb_vec constants;
} loader;

// Splits the blob: the flatbuffer and the constant region.
static etch_status *split(etch_span blob, etch_span *out_fb, etch_span *out_region)
{
    *out_region = (etch_span){ NULL, 0 };
    *out_fb = blob;
    if (blob.len < 30) return BAD("an XNNPACK payload of %zu bytes is too short", blob.len);
    const uint8_t *p = blob.ptr;
    if (memcmp(p + 4, "XH00", 4)) return NULL;
    uint64_t fb_at = etch_fb_load_u32(p + 10), fb_len = etch_fb_load_u32(p + 14), at = etch_fb_load_u32(p + 18),
             len = etch_fb_load_u64(p + 22);
    if (fb_at > blob.len || fb_len > blob.len - fb_at || fb_len < 8)
        return BAD("XNNPACK payload: the flatbuffer leaves the %zu bytes", blob.len);
    if (at > blob.len || len > blob.len - at) return BAD("XNNPACK payload: the constants leave the %zu bytes", blob.len);
    *out_fb = (etch_span){ p + fb_at, (size_t)fb_len };
    *out_region = (etch_span){ p + at, (size_t)len };
    return NULL;
}

static etch_status *constant(const loader *l, uint32_t index, etch_span *out)
{
    if (index >= l->constants.n) return BAD("constant %u of %u", index, l->constants.n);
    etch_fb_table c = etch_fb_table_at(l->constants, index);
    uint64_t at = etch_fb_get_u64(c, ETCH_FB(ConstantDataOffset, offset)), len = etch_fb_get_u64(c, ETCH_FB(ConstantDataOffset, size));
    etch_str key = etch_fb_get_str(c, ETCH_FB(ConstantDataOffset, named_key));
    if (key.ptr) {
        if (!key.len) return BAD("constant %u has an empty key", index);
        if (!l->env->named) return BAD("constant '%.*s': the program has no named data", ETCH_STR_ARGS(key));
        ETCH_TRYF(l->env->named(l->env->user, key, out), "constant '%.*s'", ETCH_STR_ARGS(key));
        return NULL;
    }
    if (at > l->region.len || len > l->region.len - at) return BAD("constant %u leaves the %zu bytes of constants", index, l->region.len);
    *out = (etch_span){ l->region.ptr + at, (size_t)len };
    return NULL;
}

// At least `need` bytes, at a multiple of `align`: the file's own, or a copy when they lie badly.
static etch_status *usable(etch_arena *arena, etch_span s, uint64_t need, size_t align, const uint8_t **out)
{
    if (s.len < need) return BAD("%zu bytes where %llu are needed", s.len, (unsigned long long)need);
    *out = s.ptr;
    if ((uintptr_t)s.ptr % align == 0) return NULL;
    uint8_t *copy;
    ETCH_ALLOC(copy, arena, (size_t)need + 1);
    memcpy(copy, s.ptr, (size_t)need);
    *out = copy;
    return NULL;
}

static bool scale_is_usable(float s) { return s >= FLT_MIN && s <= FLT_MAX; }

size_t etch_xnn__elem(int type)
{
    switch (type) {
    case XT_F32: case XT_I32: case XT_QINT32: case XT_QCINT32: return 4;
    case XT_F16: case XT_BF16: return 2;
    case XT_QINT8: case XT_QUINT8: case XT_QCINT8: case XT_QDINT8: return 1;
    default: return 0;
    }
}

etch_status *etch_xnn__set_dims(etch_xnn_value *v, int rank, const int64_t *dims)
{
    int64_t n = 1, bound = 1;
    for (int i = 0; i < rank; i++) {
        // The bound counts zero sizes as one, so that products of parts cannot overflow either.
        if (dims[i] < 0 || dims[i] > (int64_t)1 << 40 || !etch_mul_ok(bound, dims[i] ? dims[i] : 1, &bound) || bound > (int64_t)1 << 44)
            return BAD("XNNPACK value %u: sizes too large", v->id);
        v->dims[i] = dims[i];
        n *= dims[i];
    }
    v->rank = (uint8_t)rank;
    v->numel = n;
    return NULL;
}

static etch_status *per_channel(loader *l, etch_xnn_value *v, etch_fb_table q)
{
    int64_t dim = etch_fb_get_i32(q, ETCH_FB(PerChannelQuant, channel_dim));
    if (dim < 0 || dim >= v->rank) return BAD("channel dimension %lld of rank %d", (long long)dim, v->rank);
    v->channel_dim = (int)dim;
    v->n_scales = (size_t)v->dims[dim];
    uint32_t at = etch_fb_get_u32(q, ETCH_FB(PerChannelQuant, scale_buffer_idx)),
             n = etch_fb_get_u32(q, ETCH_FB(PerChannelQuant, num_scales));
    etch_span bytes;
    if (at) {
        if (n != v->n_scales) return BAD("%u scales for %zu channels", n, v->n_scales);
        ETCH_TRYF(constant(l, at, &bytes), "scales");
    } else {
        etch_fb_vec vec = etch_fb_get_vec(q, ETCH_FB(PerChannelQuant, scale));
        if (vec.n != v->n_scales) return BAD("%u scales for %zu channels", vec.n, v->n_scales);
        bytes = (etch_span){ vec.p, 4 * (size_t)vec.n };
    }
    const uint8_t *p;
    ETCH_TRYF(usable(&l->x->arena, bytes, 4 * (uint64_t)v->n_scales, 4, &p), "scales");
    v->scales = (const float *)(const void *)p;
    for (size_t i = 0; i < v->n_scales; i++)
        if (!scale_is_usable(v->scales[i])) return BAD("scale %zu is %g", i, (double)v->scales[i]);
    return NULL;
}

// Positive, normal and finite: a range of bit patterns. There are millions, so sixteen are looked at in one go.
static etch_status *check_block_scales(const uint16_t *s, size_t n)
{
    enum { LOWEST = 0x0080, HIGHEST = 0x7f7f, STEP = 16 };
    for (size_t i = 0; i < n; i += STEP) {
        uint16_t bad = 0;
        size_t m = n - i < STEP ? n - i : STEP;
        if (m == STEP)
            for (size_t j = 0; j < STEP; j++) bad |= (uint16_t)((uint16_t)(s[i + j] - LOWEST) > HIGHEST - LOWEST);
        else
            for (size_t j = 0; j < m; j++) bad |= (uint16_t)((uint16_t)(s[i + j] - LOWEST) > HIGHEST - LOWEST);
        if (bad) return BAD("a scale of the blocks %zu to %zu is not positive, normal and finite", i, i + m - 1);
    }
    return NULL;
}

static etch_status *per_group(loader *l, etch_xnn_value *v, etch_fb_table q)
{
    int64_t group = etch_fb_get_i32(q, ETCH_FB(PerChannelGroupQuant, group_size)),
            dim = etch_fb_get_i32(q, ETCH_FB(PerChannelGroupQuant, channel_dim));
    if (v->rank != 2 || dim != 0) return BAD("blockwise weights need rank 2 and channel dimension 0");
    if (group < 32 || group % 32 || v->dims[1] % group)
        return BAD("blocks of %lld over rows of %lld", (long long)group, (long long)v->dims[1]);
    v->group = (size_t)group;
    v->n_scales = (size_t)(v->dims[0] * (v->dims[1] / group));
    uint32_t at = etch_fb_get_u32(q, ETCH_FB(PerChannelGroupQuant, scale_buffer_idx)),
             n = etch_fb_get_u32(q, ETCH_FB(PerChannelGroupQuant, num_scales));
    etch_fb_vec f32 = etch_fb_get_vec(q, ETCH_FB(PerChannelGroupQuant, scale)),
                bf16 = etch_fb_get_vec(q, ETCH_FB(PerChannelGroupQuant, scale_bf16));
    const uint8_t *p;
    if (at) {
        if (n != v->n_scales) return BAD("%u scales for %zu blocks", n, v->n_scales);
        etch_span bytes;
        ETCH_TRYF(constant(l, at, &bytes), "scales");
        ETCH_TRYF(usable(&l->x->arena, bytes, 2 * (uint64_t)v->n_scales, 2, &p), "scales");
        v->block_scales = (const uint16_t *)(const void *)p;
    } else if (f32.n) {
        if (f32.n != v->n_scales) return BAD("%u scales for %zu blocks", f32.n, v->n_scales);
        uint16_t *own;
        ETCH_ALLOC(own, &l->x->arena, 2 * v->n_scales);
        // The official runtime's conversion: a nudge up, then truncation.
        for (uint32_t i = 0; i < f32.n; i++) own[i] = (uint16_t)(etch_f32_bits(etch_fb_f32_at(f32, i) * 1.00389105f) >> 16);
        v->block_scales = own;
    } else {
        if (bf16.n != v->n_scales) return BAD("%u scales for %zu blocks", bf16.n, v->n_scales);
        ETCH_TRYF(usable(&l->x->arena, (etch_span){ bf16.p, 2 * (size_t)bf16.n }, 2 * (uint64_t)bf16.n, 2, &p), "scales");
        v->block_scales = (const uint16_t *)(const void *)p;
    }
    return check_block_scales(v->block_scales, v->n_scales);
}

static etch_status *quantisation(loader *l, etch_xnn_value *v, etch_fb_table t)
{
    int code = etch_fb_get_u8(t, ETCH_FB(XNNQuantizedTensorValue, quant_params_type));
    etch_fb_table q = etch_fb_get_table(t, ETCH_FB(XNNQuantizedTensorValue, quant_params));
    switch (v->type) {
    case XT_QINT8: case XT_QUINT8: case XT_QINT32: {
        if (code != ETCH_FBU(XNNQuantParams, PerTensorQuant) || !q.p) return BAD("needs per-tensor quantisation");
        v->scale = etch_fb_get_f32(q, ETCH_FB(PerTensorQuant, scale));
        v->zero_point = etch_fb_get_i32(q, ETCH_FB(PerTensorQuant, zero_point));
        int lo = v->type == XT_QINT8 ? -128 : 0, hi = v->type == XT_QINT8 ? 127 : v->type == XT_QUINT8 ? 255 : 0;
        if (!scale_is_usable(v->scale)) return BAD("scale is %g", (double)v->scale);
        if (v->zero_point < lo || v->zero_point > hi) return BAD("zero point %d is out of range", v->zero_point);
        return NULL;
    }
    case XT_QCINT8: case XT_QCINT4: case XT_QCINT32:
        if (code != ETCH_FBU(XNNQuantParams, PerChannelQuant) || !q.p) return BAD("needs per-channel quantisation");
        if (v->where != XV_CONST) return BAD("per-channel quantisation of what is not constant");
        return per_channel(l, v, q);
    case XT_QBINT4:
        if (code != ETCH_FBU(XNNQuantParams, PerChannelGroupQuant) || !q.p) return BAD("needs blockwise quantisation");
        if (v->where != XV_CONST) return BAD("blockwise quantisation of what is not constant");
        return per_group(l, v, q);
    case XT_QDINT8: {
        if (code != ETCH_FBU(XNNQuantParams, PerTokenDynamicQuant) || !q.p) return BAD("needs dynamic quantisation");
        int n = etch_fb_get_i32(q, ETCH_FB(PerTokenDynamicQuant, num_nonbatch_dims));
        if (n < 1 || n > v->rank) return BAD("%d non-batch dimensions of rank %d", n, v->rank);
        if (v->where != XV_INTERNAL) return BAD("a dynamically quantised value must be internal");
        v->nonbatch = (uint8_t)n;
        return NULL;
    }
    default: return BAD("datatype %d is not quantised", v->type);
    }
}

// Bytes of a constant of this type and these sizes.
static uint64_t constant_bytes(const etch_xnn_value *v)
{
    if (v->type != XT_QCINT4 && v->type != XT_QBINT4) return (uint64_t)v->numel * etch_xnn__elem(v->type);
    if (!v->rank) return 1;
    int64_t last = v->dims[v->rank - 1];
    return last ? (uint64_t)(v->numel / last) * (uint64_t)((last + 1) / 2) : 0;
}

static etch_status *load_value(loader *l, etch_fb_table xv, etch_xnn_value *v)
{
    int code = etch_fb_get_u8(xv, ETCH_FB(XValue, xvalue_union_type));
    etch_fb_table any = etch_fb_get_table(xv, ETCH_FB(XValue, xvalue_union)), t = any;
    bool is_quantised = code == ETCH_FBU(XValueUnion, XNNQuantizedTensorValue);
    if (is_quantised) t = etch_fb_get_table(any, ETCH_FB(XNNQuantizedTensorValue, tensor_value));
    if (!t.p) return BAD("an XNNPACK value is empty");
    v->id = etch_fb_get_u32(t, ETCH_FB(XNNTensorValue, id_out));
    v->external = -1;
    int type = etch_fb_get_i16(t, ETCH_FB(XNNTensorValue, datatype));
    bool is_plain = type == XT_F32 || type == XT_F16 || type == XT_BF16 || type == XT_I32;
    bool is_quant = type >= XT_QINT8 && type <= XT_QBINT4;
    if (!is_plain && !is_quant) return ETCH_ERR(ETCH_UNSUPPORTED, "datatype %d", type);
    if (is_plain == is_quantised) return BAD("datatype %d %s quantisation parameters", type, is_plain ? "with" : "without");
    if (etch_fb_get_i16(t, ETCH_FB(XNNTensorValue, dq_datatype))) return ETCH_ERR(ETCH_UNSUPPORTED, "the old form of dynamic quantisation");
    v->type = (uint8_t)type;

    etch_fb_vec dims = etch_fb_get_vec(t, ETCH_FB(XNNTensorValue, dims));
    if (dims.n > ETCH_XNN_RANK) return BAD("rank %u, at most %d", dims.n, ETCH_XNN_RANK);
    int64_t sizes[ETCH_XNN_RANK] = { 0 };
    for (uint32_t i = 0; i < dims.n; i++) sizes[i] = etch_fb_u32_at(dims, i);
    ETCH_TRY(etch_xnn__set_dims(v, (int)dims.n, sizes));
    memcpy(v->declared, v->dims, sizeof v->dims);

    uint32_t flags = etch_fb_get_u32(t, ETCH_FB(XNNTensorValue, flags)),
             external = etch_fb_get_u32(t, ETCH_FB(XNNTensorValue, external_id));
    uint32_t index = etch_fb_get_u32(t, ETCH_FB(XNNTensorValue, constant_buffer_idx));
    if (flags & ~3u) return BAD("flags 0x%x", flags);
    v->where = index ? XV_CONST : flags & 1 ? XV_INPUT : flags & 2 ? XV_OUTPUT : XV_INTERNAL;
    if (flags == 3) return BAD("is an input and an output");
    if (flags && (index || external >= (uint32_t)l->x->n_externs)) return BAD("external id %u of %d", external, l->x->n_externs);
    if (!flags && external != ETCH_XNN_NONE) return BAD("external id %u without a direction", external);
    if (flags) {
        if (l->x->externs[external] >= 0) return BAD("external id %u is taken", external);
        l->x->externs[external] = (int)(v - l->x->values);
        v->external = (int)external;
    }
    if (is_quantised) ETCH_TRY(quantisation(l, v, any));
    if (v->where == XV_CONST) {
        etch_span bytes;
        ETCH_TRY(constant(l, index, &bytes));
        size_t elem = etch_xnn__elem(type);
        ETCH_TRYF(usable(&l->x->arena, bytes, constant_bytes(v), elem ? elem : 1, &v->data), "constant %u", index);
    } else if (v->type == XT_QCINT8 || v->type == XT_QCINT4 || v->type == XT_QCINT32 || v->type == XT_QBINT4 || v->type == XT_QINT32) {
        return BAD("datatype %d is for constants", type);
    }
    v->defined = v->where == XV_CONST || v->where == XV_INPUT;
    return NULL;
}

static int by_id(const void *a, const void *b)
{
    const etch_xnn_value *const *x = a, *const *y = b;
    return ((*x)->id > (*y)->id) - ((*x)->id < (*y)->id);
}

int etch_xnn__find(const etch_xnn *x, uint32_t id)
{
    if (id < (uint32_t)x->n_values && x->values[id].id == id) return (int)id;
    int lo = 0, hi = x->n_values;
    while (lo < hi) {
        int mid = lo + (hi - lo) / 2;
        if (x->by_id[mid]->id < id) lo = mid + 1;
        else hi = mid;
    }
    return lo < x->n_values && x->by_id[lo]->id == id ? (int)(x->by_id[lo] - x->values) : -1;
}

static etch_status *load_values(loader *l, etch_fb_vec values)
{
    etch_xnn *x = l->x;
    if (values.n > MAX_VALUES) return BAD("%u XNNPACK values", values.n);
    ETCH_ALLOC(x->values, &x->arena, sizeof *x->values * (values.n + 1));
    ETCH_ALLOC(x->by_id, &x->arena, sizeof *x->by_id * (values.n + 1));
    x->n_values = (int)values.n;
    for (uint32_t i = 0; i < values.n; i++) {
        ETCH_TRYF(load_value(l, etch_fb_table_at(values, i), &x->values[i]), "XNNPACK value %u", i);
        x->by_id[i] = &x->values[i];
    }
    qsort(x->by_id, values.n, sizeof *x->by_id, by_id);
    for (uint32_t i = 0; i + 1 < values.n; i++)
        if (x->by_id[i]->id == x->by_id[i + 1]->id) return BAD("XNNPACK value id %u is defined twice", x->by_id[i]->id);
    return NULL;
}

// A 1x1 convolution that meets every pixel once.
static bool is_pointwise(const etch_xnn_node *n)
{
    const etch_xnn_window *w = &n->win;
    return n->row->kind == XK_CONV && w->kh == 1 && w->kw == 1 && w->sh == 1 && w->sw == 1 && w->groups == 1 && !w->pad_top &&
           !w->pad_right && !w->pad_bottom && !w->pad_left;
}

// The official runtime quantises the input of a pointwise convolution pixel by pixel, whatever the payload says. (When another kind of
// node reads the same quantised value, its results there are meaningless; here such a value keeps one scale an image.)
static void scale_by_pixel(etch_xnn *x)
{
    for (int pass = 0; pass < 2; pass++)
        for (int i = 0; i < x->n_nodes; i++) {
            const etch_xnn_node *n = &x->nodes[i];
            etch_xnn_value *v = &x->values[n->in[0]];
            if (v->type != XT_QDINT8 || n->row->kind == XK_FC) continue;
            if (is_pointwise(n)) v->nonbatch = pass == 0 && v->nonbatch == 3 ? 1 : v->nonbatch;
            else if (pass == 1) v->nonbatch = 3;
        }
}

static etch_status *load_nodes(loader *l, etch_fb_vec nodes)
{
    etch_xnn *x = l->x;
    if (nodes.n > MAX_VALUES) return BAD("%u XNNPACK nodes", nodes.n);
    ETCH_ALLOC(x->nodes, &x->arena, sizeof *x->nodes * (nodes.n + 1));
    x->n_nodes = (int)nodes.n;
    for (uint32_t i = 0; i < nodes.n; i++) {
        etch_xnn_node *n = &x->nodes[i];
        etch_fb_table t = etch_fb_table_at(nodes, i);
        ETCH_TRYF(etch_xnn__load_node(x, t, n), "XNNPACK node %u", i);
        ETCH_TRYF(etch_xnn__check_node(x, n), "XNNPACK node %u (%s)", i, n->row->name);
    }
    scale_by_pixel(x);
    for (int i = 0; i < x->n_values; i++)
        if (x->values[i].where == XV_OUTPUT && !x->values[i].defined) return BAD("no XNNPACK node writes output value %u", x->values[i].id);
    return NULL;
}

etch_status *etch_xnn__load(etch_span blob, const etch_delegate_env *env, etch_xnn *x)
{
    loader l = { .x = x, .env = env };
    etch_span fb;
    ETCH_TRY(split(blob, &fb, &l.region));
    if (memcmp(fb.ptr + 4, "XN01", 4) && memcmp(fb.ptr + 4, "XN00", 4)) return BAD("XNNPACK payload: identifier is neither XN01 nor XN00");
    // Loads below assume 4-aligned tables only through memcpy; no alignment of the blob itself is needed.
    etch_fb_table g;
    ETCH_TRYF(etch_fb_verify(fb, ETCH_FB_XNNGraph, NULL, &g), "XNNPACK payload");
    uint32_t n = etch_fb_get_u32(g, ETCH_FB(XNNGraph, num_externs));
    if (n > MAX_EXTERNS) return BAD("XNNPACK payload: %u external values", n);
    x->n_externs = (int)n;
    ETCH_ALLOC(x->externs, &x->arena, sizeof *x->externs * (n + 1));
    for (uint32_t i = 0; i < n; i++) x->externs[i] = -1;
    l.constants = etch_fb_get_vec(g, ETCH_FB(XNNGraph, constant_data));
    ETCH_TRY(load_values(&l, etch_fb_get_vec(g, ETCH_FB(XNNGraph, xvalues))));
    ETCH_TRY(load_nodes(&l, etch_fb_get_vec(g, ETCH_FB(XNNGraph, xnodes))));
    etch_xnn__fuse(x);
    ETCH_ALLOC(x->chains, &x->arena, sizeof *x->chains * ((size_t)x->n_nodes / 2 + 1));
    ETCH_ALLOC(x->steps, &x->arena, sizeof *x->steps * ((size_t)x->n_nodes + 1));
    for (int i = 0; i < x->n_nodes; i++)
        for (int j = 0; j < x->nodes[i].n_in; j++)
            if (x->nodes[i].in[j] >= 0) x->values[x->nodes[i].in[j]].is_read = true;
    return NULL;
}
