// Attention over keys and values of any dtype and layout: out = softmax(scale * q k^T + mask) v, in blocks of keys with a running
// maximum, f32. Rows that see no key give zeros.
#ifndef ETCH_KERN_ATTN_H
#define ETCH_KERN_ATTN_H

#include "kern/matmul.h"

// One operand for one head: row r, column c at off + r * rs + c of t. With int8 data: value = (data - zero) * scale, one pair a row
// at qoff + r * qrs of the parameter tensors.
typedef struct kern_rows {
    const etch_tensor *t;
    int64_t off, rs;
    const etch_tensor *scale, *zero;
    int64_t qoff, qrs;
} kern_rows;

typedef struct kern_attn {
    kern_rows q, k, v;
    etch_tensor *out;
    int64_t out_off, out_rs;
    int64_t n_q, n_k, d, dv;       // rows of q, keys, columns of q and k, columns of v
    float scale;
    const etch_tensor *mask;       // float: added; bool: true takes part; NULL: none. At moff + row * mrs + key * mcs
    int64_t moff, mrs, mcs;
    bool causal;                   // row r sees keys 0 ... r + first
    int64_t first;
    float *work;                   // kern_attn_work(d, dv) bytes, from the scratch
} kern_attn;

size_t kern_attn_work(int64_t d, int64_t dv);
void kern_attn_head(const kern_attn *a);

#endif
