// The XNNPACK payload in memory: values, nodes, plan. Private to rt/xnn*.c.
//
// In: a payload (formats: flatbuffer XN01 behind an XH00 header) and named data, untrusted. Out: a verified, flat list of nodes over
// values.
// Steps: xnn_load.c (values) -> xnn_node.c (nodes, types) -> xnn_shape.c (sizes) -> xnn_plan.c (memory) -> xnn_run*.c (kernels); xnn.c
// joins them.
#ifndef ETCH_RT_XNN_H
#define ETCH_RT_XNN_H

#include "base/arena.h"
#include "base/num.h"
#include "base/pool.h"
#include "kern/ew/ew.h"
#include "kern/fgemm/fgemm.h"
#include "kern/nhwc/nhwc.h"
#include "kern/transpose/transpose.h"
#include "kern/qblock/qblock.h"
#include "kern/qgemm/qgemm.h"
#include "pte/fb.h"
#include "rt/delegate.h"

#define ETCH_XNN_RANK 6
#define ETCH_XNN_NONE 0xffffffffu
#define ETCH_XNN_SHARERS 8   // products of one operand in one step, at most

// Datatype codes as stored.
typedef enum {
    XT_F32 = 1, XT_F16 = 2, XT_QINT8 = 3, XT_QUINT8 = 4, XT_QINT32 = 5, XT_QCINT8 = 6, XT_QCINT32 = 7, XT_QCINT4 = 8, XT_QDINT8 = 9,
    XT_QBINT4 = 10, XT_I32 = 12, XT_BF16 = 14,
} etch_xnn_type;

typedef enum { XV_CONST, XV_INPUT, XV_OUTPUT, XV_INTERNAL } etch_xnn_where;

typedef struct etch_xnn_value {
    uint8_t type, where, rank, nonbatch;   // nonbatch: QDINT8, trailing dims that share one scale
    bool defined;                          // constant, input, or written by a node seen so far
    int64_t dims[ETCH_XNN_RANK];           // constants: fixed; else the sizes of the present call
    int64_t declared[ETCH_XNN_RANK];       // upper bounds that the file states (hints)
    int64_t numel;                         // of dims
    uint32_t id;                           // serialized id, for messages
    int external;                          // argument index or -1
    bool is_read;                          // by some node
    bool is_hidden;                        // only the chain that makes it reads it: it has no memory
    bool is_last_row_enough;               // of this call's output: rows before the last need not be written
    float scale;                           // per-tensor quantisation
    int32_t zero_point;
    int channel_dim;
    size_t n_scales, group;
    const float *scales;                   // per channel
    const uint16_t *block_scales;          // bf16 [rows, row length / group]
    const uint8_t *data;                   // constants: the file's bytes (or an aligned copy); else set at each call
    // Plan.
    int root;                              // the value whose memory this one shares (itself, or through reshape and copy)
    int last;                              // roots: last node of the last chain that writes or reads it or an alias; -1: none
    int last_read;                         // roots: the last node that does
    size_t offset, bytes;                  // roots that are INTERNAL: place in the workspace
} etch_xnn_value;

// A dynamically quantised value is followed by one of these a row (a row: the last `nonbatch` dims), at etch_xnn_rows().
typedef struct etch_xnn_rowq { float scale; int32_t zero_point; } etch_xnn_rowq;

typedef enum {
    XK_UNARY, XK_BINARY, XK_CLAMP, XK_FC, XK_SOFTMAX, XK_TRANSPOSE, XK_CONV, XK_DWCONV, XK_DECONV, XK_RESIZE, XK_PAD, XK_AVGPOOL,
    XK_MAXPOOL, XK_ARGMAXPOOL, XK_CONVERT, XK_GLOBALAVG, XK_RESHAPE, XK_CAT, XK_SLICE, XK_BMM, XK_COPY, XK_SDPA, XK_ATTENTION,
} etch_xnn_kind;

typedef struct etch_xnn_row { const char *name; uint8_t kind, base, op; } etch_xnn_row;

// Window of a convolution or pooling; input and output are NHWC.
typedef struct etch_xnn_window {
    uint32_t pad_top, pad_right, pad_bottom, pad_left;   // as given; the SAME flag: computed at each call
    uint32_t kh, kw, sh, sw, dh, dw, adj_h, adj_w;
    uint32_t groups, group_in, group_out;
} etch_xnn_window;

enum { XF_TRANSPOSE = 1, XF_SAME = 4, XF_ALIGN_CORNERS = 8, XF_KEEP_DIMS = 0x40, XF_KNOWN = 0x7f };

