// In: the sizes of external inputs and constants. Out: the sizes of every value, node by node, and the chains that they allow.
#include "rt/xnn_attention.h"
#include "rt/xnn_chain.h"

#define BAD(...) ETCH_ERR(ETCH_INVALID, __VA_ARGS__)

void etch_xnn__padding(const etch_xnn_node *n, int64_t h, int64_t w, int64_t oh, int64_t ow, int64_t *top, int64_t *left)
{
    const etch_xnn_window *g = &n->win;
    *top = g->pad_top;
    *left = g->pad_left;
    if (!(n->flags & XF_SAME) || n->row->kind == XK_DECONV) return;
    int64_t ph = (oh - 1) * g->sh + ((int64_t)g->kh - 1) * g->dh + 1 - h, pw = (ow - 1) * g->sw + ((int64_t)g->kw - 1) * g->dw + 1 - w;
    *top = ph > 0 ? ph / 2 : 0;
    *left = pw > 0 ? pw / 2 : 0;
}

// Positions of a window along one dimension; 0 when it does not fit.
static int64_t positions(int64_t size, int64_t pad, int64_t k, int64_t stride, int64_t dilation)
{
    int64_t span = (k - 1) * dilation + 1, padded = size + pad;
    return padded < span ? 0 : (padded - span) / stride + 1;
}

static etch_status *window_shape(const etch_xnn_node *n, const etch_xnn_value *in, int64_t channels, int64_t out[4])
{
    const etch_xnn_window *g = &n->win;
    if (in->rank != 4) return BAD("rank %d, not 4", in->rank);
    const int64_t *d = in->dims;
    out[0] = d[0];
    out[3] = channels;
    if (n->row->kind == XK_DECONV) {
        int64_t h = ((d[1] - 1) * g->sh + g->adj_h + ((int64_t)g->kh - 1) * g->dh + 1) - g->pad_top - g->pad_bottom;
        int64_t w = ((d[2] - 1) * g->sw + g->adj_w + ((int64_t)g->kw - 1) * g->dw + 1) - g->pad_left - g->pad_right;
        out[1] = d[1] && h > 0 ? h : 0;
        out[2] = d[2] && w > 0 ? w : 0;
    } else if (n->flags & XF_SAME) {
        out[1] = (d[1] + g->sh - 1) / g->sh;
        out[2] = (d[2] + g->sw - 1) / g->sw;
    } else {
        out[1] = positions(d[1], (int64_t)g->pad_top + g->pad_bottom, g->kh, g->sh, g->dh);
        out[2] = positions(d[2], (int64_t)g->pad_left + g->pad_right, g->kw, g->sw, g->dw);
    }
    if (out[1] < 1 || out[2] < 1)
        return BAD("a window of %u x %u does not fit %lld x %lld", g->kh, g->kw, (long long)d[1], (long long)d[2]);
    return NULL;
}

// Numpy broadcasting of the first `rank` dims of both.
static etch_status *broadcast(const int64_t *a, int ra, const int64_t *b, int rb, int64_t *out, int *out_rank)
{
    int r = ra > rb ? ra : rb;
    for (int i = 0; i < r; i++) {
        int64_t x = i + ra - r >= 0 ? a[i + ra - r] : 1, y = i + rb - r >= 0 ? b[i + rb - r] : 1;
        if (x != y && x != 1 && y != 1) return BAD("sizes %lld and %lld do not broadcast", (long long)x, (long long)y);
        out[i] = x == 1 ? y : x;
    }
    *out_rank = r;
    return NULL;
}

static etch_status *fc_shape(etch_xnn *x, const etch_xnn_node *n, int64_t *out, int *rank)
{
    const etch_xnn_value *in = &x->values[n->in[0]], *w = &x->values[n->in[1]];
    if (in->rank < 1 || w->rank != 2) return BAD("ranks %d and %d", in->rank, w->rank);
    int turned = n->flags & XF_TRANSPOSE;
    int64_t k = w->dims[!turned], channels = w->dims[turned];
    if (in->dims[in->rank - 1] != k) return BAD("rows of %lld, filter of %lld", (long long)in->dims[in->rank - 1], (long long)k);
    if (n->in[2] >= 0 && x->values[n->in[2]].numel != channels)
        return BAD("%lld biases for %lld channels", (long long)x->values[n->in[2]].numel, (long long)channels);
    memcpy(out, in->dims, sizeof in->dims);
    *rank = in->rank;
    out[in->rank - 1] = channels;
    return NULL;
}

