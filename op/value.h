// Tensors and arguments, the one currency of tracer, graph, shape rules, kernels and runtime.
#ifndef ETCH_OP_VALUE_H
#define ETCH_OP_VALUE_H

#include "op/dim.h"
#include "op/dtype.h"

#define ETCH_MAX_RANK 16

// Always row-major and contiguous. `data` is NULL for a tensor that is only described (traced, planned later).
// Kernels read sizes[i].v; in a kernel every size is concrete.
typedef struct etch_tensor {
    etch_dtype dtype;
    int rank;
    etch_dim sizes[ETCH_MAX_RANK];
    void *data;
    size_t capacity;  // bytes that may be used at `data`
} etch_tensor;

typedef enum {
    ETCH_V_NONE,     // None
    ETCH_V_TENSOR,
    ETCH_V_INT,      // int or SymInt; also dtype, layout, memory_format codes (as in a .pte)
    ETCH_V_FLOAT,
    ETCH_V_BOOL,
    ETCH_V_STR,
    ETCH_V_INTS,
    ETCH_V_FLOATS,
    ETCH_V_BOOLS,
    ETCH_V_TENSORS,  // Tensor[] and Tensor?[]: a NULL entry is None
} etch_vkind;

// A Tensor slot of a binary op may hold INT/FLOAT/BOOL in a traced graph: a Python scalar ("wrapped number"), which does
// not take part in dtype promotion within its category. Passes turn it into a 0-d tensor or the .Scalar overload.
typedef struct etch_val {
    etch_vkind kind;
    union {
        etch_tensor *t;
        etch_dim i;
        double f;
        bool b;
        etch_str s;
        struct { etch_dim *p; int n; } ints;
        struct { double *p; int n; } floats;
        struct { bool *p; int n; } bools;
        struct { etch_tensor **p; int n; } tensors;
    };
} etch_val;

static inline etch_val etch_val_none(void) { return (etch_val){ .kind = ETCH_V_NONE }; }
static inline etch_val etch_val_tensor(etch_tensor *t) { return (etch_val){ .kind = ETCH_V_TENSOR, .t = t }; }
static inline etch_val etch_val_dim(etch_dim d) { return (etch_val){ .kind = ETCH_V_INT, .i = d }; }
static inline etch_val etch_val_int(int64_t v) { return (etch_val){ .kind = ETCH_V_INT, .i = { v, NULL } }; }
static inline etch_val etch_val_float(double f) { return (etch_val){ .kind = ETCH_V_FLOAT, .f = f }; }
static inline etch_val etch_val_bool(bool b) { return (etch_val){ .kind = ETCH_V_BOOL, .b = b }; }
static inline etch_val etch_val_str(etch_str s) { return (etch_val){ .kind = ETCH_V_STR, .s = s }; }

// Scalar of kind INT/FLOAT/BOOL as double / int64 (float truncates).
double etch_val_as_double(const etch_val *v);
int64_t etch_val_as_int(const etch_val *v);

// Element count / bytes of the example (concrete) sizes; false on overflow or negative size.
bool etch_tensor_numel(const etch_tensor *t, int64_t *out_n);
bool etch_tensor_nbytes(const etch_tensor *t, size_t *out_n);
// For kernels, where sizes were checked before: never overflows.
static inline int64_t etch_numel(const etch_tensor *t)
{
    int64_t n = 1;
    for (int i = 0; i < t->rank; i++) n *= t->sizes[i].v;
    return n;
}
// Any size symbolic?
bool etch_tensor_is_dynamic(const etch_tensor *t);
// Row-major element strides from the concrete sizes.
void etch_tensor_strides(const etch_tensor *t, int64_t strides[ETCH_MAX_RANK]);
// "f32[1, s0, 64]"
void etch_tensor_print_type(etch_buf *out, const etch_tensor *t);

// Element access for scalar code (slow; converts). Index in elements.
double etch_load_double(const void *data, etch_dtype d, int64_t i);
int64_t etch_load_int(const void *data, etch_dtype d, int64_t i);
void etch_store_double(void *data, etch_dtype d, int64_t i, double v);
void etch_store_int(void *data, etch_dtype d, int64_t i, int64_t v);

#endif
