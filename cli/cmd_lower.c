// `etch lower`: a graph text (after the passes) becomes a program. For tests and for looking at one step of an export.
#include <stdio.h>
#include <stdlib.h>

#include "cli/opt.h"
#include "kern/kern.h"
#include "lower/emit.h"
#include "st/safetensors.h"

etch_status *etch_cmd_lower(int argc, char **argv);

// Evaluates one constant at a time with the reference kernels; arguments of a node are evaluated, used and dropped.
typedef struct source { etch_st *st; void *owned; } source;

static etch_status *bytes_of(source *src, etch_value *v, void **out_ptr, size_t *out_len, void **out_owned);

// In: node with constant arguments. Out: all results, malloc'ed.
static etch_status *run_node(source *src, etch_node *n, etch_tensor *outs, int cap, int *n_outs)
{
    int n_params = n->op->schema->n_params, n_held = 0, n_uses = 0;
    for (int i = 0; i < n_params; i++) n_uses += n->args[i].kind == ETCH_V_TENSORS ? n->args[i].tensors.n : 1;
    void **held = calloc((size_t)n_uses + 1, sizeof *held);
    if (!held) return ETCH_ERR(ETCH_NO_MEMORY, "out of memory");
    etch_status *s = NULL;
    for (int i = 0; i < n_params && !s; i++) {
        bool list = n->args[i].kind == ETCH_V_TENSORS;
        if (!list && n->args[i].kind != ETCH_V_TENSOR) continue;
        for (int k = 0; k < (list ? n->args[i].tensors.n : 1) && !s; k++) {
            etch_tensor *t = list ? n->args[i].tensors.p[k] : n->args[i].t;
            size_t len;
            if (t) s = bytes_of(src, etch_value_of(t), &t->data, &len, &held[n_held++]);
        }
    }
    if (!s) s = etch_kern_eval(n->op, n->args, n_params, outs, cap, n_outs);
    for (int i = 0; i < n_held; i++) free(held[i]);
    free(held);
    return s;
}

static etch_status *bytes_of(source *src, etch_value *v, void **out_ptr, size_t *out_len, void **out_owned)
{
    *out_owned = NULL;
    if (!etch_tensor_nbytes(&v->t, out_len)) return ETCH_ERR(ETCH_INVALID, "a constant is too large");
    if (v->src == ETCH_SRC_DATA) {
        *out_ptr = v->t.data;
        return NULL;
    }
    if (v->src == ETCH_SRC_FILE) {
        const etch_st_tensor *t = src->st ? etch_st_find(src->st, v->name) : NULL;
        if (!t) return ETCH_ERR(ETCH_NOT_FOUND, "no weight '%.*s'", ETCH_STR_ARGS(v->name));
        etch_span bytes = etch_st_bytes(src->st, t);
        if (bytes.len != *out_len) return ETCH_ERR(ETCH_INVALID, "weight '%.*s' has another size", ETCH_STR_ARGS(v->name));
        *out_owned = malloc(bytes.len + 1);
        if (!*out_owned) return ETCH_ERR(ETCH_NO_MEMORY, "out of memory");
        memcpy(*out_owned, bytes.ptr, bytes.len);
        *out_ptr = *out_owned;
        return NULL;
    }
    if (v->src != ETCH_SRC_NODE) return ETCH_ERR(ETCH_INVALID, "not a constant");
    etch_tensor outs[16];
    int n_outs = 0;
    ETCH_TRY(run_node(src, v->def, outs, 16, &n_outs));
    for (int i = 0; i < n_outs; i++)
        if (i != v->def_index) free(outs[i].data);
    *out_ptr = *out_owned = outs[v->def_index].data;
    return NULL;
}

static etch_status *eval(void *user, etch_value *v, etch_span *out)
{
    source *src = user;
    void *ptr;
    ETCH_TRY(bytes_of(src, v, &ptr, &out->len, &src->owned));
    out->ptr = ptr;
    return NULL;
}

static void release(void *user)
{
    source *src = user;
    free(src->owned);
    src->owned = NULL;
}

typedef struct { const char *graph, *weights, *recipe, *out; bool quiet; } options;

static etch_status *lower(const options *o)
{
    etch_buf text;
    etch_program *p = NULL;
    etch_writer w;
    source src = { 0 };
    etch_emit_report r;
    bool open = false;
    etch_buf_init(&text);
    etch_status *s = etch_file_read(o->graph, &text);
    if (!s) s = etch_program_parse(etch_buf_str(&text), &p);
    if (!s && o->weights) s = etch_st_open(o->weights, &src.st);
    if (!s) s = etch_writer_open(o->out, &w);
    open = !s;
    if (!s) {
        etch_emit_opts opts = { .recipe = strcmp(o->recipe, "xnnpack") ? ETCH_RECIPE_PORTABLE : ETCH_RECIPE_XNNPACK };
        etch_const_source cs = { eval, release, &src };
        s = etch_emit(p, &opts, &cs, &w, &r);
    }
    if (open && !s) s = etch_writer_commit(&w);
    else if (open) etch_writer_abandon(&w);
    if (!s && !o->quiet)
        fprintf(stderr, "%s: %llu bytes, %d instructions, %d delegates over %d of %d nodes, arena %llu bytes (least possible %llu)\n", o->out,
                (unsigned long long)r.file_bytes, r.n_instructions, r.n_delegates, r.n_delegated, r.n_nodes, (unsigned long long)r.arena_bytes,
                (unsigned long long)r.arena_bound);
    release(&src);
    etch_st_close(src.st);
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