static etch_status *bmm_shape(etch_xnn *x, const etch_xnn_node *n, int64_t *out, int *rank)
{
    const etch_xnn_value *a = &x->values[n->in[0]], *b = &x->values[n->in[1]];
    if (a->rank < 2 || b->rank < 2) return BAD("ranks %d and %d", a->rank, b->rank);
    int turned = n->flags & XF_TRANSPOSE;
    int64_t k = b->dims[b->rank - (turned ? 1 : 2)], cols = b->dims[b->rank - (turned ? 2 : 1)];
    if (a->dims[a->rank - 1] != k) return BAD("rows of %lld meet columns of %lld", (long long)a->dims[a->rank - 1], (long long)k);
    ETCH_TRY(broadcast(a->dims, a->rank - 2, b->dims, b->rank - 2, out, rank));
    out[(*rank)++] = a->dims[a->rank - 2];
    out[(*rank)++] = cols;
    return NULL;
}

static etch_status *reshape_shape(const etch_xnn_node *n, const etch_xnn_value *in, int64_t *out)
{
    int64_t known = 1;
    int hole = -1;
    for (int i = 0; i < n->n_dims; i++) {
        out[i] = n->p[i];
        if (!n->p[i]) hole = i;
        else if (!etch_mul_ok(known, n->p[i], &known)) return BAD("new sizes too large");
    }
    if (hole >= 0) {
        if (in->numel % known) return BAD("%lld elements do not divide by %lld", (long long)in->numel, (long long)known);
        out[hole] = in->numel / known;
    } else if (known != in->numel) {
        return BAD("%lld elements into %lld", (long long)in->numel, (long long)known);
    }
    return NULL;
}

static etch_status *cat_shape(etch_xnn *x, const etch_xnn_node *n, int64_t *out, int *rank)
{
    const etch_xnn_value *a = &x->values[n->in[0]];
    int axis = n->axis < 0 ? n->axis + a->rank : n->axis;
    if (axis < 0 || axis >= a->rank) return BAD("axis %d of rank %d", n->axis, a->rank);
    memcpy(out, a->dims, sizeof a->dims);
    *rank = a->rank;
    for (int i = 1; i < n->n_in; i++) {
        const etch_xnn_value *b = &x->values[n->in[i]];
        if (b->rank != a->rank) return BAD("ranks %d and %d", a->rank, b->rank);
        for (int d = 0; d < a->rank; d++)
            if (d != axis && b->dims[d] != a->dims[d]) return BAD("operands differ in dimension %d", d);
        out[axis] += b->dims[axis];
    }
    return NULL;
}

