// Small programs for tests, built value by value and instruction by instruction. In: calls. Out: the bytes of a .pte, one method.
#ifndef ETCH_RT_PROG_H
#define ETCH_RT_PROG_H

#include "base/num.h"
#include "pte/build.h"
#include "rt/rt.h"

#define PROG_MAX 64

typedef struct prog {
    etch_fbb b;
    const char *name;        // of the method
    etch_fbo values[PROG_MAX], instrs[PROG_MAX], ops[PROG_MAX];
    const char *op_names[PROG_MAX];
    int n_values, n_instrs, n_ops;
    int64_t arena;           // bytes of memory id 1
    uint8_t data[256];       // constants and initial states, 16 bytes each
    int n_data, n_state;
    int inputs[8], outputs[8], n_inputs, n_outputs;
} prog;

enum { PROG_DYNAMIC = 1, PROG_UNPLANNED = 2, PROG_CHANNELS_LAST = 4 };

static inline void prog_init(prog *p)
{
    *p = (prog){ .name = "forward" };
    etch_fbb_init(&p->b);
}

static inline int prog_value(prog *p, int code, etch_fbo member)
{
    etch_fbo e = etch_fbb_table(&p->b, ETCH_FB_EValue);
    etch_fbb_union(&p->b, e, ETCH_FB(EValue, val_type), code, member);
    p->values[p->n_values] = e;
    return p->n_values++;
}

static inline int prog_int(prog *p, int64_t v)
{
    etch_fbo t = etch_fbb_table(&p->b, ETCH_FB_Int);
    etch_fbb_int(&p->b, t, ETCH_FB(Int, int_val), v);
    return prog_value(p, ETCH_FBU(KernelTypes, Int), t);
}

static inline int prog_bool(prog *p, bool v)
{
    etch_fbo t = etch_fbb_table(&p->b, ETCH_FB_Bool);
    etch_fbb_int(&p->b, t, ETCH_FB(Bool, bool_val), v);
    return prog_value(p, ETCH_FBU(KernelTypes, Bool), t);
}

static inline int prog_ints(prog *p, const int64_t *ids, int n)
{
    etch_fbo t = etch_fbb_table(&p->b, ETCH_FB_IntList);
    etch_fbb_ref(&p->b, t, ETCH_FB(IntList, items), etch_fbb_vec(&p->b, ids, 8, (size_t)n));
    return prog_value(p, ETCH_FBU(KernelTypes, IntList), t);
}

static inline etch_fbo prog__tensor(prog *p, etch_dtype d, int rank, const int32_t *sizes, int flags)
{
    static const uint8_t plain[8] = { 0, 1, 2, 3, 4, 5, 6, 7 }, last[4] = { 0, 2, 3, 1 };
    etch_fbo t = etch_fbb_table(&p->b, ETCH_FB_Tensor);
    etch_fbb_int(&p->b, t, ETCH_FB(Tensor, scalar_type), d);
    etch_fbb_ref(&p->b, t, ETCH_FB(Tensor, sizes), etch_fbb_vec(&p->b, sizes, 4, (size_t)rank));
    etch_fbb_ref(&p->b, t, ETCH_FB(Tensor, dim_order), etch_fbb_vec(&p->b, flags & PROG_CHANNELS_LAST ? last : plain, 1, (size_t)rank));
    etch_fbb_int(&p->b, t, ETCH_FB(Tensor, shape_dynamism), flags & PROG_DYNAMIC ? 1 : 0);
    return t;
}

static inline void prog__plan(prog *p, etch_fbo t, etch_dtype d, int rank, const int32_t *sizes)
{
    int64_t bytes = (int64_t)etch_dtype_size(d);
    const int64_t most = (int64_t)1 << 40;   // sizes may be absurd; the program is to be refused then
    for (int i = 0; i < rank; i++)
        if (!etch_mul_ok(bytes, sizes[i], &bytes) || bytes < 0 || bytes > most) bytes = most;
    etch_fbo a = etch_fbb_table(&p->b, ETCH_FB_AllocationDetails);
    etch_fbb_int(&p->b, a, ETCH_FB(AllocationDetails, memory_id), 1);
    etch_fbb_int(&p->b, a, ETCH_FB(AllocationDetails, memory_offset_low), p->arena);
    etch_fbb_ref(&p->b, t, ETCH_FB(Tensor, allocation_info), a);
    p->arena += (bytes + 15) / 16 * 16;
}

