#include "quant/stream.h"

#include <math.h>
#include <stdlib.h>

#include "base/num.h"
#include "kern/quantize/quantize.h"
#include "kern/packed/repack.h"
#include "pass/packed.h"

#define BLOCK_BYTES ((size_t)2 << 20)

typedef enum { WANT_Q, WANT_PACKED, WANT_SCALES, WANT_VALUES } want;

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

// The etch::quantize node behind etch::dequantize(q, scales), or NULL.
static const etch_node *match_values(const etch_node *n)
{
    const etch_value *q = etch_arg_value(&n->args[0]), *s = etch_arg_value(&n->args[1]);
    bool one = q && s && q->src == ETCH_SRC_NODE && s->src == ETCH_SRC_NODE && q->def == s->def && q->def_index == 0 && s->def_index == 1;
    return one && q->def->op->id == ETCH_OP_etch_quantize ? q->def : NULL;
}

// The etch::quantize node behind `v`, and what of it `v` is.
static const etch_node *match(const etch_value *v, want *out)
{
    const etch_node *n = v->src == ETCH_SRC_NODE ? v->def : NULL;
    if (!n) return NULL;
    if (n->op->id == ETCH_OP_etch_quantize) {
        *out = v->def_index == 0 ? WANT_Q : WANT_SCALES;
        return n;
    }
    if (n->op->id == ETCH_OP_etch_dequantize) {
        *out = WANT_VALUES;
        return match_values(n);
    }
    const etch_value *from = n->op->schema->n_params ? etch_arg_value(&n->args[0]) : NULL;
    if (from && n->op->id == ETCH_OP__to_copy && from->src == ETCH_SRC_NODE && from->def->op->id == ETCH_OP_etch_dequantize &&
        etch_dtype_is_float(v->t.dtype)) {
        *out = WANT_VALUES;
        return match_values(from->def);
    }
    if (!from || from->src != ETCH_SRC_NODE || from->def->op->id != ETCH_OP_etch_quantize) return NULL;
    if (n->op->id == ETCH_OP_etch_pack_nibbles && from->def_index == 0) *out = WANT_PACKED;
    else if (n->op->id == ETCH_OP__to_copy && from->def_index == 1 && (v->t.dtype == ETCH_BF16 || v->t.dtype == ETCH_F16))
        *out = WANT_SCALES;
    else return NULL;
    return from->def;
}

