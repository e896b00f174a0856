// The order of everything between the traced graph and emission. A pass is one file in pass/; a recipe is one column here.
#include <stdio.h>

#include "base/file.h"
#include "export/export.h"
#include "pass/pass.h"

#define P (1u << ETCH_RECIPE_PORTABLE)
#define X (1u << ETCH_RECIPE_XNNPACK)

// fn NULL: quantization, which has options and a report of its own.
static const struct { const char *name; etch_pass_fn fn; unsigned recipes; } passes[] = {
    { "dce", etch_pass_dce, P | X },              // the trace holds everything that the model computed
    { "alias", etch_pass_alias, P | X },
    { "cse", etch_pass_cse, P | X },              // before decompose: equal composites are one decomposition
    { "complex", etch_pass_complex, P | X },
    { "dce", etch_pass_dce, P | X },              // the complex nodes
    { "decompose", etch_pass_decompose, P | X },
    { "alias", etch_pass_alias, P | X },
    { "packed_rows", etch_pass_packed_rows, P | X },  // before quantize, which takes packed integers from under casts only
    { "quantize", NULL, P | X },                  // linears and embeddings are plain now; before fold, which may copy small weights
    { "fold", etch_pass_fold, P | X },            // before scalars: constant arithmetic needs no overload
    { "scalars", etch_pass_scalars, P | X },
    { "types", etch_pass_types, P | X },
    { "fold", etch_pass_fold, P | X },            // the casts of constants that types made
    { "cse", etch_pass_cse, P | X },
    { "dce", etch_pass_dce, P | X },
    { "mutations", etch_pass_mutations, P | X },  // last: nothing may move nodes after it
};
#define N_PASSES (sizeof passes / sizeof *passes)

etch_status *etch_recipe_parse(etch_str name, etch_recipe *out)
{
    if (etch_str_eqz(name, "portable")) *out = ETCH_RECIPE_PORTABLE;
    else if (etch_str_eqz(name, "xnnpack")) *out = ETCH_RECIPE_XNNPACK;
    else return ETCH_ERR(ETCH_USAGE, "recipe '%.*s' is not one of portable, xnnpack", ETCH_STR_ARGS(name));
    return NULL;
}

static etch_status *dump(etch_program *p, const char *dir, size_t i, const char *name)
{
    char path[4608];
    ETCH_TRY(etch_file_mkdirs(dir));
    snprintf(path, sizeof path, "%s/%02zu-%s.graph", dir, i, name);
    etch_buf text = { 0 };
    etch_program_print(p, &text);
    etch_status *s = etch_buf_check(&text);
    if (!s) s = etch_file_write(path, (etch_span){ text.ptr, text.len });
    etch_buf_deinit(&text);
    return s;
}

etch_status *etch_pipeline_run(etch_program *p, const etch_export_opts *o, const etch_weights *weights, etch_quant_report *report)
{
    const etch_pass_opts opts = {
        .weights = weights,
        .scalars = o->recipe == ETCH_RECIPE_XNNPACK ? ETCH_SCALARS_TENSOR_FLOAT : ETCH_SCALARS_OVERLOAD,
        .missing = o->missing,
        .user = o->missing_user,
    };
    etch_quant_report unused;
    if (o->dump_dir) ETCH_TRYF(dump(p, o->dump_dir, 0, "trace"), "--dump");
    for (size_t i = 0; i < N_PASSES; i++) {
        if (!(passes[i].recipes & (1u << o->recipe))) continue;
        ETCH_TRY(passes[i].fn ? passes[i].fn(p, &opts) : etch_quant_run(p, &o->quant, &o->quant_encoder, report ? report : &unused));
        if (o->dump_dir) ETCH_TRYF(dump(p, o->dump_dir, i + 1, passes[i].name), "--dump");
#ifdef ETCH_DEBUG
        ETCH_TRYF(etch_program_verify(p), "after pass %s", passes[i].name);
#endif
    }
    return NULL;
}
