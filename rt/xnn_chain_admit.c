// In: nodes with present sizes. Out: those that belong to a chain, and how each value of it lies to the chain's rows (xnn_chain_find.h).
#include "rt/xnn_chain_find.h"

// Axes, memory and length of a value in memory whose dims run along `axis`. False: its rows are not contiguous there.
static bool view_memory(const etch_xnn_finder *f, int value, const int8_t *axis, const int64_t *stride, int64_t offset, etch_xnn_view *w)
{
    const etch_xnn_value *v = &f->x->values[value];
    *w = (etch_xnn_view){ .stamp = f->stamp, .in_memory = true, .base = value, .offset = offset, .len = 1 };
    for (int k = 0; k < v->rank; k++) {
        w->axis[k] = axis[k];
        if (axis[k] < 0) continue;
        w->stride[axis[k]] = stride[k];
        if (axis[k] == f->row) w->len = v->dims[k];
        if (axis[k] == f->row && stride[k] != 1) w->stamp = 0;
    }
    return w->stamp == f->stamp;
}

// The view of an operand; values from outside that have the sizes of the first result get one. NULL: it does not fit.
static etch_xnn_view *see(etch_xnn_finder *f, int value)
{
    etch_xnn_view *w = &f->views[value];
    if (w->stamp == f->stamp) return w;
    const etch_xnn_value *v = &f->x->values[value];
    if (v->type != XT_F32 || v->rank != f->rank || memcmp(v->dims, f->dims, sizeof *f->dims * (size_t)f->rank)) return NULL;
    int8_t axis[ETCH_XNN_RANK];
    int64_t stride[ETCH_XNN_RANK];
    etch_xnn__strides(v, 1, stride);
    for (int k = 0; k < v->rank; k++) axis[k] = (int8_t)(v->dims[k] == 1 ? -1 : k);
    return view_memory(f, value, axis, stride, 0, w) ? w : NULL;
}

// Does a value with these axes run along every outer axis once, in the chain's sizes?
static bool covers(const etch_xnn_finder *f, const etch_xnn_value *v, const int8_t *axis)
{
    unsigned met = 0;
    for (int k = 0; k < v->rank; k++) {
        if (axis[k] < 0) continue;
        if ((met & 1u << axis[k]) || (axis[k] != f->row && v->dims[k] != f->dims[axis[k]])) return false;
        met |= 1u << axis[k];
    }
    for (int a = 0; a < f->rank; a++)
        if (a != f->row && f->dims[a] != 1 && !(met & 1u << a)) return false;
    return true;
}

// A result of the chain: a row of its own, or a view of another's.
static bool make(etch_xnn_finder *f, int value, const int8_t *axis, int64_t len, const etch_xnn_view *of, int64_t offset)
{
    const etch_xnn_value *v = &f->x->values[value];
    etch_xnn_view *w = &f->views[value];
    if (v->type != XT_F32 || !covers(f, v, axis)) return false;
    if (of) *w = *of;
    else *w = (etch_xnn_view){ .stamp = f->stamp, .base = value };
    w->is_made = true;
    w->is_seen = false;
    w->offset = offset;
    w->len = len;
    memcpy(w->axis, axis, sizeof w->axis);
    return true;
}

// Where memory is written the last dim that is not 1 must be the row's, if there is a row.
static bool ends_in_row(const etch_xnn_finder *f, const etch_xnn_value *v, const int8_t *axis)
{
    int last = -1;
    for (int k = 0; k < v->rank; k++)
        if (axis[k] >= 0) last = axis[k] == f->row ? k : last < 0 ? last : -2;
    return last != -2;
}

bool etch_xnn__beside(const etch_xnn_finder *f, int value, const etch_xnn_value *out, const int8_t *axis, int64_t len, etch_xnn_view *w)
{
    const etch_xnn_value *v = &f->x->values[value];
    int8_t own[ETCH_XNN_RANK];
    int64_t stride[ETCH_XNN_RANK];
    if (v->type != XT_F32 || v->rank > out->rank) return false;
    const etch_xnn_view *known = f->views[value].stamp == f->stamp ? &f->views[value] : NULL;
    for (int k = 0; k < v->rank; k++) {
        own[k] = (int8_t)(v->dims[k] == 1 ? -1 : axis[k + out->rank - v->rank]);
        if (v->dims[k] != 1 && own[k] < 0) return false;
        if (known && known->axis[k] != own[k]) return false;
    }
    if (known) {
        *w = *known;
    } else {
        etch_xnn__strides(v, 1, stride);
        if (!view_memory(f, value, own, stride, 0, w)) return false;
    }
    return w->len == len || w->len == 1;
}

