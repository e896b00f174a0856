#include "quant/stream.h"

#include <math.h>
#include <stdlib.h>

#include "base/num.h"
#include "kern/quantize/quantize.h"

#define BLOCK_BYTES ((size_t)2 << 20)

typedef enum { WANT_Q, WANT_PACKED, WANT_SCALES } want;

etch_status *etch_quant_stream_init(etch_quant_stream *s, const etch_weights *weights)
{
    *s = (etch_quant_stream){ .weights = weights, .pool = etch_pool_acquire(0) };
    return NULL;
}

void etch_quant_stream_deinit(etch_quant_stream *s)
{
    for (int i = 0; i < s->n; i++) free(s->slots[i].r.scales);
    free(s->slots);
    if (s->pool) etch_pool_release(s->pool);
    *s = (etch_quant_stream){ 0 };
}

static etch_quant_result *result_of(etch_quant_stream *s, const etch_node *n)
{
    for (int i = s->n - 1; i >= 0; i--)
        if (s->slots[i].node == n) return &s->slots[i].r;
    if (s->n == s->cap) {
        int cap = s->cap ? s->cap * 2 : 64;
        struct etch_quant_slot *q = realloc(s->slots, sizeof *q * (size_t)cap);
        if (!q) return NULL;
        s->slots = q;
        s->cap = cap;
    }
    s->slots[s->n] = (struct etch_quant_slot){ .node = n };
    return &s->slots[s->n++].r;
}

// The etch::quantize node behind `v`, and what of it `v` is. `dtype`: of the scales.
static const etch_node *match(const etch_value *v, want *out)
{
    const etch_node *n = v->src == ETCH_SRC_NODE ? v->def : NULL;
    if (!n) return NULL;
    if (n->op->id == ETCH_OP_etch_quantize) {
        *out = v->def_index == 0 ? WANT_Q : WANT_SCALES;
        return n;
    }
    const etch_value *from = n->op->schema->n_params ? etch_arg_value(&n->args[0]) : NULL;
    if (!from || from->src != ETCH_SRC_NODE || from->def->op->id != ETCH_OP_etch_quantize) return NULL;
    if (n->op->id == ETCH_OP_etch_pack_nibbles && from->def_index == 0) *out = WANT_PACKED;
    else if (n->op->id == ETCH_OP__to_copy && from->def_index == 1 && (v->t.dtype == ETCH_BF16 || v->t.dtype == ETCH_F16)) *out = WANT_SCALES;
    else return NULL;
    return from->def;
}

typedef struct job {
    etch_quant_scheme scheme;
    int64_t k, groups, rows, row;        // columns, scales a row, rows in all, rows done
    bool packed, high_first;
    size_t row_bytes;                    // of the output
    etch_dtype dtype;                    // of the input
    uint8_t *in; size_t in_len, in_row;  // a block of input rows being filled
    size_t block_rows;
    const uint8_t *from;                 // the block: `in`, or rows of the file itself
    float *wide;                         // one row of floats for each worker
    int8_t *q;                           // block
    uint8_t *out;                        // block, packed
    etch_quant_sums *sums;               // by row of the block
    etch_quant_result *r;
    etch_pool *pool;
    etch_sink_fn put; void *user;
} job;

static const float *row_floats(job *j, size_t i, int worker)
{
    const void *in = j->from + i * j->in_row;
    if (j->dtype == ETCH_F32) return in;
    float *w = j->wide + (int64_t)worker * j->k;
    if (j->dtype == ETCH_BF16) etch_widen_bf16(in, j->k, w);
    else
        for (int64_t c = 0; c < j->k; c++) w[c] = (float)etch_load_double(in, j->dtype, c);
    return w;
}

static void do_row(void *user, size_t i, int worker)
{
    job *j = user;
    int8_t *q = j->q + (int64_t)i * j->k;
    j->sums[i] = (etch_quant_sums){ 0 };
    etch_quantize_row(row_floats(j, i, worker), j->k, &j->scheme, q, j->r->scales + (j->row + (int64_t)i) * j->groups, &j->sums[i]);
    if (j->packed && j->high_first) etch_pack_nibbles_high_first(q, j->k, j->out + i * j->row_bytes);
    else if (j->packed) etch_pack_nibbles_low_first(q, j->k, j->out + i * j->row_bytes);
}

static etch_status *block(job *j, const uint8_t *from, size_t n)
{
    j->from = from;
    etch_pool_run(j->pool, n, do_row, j);
    for (size_t i = 0; i < n; i++) {
        j->r->error += j->sums[i].error;
        j->r->energy += j->sums[i].energy;
    }
    j->row += (int64_t)n;
    if (!isfinite(j->r->energy)) return ETCH_ERR(ETCH_INVALID, "it holds values that are no finite numbers, which cannot be quantized");
    return j->put ? j->put(j->user, j->packed ? (const void *)j->out : j->q, n * j->row_bytes) : NULL;
}

static etch_status *flush(job *j)
{
    size_t n = j->in_len / j->in_row;
    j->in_len = 0;
    return n ? block(j, j->in, n) : NULL;
}

