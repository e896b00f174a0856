// `etch trace`: the graph that a model's own source records, in text form, on standard output.
#include <stdio.h>

#include "cli/job_opts.h"
#include "cli/opt.h"
#include "export/job.h"
#include "export/tracer.h"
#include "pt2/pt2.h"

etch_status *etch_cmd_trace(int argc, char **argv);

static etch_status *print_pt2(const char *path)
{
    etch_pt2 *a;
    etch_program *p;
    etch_buf text = { 0 }, notes = { 0 };
    ETCH_TRYF(etch_pt2_open(path, &a), "%s", path);
    etch_status *s = etch_pt2_program(a, &p, &notes);
    if (!s) etch_program_print(p, &text);
    if (!s) s = etch_buf_check(&text);
    if (!s) fwrite(text.ptr, 1, text.len, stdout);
    if (!s && notes.len) fprintf(stderr, "%.*s", ETCH_STR_ARGS(etch_buf_str(&notes)));
    etch_buf_deinit(&text);
    etch_buf_deinit(&notes);
    etch_program_destroy(p);
    etch_pt2_close(a);
    return s ? etch_status_frame(s, __FILE__, __LINE__, "%s", path) : NULL;
}

etch_status *etch_cmd_trace(int argc, char **argv)
{
    etch_job job;
    etch_job_init(&job);
    etch_opt opts[] = {
        ETCH_JOB_MODEL_OPTS(job),
        ETCH_JOB_PT2_OPT(job),
        { "--quiet", "-q", ETCH_OPT_FLAG, &job.quiet, NULL, "no progress on the terminal", 0, 0, false, "Output" },
        { 0 },
    };
    const etch_cmd cmd = { "trace", "Prints the ATen graph that a model records, in etch's text form.", NULL, 0, 0,
                           "  etch trace --model models/tiny --task text-generation\n"
                           "  etch trace --model models/tiny --max_seq_len 128 > tiny.graph", opts };
    bool done;
    ETCH_TRY(etch_opt_parse(&cmd, argc, argv, NULL, &done));
    if (done) return NULL;
    ETCH_TRY(etch_job_pt2_check(&job, opts));
    etch_progress progress;
    etch_progress_init(&progress, job.quiet);
    ETCH_TRY(etch_job_prepare(&job, &progress));
    if (job.pt2) return print_pt2(job.pt2);
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