static bool admit_binary(etch_xnn_finder *f, const etch_xnn_node *n)
{
    const etch_xnn_value *out = &f->x->values[n->out[0]];
    int8_t axis[ETCH_XNN_RANK];
    int64_t len = 1;
    bool is_like_first = out->rank == f->rank && !memcmp(out->dims, f->dims, sizeof *f->dims * (size_t)f->rank);
    for (int k = 0; k < out->rank; k++) {
        axis[k] = -1;
        if (out->dims[k] == 1) continue;
        for (int i = 0; i < 2 && axis[k] < 0; i++) {
            const etch_xnn_view *w = see(f, n->in[i]);
            int at = k - (out->rank - f->x->values[n->in[i]].rank);
            if (w && at >= 0) axis[k] = w->axis[at];
        }
        if (axis[k] < 0 && is_like_first) axis[k] = (int8_t)k;
        if (axis[k] < 0) return false;
        if (axis[k] == f->row) len = out->dims[k];
    }
    etch_xnn_view beside;
    for (int i = 0; i < 2; i++) {
        if (!etch_xnn__beside(f, n->in[i], out, axis, len, &beside)) return false;
        // A value that the result may replace (xnn_plan.c) is read in this way from now on.
        if (f->x->values[n->in[i]].numel == out->numel) f->views[n->in[i]] = beside;
    }
    return ends_in_row(f, out, axis) && make(f, n->out[0], axis, len, NULL, 0);
}

// The mean over two dims of which one is the row and the other 1.
static bool admit_mean(etch_xnn_finder *f, const etch_xnn_node *n, bool is_first)
{
    const etch_xnn_value *in = &f->x->values[n->in[0]], *out = &f->x->values[n->out[0]];
    const etch_xnn_view *w = is_first ? see(f, n->in[0]) : &f->views[n->in[0]];
    int r = in->rank;
    if (!w || w->stamp != f->stamp || w->axis[r - 1] >= 0 || w->len < 2) return false;
    if ((w->axis[r - 3] == f->row ? w->axis[r - 2] : w->axis[r - 2] == f->row ? w->axis[r - 3] : 0) != -1) return false;
    int8_t axis[ETCH_XNN_RANK] = { 0 };
    for (int k = 0; k < out->rank; k++) axis[k] = k < r - 3 ? w->axis[k] : (int8_t)-1;
    return make(f, n->out[0], axis, 1, NULL, 0);
}

// The same elements in the same order: other dims of size 1.
static bool admit_reshape(etch_xnn_finder *f, const etch_xnn_node *n)
{
    const etch_xnn_value *in = &f->x->values[n->in[0]], *out = &f->x->values[n->out[0]];
    const etch_xnn_view *w = &f->views[n->in[0]];
    if (w->stamp != f->stamp) return false;
    int8_t axis[ETCH_XNN_RANK] = { 0 };
    int at = 0;
    for (int k = 0; k < out->rank; k++) {
        axis[k] = -1;
        if (out->dims[k] == 1) continue;
        while (at < in->rank && in->dims[at] == 1) at++;
        if (at == in->rank || in->dims[at] != out->dims[k]) return false;
        axis[k] = w->axis[at++];
    }
    return make(f, n->out[0], axis, w->len, w, w->offset);
}

static bool admit_transpose(etch_xnn_finder *f, const etch_xnn_node *n, bool is_first)
{
    const etch_xnn_value *in = &f->x->values[n->in[0]], *out = &f->x->values[n->out[0]];
    int8_t axis[ETCH_XNN_RANK] = { 0 };
    etch_xnn_view *w = &f->views[n->in[0]];
    if (is_first) {
        int64_t stride[ETCH_XNN_RANK];
        etch_xnn__strides(in, 1, stride);
        for (int k = 0; k < out->rank; k++) axis[n->p[k]] = (int8_t)(out->dims[k] == 1 ? -1 : k);
        if (in->type != XT_F32 || !view_memory(f, n->in[0], axis, stride, 0, w)) return false;
    }
    if (w->stamp != f->stamp) return false;
    for (int k = 0; k < out->rank; k++) axis[k] = w->axis[n->p[k]];
    return ends_in_row(f, out, axis) && make(f, n->out[0], axis, w->len, w, w->offset);
}

