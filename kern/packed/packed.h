// Matrices that a checkpoint holds as small integers: value[r][c] = integer * scale + offset, scale and offset shared by a group of
// columns.
//
// Two storages:
//   blocks    rows of blocks that hold integers and scales together (op/blocks.def): GGUF
//   columns   integers packed in i32 words, scales and zero points in tensors of their own: GPTQ and AWQ. The matrix is stored transposed.
// Pure functions over borrowed bytes, no allocation; rows are independent of each other.
#ifndef ETCH_KERN_PACKED_PACKED_H
#define ETCH_KERN_PACKED_PACKED_H

#include "base/status.h"
#include "op/block.h"
#include "op/value.h"

// Order of the integers in the words of column storage. K: columns of the matrix, N: rows; p = 32 / bits integers a word, first in the low
// bits.
typedef enum {
    ETCH_PACKED_GPTQ,     // qweight[K / p, N]: words run along K; stored zero points are one less than the zero points
    ETCH_PACKED_GPTQ_V2,  // the same with zero points as they are
    ETCH_PACKED_AWQ,      // qweight[K, N / 8]: words run along N, integers 0 2 4 6 1 3 5 7 of eight; zero points as they are, in the same
                          // order
} etch_packed_format;

typedef struct etch_packed {
    int64_t rows, cols;
    int64_t group;            // columns that share a scale, divides cols; 1 when the columns of a group do not lie side by side
    const char *name;         // "Q4_0", "GPTQ 4 bits"
    // blocks
    const etch_block *block;
    const uint8_t *bytes;     // [rows, cols / block->values, block->bytes]
    // columns
    etch_packed_format format;
    int bits;                 // 4 or 8
    const uint32_t *words;    // see etch_packed_format
    const uint32_t *zeros;    // [groups, rows / p]
    const void *scales;       // [groups, rows]
    etch_dtype scale_dtype;
    const int32_t *group_of;  // [cols]: group of each column; NULL: column / group
} etch_packed;

// `t`: u8 [.., bytes of a row]. Leading sizes are rows. The shape rule of etch::dequantize_blocks has checked the sizes.
void etch_packed_from_blocks(const etch_block *b, const etch_tensor *t, etch_packed *out);
// Operands of etch::dequantize_columns, checked by its shape rule; `group_of` may be NULL. ETCH_INVALID when a group index is out of range.
etch_status *etch_packed_from_columns(etch_packed_format format, int bits, const etch_tensor *words, const etch_tensor *zeros,
                                      const etch_tensor *scales, const etch_tensor *group_of, etch_packed *out) ETCH_MUST_USE;
bool etch_packed_format_parse(etch_str name, etch_packed_format *out);  // "gptq", "gptq_v2", "awq"

// One row: q[cols], scales[cols / group], offsets[cols / group]. value = q * scale + offset, each operation rounded to f32.
void etch_packed_row(const etch_packed *p, int64_t row, int16_t *q, float *scales, float *offsets);
void etch_packed__block_row(const etch_packed *p, int64_t row, int16_t *q, float *scales, float *offsets);  // of block storage
// The values of columns [from, to) of such a row.
void etch_packed_values(const etch_packed *p, const int16_t *q, const float *scales, const float *offsets, int64_t from, int64_t to,
                        float *out);

#endif
