// In: a node and its operands' memory. Out: its result. Elementwise nodes and conversions here; the rest by family in xnn_run_*.c.
//
// Every runner first takes its scratch, then stops if the run is dry, then computes. Values of 2-byte floats and static 8-bit types are
// computed through fp32, unless the family has integer kernels.
#include "rt/xnn_attention.h"
#include "rt/xnn_chain.h"

#include <math.h>

void *etch_xnn__take(etch_xnn_cx *cx, size_t bytes)
{
    size_t at = cx->used;
    cx->used += etch_align_up(bytes + 1, 64);
    if (cx->dry) return NULL;
    ETCH_ASSERT(cx->used <= cx->len);
    return cx->base + at;
}

typedef struct { etch_xnn_span_fn *fn; void *user; size_t n, piece; } spans;

static void span_body(void *user, size_t i, int worker)
{
    const spans *s = user;
    (void)worker;
    size_t from = i * s->piece, to = s->n - from < s->piece ? s->n : from + s->piece;
    s->fn(s->user, from, to);
}

void etch_xnn__spans(etch_xnn *x, size_t n, size_t piece, etch_xnn_span_fn *fn, void *user)
{
    if (!n) return;
    if (!piece) piece = 1;
    spans s = { fn, user, n, piece };
    etch_pool_run(x->pool, (n + piece - 1) / piece, span_body, &s);
}

#define PIECE 16384

// ---- conversions

typedef struct { const etch_xnn_value *v; const void *from; void *to; } conversion;

static void load_span(void *user, size_t from, size_t to)
{
    const conversion *c = user;
    float *y = c->to;
    switch (c->v->type) {
    case XT_F16: for (size_t i = from; i < to; i++) y[i] = etch_f16_to_f32(((const uint16_t *)c->from)[i]); break;
    case XT_BF16: for (size_t i = from; i < to; i++) y[i] = etch_bf16_to_f32(((const uint16_t *)c->from)[i]); break;
    case XT_QINT8: for (size_t i = from; i < to; i++) y[i] = (float)(((const int8_t *)c->from)[i] - c->v->zero_point) * c->v->scale; break;
    case XT_QUINT8:
        for (size_t i = from; i < to; i++) y[i] = (float)(((const uint8_t *)c->from)[i] - c->v->zero_point) * c->v->scale;
        break;
    default: for (size_t i = from; i < to; i++) y[i] = ((const float *)c->from)[i];
    }
}

static inline int32_t quantize(float f, float inverse, int32_t zero, int32_t lo, int32_t hi)
{
    float v = f * inverse, a = (float)(lo - zero), b = (float)(hi - zero);
    v = v < a ? a : v > b ? b : v;
    return v == v ? (int32_t)lrintf(v) + zero : lo;
}

int32_t etch_xnn__quantize(const etch_xnn_value *v, float f)
{
    bool is_signed = v->type == XT_QINT8;
    float t = f / v->scale + (float)v->zero_point, a = is_signed ? -128.0f : 0.0f, b = is_signed ? 127.0f : 255.0f;
    t = t < a ? a : t > b ? b : t;
    return t == t ? (int32_t)lrintf(t) : (int32_t)a;
}

static void store_span(void *user, size_t from, size_t to)
{
    const conversion *c = user;
    const float *x = c->from;
    float inverse = c->v->scale > 0 ? 1.0f / c->v->scale : 0;
    int32_t z = c->v->zero_point;
    switch (c->v->type) {
    case XT_F16: for (size_t i = from; i < to; i++) ((uint16_t *)c->to)[i] = etch_f32_to_f16(x[i]); break;
    case XT_BF16: for (size_t i = from; i < to; i++) ((uint16_t *)c->to)[i] = etch_f32_to_bf16(x[i]); break;
    case XT_QINT8: for (size_t i = from; i < to; i++) ((int8_t *)c->to)[i] = (int8_t)quantize(x[i], inverse, z, -128, 127); break;
    case XT_QUINT8: for (size_t i = from; i < to; i++) ((uint8_t *)c->to)[i] = (uint8_t)quantize(x[i], inverse, z, 0, 255); break;
    default: for (size_t i = from; i < to; i++) ((float *)c->to)[i] = x[i];
    }
}