// A part of each row; the first node may take a part of any dim of memory.
static bool admit_slice(etch_xnn_finder *f, const etch_xnn_node *n, bool is_first)
{
    const etch_xnn_value *in = &f->x->values[n->in[0]], *out = &f->x->values[n->out[0]];
    int8_t axis[ETCH_XNN_RANK] = { 0 };
    int64_t stride[ETCH_XNN_RANK], offset = 0;
    etch_xnn_view *w = &f->views[n->in[0]];
    etch_xnn__strides(in, 1, stride);
    if (is_first) {
        for (int k = 0; k < out->rank; k++) {
            axis[k] = (int8_t)(out->dims[k] == 1 ? -1 : k);
            offset += n->p[k] * stride[k];
        }
        etch_xnn_view from;
        if (in->type != XT_F32 || !view_memory(f, n->in[0], axis, stride, offset, &from)) return false;
        from.len = out->dims[f->row];
        return make(f, n->out[0], axis, from.len, &from, offset);
    }
    if (w->stamp != f->stamp) return false;
    for (int k = 0; k < out->rank; k++) {
        axis[k] = out->dims[k] == 1 ? (int8_t)-1 : w->axis[k];
        if (w->axis[k] == f->row) offset = n->p[k];
        else if (out->dims[k] != in->dims[k]) return false;
    }
    int64_t len = w->len == 1 ? 1 : 0;
    for (int k = 0; k < out->rank && !len; k++)
        if (w->axis[k] == f->row) len = out->dims[k];
    return len && make(f, n->out[0], axis, len, w, w->offset + offset);
}

// Rows from parts of rows.
static bool admit_cat(etch_xnn_finder *f, const etch_xnn_node *n)
{
    const etch_xnn_value *out = &f->x->values[n->out[0]];
    int d = n->axis < 0 ? n->axis + out->rank : n->axis;
    int8_t axis[ETCH_XNN_RANK] = { 0 };
    if (n->n_in > ETCH_XNN_CHAIN_INS) return false;
    for (int i = 0; i < n->n_in; i++) {
        const etch_xnn_view *w = &f->views[n->in[i]];
        if (w->stamp != f->stamp || (w->axis[d] != f->row && f->x->values[n->in[i]].dims[d] != 1)) return false;
        for (int k = 0; k < out->rank; k++) {
            if (k == d) continue;
            if (i && axis[k] != w->axis[k]) return false;
            axis[k] = w->axis[k];
        }
    }
    axis[d] = (int8_t)(out->dims[d] == 1 ? -1 : f->row);
    return ends_in_row(f, out, axis) && make(f, n->out[0], axis, out->dims[d], NULL, 0);
}

// Rows of the first result, in its order, each with a scale of its own.
static bool admit_quantize(etch_xnn_finder *f, const etch_xnn_node *n)
{
    const etch_xnn_value *in = &f->x->values[n->in[0]], *out = &f->x->values[n->out[0]];
    const etch_xnn_view *w = see(f, n->in[0]);
    int before = -1;
    if (!w || out->type != XT_QDINT8 || w->len < 2 || etch_xnn__n_rows(out) != f->rows) return false;
    for (int k = 0; k < in->rank; k++) {
        if (w->axis[k] < 0) continue;
        if (w->axis[k] < before) return false;
        before = w->axis[k];
    }
    return before == f->row && covers(f, in, w->axis);
}

bool etch_xnn__admit(etch_xnn_finder *f, const etch_xnn_node *n, bool is_first)
{
    switch ((etch_xnn_kind)n->row->kind) {
    case XK_UNARY: case XK_CLAMP: {
        const etch_xnn_view *w = see(f, n->in[0]);
        return w && ends_in_row(f, &f->x->values[n->out[0]], w->axis) && make(f, n->out[0], w->axis, w->len, NULL, 0);
    }
    case XK_BINARY: return f->x->values[n->out[0]].type == XT_F32 && admit_binary(f, n);
    case XK_GLOBALAVG: return admit_mean(f, n, is_first);
    case XK_RESHAPE: case XK_COPY: return !is_first && admit_reshape(f, n);
    case XK_TRANSPOSE: return admit_transpose(f, n, is_first);
    case XK_SLICE: return admit_slice(f, n, is_first);
    case XK_CAT: return !is_first && admit_cat(f, n);
    case XK_CONVERT: return !is_first && admit_quantize(f, n);
    default: return false;
    }
}

bool etch_xnn__begin_chain(etch_xnn_finder *f, int first)
{
    const etch_xnn_node *n = &f->x->nodes[first];
    const etch_xnn_value *lead = &f->x->values[n->row->kind == XK_GLOBALAVG ? n->in[0] : n->out[0]];
    f->stamp++;
    f->first = first;
    f->rank = lead->rank;
    f->row = -1;
    if (lead->type != XT_F32 || lead->numel < 2 || lead->numel > INT32_MAX) return false;
    memcpy(f->dims, lead->dims, sizeof f->dims);
    for (int k = 0; k < f->rank; k++)
        if (f->dims[k] != 1) f->row = k;
    f->rows = lead->numel / f->dims[f->row];
    return true;
}
