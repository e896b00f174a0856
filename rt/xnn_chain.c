// In: nodes with present sizes. Out: chains: which nodes run as one, and their steps (rt/xnn_chain.h).
#include "rt/xnn_chain_find.h"

#include <stdlib.h>

static bool is_alias(const etch_xnn_node *n) { return n->row->kind == XK_RESHAPE || n->row->kind == XK_COPY; }
static bool is_move(const etch_xnn_node *n) { return is_alias(n) || n->row->kind == XK_TRANSPOSE || n->row->kind == XK_SLICE; }

static bool is_elementwise(const etch_xnn_node *n)
{
    return n->row->kind == XK_UNARY || n->row->kind == XK_CLAMP || n->row->kind == XK_BINARY;
}

static void mark_seen(etch_xnn_finder *f)
{
    for (int j = f->end - 1; j >= f->first; j--) {
        const etch_xnn_node *n = &f->x->nodes[j];
        const etch_xnn_value *out = &f->x->values[n->out[0]];
        etch_xnn_view *w = &f->views[n->out[0]];
        if (n->row->kind == XK_CONVERT) continue;
        if (out->where != XV_INTERNAL || f->last_reader[n->out[0]] >= f->end) w->is_seen = true;
        etch_xnn_view *in = &f->views[n->in[0]];
        if (w->is_seen && is_alias(n) && out->where == XV_INTERNAL && in->is_made) in->is_seen = true;   // it shares the memory
    }
    for (int j = f->first; j < f->end; j++) {
        const etch_xnn_node *n = &f->x->nodes[j];
        for (int i = 0; i < n->n_in; i++) {
            const etch_xnn_view *w = &f->views[n->in[i]];
            if (w->stamp == f->stamp && f->views[w->base].stamp == f->stamp) f->views[w->base].until = j;
        }
        const etch_xnn_view *out = &f->views[n->out[0]];
        if (n->row->kind != XK_CONVERT && out->is_seen && f->views[out->base].stamp == f->stamp) f->views[out->base].until = j;
    }
}

static etch_xnn_wide_ref memory_of(const etch_xnn_finder *f, int value, const etch_xnn_view *w)
{
    const etch_xnn_value *v = &f->x->values[value];
    etch_xnn_wide_ref r = { .value = value, .reg = -1, .len = w->len };
    int64_t stride[ETCH_XNN_RANK];
    etch_xnn__strides(v, 1, stride);
    for (int k = 0; k < v->rank; k++)
        if (w->axis[k] >= 0) r.stride[w->axis[k]] = stride[k];
    return r;
}