const float *etch_xnn__floats(etch_xnn_cx *cx, const etch_xnn_value *v)
{
    if (v->type == XT_F32) return (const float *)(const void *)v->data;
    float *y = etch_xnn__take(cx, sizeof *y * (size_t)v->numel);
    conversion c = { v, v->data, y };
    if (!cx->dry) etch_xnn__spans(cx->x, (size_t)v->numel, PIECE, load_span, &c);
    return y;
}

float *etch_xnn__float_out(etch_xnn_cx *cx, const etch_xnn_value *v)
{
    return v->type == XT_F32 ? etch_xnn__mut(v) : etch_xnn__take(cx, sizeof(float) * (size_t)v->numel);
}

void etch_xnn__store(etch_xnn_cx *cx, const etch_xnn_value *v, const float *from)
{
    if (v->type == XT_F32) return;
    conversion c = { v, from, etch_xnn__mut(v) };
    etch_xnn__spans(cx->x, (size_t)v->numel, PIECE, store_span, &c);
}

// ---- elementwise

typedef struct { const etch_ew_kernels *ew; const etch_xnn_node *n; const float *x; float *y; } unary;

static void unary_span(void *user, size_t from, size_t to)
{
    const unary *u = user;
    bool is_clamp = u->n->row->kind == XK_CLAMP;
    float p = is_clamp ? u->n->lo : u->n->alpha;
    u->ew->unary((etch_ew_unary)u->n->row->op, p, u->n->hi, u->x + from, u->y + from, to - from);
}

static void run_unary(etch_xnn_cx *cx, const etch_xnn_node *n)
{
    const etch_xnn_value *in = etch_xnn__in(cx, n, 0), *out = etch_xnn__out(cx, n, 0);
    const float *x = etch_xnn__floats(cx, in);
    unary u = { cx->x->ew, n, x, etch_xnn__float_out(cx, out) };
    if (cx->dry) return;
    etch_xnn__spans(cx->x, (size_t)in->numel, PIECE / 4, unary_span, &u);
    etch_xnn__store(cx, out, u.y);
}

typedef struct { const etch_ew_kernels *ew; const float *x; float *y; size_t n; } softmax;

static void softmax_span(void *user, size_t from, size_t to)
{
    const softmax *s = user;
    s->ew->softmax(s->x + from * s->n, s->y + from * s->n, to - from, s->n);
}

static void run_softmax(etch_xnn_cx *cx, const etch_xnn_node *n)
{
    const etch_xnn_value *in = etch_xnn__in(cx, n, 0), *out = etch_xnn__out(cx, n, 0);
    const float *x = etch_xnn__floats(cx, in);
    float *y = etch_xnn__float_out(cx, out);
    if (cx->dry || !in->numel) return;
    softmax s = { cx->x->ew, x, y, (size_t)in->dims[in->rank - 1] };
    etch_xnn__spans(cx->x, (size_t)in->numel / s.n, PIECE / 4 / s.n + 1, softmax_span, &s);
    etch_xnn__store(cx, out, y);
}

// ---- convert

typedef struct { const etch_ew_kernels *ew; const float *x; int8_t *q; etch_xnn_rowq *rows; size_t n; } dynamic;

static void dynamic_span(void *user, size_t from, size_t to)
{
    const dynamic *d = user;
    for (size_t i = from; i < to; i++)
        d->ew->quantize_row(d->x + i * d->n, d->n, d->q + i * d->n, &d->rows[i].scale, &d->rows[i].zero_point);
}

// 8-bit to 8-bit in fixed point with 8 fraction bits, as the official kernels do.
static void requantize(const etch_xnn_value *in, const etch_xnn_value *out)
{
    double ratio = (double)in->scale / (double)out->scale;
    int32_t lo = out->type == XT_QINT8 ? -128 : 0, hi = lo + 255;
    int64_t factor = lrint(fmin(256.0 * (double)(float)ratio, 1e9)), bias = (int64_t)out->zero_point * 256 - factor * in->zero_point + 128;
    for (int64_t i = 0; i < in->numel; i++) {
        int64_t q = in->type == XT_QINT8 ? ((const int8_t *)in->data)[i] : in->data[i];
        int64_t y = (bias + factor * q) >> 8;
        y = y < lo ? lo : y > hi ? hi : y;
        ((uint8_t *)etch_xnn__mut(out))[i] = (uint8_t)y;
    }
}

