// Rule of xnn_fuse.c: softmax(scale * q k^T + mask) v  ->  one step, whose scores never lie in memory (kern/attention).
//
// In: nodes  s = bmm(q, k); [s *= constant]; [s += mask]; p = softmax(s); y = bmm(p, v)  in fp32, with reshapes that split or join the
// leading dimensions between them. Out: one node in the place of the last. Transpositions, such reshapes and constant factors before q, k
// and v and after y become strides and a scale. Scores that anyone else reads forbid it, and so does a reshape whose rows cannot be proved
// to stay.
#include <math.h>

#include "rt/xnn.h"
#include "rt/xnn_attention.h"

#define MAX_ABSORBED 24
#define MAX_DEPTH 8

typedef struct {
    etch_xnn *x;
    etch_xnn_attention a;
    int base[4];                       // q, k, v, mask (-1: none)
    int out;
    int absorbed[MAX_ABSORBED], n_absorbed;   // nodes whose results only this reads
    int walked[3 * MAX_ABSORBED], n_walked;   // nodes before q, k, v: gone when nobody else reads them
} match;

static const etch_xnn_value *value_of(const match *m, int v) { return &m->x->values[v]; }
static const etch_xnn_node *node_of(const match *m, int i) { return &m->x->nodes[i]; }

static int producer(const etch_xnn *x, int value)
{
    if (x->values[value].where == XV_CONST || x->values[value].where == XV_INPUT) return -1;
    for (int i = x->n_nodes - 1; i >= 0; i--)
        for (int o = 0; o < x->nodes[i].n_out; o++)
            if (x->nodes[i].out[o] == value) return i;
    return -1;
}

static int larger(int a, int b) { return a > b ? a : b; }

// Rank of a value; 0: unknown. What the file says of values from outside is a hint, which the step's shape rule checks.
static int rank_of(const etch_xnn *x, int value, int depth)
{
    int i = producer(x, value);
    if (i < 0) return x->values[value].rank;
    const etch_xnn_node *n = &x->nodes[i];
    if (depth == MAX_DEPTH) return 0;
    switch ((etch_xnn_kind)n->row->kind) {
    case XK_RESHAPE: case XK_TRANSPOSE: return n->n_dims;
    case XK_UNARY: case XK_CLAMP: case XK_SOFTMAX: case XK_COPY: case XK_CONVERT: case XK_FC: return rank_of(x, n->in[0], depth + 1);
    case XK_BINARY: case XK_BMM: return larger(rank_of(x, n->in[0], depth + 1), rank_of(x, n->in[1], depth + 1));
    default: return 0;
    }
}

static int64_t joined(int64_t a, int64_t b) { return a > 1 ? a : b > 1 ? b : a && b; }

// Size of a dimension, counted from the last, that holds in every call; 0: unknown. (Of inputs, a bound of one: the step checks it.)
static int64_t size_of(const etch_xnn *x, int value, int dim, int depth)
{
    const etch_xnn_value *v = &x->values[value];
    if (v->where == XV_CONST) return dim < v->rank ? v->dims[v->rank - 1 - dim] : 1;
    int i = producer(x, value);
    if (i < 0) return dim >= v->rank || v->declared[v->rank - 1 - dim] == 1;   // what is at most one
    if (depth == MAX_DEPTH) return 0;
    const etch_xnn_node *n = &x->nodes[i];
    int at = n->n_dims - 1 - dim;
    switch ((etch_xnn_kind)n->row->kind) {
    case XK_RESHAPE: return at < 0 ? 0 : n->p[at];
    case XK_TRANSPOSE: return at < 0 ? 0 : size_of(x, n->in[0], n->n_dims - 1 - (int)n->p[at], depth + 1);
    case XK_UNARY: case XK_CLAMP: case XK_SOFTMAX: case XK_COPY: case XK_CONVERT: return size_of(x, n->in[0], dim, depth + 1);
    case XK_BINARY: return joined(size_of(x, n->in[0], dim, depth + 1), size_of(x, n->in[1], dim, depth + 1));
    case XK_FC: return dim ? size_of(x, n->in[0], dim, depth + 1) : size_of(x, n->in[1], !(n->flags & XF_TRANSPOSE), depth + 1);
    case XK_BMM:
        if (dim == 0) return size_of(x, n->in[1], n->flags & XF_TRANSPOSE ? 1 : 0, depth + 1);
        if (dim == 1) return size_of(x, n->in[0], 1, depth + 1);
        return joined(size_of(x, n->in[0], dim, depth + 1), size_of(x, n->in[1], dim, depth + 1));
    default: return 0;
    }
}

// A reshape between [b, h, rows, columns] and [b * h, rows, columns]: rows and columns are proved to stay. Gives h.
static bool regroups(const etch_xnn *x, const etch_xnn_node *n, int from, int to, int64_t *heads)
{
    if (n->row->kind != XK_RESHAPE || n->n_dims != to || rank_of(x, n->in[0], 0) != from) return false;
    for (int dim = 0; dim < 2; dim++) {
        int64_t size = n->p[to - 1 - dim];
        if (!size || size_of(x, n->in[0], dim, 0) != size) return false;
    }
    *heads = from == 4 ? size_of(x, n->in[0], 2, 0) : n->p[1];
    return *heads > 0;
}

