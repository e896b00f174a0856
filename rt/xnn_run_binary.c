// In: two operands that broadcast. Out: their sum, product, ... The dimensions are merged as far as both operands allow; the innermost one
// is a row for the kernels.
#include "rt/xnn.h"

#include <math.h>

typedef struct {
    int rank;
    int64_t dims[ETCH_XNN_RANK], a[ETCH_XNN_RANK], b[ETCH_XNN_RANK];   // sizes and element strides, outermost first; stride 0: broadcast
} pairing;

static pairing pair(const etch_xnn_value *a, const etch_xnn_value *b, const etch_xnn_value *out)
{
    pairing p = { 0 };
    int64_t sa = 1, sb = 1;
    // From the innermost outwards; stored reversed first.
    for (int i = out->rank - 1; i >= 0; i--) {
        int ia = i + a->rank - out->rank, ib = i + b->rank - out->rank;
        int64_t d = out->dims[i], da = ia >= 0 ? a->dims[ia] : 1, db = ib >= 0 ? b->dims[ib] : 1;
        if (d == 1) continue;
        int64_t xa = da == 1 ? 0 : sa, xb = db == 1 ? 0 : sb;
        sa *= da;
        sb *= db;
        int r = p.rank;
        // Merges with the dimension inside when both operands go on there (or repeat there).
        if (r && xa == p.a[r - 1] * p.dims[r - 1] && xb == p.b[r - 1] * p.dims[r - 1]) {
            p.dims[r - 1] *= d;
            continue;
        }
        p.dims[r] = d;
        p.a[r] = xa;
        p.b[r] = xb;
        p.rank++;
    }
    if (!p.rank) {
        p.dims[0] = 1;
        p.rank = 1;
    }
    for (int i = 0, j = p.rank - 1; i < j; i++, j--) {
        int64_t t;
        t = p.dims[i], p.dims[i] = p.dims[j], p.dims[j] = t;
        t = p.a[i], p.a[i] = p.a[j], p.a[j] = t;
        t = p.b[i], p.b[i] = p.b[j], p.b[j] = t;
    }
    return p;
}

typedef void row_fn(void *user, size_t a, size_t a_step, size_t b, size_t b_step, size_t y, size_t n);
typedef struct { const pairing *p; row_fn *fn; void *user; } rows;

// Elements [from, to) of one row, when there is only one.
static void one_row(void *user, size_t from, size_t to)
{
    const rows *r = user;
    size_t a = (size_t)r->p->a[0], b = (size_t)r->p->b[0];
    r->fn(r->user, a * from, a, b * from, b, from, to - from);
}

static void some_rows(void *user, size_t from, size_t to)
{
    const rows *r = user;
    const pairing *p = r->p;
    int last = p->rank - 1;
    size_t n = (size_t)p->dims[last];
    for (size_t i = from; i < to; i++) {
        size_t rest = i, a = 0, b = 0;
        for (int d = last - 1; d >= 0; d--) {
            size_t at = rest % (size_t)p->dims[d];
            rest /= (size_t)p->dims[d];
            a += at * (size_t)p->a[d];
            b += at * (size_t)p->b[d];
        }
        r->fn(r->user, a, (size_t)p->a[last], b, (size_t)p->b[last], i * n, n);
    }
}

static void for_rows(etch_xnn *x, const etch_xnn_value *a, const etch_xnn_value *b, const etch_xnn_value *out, row_fn *fn, void *user)
{
    if (!out->numel) return;
    pairing p = pair(a, b, out);
    rows r = { &p, fn, user };
    size_t n = (size_t)p.dims[p.rank - 1];
    if (p.rank == 1) etch_xnn__spans(x, n, 16384, one_row, &r);
    else etch_xnn__spans(x, (size_t)out->numel / n, 16384 / n + 1, some_rows, &r);
}

typedef struct { const etch_ew_kernels *ew; const etch_xnn_node *n; const float *a, *b; float *y; } floats;