typedef struct etch_xnn_node {
    const etch_xnn_row *row;
    int in[5], n_in;            // value indices; FC and convolutions: input, filter, bias (-1: none)
    int out[2], n_out;
    uint32_t flags;
    float lo, hi;               // output clamp, infinite when absent
    float alpha;                // leaky slope, elu alpha, pad value
    int axis;
    etch_xnn_window win;
    int n_dims;                 // of p / q
    int64_t p[ETCH_XNN_RANK];   // permutation, new shape, offsets, pre-paddings, new height and width
    int64_t q[ETCH_XNN_RANK];   // sizes, post-paddings
    const float *requant;       // [OC] input scale * weight scale / output scale (static quantisation)
    const uint8_t *weights;     // filter as the kernels read it ([N, K] for integer filters)
    uint8_t weights_type;       // its etch_xnn_type
    etch_qblock_w *blocks;      // fully connected, 4-bit block weights: how kern/qblock reads them, else NULL
    int n_shared;               // of those: this node and its next ones run as one; 0: an earlier one runs it
    const etch_xnn_row *act;    // products of floats: a function of each result (a unary or clamp row), or NULL
    float act_p, act_q;         // its parameters
    const struct etch_xnn_attention *attention;   // XK_ATTENTION
    int chain, chain_at;        // nodes that run as one step from here (xnn_chain.h) and where in x->chains; 1: this one; 0: an earlier one
                                // runs it
    int planned_chain;          // chain when the plan was made
    int in_place;               // plan: index into `in` whose memory the output takes, or -1
} etch_xnn_node;

typedef struct etch_xnn {
    etch_arena arena;
    etch_xnn_value *values;
    int n_values;
    etch_xnn_value **by_id;     // sorted by serialized id
    etch_xnn_node *nodes;
    int n_nodes;
    struct etch_xnn_chain *chains;   // of the present sizes
    struct etch_xnn_step *steps;     // theirs
    int n_chains;
    int n_externs;
    int *externs;               // argument -> value; -1: the payload does not use it
    const etch_qgemm_isa *qgemm;
    const etch_fgemm_kernels *fgemm;
    const etch_ew_kernels *ew;
    const etch_nhwc_kernels *nhwc;
    const etch_transpose_kernels *transpose;
    const etch_qblock_isa *qblock;
    const struct etch_attention_isa *attention;
    etch_pool *pool;
    etch_rt_ties *ties;         // NULL: not counted
    size_t max_bytes;
    bool is_planned, is_shaped; // is_shaped: dims hold the last call's sizes
    size_t workspace, scratch;  // bytes of values, of the hungriest node
    const etch_rt_listener *listener;   // NULL, or whom to tell of nodes
    uint8_t *base;              // workspace of the last call: values lie there
    uint8_t *grown;             // own memory when the caller's scratch is too small
    size_t grown_len;
} etch_xnn;

// The table of nodes; NULL for a code without a row.
const etch_xnn_row *etch_xnn__row(int code);

// Values and constants; then nodes. Borrow from blob and named data.
etch_status *etch_xnn__load(etch_span blob, const etch_delegate_env *env, etch_xnn *x) ETCH_MUST_USE;
etch_status *etch_xnn__load_node(etch_xnn *x, etch_fb_table node, etch_xnn_node *out) ETCH_MUST_USE;
// Types, ranks of constants, and constant-derived data of a node whose operands are defined.
etch_status *etch_xnn__check_node(etch_xnn *x, etch_xnn_node *n) ETCH_MUST_USE;
// Value index of a serialized id, -1 when there is none.
int etch_xnn__find(const etch_xnn *x, uint32_t id);

// Rules that join or move nodes; values are loaded, nothing is planned.
void etch_xnn__fuse(etch_xnn *x);
// How often nodes read a value; *last: the last node that does, untouched when none does.
int etch_xnn__n_readers(const etch_xnn *x, int value, int *last);
// The only reader of a value that exists for it alone; -1: there is none.
int etch_xnn__only_reader(const etch_xnn *x, int value);
// xnn_fuse_float.c
void etch_xnn__fuse_silu(etch_xnn *x, int i);
void etch_xnn__fuse_act(etch_xnn *x, int i);
// xnn_fuse_attention.c
void etch_xnn__fuse_attention(etch_xnn *x, int i);
// n->act on y[0 ... n), in place; nothing without one.
typedef struct etch_xnn_act { const etch_ew_kernels *ew; const etch_xnn_node *n; } etch_xnn_act;
void etch_xnn__apply_act(const void *act, float *y, size_t n);

