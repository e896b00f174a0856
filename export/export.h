// From a checked job to OUT/model.pte: trace, passes, emission. The order of the passes is the table in export/pipeline.c.
#ifndef ETCH_EXPORT_EXPORT_H
#define ETCH_EXPORT_EXPORT_H

#include "export/job.h"
#include "export/progress.h"
#include "lower/emit.h"
#include "pass/eval.h"
#include "pt2/pt2.h"
#include "quant/quant.h"

typedef struct etch_export_opts {
    const char *model_dir;    // where FILE values are read; NULL: none
    etch_pt2 *pt2;            // or this archive, borrowed
    etch_recipe recipe;
    etch_quant_opts quant, quant_encoder;  // the second: of the methods named encoder or *_encoder
    const char *dump_dir;     // the graph text after every pass goes to DIR/NN-name.graph; NULL: nowhere
    void (*missing)(void *user, const etch_node *n);  // pass/pass.h; may be NULL
    void *missing_user;
} etch_export_opts;

typedef struct etch_export_report {
    etch_emit_report emit;
    etch_quant_report quant;             // entries borrow from `program`
    uint64_t tracer_peak_rss, peak_rss;  // bytes; the child's and this process's
    etch_buf notes;                      // of the tracer, one a line, owned
    etch_buf missing;                    // operators that the tracer lacks, as in export/tracer.h, owned
    etch_buf chat;                       // chat.json as the tracer gave it, owned; empty: none
    etch_program *program;               // owned
} etch_export_report;

etch_status *etch_recipe_parse(etch_str name, etch_recipe *out) ETCH_MUST_USE;
// The quantization that the flags of a job ask for, checked (ETCH_USAGE).
etch_status *etch_job_quant(const etch_job *job, etch_recipe recipe, etch_quant_opts *out, etch_quant_opts *out_encoder) ETCH_MUST_USE;
// Runs the passes of a recipe over a program. `report` may be NULL.
etch_status *etch_pipeline_run(etch_program *p, const etch_export_opts *o, const etch_weights *weights,
                               etch_quant_report *report) ETCH_MUST_USE;
// The program that the tracer records for a job, into `r` with what is known of the child. `r` needs deinit on every path.
etch_status *etch_export_trace(const etch_job *job, etch_progress *progress, etch_export_report *r) ETCH_MUST_USE;
// Passes and emission of a traced program; `path` appears whole or not at all. `progress` and `report` may be NULL.
etch_status *etch_export_program(etch_program *p, const etch_export_opts *o, const char *path, etch_progress *progress,
                                 etch_export_report *report) ETCH_MUST_USE;
// The whole job: OUT/model.pte, the files that a runner needs beside it, OUT/report.json. `out_report` needs deinit on every path.
etch_status *etch_export(const etch_job *job, etch_progress *progress, etch_export_report *out_report) ETCH_MUST_USE;
void etch_export_report_deinit(etch_export_report *r);

#endif
