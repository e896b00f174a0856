// In: the chains of a plan. Out: delegates, and one flat array of instructions (a jump to the end of its chain goes on with the next).
#include <stdlib.h>

#include "base/num.h"
#include "rt/method.h"

#define BAD(...) ETCH_ERR(ETCH_INVALID, __VA_ARGS__)

// ---- operators

typedef struct { etch_str name; const etch_rt_prim *prim; } operator;

static etch_status *load_operators(etch_rt_method *m, operator **out_ops)
{
    etch_fb_vec ops = etch_fb_get_vec(m->plan, ETCH_FB(ExecutionPlan, operators));
    ETCH_ALLOC(*out_ops, &m->arena, sizeof **out_ops * ops.n);
    for (uint32_t i = 0; i < ops.n; i++) {
        etch_fb_table t = etch_fb_table_at(ops, i);
        etch_str name = etch_fb_get_str(t, ETCH_FB(Operator, name)), overload = etch_fb_get_str(t, ETCH_FB(Operator, overload));
        operator *op = &(*out_ops)[i];
        op->name = overload.len ? etch_arena_printf(&m->arena, "%.*s.%.*s", ETCH_STR_ARGS(name), ETCH_STR_ARGS(overload)) : name;
        if (!op->name.ptr) return ETCH_ERR(ETCH_NO_MEMORY, "out of memory");
        op->prim = etch_rt__prim_find(op->name);
    }
    return NULL;
}

// ---- which values are rewritten

static bool is_scalar(const etch_rt_value *v) { return v->v.kind == ETCH_V_INT || v->v.kind == ETCH_V_FLOAT || v->v.kind == ETCH_V_BOOL; }

static void mark(etch_rt_value *v)
{
    v->is_variable = true;
    if (v->tensor) v->tensor->is_unfixed = true;
}

static void mark_lists(etch_rt_method *m)
{
    for (int i = 0; i < m->n_values; i++) {
        etch_rt_value *v = &m->values[i];
        if (v->v.kind != ETCH_V_INTS) continue;
        for (int k = 0; k < v->v.ints.n; k++) {
            if (v->items[k]->is_variable) v->is_variable = true;
            if (v->items[k]->v.kind == ETCH_V_INT) v->v.ints.p[k] = v->items[k]->v.i;
        }
    }
}

// ---- single instructions

static etch_status *take_vals(etch_rt_method *m, etch_rt_instr *in, const int32_t *ids, int n)
{
    ETCH_ALLOC(in->vals, &m->arena, sizeof *in->vals * (size_t)n);
    for (int i = 0; i < n; i++) in->vals[i] = &m->values[ids[i]];
    in->n_vals = n;
    return NULL;
}

static etch_status *decode_prim(etch_rt_method *m, const etch_rt_prim *p, etch_fb_vec args, etch_rt_instr *in)
{
    in->kind = RT_PRIM;
    in->prim = p;
    if ((int)args.n != p->n_args) return BAD("operator %s has %u arguments, expected %d", p->name, args.n, p->n_args);
    int32_t ids[8];
    for (int i = 0; i < p->n_args; i++) ids[i] = etch_fb_i32_at(args, (uint32_t)i);
    ETCH_TRY(take_vals(m, in, ids, p->n_args));
    etch_rt_value *out = in->vals[p->out];
    if (p->writes_tensor ? !out->tensor || out->tensor->is_constant : !is_scalar(out))
        return BAD("operator %s writes to %s", p->name, out->tensor ? "a constant" : etch_rt__kind_name(out->v.kind));
    if (p->moves_tensor && out->is_input) return BAD("operator %s writes to an input", p->name);
    for (int i = 0; p->writes_tensor && i < p->n_args; i++)
        if (in->vals[i]->plain) return ETCH_ERR(ETCH_UNSUPPORTED, "operator %s on a tensor that is not row-major", p->name);
    return NULL;
}

static etch_status *decode_move(etch_rt_method *m, etch_fb_table a, etch_rt_instr *in)
{
    in->kind = RT_MOVE;
    int32_t ids[2] = { etch_fb_get_i32(a, ETCH_FB(MoveCall, move_from)), etch_fb_get_i32(a, ETCH_FB(MoveCall, move_to)) };
    ETCH_TRY(take_vals(m, in, ids, 2));
    const etch_rt_value *from = in->vals[0], *to = in->vals[1];
    if (is_scalar(from) && is_scalar(to)) return NULL;
    if (!from->tensor || !to->tensor) return ETCH_ERR(ETCH_UNSUPPORTED, "move of %s", etch_rt__kind_name(from->v.kind));
    if (to->tensor->is_constant || to->is_input) return BAD("move into %s", to->is_input ? "an input" : "a constant");
    if (from->tensor->t.dtype != to->tensor->t.dtype || from->tensor->t.rank != to->tensor->t.rank || from->plain || to->plain)
        return ETCH_ERR(ETCH_UNSUPPORTED, "move between tensors of different types");
    return NULL;
}

