// Drives the work method by method, then writes the file. See emit.h for in and out, internal.h for the order of steps.
#include "lower/emit.h"

#include <stdlib.h>

#include "lower/internal.h"

// Mutations that the passes left become aten::copy_ at the end of the method.
static etch_status *write_back(etch_method *m)
{
    const etch_op *op = etch_op_get(ETCH_OP_copy_);
    for (int i = 0; i < m->n_mutations; i++) {
        etch_value *b = m->mutations[i].buffer, *v = m->mutations[i].v;
        if (b == v || (v->src == ETCH_SRC_NODE && (v->def->op->flags & ETCH_OPF_INPLACE))) continue;
        etch_node *n;
        ETCH_TRY(etch_method_add_node(m, NULL, op, (etch_val[]){ etch_val_tensor(&b->t), etch_val_tensor(&v->t) }, 2, ETCH_LIT(""),
                                      ETCH_LIT(""), &n));
    }
    m->n_mutations = 0;
    return NULL;
}

static etch_status *emit_step(lw_method *lm, const lw_step *st)
{
    switch (st->kind) {
    case LW_NOTHING: return NULL;
    case LW_KERNEL: return lw_call_node(lm, st->node);
    case LW_ET_VIEW: return lw_call_et_view(lm, st->node);
    case LW_DELEGATE: return lw_call_delegate(lm, st->group);
    }
    return NULL;
}

static etch_status *delegates_vector(lw_method *lm, etch_fbo *out)
{
    etch_fbb *b = &lm->lp->fbb;
    etch_fbo *list;
    ETCH_ALLOC(list, &lm->lp->arena, sizeof *list * (size_t)(lm->n_groups + 1));
    for (int i = 0; i < lm->n_groups; i++) {
        etch_fbo reference;
        ETCH_TRY(lw_payload_ref(lm->lp, lm->groups[i]->blob, &reference));
        list[i] = etch_fbb_table(b, ETCH_FB_BackendDelegate);
        etch_fbb_string(b, list[i], ETCH_FB(BackendDelegate, id), ETCH_LIT("XnnpackBackend"));
        etch_fbb_ref(b, list[i], ETCH_FB(BackendDelegate, processed), reference);
        etch_fbb_ref(b, list[i], ETCH_FB(BackendDelegate, compile_specs), etch_fbb_refs(b, NULL, 0));
    }
    *out = etch_fbb_refs(b, list, (size_t)lm->n_groups);
    return NULL;
}

// Values of inputs (and state), instructions, values of outputs; then the plan's table.
static etch_status *emit_plan(lw_method *lm, etch_fbo *out)
{
    etch_fbb *b = &lm->lp->fbb;
    etch_arena *arena = &lm->lp->arena;
    int32_t *inputs, *outputs;
    int n_inputs = 0, id;
    ETCH_ALLOC(inputs, arena, sizeof *inputs * (size_t)(lm->m->n_leaves + 1));
    ETCH_ALLOC(outputs, arena, sizeof *outputs * (size_t)(lm->m->n_outputs + 1));
    ETCH_TRY(lw_sym_inputs(lm));
    for (int i = 0; i < lm->m->n_leaves; i++) {
        lw_slot *s = lw_slot_of(lm->m->leaves[i]);
        if (s->v->src == ETCH_SRC_INPUT) {
            ETCH_TRY(lw_val_tensor(lm, s, &id));
            inputs[n_inputs++] = id;
        } else if (s->v->src == ETCH_SRC_BUFFER && s->last >= 0) ETCH_TRY(lw_val_tensor(lm, s, &id));
    }
    for (int i = 0; i < lm->n_steps; i++) {
        const etch_node *n = lm->steps[i].node;
        if (n) ETCH_TRYF(emit_step(lm, &lm->steps[i]), "%.*s of %.*s", ETCH_STR_ARGS(n->op->schema->name), ETCH_STR_ARGS(n->where));
        else ETCH_TRY(emit_step(lm, &lm->steps[i]));
    }
    for (int i = 0; i < lm->m->n_outputs; i++) {
        ETCH_TRYF(lw_val_tensor(lm, lw_slot_of(lm->m->outputs[i].v), &id), "output %.*s", ETCH_STR_ARGS(lm->m->outputs[i].name));
        outputs[i] = id;
    }
    etch_fbo containers = 0, delegates = 0, chain = etch_fbb_table(b, ETCH_FB_Chain);
    ETCH_TRY(lw_meta_container(lm, &containers));
    ETCH_TRY(delegates_vector(lm, &delegates));
    etch_fbb_ref(b, chain, ETCH_FB(Chain, inputs), etch_fbb_vec(b, NULL, 4, 0));
    etch_fbb_ref(b, chain, ETCH_FB(Chain, outputs), etch_fbb_vec(b, NULL, 4, 0));
    etch_fbb_ref(b, chain, ETCH_FB(Chain, instructions), etch_fbb_refs(b, lm->instrs, (size_t)lm->n_instrs));
    int64_t arena_bytes = (int64_t)lm->arena_bytes;
    if (lm->n_groups) arena_bytes += 64;  // XNNPACK reads a little past its inputs
    *out = etch_fbb_table(b, ETCH_FB_ExecutionPlan);
    etch_fbb_string(b, *out, ETCH_FB(ExecutionPlan, name), lm->m->name);
    etch_fbb_ref(b, *out, ETCH_FB(ExecutionPlan, container_meta_type), containers);
    etch_fbb_ref(b, *out, ETCH_FB(ExecutionPlan, values), etch_fbb_refs(b, lm->values, (size_t)lm->n_values));
    etch_fbb_ref(b, *out, ETCH_FB(ExecutionPlan, inputs), etch_fbb_vec(b, inputs, 4, (size_t)n_inputs));
    etch_fbb_ref(b, *out, ETCH_FB(ExecutionPlan, outputs), etch_fbb_vec(b, outputs, 4, (size_t)lm->m->n_outputs));
    etch_fbb_ref(b, *out, ETCH_FB(ExecutionPlan, chains), etch_fbb_refs(b, &chain, 1));
    etch_fbb_ref(b, *out, ETCH_FB(ExecutionPlan, operators), etch_fbb_refs(b, lm->operators, (size_t)lm->n_operators));
    etch_fbb_ref(b, *out, ETCH_FB(ExecutionPlan, delegates), delegates);
    etch_fbb_ref(b, *out, ETCH_FB(ExecutionPlan, non_const_buffer_sizes), etch_fbb_vec(b, (int64_t[]){ 0, arena_bytes }, 8, 2));
    return NULL;
}

