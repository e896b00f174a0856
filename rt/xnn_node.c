// In: one node table of a payload. Out: a node over defined values whose operand types, constants and parameters the kernels can rely on.
#include "rt/xnn.h"

#include <math.h>

#define BAD(...) ETCH_ERR(ETCH_INVALID, __VA_ARGS__)

static const etch_xnn_row rows[] = {
#define XNODE(code, table, kind, base, op) [code] = { #table, kind, base, op },
#include "rt/xnn_nodes.def"
#undef XNODE
};

const etch_xnn_row *etch_xnn__row(int code)
{
    return code > 0 && (size_t)code < sizeof rows / sizeof *rows && rows[code].name ? &rows[code] : NULL;
}

static etch_status *operand(etch_xnn *x, etch_xnn_node *n, uint32_t id, bool may_be_none)
{
    int v = id == ETCH_XNN_NONE ? -1 : etch_xnn__find(x, id);
    if (v < 0 && !(may_be_none && id == ETCH_XNN_NONE)) return BAD("operand %u is not defined", id);
    if (v >= 0 && !x->values[v].defined) return BAD("operand %u is used before it is written", id);
    n->in[n->n_in++] = v;
    return NULL;
}

static etch_status *result(etch_xnn *x, etch_xnn_node *n, uint32_t id)
{
    int v = etch_xnn__find(x, id);
    if (v < 0) return BAD("result %u is not defined", id);
    if (x->values[v].defined) return BAD("result %u is constant, an input, or written twice", id);
    if (n->n_out && n->out[0] == v) return BAD("result %u is named twice", id);
    n->out[n->n_out++] = v;
    return NULL;
}

static etch_status *list(etch_fb_table t, int id, const char *what, int *out_n, int64_t *out)
{
    etch_fb_vec v = etch_fb_get_vec(t, id);
    if (v.n > ETCH_XNN_RANK) return BAD("%u %s, at most %d", v.n, what, ETCH_XNN_RANK);
    for (uint32_t i = 0; i < v.n; i++) out[i] = etch_fb_u32_at(v, i);
    *out_n = (int)v.n;
    return NULL;
}

static void window(etch_fb_table t, etch_xnn_window *w)
{
    w->pad_top = etch_fb_get_u32(t, 0);
    w->pad_right = etch_fb_get_u32(t, 1);
    w->pad_bottom = etch_fb_get_u32(t, 2);
    w->pad_left = etch_fb_get_u32(t, 3);
    w->kh = etch_fb_get_u32(t, 4);
    w->kw = etch_fb_get_u32(t, 5);
    w->sh = w->sw = w->dh = w->dw = w->groups = 1;
}

static etch_status *check_window(const etch_xnn_window *w)
{
    const uint32_t big = 1u << 24;
    if (w->pad_top > big || w->pad_right > big || w->pad_bottom > big || w->pad_left > big) return BAD("padding too large");
    if (!w->kh || !w->kw || w->kh > big || w->kw > big) return BAD("window of %u x %u", w->kh, w->kw);
    if (!w->sh || !w->sw || w->sh > big || w->sw > big) return BAD("stride of %u x %u", w->sh, w->sw);
    if (!w->dh || !w->dw || w->dh > big || w->dw > big) return BAD("dilation of %u x %u", w->dh, w->dw);
    if (w->adj_h > big || w->adj_w > big) return BAD("output padding too large");
    return NULL;
}

