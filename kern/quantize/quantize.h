// Weight quantization: rows of floats to small integers with one scale a group of columns. Pure functions, no allocation.
//
// Symmetric, scale only, as the official exporter makes its weights (torchao IntxUnpackedToInt8Tensor; zero points are all zero):
//   q = clamp(round_half_even(w / s), qmin, qmax),   w' = q * s,   qmin = -2^(bits-1), qmax = 2^(bits-1) - 1.
#ifndef ETCH_KERN_QUANTIZE_QUANTIZE_H
#define ETCH_KERN_QUANTIZE_QUANTIZE_H

#include <stddef.h>
#include <stdint.h>

#include "base/status.h"
#include "base/str.h"

typedef enum {
    ETCH_QPARAMS_HQQ,     // half-quadratic, scale only: s from max|w| / 2^(bits-1), then up to 20 least-squares refits (default of the
                          // official exporter)
    ETCH_QPARAMS_MINMAX,  // s = max|w| / ((qmax - qmin) / 2): torchao's symmetric affine rule
} etch_qparams;

typedef struct etch_quant_scheme {
    int bits;             // 4 or 8
    int64_t group;        // columns a scale; 0: the whole row
    etch_qparams rule;
} etch_quant_scheme;

typedef struct etch_quant_sums { double error, energy; } etch_quant_sums;  // sum (w - q*s)^2, sum w^2

// One row of k floats (k a multiple of the group) -> q[k] and scales[k / group]. `sums` (may be NULL) grow by the row's.
// A NaN or infinity makes `energy` no finite number.
void etch_quantize_row(const float *w, int64_t k, const etch_quant_scheme *s, int8_t *q, float *scales, etch_quant_sums *sums);
void etch_quantize_row__ref(const float *w, int64_t k, const etch_quant_scheme *s, int8_t *q, float *scales, etch_quant_sums *sums);
void etch_quantize_row__avx2(const float *w, int64_t k, const etch_quant_scheme *s, int8_t *q, float *scales, etch_quant_sums *sums);
// k bfloat16 values as floats.
void etch_widen_bf16(const uint16_t *in, int64_t k, float *out);
void etch_widen_bf16__ref(const uint16_t *in, int64_t k, float *out);
void etch_widen_bf16__avx2(const uint16_t *in, int64_t k, float *out);

// XNNPACK order: column 2j in the low nibble, 2j + 1 in the high one, value + 8; an odd k is padded with one zero (8). (k + 1) / 2 bytes.
void etch_pack_nibbles_low_first(const int8_t *q, int64_t k, uint8_t *out);
// quantized_decomposed::embedding_4bit order: even column in the high nibble, value + 8. k / 2 bytes, k even.
void etch_pack_nibbles_high_first(const int8_t *q, int64_t k, uint8_t *out);

// "hqq" | "minmax".
etch_status *etch_qparams_parse(etch_str name, etch_qparams *out) ETCH_MUST_USE;

#endif
