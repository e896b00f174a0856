// Attention as one step of a payload (xnn_fuse_attention.c): how its operands lie. Private to rt/xnn*.c.
#ifndef ETCH_RT_XNN_ATTENTION_H
#define ETCH_RT_XNN_ATTENTION_H

#include "rt/xnn.h"

// Which dimension of a value is which axis: rank 4 [batch, head, row, column], rank 3 [batch and head, row, column]. Columns: contiguous.
typedef struct etch_xnn_axes {
    int rank;
    uint8_t dim[4];
    bool is_flat;   // the products see batch and head as one dimension, whose second factor is `heads`
} etch_xnn_axes;

// in: q, k, v [, mask]; out: y.
typedef struct etch_xnn_attention {
    etch_xnn_axes q, k, v, out;   // rows: queries, keys, keys, queries
    float scale;
    int64_t heads;                // of everything that is_flat or is_split; 0: nothing is
    bool is_split;                // the mask is added to [batch, head, row, column], but the products have rank 3
    int mask_rank;                // of the scores to which the mask is added (its dimensions count from the last)
} etch_xnn_attention;

etch_status *etch_xnn__attention_shape(const etch_xnn *x, const etch_xnn_node *n, int64_t *dims, int *rank) ETCH_MUST_USE;
void etch_xnn__run_attention(etch_xnn_cx *cx, const etch_xnn_node *n);

#endif
