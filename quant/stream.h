// Quantized weights as the file is written: row blocks are read, quantized on all cores and passed on, so that no tensor is ever whole in
// memory.
// What the graph asks of one etch::quantize node (integers, packed integers, scales in some type) is computed once.
#ifndef ETCH_QUANT_STREAM_H
#define ETCH_QUANT_STREAM_H

#include "base/map.h"
#include "base/pool.h"
#include "graph/graph.h"
#include "pass/eval.h"

typedef struct etch_quant_result {
    float *scales;          // [rows, groups], until they are written
    int64_t n_scales;
    double error, energy;   // sum (w - q s)^2, sum w^2
    int64_t kept;           // scales whose group kept the checkpoint's integers (kern/packed/repack.h)
    bool done;
} etch_quant_result;

typedef struct etch_quant_stream {
    const etch_weights *weights;
    etch_pool *pool;
    struct etch_quant_slot { const etch_node *node; etch_quant_result r; } *slots;
    int n, cap;
} etch_quant_stream;

etch_status *etch_quant_stream_init(etch_quant_stream *s, const etch_weights *weights) ETCH_MUST_USE;
void etch_quant_stream_deinit(etch_quant_stream *s);
// As etch_eval_stream; values over an etch::quantize node go the short way.
etch_status *etch_quant_stream_put(etch_quant_stream *s, etch_value *v, etch_sink_fn put, void *user) ETCH_MUST_USE;
// Relative RMS error of a node whose integers were written, and how many of its groups kept the checkpoint's integers: false when they were
// not.
bool etch_quant_stream_error(const etch_quant_stream *s, const etch_node *n, double *out_relative_rms, int64_t *out_kept);

#endif