// A tensor in the arena (each gets its own place), or unplanned.
static inline int prog_tensor(prog *p, etch_dtype d, int rank, const int32_t *sizes, int flags)
{
    etch_fbo t = prog__tensor(p, d, rank, sizes, flags);
    if (!(flags & PROG_UNPLANNED)) prog__plan(p, t, d, rank, sizes);
    return prog_value(p, ETCH_FBU(KernelTypes, Tensor), t);
}

// Constant (or with is_state: planned, with initial content) of at most 16 bytes.
static inline int prog_data(prog *p, etch_dtype d, int rank, const int32_t *sizes, const void *bytes, size_t n, bool is_state)
{
    etch_fbo t = prog__tensor(p, d, rank, sizes, 0);
    memcpy(p->data + 16 * p->n_data, bytes, n);
    etch_fbb_int(&p->b, t, ETCH_FB(Tensor, data_buffer_idx), ++p->n_data);
    if (is_state) prog__plan(p, t, d, rank, sizes);
    return prog_value(p, ETCH_FBU(KernelTypes, Tensor), t);
}

static inline void prog__instr(prog *p, int code, etch_fbo args)
{
    etch_fbo t = etch_fbb_table(&p->b, ETCH_FB_Instruction);
    etch_fbb_union(&p->b, t, ETCH_FB(Instruction, instr_args_type), code, args);
    p->instrs[p->n_instrs++] = t;
}

// name "aten::relu.out": operator and overload.
static inline void prog_call(prog *p, const char *name, const int32_t *args, int n)
{
    int op = 0;
    while (op < p->n_ops && strcmp(p->op_names[op], name)) op++;
    if (op == p->n_ops) {
        const char *dot = strrchr(name, '.');
        etch_str all = etch_str_of(name), base = dot ? (etch_str){ name, (size_t)(dot - name) } : all;
        etch_fbo t = etch_fbb_table(&p->b, ETCH_FB_Operator);
        etch_fbb_string(&p->b, t, ETCH_FB(Operator, name), base);
        etch_fbb_string(&p->b, t, ETCH_FB(Operator, overload), etch_str_of(dot ? dot + 1 : ""));
        p->op_names[op] = name;
        p->ops[p->n_ops++] = t;
    }
    etch_fbo t = etch_fbb_table(&p->b, ETCH_FB_KernelCall);
    etch_fbb_int(&p->b, t, ETCH_FB(KernelCall, op_index), op);
    etch_fbb_ref(&p->b, t, ETCH_FB(KernelCall, args), etch_fbb_vec(&p->b, args, 4, (size_t)n));
    prog__instr(p, ETCH_FBU(InstructionArguments, KernelCall), t);
}
#define PROG_CALL(p, name, ...) \
    prog_call((p), (name), (int32_t[]){ __VA_ARGS__ }, (int)(sizeof((int32_t[]){ __VA_ARGS__ }) / sizeof(int32_t)))

static inline void prog_move(prog *p, int from, int to)
{
    etch_fbo t = etch_fbb_table(&p->b, ETCH_FB_MoveCall);
    etch_fbb_int(&p->b, t, ETCH_FB(MoveCall, move_from), from);
    etch_fbb_int(&p->b, t, ETCH_FB(MoveCall, move_to), to);
    prog__instr(p, ETCH_FBU(InstructionArguments, MoveCall), t);
}

static inline void prog_jump_false(prog *p, int cond, int target)
{
    etch_fbo t = etch_fbb_table(&p->b, ETCH_FB_JumpFalseCall);
    etch_fbb_int(&p->b, t, ETCH_FB(JumpFalseCall, cond_value_index), cond);
    etch_fbb_int(&p->b, t, ETCH_FB(JumpFalseCall, destination_instruction), target);
    prog__instr(p, ETCH_FBU(InstructionArguments, JumpFalseCall), t);
}

static inline void prog_free(prog *p, int id)
{
    etch_fbo t = etch_fbb_table(&p->b, ETCH_FB_FreeCall);
    etch_fbb_int(&p->b, t, ETCH_FB(FreeCall, value_index), id);
    prog__instr(p, ETCH_FBU(InstructionArguments, FreeCall), t);
}

