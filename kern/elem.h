// The block engine of elementwise kernels: operands of any dtype and broadcast shape are read in blocks of a compute type, a
// function maps a block, the result is converted to the output's dtype. Operands that already have the compute type and the
// output's layout are used where they lie.
//
// Compute types: f16, bf16 and f32 in f32 (rounded once at the store); f64 in f64; integers and bool in i64 (two's complement, cut
// at the store); truth values in bytes 0/1; complex64 in pairs of f32.
#ifndef ETCH_KERN_ELEM_H
#define ETCH_KERN_ELEM_H

#include "kern/check.h"

typedef enum { KERN_F32, KERN_F64, KERN_I64, KERN_B8, KERN_C64 } kern_ctype;
enum { KERN_BLOCK = 512 };

typedef struct kern_par {
    double f[4];     // scalar parameters as double
    int64_t i[4];    // and as integers
    bool div_zero;   // set by a block function: an integer was divided by zero
} kern_par;

// Maps n elements: in[k] and out hold compute types, out may equal an in[k] only when they are the same memory and type.
typedef void (*kern_block_fn)(void *out, const void *const *in, int n, kern_par *p);

// The compute type of a dtype.
kern_ctype kern_ctype_of(etch_dtype d);
size_t kern_ctype_size(kern_ctype c);
// Result type of ATen promotion over tensors, 0-d tensors and wrapped numbers (Python scalars), in falling priority.
etch_status *kern_promote(const etch_val *const *vals, int n, etch_dtype *out_d) ETCH_MUST_USE;
// The same for operations that give floats: integers become f32.
etch_dtype kern_to_float(etch_dtype d);

// Conversion of n contiguous elements; index in elements.
void kern_load(void *dst, kern_ctype c, const void *src, etch_dtype d, int64_t at, int64_t n);
void kern_store(void *dst, etch_dtype d, int64_t at, const void *src, kern_ctype c, int64_t n);

// out[...] = fn(vals[0], ...): `n` operands (at most 3), tensors or numbers, each broadcast to the output and read as ct[k]; the
// function gives `rt`.
etch_status *kern_map(etch_tensor *out, const etch_val *const *vals, int n, const kern_ctype *ct, kern_ctype rt, kern_block_fn fn,
                      kern_par *par) ETCH_MUST_USE;

// out[...] = v, broadcast and converted (numbers: a fill).
etch_status *kern_cast(etch_tensor *out, const etch_val *v) ETCH_MUST_USE;

// The block functions of an operation by compute type; a NULL entry means that the operation has no such form.
typedef struct kern_fns { kern_block_fn f32, f64, i64, c64; } kern_fns;

// A block function of one operand: `expr` of x, of type T.
#define KERN_UNARY(name, T, expr)                                                       \
    static void name(void *o_, const void *const *in, int n, KERN_UNUSED kern_par *p)   \
    {                                                                                   \
        T *restrict o = o_;                                                             \
        const T *restrict a = in[0];                                                    \
        for (int i = 0; i < n; i++) {                                                   \
            T x = a[i];                                                                 \
            o[i] = (expr);                                                              \
        }                                                                               \
    }

#endif
