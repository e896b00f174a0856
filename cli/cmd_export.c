// `etch export`: a model folder to model.pte. The flags are those of `optimum-cli export executorch`.
#include <stdio.h>

#include "cli/job_opts.h"
#include "cli/opt.h"
#include "export/export.h"

etch_status *etch_cmd_export(int argc, char **argv);

static void summary(const etch_job *job, const etch_progress *progress, const etch_export_report *r)
{
    double total = 0;
    for (int i = 0; i < progress->n_stages; i++) total += progress->stages[i].seconds;
    fprintf(stderr, "%s/model.pte: %.1f MB, %d instructions, %d XNNPACK delegates with %d of %d nodes, %.1f MB of activations and state\n",
            job->output_dir, (double)r->emit.file_bytes / 1e6, r->emit.n_instructions, r->emit.n_delegates, r->emit.n_delegated,
            r->emit.n_nodes, (double)r->emit.arena_bytes / 1e6);
    fprintf(stderr, "%.1f s (", total);
    for (int i = 0; i < progress->n_stages; i++)
        fprintf(stderr, "%s%s %.1f", i ? ", " : "", progress->stages[i].name, progress->stages[i].seconds);
    fprintf(stderr, "), peak memory ");
    if (!job->pt2) fprintf(stderr, "%.0f MB traced, ", (double)r->tracer_peak_rss / 1e6);
    fprintf(stderr, "%.0f MB lowered\n", (double)r->peak_rss / 1e6);
    if (r->notes.len) fprintf(stderr, "%.*s", ETCH_STR_ARGS(etch_buf_str(&r->notes)));
}

etch_status *etch_cmd_export(int argc, char **argv)
{
    etch_job job;
    etch_job_init(&job);
    job.chat = true;
    etch_opt opts[] = {
        ETCH_JOB_MODEL_OPTS(job),
        ETCH_JOB_PT2_OPT(job),
        ETCH_JOB_LOWER_OPTS(job),
        { "--output_dir", "-o", ETCH_OPT_STR, &job.output_dir, "DIR", "where model.pte goes", 0, 0, true, "Output" },
        { "--dump", NULL, ETCH_OPT_STR, &job.dump_dir, "DIR", "writes the graph after every pass", 0, 0, false, NULL },
        { "--quiet", "-q", ETCH_OPT_FLAG, &job.quiet, NULL, "no progress and no summary", 0, 0, false, NULL },
        { 0 },
    };
    const etch_cmd cmd = { "export", "Exports a Transformers model folder to OUT/model.pte, straight from the model's own source.", NULL, 0,
                           0,
                           "  etch export --model models/tiny --task text-generation --recipe xnnpack -o out\n"
                           "  etch export --model SmolLM2-135M --recipe portable --max_seq_len 1024 -o out\n"
                           "  etch export --pt2 program.pt2 -o out", opts };
    bool done;
    ETCH_TRY(etch_opt_parse(&cmd, argc, argv, NULL, &done));
    if (done) return NULL;
    ETCH_TRY(etch_job_pt2_check(&job, opts));
    etch_progress progress;
    etch_progress_init(&progress, job.quiet);
    ETCH_TRY(etch_job_prepare(&job, &progress));
    etch_export_report report;
    etch_status *s = etch_export(&job, &progress, &report);
    etch_progress_end(&progress);
    if (!s && !job.quiet) summary(&job, &progress, &report);
    etch_export_report_deinit(&report);
    if (s) ETCH_TRYF(s, "%s", job.pt2 ? job.pt2 : job.model);
    return NULL;
}
