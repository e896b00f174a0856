// In: a chain (rt/xnn_chain.h). Out: its steps run for one row, or one block of elements, after the other; rows are split among threads.
#include "rt/xnn_chain.h"

#define PIECE 32768   // elements times steps that a task takes at least

typedef struct {
    etch_xnn *x;
    const etch_xnn_chain *c;
    uint8_t *scratch;
    size_t reg_bytes, worker_bytes;   // of a register, of a worker's registers
    size_t units, piece;              // blocks; of a task
} run;

// Where a worker is: `rows` rows from index `row` on, at `at` of the outer axes; or elements [row, row + len) of a flat chain.
typedef struct { const run *r; uint8_t *regs; int64_t at[ETCH_XNN_CHAIN_AXES], row; size_t rows, len; } place;

static float *start_of(const place *p, const etch_xnn_ref *ref)
{
    if (ref->value < 0) return (float *)(void *)(p->regs + (size_t)ref->reg * p->r->reg_bytes) + ref->offset;
    const etch_xnn_value *v = &p->r->x->values[ref->value];
    int64_t at = ref->offset;
    if (p->len) at += ref->len == 1 ? 0 : p->row;
    else
        for (int a = 0; a < p->r->c->n_axes; a++) at += p->at[a] * ref->stride[a];
    return (float *)etch_xnn__mut(v) + at;
}

// Rows of results that follow each other from operands that do, or that are one number for all, are one long row.
static bool is_long(const etch_xnn_step *s)
{
    if (s->out.step != s->out.len) return false;
    for (int i = 0; i < s->n_in; i++)
        if (!(s->in[i].len == s->out.len && s->in[i].step == s->out.len) && !(s->in[i].len == 1 && s->in[i].step == 0)) return false;
    return true;
}

static void run_elementwise(const place *p, const etch_xnn_step *s)
{
    const etch_ew_kernels *ew = p->r->x->ew;
    const etch_xnn_node *n = s->n;
    bool is_binary = n->row->kind == XK_BINARY, is_clamp = n->row->kind == XK_CLAMP;
    const float *a = start_of(p, &s->in[0]), *b = is_binary ? start_of(p, &s->in[1]) : NULL;
    float *y = start_of(p, &s->out);
    size_t rows = p->rows, len = p->len ? p->len : (size_t)s->out.len;
    size_t a_step = s->in[0].len == s->out.len, b_step = s->in[1].len == s->out.len;
    if (rows > 1 && is_long(s)) {
        a_step = s->in[0].step != 0;
        b_step = s->in[1].step != 0;
        len *= rows;
        rows = 1;
    }
    for (; rows; rows--, a += s->in[0].step, y += s->out.step) {
        if (!is_binary) {
            ew->unary((etch_ew_unary)n->row->op, is_clamp ? n->lo : n->alpha, n->hi, a, y, len);
            continue;
        }
        ew->binary((etch_ew_binary)n->row->op, a, a_step, b, b_step, n->lo, n->hi, y, len);
        b += s->in[1].step;
    }
}

static void run_mean(const place *p, const etch_xnn_step *s)
{
    const etch_xnn *x = p->r->x;
    const etch_xnn_value *in = &x->values[s->n->in[0]];
    const etch_nhwc g = { .n = 1, .h = in->dims[in->rank - 3], .w = in->dims[in->rank - 2], .c = 1 };
    const float *a = start_of(p, &s->in[0]);
    float *y = start_of(p, &s->out);
    for (size_t i = 0; i < p->rows; i++, a += s->in[0].step, y += s->out.step) x->nhwc->mean(&g, a, s->n->lo, s->n->hi, 0, 0, 1, y);
}

// A concatenation of parts of rows, or a move: one part.
static void run_copy(const place *p, const etch_xnn_step *s)
{
    float *to = start_of(p, &s->out);
    for (int k = 0; k < s->n_in; to += s->in[k++].len) {
        const float *from = start_of(p, &s->in[k]);
        for (size_t i = 0; i < p->rows; i++)
            memcpy(to + (int64_t)i * s->out.step, from + (int64_t)i * s->in[k].step, sizeof *to * (size_t)s->in[k].len);
    }
}

