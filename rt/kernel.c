// One kernel call of a program against its op row. In: operator name, value ids. Out: a decoded instruction whose argument array the
// kernel takes as it is, or an error that names the argument.
#include "kern/fast.h"
#include "rt/method.h"

#define BAD(...) ETCH_ERR(ETCH_INVALID, __VA_ARGS__)

const char *etch_rt__kind_name(etch_vkind kind)
{
    static const char *const names[] = { "None", "a tensor", "an integer", "a float", "a bool", "a string", "a list of integers",
                                         "a list of floats", "a list of bools", "a list of tensors" };
    return (unsigned)kind < sizeof names / sizeof names[0] ? names[kind] : "?";
}

bool etch_rt__kind_fits(etch_type type, etch_vkind k)
{
    switch (type) {
    case ETCH_T_TENSOR: return k == ETCH_V_TENSOR;
    case ETCH_T_TENSOR_OPT: return k == ETCH_V_TENSOR || k == ETCH_V_NONE;
    case ETCH_T_TENSORS: case ETCH_T_TENSORS_OPT: return k == ETCH_V_TENSORS;
    case ETCH_T_INT: return k == ETCH_V_INT;
    case ETCH_T_INT_OPT: return k == ETCH_V_INT || k == ETCH_V_NONE;
    case ETCH_T_INTS: return k == ETCH_V_INTS;
    case ETCH_T_INTS_OPT: return k == ETCH_V_INTS || k == ETCH_V_NONE;
    case ETCH_T_FLOAT: return k == ETCH_V_FLOAT || k == ETCH_V_INT;
    case ETCH_T_FLOAT_OPT: return k == ETCH_V_FLOAT || k == ETCH_V_INT || k == ETCH_V_NONE;
    case ETCH_T_FLOATS: return k == ETCH_V_FLOATS;
    case ETCH_T_FLOATS_OPT: return k == ETCH_V_FLOATS || k == ETCH_V_NONE;
    case ETCH_T_BOOL: return k == ETCH_V_BOOL;
    case ETCH_T_BOOL_OPT: return k == ETCH_V_BOOL || k == ETCH_V_NONE;
    case ETCH_T_BOOLS: return k == ETCH_V_BOOLS;
    case ETCH_T_SCALAR: return k == ETCH_V_INT || k == ETCH_V_FLOAT || k == ETCH_V_BOOL;
    case ETCH_T_SCALAR_OPT: return k == ETCH_V_INT || k == ETCH_V_FLOAT || k == ETCH_V_BOOL || k == ETCH_V_NONE;
    case ETCH_T_STR: return k == ETCH_V_STR;
    case ETCH_T_STR_OPT: return k == ETCH_V_STR || k == ETCH_V_NONE;
    }
    return false;
}

// ---- finding the row

static int n_out_params(const etch_op *op)
{
    int n = 0;
    for (int i = 0; i < op->schema->n_params; i++) n += etch_op_param_in_out(op, i);
    return n;
}

static int n_out_args(const etch_op *op) { return op->schema->returns_list ? 1 : op->schema->n_returns; }

// Arguments in a program: parameters, outs, one for the result. In-place operators without an out: parameters and the result.
static bool count_fits(const etch_op *op, int n)
{
    int params = n_out_params(op);
    return n == params + n_out_args(op) + 1 || ((op->flags & ETCH_OPF_INPLACE) && n == params + 1);
}

// Rows may share a name (arange.start and arange.start_step); the argument count decides.
static etch_status *find_row(etch_str name, int n_args, const etch_op **out_op)
{
    *out_op = etch_op_find_out(name);
    if (!*out_op) return ETCH_ERR(ETCH_UNSUPPORTED, "operator %.*s is not known to etch", ETCH_STR_ARGS(name));
    if (count_fits(*out_op, n_args)) return NULL;
    for (int i = 0; i < ETCH_OP_COUNT; i++) {
        const etch_op *op = etch_op_get((etch_op_id)i);
        if (!op->out_name || !etch_str_eqz(name, op->out_name) || !count_fits(op, n_args)) continue;
        *out_op = op;
        return NULL;
    }
    return BAD("operator %.*s has %d arguments, expected %d", ETCH_STR_ARGS(name), n_args, n_out_params(*out_op) + n_out_args(*out_op) + 1);
}

