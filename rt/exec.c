// One execute: a flat loop over decoded instructions. In: inputs set. Out: outputs in place. No allocation, but for error statuses and the
// first calls' growth of kernel scratch.
#include <stdlib.h>

#include "base/clock.h"
#include "base/num.h"
#include "rt/method.h"

#define BAD(...) ETCH_ERR(ETCH_INVALID, __VA_ARGS__)
#define MAX_INSTRUCTIONS 10000000

void *etch_rt__scratch_take(void *user, size_t bytes)
{
    etch_rt_scratch *s = user;
    size_t room;
    if (bytes > s->max) return NULL;
    room = etch_align_up(bytes ? bytes : 1, 64);
    s->wanted += room;
    if (s->wanted > s->max) return NULL;
    if (room <= s->cap - s->used) {
        void *p = s->block + s->used;
        s->used += room;
        return p;
    }
    // Too small: a block of its own for this call; etch_rt__scratch_reset grows the main one.
    void **link = aligned_alloc(64, room + 64);
    if (!link) return NULL;
    *link = s->overflow;
    s->overflow = link;
    return (uint8_t *)link + 64;
}

void etch_rt__scratch_reset(etch_rt_scratch *s)
{
    s->used = 0;
    if (s->overflow) {
        while (s->overflow) {
            void **link = s->overflow;
            s->overflow = *link;
            free(link);
        }
        free(s->block);
        s->block = aligned_alloc(64, s->wanted);
        s->cap = s->block ? s->wanted : 0;
    }
    s->wanted = 0;
}

static uint64_t versions(const etch_rt_instr *in)
{
    uint64_t sum = 1;
    for (int i = 0; i < in->n_ins; i++) sum += in->ins[i]->version;
    for (int i = 0; i < in->n_written; i++) sum += in->written[i]->version;
    return sum;
}

static etch_status *fill_shadows(etch_rt_instr *in)
{
    for (int i = 0; i < in->n_pre; i++) {
        etch_rt_value *v = in->pre[i];
        if (!v->tensor->t.data && etch_numel(&v->tensor->t)) return BAD("a tensor is read before it has memory");
        for (int d = 0; d < v->tensor->t.rank; d++) v->plain->t.sizes[d] = v->tensor->t.sizes[d];
        etch_rt__to_plain(v->tensor, &v->plain->t);
    }
    return NULL;
}

static etch_status *store_shadows(etch_rt_instr *in)
{
    for (int i = 0; i < in->n_post; i++) {
        etch_rt_value *v = in->post[i];
        int64_t sizes[ETCH_MAX_RANK];
        for (int d = 0; d < v->plain->t.rank; d++) sizes[d] = v->plain->t.sizes[d].v;
        ETCH_TRY(etch_rt_tensor_resize(v->tensor, v->plain->t.rank, sizes));
        if (v->tensor->is_readonly || (!v->tensor->t.data && etch_numel(&v->tensor->t)))
            return BAD("a tensor without memory would be written");
        etch_rt__from_plain(&v->plain->t, v->tensor);
    }
    return NULL;
}

static etch_status *run_kernel(etch_rt_method *m, etch_rt_instr *in)
{
    if (in->n_refresh) ETCH_TRY(etch_rt__refresh(in));
    if (in->n_pre) ETCH_TRY(fill_shadows(in));
    if (in->is_dynamic && (in->is_volatile || versions(in) != in->seen)) {
        ETCH_TRY(etch_rt__infer(m, in));
        in->seen = versions(in);
    }
    if (in->is_checked) ETCH_TRY(etch_rt__check_memory(in));
    etch_status *s = in->kern(&m->cx, in->args, in->n_args, in->kern_outs, in->n_outs);
    if (m->scratch.wanted) etch_rt__scratch_reset(&m->scratch);
    if (!s && in->n_post) s = store_shadows(in);
    return s;
}

static etch_status *run_delegate(etch_rt_method *m, etch_rt_instr *in)
{
    if (in->is_checked) ETCH_TRY(etch_rt__check_memory(in));
    return in->delegate->backend->execute(in->delegate->self, in->tensors, in->n_tensors, m->delegate_scratch, m->n_delegate_scratch);
}