static bool agrees(match *m, int64_t heads)
{
    if (m->a.heads && m->a.heads != heads) return false;
    m->a.heads = heads;
    return true;
}

static bool absorb(match *m, int node)
{
    if (m->n_absorbed == MAX_ABSORBED) return false;
    m->absorbed[m->n_absorbed++] = node;
    return true;
}

// Multiplication (or division) by a constant: the other operand, or -1.
static int scaled(const match *m, const etch_xnn_node *n, float *scale)
{
    bool divides = n->row->op == ETCH_EW_DIV;
    if (n->row->kind != XK_BINARY || (n->row->op != ETCH_EW_MUL && !divides) || n->lo != -INFINITY || n->hi != INFINITY) return -1;
    for (int i = 1; i >= (divides ? 1 : 0); i--) {
        const etch_xnn_value *c = value_of(m, n->in[i]);
        if (c->where != XV_CONST || c->numel != 1 || c->type != XT_F32 || value_of(m, n->in[!i])->where == XV_CONST) continue;
        if (c->rank > 1 && c->rank > rank_of(m->x, n->in[!i], 0)) continue;
        float f;
        memcpy(&f, c->data, sizeof f);
        *scale *= divides ? 1.0f / f : f;
        return n->in[!i];
    }
    return -1;
}

// How rows and columns of an operand lie in an earlier value. `is_turned`: they are given as [columns, rows].
static bool trace_operand(match *m, int value, int rank, bool is_turned, int which)
{
    etch_xnn_axes at = { .rank = rank, .dim = { 0, 1, 2, 3 } }, best = { 0 };
    if (rank_of(m->x, value, 0) != rank) return false;
    if (is_turned) {
        at.dim[rank - 1] = (uint8_t)(rank - 2);
        at.dim[rank - 2] = (uint8_t)(rank - 1);
    }
    float scale = 1, best_scale = 1;
    int64_t heads = 0;
    for (int steps = 0; steps < MAX_ABSORBED; steps++) {
        if (at.dim[at.rank - 1] == at.rank - 1 && (!at.is_flat || agrees(m, heads))) {
            best = at;
            best_scale = scale;
            m->base[which] = value;
        }
        int i = producer(m->x, value);
        if (i < 0) break;
        const etch_xnn_node *n = node_of(m, i);
        int other = which < 2 ? scaled(m, n, &scale) : -1;
        if (other >= 0) {
            value = other;
        } else if (n->row->kind == XK_COPY) {
            value = n->in[0];
        } else if (n->row->kind == XK_TRANSPOSE && n->n_dims == at.rank) {
            for (int d = 0; d < at.rank; d++) at.dim[d] = (uint8_t)n->p[at.dim[d]];
            value = n->in[0];
        } else if (at.rank == 3 && at.dim[0] == 0 && regroups(m->x, n, 4, 3, &heads)) {
            at = (etch_xnn_axes){ 4, { 0, 1, (uint8_t)(at.dim[1] + 1), (uint8_t)(at.dim[2] + 1) }, true };
            value = n->in[0];
        } else {
            break;
        }
        m->walked[m->n_walked++] = i;
    }
    if (!best.rank) return false;
    m->a.scale *= best_scale;
    *(which == 0 ? &m->a.q : which == 1 ? &m->a.k : &m->a.v) = best;
    return true;
}

// From scores back to the product that makes them: its node, or -1.
static int trace_scores(match *m, int value, bool allow_mask)
{
    int i = producer(m->x, value);
    if (i < 0 || etch_xnn__only_reader(m->x, value) < 0 || value_of(m, value)->type != XT_F32 || !absorb(m, i)) return -1;
    const etch_xnn_node *n = node_of(m, i);
    if (n->row->kind == XK_BMM) return i;
    int64_t heads;
    if (regroups(m->x, n, 3, 4, &heads)) {
        if (m->a.is_split || !agrees(m, heads)) return -1;
        m->a.is_split = true;
        return trace_scores(m, n->in[0], allow_mask);
    }
    int other = scaled(m, n, &m->a.scale);
    if (other >= 0) return trace_scores(m, other, false);
    if (!allow_mask || n->row->kind != XK_BINARY || n->row->op != ETCH_EW_ADD || n->lo != -INFINITY || n->hi != INFINITY) return -1;
    int space = rank_of(m->x, value, 0);
    for (int s = 0; s < 2; s++) {
        const match before = *m;
        int mask = n->in[!s], mask_rank = rank_of(m->x, mask, 0), found = trace_scores(m, n->in[s], false);
        if (found >= 0 && mask_rank > 0 && mask_rank <= space && rank_of(m->x, n->in[s], 0) == space) {
            m->base[3] = mask;
            m->a.mask_rank = space;
            return found;
        }
        *m = before;
    }
    return -1;
}