// ---- arguments

// The tensor that a kernel sees for a value: the value itself, or its row-major shadow.
static etch_rt_tensor *seen_tensor(const etch_rt_value *v) { return v->plain ? v->plain : v->tensor; }

static bool is_among(etch_rt_value **list, int n, const etch_rt_value *v)
{
    for (int i = 0; i < n; i++)
        if (list[i] == v) return true;
    return false;
}

static void add_read(etch_rt_instr *in, etch_rt_value *v)
{
    if (!v || !v->tensor) return;
    in->ins[in->n_ins++] = seen_tensor(v);
    if (v->plain && !is_among(in->pre, in->n_pre, v)) in->pre[in->n_pre++] = v;
    if (v->plain) in->is_volatile = true;
}

static etch_status *add_written(etch_rt_instr *in, etch_rt_value *v, const char *name)
{
    if (v->v.kind != ETCH_V_TENSOR) return BAD("%s is %s", name, etch_rt__kind_name(v->v.kind));
    if (v->tensor->is_constant) return BAD("%s is a constant", name);
    in->written[in->n_written++] = seen_tensor(v);
    if (v->plain) {
        in->is_volatile = true;
        in->post[in->n_post++] = v;
    }
    return NULL;
}

// A list of tensors with shadows would need its own list; no program has one.
static etch_status *check_list(const etch_rt_value *v)
{
    for (int i = 0; i < v->v.tensors.n; i++)
        if (v->items[i] && v->items[i]->plain) return ETCH_ERR(ETCH_UNSUPPORTED, "a list of tensors that are not row-major");
    return NULL;
}

static etch_status *add_param(etch_rt_instr *in, int i, etch_rt_value *v)
{
    const etch_param *q = &in->op->schema->params[i];
    in->args[i] = v->v;
    if (v->is_variable && !v->tensor) {
        in->refresh[in->n_refresh++] = (etch_rt_refresh){ i, v };
        in->is_volatile = true;
    } else if (!etch_rt__kind_fits(q->type, v->v.kind)) {
        return BAD("argument '%.*s' is %s", ETCH_STR_ARGS(q->name), etch_rt__kind_name(v->v.kind));
    }
    if (v->v.kind == ETCH_V_TENSORS) {
        ETCH_TRY(check_list(v));
        for (int k = 0; k < v->v.tensors.n; k++) add_read(in, v->items[k]);
    }
    if (v->v.kind != ETCH_V_TENSOR) return NULL;
    in->args[i].t = &seen_tensor(v)->t;
    if (!q->is_mutable) {
        add_read(in, v);
        return NULL;
    }
    if (v->plain) in->pre[in->n_pre++] = v;
    return add_written(in, v, "a tensor that the operator changes");
}

static etch_status *add_out(etch_rt_instr *in, etch_rt_value *v)
{
    ETCH_TRY(add_written(in, v, "an output"));
    in->outs[in->n_outs] = seen_tensor(v);
    in->kern_outs[in->n_outs++] = &seen_tensor(v)->t;
    return NULL;
}

static etch_status *add_outs(etch_rt_method *m, etch_rt_instr *in, etch_fb_vec args, int n_params)
{
    if (in->is_own_out) {
        for (int i = 0; i < in->n_written; i++) {
            in->outs[in->n_outs] = in->written[i];
            in->kern_outs[in->n_outs++] = &in->written[i]->t;
        }
        return NULL;
    }
    for (int i = 0; i < n_out_args(in->op); i++) {
        etch_rt_value *v = &m->values[etch_fb_i32_at(args, (uint32_t)(n_params + i))];
        if (!in->op->schema->returns_list) {
            ETCH_TRY(add_out(in, v));
            continue;
        }
        if (v->v.kind != ETCH_V_TENSORS) return BAD("the output is %s", etch_rt__kind_name(v->v.kind));
        ETCH_TRY(check_list(v));
        for (int k = 0; k < v->v.tensors.n; k++) {
            if (!v->items[k]) return BAD("the output list has an empty entry");
            ETCH_TRY(add_out(in, v->items[k]));
        }
    }
    return NULL;
}

