#include "pass/packed.h"

#include <stdlib.h>

bool etch_packed_is(const etch_node *n)
{
    return n->op->id == ETCH_OP_etch_dequantize_blocks || n->op->id == ETCH_OP_etch_dequantize_columns;
}

static int64_t columns(const etch_value *v) { return v->t.rank ? v->t.sizes[v->t.rank - 1].v : 1; }

const etch_node *etch_packed_find(const etch_value *v)
{
    const int64_t cols = columns(v);
    while (v->src == ETCH_SRC_NODE && columns(v) == cols) {
        if (etch_packed_is(v->def)) return v->def;
        if (!etch_eval_keeps_order(v->def) || !etch_dtype_is_float(v->t.dtype)) return NULL;
        v = etch_value_of(v->def->args[0].t);
    }
    return NULL;
}

static etch_status *view_operands(const etch_node *n, const etch_packed_weight *w, etch_packed *out)
{
    const etch_evaluated *o = w->operands;
    etch_packed_format format;
    if (n->op->id == ETCH_OP_etch_dequantize_blocks) {
        const etch_block *b = etch_block_named(n->args[1].s);
        if (!b) return ETCH_ERR(ETCH_INTERNAL, "no such block type");
        etch_packed_from_blocks(b, &o[0].t, out);
        return NULL;
    }
    if (!etch_packed_format_parse(n->args[5].s, &format)) return ETCH_ERR(ETCH_INTERNAL, "no such format of packed columns");
    return etch_packed_from_columns(format, (int)etch_val_as_int(&n->args[4]), &o[0].t, &o[1].t, &o[2].t, o[3].t.data ? &o[3].t : NULL,
                                    out);
}

etch_status *etch_packed_open(const etch_weights *w, const etch_node *n, etch_packed_weight *out)
{
    *out = (etch_packed_weight){ 0 };
    etch_status *s = NULL;
    for (int i = 0; i < 4 && i < n->op->schema->n_params && !s; i++) {
        etch_value *v = etch_arg_value(&n->args[i]);
        if (v) s = etch_eval_const(w, v, &out->operands[i]);
    }
    if (!s) s = view_operands(n, out, &out->p);
    if (s) etch_packed_close(w, out);
    return s;
}

void etch_packed_close(const etch_weights *w, etch_packed_weight *p)
{
    for (int i = 0; i < 4; i++) etch_evaluated_free(w, &p->operands[i]);
    *p = (etch_packed_weight){ 0 };
}

static etch_status *stream_rows(const etch_packed *p, etch_status *(*put)(void *, const etch_tensor *), void *user)
{
    enum { BLOCK = 1 << 18 };  // elements
    const int64_t per = p->cols ? BLOCK / p->cols + 1 : 1;
    const size_t cols = (size_t)p->cols, groups = cols / (size_t)p->group;
    int16_t *q = malloc(cols * sizeof *q + 1);
    float *scales = malloc(2 * groups * sizeof *scales + 1), *out = malloc((size_t)per * cols * sizeof *out + 1);
    etch_status *s = q && scales && out ? NULL : ETCH_ERR(ETCH_NO_MEMORY, "out of memory");
    for (int64_t at = 0; at < p->rows && !s; at += per) {
        const int64_t n = p->rows - at < per ? p->rows - at : per;
        for (int64_t r = 0; r < n; r++) {
            etch_packed_row(p, at + r, q, scales, scales + groups);
            etch_packed_values(p, q, scales, scales + groups, 0, p->cols, out + r * p->cols);
        }
        const etch_tensor block = { .dtype = ETCH_F32, .rank = 1, .sizes = { { n * p->cols, NULL } }, .data = out,
                                    .capacity = (size_t)(n * p->cols) * 4 };
        s = put(user, &block);
    }
    free(q);
    free(scales);
    free(out);
    return s;
}

etch_status *etch_packed_stream(const etch_weights *w, const etch_node *n, etch_status *(*put)(void *user, const etch_tensor *block),
                                void *user)
{
    etch_packed_weight open;
    ETCH_TRY(etch_packed_open(w, n, &open));
    etch_status *s = stream_rows(&open.p, put, user);
    etch_packed_close(w, &open);
    return s;
}