static void float_row(void *user, size_t a, size_t a_step, size_t b, size_t b_step, size_t y, size_t n)
{
    const floats *f = user;
    f->ew->binary((etch_ew_binary)f->n->row->op, f->a + a, a_step, f->b + b, b_step, f->n->lo, f->n->hi, f->y + y, n);
}

// 8-bit sums in fixed point (20 fraction bits below the larger factor) and products in fp32, as the official kernels compute them.
typedef struct {
    const uint8_t *a, *b;
    uint8_t *y;
    bool is_signed, is_product;
    int32_t za, zb, zy, lo, hi;
    int64_t fa, fb, bias;
    int shift;
    float scale;
} bytes;

static void byte_row(void *user, size_t a, size_t a_step, size_t b, size_t b_step, size_t y, size_t n)
{
    const bytes *q = user;
    for (size_t i = 0; i < n; i++) {
        int32_t u = q->is_signed ? (int8_t)q->a[a + i * a_step] : q->a[a + i * a_step];
        int32_t v = q->is_signed ? (int8_t)q->b[b + i * b_step] : q->b[b + i * b_step];
        int64_t r;
        if (q->is_product) {
            float f = (float)((u - q->za) * (v - q->zb)) * q->scale, lo = (float)(q->lo - q->zy), hi = (float)(q->hi - q->zy);
            r = lrintf(f < lo ? lo : f > hi ? hi : f) + q->zy;
        } else {
            r = ((q->bias + u * q->fa + v * q->fb) >> q->shift) + q->zy;
        }
        q->y[y + i] = (uint8_t)(r < q->lo ? q->lo : r > q->hi ? q->hi : r);
    }
}

static bool byte_params(const etch_xnn_value *a, const etch_xnn_value *b, const etch_xnn_value *out, const etch_xnn_node *n, bytes *q)
{
    *q = (bytes){ .a = a->data, .b = b->data, .y = etch_xnn__mut(out), .is_signed = a->type == XT_QINT8, .za = a->zero_point,
                  .zb = b->zero_point, .zy = out->zero_point, .lo = etch_xnn__quantize(out, n->lo), .hi = etch_xnn__quantize(out, n->hi) };
    if (n->row->op == ETCH_EW_MUL) {
        q->is_product = true;
        q->scale = a->scale * b->scale / out->scale;
        return true;
    }
    if (n->row->op != ETCH_EW_ADD && n->row->op != ETCH_EW_SUB) return false;
    float ra = a->scale / out->scale, rb = b->scale / out->scale;
    float top = ra > rb ? ra : rb;
    // The official runtime takes ratios in [2^-10, 2^8); others go through fp32.
    if (!(top >= 0x1p-10f && top < 0x1p+8f)) return false;
    q->shift = 20 - ilogbf(top);
    q->fa = lrintf(ldexpf(ra, q->shift));
    q->fb = lrintf(ldexpf(rb, q->shift));
    if (n->row->op == ETCH_EW_SUB) q->fb = -q->fb;
    q->bias = ((int64_t)1 << (q->shift - 1)) - q->fa * q->za - q->fb * q->zb;
    return true;
}

void etch_xnn__run_binary(etch_xnn_cx *cx, const etch_xnn_node *n)
{
    const etch_xnn_value *a = etch_xnn__in(cx, n, 0), *b = etch_xnn__in(cx, n, 1), *out = etch_xnn__out(cx, n, 0);
    bytes q;
    if ((out->type == XT_QINT8 || out->type == XT_QUINT8) && byte_params(a, b, out, n, &q)) {
        if (!cx->dry) for_rows(cx->x, a, b, out, byte_row, &q);
        return;
    }
    floats f = { cx->x->ew, n, etch_xnn__floats(cx, a), NULL, NULL };
    f.b = etch_xnn__floats(cx, b);
    f.y = etch_xnn__float_out(cx, out);
    if (cx->dry) return;
    for_rows(cx->x, a, b, out, float_row, &f);
    etch_xnn__store(cx, out, f.y);
}
