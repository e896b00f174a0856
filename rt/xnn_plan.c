// In: sizes of all values. Out: a place in the workspace for each internal one; values that are never alive together share memory.
//
// A reshape or copy between values that no kernel writes again shares its operand's memory; an elementwise node whose operand dies takes
// that operand's place. Places are found by one walk over the nodes with a list of free gaps (best fit).
#include "rt/xnn.h"

#include <stdlib.h>

size_t etch_xnn__value_bytes(const etch_xnn_value *v)
{
    size_t n = (size_t)v->numel * etch_xnn__elem(v->type);
    if (v->type == XT_QDINT8) n = etch_align_up(n, 64) + (size_t)etch_xnn__n_rows(v) * sizeof(etch_xnn_rowq);
    return etch_align_up(n + 1, 64);
}

int64_t etch_xnn__n_rows(const etch_xnn_value *v)
{
    int64_t n = 1;
    for (int i = 0; i < v->rank - v->nonbatch; i++) n *= v->dims[i];
    return n;
}

size_t etch_xnn__rows_to_skip(const etch_xnn_value *v)
{
    if (!v->is_last_row_enough || v->rank < 2 || !v->numel) return 0;
    for (int i = 0; i < v->rank - 2; i++)
        if (v->dims[i] != 1) return 0;
    return (size_t)v->dims[v->rank - 2] - 1;
}

static bool same_dims(const etch_xnn_value *a, const etch_xnn_value *b)
{
    return a->rank == b->rank && !memcmp(a->dims, b->dims, sizeof *a->dims * (size_t)a->rank);
}

// May the output overwrite operand i while it is computed?
static bool allows_in_place(const etch_xnn *x, const etch_xnn_node *n, int i)
{
    const etch_xnn_value *in = &x->values[n->in[i]], *out = &x->values[n->out[0]];
    if (out->where != XV_INTERNAL || in->type != out->type || !same_dims(in, out)) return false;
    switch ((etch_xnn_kind)n->row->kind) {
    case XK_UNARY: case XK_CLAMP: case XK_SOFTMAX: return true;
    case XK_BINARY: return true;   // the other operand lies elsewhere or has the same elements in the same order
    default: return false;
    }
}

// Roots and lifetimes; independent of sizes.
static void lifetimes(etch_xnn *x)
{
    for (int i = 0; i < x->n_values; i++) {
        x->values[i].root = i;
        x->values[i].last = -1;
    }
    // The nodes of a chain take turns row by row: what one of them touches lives until all are done.
    for (int i = 0, until = 0; i < x->n_nodes; i++) {
        etch_xnn_node *n = &x->nodes[i];
        if (n->chain) until = i + n->chain - 1;
        for (int j = 0; j < n->n_in; j++)
            if (n->in[j] >= 0) {
                etch_xnn_value *root = &x->values[x->values[n->in[j]].root];
                root->last = until;
                root->last_read = i;
            }
        for (int j = 0; j < n->n_out; j++) x->values[n->out[j]].last = until;
        bool moves_nothing = n->row->kind == XK_RESHAPE || n->row->kind == XK_COPY;
        if (moves_nothing && x->values[n->out[0]].where == XV_INTERNAL) x->values[n->out[0]].root = x->values[n->in[0]].root;
    }
}

typedef struct { size_t at, len; } gap;
typedef struct { gap *gaps; int n; size_t top; } heap;

static size_t place(heap *h, size_t len)
{
    int best = -1;
    for (int i = 0; i < h->n; i++)
        if (h->gaps[i].len >= len && (best < 0 || h->gaps[i].len < h->gaps[best].len)) best = i;
    if (best >= 0) {
        size_t at = h->gaps[best].at;
        h->gaps[best].at += len;
        h->gaps[best].len -= len;
        if (!h->gaps[best].len) {
            memmove(h->gaps + best, h->gaps + best + 1, sizeof *h->gaps * (size_t)(h->n - best - 1));
            h->n--;
        }
        return at;
    }
    // A gap at the end grows.
    size_t at = h->top;
    if (h->n && h->gaps[h->n - 1].at + h->gaps[h->n - 1].len == h->top) at = h->gaps[--h->n].at;
    h->top = at + len;
    return at;
}

static void give_back(heap *h, size_t at, size_t len)
{
    int i = h->n;
    while (i > 0 && h->gaps[i - 1].at > at) i--;
    bool joins_left = i > 0 && h->gaps[i - 1].at + h->gaps[i - 1].len == at;
    bool joins_right = i < h->n && at + len == h->gaps[i].at;
    if (joins_left && joins_right) {
        h->gaps[i - 1].len += len + h->gaps[i].len;
        memmove(h->gaps + i, h->gaps + i + 1, sizeof *h->gaps * (size_t)(h->n - i - 1));
        h->n--;
    } else if (joins_left) {
        h->gaps[i - 1].len += len;
    } else if (joins_right) {
        h->gaps[i].at = at;
        h->gaps[i].len += len;
    } else {
        memmove(h->gaps + i + 1, h->gaps + i, sizeof *h->gaps * (size_t)(h->n - i));
        h->gaps[i] = (gap){ at, len };
        h->n++;
    }
}