static etch_status *take(void *user, const void *bytes, size_t n)
{
    job *j = user;
    const uint8_t *p = bytes;
    while (n) {
        if (!j->in_len && n >= j->in_row && (uintptr_t)p % etch_dtype_size(j->dtype) == 0) {  // whole rows as they lie
            size_t rows = n / j->in_row < j->block_rows ? n / j->in_row : j->block_rows;
            ETCH_TRY(block(j, p, rows));
            p += rows * j->in_row;
            n -= rows * j->in_row;
            continue;
        }
        size_t room = j->block_rows * j->in_row - j->in_len, now = n < room ? n : room;
        memcpy(j->in + j->in_len, p, now);
        j->in_len += now;
        p += now;
        n -= now;
        if (now == room) ETCH_TRY(flush(j));
    }
    return NULL;
}

// The half-precision weight that `w` is a widened form of: rows are widened here, by the workers.
static etch_value *before_widening(etch_value *w)
{
    const etch_node *n = w->src == ETCH_SRC_NODE ? w->def : NULL;
    if (!n || w->t.dtype != ETCH_F32 || (n->op->id != ETCH_OP__to_copy && n->op->id != ETCH_OP_to_dtype)) return w;
    etch_value *from = etch_arg_value(&n->args[0]);
    return from && (from->t.dtype == ETCH_BF16 || from->t.dtype == ETCH_F16) ? from : w;
}

static etch_status *quantize(etch_quant_stream *s, const etch_node *n, want what, bool high_first, etch_sink_fn put, void *user)
{
    etch_value *w = before_widening(etch_arg_value(&n->args[0]));
    job j = { .scheme = { (int)etch_val_as_int(&n->args[1]), etch_val_as_int(&n->args[2]), ETCH_QPARAMS_HQQ }, .k = w->t.sizes[1].v, .rows = w->t.sizes[0].v,
              .packed = what == WANT_PACKED, .high_first = high_first, .dtype = w->t.dtype, .pool = s->pool, .put = put, .user = user };
    ETCH_TRY(etch_qparams_parse(n->args[3].s, &j.scheme.rule));
    j.r = result_of(s, n);
    if (!j.r) return ETCH_ERR(ETCH_NO_MEMORY, "out of memory");
    j.groups = j.scheme.group ? j.k / j.scheme.group : 1;
    j.row_bytes = j.packed ? (size_t)(j.k + 1) / 2 : (size_t)j.k;
    j.in_row = (size_t)j.k * etch_dtype_size(j.dtype);
    j.block_rows = BLOCK_BYTES / ((size_t)j.k * 4) + 1;
    free(j.r->scales);
    *j.r = (etch_quant_result){ .scales = malloc((size_t)(j.rows * j.groups) * sizeof(float)), .n_scales = j.rows * j.groups };
    j.in = malloc(j.block_rows * j.in_row);
    j.wide = malloc((size_t)etch_pool_threads(s->pool) * (size_t)j.k * sizeof(float));
    j.q = malloc(j.block_rows * (size_t)j.k);
    j.out = malloc(j.block_rows * ((size_t)j.k / 2 + 1));
    j.sums = malloc(j.block_rows * sizeof *j.sums);
    etch_status *st = NULL;
    if (!j.r->scales || !j.in || !j.wide || !j.q || !j.out || !j.sums) st = ETCH_ERR(ETCH_NO_MEMORY, "out of memory");
    if (!st) st = etch_eval_stream(s->weights, w, take, &j);
    if (!st) st = flush(&j);
    if (!st && j.row != j.rows) st = ETCH_ERR(ETCH_INTERNAL, "a weight gave %lld rows of %lld", (long long)j.row, (long long)j.rows);
    j.r->done = !st;
    free(j.in);
    free(j.wide);
    free(j.q);
    free(j.out);
    free(j.sums);
    return st;
}

static etch_status *put_scales(const etch_quant_result *r, etch_dtype d, etch_sink_fn put, void *user)
{
    if (d == ETCH_F32) return put(user, r->scales, (size_t)r->n_scales * 4);
    uint16_t block[4096];
    for (int64_t at = 0; at < r->n_scales; at += 4096) {
        int64_t n = r->n_scales - at < 4096 ? r->n_scales - at : 4096;
        for (int64_t i = 0; i < n; i++) etch_store_double(block, d, i, (double)r->scales[at + i]);
        ETCH_TRY(put(user, block, (size_t)n * 2));
    }
    return NULL;
}

etch_status *etch_quant_stream_put(etch_quant_stream *s, etch_value *v, etch_sink_fn put, void *user)
{
    want what;
    const etch_node *n = match(v, &what);
    if (!n) return etch_eval_stream(s->weights, v, put, user);
    if (what != WANT_SCALES) return quantize(s, n, what, what == WANT_PACKED && v->def->args[1].b, put, user);
    etch_quant_result *r = result_of(s, n);
    if (!r) return ETCH_ERR(ETCH_NO_MEMORY, "out of memory");
    if (!r->scales) {
        ETCH_TRY(quantize(s, n, WANT_Q, false, NULL, NULL));
        r = result_of(s, n);
    }
    ETCH_TRY(put_scales(r, v->t.dtype, put, user));
    free(r->scales);
    r->scales = NULL;
    return NULL;
}

bool etch_quant_stream_error(const etch_quant_stream *s, const etch_node *n, double *out_relative_rms)
{
    for (int i = 0; i < s->n; i++)
        if (s->slots[i].node == n && s->slots[i].r.done) {
            *out_relative_rms = s->slots[i].r.energy > 0 ? sqrt(s->slots[i].r.error / s->slots[i].r.energy) : 0;
            return true;
        }
    return false;
}
