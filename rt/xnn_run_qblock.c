// In: dynamically quantised activations and 4-bit block weights. Out: fully connected layers, neighbours with one input in one go.
#include "rt/xnn.h"

typedef struct { const etch_qblock_isa *isa; const etch_xnn_value *in; const etch_qblock_x *x; size_t skip; } packing;

static void pack_rows(void *user, size_t from, size_t to)
{
    const packing *p = user;
    const etch_xnn_rowq *rows = etch_xnn__rows(p->in) + p->skip;
    for (size_t i = from; i < to; i++)
        etch_qblock_x_set(p->isa, p->x, i, (const int8_t *)p->in->data + (p->skip + i) * p->x->k, rows[i].scale, rows[i].zero_point);
}

void etch_xnn__run_qblock(etch_xnn_cx *cx, const etch_xnn_node *first)
{
    const etch_xnn_value *in = etch_xnn__in(cx, first, 0);
    size_t k = (size_t)in->dims[in->rank - 1], m = (size_t)in->numel / k;
    etch_qblock_x x;
    void *memory = etch_xnn__take(cx, etch_qblock_x_bytes(m, k));
    void *scratch = etch_xnn__take(cx, etch_qblock_scratch(k, etch_pool_threads(cx->x->pool)));
    etch_qblock_job jobs[ETCH_XNN_SHARERS];
    for (int i = 0; i < first->n_shared; i++) {
        const etch_xnn_node *n = first + i;
        const etch_xnn_value *out = etch_xnn__out(cx, n, 0);
        const float *bias = n->in[2] < 0 ? NULL : etch_xnn__floats(cx, etch_xnn__in(cx, n, 2));
        jobs[i] = (etch_qblock_job){ n->blocks, bias, etch_xnn__float_out(cx, out), (size_t)out->dims[out->rank - 1], n->lo, n->hi };
    }
    if (cx->dry || !m) return;
    size_t skip = first->n_shared == 1 ? etch_xnn__rows_to_skip(etch_xnn__out(cx, first, 0)) : 0;
    m -= skip;
    jobs[0].c += skip * jobs[0].ldc;
    etch_qblock_x_init(&x, m, k, memory);
    packing p = { cx->x->qblock, in, &x, skip };
    etch_xnn__spans(cx->x, m, 16384 / k + 1, pack_rows, &p);
    etch_qblock_run(cx->x->qblock, &x, jobs, first->n_shared, cx->x->pool, scratch);
    jobs[0].c -= skip * jobs[0].ldc;
    for (int i = 0; i < first->n_shared; i++) etch_xnn__store(cx, etch_xnn__out(cx, first + i, 0), jobs[i].c);
}
