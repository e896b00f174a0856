// Element type facts: a table over op/dtypes.def and the promotion lattice of PyTorch.
#include "op/dtype.h"

typedef struct { uint8_t bytes; const char *name, *torch_name; } info;

// By code; no name where there is no type.
static const info infos[] = {
#define DTYPE(id, code, name, bytes, torch) [code] = { bytes, name, torch },
#include "op/dtypes.def"
#undef DTYPE
};
enum { N_INFOS = sizeof infos / sizeof infos[0] };

static const info *find(int code) { return code >= 0 && code < N_INFOS && infos[code].name ? &infos[code] : NULL; }

size_t etch_dtype_size(etch_dtype d)
{
    const info *f = find((int)d);
    return f ? f->bytes : 0;
}

const char *etch_dtype_name(etch_dtype d)
{
    const info *f = find((int)d);
    return f ? f->name : "?";
}

const char *etch_dtype_torch_name(etch_dtype d)
{
    const info *f = find((int)d);
    return f ? f->torch_name : "?";
}

etch_dtype etch_dtype_from_name(etch_str name)
{
    for (int i = 0; i < N_INFOS; i++)
        if (infos[i].name && etch_str_eqz(name, infos[i].name)) return (etch_dtype)i;
    return ETCH_DTYPE_NONE;
}

bool etch_dtype_is_valid(int code) { return find(code) != NULL; }

bool etch_dtype_is_float(etch_dtype d) { return d == ETCH_F16 || d == ETCH_BF16 || d == ETCH_F32 || d == ETCH_F64; }
bool etch_dtype_is_complex(etch_dtype d) { return d == ETCH_C64; }

bool etch_dtype_is_int(etch_dtype d)
{
    switch (d) {
    case ETCH_U8: case ETCH_I8: case ETCH_I16: case ETCH_I32: case ETCH_I64: case ETCH_U16: case ETCH_U32: case ETCH_U64: return true;
    default: return false;
    }
}

static bool is_barebones_unsigned(etch_dtype d) { return d == ETCH_U16 || d == ETCH_U32 || d == ETCH_U64; }

etch_dtype etch_dtype_promote(etch_dtype a, etch_dtype b)
{
    if (!find((int)a) || !find((int)b)) return ETCH_DTYPE_NONE;
    if (a == b) return a;
    bool fa = etch_dtype_is_float(a), fb = etch_dtype_is_float(b);
    if (etch_dtype_is_complex(a) || etch_dtype_is_complex(b)) {
        etch_dtype other = etch_dtype_is_complex(a) ? b : a;
        // complex128 and (barebones unsigned, complex) have no representation here
        return other == ETCH_F64 || is_barebones_unsigned(other) ? ETCH_DTYPE_NONE : ETCH_C64;
    }
    if (fa && fb) {
        if (a == ETCH_F64 || b == ETCH_F64) return ETCH_F64;
        return ETCH_F32;  // f32 with anything smaller; f16 with bf16
    }
    if (fa) return a;
    if (fb) return b;
    if (is_barebones_unsigned(a) || is_barebones_unsigned(b)) return ETCH_DTYPE_NONE;  // upstream refuses these pairs too
    if (a == ETCH_BOOL) return b;
    if (b == ETCH_BOOL) return a;
    size_t na = etch_dtype_size(a), nb = etch_dtype_size(b);
    if (na != nb) return na > nb ? a : b;  // the wider one is signed: u8 is the only unsigned type left
    return ETCH_I16;                       // u8 with i8
}
