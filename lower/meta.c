// Constant methods and the pytree strings that name a method's inputs and outputs.
//
// Inputs: a tuple of (positional: empty tuple, keywords: dict of the inputs by name). Outputs: a leaf, or a tuple of leaves.
#include "lower/internal.h"

#define LEAF "{\"type\": null, \"context\": null, \"children_spec\": []}"

static void leaves(etch_buf *b, int n)
{
    for (int i = 0; i < n; i++) {
        if (i) etch_buf_puts(b, ", ");
        etch_buf_puts(b, LEAF);
    }
}

static void outputs(etch_buf *b, int n, bool always_tuple)
{
    etch_buf_puts(b, "[1, ");
    if (n == 1 && !always_tuple) etch_buf_puts(b, LEAF);
    else {
        etch_buf_puts(b, "{\"type\": \"builtins.tuple\", \"context\": \"null\", \"children_spec\": [");
        leaves(b, n);
        etch_buf_puts(b, "]}");
    }
    etch_buf_puts(b, "]");
}

static etch_status *finish(etch_fbb *b, etch_buf *in, etch_buf *out, etch_fbo *res)
{
    etch_status *s = etch_buf_check(in);
    if (!s) s = etch_buf_check(out);
    if (!s) {
        *res = etch_fbb_table(b, ETCH_FB_ContainerMetadata);
        etch_fbb_string(b, *res, ETCH_FB(ContainerMetadata, encoded_inp_str), etch_buf_str(in));
        etch_fbb_string(b, *res, ETCH_FB(ContainerMetadata, encoded_out_str), etch_buf_str(out));
    }
    etch_buf_deinit(in);
    etch_buf_deinit(out);
    return s;
}

etch_status *lw_meta_container(lw_method *lm, etch_fbo *out)
{
    etch_buf in, res, names;
    etch_buf_init(&in);
    etch_buf_init(&res);
    etch_buf_init(&names);
    int n = 0;
    for (int i = 0; i < lm->m->n_leaves; i++)
        if (lm->m->leaves[i]->src == ETCH_SRC_INPUT) {
            if (n++) etch_buf_puts(&names, ", ");
            etch_buf_quote(&names, lm->m->leaves[i]->name);
        }
    // The context of a dict is the JSON list of its keys, itself quoted.
    etch_buf list;
    etch_buf_init(&list);
    etch_buf_printf(&list, "[%.*s]", ETCH_STR_ARGS(etch_buf_str(&names)));
    etch_buf_puts(&in, "[1, {\"type\": \"builtins.tuple\", \"context\": \"null\", \"children_spec\": [{\"type\": \"builtins.tuple\", "
                       "\"context\": \"null\", "
                       "\"children_spec\": []}, {\"type\": \"builtins.dict\", \"context\": ");
    etch_buf_quote(&in, etch_buf_str(&list));
    etch_buf_puts(&in, ", \"children_spec\": [");
    leaves(&in, n);
    etch_buf_puts(&in, "]}]}]");
    outputs(&res, lm->m->n_outputs, false);
    if (names.oom || list.oom) in.oom = true;
    etch_buf_deinit(&names);
    etch_buf_deinit(&list);
    return finish(&lm->lp->fbb, &in, &res, out);
}

// Values of a meta: a scalar is one leaf, a list one an item.
static etch_status *meta_values(lw_method *lm, const etch_val *v, int *n)
{
    int id;
    *n = 1;
    switch (v->kind) {
    case ETCH_V_INTS:
        *n = v->ints.n;
        for (int i = 0; i < *n; i++) ETCH_TRY(lw_val_meta(lm, &(etch_val){ .kind = ETCH_V_INT, .i = v->ints.p[i] }, &id));
        return NULL;
    case ETCH_V_FLOATS:
        *n = v->floats.n;
        for (int i = 0; i < *n; i++) ETCH_TRY(lw_val_meta(lm, &(etch_val){ .kind = ETCH_V_FLOAT, .f = v->floats.p[i] }, &id));
        return NULL;
    case ETCH_V_BOOLS:
        *n = v->bools.n;
        for (int i = 0; i < *n; i++) ETCH_TRY(lw_val_meta(lm, &(etch_val){ .kind = ETCH_V_BOOL, .b = v->bools.p[i] }, &id));
        return NULL;
    default: return lw_val_meta(lm, v, &id);
    }
}

etch_status *lw_meta_plan(lw_program *lp, const etch_meta *meta, etch_fbo *out)
{
    etch_fbb *b = &lp->fbb;
    lw_method lm = { .lp = lp };
    int n;
    etch_status *s = meta_values(&lm, &meta->value, &n);
    etch_map_deinit(&lm.scalars);
    if (s) return etch_status_frame(s, __FILE__, __LINE__, "metadata '%.*s'", ETCH_STR_ARGS(meta->name));
    etch_buf in, res;
    etch_buf_init(&in);
    etch_buf_init(&res);
    bool list = meta->value.kind == ETCH_V_INTS || meta->value.kind == ETCH_V_FLOATS || meta->value.kind == ETCH_V_BOOLS;
    if (list) {
        etch_buf_puts(&res, "[1, {\"type\": \"builtins.list\", \"context\": \"null\", \"children_spec\": [");
        leaves(&res, n);
        etch_buf_puts(&res, "]}]");
    } else outputs(&res, 1, false);
    etch_fbo meta_type, chain = etch_fbb_table(b, ETCH_FB_Chain);
    ETCH_TRY(finish(b, &in, &res, &meta_type));
    int32_t *outs;
    ETCH_ALLOC(outs, &lp->arena, sizeof *outs * (size_t)(n + 1));
    for (int i = 0; i < n; i++) outs[i] = i;
    *out = etch_fbb_table(b, ETCH_FB_ExecutionPlan);
    etch_fbb_string(b, *out, ETCH_FB(ExecutionPlan, name), meta->name);
    etch_fbb_ref(b, *out, ETCH_FB(ExecutionPlan, container_meta_type), meta_type);
    etch_fbb_ref(b, *out, ETCH_FB(ExecutionPlan, values), etch_fbb_refs(b, lm.values, (size_t)lm.n_values));
    etch_fbb_ref(b, *out, ETCH_FB(ExecutionPlan, inputs), etch_fbb_vec(b, NULL, 4, 0));
    etch_fbb_ref(b, *out, ETCH_FB(ExecutionPlan, outputs), etch_fbb_vec(b, outs, 4, (size_t)n));
    etch_fbb_ref(b, chain, ETCH_FB(Chain, inputs), etch_fbb_vec(b, NULL, 4, 0));
    etch_fbb_ref(b, chain, ETCH_FB(Chain, outputs), etch_fbb_vec(b, NULL, 4, 0));
    etch_fbb_ref(b, chain, ETCH_FB(Chain, instructions), etch_fbb_refs(b, NULL, 0));
    etch_fbb_ref(b, *out, ETCH_FB(ExecutionPlan, chains), etch_fbb_refs(b, &chain, 1));
    etch_fbb_ref(b, *out, ETCH_FB(ExecutionPlan, operators), etch_fbb_refs(b, NULL, 0));
    etch_fbb_ref(b, *out, ETCH_FB(ExecutionPlan, delegates), etch_fbb_refs(b, NULL, 0));
    etch_fbb_ref(b, *out, ETCH_FB(ExecutionPlan, non_const_buffer_sizes), etch_fbb_vec(b, (int64_t[]){ 0 }, 8, 1));
    return NULL;
}