static inline int prog_input(prog *p, int id) { return p->inputs[p->n_inputs++] = id; }
static inline int prog_output(prog *p, int id) { return p->outputs[p->n_outputs++] = id; }

static inline etch_fbo prog__offsets(prog *p)
{
    uint64_t at[17] = { 0 };
    for (int i = 0; i < p->n_data; i++) at[i + 1] = 16 * (uint64_t)i;
    etch_fbo t = etch_fbb_table(&p->b, ETCH_FB_SubsegmentOffsets);
    etch_fbb_ref(&p->b, t, ETCH_FB(SubsegmentOffsets, offsets), etch_fbb_vec(&p->b, at, 8, (size_t)p->n_data + 1));
    return t;
}

static inline etch_fbo prog__forward(prog *p)
{
    etch_fbb *b = &p->b;
    etch_fbo plan = etch_fbb_table(b, ETCH_FB_ExecutionPlan), chain = etch_fbb_table(b, ETCH_FB_Chain);
    etch_fbb_string(b, plan, ETCH_FB(ExecutionPlan, name), etch_str_of(p->name));
    etch_fbb_ref(b, plan, ETCH_FB(ExecutionPlan, values), etch_fbb_refs(b, p->values, (size_t)p->n_values));
    etch_fbb_ref(b, plan, ETCH_FB(ExecutionPlan, inputs), etch_fbb_vec(b, p->inputs, 4, (size_t)p->n_inputs));
    etch_fbb_ref(b, plan, ETCH_FB(ExecutionPlan, outputs), etch_fbb_vec(b, p->outputs, 4, (size_t)p->n_outputs));
    etch_fbb_ref(b, chain, ETCH_FB(Chain, instructions), etch_fbb_refs(b, p->instrs, (size_t)p->n_instrs));
    etch_fbb_ref(b, plan, ETCH_FB(ExecutionPlan, chains), etch_fbb_refs(b, &chain, 1));
    etch_fbb_ref(b, plan, ETCH_FB(ExecutionPlan, operators), etch_fbb_refs(b, p->ops, (size_t)p->n_ops));
    etch_fbb_ref(b, plan, ETCH_FB(ExecutionPlan, delegates), etch_fbb_refs(b, NULL, 0));
    etch_fbb_ref(b, plan, ETCH_FB(ExecutionPlan, non_const_buffer_sizes), etch_fbb_vec(b, (int64_t[]){ 0, p->arena }, 8, 2));
    return plan;
}

// One segment holds constants and initial states alike. Frees the builder; `out` is the caller's.
static inline etch_status *prog_finish(prog *p, etch_buf *out)
{
    etch_fbb *b = &p->b;
    etch_fbo root = etch_fbb_table(b, ETCH_FB_Program), plan = prog__forward(p), seg = etch_fbb_table(b, ETCH_FB_DataSegment);
    etch_fbb_ref(b, root, ETCH_FB(Program, execution_plan), etch_fbb_refs(b, &plan, 1));
    etch_fbb_u64(b, seg, ETCH_FB(DataSegment, size), sizeof p->data);
    etch_fbb_ref(b, root, ETCH_FB(Program, segments), etch_fbb_refs(b, &seg, 1));
    etch_fbb_ref(b, root, ETCH_FB(Program, constant_segment), prog__offsets(p));
    etch_fbo state = prog__offsets(p);
    etch_fbb_ref(b, root, ETCH_FB(Program, mutable_data_segments), etch_fbb_refs(b, &state, 1));
    etch_status *s = etch_fbb_finish(b, root, "ET12", 32, out);
    etch_fbb_deinit(b);
    if (s) return s;
    uint64_t head[3] = { out->len, (out->len + 127) / 128 * 128, sizeof p->data };
    etch_buf_fill(out, 0, (size_t)(head[1] - head[0]));
    etch_buf_put(out, p->data, sizeof p->data);
    ETCH_TRY(etch_buf_check(out));
    memcpy(out->ptr + 8, "eh00\x20\0\0\0", 8);
    memcpy(out->ptr + 16, head, sizeof head);
    return NULL;
}

#endif
