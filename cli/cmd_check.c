// `etch check`: whether a model exports, and to what, from its config alone.
#include <stdio.h>

#include "cli/job_opts.h"
#include "cli/opt.h"
#include "export/check.h"

etch_status *etch_cmd_check(int argc, char **argv);

static const char *line_of(etch_str where)  // the file's name and line, for a narrow column
{
    for (size_t i = where.len; i > 0; i--)
        if (where.ptr[i - 1] == '/') return where.ptr + i;
    return where.len ? where.ptr : "";
}

static int print_rows(const etch_check_report *r, bool portable)
{
    int n = 0;
    for (int i = 0; i < r->n_rows; i++) {
        const etch_check_row *row = &r->rows[i];
        if ((row->outside != NULL) != portable) continue;
        n += row->count;
        const char *line = line_of(row->where);
        int len = (int)(row->where.len - (size_t)(row->where.len ? line - row->where.ptr : 0));
        if (portable) printf("  %5d  %-34.*s %s (%.*s)\n", row->count, ETCH_STR_ARGS(row->op), row->outside, len, line);
        else printf("  %5d  %.*s\n", row->count, ETCH_STR_ARGS(row->op));
    }
    return n;
}

static void print_text(const etch_job *job, const etch_check_report *r)
{
    const etch_emit_report *e = &r->export.emit;
    printf("%s exports (task %s, recipe %s, sizes from the %s)\n", job->model, job->task_file ? job->task_file : job->task, job->recipe,
           r->weightless ? "config" : "weights");
    printf("file     %10.2f MB: constants %.2f MB, program %.2f MB\n", (double)e->file_bytes / 1e6,
           (double)(e->constant_bytes + e->named_bytes) / 1e6, (double)(e->file_bytes - e->constant_bytes - e->named_bytes) / 1e6);
    printf("running  %10.2f MB of planned memory, of which state (KV cache) %.2f MB\n", (double)e->arena_bytes / 1e6,
           (double)r->state_bytes / 1e6);
    printf("export   %10.2f MB at most, about (the tracer %.0f MB)\n", (double)r->export_bytes / 1e6,
           (double)r->export.tracer_peak_rss / 1e6);
    printf("nodes    %6d of %d in %d XNNPACK delegates\n", e->n_delegated, e->n_nodes, e->n_delegates);
    if (e->n_delegated) print_rows(r, false);
    printf("portable %6d, and why\n", e->n_nodes - e->n_delegated);
    print_rows(r, true);
    if (r->export.notes.len) fprintf(stderr, "%.*s", ETCH_STR_ARGS(etch_buf_str(&r->export.notes)));
}

static etch_status *print_json(const etch_job *job, const etch_check_report *r, const etch_status *verdict)
{
    etch_buf out = { 0 };
    etch_status *s = etch_check_to_json(job, r, verdict, &out);
    if (!s) fwrite(out.ptr, 1, out.len, stdout);
    etch_buf_deinit(&out);
    return s;
}

etch_status *etch_cmd_check(int argc, char **argv)
{
    etch_job job;
    etch_job_init(&job);
    job.weightless = true;
    bool as_json = false, done;
    etch_opt opts[] = {
        ETCH_JOB_MODEL_OPTS(job),
        ETCH_JOB_LOWER_OPTS(job),
        { "--json", NULL, ETCH_OPT_FLAG, &as_json, NULL, "one JSON object", 0, 0, false, "Output" },
        { "--quiet", "-q", ETCH_OPT_FLAG, &job.quiet, NULL, "no progress on the terminal", 0, 0, false, NULL },
        { 0 },
    };
    const etch_cmd cmd = { "check", "Says whether a model exports, what runs where, and how big the file and its memory will be.\n"
                           "Weights are not needed. Exit code 0: it exports; 1: it does not, and why; 2: a wrong command line.", NULL, 0, 0,
                           "  etch check --model models/tiny\n"
                           "  etch check --model config.json --qlinear 8da4w --max_seq_len 4096 --json", opts };
    ETCH_TRY(etch_opt_parse(&cmd, argc, argv, NULL, &done));
    if (done) return NULL;
    etch_progress progress;
    etch_progress_init(&progress, job.quiet);
    ETCH_TRY(etch_job_prepare(&job, &progress));
    etch_check_report report;
    etch_status *verdict = etch_check(&job, &progress, &report), *s = NULL;
    etch_progress_end(&progress);
    if (as_json) s = print_json(&job, &report, verdict);
    else if (!verdict) print_text(&job, &report);
    etch_check_report_deinit(&report);
    if (!s) s = verdict;
    else etch_status_ignore(verdict);
    if (s) ETCH_TRYF(s, "%s", job.model);
    return NULL;
}
