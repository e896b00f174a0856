// `etch lower`: a graph text becomes a program; with --passes one as traced, without one as the passes leave it. For tests, for many
// programs of one trace, and for looking at one step of an export.
#include <stdio.h>

#include "cli/job_opts.h"
#include "cli/opt.h"
#include "export/export.h"
#include "export/weights.h"

etch_status *etch_cmd_lower(int argc, char **argv);

typedef struct { const char *graph, *weights, *out; bool passes, quiet; etch_job job; } options;

// The recipe's passes, which a graph as `etch trace` prints it needs, then emission.
static etch_status *with_passes(const options *o, etch_program *p, etch_emit_report *r)
{
    etch_export_opts e = { .model_dir = o->weights };
    etch_export_report report = { 0 };
    ETCH_TRY(etch_recipe_parse(etch_str_of(o->job.recipe), &e.recipe));
    ETCH_TRY(etch_job_quant(&o->job, e.recipe, &e.quant, &e.quant_encoder));
    etch_status *s = etch_export_program(p, &e, o->out, NULL, &report);
    *r = report.emit;
    etch_export_report_deinit(&report);
    return s;
}

static etch_status *as_it_is(const options *o, etch_program *p, etch_emit_report *r)
{
    etch_writer w;
    etch_model_weights weights = { 0 };
    etch_emit_opts opts = { 0 };
    ETCH_TRY(etch_recipe_parse(etch_str_of(o->job.recipe), &opts.recipe));
    etch_status *s = etch_model_weights_open(o->weights, &weights);
    bool open = false;
    if (!s) s = etch_writer_open(o->out, &w);
    open = !s;
    if (!s) {
        etch_const_source source = etch_model_weights_source(&weights);
        s = etch_emit(p, &opts, &source, &w, r);
    }
    if (open && !s) s = etch_writer_commit(&w);
    else if (open) etch_writer_abandon(&w);
    etch_model_weights_close(&weights);
    return s;
}

static etch_status *lower(const options *o)
{
    etch_buf text;
    etch_program *p = NULL;
    etch_emit_report r;
    etch_buf_init(&text);
    etch_status *s = etch_file_read(o->graph, &text);
    if (!s) s = etch_program_parse(etch_buf_str(&text), &p);
    if (!s) s = o->passes ? with_passes(o, p, &r) : as_it_is(o, p, &r);
    if (!s && !o->quiet)
        fprintf(stderr, "%s: %llu bytes, %d instructions, %d delegates over %d of %d nodes, arena %llu bytes (least possible %llu)\n",
                o->out, (unsigned long long)r.file_bytes, r.n_instructions, r.n_delegates, r.n_delegated, r.n_nodes,
                (unsigned long long)r.arena_bytes, (unsigned long long)r.arena_bound);
    etch_program_destroy(p);
    etch_buf_deinit(&text);
    return s ? etch_status_frame(s, __FILE__, __LINE__, "%s", o->graph) : NULL;
}

etch_status *etch_cmd_lower(int argc, char **argv)
{
    options o = { 0 };
    etch_job_init(&o.job);
    etch_opt opts[] = {
        { "--weights", NULL, ETCH_OPT_STR, &o.weights, "DIR", "safetensors that the graph's file tensors lie in", 0, 0, false, "Options" },
        { "--passes", NULL, ETCH_OPT_FLAG, &o.passes, NULL, "the graph is as `etch trace` prints it: run the passes first", 0, 0, false,
          NULL },
        { "--output", "-o", ETCH_OPT_STR, &o.out, "FILE", "program to write", 0, 0, true, NULL },
        { "--quiet", NULL, ETCH_OPT_FLAG, &o.quiet, NULL, "no summary", 0, 0, false, NULL },
        ETCH_JOB_LOWER_OPTS(o.job),
        { .name = NULL },
    };
    const etch_cmd cmd = { "lower", "Writes the program of a graph text.", "GRAPH.txt", 1, 1,
                           "  etch trace --model models/tiny > tiny.graph\n"
                           "  etch lower tiny.graph --weights models/tiny --passes --qlinear 8da4w -o model.pte", opts };
    const char *pos[1];
    bool done;
    ETCH_TRY(etch_opt_parse(&cmd, argc, argv, pos, &done));
    if (done) return NULL;
    if (!o.passes && (o.job.qlinear || o.job.qembedding || o.job.qlinear_encoder || o.job.qembedding_encoder))
        return ETCH_ERR(ETCH_USAGE, "quantization is a pass: it needs --passes");
    o.graph = pos[0];
    return lower(&o);
}
