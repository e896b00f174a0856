// In: an execution plan of a verified flatbuffer. Out: an error for any id out of range, any tensor that does not fit its memory, any list
// in the wrong order, any jump out of its chain.
#include "pte/plan.h"

#include "base/num.h"

#define BAD(...) ETCH_ERR(ETCH_INVALID, __VA_ARGS__)

// ---- tensors

static etch_status *read_sizes(etch_fb_table t, etch_pte_tensor *out)
{
    etch_fb_vec sizes = etch_fb_get_vec(t, ETCH_FB(Tensor, sizes)), order = etch_fb_get_vec(t, ETCH_FB(Tensor, dim_order));
    if (sizes.n > ETCH_MAX_RANK) return BAD("rank %u; at most %d", sizes.n, ETCH_MAX_RANK);
    if (order.n != sizes.n) return BAD("%u sizes but %u entries in dim_order", sizes.n, order.n);
    out->rank = (int)sizes.n;
    out->numel = 1;
    out->is_plain = true;
    unsigned seen = 0;
    bool is_empty = false, fits = true;
    for (uint32_t i = 0; i < sizes.n; i++) {
        int32_t size = etch_fb_i32_at(sizes, i);
        uint8_t dim = etch_fb_u8_at(order, i);
        if (size < 0) return BAD("size %d", size);
        if (dim >= sizes.n || seen & 1u << dim) return BAD("dim_order is not a permutation");
        seen |= 1u << dim;
        out->sizes[i] = size;
        out->dim_order[i] = dim;
        if (dim != i) out->is_plain = false;
        if (size == 0) is_empty = true;
        else fits = fits && etch_mul_ok(out->numel, (int64_t)size, &out->numel);
    }
    size_t bytes;
    if (is_empty) out->numel = 0;
    // Beside a 0 too: strides are products of the other sizes.
    if (!fits || !etch_mul_ok((size_t)out->numel, etch_dtype_size(out->dtype), &bytes) || bytes > SIZE_MAX / 4)
        return BAD("its byte count overflows");
    out->nbytes = bytes;
    return NULL;
}

static etch_status *read_planned(etch_fb_table plan, etch_fb_table alloc, etch_pte_tensor *out)
{
    etch_fb_vec arenas = etch_fb_get_vec(plan, ETCH_FB(ExecutionPlan, non_const_buffer_sizes));
    out->memory_id = etch_fb_get_u32(alloc, ETCH_FB(AllocationDetails, memory_id));
    out->offset = etch_fb_get_u32(alloc, ETCH_FB(AllocationDetails, memory_offset_low)) |
                  (uint64_t)etch_fb_get_u32(alloc, ETCH_FB(AllocationDetails, memory_offset_high)) << 32;
    if (out->memory_id == 0 || out->memory_id >= arenas.n) return BAD("memory id %u; the method has %u buffers", out->memory_id, arenas.n);
    uint64_t end, room = (uint64_t)etch_fb_i64_at(arenas, out->memory_id);
    if (!etch_add_ok(out->offset, (uint64_t)out->nbytes, &end) || end > room)
        return BAD("ends at byte %llu of a buffer of %llu", (unsigned long long)end, (unsigned long long)room);
    if (out->offset % etch_dtype_size(out->dtype)) return BAD("offset %llu is misaligned", (unsigned long long)out->offset);
    return NULL;
}