// Sizes of every node's outputs from the sizes of the inputs.
etch_status *etch_xnn__shape(etch_xnn *x) ETCH_MUST_USE;
// dims -> numel, refusing absurd products.
etch_status *etch_xnn__set_dims(etch_xnn_value *v, int rank, const int64_t *dims) ETCH_MUST_USE;
// From one index to the next, by dim of a value in memory, in elements of `unit` (1: elements; the element's size: bytes).
void etch_xnn__strides(const etch_xnn_value *v, int64_t unit, int64_t *out);
// Output padding before (top, left) when SAME is set, else the given one.
void etch_xnn__padding(const etch_xnn_node *n, int64_t h, int64_t w, int64_t oh, int64_t ow, int64_t *top, int64_t *left);

// Places of the internal values for the present sizes.
etch_status *etch_xnn__plan(etch_xnn *x) ETCH_MUST_USE;
// Do the present sizes fit the places (and in-place conditions)? Otherwise plan again.
bool etch_xnn__fits(const etch_xnn *x);
size_t etch_xnn__value_bytes(const etch_xnn_value *v);
// Bytes of an element; 0 for 4-bit types.
size_t etch_xnn__elem(int type);

// Node execution. With `dry`, only the scratch is counted.
typedef struct etch_xnn_cx {
    etch_xnn *x;
    uint8_t *base;
    size_t used, len;
    bool dry;
} etch_xnn_cx;

// 64-aligned scratch of the node; NULL in a dry run.
void *etch_xnn__take(etch_xnn_cx *cx, size_t bytes);
etch_status *etch_xnn__run_node(etch_xnn_cx *cx, const etch_xnn_node *n) ETCH_MUST_USE;
void etch_xnn__run_fc(etch_xnn_cx *cx, const etch_xnn_node *n);
void etch_xnn__run_qblock(etch_xnn_cx *cx, const etch_xnn_node *first);
void etch_xnn__run_fc_float(etch_xnn_cx *cx, const etch_xnn_node *n, size_t m, size_t channels, size_t k);
void etch_xnn__run_conv(etch_xnn_cx *cx, const etch_xnn_node *n);
void etch_xnn__run_conv_float(etch_xnn_cx *cx, const etch_xnn_node *n, const etch_nhwc *g);
// The same by Winograd's way; false: it does not suit.
bool etch_xnn__run_winograd(etch_xnn_cx *cx, const etch_xnn_node *n, const etch_nhwc *g);
void etch_xnn__run_bmm(etch_xnn_cx *cx, const etch_xnn_node *n);
void etch_xnn__run_move(etch_xnn_cx *cx, const etch_xnn_node *n);
void etch_xnn__run_binary(etch_xnn_cx *cx, const etch_xnn_node *n);
void etch_xnn__run_nhwc(etch_xnn_cx *cx, const etch_xnn_node *n);

// The value as floats: its own memory, or scratch filled by conversion. `store` converts what was computed back.
const float *etch_xnn__floats(etch_xnn_cx *cx, const etch_xnn_value *v);
float *etch_xnn__float_out(etch_xnn_cx *cx, const etch_xnn_value *v);
void etch_xnn__store(etch_xnn_cx *cx, const etch_xnn_value *v, const float *from);
static inline etch_xnn_rowq *etch_xnn__rows(const etch_xnn_value *v)
{
    return (etch_xnn_rowq *)(void *)((uint8_t *)(uintptr_t)v->data + etch_align_up((size_t)v->numel, 64));
}
// rows x n floats and what they were quantised to: counts ties, moves those that the caller chose.
void etch_xnn__count_ties(etch_rt_ties *t, const float *x, size_t rows, size_t n, const etch_xnn_rowq *q, int8_t *out);
// Rows at the front of `v` (its last dim: a row) that this call may leave out.
size_t etch_xnn__rows_to_skip(const etch_xnn_value *v);
// Rows of a dynamically quantised value.
int64_t etch_xnn__n_rows(const etch_xnn_value *v);
static inline void *etch_xnn__mut(const etch_xnn_value *v) { return (void *)(uintptr_t)v->data; }
// f / scale + zero point, rounded and cut to the type's range (QINT8, QUINT8).
int32_t etch_xnn__quantize(const etch_xnn_value *v, float f);

static inline const etch_xnn_value *etch_xnn__in(const etch_xnn_cx *cx, const etch_xnn_node *n, int i) { return &cx->x->values[n->in[i]]; }
static inline const etch_xnn_value *etch_xnn__out(const etch_xnn_cx *cx, const etch_xnn_node *n, int i)
{
    return &cx->x->values[n->out[i]];
}

// Runs a node and tells the listener.
etch_status *etch_xnn__run_timed(etch_xnn_cx *cx, const etch_xnn_node *n, int index) ETCH_MUST_USE;

// Loops over [0, n) in pieces on the pool.
typedef void etch_xnn_span_fn(void *user, size_t from, size_t to);
void etch_xnn__spans(etch_xnn *x, size_t n, size_t piece, etch_xnn_span_fn *fn, void *user);

#endif
