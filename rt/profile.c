// In: an instruction that has run. Out: an event for the listener: names, operands, bytes of weights.
#include "base/clock.h"
#include "rt/method.h"

static void put_tensors(etch_buf *b, etch_rt_tensor *const *ts, int n)
{
    for (int i = 0; i < n; i++) {
        if (i) etch_buf_puts(b, ", ");
        if (ts[i]) etch_tensor_print_type(b, &ts[i]->t);
    }
}

// An operator that only picks elements reads as many as it writes.
static uint64_t constant_bytes(const etch_rt_instr *in)
{
    uint64_t sum = 0;
    bool picks = in->kind == RT_KERNEL && (in->op->flags & (ETCH_OPF_ROWS | ETCH_OPF_VIEW | ETCH_OPF_MAY_VIEW));
    for (int i = 0; i < in->n_ins; i++) {
        size_t bytes;
        if (!in->ins[i]->is_constant || !etch_tensor_nbytes(&in->ins[i]->t, &bytes)) continue;
        if (picks && in->n_written) {
            size_t written = (size_t)etch_numel(&in->written[0]->t) * etch_dtype_size(in->ins[i]->t.dtype);
            bytes = bytes < written ? bytes : written;
        }
        sum += bytes;
    }
    return sum;
}

void etch_rt__report(etch_rt_method *m, const etch_rt_instr *in, uint64_t begin_ns)
{
    etch_rt_event e = { .name = etch_rt__instr_name(in), .kernel = "portable", .instruction = (int)(in - m->instrs), .node = -1,
                        .begin_ns = begin_ns, .end_ns = etch_clock_ns() };
    etch_buf detail = { 0 };
    if (in->kind == RT_KERNEL || in->kind == RT_DELEGATE) {
        put_tensors(&detail, in->ins, in->n_ins);
        etch_buf_puts(&detail, " -> ");
        put_tensors(&detail, in->written, in->n_written);
        e.constant_bytes = in->kind == RT_KERNEL ? constant_bytes(in) : 0;
    }
    if (in->kind == RT_DELEGATE) e.kernel = in->delegate->backend->id;
    e.detail = etch_buf_str(&detail);
    m->listener.fn(m->listener.user, &e);
    etch_buf_deinit(&detail);
}

void etch_rt_listen(etch_rt_method *m, etch_rt_event_fn *fn, void *user)
{
    m->listener = (etch_rt_listener){ .fn = fn, .user = user };
    for (int i = 0; i < m->n_delegates; i++)
        if (m->delegates[i].backend->listen) m->delegates[i].backend->listen(m->delegates[i].self, &m->listener);
}
