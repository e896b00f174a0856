// In: nodes with present sizes. Out: chains (rt/xnn_chain.h).
//
// A chain starts at a node whose result gives it its sizes, and takes in the nodes that follow while each works on rows of these sizes. Every
// value is a view: for each of its dims the axis of the first result that it runs along, and the row, part of a row or number that holds it.
// Reshapes, transposes of outer dims and slices of rows are views only; they cost a copy when someone outside the chain reads them.
#include "rt/xnn_chain.h"

#include <stdlib.h>

typedef struct view {
    int stamp;                        // of the chain that sees it
    bool is_made;                     // by a node of the chain, else read from memory
    bool is_seen;                     // made, and somebody outside the chain reads it
    bool in_memory;                   // base is memory that the chain only reads
    int8_t axis[ETCH_XNN_RANK];       // -1: a dim of size 1
    int base;                         // the value whose row this is, or a part of
    int64_t offset, len;              // elements
    int64_t stride[ETCH_XNN_RANK];    // in memory, by axis
    int until, reg;                   // of a base: the last node of the chain that needs its row; its register
} view;

typedef struct { int32_t value, reg; int64_t offset, len, step, stride[ETCH_XNN_RANK]; } wide_ref;   // step: of a register's rows
typedef struct { const etch_xnn_node *n; int n_in; wide_ref in[ETCH_XNN_CHAIN_INS], out; } wide_step;

typedef struct {
    etch_xnn *x;
    view *views;                      // by value
    int *last_reader;                 // by value: node, -1
    int stamp, first, end;            // nodes [first, end)
    int rank, row;                    // of the first result; its axis of rows: the last dim that is not 1
    int64_t dims[ETCH_XNN_RANK], rows;
    wide_step steps[ETCH_XNN_CHAIN_NODES];
    int n_steps, n_regs, reg_until[ETCH_XNN_CHAIN_NODES];
    int64_t n;                        // elements of a register
} finder;

static bool is_alias(const etch_xnn_node *n) { return n->row->kind == XK_RESHAPE || n->row->kind == XK_COPY; }
static bool is_move(const etch_xnn_node *n) { return is_alias(n) || n->row->kind == XK_TRANSPOSE || n->row->kind == XK_SLICE; }

static void natural(const etch_xnn_value *v, int64_t *stride)
{
    int64_t s = 1;
    for (int k = v->rank - 1; k >= 0; k--) {
        stride[k] = s;
        s *= v->dims[k];
    }
}

// ---- which nodes belong together

// Axes, memory and length of a value in memory whose dims run along `axis`. False: its rows are not contiguous there.
static bool view_memory(const finder *f, int value, const int8_t *axis, const int64_t *stride, int64_t offset, view *w)
{
    const etch_xnn_value *v = &f->x->values[value];
    *w = (view){ .stamp = f->stamp, .in_memory = true, .base = value, .offset = offset, .len = 1 };
    for (int k = 0; k < v->rank; k++) {
        w->axis[k] = axis[k];
        if (axis[k] < 0) continue;
        w->stride[axis[k]] = stride[k];
        if (axis[k] == f->row) w->len = v->dims[k];
        if (axis[k] == f->row && stride[k] != 1) return false;
    }
    return true;
}

// The view of an operand; values from outside that have the sizes of the first result get one. NULL: it does not fit.
static view *see(finder *f, int value)
{
    view *w = &f->views[value];
    if (w->stamp == f->stamp) return w;
    const etch_xnn_value *v = &f->x->values[value];
    if (v->type != XT_F32 || v->rank != f->rank || memcmp(v->dims, f->dims, sizeof *f->dims * (size_t)f->rank)) return NULL;
    int8_t axis[ETCH_XNN_RANK];
    int64_t stride[ETCH_XNN_RANK];
    natural(v, stride);
    for (int k = 0; k < v->rank; k++) axis[k] = (int8_t)(v->dims[k] == 1 ? -1 : k);
    return view_memory(f, value, axis, stride, 0, w) ? w : NULL;
}

