// Matrix products: C = alpha * A B + beta * D, blocked, f32 accumulation (f64 and integers: scalar loops in their own type).
// f32, f16 and bf16 operands are read as f32 and the result is rounded once. Sums run over K in blocks of 256 whose partial sums are
// added in order, so that the error grows with K / 256.
#ifndef ETCH_KERN_MATMUL_H
#define ETCH_KERN_MATMUL_H

#include "kern/check.h"

// Element (r, c) lies at off + r * rs + c * cs (elements of dtype).
typedef struct kern_mat {
    const void *data;
    etch_dtype dtype;
    int64_t off, rs, cs;
} kern_mat;

typedef struct kern_gemm_out {
    void *data;
    etch_dtype dtype;
    int64_t off, rs;         // row stride; columns are contiguous
    const kern_mat *add;     // D, or NULL; strides may be 0
    double alpha, beta;
} kern_gemm_out;

// The working memory of the blocked path, about 300 KiB: taken from the scratch on first need, kept for the next product of the same call.
typedef struct kern_work { etch_kern_cx *cx; float *mem; void *family; } kern_work;

// a is [m, k], b is [k, n].
etch_status *kern_gemm(kern_work *w, int64_t m, int64_t n, int64_t k, const kern_mat *a, const kern_mat *b,
                       const kern_gemm_out *out) ETCH_MUST_USE;

// The blocked core for products whose B is not a matrix in memory (convolution). `pack_b` writes strips of KERN_NR columns:
// dst[strip][k][KERN_NR] for rows [k0, k0 + kc) and columns [n0, n0 + nc), zero beyond nc.
enum { KERN_MR = 4, KERN_NR = 8 };
typedef void (*kern_pack_fn)(const void *user, float *dst, int64_t k0, int64_t kc, int64_t n0, int64_t nc);
etch_status *kern_gemm_packed(kern_work *w, int64_t m, int64_t n, int64_t k, const kern_mat *a, kern_pack_fn pack_b, const void *user,
                              const kern_gemm_out *out) ETCH_MUST_USE;

// Sum of products of n floats: 16 independent partial sums, added pairwise.
float kern_dot_f32(const float *a, const float *b, int64_t n);
// y += a * x.
static inline void kern_axpy_f32(float *restrict y, float a, const float *restrict x, int64_t n)
{
    for (int64_t i = 0; i < n; i++) y[i] += a * x[i];
}

#endif
