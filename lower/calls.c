// The instructions of a plan: KernelCall, DelegateCall, and the prim that sets a view's pointer. Operators are listed once by name.
#include "lower/internal.h"

static etch_status *push(lw_method *lm, int code, etch_fbo member)
{
    etch_fbb *b = &lm->lp->fbb;
    etch_fbo o = etch_fbb_table(b, ETCH_FB_Instruction);
    etch_fbb_union(b, o, ETCH_FB(Instruction, instr_args_type), code, member);
    LW_GROW(&lm->lp->arena, lm->instrs, lm->n_instrs, lm->cap_instrs);
    lm->instrs[lm->n_instrs++] = o;
    return NULL;
}

// "aten::add.out" -> {"aten::add", "out"}; no dot: no overload.
static etch_status *operator_index(lw_method *lm, const char *name, int *out)
{
    etch_fbb *b = &lm->lp->fbb;
    int *index = etch_map_get(&lm->op_index, etch_str_of(name));
    if (!index) {
        ETCH_ALLOC(index, &lm->lp->arena, sizeof *index);
        *index = lm->n_operators;
        const char *dot = strchr(name, '.');
        etch_fbo o = etch_fbb_table(b, ETCH_FB_Operator);
        etch_fbb_string(b, o, ETCH_FB(Operator, name), dot ? (etch_str){ name, (size_t)(dot - name) } : etch_str_of(name));
        etch_fbb_string(b, o, ETCH_FB(Operator, overload), etch_str_of(dot ? dot + 1 : ""));
        LW_GROW(&lm->lp->arena, lm->operators, lm->n_operators, lm->cap_operators);
        lm->operators[lm->n_operators++] = o;
        ETCH_TRY(etch_map_put(&lm->op_index, etch_str_of(name), index));
    }
    *out = *index;
    return NULL;
}

static etch_status *args_vector(lw_method *lm, const int *args, int n, etch_fbo *out)
{
    int32_t *items;
    ETCH_ALLOC(items, &lm->lp->arena, sizeof *items * (size_t)(n + 1));
    for (int i = 0; i < n; i++) items[i] = args[i];
    *out = etch_fbb_vec(&lm->lp->fbb, items, 4, (size_t)n);
    return NULL;
}

etch_status *lw_call(lw_method *lm, const char *op_name, const int *args, int n_args)
{
    etch_fbb *b = &lm->lp->fbb;
    int index = 0;
    etch_fbo vec;
    ETCH_TRY(operator_index(lm, op_name, &index));
    ETCH_TRY(args_vector(lm, args, n_args, &vec));
    etch_fbo o = etch_fbb_table(b, ETCH_FB_KernelCall);
    etch_fbb_int(b, o, ETCH_FB(KernelCall, op_index), index);
    etch_fbb_ref(b, o, ETCH_FB(KernelCall, args), vec);
    return push(lm, ETCH_FBU(InstructionArguments, KernelCall), o);
}

// The out arguments and the extra entry for the return value. A result that is the argument an in-place node wrote is no out argument,
// unless it is the only one.
static etch_status *append_outs(lw_method *lm, const etch_node *n, int *args, int *n_args)
{
    lw_slot **outs;
    int id, n_outs = 0, from = (n->op->flags & ETCH_OPF_INPLACE) && n->n_outs > 1 && lw_slot_of(n->outs[0])->same;
    ETCH_ALLOC(outs, &lm->lp->arena, sizeof *outs * (size_t)(n->n_outs + 1));
    for (int i = from; i < n->n_outs; i++) outs[n_outs++] = lw_slot_of(n->outs[i]);
    if (n->op->schema->returns_list) {
        ETCH_TRY(lw_val_tensors(lm, outs, n_outs, false, &id));
        args[(*n_args)++] = id;
        args[(*n_args)++] = id;
        return NULL;
    }
    for (int i = 0; i < n_outs; i++) ETCH_TRY(lw_val_tensor(lm, outs[i], &args[(*n_args)++]));
    if (n_outs == 1) id = args[*n_args - 1];
    else ETCH_TRY(lw_val_tensors(lm, outs, n_outs, false, &id));
    args[(*n_args)++] = id;
    return NULL;
}