// Bytes of entry `index` of a SubsegmentOffsets table.
static etch_status *read_stored(const etch_pte *p, etch_fb_table sub, uint32_t index, size_t align, etch_pte_tensor *out)
{
    etch_fb_vec offsets = etch_fb_get_vec(sub, ETCH_FB(SubsegmentOffsets, offsets));
    if (index >= offsets.n) return BAD("data index %u of %u", index, offsets.n);
    etch_span segment;
    ETCH_TRY(etch_pte_segment(p, etch_fb_get_u32(sub, ETCH_FB(SubsegmentOffsets, segment_index)), &segment));
    uint64_t off = etch_fb_u64_at(offsets, index), end;
    if (!etch_add_ok(off, (uint64_t)out->nbytes, &end) || end > segment.len)
        return BAD("its data ends at byte %llu of a segment of %zu", (unsigned long long)end, segment.len);
    out->data = segment.ptr ? segment.ptr + off : p->file.ptr;  // empty tensor in an empty segment
    if ((uintptr_t)out->data % align) return BAD("its data is misaligned");
    return NULL;
}

static etch_status *read_place(const etch_pte *p, etch_fb_table plan, etch_fb_table t, etch_pte_tensor *out)
{
    etch_fb_table alloc = etch_fb_get_table(t, ETCH_FB(Tensor, allocation_info));
    etch_fb_table extra = etch_fb_get_table(t, ETCH_FB(Tensor, extra_tensor_info));
    uint32_t index = etch_fb_get_u32(t, ETCH_FB(Tensor, data_buffer_idx));
    int location = etch_fb_get_i8(extra, ETCH_FB(ExtraTensorInfo, location));
    out->fqn = etch_fb_get_str(extra, ETCH_FB(ExtraTensorInfo, fully_qualified_name));
    int device = etch_fb_get_i8(extra, ETCH_FB(ExtraTensorInfo, device_type));
    if (device) return ETCH_ERR(ETCH_UNSUPPORTED, "it lives on device type %d; etch runs on the CPU", device);
    if (alloc.p) ETCH_TRY(read_planned(plan, alloc, out));
    if (location == 1) {
        if (!out->fqn.ptr) return BAD("external data without a name");
        out->place = alloc.p ? ETCH_PTE_EXTERNAL_STATE : ETCH_PTE_EXTERNAL;
        return NULL;
    }
    if (location != 0) return BAD("data location %d", location);
    if (index == 0) {
        out->place = alloc.p ? ETCH_PTE_PLANNED : ETCH_PTE_UNPLANNED;
        return NULL;
    }
    if (!alloc.p) {
        out->place = ETCH_PTE_CONSTANT;
        etch_fb_table sub = etch_fb_get_table(p->program, ETCH_FB(Program, constant_segment));
        return read_stored(p, sub, index, etch_dtype_size(out->dtype), out);
    }
    out->place = ETCH_PTE_STATE;
    etch_fb_vec state = etch_fb_get_vec(p->program, ETCH_FB(Program, mutable_data_segments));
    if (state.n == 0) return BAD("initial state, but the program has no mutable data segment");
    return read_stored(p, etch_fb_table_at(state, 0), index, 1, out);
}

etch_status *etch_pte_read_tensor(const etch_pte *p, etch_fb_table plan, etch_fb_table t, etch_pte_tensor *out)
{
    *out = (etch_pte_tensor){ 0 };
    int code = etch_fb_get_i8(t, ETCH_FB(Tensor, scalar_type)), dynamism = etch_fb_get_i8(t, ETCH_FB(Tensor, shape_dynamism));
    if (!etch_dtype_is_valid(code)) return ETCH_ERR(ETCH_UNSUPPORTED, "scalar type %d", code);
    out->dtype = (etch_dtype)code;
    if (etch_fb_get_i32(t, ETCH_FB(Tensor, storage_offset))) return ETCH_ERR(ETCH_UNSUPPORTED, "a storage offset");
    if (dynamism != 0 && dynamism != 1) return ETCH_ERR(ETCH_UNSUPPORTED, "shape dynamism %d (unbounded sizes)", dynamism);
    out->is_dynamic = dynamism == 1;
    ETCH_TRY(read_sizes(t, out));
    return read_place(p, plan, t, out);
}

// ---- values

static int type_of(etch_fb_vec values, uint32_t i) { return etch_fb_get_u8(etch_fb_table_at(values, i), ETCH_FB(EValue, val_type)); }