typedef struct job {
    etch_quant_scheme scheme;
    int64_t k, groups, rows, row;        // columns, scales a row, rows in all, rows done
    want what;
    bool high_first;                     // of packed output
    etch_dtype out_dtype;                // of values
    size_t row_bytes;                    // of the output
    etch_dtype dtype;                    // of the input
    uint8_t *in; size_t in_len, in_row;  // a block of input rows being filled
    size_t block_rows;
    const uint8_t *from;                 // the block: `in`, or rows of the file itself
    float *wide;                         // one row of floats for each worker
    etch_repack repack;                  // from: NULL when the input is rows of floats
    uint8_t *scratch; size_t scratch_row; // for each worker, of etch_repack_row
    int8_t *q;                           // block
    uint8_t *out;                        // block, packed or values
    etch_quant_sums *sums;               // by row of the block
    int64_t *kept;                       // the same
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

static void put_values(const job *j, const int8_t *q, const float *scales, uint8_t *out)
{
    const int64_t group = j->k / j->groups;
    for (int64_t c = 0; c < j->k; c++) {
        const float v = (float)q[c] * scales[c / group];
        if (j->out_dtype == ETCH_F32) memcpy(out + 4 * c, &v, 4);
        else etch_store_double(out, j->out_dtype, c, (double)v);
    }
}

static void do_row(void *user, size_t i, int worker)
{
    job *j = user;
    int8_t *q = j->q + (int64_t)i * j->k;
    j->sums[i] = (etch_quant_sums){ 0 };
    const int64_t row = j->row + (int64_t)i;
    float *scales = j->r->scales + row * j->groups;
    if (j->repack.from) j->kept[i] = etch_repack_row(&j->repack, row, j->scratch + (size_t)worker * j->scratch_row, q, scales, &j->sums[i]);
    else etch_quantize_row(row_floats(j, i, worker), j->k, &j->scheme, q, scales, &j->sums[i]);
    uint8_t *out = j->out + i * j->row_bytes;
    if (j->what == WANT_PACKED && j->high_first) etch_pack_nibbles_high_first(q, j->k, out);
    else if (j->what == WANT_PACKED) etch_pack_nibbles_low_first(q, j->k, out);
    else if (j->what == WANT_VALUES) put_values(j, q, scales, out);
}

static etch_status *block(job *j, const uint8_t *from, size_t n)
{
    j->from = from;
    etch_pool_run(j->pool, n, do_row, j);
    for (size_t i = 0; i < n; i++) {
        j->r->error += j->sums[i].error;
        j->r->energy += j->sums[i].energy;
        j->r->kept += j->kept[i];
    }
    j->row += (int64_t)n;
    if (!isfinite(j->r->energy)) return ETCH_ERR(ETCH_INVALID, "it holds values that are no finite numbers, which cannot be quantized");
    return j->put ? j->put(j->user, j->what == WANT_Q ? (const void *)j->q : j->out, n * j->row_bytes) : NULL;
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

// Rows of integers instead of floats.
static etch_status *repack(job *j, const etch_weights *weights, const etch_node *n, bool signed_scales, bool bf16_scales)
{
    etch_packed_weight w;
    ETCH_TRY(etch_packed_open(weights, n, &w));
    j->repack = (etch_repack){ &w.p, j->scheme, signed_scales, bf16_scales };
    j->scratch_row = etch_align_up(etch_repack_scratch(&j->repack), 64);
    j->scratch = malloc((size_t)etch_pool_threads(j->pool) * j->scratch_row);
    etch_status *s = j->scratch ? NULL : ETCH_ERR(ETCH_NO_MEMORY, "out of memory");
    while (!s && j->row < j->rows) {
        const size_t left = (size_t)(j->rows - j->row);
        s = block(j, NULL, left < j->block_rows ? left : j->block_rows);
    }
    free(j->scratch);
    etch_packed_close(weights, &w);
    return s;
}

static etch_status *rows_of_floats(job *j, const etch_weights *weights, etch_value *w)
{
    j->in = malloc(j->block_rows * j->in_row);
    if (!j->in) return ETCH_ERR(ETCH_NO_MEMORY, "out of memory");
    etch_status *s = etch_eval_stream(weights, w, take, j);
    if (!s) s = flush(j);
    free(j->in);
    return s;
}

// `dtype`: of the values, or of the scales that go with the integers.
static etch_status *quantize(etch_quant_stream *s, const etch_node *n, want what, bool high_first, etch_dtype dtype, etch_sink_fn put,
                             void *user)
{
    etch_value *w = before_widening(etch_arg_value(&n->args[0]));
    const etch_node *packed = etch_packed_find(w);
    job j = { .scheme = { (int)etch_val_as_int(&n->args[1]), etch_val_as_int(&n->args[2]), ETCH_QPARAMS_HQQ }, .k = w->t.sizes[1].v,
              .rows = w->t.sizes[0].v, .what = what, .high_first = high_first, .out_dtype = dtype, .dtype = w->t.dtype, .pool = s->pool,
              .put = put, .user = user };
    ETCH_TRY(etch_qparams_parse(n->args[3].s, &j.scheme.rule));
    j.r = result_of(s, n);
    if (!j.r) return ETCH_ERR(ETCH_NO_MEMORY, "out of memory");
    j.groups = j.scheme.group ? j.k / j.scheme.group : 1;
    j.row_bytes = what == WANT_PACKED ? (size_t)(j.k + 1) / 2 : what == WANT_VALUES ? (size_t)j.k * etch_dtype_size(dtype) : (size_t)j.k;
    j.in_row = (size_t)j.k * etch_dtype_size(j.dtype);
    j.block_rows = BLOCK_BYTES / ((size_t)j.k * 4) + 1;
    free(j.r->scales);
    *j.r = (etch_quant_result){ .scales = malloc((size_t)(j.rows * j.groups) * sizeof(float)), .n_scales = j.rows * j.groups };
    j.wide = malloc((size_t)etch_pool_threads(s->pool) * (size_t)j.k * sizeof(float));
    j.q = malloc(j.block_rows * (size_t)j.k);
    j.out = malloc(j.block_rows * j.row_bytes);
    j.sums = malloc(j.block_rows * sizeof *j.sums);
    j.kept = calloc(j.block_rows, sizeof *j.kept);
    etch_status *st = NULL;
    if (!j.r->scales || !j.wide || !j.q || !j.out || !j.sums || !j.kept) st = ETCH_ERR(ETCH_NO_MEMORY, "out of memory");
    if (!st && packed) st = repack(&j, s->weights, packed, n->args[4].b, what != WANT_VALUES && dtype == ETCH_BF16);
    else if (!st) st = rows_of_floats(&j, s->weights, w);
    if (!st && j.row != j.rows) st = ETCH_ERR(ETCH_INTERNAL, "a weight gave %lld rows of %lld", (long long)j.row, (long long)j.rows);
    j.r->done = !st;
    free(j.wide);
    free(j.q);
    free(j.out);
    free(j.sums);
    free(j.kept);
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
    const bool high_first = what == WANT_PACKED && v->def->args[1].b;
    if (what == WANT_VALUES) return quantize(s, n, what, false, v->t.dtype, put, user);
    // Nibbles with the low one first are XNNPACK's blockwise weights, whose scales are bf16.
    if (what != WANT_SCALES) return quantize(s, n, what, high_first, what == WANT_PACKED && !high_first ? ETCH_BF16 : ETCH_F32, put, user);
    etch_quant_result *r = result_of(s, n);
    if (!r) return ETCH_ERR(ETCH_NO_MEMORY, "out of memory");
    if (!r->scales) {
        ETCH_TRY(quantize(s, n, WANT_Q, false, v->t.dtype, NULL, NULL));
        r = result_of(s, n);
    }
    ETCH_TRY(put_scales(r, v->t.dtype, put, user));
    free(r->scales);
    r->scales = NULL;
    return NULL;
}

bool etch_quant_stream_error(const etch_quant_stream *s, const etch_node *n, double *out_relative_rms, int64_t *out_kept)
{
    for (int i = 0; i < s->n; i++)
        if (s->slots[i].node == n && s->slots[i].r.done) {
            *out_relative_rms = s->slots[i].r.energy > 0 ? sqrt(s->slots[i].r.error / s->slots[i].r.energy) : 0;
            *out_kept = s->slots[i].r.kept;
            return true;
        }
    return false;
}