static etch_status *load_fields(etch_xnn *x, etch_fb_table t, etch_xnn_node *n)
{
    int b = n->row->base;
    // Ids and flags follow each other. Fields beyond the table's own were not verified: they are not to be read.
    int n_ids = 3;
    uint32_t id[5] = { 0 };
    switch ((etch_xnn_kind)n->row->kind) {
    case XK_BINARY: case XK_BMM: case XK_ARGMAXPOOL: n_ids = 4; break;
    case XK_FC: case XK_CONV: case XK_DWCONV: case XK_DECONV: n_ids = 5; break;
    case XK_CAT: n_ids = 0; break;
    default: break;
    }
    for (int i = 0; i < n_ids; i++) id[i] = etch_fb_get_u32(t, b + i);
    switch ((etch_xnn_kind)n->row->kind) {
    case XK_BINARY: case XK_BMM:
        ETCH_TRY(operand(x, n, id[0], false));
        ETCH_TRY(operand(x, n, id[1], false));
        ETCH_TRY(result(x, n, id[2]));
        n->flags = id[3];
        break;
    case XK_FC: case XK_CONV: case XK_DWCONV: case XK_DECONV:
        ETCH_TRY(operand(x, n, id[0], false));
        ETCH_TRY(operand(x, n, id[1], false));
        ETCH_TRY(operand(x, n, id[2], true));
        ETCH_TRY(result(x, n, id[3]));
        n->flags = id[4];
        break;
    case XK_ARGMAXPOOL:
        ETCH_TRY(operand(x, n, id[0], false));
        ETCH_TRY(result(x, n, id[1]));
        ETCH_TRY(result(x, n, id[2]));
        n->flags = id[3];
        break;
    case XK_CAT: {
        int count = b;   // inputs 1-4 are fields 1-4, input 5 is field 7
        for (int i = 0; i < count; i++) ETCH_TRY(operand(x, n, etch_fb_get_u32(t, i == 4 ? 7 : 1 + i), false));
        ETCH_TRY(result(x, n, etch_fb_get_u32(t, 5)));
        n->flags = etch_fb_get_u32(t, 6);
        n->axis = etch_fb_get_i32(t, 0);
        break;
    }
    default:
        ETCH_TRY(operand(x, n, id[0], false));
        ETCH_TRY(result(x, n, id[1]));
        n->flags = id[2];
    }
    etch_xnn_window *w = &n->win;
    switch ((etch_xnn_kind)n->row->kind) {
    case XK_UNARY: if (b) n->alpha = etch_fb_get_f32(t, 0); break;
    case XK_TRANSPOSE: return list(t, 1, "permutation entries", &n->n_dims, n->p);
    case XK_RESHAPE: return list(t, 1, "new sizes", &n->n_dims, n->p);
    case XK_SLICE: {
        int n_sizes;
        ETCH_TRY(list(t, 1, "offsets", &n->n_dims, n->p));
        ETCH_TRY(list(t, 2, "sizes", &n_sizes, n->q));
        if (n_sizes != n->n_dims) return BAD("%d offsets and %d sizes", n->n_dims, n_sizes);
        return NULL;
    }
    case XK_PAD: {
        int n_post;
        ETCH_TRY(list(t, 0, "paddings", &n->n_dims, n->p));
        ETCH_TRY(list(t, 1, "paddings", &n_post, n->q));
        if (n_post != n->n_dims) return BAD("%d and %d paddings", n->n_dims, n_post);
        n->alpha = etch_fb_get_f32(t, 2);
        return NULL;
    }
    case XK_RESIZE:
        n->p[0] = etch_fb_get_u32(t, 0);
        n->p[1] = etch_fb_get_u32(t, 1);
        if (!n->p[0] || !n->p[1] || n->p[0] > 1 << 24 || n->p[1] > 1 << 24)
            return BAD("new size %lld x %lld", (long long)n->p[0], (long long)n->p[1]);
        return NULL;
    case XK_CONV: case XK_DWCONV: case XK_DECONV:
        window(t, w);
        w->sh = etch_fb_get_u32(t, 6);
        w->sw = etch_fb_get_u32(t, 7);
        w->dh = etch_fb_get_u32(t, 8);
        w->dw = etch_fb_get_u32(t, 9);
        w->group_in = etch_fb_get_u32(t, 10);
        w->group_out = etch_fb_get_u32(t, 11);
        w->groups = etch_fb_get_u32(t, 12);
        w->adj_h = etch_fb_get_u32(t, 13);
        w->adj_w = etch_fb_get_u32(t, 14);
        return check_window(w);
    case XK_AVGPOOL: case XK_MAXPOOL:
        window(t, w);
        w->sh = etch_fb_get_u32(t, 6);
        w->sw = etch_fb_get_u32(t, 7);
        if (n->row->kind == XK_MAXPOOL) {
            w->dh = etch_fb_get_u32(t, 8);
            w->dw = etch_fb_get_u32(t, 9);
        }
        return check_window(w);
    case XK_ARGMAXPOOL:
        window(t, w);
        w->sh = w->kh;
        w->sw = w->kw;
        return check_window(w);
    default: break;
    }
    return NULL;
}

