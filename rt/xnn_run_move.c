// In: a value. Out: its elements in another arrangement: transpose, reshape, slice, pad, concatenate. Elements are bytes of 1, 2 or 4.
#include "rt/xnn_chain.h"

// Copies a box: dims with strides of source and target in bytes, the innermost `run` bytes contiguous on both sides.
typedef struct {
    const uint8_t *from;
    uint8_t *to;
    int rank;
    int64_t dims[ETCH_XNN_RANK], s[ETCH_XNN_RANK], d[ETCH_XNN_RANK];
    size_t run;
} box;

static inline void copy_run(uint8_t *to, const uint8_t *from, size_t n)
{
    if (n == 4) memcpy(to, from, 4);
    else if (n == 8) memcpy(to, from, 8);
    else if (n == 1) *to = *from;
    else memcpy(to, from, n);
}

static void copy_span(void *user, size_t from, size_t to)
{
    const box *b = user;
    int last = b->rank - 1;
    size_t inner = last >= 0 ? (size_t)b->dims[last] : 1;
    for (size_t i = from; i < to; i++) {
        size_t rest = i;
        int64_t s = 0, d = 0;
        for (int k = last - 1; k >= 0; k--) {
            int64_t at = (int64_t)(rest % (size_t)b->dims[k]);
            rest /= (size_t)b->dims[k];
            s += at * b->s[k];
            d += at * b->d[k];
        }
        for (size_t j = 0; j < inner; j++)
            copy_run(b->to + d + (int64_t)j * (last >= 0 ? b->d[last] : 0), b->from + s + (int64_t)j * (last >= 0 ? b->s[last] : 0),
                     b->run);
    }
}

// Merges dims that continue each other, drops sizes of one, folds a contiguous innermost dim into `run`.
static void tidy(box *b)
{
    int n = 0;
    for (int i = 0; i < b->rank; i++) {
        if (b->dims[i] == 1) continue;
        if (n && b->s[n - 1] == b->s[i] * b->dims[i] && b->d[n - 1] == b->d[i] * b->dims[i]) {
            b->dims[n - 1] *= b->dims[i];
            b->s[n - 1] = b->s[i];
            b->d[n - 1] = b->d[i];
            continue;
        }
        b->dims[n] = b->dims[i];
        b->s[n] = b->s[i];
        b->d[n] = b->d[i];
        n++;
    }
    if (n && b->s[n - 1] == (int64_t)b->run && b->d[n - 1] == (int64_t)b->run) b->run *= (size_t)b->dims[--n];
    b->rank = n;
}

// A box whose innermost dim is contiguous in the target, and whose dim `turned` in the source.
typedef struct { const box *b; const etch_transpose_kernels *kn; int turned; int64_t piece, pieces; } turning;

// Unit i: one place of the other dims, one piece of the turned one.
static void turn_span(void *user, size_t from, size_t to)
{
    const turning *t = user;
    const box *b = t->b;
    int last = b->rank - 1;
    for (size_t i = from; i < to; i++) {
        int64_t first = (int64_t)i % t->pieces * t->piece, n = b->dims[t->turned] - first, s = first * b->s[t->turned],
                d = first * b->d[t->turned];
        size_t rest = i / (size_t)t->pieces;
        for (int k = last - 1; k >= 0; k--) {
            if (k == t->turned) continue;
            int64_t at = (int64_t)(rest % (size_t)b->dims[k]);
            rest /= (size_t)b->dims[k];
            s += at * b->s[k];
            d += at * b->d[k];
        }
        t->kn->run((const uint32_t *)(const void *)(b->from + s), (size_t)b->s[last] / 4, (uint32_t *)(void *)(b->to + d),
                   (size_t)b->d[t->turned] / 4, (size_t)b->dims[last], (size_t)(n < t->piece ? n : t->piece));
    }
}

// Matrices of 4-byte elements are turned block by block. False when the box holds none.
static bool turn_box(etch_xnn *x, const box *b)
{
    int last = b->rank - 1;
    if (b->run != 4 || last < 1 || b->d[last] != 4 || b->dims[last] < 3) return false;
    turning t = { b, x->transpose, -1, 0, 0 };
    size_t others = 1;
    for (int k = 0; k < last; k++)
        if (b->s[k] == 4) t.turned = k;
    if (t.turned < 0 || b->dims[t.turned] < 4 || (b->dims[last] == 3 && b->d[t.turned] != 12)) return false;
    for (int k = 0; k < last; k++)
        if (k != t.turned) others *= (size_t)b->dims[k];
    t.piece = 8192 / b->dims[last] / 16 * 16 + 16;
    t.pieces = (b->dims[t.turned] + t.piece - 1) / t.piece;
    size_t cost = (size_t)(b->dims[last] * (t.piece < b->dims[t.turned] ? t.piece : b->dims[t.turned]));
    etch_xnn__spans(x, others * (size_t)t.pieces, 8192 / cost + 1, turn_span, &t);
    return true;
}