// Room for every tensor that the call can name: its values and the entries of its lists.
static etch_status *reserve_lists(etch_rt_method *m, etch_rt_instr *in, etch_fb_vec args)
{
    size_t n = args.n + 1;
    for (uint32_t i = 0; i < args.n; i++) {
        const etch_val *v = &m->values[etch_fb_i32_at(args, i)].v;
        if (v->kind == ETCH_V_TENSORS) n += (size_t)v->tensors.n;
    }
    ETCH_ALLOC(in->args, &m->arena, sizeof *in->args * (size_t)(in->op->schema->n_params + 1));
    ETCH_ALLOC(in->ins, &m->arena, sizeof *in->ins * n);
    ETCH_ALLOC(in->outs, &m->arena, sizeof *in->outs * n);
    ETCH_ALLOC(in->written, &m->arena, sizeof *in->written * n);
    ETCH_ALLOC(in->kern_outs, &m->arena, sizeof *in->kern_outs * n);
    ETCH_ALLOC(in->pre, &m->arena, sizeof *in->pre * n);
    ETCH_ALLOC(in->post, &m->arena, sizeof *in->post * n);
    ETCH_ALLOC(in->refresh, &m->arena, sizeof *in->refresh * n);
    return NULL;
}

etch_status *etch_rt__decode_kernel(etch_rt_method *m, etch_str name, etch_fb_vec args, etch_rt_instr *in)
{
    in->kind = RT_KERNEL;
    ETCH_TRY(find_row(name, (int)args.n, &in->op));
    in->kern = etch_kern_find_fast(in->op->id);
    if (!in->kern || !in->op->shape) return ETCH_ERR(ETCH_UNSUPPORTED, "operator %.*s has no kernel in etch", ETCH_STR_ARGS(name));
    ETCH_TRY(reserve_lists(m, in, args));
    int n_params = n_out_params(in->op), at = 0;
    in->is_own_out = (int)args.n == n_params + 1;
    in->n_args = in->op->schema->n_params;
    for (int i = 0; i < in->n_args; i++) {
        const etch_param *q = &in->op->schema->params[i];
        if (etch_op_param_in_out(in->op, i)) ETCH_TRY(add_param(in, i, &m->values[etch_fb_i32_at(args, (uint32_t)at++)]));
        else in->args[i] = q->has_default ? q->def : etch_val_none();
    }
    ETCH_TRY(add_outs(m, in, args, n_params));
    for (int i = 0; i < in->n_args; i++)  // a dtype that the .out form leaves out is the output's
        if (!etch_op_param_in_out(in->op, i) && in->op->schema->params[i].is_dtype && in->n_outs)
            in->args[i] = etch_val_int((int64_t)in->outs[0]->t.dtype);
    for (int i = 0; i < in->n_ins; i++) in->is_dynamic = in->is_dynamic || in->ins[i]->is_dynamic || in->ins[i]->is_unfixed;
    for (int i = 0; i < in->n_written; i++) in->is_dynamic = in->is_dynamic || in->written[i]->is_dynamic || in->written[i]->is_unfixed;
    if (in->op->flags & ETCH_OPF_DATA_SIZES) in->is_volatile = true;
    in->is_dynamic = in->is_dynamic || in->is_volatile;
    return NULL;
}

