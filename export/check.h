// Will a model export, and to what? Everything of an export but the evaluation of weights and the file: trace, passes, lowering, layout.
#ifndef ETCH_EXPORT_CHECK_H
#define ETCH_EXPORT_CHECK_H

#include "export/export.h"

// Nodes of one operator in one method that run in the same place for the same reason.
typedef struct etch_check_row {
    etch_str method, op;       // "forward", "aten::mul.Tensor"; borrowed from the program
    const char *outside;       // why not in a delegate; NULL: in one
    etch_str where;            // source line of the first; may be empty
    int count;
} etch_check_row;

typedef struct etch_missing_op { etch_str op, where; int count; } etch_missing_op;

typedef struct etch_check_report {
    etch_export_report export;  // emit, quant, notes, tracer_peak_rss
    bool weightless;            // there were no weights: sizes follow from the config
    etch_arena arena;
    etch_check_row *rows; int n_rows, cap_rows;                 // by method, delegated first, most frequent first
    etch_missing_op *missing; int n_missing, cap_missing;       // when the model cannot be lowered
    uint64_t state_bytes;       // KV cache and other state of the largest method, part of emit.arena_bytes
    uint64_t whole_constant;    // the largest sum of intermediate results of one constant while the file is written
    uint64_t export_bytes;      // estimate: most resident memory of one process of the export
} etch_check_report;

// NULL: it will export. `out` needs deinit on every path; what is known up to an error is in it.
etch_status *etch_check(const etch_job *job, etch_progress *progress, etch_check_report *out) ETCH_MUST_USE;
void etch_check_report_deinit(etch_check_report *r);
// The report as JSON text. `verdict`: what etch_check gave.
etch_status *etch_check_to_json(const etch_job *job, const etch_check_report *r, const etch_status *verdict, etch_buf *out) ETCH_MUST_USE;

#endif