etch_status *etch_xnn__load_node(etch_xnn *x, etch_fb_table t, etch_xnn_node *n)
{
    int code = etch_fb_get_u8(t, ETCH_FB(XNode, xnode_union_type));
    n->row = etch_xnn__row(code);
    if (!n->row) return ETCH_ERR(ETCH_UNSUPPORTED, "node type %d is unknown", code);
    if (n->row->kind == XK_SDPA)
        return ETCH_ERR(ETCH_UNSUPPORTED, "%s is not executable (nor is it in the official runtime)", n->row->name);
    n->lo = -INFINITY;
    n->hi = INFINITY;
    n->in_place = -1;
    etch_fb_table mm = etch_fb_get_table(t, ETCH_FB(XNode, output_min_max));
    if (mm.p) {
        n->lo = etch_fb_get_f32(mm, ETCH_FB(OutputMinMax, output_min));
        n->hi = etch_fb_get_f32(mm, ETCH_FB(OutputMinMax, output_max));
        if (!(n->lo <= n->hi)) return BAD("%s: output range [%g, %g]", n->row->name, (double)n->lo, (double)n->hi);
    }
    etch_fb_table fields = etch_fb_get_table(t, ETCH_FB(XNode, xnode_union));
    ETCH_TRYF(load_fields(x, fields, n), "%s", n->row->name);
    if (n->flags & ~(uint32_t)XF_KNOWN) return ETCH_ERR(ETCH_UNSUPPORTED, "%s: flags 0x%x", n->row->name, n->flags);
    return NULL;
}

// ---- types

static bool is_float(int t) { return t == XT_F32 || t == XT_F16 || t == XT_BF16; }
static bool is_static_q(int t) { return t == XT_QINT8 || t == XT_QUINT8; }
static bool is_value(int t) { return is_float(t) || is_static_q(t); }

static etch_status *wrong_type(const etch_xnn_value *a, const etch_xnn_value *b)
{
    return ETCH_ERR(ETCH_UNSUPPORTED, "datatypes %d and %d", a->type, b->type);
}

static bool same_quantisation(const etch_xnn_value *a, const etch_xnn_value *b)
{
    return !is_static_q(a->type) || (a->scale == b->scale && a->zero_point == b->zero_point);
}

// Float filter and bias constants, or values of the right type.
static etch_status *check_bias(const etch_xnn *x, const etch_xnn_node *n, int64_t channels)
{
    if (n->in[2] < 0) return NULL;
    const etch_xnn_value *in = &x->values[n->in[0]], *bias = &x->values[n->in[2]];
    if (is_static_q(in->type)) {
        if (bias->type != XT_QINT32 && bias->type != XT_QCINT32 && bias->type != XT_I32) return wrong_type(in, bias);
        if (bias->where != XV_CONST) return BAD("the bias is not constant");
    } else if (!is_float(bias->type)) {
        return wrong_type(in, bias);
    }
    if (bias->where == XV_CONST && bias->numel != channels)
        return BAD("%lld biases for %lld channels", (long long)bias->numel, (long long)channels);
    return NULL;
}