static etch_status *decode_jump(etch_rt_method *m, etch_fb_table a, etch_rt_instr *in, int chain_start)
{
    in->kind = RT_JUMP_FALSE;
    int32_t id = etch_fb_get_i32(a, ETCH_FB(JumpFalseCall, cond_value_index));
    in->target = chain_start + etch_fb_get_i32(a, ETCH_FB(JumpFalseCall, destination_instruction));
    ETCH_TRY(take_vals(m, in, &id, 1));
    const etch_rt_value *v = in->vals[0];
    if (v->tensor ? v->tensor->t.dtype != ETCH_BOOL : !is_scalar(v)) return BAD("a jump depends on %s", etch_rt__kind_name(v->v.kind));
    return NULL;
}

static etch_status *decode_delegate_call(etch_rt_method *m, etch_fb_table a, etch_rt_instr *in)
{
    in->kind = RT_DELEGATE;
    in->delegate = &m->delegates[etch_fb_get_i32(a, ETCH_FB(DelegateCall, delegate_index))];
    etch_fb_vec args = etch_fb_get_vec(a, ETCH_FB(DelegateCall, args));
    bool *is_output;
    size_t n = args.n + 1, scratch = 0;
    ETCH_ALLOC(is_output, &m->arena, n);
    ETCH_ALLOC(in->tensors, &m->arena, sizeof *in->tensors * n);
    ETCH_ALLOC(in->ins, &m->arena, sizeof *in->ins * n);
    ETCH_ALLOC(in->written, &m->arena, sizeof *in->written * n);
    for (uint32_t i = 0; i < args.n; i++) {
        etch_rt_value *v = &m->values[etch_fb_i32_at(args, i)];
        in->tensors[i] = v->tensor;
    }
    in->n_tensors = (int)args.n;
    ETCH_TRY(in->delegate->backend->bind(in->delegate->self, in->tensors, in->n_tensors, is_output, &scratch));
    for (int i = 0; i < in->n_tensors; i++) {
        if (!in->tensors[i]) continue;
        if (!is_output[i]) in->ins[in->n_ins++] = in->tensors[i];
        else if (in->tensors[i]->is_constant) return BAD("output %d is a constant", i);
        else in->written[in->n_written++] = in->tensors[i];
    }
    if (scratch > m->n_delegate_scratch) m->n_delegate_scratch = scratch;
    return NULL;
}

static etch_status *decode_instruction(etch_rt_method *m, const operator *ops, etch_fb_table instr, etch_rt_instr *in, int chain_start)
{
    etch_fb_table a = etch_fb_get_table(instr, ETCH_FB(Instruction, instr_args));
    switch (etch_fb_get_u8(instr, ETCH_FB(Instruction, instr_args_type))) {
    case ETCH_FBU(InstructionArguments, KernelCall): {
        const operator *op = &ops[etch_fb_get_i32(a, ETCH_FB(KernelCall, op_index))];
        etch_fb_vec args = etch_fb_get_vec(a, ETCH_FB(KernelCall, args));
        if (op->prim) return decode_prim(m, op->prim, args, in);
        ETCH_TRYF(etch_rt__decode_kernel(m, op->name, args, in), "%.*s", ETCH_STR_ARGS(op->name));
        return NULL;
    }
    case ETCH_FBU(InstructionArguments, DelegateCall): return decode_delegate_call(m, a, in);
    case ETCH_FBU(InstructionArguments, MoveCall): return decode_move(m, a, in);
    case ETCH_FBU(InstructionArguments, JumpFalseCall): return decode_jump(m, a, in, chain_start);
    default: {
        in->kind = RT_FREE;
        int32_t id = etch_fb_get_i32(a, ETCH_FB(FreeCall, value_index));
        ETCH_TRY(take_vals(m, in, &id, 1));
        return in->vals[0]->tensor ? NULL : BAD("free of %s", etch_rt__kind_name(in->vals[0]->v.kind));
    }
    }
}

// First pass: what prim ops, moves and frees rewrite, so that calls before them know it too (loops).
static void mark_rewritten(etch_rt_method *m, const operator *ops, etch_fb_table instr)
{
    etch_fb_table a = etch_fb_get_table(instr, ETCH_FB(Instruction, instr_args));
    switch (etch_fb_get_u8(instr, ETCH_FB(Instruction, instr_args_type))) {
    case ETCH_FBU(InstructionArguments, KernelCall): {
        const etch_rt_prim *p = ops[etch_fb_get_i32(a, ETCH_FB(KernelCall, op_index))].prim;
        etch_fb_vec args = etch_fb_get_vec(a, ETCH_FB(KernelCall, args));
        if (p && (int)args.n == p->n_args && (p->moves_tensor || !p->writes_tensor))
            mark(&m->values[etch_fb_i32_at(args, (uint32_t)p->out)]);
        return;
    }
    case ETCH_FBU(InstructionArguments, MoveCall): mark(&m->values[etch_fb_get_i32(a, ETCH_FB(MoveCall, move_to))]); return;
    case ETCH_FBU(InstructionArguments, FreeCall): mark(&m->values[etch_fb_get_i32(a, ETCH_FB(FreeCall, value_index))]); return;
    default: return;
    }
}