static etch_status *run_move(etch_rt_value *from, etch_rt_value *to)
{
    if (!from->tensor) {
        to->v = from->v;
        return NULL;
    }
    etch_rt_tensor *a = from->tensor, *b = to->tensor;
    b->t = a->t;
    b->is_readonly = a->is_readonly;
    b->version++;
    return NULL;
}

// A bool, or a bool tensor of which no element is false.
static etch_status *condition(const etch_rt_value *v, bool *out)
{
    *out = true;
    if (!v->tensor) {
        if (v->v.kind != ETCH_V_BOOL) return BAD("a jump depends on %s", etch_rt__kind_name(v->v.kind));
        *out = v->v.b;
        return NULL;
    }
    int64_t n = etch_numel(&v->tensor->t);
    if (n && !v->tensor->t.data) return BAD("a jump depends on a tensor without memory");
    for (int64_t i = 0; i < n; i++)
        if (!((const uint8_t *)v->tensor->t.data)[i]) *out = false;
    return NULL;
}

static etch_status *run_one(etch_rt_method *m, etch_rt_instr *in, int *pc)
{
    switch (in->kind) {
    case RT_KERNEL: return run_kernel(m, in);
    case RT_DELEGATE: return run_delegate(m, in);
    case RT_PRIM: return in->prim->run(m, in->vals);
    case RT_MOVE: return run_move(in->vals[0], in->vals[1]);
    case RT_FREE: in->vals[0]->tensor->t.data = NULL; return NULL;
    case RT_JUMP_FALSE: {
        bool yes;
        ETCH_TRY(condition(in->vals[0], &yes));
        if (!yes) *pc = in->target;
        return NULL;
    }
    }
    return NULL;
}

const char *etch_rt__instr_name(const etch_rt_instr *in)
{
    if (in->kind == RT_KERNEL) return in->op->out_name;
    return in->kind == RT_PRIM ? in->prim->name : in->kind == RT_DELEGATE ? "delegate" : "control";
}

static etch_status *run_timed(etch_rt_method *m, etch_rt_instr *in, int *pc)
{
    m->listener.instruction = (int)(in - m->instrs);
    uint64_t begin = etch_clock_ns();
    ETCH_TRY(run_one(m, in, pc));
    etch_rt__report(m, in, begin);
    return NULL;
}

// A move may have left sizes that the tensor's own memory does not hold.
static void fit_home(etch_rt_value *v)
{
    etch_rt_tensor *t = v->tensor;
    size_t bytes;
    if (etch_tensor_nbytes(&t->t, &bytes) && bytes <= v->home_capacity) return;
    for (int i = 0; i < t->t.rank; i++) t->t.sizes[i] = etch_dim_of(t->max_sizes[i]);
    t->version++;
}

etch_status *etch_rt_execute(etch_rt_method *m)
{
    for (int i = 0; i < m->n_inputs; i++) {
        const etch_rt_value *v = &m->values[m->inputs[i]];
        if (v->tensor && !v->is_set) return BAD("input %d was not set", i);
    }
    for (int i = 0; i < m->n_rehomed; i++) {
        etch_rt_value *v = m->rehomed[i];
        if (v->is_input) continue;
        v->tensor->t.data = v->home;
        v->tensor->t.capacity = v->home_capacity;
        v->tensor->is_readonly = v->is_home_readonly;
        if (v->home) fit_home(v);
    }
    uint64_t left = m->rt->opt.max_instructions ? m->rt->opt.max_instructions : MAX_INSTRUCTIONS;
    for (int pc = 0; pc < m->n_instrs; left--) {
        etch_rt_instr *in = &m->instrs[pc++];
        if (!left) return BAD("the program runs too long");
        ETCH_TRYF(m->listener.fn ? run_timed(m, in, &pc) : run_one(m, in, &pc), "instruction %d (%s)", in->index, etch_rt__instr_name(in));
    }
    for (int i = 0; i < m->n_outputs; i++) {
        etch_rt_value *v = &m->values[m->outputs[i]];
        v->shown = v->v;
        if (!v->plain) continue;
        v->shown.t = &v->plain->t;
        for (int d = 0; d < v->tensor->t.rank; d++) v->plain->t.sizes[d] = v->tensor->t.sizes[d];
        if (v->tensor->t.data) etch_rt__to_plain(v->tensor, &v->plain->t);
    }
    return NULL;
}
