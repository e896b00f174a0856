// In: a stored tensor. Out: an etch_tensor over it, or an input set.
#include "cli/tensors.h"

#include <stdlib.h>

#include "base/num.h"

etch_status *etch_cli_view(const etch_st *st, const etch_st_tensor *from, etch_tensor *out)
{
    *out = (etch_tensor){ .dtype = from->dtype, .rank = from->rank };
    if (from->dtype == ETCH_DTYPE_NONE)
        return ETCH_ERR(ETCH_UNSUPPORTED, "tensor '%.*s' has a type that etch does not compute with", ETCH_STR_ARGS(from->key));
    for (int i = 0; i < from->rank; i++) out->sizes[i] = etch_dim_of(from->sizes[i]);
    etch_span b = etch_st_bytes(st, from);
    out->data = (void *)(uintptr_t)b.ptr;
    out->capacity = b.len;
    return NULL;
}

etch_status *etch_cli_floats(const etch_tensor *from, etch_dtype dtype, etch_tensor *out)
{
    const int64_t n = etch_numel(from);
    const size_t size = etch_dtype_size(from->dtype);
    *out = *from;
    out->dtype = dtype;
    out->data = NULL;
    if (!etch_mul_ok((size_t)n, etch_dtype_size(dtype), &out->capacity)) return ETCH_ERR(ETCH_INVALID, "it is too big");
    out->data = malloc(out->capacity + 1);
    if (!out->data) return ETCH_ERR(ETCH_NO_MEMORY, "out of memory");
    for (int64_t i = 0; i < n; i++) {
        uint64_t one;  // aligned
        memcpy(&one, (const uint8_t *)from->data + (size_t)i * size, size);
        etch_store_double(out->data, dtype, i, etch_load_double(&one, from->dtype, 0));
    }
    return NULL;
}

static etch_status *check_scalar(etch_rt_method *m, int i, const etch_tensor *t)
{
    uint8_t bytes[8] = { 0 };
    int64_t n;
    if (!etch_tensor_numel(t, &n) || n != 1) return ETCH_ERR(ETCH_INVALID, "input %d is a scalar, the file has a tensor", i);
    memcpy(bytes, t->data, etch_dtype_size(t->dtype));
    etch_val v;
    switch (etch_rt_input(m, i)->kind) {
    case ETCH_V_FLOAT: v = etch_val_float(etch_load_double(bytes, t->dtype, 0)); break;
    case ETCH_V_BOOL: v = etch_val_bool(etch_load_int(bytes, t->dtype, 0) != 0); break;
    default: v = etch_val_int(etch_load_int(bytes, t->dtype, 0)); break;
    }
    return etch_rt_check_scalar_input(m, i, &v);
}

etch_status *etch_cli_set_input(etch_rt_method *m, int i, const etch_st *st, const etch_st_tensor *from)
{
    etch_tensor t;
    ETCH_TRY(etch_cli_view(st, from, &t));
    if (i >= 0 && i < etch_rt_n_inputs(m) && etch_rt_input(m, i)->kind != ETCH_V_TENSOR) return check_scalar(m, i, &t);
    return etch_rt_set_input(m, i, &t, ETCH_RT_COPY);
}