// Integer filters: zero points, number of scales, requantisation factors.
static etch_status *check_quantised_filter(etch_xnn *x, etch_xnn_node *n, int64_t channels, int channel_dim)
{
    const etch_xnn_value *in = &x->values[n->in[0]], *w = &x->values[n->in[1]], *out = &x->values[n->out[0]];
    if (w->where != XV_CONST) return BAD("the quantised filter is not constant");
    if (!w->numel) return BAD("the quantised filter is empty");   // its sizes, one of them 0, are then bounded by nothing in the file
    bool per_channel = w->type == XT_QCINT8 || w->type == XT_QCINT4;
    if (per_channel && (w->channel_dim != channel_dim || (int64_t)w->n_scales != channels))
        return BAD("scales over dimension %d, not %d", w->channel_dim, channel_dim);
    if (w->type == XT_QINT8 && w->zero_point) return BAD("the filter's zero point is %d", w->zero_point);
    if (!is_static_q(in->type)) return NULL;
    if (in->type != out->type || !is_static_q(out->type)) return wrong_type(in, out);
    if (in->type == XT_QUINT8 ? w->type != XT_QUINT8 : w->type != XT_QINT8 && !per_channel) return wrong_type(in, w);
    float *r;
    ETCH_ALLOC(r, &x->arena, sizeof *r * ((size_t)channels + 1));
    for (int64_t i = 0; i < channels; i++) r[i] = in->scale * (per_channel ? w->scales[i] : w->scale) / out->scale;
    n->requant = r;
    return NULL;
}

// An [in, out] filter of integers as [out, in] int8.
static etch_status *turn_filter(etch_xnn *x, etch_xnn_node *n, const etch_xnn_value *w, int64_t rows_in, int64_t cols_out)
{
    uint8_t *t;
    ETCH_ALLOC(t, &x->arena, (size_t)w->numel + 1);
    size_t row = w->type == XT_QCINT4 ? (size_t)(cols_out + 1) / 2 : (size_t)cols_out;
    for (int64_t i = 0; i < rows_in; i++)
        for (int64_t j = 0; j < cols_out; j++) {
            const uint8_t *at = w->data + (size_t)i * row;
            t[j * rows_in + i] = (uint8_t)(w->type == XT_QCINT4 ? (at[j / 2] >> (j % 2 * 4) & 15) - 8 : at[j]);
        }
    n->weights = t;
    n->weights_type = w->type == XT_QCINT4 ? XT_QCINT8 : w->type;
    return NULL;
}

// 4-bit weights as int8, for float activations.
static etch_status *widen_filter(etch_xnn *x, etch_xnn_node *n, const etch_xnn_value *w)
{
    uint8_t *t;
    ETCH_ALLOC(t, &x->arena, (size_t)w->numel + 1);
    int64_t k = w->dims[1], row = (k + 1) / 2;
    for (int64_t i = 0; i < w->numel; i++) t[i] = (uint8_t)((w->data[i / k * row + i % k / 2] >> (i % k % 2 * 4) & 15) - 8);
    n->weights = t;
    n->weights_type = XT_QCINT8;
    return NULL;
}

static bool fc_types_ok(int in, int w, int out)
{
    switch (w) {
    case XT_F32: case XT_F16: case XT_BF16: return is_float(in) && is_float(out);
    case XT_QCINT8: case XT_QCINT4: return ((in == XT_QDINT8 || in == XT_F32) && is_float(out)) || (in == XT_QINT8 && out == XT_QINT8);
    case XT_QBINT4: return in == XT_QDINT8 && is_float(out);
    case XT_QINT8: case XT_QUINT8: return in == w && out == w;
    default: return false;
    }
}

// Block weights that kern/qblock takes as they lie.
static etch_status *set_blocks(etch_xnn *x, etch_xnn_node *n, const etch_xnn_value *w)
{
    if (!etch_qblock_fits((size_t)w->dims[1], w->group)) return NULL;
    ETCH_ALLOC(n->blocks, &x->arena, sizeof *n->blocks);
    *n->blocks = (etch_qblock_w){ .n = (size_t)w->dims[0], .k = (size_t)w->dims[1], .group = w->group, .w = w->data,
                                  .scale = w->block_scales };
    ETCH_ALLOC(n->blocks->z_sum, &x->arena, sizeof *n->blocks->z_sum * n->blocks->n);
    n->n_shared = 1;
    return NULL;
}

