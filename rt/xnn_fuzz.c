// In: any bytes as an XNNPACK payload; bytes after the payload header's end give argument sizes. Out: an error or a run, never a crash.
// A payload that loads is bound to tensors of the declared types and executed twice with other sizes, within small limits.
#include "rt/delegate.h"

#include <stdlib.h>

#include "rt/xnn.h"

#define MAX_ARGS 8
#define MAX_BYTES (1 << 16)

// Named data of any key: the same zeros and ones.
static etch_status *named(void *user, etch_str key, etch_span *out)
{
    (void)user;
    static uint8_t data[256];
    for (size_t i = 0; i < sizeof data; i += 4) memcpy(data + i, &(float){ 1.0f }, 4);
    *out = (etch_span){ data, key.len % 2 ? sizeof data : 64 };
    return NULL;
}

static etch_dtype dtype_of(int type)
{
    switch (type) {
    case XT_F16: return ETCH_F16;
    case XT_BF16: return ETCH_BF16;
    case XT_QINT8: return ETCH_I8;
    case XT_QUINT8: return ETCH_U8;
    case XT_I32: return ETCH_I64;
    default: return ETCH_F32;
    }
}

static bool make_arg(etch_rt_tensor *t, const etch_xnn_value *v)
{
    t->t.dtype = v->where == XV_INPUT && v->type == XT_I32 ? ETCH_I32 : dtype_of(v->type);
    t->t.rank = v->rank;
    t->is_dynamic = t->is_plain = true;
    t->max_numel = 1;
    for (int d = 0; d < v->rank; d++) {
        t->dim_order[d] = (uint8_t)d;
        t->max_sizes[d] = v->declared[d];
        t->t.sizes[d] = etch_dim_of(v->declared[d]);
        t->max_numel *= v->declared[d];
        if (t->max_numel > 4096) return false;
    }
    t->t.capacity = (size_t)t->max_numel * etch_dtype_size(t->t.dtype);
    t->t.data = calloc(t->t.capacity + 1, 1);
    return t->t.data != NULL;
}

// Window loops over few pixels only.
static bool is_small(const etch_xnn *x)
{
    for (int i = 0; i < x->n_values; i++)
        if (x->values[i].numel > 8192) return false;
    return x->n_nodes < 64;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const etch_backend *b = etch_backend_find(ETCH_LIT("XnnpackBackend"));
    etch_delegate_env env = { .named = named, .n_threads = 1, .max_bytes = MAX_BYTES * 16 };
    uint8_t *copy = aligned_alloc(16, etch_align_up(size + 1, 16));
    memcpy(copy, data, size);
    void *self = NULL, *scratch = NULL;
    etch_rt_tensor args[MAX_ARGS], *list[MAX_ARGS];
    memset(args, 0, sizeof args);
    bool is_output[MAX_ARGS];
    size_t scratch_len = 0;
    etch_status *s = b->init((etch_span){ copy, size }, &env, &self);
    etch_xnn *x = self;
    bool ok = !s && x->n_externs <= MAX_ARGS && is_small(x);
    for (int i = 0; ok && i < x->n_externs; i++) {
        list[i] = &args[i];
        etch_xnn_value any = { .type = XT_F32, .rank = 1, .declared = { 1 } };
        ok = make_arg(&args[i], x->externs[i] < 0 ? &any : &x->values[x->externs[i]]);
    }
    if (ok) s = b->bind(self, list, x->n_externs, is_output, &scratch_len);
    if (ok && !s && is_small(x) && (scratch = aligned_alloc(64, etch_align_up(scratch_len + 1, 64)))) {
        s = b->execute(self, list, x->n_externs, scratch, scratch_len);
        for (int i = 0; i < x->n_externs; i++)
            for (int d = 0; d < args[i].t.rank && size; d++)
                if (args[i].t.sizes[d].v > 1 && data[(size_t)(i + d) % size] % 3 == 0)
                    args[i].t.sizes[d] = etch_dim_of(args[i].t.sizes[d].v - 1);
        etch_status_ignore(s);
        s = b->execute(self, list, x->n_externs, scratch, scratch_len);
    }
    etch_status_ignore(s);
    if (self) b->destroy(self);
    for (int i = 0; i < MAX_ARGS; i++) free(args[i].t.data);
    free(scratch);
    free(copy);
    return 0;
}