// From the last product on to where its result is wanted.
static bool trace_result(match *m, int value, int rank)
{
    etch_xnn_axes at = { .rank = rank, .dim = { 0, 1, 2, 3 } };
    int n_best = m->n_absorbed;
    m->a.out = at;
    m->out = value;
    for (int i; (i = etch_xnn__only_reader(m->x, value)) >= 0;) {
        const etch_xnn_node *n = node_of(m, i);
        int64_t heads;
        if (value_of(m, n->out[0])->type != XT_F32 || !absorb(m, i)) break;
        if (n->row->kind == XK_TRANSPOSE && n->n_dims == at.rank) {
            etch_xnn_axes from = at;
            for (int d = 0; d < at.rank; d++)
                for (int o = 0; o < at.rank; o++)
                    if (n->p[o] == from.dim[d]) at.dim[d] = (uint8_t)o;
        } else if (at.rank == 3 && at.dim[0] == 0 && at.dim[1] == 1 && regroups(m->x, n, 3, 4, &heads) && agrees(m, heads)) {
            at = (etch_xnn_axes){ 4, { 0, 1, 2, 3 }, true };
        } else if (n->row->kind != XK_COPY) {
            break;
        }
        value = n->out[0];
        if (at.dim[at.rank - 1] != at.rank - 1) continue;
        n_best = m->n_absorbed;
        m->a.out = at;
        m->out = value;
    }
    m->n_absorbed = n_best;
    return true;
}

static bool is_wanted(const match *m, int softmax, int *product)
{
    const etch_xnn_node *n = node_of(m, softmax);
    if (n->row->kind != XK_SOFTMAX) return false;
    *product = etch_xnn__only_reader(m->x, n->out[0]);
    return *product >= 0 && value_of(m, n->out[0])->type == XT_F32;
}

static bool find(match *m, int softmax, int *last)
{
    int product, value = node_of(m, softmax)->out[0];
    if (!is_wanted(m, softmax, &product) || !absorb(m, softmax)) return false;
    int scores = trace_scores(m, node_of(m, softmax)->in[0], true);
    if (scores < 0) return false;
    int64_t heads;
    if (m->a.is_split) {
        if (!regroups(m->x, node_of(m, product), 4, 3, &heads) || !agrees(m, heads) || !absorb(m, product)) return false;
        value = node_of(m, product)->out[0];
        product = etch_xnn__only_reader(m->x, value);
        if (product < 0) return false;
    }
    const etch_xnn_node *qk = node_of(m, scores), *pv = node_of(m, product);
    int rank = rank_of(m->x, qk->out[0], 0);
    if (pv->row->kind != XK_BMM || pv->in[0] != value || (rank != 3 && rank != 4) || value_of(m, pv->out[0])->type != XT_F32) return false;
    *last = product;
    return trace_operand(m, qk->in[0], rank, false, 0) && trace_operand(m, qk->in[1], rank, !(qk->flags & XF_TRANSPOSE), 1) &&
           trace_operand(m, pv->in[1], rank, pv->flags & XF_TRANSPOSE, 2) && trace_result(m, pv->out[0], rank);
}

static void drop(etch_xnn *x, int i)
{
    etch_xnn_node *n = &x->nodes[i];
    x->values[n->out[0]].defined = false;
    n->row = NULL;
    n->n_in = n->n_out = 0;
}

void etch_xnn__fuse_attention(etch_xnn *x, int i)
{
    static const etch_xnn_row attention = { "XNNBatchMatrixMultiply, XNNSoftmax", XK_ATTENTION, 0, 0 };
    match m = { .x = x, .a = { .scale = 1 }, .base = { -1, -1, -1, -1 } };
    int last;
    if (x->nodes[i].row->kind != XK_SOFTMAX || !find(&m, i, &last)) return;
    etch_xnn_attention *a = etch_arena_alloc(&x->arena, sizeof *a);
    if (!a) return;
    *a = m.a;
    etch_xnn_node *n = &x->nodes[last];
    x->values[n->out[0]].defined = false;
    *n = (etch_xnn_node){ .row = &attention, .n_in = m.base[3] < 0 ? 3 : 4, .out = { m.out }, .n_out = 1, .lo = -INFINITY, .hi = INFINITY,
                          .attention = a, .in_place = -1 };
    memcpy(n->in, m.base, sizeof m.base);
    for (int k = 0; k < m.n_absorbed; k++) drop(x, m.absorbed[k]);
    x->values[m.out].defined = true;
    // In the order of reading: a node is looked at after those that read it.
    for (int k = 0; k < m.n_walked; k++) {
        const etch_xnn_node *w = &x->nodes[m.walked[k]];
        int reader;
        if (w->row && x->values[w->out[0]].where == XV_INTERNAL && !etch_xnn__n_readers(x, w->out[0], &reader)) drop(x, m.walked[k]);
    }
    int kept = 0, from = i;
    for (int k = 0; k < x->n_nodes; k++) {
        if (k == last) from = kept;
        if (x->nodes[k].row) x->nodes[kept++] = x->nodes[k];
    }
    x->n_nodes = kept;
    // What has moved below i would be passed over.
    for (int k = from; k <= i && k < x->n_nodes; k++) etch_xnn__fuse_attention(x, k);
}