// ---- delegates

static etch_status *named(void *user, etch_str key, etch_span *out) { return etch_pte_named(user, key, out); }

static etch_status *load_delegates(etch_rt_method *m)
{
    etch_fb_vec list = etch_fb_get_vec(m->plan, ETCH_FB(ExecutionPlan, delegates));
    ETCH_ALLOC(m->delegates, &m->arena, sizeof *m->delegates * list.n);
    etch_delegate_env env = { named, &m->rt->pte, m->rt->opt.n_threads, m->rt->opt.max_bytes, m->rt->opt.ties };
    for (uint32_t i = 0; i < list.n; i++) {
        etch_fb_table t = etch_fb_table_at(list, i);
        etch_str id = etch_fb_get_str(t, ETCH_FB(BackendDelegate, id));
        etch_span blob;
        const etch_backend *b = etch_backend_find(id);
        if (!b) return ETCH_ERR(ETCH_UNSUPPORTED, "delegate %u is for the backend %.*s, which etch does not have", i, ETCH_STR_ARGS(id));
        ETCH_TRY(etch_pte_delegate_blob(&m->rt->pte, t, &blob));
        m->delegates[i].backend = b;
        ETCH_TRYF(b->init(blob, &env, &m->delegates[i].self), "delegate %u (%s)", i, b->id);
        m->n_delegates++;
    }
    return NULL;
}

void etch_rt__destroy_delegates(etch_rt_method *m)
{
    for (int i = 0; i < m->n_delegates; i++) m->delegates[i].backend->destroy(m->delegates[i].self);
    m->n_delegates = 0;
}

// ---- all

static etch_status *finish(etch_rt_method *m)
{
    int n_results = 1;
    for (int i = 0; i < m->n_instrs; i++)
        if (m->instrs[i].n_outs > n_results) n_results = m->instrs[i].n_outs;
    ETCH_ALLOC(m->shape_tmp, &m->arena, sizeof *m->shape_tmp * (size_t)n_results);
    ETCH_ALLOC(m->shape_ptrs, &m->arena, sizeof *m->shape_ptrs * (size_t)n_results);
    ETCH_ALLOC(m->rehomed, &m->arena, sizeof *m->rehomed * (size_t)m->n_values);
    for (int i = 0; i < m->n_values; i++)
        if (m->values[i].tensor && m->values[i].is_variable) m->rehomed[m->n_rehomed++] = &m->values[i];
    if (m->rt->opt.max_bytes && m->n_delegate_scratch > m->rt->opt.max_bytes)
        return ETCH_ERR(ETCH_NO_MEMORY, "the delegates need %zu bytes of working memory", m->n_delegate_scratch);
    size_t room = etch_align_up(m->n_delegate_scratch + 1, 64);
    m->delegate_scratch = aligned_alloc(64, room);
    return m->delegate_scratch ? NULL : ETCH_ERR(ETCH_NO_MEMORY, "out of memory (%zu bytes)", room);
}

etch_status *etch_rt__decode(etch_rt_method *m)
{
    operator *ops;
    etch_fb_vec chains = etch_fb_get_vec(m->plan, ETCH_FB(ExecutionPlan, chains));
    size_t n = 0;
    ETCH_TRY(load_operators(m, &ops));
    ETCH_TRY(load_delegates(m));
    for (uint32_t c = 0; c < chains.n; c++) {
        etch_fb_vec instrs = etch_fb_get_vec(etch_fb_table_at(chains, c), ETCH_FB(Chain, instructions));
        for (uint32_t i = 0; i < instrs.n; i++) mark_rewritten(m, ops, etch_fb_table_at(instrs, i));
        n += instrs.n;
    }
    mark_lists(m);
    ETCH_ALLOC(m->instrs, &m->arena, sizeof *m->instrs * n);
    for (uint32_t c = 0; c < chains.n; c++) {
        etch_fb_vec instrs = etch_fb_get_vec(etch_fb_table_at(chains, c), ETCH_FB(Chain, instructions));
        int start = m->n_instrs;
        for (uint32_t i = 0; i < instrs.n; i++) {
            etch_rt_instr *in = &m->instrs[m->n_instrs++];
            in->index = (int)i;
            ETCH_TRYF(decode_instruction(m, ops, etch_fb_table_at(instrs, i), in, start), "instruction %u", i);
        }
    }
    return finish(m);
}