static etch_status *node_shape(etch_xnn *x, const etch_xnn_node *n)
{
    const etch_xnn_value *in = &x->values[n->in[0]];
    etch_xnn_value *out = &x->values[n->out[0]];
    int64_t d[ETCH_XNN_RANK];
    memcpy(d, in->dims, sizeof d);
    int rank = in->rank;
    const etch_xnn_window *g = &n->win;
    switch ((etch_xnn_kind)n->row->kind) {
    case XK_UNARY: case XK_CLAMP: case XK_COPY: break;
    case XK_CONVERT:
        if (out->type == XT_QDINT8 && out->nonbatch > rank) return BAD("%d non-batch dimensions of rank %d", out->nonbatch, rank);
        break;
    case XK_SOFTMAX:
        if (rank < 1) return BAD("rank 0");
        break;
    case XK_BINARY: {
        const etch_xnn_value *b = &x->values[n->in[1]];
        ETCH_TRY(broadcast(in->dims, in->rank, b->dims, b->rank, d, &rank));
        break;
    }
    case XK_FC: ETCH_TRY(fc_shape(x, n, d, &rank)); break;
    case XK_BMM: ETCH_TRY(bmm_shape(x, n, d, &rank)); break;
    case XK_CONV: case XK_DECONV:
        ETCH_TRY(window_shape(n, in, (int64_t)g->groups * g->group_out, d));
        if (in->dims[3] != (int64_t)g->groups * g->group_in) return BAD("%lld input channels", (long long)in->dims[3]);
        break;
    case XK_DWCONV:
        ETCH_TRY(window_shape(n, in, (int64_t)g->groups * g->group_out, d));
        if (in->dims[3] != g->groups) return BAD("%lld input channels, not %u", (long long)in->dims[3], g->groups);
        break;
    case XK_AVGPOOL: case XK_MAXPOOL: ETCH_TRY(window_shape(n, in, rank == 4 ? in->dims[3] : 0, d)); break;
    case XK_ARGMAXPOOL:
        ETCH_TRY(window_shape(n, in, rank == 4 ? in->dims[3] : 0, d));
        ETCH_TRY(etch_xnn__set_dims(&x->values[n->out[1]], 4, d));
        break;
    case XK_GLOBALAVG:
        if (rank < 3) return BAD("rank %d", rank);
        if (n->flags & XF_KEEP_DIMS) {
            d[rank - 3] = d[rank - 2] = 1;
        } else {
            d[rank - 3] = d[rank - 1];
            rank -= 2;
        }
        break;
    case XK_RESIZE:
        if (rank != 4) return BAD("rank %d, not 4", rank);
        if (!d[1] || !d[2]) return BAD("an empty image");
        d[1] = n->p[0];
        d[2] = n->p[1];
        break;
    case XK_TRANSPOSE:
        if (n->n_dims != rank) return BAD("%d dimensions of rank %d", n->n_dims, rank);
        for (int i = 0; i < rank; i++) d[i] = in->dims[n->p[i]];
        break;
    case XK_RESHAPE:
        ETCH_TRY(reshape_shape(n, in, d));
        rank = n->n_dims;
        break;
    case XK_CAT: ETCH_TRY(cat_shape(x, n, d, &rank)); break;
    case XK_SLICE:
        if (n->n_dims != rank) return BAD("%d offsets for rank %d", n->n_dims, rank);
        for (int i = 0; i < rank; i++) {
            if (n->p[i] > in->dims[i]) return BAD("offset %lld of %lld", (long long)n->p[i], (long long)in->dims[i]);
            // Size 0: the whole dimension; behind an offset the official runtime gives an empty result.
            d[i] = n->q[i] || n->p[i] ? n->q[i] : in->dims[i];
            if (n->p[i] + d[i] > in->dims[i])
                return BAD("[%lld, %lld) of %lld", (long long)n->p[i], (long long)(n->p[i] + d[i]), (long long)in->dims[i]);
        }
        break;
    case XK_PAD:
        if (n->n_dims != rank) return BAD("%d paddings for rank %d", n->n_dims, rank);
        for (int i = 0; i < rank; i++) d[i] += n->p[i] + n->q[i];
        break;
    case XK_ATTENTION: ETCH_TRY(etch_xnn__attention_shape(x, n, d, &rank)); break;
    case XK_SDPA: return BAD("not executable");
    }
    return etch_xnn__set_dims(out, rank, d);
}

void etch_xnn__strides(const etch_xnn_value *v, int64_t unit, int64_t *out)
{
    for (int i = v->rank - 1; i >= 0; i--) {
        out[i] = unit;
        unit *= v->dims[i];
    }
}

etch_status *etch_xnn__shape(etch_xnn *x)
{
    for (int i = 0; i < x->n_nodes; i++)
        ETCH_TRYF(node_shape(x, &x->nodes[i]), "XNNPACK node %d (%s)", i, x->nodes[i].row->name);
    etch_xnn__find_chains(x);
    return NULL;
}
