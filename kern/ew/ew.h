// Elementwise fp32 loops.
//
// In: contiguous floats. Out: as many floats; the output may be an input.
#ifndef ETCH_KERN_EW_EW_H
#define ETCH_KERN_EW_EW_H

#include <stddef.h>
#include <stdint.h>

typedef enum {
    ETCH_EW_ABS, ETCH_EW_NEG, ETCH_EW_SQUARE, ETCH_EW_FLOOR, ETCH_EW_CEIL, ETCH_EW_SQRT, ETCH_EW_RSQRT, ETCH_EW_LOG, ETCH_EW_EXP,
    ETCH_EW_SIN, ETCH_EW_COS, ETCH_EW_TANH, ETCH_EW_SIGMOID, ETCH_EW_SILU, ETCH_EW_ERF, ETCH_EW_GELU,   // erf form
    ETCH_EW_GELU_TANH,
    ETCH_EW_HARDSWISH, ETCH_EW_LEAKY /* p: slope */, ETCH_EW_ELU /* p: alpha */, ETCH_EW_CLAMP /* p: lo, q: hi */,
} etch_ew_unary;

typedef enum {
    ETCH_EW_ADD, ETCH_EW_SUB, ETCH_EW_MUL, ETCH_EW_DIV, ETCH_EW_MIN, ETCH_EW_MAX, ETCH_EW_PRELU,  // b: slope of negative a
} etch_ew_binary;

// One row of kernels.def: the loops of one instruction set. Outputs may be inputs. Against libm in double, tested in functions_test.c: exp
// 2 ulp, erf and tanh 3, sigmoid 4, and gelu, silu within 4 ulp of the larger of |x| / 8 and the result.
typedef struct etch_ew_kernels {
    const char *name;
    unsigned needs;   // features (base/cpu.h)
    void (*unary)(etch_ew_unary op, float p, float q, const float *x, float *y, size_t n);
    // a_step, b_step: 1, or 0 for one value used n times. The result is cut to [lo, hi].
    void (*binary)(etch_ew_binary op, const float *a, size_t a_step, const float *b, size_t b_step, float lo, float hi, float *y, size_t n);
    // y = softmax of each row of n.
    void (*softmax)(const float *x, float *y, size_t rows, size_t n);
    // y = (x - mean) / sqrt(variance + eps) * weight + bias of each row of n; weight, bias [n], mean, rstd [rows] may be NULL.
    void (*layer_norm)(const float *x, float *y, size_t rows, size_t n, const float *weight, const float *bias, float eps, float *mean,
                       float *rstd);
    // y[n] = sum of the rows of x [rows, n].
    void (*sum_rows)(const float *x, size_t rows, size_t n, float *y);
    // Dynamic quantisation of one row, as below: q[n], the real scale 1 / s and the zero point z. Every row of kernels.def gives the same
    // bits.
    void (*quantize_row)(const float *x, size_t n, int8_t *q, float *scale, int32_t *zero);
} etch_ew_kernels;

// The last row of kernels.def that `features` allow.
const etch_ew_kernels *etch_ew_select(unsigned features);
// All rows, for tests; NULL beyond the last.
const etch_ew_kernels *etch_ew_row(int i);

// Dynamic quantisation, as XNNPACK's qd8 does it in fp32, step by step:
// lo = min(0, x), hi = max(0, x); s = 255 / (hi - lo), 1 for a row of zeros; a = lo s, b = hi s;
// z = (-128 + a) + (127 + b) > 0 ? -128 - a : 127 - b, cut to [-128, 127], rounded to even; q = round to even(cut(x s, -128 - z, 127 - z))
// + z.
// The real scale of a row is 1 / s. Products with s, not divisions by 1 / s: the two differ in the last bit, which decides ties.
void etch_ew_row_scale(float lo, float hi, float *out_s, float *out_zero);

#endif
