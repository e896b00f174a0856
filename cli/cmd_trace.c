// `etch trace`: the graph that a model's own source records, in text form, on standard output.
#include <stdio.h>

#include "cli/job_opts.h"
#include "cli/opt.h"
#include "export/job.h"
#include "export/tracer.h"

etch_status *etch_cmd_trace(int argc, char **argv);

etch_status *etch_cmd_trace(int argc, char **argv)
{
    etch_job job;
    etch_job_init(&job);
    etch_opt opts[] = {
        ETCH_JOB_MODEL_OPTS(job),
        { "--quiet", "-q", ETCH_OPT_FLAG, &job.quiet, NULL, "no progress on the terminal", 0, 0, false, "Output" },
        { 0 },
    };
    const etch_cmd cmd = { "trace", "Prints the ATen graph that a model records, in etch's text form.", NULL, 0, 0,
                           "  etch trace --model models/tiny --task text-generation\n"
                           "  etch trace --model models/tiny --max_seq_len 128 > tiny.graph", opts };
    bool done;
    ETCH_TRY(etch_opt_parse(&cmd, argc, argv, NULL, &done));
    if (done) return NULL;
    etch_progress progress;
    etch_progress_init(&progress, job.quiet);
    ETCH_TRY(etch_job_prepare(&job, &progress));
    etch_buf text = { 0 };
    etch_status *s = etch_job_to_json(&job, &text);
    etch_tracer_result r = { 0 };
    if (!s) s = etch_tracer_run(etch_buf_str(&text), etch_job_grants(&job), &progress, &r);
    etch_progress_end(&progress);
    if (!s) fwrite(r.text.ptr, 1, r.text.len, stdout);
    if (!s && r.notes.len) fprintf(stderr, "%.*s", ETCH_STR_ARGS(etch_buf_str(&r.notes)));
    etch_tracer_result_deinit(&r);
    etch_buf_deinit(&text);
    return s;
}
