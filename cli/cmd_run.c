// `etch run`: one call of a method. In: tensors in0, in1, ... of a safetensors file, an image. Out: out0, out1, ... in another.
#include <stdio.h>
#include <stdlib.h>

#include "cli/image.h"
#include "cli/opt.h"
#include "cli/rt_opts.h"
#include "cli/tensors.h"

etch_status *etch_cmd_run(int argc, char **argv);

typedef struct { const char *file, *inputs, *image, *outputs, *method, *kv_cache; int64_t threads; } options;

static etch_status *set_inputs(etch_rt_method *m, const options *o)
{
    const char *path = o->inputs;
    etch_st *st = NULL;
    etch_status *s = NULL;
    int image = -1;
    if (o->image) ETCH_TRY(etch_cli_set_image(m, o->file, o->image, &image));
    if (path) ETCH_TRY(etch_st_open(path, &st));
    for (int i = 0; i < etch_rt_n_inputs(m) && !s; i++) {
        char key[32];
        if (i == image) continue;
        snprintf(key, sizeof key, "in%d", i);
        const etch_st_tensor *t = st ? etch_st_find(st, etch_str_of(key)) : NULL;
        bool is_tensor = etch_rt_input(m, i)->kind == ETCH_V_TENSOR;
        if (t) s = etch_cli_set_input(m, i, st, t);
        else if (is_tensor) s = ETCH_ERR(ETCH_INVALID, "input %d is missing: %s has no tensor '%s'", i, path ? path : "--inputs", key);
    }
    etch_st_close(st);
    return s;
}

// A scalar output as a 0-d tensor in `room`.
static etch_status *as_tensor(const etch_val *v, etch_tensor *t, uint8_t room[8])
{
    *t = (etch_tensor){ .data = room, .capacity = 8 };
    switch (v->kind) {
    case ETCH_V_TENSOR: *t = *v->t; return NULL;
    case ETCH_V_INT: t->dtype = ETCH_I64; break;
    case ETCH_V_FLOAT: t->dtype = ETCH_F64; break;
    case ETCH_V_BOOL: t->dtype = ETCH_BOOL; break;
    default: return ETCH_ERR(ETCH_UNSUPPORTED, "an output is neither tensor nor number");
    }
    if (v->kind == ETCH_V_FLOAT) memcpy(room, &v->f, 8);
    else if (v->kind == ETCH_V_INT) memcpy(room, &v->i.v, 8);
    else room[0] = v->b;
    return NULL;
}

static etch_status *write_outputs(const etch_rt_method *m, const char *path)
{
    int n = etch_rt_n_outputs(m);
    size_t room = (size_t)n + 1;
    etch_st_entry *entries = calloc(room, sizeof *entries);
    etch_tensor *tensors = calloc(room, sizeof *tensors);
    char(*keys)[32] = calloc(room, sizeof *keys);
    uint8_t(*scalars)[8] = calloc(room, sizeof *scalars);
    etch_status *s = entries && tensors && keys && scalars ? NULL : ETCH_ERR(ETCH_NO_MEMORY, "out of memory");
    for (int i = 0; i < n && !s; i++) {
        snprintf(keys[i], sizeof keys[i], "out%d", i);
        s = as_tensor(etch_rt_output(m, i), &tensors[i], scalars[i]);
        entries[i] = (etch_st_entry){ etch_str_of(keys[i]), &tensors[i] };
    }
    if (!s) s = etch_st_write(path, entries, (size_t)n);
    free(entries);
    free(tensors);
    free(keys);
    free(scalars);
    return s;
}

static void print_outputs(const etch_rt_method *m)
{
    for (int i = 0; i < etch_rt_n_outputs(m); i++) {
        const etch_val *v = etch_rt_output(m, i);
        etch_buf type = { 0 };
        if (v->kind == ETCH_V_TENSOR) etch_tensor_print_type(&type, v->t);
        else if (v->kind == ETCH_V_FLOAT) etch_buf_printf(&type, "%g", v->f);
        else if (v->kind == ETCH_V_BOOL) etch_buf_puts(&type, v->b ? "true" : "false");
        else if (v->kind == ETCH_V_INT) etch_buf_printf(&type, "%lld", (long long)v->i.v);
        printf("out%d  %.*s\n", i, ETCH_STR_ARGS(etch_buf_str(&type)));
        etch_buf_deinit(&type);
    }
}

// A position beyond a key-value cache is an error of the instruction that meets it first; the caller knows the cache by its length.
static etch_status *name_the_cache(const etch_rt *rt, etch_status *s)
{
    int64_t slots;
    etch_status *none = etch_rt_constant_int(rt, ETCH_LIT("get_max_seq_len"), &slots);
    if (none) etch_status_ignore(none);
    else s = etch_status_frame(s, __FILE__, __LINE__, "with a cache of %lld positions (its --max_seq_len)", (long long)slots);
    return s;
}

static etch_status *run(etch_rt *rt, const options *o)
{
    etch_rt_method *m;
    ETCH_TRY(etch_rt_load(rt, etch_str_of(o->method), &m));
    etch_status *s = set_inputs(m, o);
    if (!s) {
        s = etch_rt_execute(m);
        if (s) s = name_the_cache(rt, s);
    }
    if (!s && o->outputs) s = write_outputs(m, o->outputs);
    if (!s && !(o->image && etch_cli_print_labels(m, o->file))) print_outputs(m);
    etch_rt_unload(m);
    return s;
}

etch_status *etch_cmd_run(int argc, char **argv)
{
    options o = { .method = "forward" };
    etch_opt opts[] = {
        { "--inputs", "-i", ETCH_OPT_STR, &o.inputs, "FILE", "safetensors with in0, in1, ...", 0, 0, false, "Options" },
        { "--image", NULL, ETCH_OPT_STR, &o.image, "FILE.png|ppm", "the input for pixels, prepared as the model's folder says", 0, 0, false,
          NULL },
        { "--outputs", "-o", ETCH_OPT_STR, &o.outputs, "FILE", "safetensors to write out0, out1, ... to", 0, 0, false, NULL },
        { "--method", "-m", ETCH_OPT_STR, &o.method, "NAME", "method to call (default forward)", 0, 0, false, NULL },
        ETCH_CLI_THREADS(o.threads),
        ETCH_CLI_KV_CACHE(o.kv_cache),
        { 0 },
    };
    const etch_cmd cmd = { "run", "Runs one method of a program on tensors from a file, or on an image.", "FILE.pte", 1, 1,
                           "  etch run model.pte --inputs in.safetensors --outputs out.safetensors\n"
                           "  etch run out/model.pte --image cat.png\n"
                           "  etch run model.pte --method get_vocab_size", opts };
    bool done;
    ETCH_TRY(etch_opt_parse(&cmd, argc, argv, &o.file, &done));
    if (done) return NULL;
    etch_rt *rt;
    ETCH_TRY(etch_rt_open(o.file, &(etch_rt_options){ .n_threads = (int)o.threads, .kv_cache = o.kv_cache }, &rt));
    etch_status *s = run(rt, &o);
    etch_rt_close(rt);
    return s;
}