etch_status *etch_rt__refresh(etch_rt_instr *in)
{
    for (int i = 0; i < in->n_refresh; i++) {
        const etch_rt_refresh *r = &in->refresh[i];
        etch_rt_value *v = r->from;
        const etch_param *q = &in->op->schema->params[r->arg];
        if (v->v.kind == ETCH_V_INTS)
            for (int k = 0; k < v->v.ints.n; k++) {
                if (v->items[k]->v.kind != ETCH_V_INT) return BAD("argument '%.*s' is no list of integers", ETCH_STR_ARGS(q->name));
                v->v.ints.p[k] = v->items[k]->v.i;
            }
        if (!etch_rt__kind_fits(q->type, v->v.kind))
            return BAD("argument '%.*s' is %s", ETCH_STR_ARGS(q->name), etch_rt__kind_name(v->v.kind));
        in->args[r->arg] = v->v;
    }
    return NULL;
}

// ---- sizes and memory

etch_status *etch_rt__infer(etch_rt_method *m, etch_rt_instr *in)
{
    etch_shape_cx cx = { 0 };
    etch_outs outs = { in->n_outs, m->shape_ptrs };
    for (int i = 0; i < in->n_outs; i++) {
        m->shape_tmp[i] = (etch_tensor){ 0 };
        m->shape_ptrs[i] = &m->shape_tmp[i];
    }
    ETCH_TRY(in->op->shape(&cx, in->args, in->n_args, &outs));
    if (outs.n != in->n_outs) return BAD("the operator has %d results, the program gives %d", outs.n, in->n_outs);
    // The separate output of an operator that changes its argument may be a dummy of any size (llama::update_cache), which its kernel
    // leaves alone.
    bool is_dummy = (in->op->flags & ETCH_OPF_INPLACE) && !in->is_own_out;
    for (int i = 0; i < in->n_outs; i++) {
        int64_t sizes[ETCH_MAX_RANK];
        const etch_tensor *t = &m->shape_tmp[i];
        for (int d = 0; d < t->rank; d++) sizes[d] = t->sizes[d].v;
        etch_status *s = etch_rt_tensor_resize(in->outs[i], t->rank, sizes);
        if (s && is_dummy) etch_status_ignore(s);
        else if (s) return etch_status_frame(s, __FILE__, __LINE__, "output %d", i);
    }
    return NULL;
}

etch_status *etch_rt__check_memory(const etch_rt_instr *in)
{
    for (int i = 0; i < in->n_ins; i++)
        if (!in->ins[i]->t.data && etch_numel(&in->ins[i]->t)) return BAD("a tensor is read before it has memory");
    for (int i = 0; i < in->n_written; i++) {
        const etch_rt_tensor *w = in->written[i];
        if (w->is_readonly) return BAD("a tensor that may only be read would be written");
        if (!w->t.data && w->max_numel) return BAD("a tensor is written before it has memory");
        for (int k = 0; k < in->n_ins; k++)
            if (etch_rt__overlap(w, in->ins[k])) return BAD("an output overlaps an input");
        for (int k = 0; k < i; k++)
            if (w != in->written[k] && etch_rt__overlap(w, in->written[k])) return BAD("two outputs overlap");
    }
    return NULL;
}

etch_status *etch_rt__check_static(etch_rt_method *m)
{
    for (int i = 0; i < m->n_instrs; i++) {
        etch_rt_instr *in = &m->instrs[i];
        if (in->kind != RT_KERNEL && in->kind != RT_DELEGATE) continue;
        const char *name = in->kind == RT_KERNEL ? in->op->out_name : "delegate";
        for (int k = 0; k < in->n_ins; k++) in->is_checked = in->is_checked || in->ins[k]->is_unfixed;
        for (int k = 0; k < in->n_written; k++) in->is_checked = in->is_checked || in->written[k]->is_unfixed;
        if (!in->is_checked) ETCH_TRYF(etch_rt__check_memory(in), "instruction %d (%s)", in->index, name);
        if (in->kind == RT_KERNEL && !in->is_dynamic) ETCH_TRYF(etch_rt__infer(m, in), "instruction %d (%s)", in->index, name);
    }
    return NULL;
}