static etch_status *call_scalar(lw_method *lm, const etch_node *n)
{
    int args[2];
    lw_slot *out = lw_slot_of(n->outs[0]);
    ETCH_TRY(lw_val_tensor(lm, lw_slot_arg(&n->args[0]), &args[0]));
    ETCH_TRY(lw_val_result(lm, &args[1]));
    out->evalue = args[1];
    ETCH_TRY(lw_call(lm, n->op->out_name, args, 2));
    return lw_sym_define(lm, out);
}

etch_status *lw_call_node(lw_method *lm, const etch_node *n)
{
    const etch_schema *sc = n->op->schema;
    if (!n->op->out_name)
        return ETCH_ERR(ETCH_UNSUPPORTED, "%.*s has no operator in the runtime and was not decomposed", ETCH_STR_ARGS(sc->name));
    if (n->op->flags & ETCH_OPF_SYM) return call_scalar(lm, n);
    int *args, n_args = 0, self = -1;
    ETCH_ALLOC(args, &lm->lp->arena, sizeof *args * (size_t)(sc->n_params + n->n_outs + 4));
    for (int i = 0; i < sc->n_params; i++) {
        if (!etch_op_param_in_out(n->op, i)) continue;
        ETCH_TRY(lw_val_arg(lm, &sc->params[i], &n->args[i], &args[n_args]));
        if (sc->params[i].is_mutable && self < 0) self = args[n_args];
        n_args++;
    }
    if (n->op->id == ETCH_OP_arange_start) ETCH_TRY(lw_val_int(lm, 1, &args[n_args++]));  // its .out form has a step
    if ((n->op->flags & ETCH_OPF_INPLACE) && n->op->out_name[strlen(n->op->out_name) - 1] == '_') args[n_args++] = self;
    else ETCH_TRY(append_outs(lm, n, args, &n_args));
    ETCH_TRY(lw_call(lm, n->op->out_name, args, n_args));
    for (int i = 0; i < n->n_outs; i++) ETCH_TRY(lw_sym_define(lm, lw_slot_of(n->outs[i])));
    return NULL;
}

etch_status *lw_call_et_view(lw_method *lm, const etch_node *n)
{
    int args[3];
    etch_dim sizes[ETCH_MAX_RANK];
    const etch_tensor *t = &n->outs[0]->t;
    int n_dynamic = 0;
    for (int i = 0; i < t->rank; i++) n_dynamic += !etch_dim_is_const(t->sizes[i]);
    for (int i = 0; i < t->rank; i++) sizes[i] = n_dynamic == 1 && !etch_dim_is_const(t->sizes[i]) ? etch_dim_of(-1) : t->sizes[i];
    ETCH_TRY(lw_val_tensor(lm, lw_slot_arg(&n->args[0]), &args[0]));
    ETCH_TRY(lw_val_ints(lm, sizes, t->rank, &args[1]));
    ETCH_TRY(lw_val_tensor(lm, lw_slot_of(n->outs[0]), &args[2]));
    return lw_call(lm, "executorch_prim::et_view.default", args, 3);
}

etch_status *lw_call_delegate(lw_method *lm, const lw_group *g)
{
    etch_fbb *b = &lm->lp->fbb;
    int *args, n_args = 0;
    ETCH_ALLOC(args, &lm->lp->arena, sizeof *args * (size_t)(g->n_inputs + g->n_outputs + 1));
    for (int i = 0; i < g->n_inputs; i++) ETCH_TRY(lw_val_tensor(lm, g->inputs[i], &args[n_args++]));
    for (int i = 0; i < g->n_outputs; i++) ETCH_TRY(lw_val_tensor(lm, g->outputs[i], &args[n_args++]));
    etch_fbo vec;
    ETCH_TRY(args_vector(lm, args, n_args, &vec));
    etch_fbo o = etch_fbb_table(b, ETCH_FB_DelegateCall);
    etch_fbb_int(b, o, ETCH_FB(DelegateCall, delegate_index), g->delegate);
    etch_fbb_ref(b, o, ETCH_FB(DelegateCall, args), vec);
    ETCH_TRY(push(lm, ETCH_FBU(InstructionArguments, DelegateCall), o));
    for (int i = 0; i < g->n_outputs; i++) ETCH_TRY(lw_sym_define(lm, g->outputs[i]));
    return NULL;
}
