// Tensor descriptions and slow element access. Formats of f16/bf16 are converted with base/num.h.
#include "op/value.h"

#include "base/num.h"

double etch_val_as_double(const etch_val *v)
{
    switch (v->kind) {
    case ETCH_V_INT: return (double)v->i.v;
    case ETCH_V_FLOAT: return v->f;
    case ETCH_V_BOOL: return v->b ? 1.0 : 0.0;
    default: return 0.0;
    }
}

static int64_t to_int(double f)
{
    if (!(f >= -9223372036854775808.0)) return INT64_MIN;  // NaN too: what x86 gives
    if (f >= 9223372036854775808.0) return INT64_MIN;
    return (int64_t)f;
}

int64_t etch_val_as_int(const etch_val *v)
{
    switch (v->kind) {
    case ETCH_V_INT: return v->i.v;
    case ETCH_V_FLOAT: return to_int(v->f);
    case ETCH_V_BOOL: return v->b;
    default: return 0;
    }
}

bool etch_tensor_numel(const etch_tensor *t, int64_t *out_n)
{
    int64_t n = 1;
    bool zero = false;
    *out_n = 0;
    if (t->rank < 0 || t->rank > ETCH_MAX_RANK) return false;
    for (int i = 0; i < t->rank; i++) {
        if (t->sizes[i].v < 0) return false;
        if (t->sizes[i].v == 0) zero = true;
    }
    if (zero) return true;
    for (int i = 0; i < t->rank; i++)
        if (!etch_mul_ok(n, t->sizes[i].v, &n)) return false;
    *out_n = n;
    return true;
}

bool etch_tensor_nbytes(const etch_tensor *t, size_t *out_n)
{
    int64_t n;
    *out_n = 0;
    if (!etch_tensor_numel(t, &n)) return false;
    return etch_mul_ok((size_t)n, etch_dtype_size(t->dtype), out_n) && *out_n <= (size_t)INT64_MAX;
}

bool etch_tensor_is_dynamic(const etch_tensor *t)
{
    for (int i = 0; i < t->rank; i++)
        if (t->sizes[i].e) return true;
    return false;
}

void etch_tensor_strides(const etch_tensor *t, int64_t strides[ETCH_MAX_RANK])
{
    int64_t n = 1;
    for (int i = t->rank - 1; i >= 0; i--) {
        strides[i] = n;
        n *= t->sizes[i].v > 1 ? t->sizes[i].v : 1;
    }
}

void etch_tensor_print_type(etch_buf *out, const etch_tensor *t)
{
    etch_buf_printf(out, "%s[", etch_dtype_name(t->dtype));
    for (int i = 0; i < t->rank; i++) {
        if (i) etch_buf_puts(out, ", ");
        etch_dim_print(out, t->sizes[i]);
    }
    etch_buf_puts(out, "]");
}

#define AT(type) ((const type *)data)[i]

double etch_load_double(const void *data, etch_dtype d, int64_t i)
{
    switch (d) {
    case ETCH_U8: return AT(uint8_t);
    case ETCH_I8: return AT(int8_t);
    case ETCH_I16: return AT(int16_t);
    case ETCH_I32: return AT(int32_t);
    case ETCH_I64: return (double)AT(int64_t);
    case ETCH_F16: return (double)etch_f16_to_f32(AT(uint16_t));
    case ETCH_BF16: return (double)etch_bf16_to_f32(AT(uint16_t));
    case ETCH_F32: return (double)AT(float);
    case ETCH_F64: return AT(double);
    case ETCH_C64: return (double)((const float *)data)[2 * i];  // real part
    case ETCH_BOOL: return AT(uint8_t) != 0;
    case ETCH_U16: return AT(uint16_t);
    case ETCH_U32: return AT(uint32_t);
    case ETCH_U64: return (double)AT(uint64_t);
    case ETCH_DTYPE_NONE: break;
    }
    return 0.0;
}

int64_t etch_load_int(const void *data, etch_dtype d, int64_t i)
{
    switch (d) {
    case ETCH_U8: return AT(uint8_t);
    case ETCH_I8: return AT(int8_t);
    case ETCH_I16: return AT(int16_t);
    case ETCH_I32: return AT(int32_t);
    case ETCH_I64: return AT(int64_t);
    case ETCH_BOOL: return AT(uint8_t) != 0;
    case ETCH_U16: return AT(uint16_t);
    case ETCH_U32: return AT(uint32_t);
    case ETCH_U64: return (int64_t)AT(uint64_t);
    default: return to_int(etch_load_double(data, d, i));
    }
}

#define SET(type, x) (((type *)data)[i] = (type)(x))

void etch_store_int(void *data, etch_dtype d, int64_t i, int64_t v)
{
    switch (d) {
    case ETCH_U8: SET(uint8_t, v); break;
    case ETCH_I8: SET(int8_t, v); break;
    case ETCH_I16: SET(int16_t, v); break;
    case ETCH_I32: SET(int32_t, v); break;
    case ETCH_I64: SET(int64_t, v); break;
    case ETCH_BOOL: SET(uint8_t, v != 0); break;
    case ETCH_U16: SET(uint16_t, v); break;
    case ETCH_U32: SET(uint32_t, v); break;
    case ETCH_U64: SET(uint64_t, v); break;
    case ETCH_F32: SET(float, v); break;
    case ETCH_F64: SET(double, v); break;
    case ETCH_F16: SET(uint16_t, etch_f32_to_f16((float)v)); break;
    case ETCH_BF16: SET(uint16_t, etch_f32_to_bf16((float)v)); break;
    default: etch_store_double(data, d, i, (double)v); break;
    }
}

void etch_store_double(void *data, etch_dtype d, int64_t i, double v)
{
    switch (d) {
    case ETCH_F16: SET(uint16_t, etch_f32_to_f16((float)v)); break;
    case ETCH_BF16: SET(uint16_t, etch_f32_to_bf16((float)v)); break;
    case ETCH_F32: SET(float, v); break;
    case ETCH_F64: SET(double, v); break;
    case ETCH_C64:
        ((float *)data)[2 * i] = (float)v;
        ((float *)data)[2 * i + 1] = 0.0f;
        break;
    case ETCH_BOOL: SET(uint8_t, v != 0.0); break;
    case ETCH_U64:
        if (v >= 9223372036854775808.0 && v < 18446744073709551616.0) {
            SET(uint64_t, v);
            break;
        }
        etch_store_int(data, d, i, to_int(v));
        break;
    case ETCH_DTYPE_NONE: break;
    default: etch_store_int(data, d, i, to_int(v)); break;
    }
}