static void run_quantize(const place *p, const etch_xnn_step *s)
{
    const etch_xnn_value *out = &p->r->x->values[s->out.value];
    const float *a = start_of(p, &s->in[0]);
    for (size_t i = 0; i < p->rows; i++, a += s->in[0].step) {
        int64_t row = p->row + (int64_t)i;
        etch_xnn_rowq *q = etch_xnn__rows(out) + row;
        p->r->x->ew->quantize_row(a, (size_t)s->out.len, (int8_t *)etch_xnn__mut(out) + row * s->out.len, &q->scale, &q->zero_point);
    }
}

static void one_block(const place *p)
{
    for (int i = 0; i < p->r->c->n_steps; i++) {
        const etch_xnn_step *s = &p->r->c->steps[i];
        switch ((etch_xnn_kind)s->n->row->kind) {
        case XK_UNARY: case XK_CLAMP: case XK_BINARY: run_elementwise(p, s); break;
        case XK_GLOBALAVG: run_mean(p, s); break;
        case XK_CONVERT: run_quantize(p, s); break;
        default: run_copy(p, s); break;
        }
    }
}

// Blocks cut the last axis; each line of it has the same number of them.
static size_t blocks_in_line(const etch_xnn_chain *c)
{
    return c->n_axes ? (size_t)((c->dims[c->n_axes - 1] + c->block - 1) / c->block) : 1;
}

static void seek(const etch_xnn_chain *c, size_t unit, place *p)
{
    int last = c->n_axes - 1;
    p->rows = 1;
    p->row = 0;
    if (c->flat) {
        p->row = (int64_t)unit * ETCH_XNN_CHAIN_BLOCK;
        p->len = (size_t)(c->flat - p->row < ETCH_XNN_CHAIN_BLOCK ? c->flat - p->row : ETCH_XNN_CHAIN_BLOCK);
        return;
    }
    if (last < 0) return;
    size_t blocks = blocks_in_line(c), rest = unit / blocks;
    p->at[last] = (int64_t)(unit % blocks) * c->block;
    p->rows = (size_t)(c->dims[last] - p->at[last] < c->block ? c->dims[last] - p->at[last] : c->block);
    p->row = (int64_t)rest * c->dims[last] + p->at[last];
    for (int a = last - 1; a >= 0; a--) {
        p->at[a] = (int64_t)(rest % (size_t)c->dims[a]);
        rest /= (size_t)c->dims[a];
    }
}

static void one_task(void *user, size_t task, int worker)
{
    const run *r = user;
    place p = { .r = r, .regs = r->scratch + (size_t)worker * r->worker_bytes };
    size_t from = task * r->piece, to = r->units - from < r->piece ? r->units : from + r->piece;
    for (size_t i = from; i < to; i++) {
        seek(r->c, i, &p);
        one_block(&p);
    }
}

void etch_xnn__run_chain(etch_xnn_cx *cx, const etch_xnn_node *first)
{
    etch_xnn *x = cx->x;
    const etch_xnn_chain *c = &x->chains[first->chain_at];
    if (c->n_moved) {
        etch_xnn__run_moves(cx, first);
        return;
    }
    run r = { .x = x, .c = c, .reg_bytes = etch_align_up(sizeof(float) * (size_t)(c->n * c->block), 64) };
    r.worker_bytes = r.reg_bytes * (size_t)c->n_regs;
    r.scratch = etch_xnn__take(cx, r.worker_bytes * (size_t)etch_pool_threads(x->pool));
    if (cx->dry) return;
    size_t blocks = blocks_in_line(c);
    r.units = (size_t)(c->flat ? (c->flat + ETCH_XNN_CHAIN_BLOCK - 1) / ETCH_XNN_CHAIN_BLOCK
                               : c->n_axes ? c->rows / c->dims[c->n_axes - 1] * (int64_t)blocks : 1);
    r.piece = PIECE / (size_t)((c->n * c->block + 16) * c->n_steps) + 1;
    etch_pool_run(x->pool, (r.units + r.piece - 1) / r.piece, one_task, &r);
}