static etch_status *check_fc(etch_xnn *x, etch_xnn_node *n)
{
    const etch_xnn_value *in = &x->values[n->in[0]], *w = &x->values[n->in[1]], *out = &x->values[n->out[0]];
    if (!fc_types_ok(in->type, w->type, out->type))
        return ETCH_ERR(ETCH_UNSUPPORTED, "datatypes %d x %d -> %d", in->type, w->type, out->type);
    if (in->type == XT_QDINT8 && in->nonbatch != 1) return BAD("%d dimensions share a scale", in->nonbatch);
    if (w->rank != 2) return BAD("the filter has rank %d", w->rank);
    bool turned = n->flags & XF_TRANSPOSE;
    n->weights = w->data;
    n->weights_type = w->type;
    if (w->where != XV_CONST) return is_float(w->type) ? check_bias(x, n, -1) : BAD("the quantised filter is not constant");
    int64_t channels = w->dims[turned], k = w->dims[!turned];
    ETCH_TRY(check_bias(x, n, channels));
    if (is_float(w->type)) return NULL;
    if (w->type == XT_QBINT4 && turned) return BAD("blockwise weights cannot be transposed");
    ETCH_TRY(check_quantised_filter(x, n, channels, turned));
    if (turned) return turn_filter(x, n, w, k, channels);
    if (w->type == XT_QBINT4) return set_blocks(x, n, w);
    return w->type == XT_QCINT4 && in->type == XT_F32 ? widen_filter(x, n, w) : NULL;
}

static etch_status *check_conv(etch_xnn *x, etch_xnn_node *n)
{
    const etch_xnn_value *in = &x->values[n->in[0]], *w = &x->values[n->in[1]], *out = &x->values[n->out[0]];
    const etch_xnn_window *g = &n->win;
    bool is_dw = n->row->kind == XK_DWCONV;
    if (w->where != XV_CONST) return ETCH_ERR(ETCH_UNSUPPORTED, "the filter is not constant");
    bool ok;
    if (is_float(w->type)) ok = is_float(in->type) && is_float(out->type);
    else if (in->type == XT_QDINT8) ok = w->type == XT_QCINT8 && is_float(out->type) && n->row->kind == XK_CONV && in->nonbatch == 3;
    else ok = is_static_q(in->type) && (w->type == XT_QINT8 || w->type == XT_QUINT8 || w->type == XT_QCINT8);
    if (!ok) return ETCH_ERR(ETCH_UNSUPPORTED, "datatypes %d x %d -> %d", in->type, w->type, out->type);
    uint64_t oc = (uint64_t)g->groups * g->group_out;
    if (!oc || !g->group_in || oc > 1u << 24) return BAD("%u groups of %u -> %u channels", g->groups, g->group_in, g->group_out);
    int64_t want[4] = { (int64_t)oc, g->kh, g->kw, g->group_in };
    if (is_dw) {
        // Input channels = groups; each gives group_out / group_in outputs.
        if (g->group_in != 1) return BAD("%u input channels a group", g->group_in);
        want[0] = 1;
        want[3] = (int64_t)oc;
    }
    if (w->rank != 4 || memcmp(w->dims, want, sizeof want))
        return BAD("the filter is not [%lld, %lld, %lld, %lld]", (long long)want[0], (long long)want[1], (long long)want[2],
                   (long long)want[3]);
    if (n->flags & XF_SAME && (g->pad_top || g->pad_right || g->pad_bottom || g->pad_left)) return BAD("SAME padding with paddings");
    ETCH_TRY(check_bias(x, n, (int64_t)oc));
    n->weights = w->data;
    n->weights_type = w->type;
    if (is_float(w->type)) return NULL;
    return check_quantised_filter(x, n, (int64_t)oc, is_dw ? 3 : 0);
}

static etch_status *check_permutation(const etch_xnn_node *n)
{
    unsigned seen = 0;
    for (int i = 0; i < n->n_dims; i++) {
        if (n->p[i] >= n->n_dims || seen & 1u << n->p[i]) return BAD("not a permutation of %d dimensions", n->n_dims);
        seen |= 1u << n->p[i];
    }
    return NULL;
}