static etch_status *check_int_list(etch_fb_vec values, etch_fb_vec items)
{
    for (uint32_t i = 0; i < items.n; i++) {
        int64_t id = etch_fb_i64_at(items, i);
        if (id < 0 || id >= values.n) return BAD("refers to value %lld of %u", (long long)id, values.n);
        if (type_of(values, (uint32_t)id) != ETCH_FBU(KernelTypes, Int))
            return BAD("refers to value %lld, which is no integer", (long long)id);
    }
    return NULL;
}

static etch_status *check_tensor_list(etch_fb_vec values, etch_fb_vec items, uint32_t self, bool optional)
{
    for (uint32_t i = 0; i < items.n; i++) {
        int32_t id = etch_fb_i32_at(items, i);
        if (optional && id == -1) continue;
        if (id < 0 || (uint32_t)id >= self) return BAD("refers to value %d, which does not come before it", id);
        int type = type_of(values, (uint32_t)id);
        if (type != ETCH_FBU(KernelTypes, Tensor) && !(optional && type == ETCH_FBU(KernelTypes, Null)))
            return BAD("refers to value %d, which is no tensor", id);
    }
    return NULL;
}

static etch_status *check_value(const etch_pte *p, etch_fb_table plan, etch_fb_vec values, uint32_t i)
{
    etch_fb_table v = etch_fb_get_table(etch_fb_table_at(values, i), ETCH_FB(EValue, val));
    switch (type_of(values, i)) {
    case ETCH_FBU(KernelTypes, Tensor): {
        etch_pte_tensor t;
        return etch_pte_read_tensor(p, plan, v, &t);
    }
    case ETCH_FBU(KernelTypes, IntList): return check_int_list(values, etch_fb_get_vec(v, ETCH_FB(IntList, items)));
    case ETCH_FBU(KernelTypes, TensorList): return check_tensor_list(values, etch_fb_get_vec(v, ETCH_FB(TensorList, items)), i, false);
    case ETCH_FBU(KernelTypes, OptionalTensorList):
        return check_tensor_list(values, etch_fb_get_vec(v, ETCH_FB(OptionalTensorList, items)), i, true);
    default: return NULL;
    }
}

// ---- instructions

static etch_status *check_ids(etch_fb_vec ids, uint32_t n, const char *what)
{
    for (uint32_t i = 0; i < ids.n; i++) {
        int32_t id = etch_fb_i32_at(ids, i);
        if (id < 0 || (uint32_t)id >= n) return BAD("%s refers to value %d of %u", what, id, n);
    }
    return NULL;
}

static etch_status *check_index(int32_t i, uint32_t n, const char *what)
{
    if (i < 0 || (uint32_t)i >= n) return BAD("%s %d of %u", what, i, n);
    return NULL;
}