static etch_xnn_wide_ref ref_of(const etch_xnn_finder *f, const etch_xnn_view *w)
{
    const etch_xnn_view *base = &f->views[w->base];
    etch_xnn_wide_ref r = { .value = w->base, .reg = -1 };
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
static int take_reg(etch_xnn_finder *f, int j, const etch_xnn_wide_step *s)
{
    for (int i = 0; i < f->n_regs; i++) {
        bool is_free = f->reg_until[i] < j || (f->reg_until[i] == j && is_elementwise(s->n));
        for (int k = 0; k < s->n_in && is_free; k++)
            if (s->in[k].reg == i && (s->in[k].offset || s->in[k].len != s->out.len || s->in[k].step != s->out.len)) is_free = false;
        if (is_free) return i;
    }
    return f->n_regs++;
}

static void add_step(etch_xnn_finder *f, int j)
{
    const etch_xnn_node *n = &f->x->nodes[j];
    const etch_xnn_value *out = &f->x->values[n->out[0]];
    etch_xnn_view *w = &f->views[n->out[0]];
    bool is_quantize = n->row->kind == XK_CONVERT;
    if (is_move(n) && (!w->is_seen || (is_alias(n) && out->where == XV_INTERNAL))) return;
    etch_xnn_wide_step *s = &f->steps[f->n_steps++];
    *s = (etch_xnn_wide_step){ .n = n, .n_in = n->n_in };
    s->out.len = is_quantize ? f->views[n->in[0]].len : w->len;
    s->out.reg = s->out.value = -1;
    for (int i = 0; i < n->n_in; i++) {
        etch_xnn_view beside = f->views[n->in[i]];
        if (n->row->kind == XK_BINARY) etch_xnn__beside(f, n->in[i], out, w->axis, w->len, &beside);
        s->in[i] = ref_of(f, is_move(n) ? w : &beside);
    }
    if (is_quantize) {
        s->out.value = n->out[0];
    } else if (w->is_seen) {
        s->out = memory_of(f, n->out[0], w);
    } else {
        w->reg = s->out.reg = take_reg(f, j, s);
        s->out.step = w->len;
        f->reg_until[w->reg] = w->until;
        f->n = w->len > f->n ? w->len : f->n;
    }
}

// ---- the chain for the present sizes

static etch_xnn_wide_ref *ref_at(etch_xnn_finder *f, int i)
{
    etch_xnn_wide_step *s = &f->steps[i / (ETCH_XNN_CHAIN_INS + 1)];
    int k = i % (ETCH_XNN_CHAIN_INS + 1);
    if (k == ETCH_XNN_CHAIN_INS) return s->out.value >= 0 && s->n->row->kind != XK_CONVERT ? &s->out : NULL;
    return k < s->n_in && s->in[k].value >= 0 ? &s->in[k] : NULL;
}

// Joins outer axes that all memory runs through without a gap. False: too many are left.
static bool join_axes(etch_xnn_finder *f, etch_xnn_chain *c, int *axes)
{
    c->n_axes = 0;
    for (int a = 0; a < f->rank; a++) {
        if (a == f->row || f->dims[a] == 1) continue;
        bool joins = c->n_axes > 0;
        for (int i = 0; joins && i < f->n_steps * (ETCH_XNN_CHAIN_INS + 1); i++) {
            const etch_xnn_wide_ref *r = ref_at(f, i);
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
static int64_t flat_size(etch_xnn_finder *f, const etch_xnn_chain *c, const int *axes)
{
    int64_t n = f->dims[f->row];
    if (c->n_axes > 1) return 0;
    for (int i = 0; i < f->n_steps; i++) {
        const etch_xnn_wide_step *s = &f->steps[i];
        if (!is_elementwise(s->n)) return 0;
        for (int k = 0; k <= s->n_in; k++) {
            const etch_xnn_wide_ref *r = k < s->n_in ? &s->in[k] : &s->out;
            int64_t step = c->n_axes && r->value >= 0 ? r->stride[axes[0]] : 0;
            bool is_whole = r->len == n && r->offset == 0 && (r->value < 0 || !c->n_axes || step == n);
            if (!is_whole && !(k < s->n_in && r->len == 1 && r->value >= 0 && step == 0)) return 0;
        }
    }
    return n * f->rows;
}

static etch_xnn_ref narrow(const etch_xnn_wide_ref *r, const etch_xnn_chain *c, const int *axes)
{
    etch_xnn_ref out = { .value = r->value, .reg = r->reg, .offset = (int32_t)r->offset, .len = (int32_t)r->len, .step = (int32_t)r->step };
    for (int a = 0; a < c->n_axes; a++) out.stride[a] = (int32_t)r->stride[axes[a]];
    if (r->value >= 0 && c->n_axes) out.step = out.stride[c->n_axes - 1];
    return out;
}

// Nodes of the chain that begins at `first`, which is written to *c; 1: it runs alone.
static int find(etch_xnn_finder *f, int first, etch_xnn_chain *c)
{
    etch_xnn *x = f->x;
    int moves = etch_xnn__find_moves(f, first, c);
    for (int j = first; moves > 1 && j < first + moves - 1; j++) x->values[x->nodes[j].out[0]].is_hidden = true;
    if (moves > 1) return moves;
    if (!etch_xnn__begin_chain(f, first)) return 1;
    for (f->end = first; f->end < x->n_nodes && f->end - first < ETCH_XNN_CHAIN_NODES; f->end++) {
        const etch_xnn_node *n = &x->nodes[f->end];
        if (n->act || n->n_out != 1 || x->values[n->out[0]].numel > INT32_MAX || x->values[n->in[0]].numel > INT32_MAX) break;
        if (!etch_xnn__admit(f, n, f->end == first)) break;
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
    *c = (etch_xnn_chain){ .n_steps = f->n_steps, .n_regs = f->n_regs, .rows = f->rows, .n = f->n, .steps = c->steps };
    if (!f->n_steps || !join_axes(f, c, axes)) return 1;
    c->flat = flat_size(f, c, axes);
    int64_t n = f->dims[f->row];
    if (!c->flat && (n < 8 || (f->rows == 1 && n > 32768))) return 1;   // calls would cost more than they save; one thread would do all
    if (c->flat) c->n = ETCH_XNN_CHAIN_BLOCK;
    c->block = c->flat || !c->n_axes || c->n * 2 > ETCH_XNN_CHAIN_BLOCK ? 1 : ETCH_XNN_CHAIN_BLOCK / (c->n ? c->n : n);
    if (c->n_axes && c->block > c->dims[c->n_axes - 1]) c->block = c->dims[c->n_axes - 1];
    if (c->block < 1) c->block = 1;   // long rows that are only moved
    for (int i = 0; i < f->n_steps; i++) {
        const etch_xnn_wide_step *s = &f->steps[i];
        etch_xnn_step *to = &c->steps[i];
        *to = (etch_xnn_step){ .n = s->n, .n_in = s->n_in, .out = narrow(&s->out, c, axes) };
        for (int k = 0; k < s->n_in; k++) to->in[k] = narrow(&s->in[k], c, axes);
    }
    for (int j = first; j < f->end; j++) {
        int out = x->nodes[j].out[0];
        x->values[out].is_hidden = x->nodes[j].row->kind != XK_CONVERT && !f->views[out].is_seen;
    }
    return f->end - first;
}

void etch_xnn__find_chains(etch_xnn *x)
{
    for (int i = 0; i < x->n_values; i++) x->values[i].is_hidden = false;
    for (int i = 0; i < x->n_nodes; i++) x->nodes[i].chain = 1;
    x->n_chains = 0;
    if (x->ties) return;   // they are numbered in the order of the file's nodes
    etch_xnn_finder f = { .x = x };
    f.views = calloc((size_t)x->n_values + 1, sizeof *f.views);
    f.last_reader = malloc(((size_t)x->n_values + 1) * sizeof *f.last_reader);
    etch_xnn_step *steps = x->steps;
    for (int i = 0; f.last_reader && i < x->n_values; i++) f.last_reader[i] = -1;
    for (int i = 0; f.last_reader && i < x->n_nodes; i++)
        for (int j = 0; j < x->nodes[i].n_in; j++)
            if (x->nodes[i].in[j] >= 0) f.last_reader[x->nodes[i].in[j]] = i;
    for (int i = 0; f.views && f.last_reader && i < x->n_nodes;) {
        etch_xnn_chain *c = &x->chains[x->n_chains];
        *c = (etch_xnn_chain){ .steps = steps };
        int n = find(&f, i, c);
        if (n > 1) {
            for (int j = i; j < i + n; j++) x->nodes[j].chain = 0;
            x->nodes[i].chain = n;
            x->nodes[i].chain_at = x->n_chains++;
            steps += c->n_moved ? 0 : c->n_steps;
        }
        i += n;
    }
    free(f.views);
    free(f.last_reader);
}
