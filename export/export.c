// In: a job. Out: OUT/model.pte and its companions, or an error and no file.
#include "export/export.h"

#include <stdio.h>
#include <sys/resource.h>

#include "base/file.h"
#include "export/companions.h"
#include "export/report.h"
#include "export/tracer.h"
#include "export/weights.h"

static void on_bytes(void *user, uint64_t done, uint64_t total) { etch_progress_bytes(user, done, total); }

static uint64_t own_peak_rss(void)
{
    struct rusage u;
    return getrusage(RUSAGE_SELF, &u) ? 0 : (uint64_t)u.ru_maxrss * 1024;
}

static etch_status *emit(etch_program *p, etch_model_weights *weights, etch_recipe recipe, const char *path, etch_progress *progress,
                         etch_emit_report *report)
{
    const etch_emit_opts opts = { .recipe = recipe, .progress = progress ? on_bytes : NULL, .user = progress };
    const etch_const_source source = etch_model_weights_source(weights);
    etch_writer w;
    ETCH_TRY(etch_writer_open(path, &w));
    etch_status *s = etch_emit(p, &opts, &source, &w, report);
    if (s) {
        etch_writer_abandon(&w);
        return s;
    }
    return etch_writer_commit(&w);
}

// One line for all weights that came as integers.
static void note_sources(const etch_quant_report *q, etch_buf *notes)
{
    int n = 0, floats = 0;
    int64_t groups = 0, kept = 0;
    for (int i = 0; i < q->n; i++) {
        const etch_quant_entry *e = &q->entries[i];
        if (!e->source.len) continue;
        n++;
        floats += !e->group;
        if (!e->group || e->kept < 0) continue;
        groups += e->rows * (e->columns / e->group);
        kept += e->kept;
    }
    if (!n) return;
    etch_buf_printf(notes, "%d weights came as integers:", n);
    if (groups) etch_buf_printf(notes, " %.1f %% of %lld groups keep them%s%s", 100.0 * (double)kept / (double)groups, (long long)groups,
                                kept < groups ? ", the others are quantized again" : "", floats ? ";" : "");
    if (floats) etch_buf_printf(notes, " %d are stored as floats (--qlinear and --qembedding keep integers that fit)", floats);
    etch_buf_puts(notes, "\n");
}

etch_status *etch_export_program(etch_program *p, const etch_export_opts *o, const char *path, etch_progress *progress,
                                 etch_export_report *report)
{
    if (progress) etch_progress_stage(progress, "passes");
    etch_model_weights weights;
    etch_status *s = o->pt2 ? etch_model_weights_open_pt2(o->pt2, &weights) : etch_model_weights_open(o->model_dir, &weights);
    if (!s) s = etch_pipeline_run(p, o, &weights.weights, report ? &report->quant : NULL);
    if (!s && progress) etch_progress_stage(progress, "write");
    if (!s) s = emit(p, &weights, o->recipe, path, progress, report ? &report->emit : NULL);
    for (int i = 0; !s && report && i < report->quant.n; i++) {
        etch_quant_entry *e = &report->quant.entries[i];
        if (e->q && !etch_quant_stream_error(&weights.quant, e->q->def, &e->relative_rms, &e->kept)) e->relative_rms = -1;
    }
    if (!s && report) note_sources(&report->quant, &report->notes);
    etch_model_weights_close(&weights);
    return s;
}

etch_status *etch_export_trace(const etch_job *job, etch_progress *progress, etch_export_report *r)
{
    etch_buf json = { 0 };
    etch_tracer_result t = { 0 };
    etch_status *s = etch_job_to_json(job, &json);
    if (!s) s = etch_tracer_run(etch_buf_str(&json), etch_job_grants(job), progress, &t);
    etch_buf_deinit(&json);
    r->tracer_peak_rss = t.peak_rss;
    r->notes = t.notes;
    r->missing = t.missing;
    r->chat = t.chat;
    if (!s) {
        s = etch_program_parse(etch_buf_str(&t.text), &r->program);
        if (s) s = etch_status_frame(s, __FILE__, __LINE__, "the tracer's graph");
    }
    etch_buf_deinit(&t.text);
    return s;
}

// What the lowering left undone, beside the tracer's notes.
static etch_status *note_lowering(etch_export_report *r)
{
    if (!r->emit.n_bfloat16) return NULL;
    etch_buf_printf(&r->notes, "%d nodes stay outside XNNPACK, which has no convolution, pooling or resizing of bfloat16: float16 would go "
                               "inside\n",
                    r->emit.n_bfloat16);
    return etch_buf_check(&r->notes);
}

// The archive stays open: its tensors are read when they are written.
static etch_status *read_pt2(const etch_job *job, etch_progress *progress, etch_export_report *report, etch_pt2 **out)
{
    if (progress) etch_progress_stage(progress, "read");
    ETCH_TRY(etch_pt2_open(job->pt2, out));
    etch_status *s = etch_pt2_program(*out, &report->program, &report->notes);
    if (!s) return NULL;
    etch_pt2_close(*out);
    *out = NULL;
    return s;
}

etch_status *etch_export(const etch_job *job, etch_progress *progress, etch_export_report *out_report)
{
    *out_report = (etch_export_report){ 0 };
    etch_export_opts o = { .model_dir = job->model, .dump_dir = job->dump_dir };
    ETCH_TRY(etch_recipe_parse(etch_str_of(job->recipe), &o.recipe));
    ETCH_TRY(etch_job_quant(job, o.recipe, &o.quant, &o.quant_encoder));
    if (job->pt2) ETCH_TRY(read_pt2(job, progress, out_report, &o.pt2));
    else ETCH_TRY(etch_export_trace(job, progress, out_report));
    char path[4608];
    int n = snprintf(path, sizeof path, "%s/model.pte", job->output_dir);
    etch_status *s = n > 0 && (size_t)n < sizeof path ? NULL : ETCH_ERR(ETCH_USAGE, "--output_dir: the path is too long");
    if (!s) s = etch_file_mkdirs(job->output_dir);
    if (!s) s = etch_export_program(out_report->program, &o, path, progress, out_report);
    if (!s) s = note_lowering(out_report);
    out_report->peak_rss = own_peak_rss();
    etch_pt2_close(o.pt2);
    if (!s && job->model) s = etch_copy_companions(job->model, job->output_dir);
    if (!s) s = etch_write_chat(etch_buf_str(&out_report->chat), job->output_dir, &out_report->notes);
    etch_progress_end(progress);  // the report has the time of every stage
    if (!s) s = etch_report_write(job, progress, out_report);
    return s;
}

void etch_export_report_deinit(etch_export_report *r)
{
    etch_program_destroy(r->program);
    etch_buf_deinit(&r->notes);
    etch_buf_deinit(&r->missing);
    etch_buf_deinit(&r->chat);
    *r = (etch_export_report){ 0 };
}