static etch_status *check_instruction(etch_fb_table plan, etch_fb_table instr, uint32_t n_values, uint32_t n_instrs)
{
    etch_fb_table a = etch_fb_get_table(instr, ETCH_FB(Instruction, instr_args));
    uint32_t n_ops = etch_fb_get_vec(plan, ETCH_FB(ExecutionPlan, operators)).n;
    uint32_t n_delegates = etch_fb_get_vec(plan, ETCH_FB(ExecutionPlan, delegates)).n;
    switch (etch_fb_get_u8(instr, ETCH_FB(Instruction, instr_args_type))) {
    case ETCH_FBU(InstructionArguments, KernelCall):
        ETCH_TRY(check_index(etch_fb_get_i32(a, ETCH_FB(KernelCall, op_index)), n_ops, "operator"));
        return check_ids(etch_fb_get_vec(a, ETCH_FB(KernelCall, args)), n_values, "an argument");
    case ETCH_FBU(InstructionArguments, DelegateCall):
        ETCH_TRY(check_index(etch_fb_get_i32(a, ETCH_FB(DelegateCall, delegate_index)), n_delegates, "delegate"));
        return check_ids(etch_fb_get_vec(a, ETCH_FB(DelegateCall, args)), n_values, "an argument");
    case ETCH_FBU(InstructionArguments, MoveCall):
        ETCH_TRY(check_index(etch_fb_get_i32(a, ETCH_FB(MoveCall, move_from)), n_values, "value"));
        return check_index(etch_fb_get_i32(a, ETCH_FB(MoveCall, move_to)), n_values, "value");
    case ETCH_FBU(InstructionArguments, JumpFalseCall):
        ETCH_TRY(check_index(etch_fb_get_i32(a, ETCH_FB(JumpFalseCall, cond_value_index)), n_values, "value"));
        return check_index(etch_fb_get_i32(a, ETCH_FB(JumpFalseCall, destination_instruction)), n_instrs + 1, "jump to instruction");
    default: return check_index(etch_fb_get_i32(a, ETCH_FB(FreeCall, value_index)), n_values, "value");
    }
}

static etch_status *check_chains(etch_fb_table plan, uint32_t n_values)
{
    etch_fb_vec chains = etch_fb_get_vec(plan, ETCH_FB(ExecutionPlan, chains));
    if (chains.n == 0) return BAD("no chains");
    for (uint32_t c = 0; c < chains.n; c++) {
        etch_fb_vec instrs = etch_fb_get_vec(etch_fb_table_at(chains, c), ETCH_FB(Chain, instructions));
        for (uint32_t i = 0; i < instrs.n; i++)
            ETCH_TRYF(check_instruction(plan, etch_fb_table_at(instrs, i), n_values, instrs.n), "chain %u, instruction %u", c, i);
    }
    return NULL;
}

static etch_status *check_tables(const etch_pte *p, etch_fb_table plan)
{
    etch_fb_vec ops = etch_fb_get_vec(plan, ETCH_FB(ExecutionPlan, operators));
    for (uint32_t i = 0; i < ops.n; i++) {
        etch_fb_table op = etch_fb_table_at(ops, i);
        size_t len = etch_fb_get_str(op, ETCH_FB(Operator, name)).len + etch_fb_get_str(op, ETCH_FB(Operator, overload)).len + 1;
        if (len >= 100) return BAD("the name of operator %u has %zu characters", i, len);
    }
    etch_fb_vec delegates = etch_fb_get_vec(plan, ETCH_FB(ExecutionPlan, delegates));
    for (uint32_t i = 0; i < delegates.n; i++) {
        etch_span blob;
        ETCH_TRYF(etch_pte_delegate_blob(p, etch_fb_table_at(delegates, i), &blob), "delegate %u", i);
    }
    etch_fb_vec arenas = etch_fb_get_vec(plan, ETCH_FB(ExecutionPlan, non_const_buffer_sizes));
    for (uint32_t i = 0; i < arenas.n; i++)
        if (etch_fb_i64_at(arenas, i) < 0) return BAD("buffer %u has %lld bytes", i, (long long)etch_fb_i64_at(arenas, i));
    return NULL;
}

etch_status *etch_pte__check_plan(const etch_pte *p, etch_fb_table plan)
{
    ETCH_TRY(check_tables(p, plan));
    etch_fb_vec values = etch_fb_get_vec(plan, ETCH_FB(ExecutionPlan, values));
    for (uint32_t i = 0; i < values.n; i++) ETCH_TRYF(check_value(p, plan, values, i), "value %u", i);
    ETCH_TRY(check_ids(etch_fb_get_vec(plan, ETCH_FB(ExecutionPlan, inputs)), values.n, "an input"));
    ETCH_TRY(check_ids(etch_fb_get_vec(plan, ETCH_FB(ExecutionPlan, outputs)), values.n, "an output"));
    return check_chains(plan, values.n);
}