static void tell(const lw_method *lm)
{
    const etch_emit_listener *l = lm->lp->opts->listener;
    for (int i = 0; l && l->node && i < lm->n_steps; i++) {
        const lw_step *st = &lm->steps[i];
        for (int k = 0; st->group && k < st->group->n_nodes; k++) l->node(l->user, lm->m, st->group->nodes[k], NULL);
        if (st->group) continue;
        l->node(l->user, lm->m, st->node, st->kind == LW_NOTHING ? "shares memory, no instruction" : st->outside ? st->outside
                : "the recipe has no delegate");
    }
}

static etch_status *lower_method(lw_method *lm, etch_fbo *out)
{
    ETCH_TRY(write_back(lm->m));
    if (lm->lp->opts->recipe == ETCH_RECIPE_XNNPACK) {
        ETCH_TRY(lw_masks(lm));
        ETCH_TRY(lw_products(lm));
    }
    ETCH_TRY(lw_slots_init(lm));
    ETCH_TRY(lw_schedule_all(lm));
    int n_nodes = lm->n_steps;
    if (lm->lp->opts->recipe == ETCH_RECIPE_XNNPACK) ETCH_TRY(lw_partition(lm));
    ETCH_TRY(lw_views(lm));
    tell(lm);
    ETCH_TRY(lw_plan(lm));
    for (int i = 0; i < lm->n_groups; i++) ETCH_TRY(lw_payload(lm, lm->groups[i]));
    ETCH_TRY(emit_plan(lm, out));
    etch_emit_report *r = &lm->lp->report;
    r->n_nodes += n_nodes;
    r->n_instructions += lm->n_instrs;
    r->n_delegates += lm->n_groups;
    for (int i = 0; i < lm->n_groups; i++) r->n_delegated += lm->groups[i]->n_nodes;
    if (lm->arena_bytes >= r->arena_bytes) {
        r->arena_bytes = lm->arena_bytes;
        r->arena_bound = lm->arena_bound;
    }
    return NULL;
}

static int by_name(const void *a, const void *b)
{
    return etch_str_cmp((*(etch_method *const *)a)->name, (*(etch_method *const *)b)->name);
}

static etch_status *emit_all(lw_program *lp, const etch_const_source *source, etch_writer *w)
{
    etch_program *p = lp->p;
    etch_fbo *plans;
    etch_method **order;
    int n = 0;
    ETCH_ALLOC(plans, &lp->arena, sizeof *plans * (size_t)(p->n_methods + p->n_metas + 1));
    ETCH_ALLOC(order, &lp->arena, sizeof *order * (size_t)(p->n_methods + 1));
    for (int i = 0; i < p->n_methods; i++) order[i] = p->methods[i];
    qsort(order, (size_t)p->n_methods, sizeof *order, by_name);
    for (int i = 0; i < p->n_methods; i++) {
        lw_method lm = { .lp = lp, .m = order[i] };
        etch_status *s = lower_method(&lm, &plans[n++]);
        etch_map_deinit(&lm.op_index);
        etch_map_deinit(&lm.scalars);
        etch_map_deinit(&lm.exprs);
        if (s) return etch_status_frame(s, __FILE__, __LINE__, "method '%.*s'", ETCH_STR_ARGS(order[i]->name));
    }
    for (int i = 0; i < p->n_metas; i++) ETCH_TRY(lw_meta_plan(lp, &p->metas[i], &plans[n++]));
    for (int i = 0; i < p->n_methods; i++) etch_method_clear_user(p->methods[i]);
    return lw_write(lp, plans, n, source, w);
}

etch_status *etch_emit(etch_program *p, const etch_emit_opts *opts, const etch_const_source *source, etch_writer *w,
                       etch_emit_report *out_report)
{
    lw_program lp = { .p = p, .opts = opts };
    etch_arena_init(&lp.arena);
    etch_fbb_init(&lp.fbb);
    etch_status *s = emit_all(&lp, source, w);
    if (out_report) *out_report = lp.report;
    etch_fbb_deinit(&lp.fbb);
    etch_map_deinit(&lp.by_id);
    etch_map_deinit(&lp.by_key);
    etch_arena_deinit(&lp.arena);
    return s;
}