// Does a value with these axes run along every outer axis once, in the chain's sizes?
static bool covers(const finder *f, const etch_xnn_value *v, const int8_t *axis)
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

// A result of the chain: a row of its own (base < 0), or a view of another's.
static bool make(finder *f, int value, const int8_t *axis, int64_t len, const view *of, int64_t offset)
{
    const etch_xnn_value *v = &f->x->values[value];
    view *w = &f->views[value];
    if (v->type != XT_F32 || !covers(f, v, axis)) return false;
    if (of) *w = *of;
    else *w = (view){ .stamp = f->stamp, .base = value };
    w->is_made = true;
    w->is_seen = false;
    w->offset = offset;
    w->len = len;
    memcpy(w->axis, axis, sizeof w->axis);
    return true;
}

// Where memory is written the last dim that is not 1 must be the row's, if there is a row.
static bool ends_in_row(const finder *f, const etch_xnn_value *v, const int8_t *axis)
{
    int last = -1;
    for (int k = 0; k < v->rank; k++)
        if (axis[k] >= 0) last = axis[k] == f->row ? k : last < 0 ? last : -2;
    return last != -2;
}

// An operand beside a result with these axes, aligned at the last dim.
static bool fits_beside(const finder *f, int value, const etch_xnn_value *out, const int8_t *axis, int64_t len, view *w)
{
    const etch_xnn_value *v = &f->x->values[value];
    int8_t own[ETCH_XNN_RANK];
    int64_t stride[ETCH_XNN_RANK];
    if (v->type != XT_F32 || v->rank > out->rank) return false;
    const view *known = f->views[value].stamp == f->stamp ? &f->views[value] : NULL;
    for (int k = 0; k < v->rank; k++) {
        own[k] = (int8_t)(v->dims[k] == 1 ? -1 : axis[k + out->rank - v->rank]);
        if (v->dims[k] != 1 && own[k] < 0) return false;
        if (known && known->axis[k] != own[k]) return false;
    }
    if (known) {
        *w = *known;
    } else {
        natural(v, stride);
        if (!view_memory(f, value, own, stride, 0, w)) return false;
    }
    return w->len == len || w->len == 1;
}

static bool admit_binary(finder *f, const etch_xnn_node *n)
{
    const etch_xnn_value *out = &f->x->values[n->out[0]];
    int8_t axis[ETCH_XNN_RANK];
    int64_t len = 1;
    bool is_like_first = out->rank == f->rank && !memcmp(out->dims, f->dims, sizeof *f->dims * (size_t)f->rank);
    for (int k = 0; k < out->rank; k++) {
        axis[k] = -1;
        if (out->dims[k] == 1) continue;
        for (int i = 0; i < 2 && axis[k] < 0; i++) {
            const view *w = see(f, n->in[i]);
            int at = k - (out->rank - f->x->values[n->in[i]].rank);
            if (w && at >= 0) axis[k] = w->axis[at];
        }
        if (axis[k] < 0 && is_like_first) axis[k] = (int8_t)k;
        if (axis[k] < 0) return false;
        if (axis[k] == f->row) len = out->dims[k];
    }
    view beside;
    for (int i = 0; i < 2; i++)
        if (!fits_beside(f, n->in[i], out, axis, len, &beside)) return false;
    return ends_in_row(f, out, axis) && make(f, n->out[0], axis, len, NULL, 0);
}

// The mean over two dims of which one is the row and the other 1.
static bool admit_mean(finder *f, const etch_xnn_node *n)
{
    const etch_xnn_value *in = &f->x->values[n->in[0]], *out = &f->x->values[n->out[0]];
    const view *w = &f->views[n->in[0]];
    int r = in->rank;
    if (w->stamp != f->stamp || w->axis[r - 1] >= 0 || w->len < 2) return false;
    if ((w->axis[r - 3] == f->row ? w->axis[r - 2] : w->axis[r - 2] == f->row ? w->axis[r - 3] : 0) != -1) return false;
    int8_t axis[ETCH_XNN_RANK] = { 0 };
    for (int k = 0; k < out->rank; k++) axis[k] = k < r - 3 ? w->axis[k] : (int8_t)-1;
    return make(f, n->out[0], axis, 1, NULL, 0);
}

