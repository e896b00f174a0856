// `etch lower`: a graph text (after the passes) becomes a program. For tests and for looking at one step of an export.
#include <stdio.h>
#include <stdlib.h>

#include "cli/opt.h"
#include "export/weights.h"

etch_status *etch_cmd_lower(int argc, char **argv);

typedef struct { const char *graph, *weights, *recipe, *out; bool quiet; } options;

static etch_status *lower(const options *o)
{
    etch_buf text;
    etch_program *p = NULL;
    etch_writer w;
    etch_model_weights weights = { 0 };
    etch_emit_report r;
    bool open = false;
    etch_buf_init(&text);
    etch_status *s = etch_file_read(o->graph, &text);
    if (!s) s = etch_program_parse(etch_buf_str(&text), &p);
    if (!s) s = etch_model_weights_open(o->weights, &weights);
    if (!s) s = etch_writer_open(o->out, &w);
    open = !s;
    if (!s) {
        etch_emit_opts opts = { .recipe = strcmp(o->recipe, "xnnpack") ? ETCH_RECIPE_PORTABLE : ETCH_RECIPE_XNNPACK };
        etch_const_source source = etch_model_weights_source(&weights);
        s = etch_emit(p, &opts, &source, &w, &r);
    }
    if (open && !s) s = etch_writer_commit(&w);
    else if (open) etch_writer_abandon(&w);
    if (!s && !o->quiet)
        fprintf(stderr, "%s: %llu bytes, %d instructions, %d delegates over %d of %d nodes, arena %llu bytes (least possible %llu)\n", o->out,
                (unsigned long long)r.file_bytes, r.n_instructions, r.n_delegates, r.n_delegated, r.n_nodes, (unsigned long long)r.arena_bytes,
                (unsigned long long)r.arena_bound);
    etch_model_weights_close(&weights);
    etch_program_destroy(p);
    etch_buf_deinit(&text);
    return s ? etch_status_frame(s, __FILE__, __LINE__, "%s", o->graph) : NULL;
}

etch_status *etch_cmd_lower(int argc, char **argv)
{
    options o = { .recipe = "portable" };
    etch_opt opts[] = {
        { .name = "--weights", .kind = ETCH_OPT_STR, .target = &o.weights, .arg = "DIR", .help = "safetensors that the graph's file tensors lie in" },
        { .name = "--recipe", .kind = ETCH_OPT_CHOICE, .target = &o.recipe, .arg = "portable|xnnpack", .help = "what runs the operators; default portable" },
        { .name = "--output", .alias = "-o", .kind = ETCH_OPT_STR, .target = &o.out, .arg = "FILE", .help = "program to write", .required = true },
        { .name = "--quiet", .kind = ETCH_OPT_FLAG, .target = &o.quiet, .help = "no summary" },
        { .name = NULL },
    };
    const etch_cmd cmd = { "lower", "Writes the program of a graph text.", "GRAPH.txt", 1, 1,
                           "  etch lower graph.txt --weights models/tiny --recipe xnnpack -o model.pte\n", opts };
    const char *pos[1];
    bool done;
    ETCH_TRY(etch_opt_parse(&cmd, argc, argv, pos, &done));
    if (done) return NULL;
    o.graph = pos[0];
    return lower(&o);
}