static void copy_box(etch_xnn *x, box *b)
{
    for (int i = 0; i < b->rank; i++)
        if (!b->dims[i]) return;
    tidy(b);
    if (turn_box(x, b)) return;
    size_t n = 1;
    for (int i = 0; i < b->rank - 1; i++) n *= (size_t)b->dims[i];
    size_t cost = b->run * (b->rank ? (size_t)b->dims[b->rank - 1] : 1);
    etch_xnn__spans(x, n, 65536 / (cost + 1) + 1, copy_span, b);
}

static void fill(const etch_xnn_value *out, float value)
{
    size_t n = (size_t)out->numel;
    void *y = etch_xnn__mut(out);
    switch (out->type) {
    case XT_F32: for (size_t i = 0; i < n; i++) ((float *)y)[i] = value; break;
    case XT_I32: for (size_t i = 0; i < n; i++) ((int32_t *)y)[i] = (int32_t)etch_f32_bits(value); break;
    case XT_F16: for (size_t i = 0; i < n; i++) ((uint16_t *)y)[i] = etch_f32_to_f16(value); break;
    case XT_BF16: for (size_t i = 0; i < n; i++) ((uint16_t *)y)[i] = etch_f32_to_bf16(value); break;
    default: memset(y, etch_xnn__quantize(out, value), n);
    }
}

void etch_xnn__run_moves(etch_xnn_cx *cx, const etch_xnn_node *first)
{
    if (cx->dry) return;
    const etch_xnn_chain *c = &cx->x->chains[first->chain_at];
    const etch_xnn_value *in = etch_xnn__in(cx, first, 0), *out = etch_xnn__out(cx, first + first->chain - 1, 0);
    int64_t elem = (int64_t)etch_xnn__elem(in->type), step = elem;
    box b = { .from = in->data, .to = etch_xnn__mut(out), .rank = c->n_moved, .run = (size_t)elem };
    for (int i = c->n_moved - 1; i >= 0; i--) {
        b.dims[i] = c->moved[i];
        b.s[i] = c->moved_stride[i] * elem;
        b.d[i] = step;
        step *= b.dims[i];
    }
    copy_box(cx->x, &b);
}

void etch_xnn__run_move(etch_xnn_cx *cx, const etch_xnn_node *n)
{
    if (cx->dry) return;
    const etch_xnn_value *in = etch_xnn__in(cx, n, 0), *out = etch_xnn__out(cx, n, 0);
    size_t elem = etch_xnn__elem(in->type);
    box b = { .from = in->data, .to = etch_xnn__mut(out), .rank = in->rank, .run = elem };
    int64_t from[ETCH_XNN_RANK], to[ETCH_XNN_RANK];
    etch_xnn__strides(in, (int64_t)elem, from);
    etch_xnn__strides(out, (int64_t)elem, to);
    switch ((etch_xnn_kind)n->row->kind) {
    case XK_RESHAPE: case XK_COPY:
        if (out->data != in->data) memcpy(b.to, b.from, (size_t)in->numel * elem);
        return;
    case XK_TRANSPOSE:
        for (int i = 0; i < in->rank; i++) {
            b.dims[i] = out->dims[i];
            b.s[i] = from[n->p[i]];
            b.d[i] = to[i];
        }
        copy_box(cx->x, &b);
        return;
    case XK_SLICE: case XK_PAD:
        if (n->row->kind == XK_PAD) fill(out, n->alpha);
        for (int i = 0; i < in->rank; i++) {
            b.dims[i] = n->row->kind == XK_PAD ? in->dims[i] : out->dims[i];
            b.s[i] = from[i];
            b.d[i] = to[i];
            if (n->row->kind == XK_PAD) b.to += n->p[i] * to[i];
            else b.from += n->p[i] * from[i];
        }
        copy_box(cx->x, &b);
        return;
    case XK_CAT: {
        int axis = n->axis < 0 ? n->axis + in->rank : n->axis;
        for (int k = 0; k < n->n_in; k++) {
            const etch_xnn_value *v = etch_xnn__in(cx, n, k);
            box c = { .from = v->data, .to = b.to, .rank = v->rank, .run = elem };
            memcpy(c.dims, v->dims, sizeof c.dims);
            memcpy(c.d, to, sizeof c.d);
            etch_xnn__strides(v, (int64_t)elem, c.s);
            copy_box(cx->x, &c);
            b.to += v->dims[axis] * to[axis];
        }
        return;
    }
    default: return;
    }
}