// The same elements in the same order: other dims of size 1.
static bool admit_reshape(finder *f, const etch_xnn_node *n)
{
    const etch_xnn_value *in = &f->x->values[n->in[0]], *out = &f->x->values[n->out[0]];
    const view *w = &f->views[n->in[0]];
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

static bool admit_transpose(finder *f, const etch_xnn_node *n, bool is_first)
{
    const etch_xnn_value *in = &f->x->values[n->in[0]], *out = &f->x->values[n->out[0]];
    int8_t axis[ETCH_XNN_RANK] = { 0 };
    view *w = &f->views[n->in[0]];
    if (is_first) {
        int64_t stride[ETCH_XNN_RANK];
        natural(in, stride);
        for (int k = 0; k < out->rank; k++) axis[n->p[k]] = (int8_t)(out->dims[k] == 1 ? -1 : k);
        if (in->type != XT_F32 || !view_memory(f, n->in[0], axis, stride, 0, w)) return false;
    }
    if (w->stamp != f->stamp) return false;
    for (int k = 0; k < out->rank; k++) axis[k] = w->axis[n->p[k]];
    return ends_in_row(f, out, axis) && make(f, n->out[0], axis, w->len, w, w->offset);
}

// A part of each row; the first node may take a part of any dim of memory.
static bool admit_slice(finder *f, const etch_xnn_node *n, bool is_first)
{
    const etch_xnn_value *in = &f->x->values[n->in[0]], *out = &f->x->values[n->out[0]];
    int8_t axis[ETCH_XNN_RANK] = { 0 };
    int64_t stride[ETCH_XNN_RANK], offset = 0;
    view *w = &f->views[n->in[0]];
    natural(in, stride);
    if (is_first) {
        for (int k = 0; k < out->rank; k++) {
            axis[k] = (int8_t)(out->dims[k] == 1 ? -1 : k);
            offset += n->p[k] * stride[k];
        }
        view from;
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
static bool admit_cat(finder *f, const etch_xnn_node *n)
{
    const etch_xnn_value *out = &f->x->values[n->out[0]];
    int d = n->axis < 0 ? n->axis + out->rank : n->axis;
    int8_t axis[ETCH_XNN_RANK] = { 0 };
    if (n->n_in > ETCH_XNN_CHAIN_INS) return false;
    for (int i = 0; i < n->n_in; i++) {
        const view *w = &f->views[n->in[i]];
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
static bool admit_quantize(finder *f, const etch_xnn_node *n)
{
    const etch_xnn_value *in = &f->x->values[n->in[0]], *out = &f->x->values[n->out[0]];
    const view *w = see(f, n->in[0]);
    int before = -1;
    if (!w || out->type != XT_QDINT8 || w->len < 2 || etch_xnn__n_rows(out) != f->rows) return false;
    for (int k = 0; k < in->rank; k++) {
        if (w->axis[k] < 0) continue;
        if (w->axis[k] < before) return false;
        before = w->axis[k];
    }
    return before == f->row && covers(f, in, w->axis);
}

static bool admit(finder *f, const etch_xnn_node *n, bool is_first)
{
    switch ((etch_xnn_kind)n->row->kind) {
    case XK_UNARY: case XK_CLAMP: {
        const view *w = see(f, n->in[0]);
        return w && ends_in_row(f, &f->x->values[n->out[0]], w->axis) && make(f, n->out[0], w->axis, w->len, NULL, 0);
    }
    case XK_BINARY: return f->x->values[n->out[0]].type == XT_F32 && admit_binary(f, n);
    case XK_GLOBALAVG: return !is_first && admit_mean(f, n);
    case XK_RESHAPE: case XK_COPY: return !is_first && admit_reshape(f, n);
    case XK_TRANSPOSE: return admit_transpose(f, n, is_first);
    case XK_SLICE: return admit_slice(f, n, is_first);
    case XK_CAT: return !is_first && admit_cat(f, n);
    case XK_CONVERT: return !is_first && admit_quantize(f, n);
    default: return false;
    }
}

static bool begin(finder *f, int first)
{
    const etch_xnn_value *lead = &f->x->values[f->x->nodes[first].out[0]];
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

// ---- what each step reads and writes

static void mark_seen(finder *f)
{
    for (int j = f->end - 1; j >= f->first; j--) {
        const etch_xnn_node *n = &f->x->nodes[j];
        const etch_xnn_value *out = &f->x->values[n->out[0]];
        view *w = &f->views[n->out[0]];
        if (n->row->kind == XK_CONVERT) continue;
        if (out->where != XV_INTERNAL || f->last_reader[n->out[0]] >= f->end) w->is_seen = true;
        view *in = &f->views[n->in[0]];
        if (w->is_seen && is_alias(n) && out->where == XV_INTERNAL && in->is_made) in->is_seen = true;   // it shares the memory
    }
    for (int j = f->first; j < f->end; j++) {
        const etch_xnn_node *n = &f->x->nodes[j];
        for (int i = 0; i < n->n_in; i++) {
            const view *w = &f->views[n->in[i]];
            if (w->stamp == f->stamp && f->views[w->base].stamp == f->stamp) f->views[w->base].until = j;
        }
        const view *out = &f->views[n->out[0]];
        if (n->row->kind != XK_CONVERT && out->is_seen && f->views[out->base].stamp == f->stamp) f->views[out->base].until = j;
    }
}

static wide_ref memory_of(const finder *f, int value, const view *w)
{
    const etch_xnn_value *v = &f->x->values[value];
    wide_ref r = { .value = value, .reg = -1, .len = w->len };
    int64_t stride[ETCH_XNN_RANK];
    natural(v, stride);
    for (int k = 0; k < v->rank; k++)
        if (w->axis[k] >= 0) r.stride[w->axis[k]] = stride[k];
    return r;
}

static wide_ref ref_of(const finder *f, const view *w)
{
    const view *base = &f->views[w->base];
    wide_ref r = { .value = w->base, .reg = -1 };
    if (w->in_memory) {
        memcpy(r.stride, w->stride, sizeof r.stride);
    } else if (base->is_seen) {
        r = memory_of(f, w->base, base);
    } else {
        r.value = -1;
        r.reg = base->reg;
        r.step = base->len;
    }
    r.offset = w->offset;
    r.len = w->len;
    return r;
}

// A register for node j's result: a free one, or one whose row this node reads for the last time, element by element.
static int take_reg(finder *f, int j, const wide_step *s, bool is_elementwise)
{
    for (int i = 0; i < f->n_regs; i++) {
        bool is_free = f->reg_until[i] < j || (f->reg_until[i] == j && is_elementwise);
        for (int k = 0; k < s->n_in && is_free; k++)
            if (s->in[k].reg == i && (s->in[k].offset || s->in[k].len != s->out.len || s->in[k].step != s->out.len)) is_free = false;
        if (is_free) return i;
    }
    return f->n_regs++;
}

static void add_step(finder *f, int j)
{
    const etch_xnn_node *n = &f->x->nodes[j];
    const etch_xnn_value *out = &f->x->values[n->out[0]];
    view *w = &f->views[n->out[0]];
    bool is_quantize = n->row->kind == XK_CONVERT;
    if (is_move(n) && (!w->is_seen || (is_alias(n) && out->where == XV_INTERNAL))) return;
    wide_step *s = &f->steps[f->n_steps++];
    *s = (wide_step){ .n = n, .n_in = n->n_in };
    s->out.len = is_quantize ? f->views[n->in[0]].len : w->len;
    s->out.reg = s->out.value = -1;
    for (int i = 0; i < n->n_in; i++) {
        view beside = f->views[n->in[i]];
        if (n->row->kind == XK_BINARY) fits_beside(f, n->in[i], out, w->axis, w->len, &beside);
        s->in[i] = ref_of(f, is_move(n) ? w : &beside);
    }
    if (is_quantize) {
        s->out.value = n->out[0];
    } else if (w->is_seen) {
        s->out = memory_of(f, n->out[0], w);
    } else {
        bool is_elementwise = n->row->kind == XK_UNARY || n->row->kind == XK_CLAMP || n->row->kind == XK_BINARY;
        w->reg = s->out.reg = take_reg(f, j, s, is_elementwise);
        s->out.step = w->len;
        f->reg_until[w->reg] = w->until;
        f->n = w->len > f->n ? w->len : f->n;
    }
}

// ---- the chain for the present sizes

static wide_ref *ref_at(finder *f, int i)
{
    wide_step *s = &f->steps[i / (ETCH_XNN_CHAIN_INS + 1)];
    int k = i % (ETCH_XNN_CHAIN_INS + 1);
    if (k == ETCH_XNN_CHAIN_INS) return s->out.value >= 0 && s->n->row->kind != XK_CONVERT ? &s->out : NULL;
    return k < s->n_in && s->in[k].value >= 0 ? &s->in[k] : NULL;
}

// Joins outer axes that all memory runs through without a gap. False: too many are left.
static bool join_axes(finder *f, etch_xnn_chain *c, int *axes)
{
    c->n_axes = 0;
    for (int a = 0; a < f->rank; a++) {
        if (a == f->row || f->dims[a] == 1) continue;
        bool joins = c->n_axes > 0;
        for (int i = 0; joins && i < f->n_steps * (ETCH_XNN_CHAIN_INS + 1); i++) {
            const wide_ref *r = ref_at(f, i);
            if (r && r->stride[axes[c->n_axes - 1]] != r->stride[a] * f->dims[a]) joins = false;
        }
        if (joins) {
            axes[c->n_axes - 1] = a;
            c->dims[c->n_axes - 1] *= f->dims[a];
            continue;
        }
        if (c->n_axes == ETCH_XNN_CHAIN_AXES) return false;
        axes[c->n_axes] = a;
        c->dims[c->n_axes++] = f->dims[a];
    }
    return true;
}

// Elements in all when any cut will do, else 0.
static int64_t flat_size(finder *f, const etch_xnn_chain *c, const int *axes)
{
    int64_t n = f->dims[f->row];
    if (c->n_axes > 1) return 0;
    for (int i = 0; i < f->n_steps; i++) {
        const wide_step *s = &f->steps[i];
        if (s->n->row->kind != XK_UNARY && s->n->row->kind != XK_CLAMP && s->n->row->kind != XK_BINARY) return 0;
        for (int k = 0; k <= s->n_in; k++) {
            const wide_ref *r = k < s->n_in ? &s->in[k] : &s->out;
            int64_t step = c->n_axes && r->value >= 0 ? r->stride[axes[0]] : 0;
            bool is_whole = r->len == n && r->offset == 0 && (r->value < 0 || !c->n_axes || step == n);
            if (!is_whole && !(k < s->n_in && r->len == 1 && r->value >= 0 && step == 0)) return 0;
        }
    }
    return n * f->rows;
}

static etch_xnn_ref narrow(const wide_ref *r, const etch_xnn_chain *c, const int *axes)
{
    etch_xnn_ref out = { .value = r->value, .reg = r->reg, .offset = (int32_t)r->offset, .len = (int32_t)r->len, .step = (int32_t)r->step };
    for (int a = 0; a < c->n_axes; a++) out.stride[a] = (int32_t)r->stride[axes[a]];
    if (r->value >= 0 && c->n_axes) out.step = out.stride[c->n_axes - 1];
    return out;
}

// Nodes of the chain that begins at `first`, which is written to *c; 1: it runs alone.
static int find(finder *f, int first, etch_xnn_chain *c)
{
    etch_xnn *x = f->x;
    if (!begin(f, first)) return 1;
    for (f->end = first; f->end < x->n_nodes && f->end - first < ETCH_XNN_CHAIN_NODES; f->end++) {
        const etch_xnn_node *n = &x->nodes[f->end];
        if (n->act || n->n_out != 1 || x->values[n->out[0]].numel > INT32_MAX || x->values[n->in[0]].numel > INT32_MAX) break;
        if (!admit(f, n, f->end == first)) break;
    }
    // What ends in moves gains nothing by them.
    while (f->end > first && is_move(&x->nodes[f->end - 1]) && x->nodes[f->end - 1].row->kind != XK_TRANSPOSE) f->end--;
    int work = 0;
    for (int j = first; j < f->end; j++) work += !is_alias(&x->nodes[j]);
    if (work < 2) return 1;
    f->n_steps = f->n_regs = 0;
    f->n = 0;
    mark_seen(f);
    for (int j = first; j < f->end; j++) add_step(f, j);
    int axes[ETCH_XNN_RANK];
    *c = (etch_xnn_chain){ .n_nodes = f->end - first, .n_steps = f->n_steps, .n_regs = f->n_regs, .rows = f->rows, .n = f->n, .steps = c->steps };
    if (!f->n_steps || !join_axes(f, c, axes)) return 1;
    c->flat = flat_size(f, c, axes);
    int64_t n = f->dims[f->row];
    if (!c->flat && (n < 8 || (f->rows == 1 && n > 32768))) return 1;   // calls would cost more than they save; one thread would do all
    if (c->flat) c->n = ETCH_XNN_CHAIN_BLOCK;
    c->block = c->flat || !c->n_axes || c->n * 2 > ETCH_XNN_CHAIN_BLOCK ? 1 : ETCH_XNN_CHAIN_BLOCK / (c->n ? c->n : n);
    if (c->n_axes && c->block > c->dims[c->n_axes - 1]) c->block = c->dims[c->n_axes - 1];
    for (int i = 0; i < f->n_steps; i++) {
        const wide_step *s = &f->steps[i];
        etch_xnn_step *to = &c->steps[i];
        *to = (etch_xnn_step){ .n = s->n, .n_in = s->n_in, .out = narrow(&s->out, c, axes) };
        for (int k = 0; k < s->n_in; k++) to->in[k] = narrow(&s->in[k], c, axes);
    }
    for (int j = first; j < f->end; j++) {
        int out = x->nodes[j].out[0];
        x->values[out].is_hidden = x->nodes[j].row->kind != XK_CONVERT && !f->views[out].is_seen;
    }
    return c->n_nodes;
}

void etch_xnn__find_chains(etch_xnn *x)
{
    for (int i = 0; i < x->n_values; i++) x->values[i].is_hidden = false;
    for (int i = 0; i < x->n_nodes; i++) x->nodes[i].chain = 1;
    x->n_chains = 0;
    if (x->ties) return;   // they are numbered in the order of the file's nodes
    finder f = { .x = x };
    f.views = calloc((size_t)x->n_values + 1, sizeof *f.views);
    f.last_reader = malloc(((size_t)x->n_values + 1) * sizeof *f.last_reader);
    etch_xnn_step *steps = x->steps;
    for (int i = 0; f.last_reader && i < x->n_values; i++) f.last_reader[i] = -1;
    for (int i = 0; f.last_reader && i < x->n_nodes; i++)
        for (int j = 0; j < x->nodes[i].n_in; j++)
            if (x->nodes[i].in[j] >= 0) f.last_reader[x->nodes[i].in[j]] = i;
    for (int i = 0; f.views && f.last_reader && i < x->n_nodes;) {
        etch_xnn_chain *c = &x->chains[x->n_chains];
        c->steps = steps;
        int n = find(&f, i, c);
        if (n > 1) {
            for (int j = i; j < i + n; j++) x->nodes[j].chain = 0;
            x->nodes[i].chain = n;
            x->nodes[i].chain_at = x->n_chains++;
            steps += c->n_steps;
        }
        i += n;
    }
    free(f.views);
    free(f.last_reader);
}