// Result `which` of node i; `until`: the last node of its chain.
static void take_over_or_place(etch_xnn *x, heap *h, etch_xnn_node *n, int i, int until, int which)
{
    etch_xnn_value *out = &x->values[n->out[which]];
    if (out->where != XV_INTERNAL || out->root != n->out[which]) return;
    out->bytes = out->is_hidden ? 0 : etch_xnn__value_bytes(out);
    if (out->is_hidden) return;
    for (int j = 0; j < n->n_in && which == 0; j++) {
        etch_xnn_value *root = n->in[j] >= 0 ? &x->values[x->values[n->in[j]].root] : NULL;
        // A chain reads a row of it in one way only (xnn_chain.c), so the last node that does may write there.
        if (!root || root->where != XV_INTERNAL || root->last != until || root->last_read != i || root->bytes != out->bytes ||
            !allows_in_place(x, n, j)) continue;
        n->in_place = j;
        out->offset = root->offset;
        root->last = -2;   // its place has a new owner
        return;
    }
    out->offset = place(h, out->bytes);
}

static void free_dead(etch_xnn *x, heap *h, int v, int i)
{
    etch_xnn_value *root = &x->values[x->values[v].root];
    if (root->where != XV_INTERNAL || root->is_hidden || root->last != i) return;
    give_back(h, root->offset, root->bytes);
    root->last = -2;
}

// What a chain, nodes first to last, was the last to touch.
static void free_all(etch_xnn *x, heap *h, int first, int last)
{
    for (int i = first; i <= last; i++) {
        const etch_xnn_node *n = &x->nodes[i];
        for (int j = 0; j < n->n_in; j++)
            if (n->in[j] >= 0) free_dead(x, h, n->in[j], last);
        for (int j = 0; j < n->n_out; j++) free_dead(x, h, n->out[j], last);
    }
}

static etch_status *count_scratch(etch_xnn *x)
{
    x->scratch = 0;
    for (int i = 0; i < x->n_nodes; i++) {
        etch_xnn_cx cx = { .x = x, .dry = true };
        if (!x->nodes[i].chain) continue;
        ETCH_TRY(etch_xnn__run_node(&cx, &x->nodes[i]));
        if (cx.used > x->scratch) x->scratch = cx.used;
    }
    return NULL;
}

etch_status *etch_xnn__plan(etch_xnn *x)
{
    lifetimes(x);
    heap h = { 0 };
    h.gaps = malloc(sizeof *h.gaps * ((size_t)x->n_values + 1));
    if (!h.gaps) return ETCH_ERR(ETCH_NO_MEMORY, "out of memory");
    for (int i = 0, first = 0, until = 0; i < x->n_nodes; i++) {
        etch_xnn_node *n = &x->nodes[i];
        if (n->chain) {
            first = i;
            until = i + n->chain - 1;
        }
        n->in_place = -1;
        n->planned_chain = n->chain;
        for (int j = 0; j < n->n_out; j++) take_over_or_place(x, &h, n, i, until, j);
        if (i == until) free_all(x, &h, first, i);
    }
    x->workspace = h.top;
    free(h.gaps);
    x->is_planned = true;
    return count_scratch(x);
}

bool etch_xnn__fits(const etch_xnn *x)
{
    if (!x->is_planned) return false;
    for (int i = 0; i < x->n_nodes; i++)
        if (x->nodes[i].chain != x->nodes[i].planned_chain) return false;
    for (int i = 0; i < x->n_values; i++) {
        const etch_xnn_value *v = &x->values[i];
        if (v->where == XV_INTERNAL && v->defined && !v->is_hidden && v->root == i && etch_xnn__value_bytes(v) > v->bytes) return false;
    }
    for (int i = 0; i < x->n_nodes; i++)
        if (x->nodes[i].in_place >= 0 && !allows_in_place(x, &x->nodes[i], x->nodes[i].in_place)) return false;
    size_t planned = x->scratch;
    for (int i = 0; i < x->n_nodes; i++) {
        etch_xnn_cx cx = { .x = (etch_xnn *)(uintptr_t)x, .dry = true };
        if (!x->nodes[i].chain) continue;
        etch_status *s = etch_xnn__run_node(&cx, &x->nodes[i]);
        if (s || cx.used > planned) {
            etch_status_ignore(s);
            return false;
        }
    }
    return true;
}