static void run_convert(etch_xnn_cx *cx, const etch_xnn_node *n)
{
    const etch_xnn_value *in = etch_xnn__in(cx, n, 0), *out = etch_xnn__out(cx, n, 0);
    bool in_q = in->type == XT_QINT8 || in->type == XT_QUINT8, out_q = out->type == XT_QINT8 || out->type == XT_QUINT8;
    if (in->type == XT_I32 || out->type == XT_I32) {
        if (cx->dry) return;
        for (int64_t i = 0; i < in->numel; i++) {
            if (in->type == XT_I32) {
                ((float *)etch_xnn__mut(out))[i] = (float)((const int32_t *)(const void *)in->data)[i];
            } else {
                float f = ((const float *)(const void *)in->data)[i];
                ((int32_t *)etch_xnn__mut(out))[i] = f >= 2147483648.0f ? INT32_MAX : f < -2147483648.0f || f != f ? INT32_MIN
                : (int32_t)lrintf(f);
            }
        }
        return;
    }
    if (in_q && out_q) {
        if (!cx->dry) requantize(in, out);
        return;
    }
    // The official kernels between fp16 and 8 bits keep the scale (or its inverse) in fp16.
    etch_xnn_value halves;
    if (in_q && out->type == XT_F16) {
        halves = *in;
        halves.scale = etch_f16_to_f32(etch_f32_to_f16(in->scale));
        in = &halves;
    } else if (out_q && in->type == XT_F16) {
        halves = *out;
        halves.scale = 1.0f / etch_f16_to_f32(etch_f32_to_f16(1.0f / out->scale));
        out = &halves;
    }
    const float *x = etch_xnn__floats(cx, in);
    if (out->type == XT_QDINT8) {
        if (cx->dry || !in->numel) return;
        int64_t n_rows = etch_xnn__n_rows(out);
        dynamic d = { cx->x->ew, x, etch_xnn__mut(out), etch_xnn__rows(out), (size_t)(in->numel / n_rows) };
        etch_xnn__spans(cx->x, (size_t)n_rows, PIECE / d.n + 1, dynamic_span, &d);
        if (cx->x->ties) etch_xnn__count_ties(cx->x->ties, x, (size_t)n_rows, d.n, d.rows, d.q);
        return;
    }
    float *y = etch_xnn__float_out(cx, out);
    if (cx->dry) return;
    if (y != x && out->type == XT_F32) memcpy(y, x, sizeof *y * (size_t)in->numel);
    else etch_xnn__store(cx, out, x);
}

etch_status *etch_xnn__run_node(etch_xnn_cx *cx, const etch_xnn_node *n)
{
    cx->used = 0;
    if (n->chain > 1) etch_xnn__run_chain(cx, n);
    else switch ((etch_xnn_kind)n->row->kind) {
    case XK_UNARY: case XK_CLAMP: run_unary(cx, n); break;
    case XK_SOFTMAX: run_softmax(cx, n); break;
    case XK_CONVERT: run_convert(cx, n); break;
    case XK_BINARY: etch_xnn__run_binary(cx, n); break;
    case XK_FC: etch_xnn__run_fc(cx, n); break;
    case XK_BMM: etch_xnn__run_bmm(cx, n); break;
    case XK_CONV: case XK_DECONV: etch_xnn__run_conv(cx, n); break;
    case XK_DWCONV: case XK_AVGPOOL: case XK_MAXPOOL: case XK_ARGMAXPOOL: case XK_GLOBALAVG:
    case XK_RESIZE: etch_xnn__run_nhwc(cx, n); break;
    case XK_TRANSPOSE: case XK_RESHAPE: case XK_COPY: case XK_CAT: case XK_SLICE: case XK_PAD: etch_xnn__run_move(cx, n); break;
    case XK_ATTENTION: etch_xnn__run_attention(cx, n); break;
    case XK_SDPA: break;
    }
    return cx->dry || cx->used <= cx->len ? NULL
    : ETCH_ERR(ETCH_INTERNAL, "%s: scratch of %zu bytes, planned %zu", n->row->name, cx->used, cx->len);
}
