// In: a node of the payload. Out: the node run, and an event for the listener.
#include <stdio.h>

#include "base/buf.h"
#include "base/clock.h"
#include "rt/xnn_chain.h"

static const char *type_name(int t)
{
    static const char *const names[] = { [XT_F32] = "f32", [XT_F16] = "f16", [XT_QINT8] = "qint8", [XT_QUINT8] = "quint8",
                                         [XT_QINT32] = "qint32",
                                         [XT_QCINT8] = "qcint8", [XT_QCINT32] = "qcint32", [XT_QCINT4] = "qcint4", [XT_QDINT8] = "qdint8",
                                         [XT_QBINT4] = "qbint4", [XT_I32] = "i32", [XT_BF16] = "bf16" };
    return (size_t)t < sizeof names / sizeof *names && names[t] ? names[t] : "?";
}

static void put_value(etch_buf *b, const etch_xnn_value *v)
{
    etch_buf_printf(b, "%s[", type_name(v->type));
    for (int d = 0; d < v->rank; d++) etch_buf_printf(b, "%s%lld", d ? ", " : "", (long long)v->dims[d]);
    etch_buf_puts(b, "]");
}

// Data and scales of a constant.
static uint64_t bytes_of(const etch_xnn_value *v)
{
    uint64_t n = (uint64_t)v->numel, elem = etch_xnn__elem(v->type);
    return (elem ? n * elem : n / 2) + (v->scales ? 4 * (uint64_t)v->n_scales : 0) + (v->block_scales && v->group ? 2 * n / v->group : 0);
}

static bool is_written_by(const etch_xnn_node *first, const etch_xnn_node *end, int value)
{
    for (const etch_xnn_node *n = first; n < end; n++)
        for (int i = 0; i < n->n_out; i++)
            if (n->out[i] == value) return true;
    return false;
}

static void put_operand(etch_buf *b, const etch_xnn_value *v)
{
    if (b->len && b->ptr[b->len - 1] == ']') etch_buf_puts(b, ", ");
    put_value(b, v);
}

// Operands that come from outside and results that others read, of one node or a chain.
static void describe(const etch_xnn *x, const etch_xnn_node *first, const etch_xnn_node *end, etch_buf *detail, uint64_t *constant_bytes)
{
    for (const etch_xnn_node *n = first; n < end; n++)
        for (int i = 0; i < n->n_in; i++) {
            if (n->in[i] < 0 || (n > first && is_written_by(first, n, n->in[i]))) continue;
            const etch_xnn_value *v = &x->values[n->in[i]];
            put_operand(detail, v);
            if (v->where == XV_CONST) *constant_bytes += bytes_of(v);
        }
    etch_buf_puts(detail, " -> ");
    for (const etch_xnn_node *n = first; n < end; n++)
        for (int i = 0; i < n->n_out; i++)
            if (!x->values[n->out[i]].is_hidden) put_operand(detail, &x->values[n->out[i]]);
    if (first->act) etch_buf_printf(detail, ", then %s", first->act->name);
}

etch_status *etch_xnn__run_timed(etch_xnn_cx *cx, const etch_xnn_node *n, int index)
{
    const etch_rt_listener *l = cx->x->listener;
    char chain[96];
    etch_rt_event e = { .name = n->row->name, .kernel = cx->x->qgemm->name, .instruction = l->instruction, .node = index,
                        .begin_ns = etch_clock_ns() };
    ETCH_TRY(etch_xnn__run_node(cx, n));
    e.end_ns = etch_clock_ns();
    if (n->chain > 1) {
        snprintf(chain, sizeof chain, "%s ... %s", n->row->name, n[n->chain - 1].row->name);
        e.name = chain;
    }
    etch_buf detail = { 0 };
    describe(cx->x, n, n + n->chain, &detail, &e.constant_bytes);
    e.detail = etch_buf_str(&detail);
    l->fn(l->user, &e);
    etch_buf_deinit(&detail);
    return NULL;
}