static etch_status *check_reshape(const etch_xnn_node *n)
{
    int holes = 0;
    for (int i = 0; i < n->n_dims; i++) holes += n->p[i] == 0;
    return holes > 1 ? BAD("%d sizes to infer", holes) : NULL;
}

etch_status *etch_xnn__check_node(etch_xnn *x, etch_xnn_node *n)
{
    const etch_xnn_value *in = &x->values[n->in[0]], *out = &x->values[n->out[0]];
    bool clamps = true;   // does the node honour output_min_max? Otherwise the range is dropped, as in the official runtime.
    switch ((etch_xnn_kind)n->row->kind) {
    case XK_FC: ETCH_TRY(check_fc(x, n)); break;
    case XK_CONV: case XK_DWCONV: case XK_DECONV: ETCH_TRY(check_conv(x, n)); break;
    case XK_BINARY: {
        const etch_xnn_value *b = &x->values[n->in[1]];
        if (in->type != b->type || in->type != out->type || !is_value(in->type))
            return ETCH_ERR(ETCH_UNSUPPORTED, "datatypes %d, %d -> %d", in->type, b->type, out->type);
        clamps = n->row->op == ETCH_EW_ADD || n->row->op == ETCH_EW_SUB || n->row->op == ETCH_EW_MUL || n->row->op == ETCH_EW_DIV;
        break;
    }
    case XK_BMM: {
        const etch_xnn_value *b = &x->values[n->in[1]];
        bool quantised = in->type == XT_QDINT8 && b->type == XT_QCINT8 && is_float(out->type);
        if (quantised) return ETCH_ERR(ETCH_UNSUPPORTED, "a quantised batch product");
        if (!is_float(in->type) || b->type != in->type || out->type != in->type) return wrong_type(in, b);
        clamps = false;
        break;
    }
    case XK_CONVERT:
        clamps = false;
        if (out->type == XT_QDINT8 ? is_float(in->type) : is_value(in->type) && is_value(out->type)) break;
        if ((in->type == XT_I32 && out->type == XT_F32) || (in->type == XT_F32 && out->type == XT_I32)) break;
        return wrong_type(in, out);
    case XK_UNARY: case XK_CLAMP: case XK_GLOBALAVG: case XK_AVGPOOL: case XK_MAXPOOL:
        if (in->type != out->type || !is_value(in->type)) return wrong_type(in, out);
        clamps = n->row->kind != XK_UNARY;
        break;
    case XK_SOFTMAX: case XK_RESIZE:
        clamps = false;
        if (in->type != out->type || !is_value(in->type)) return wrong_type(in, out);
        break;
    case XK_ARGMAXPOOL:
        clamps = false;
        if (in->type != out->type || !is_float(in->type) || x->values[n->out[1]].type != XT_I32) return wrong_type(in, out);
        x->values[n->out[1]].defined = true;
        break;
    case XK_TRANSPOSE: case XK_RESHAPE: case XK_SLICE: case XK_PAD: case XK_CAT: case XK_COPY:
        clamps = false;
        for (int i = 0; i < n->n_in; i++) {
            const etch_xnn_value *a = &x->values[n->in[i]];
            if (a->type != out->type || (!is_value(a->type) && a->type != XT_I32)) return wrong_type(a, out);
            if (!same_quantisation(a, out)) return BAD("operand %u and the result differ in scale or zero point", a->id);
        }
        if (n->row->kind == XK_TRANSPOSE) ETCH_TRY(check_permutation(n));
        if (n->row->kind == XK_RESHAPE) ETCH_TRY(check_reshape(n));
        break;
    case XK_SDPA: case XK_ATTENTION: return BAD("not executable");
    }
    if (!clamps) {
        n->lo = -INFINITY;
        n->hi = INFINITY;
    }
    x->values[n->out[0]].defined = true;
    return NULL;
}
