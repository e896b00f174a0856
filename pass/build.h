// Making nodes tersely, for decompositions. The first error sticks in the builder; after it every call returns a harmless value, so that
// a decomposition reads as a formula:
//   out[0] = B(b, mul_Tensor, a[0], V(B(b, sigmoid, a[0])));
#ifndef ETCH_PASS_BUILD_H
#define ETCH_PASS_BUILD_H

#include "pass/pass.h"

typedef struct etch_build {
    etch_method *m;
    etch_node *before;       // new nodes go in front of it
    const etch_node *from;   // the node that is replaced: source place and module of the new nodes
    etch_status *error;
    etch_node *last;         // the newest node (for results beyond the first)
    etch_value harmless;     // what calls return after an error
} etch_build;

// Result 0 of a new node.
etch_value *etch_b(etch_build *b, etch_op_id id, const etch_val *args, int n);
#define B(b, op, ...) \
    etch_b((b), ETCH_OP_##op, (const etch_val[]){ __VA_ARGS__ }, (int)(sizeof((const etch_val[]){ __VA_ARGS__ }) / sizeof(etch_val)))
// Result i of the newest node.
etch_value *etch_b_result(etch_build *b, int i);

// Arguments.
#define V(value) etch_val_tensor(&(value)->t)
#define I(x) etch_val_int(x)
#define D(x) etch_val_dim(x)
#define F(x) etch_val_float(x)
#define Y(x) etch_val_bool(x)
#define NONE_ etch_val_none()
#define DTYPE_(d) etch_val_int((int64_t)(d))
etch_val etch_b_dims(etch_build *b, int n, const etch_dim *dims);
etch_val etch_b_ints(etch_build *b, int n, const int64_t *ints);
etch_val etch_b_tensors(etch_build *b, int n, etch_value *const *values);
etch_val etch_b_floats(etch_build *b, int n, const double *floats);
#define INTS(b, ...) etch_b_ints((b), (int)(sizeof((int64_t[]){ __VA_ARGS__ }) / sizeof(int64_t)), (int64_t[]){ __VA_ARGS__ })
#define DIMS(b, ...) etch_b_dims((b), (int)(sizeof((etch_dim[]){ __VA_ARGS__ }) / sizeof(etch_dim)), (etch_dim[]){ __VA_ARGS__ })
// The sizes of a value as an argument.
etch_val etch_b_sizes(etch_build *b, const etch_value *v);
#define C(x) etch_dim_of(x)

// Sizes.
etch_dim etch_b_mul(etch_build *b, etch_dim x, etch_dim y);
etch_dim etch_b_add(etch_build *b, etch_dim x, etch_dim y);
etch_dim etch_b_sub(etch_build *b, etch_dim x, etch_dim y);
// True when the sizes are equal for all values of the symbols.
bool etch_b_same(etch_dim x, etch_dim y);

// The tensor of an argument; a number gives the harmless value and an error.
etch_value *etch_b_tensor(etch_build *b, const etch_val *a);
etch_dtype etch_b_dtype(const etch_val *a);  // of a tensor argument, ETCH_DTYPE_NONE for numbers
int etch_b_rank(const etch_val *a);          // 0 for numbers
static inline etch_dim etch_b_size(const etch_value *v, int d)
{
    if (d < 0) d += v->t.rank;
    return d >= 0 && d < v->t.rank ? v->t.sizes[d] : etch_dim_of(1);
}
static inline int etch_b_axis(int64_t d, int rank) { return (int)(d < 0 ? d + (rank ? rank : 1) : d); }

// Casts only when the type differs.
etch_value *etch_b_to(etch_build *b, etch_value *v, etch_dtype d);
// f16 and bf16 become f32 for inner computation.
etch_value *etch_b_float(etch_build *b, etch_value *v);
etch_value *etch_b_view(etch_build *b, etch_value *v, int n, const etch_dim *dims);
etch_value *etch_b_transpose(etch_build *b, etch_value *v, int d0, int d1);
// full(sizes of `like`, value) in its dtype.
etch_value *etch_b_full(etch_build *b, const etch_value *like, etch_val value);
// arange(n) : i64[n]
etch_value *etch_b_arange(etch_build *b, etch_dim n);
// "cannot be lowered: <why>"
void etch_b_fail(etch_build *b, const char *why);

// decomp_<token>: new nodes that compute what `n` computes; results[i] replaces result i.
typedef void (*etch_decomp_fn)(etch_build *b, const etch_node *n, etch_value **results);
#define DECOMP(token) void decomp_##token(etch_build *b, const etch_node *n, etch_value **out)

#endif
