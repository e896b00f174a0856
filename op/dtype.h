// Element types. The numeric value of an etch_dtype is the ScalarType code that a .pte stores.
#ifndef ETCH_OP_DTYPE_H
#define ETCH_OP_DTYPE_H

#include "base/str.h"

typedef enum {
#define DTYPE(id, code, name, bytes, torch) ETCH_##id = code,
#include "op/dtypes.def"
#undef DTYPE
    ETCH_DTYPE_NONE = 255,
} etch_dtype;

// 0 for an unknown code.
size_t etch_dtype_size(etch_dtype d);
// "f32"; "?" for an unknown code.
const char *etch_dtype_name(etch_dtype d);
// "float32".
const char *etch_dtype_torch_name(etch_dtype d);
// ETCH_DTYPE_NONE when unknown.
etch_dtype etch_dtype_from_name(etch_str name);
bool etch_dtype_is_valid(int code);
bool etch_dtype_is_float(etch_dtype d);  // f16 bf16 f32 f64
bool etch_dtype_is_complex(etch_dtype d);
bool etch_dtype_is_int(etch_dtype d);    // integers, not bool
// torch.promote_types(a, b).
etch_dtype etch_dtype_promote(etch_dtype a, etch_dtype b);

#endif
