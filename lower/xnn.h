// Writing XNNPACK payloads: what a rule for an ATen node may use. One rule a token of the `xnn` column of op/ops.def.
//
// In: nodes of one group in topological order. Out: values and XNodes of one XNNGraph.
#ifndef ETCH_LOWER_XNN_H
#define ETCH_LOWER_XNN_H

#include "lower/internal.h"

typedef struct xnn_build xnn_build;

typedef enum {
    XNN_MOVES,    // copies data at most: alone not worth a delegate
    XNN_LIGHT,    // arithmetic for each element
    XNN_HEAVY,    // products of matrices, convolutions
} xnn_weight;

typedef struct xnn_rule {
    xnn_weight weight;
    bool takes_clamp;        // a clamp of its only result may become output_min_max
    // Can XNNPACK run this node? Asked after the common conditions (partition.c): of one float type, rank 1 to 6, sizes at least
    // 1.
    bool (*can)(const lw_method *lm, const etch_node *n);
    etch_status *(*write)(xnn_build *x, const etch_node *n);
    // May mark nodes that make its arguments as left out (xnn_skip), before anything is written. NULL: nothing to absorb.
    etch_status *(*absorb)(xnn_build *x, const etch_node *n);
    bool own_types;          // constants may have other types than the operands: `can` looks at them
    bool casts;              // operands and results need not have one type
    bool bfloat16;           // XNNPACK takes it in bfloat16 too, or the rule computes in float32 between converts
} xnn_rule;

// NULL: stays outside.
const xnn_rule *lw_xnn_rule(etch_op_id id);

// A value of the payload. Everything that a definition can say, so that quantized kinds are other fills of the same row.
typedef struct xnn_value {
    int datatype;                 // code of the payload format, XNN_FP32
    int rank;
    int64_t dims[6];
    uint32_t constant;            // index in constant_data, 0: not constant
    uint32_t external;            // argument position, XNN_NONE: internal
    uint32_t flags;               // 1 external input, 2 external output
    int quant;                    // member of XNNQuantParams, 0: none
    double scale;                 // PerTensorQuant
    int64_t zero_point;
    int channel_dim;              // PerChannelQuant, PerChannelGroupQuant
    int group_size;
    uint32_t scale_constant, num_scales;
    int nonbatch_dims;            // PerTokenDynamicQuant
} xnn_value;

enum { XNN_FP32 = 1, XNN_FP16 = 2, XNN_QCINT8 = 6, XNN_QDINT8 = 9, XNN_QBINT4 = 10, XNN_BF16 = 14, XNN_QCINT4 = 8 };
#define XNN_NONE UINT32_MAX

// Appends a definition; gives its id.
etch_status *xnn_define(xnn_build *x, const xnn_value *v, uint32_t *out_id) ETCH_MUST_USE;
// The id of a tensor in logical (row-major) order: an argument of the delegate, a result made before, or a constant.
etch_status *xnn_in(xnn_build *x, etch_value *v, uint32_t *out_id) ETCH_MUST_USE;
// The same tensor in int8, quantized by row at run time (one XNNConvert, shared). From float32 always: XNNPACK keeps the factor of a
// float16 row in float16, which rounds it to 11 bits and is infinite for rows that span less than 0.004.
etch_status *xnn_in_dynamic(xnn_build *x, etch_value *v, uint32_t *out_id) ETCH_MUST_USE;
// The id that a result is to be written to. With takes_clamp set in the rule, the next node gets the limits of a clamp that was folded.
etch_status *xnn_out(xnn_build *x, etch_value *v, uint32_t *out_id) ETCH_MUST_USE;
// The value in whose place `v` is written: that of a folded batch norm or clamp. Sets the limits of the next node.
etch_value *xnn_written_as(xnn_build *x, etch_value *v);
// xnn_out without following what was folded.
etch_status *xnn_in_place_of(xnn_build *x, etch_value *v, uint32_t *out_id) ETCH_MUST_USE;
// The result is the value `id` itself: no node, or a copy when it leaves the delegate.
etch_status *xnn_alias(xnn_build *x, etch_value *v, uint32_t id) ETCH_MUST_USE;
// An internal value with upper-bound dims, of the type that the node being written computes in.
etch_status *xnn_temp(xnn_build *x, int rank, const int64_t *dims, uint32_t *out_id) ETCH_MUST_USE;
// Temporaries and scalars of the node being written are float32 (on) or of the type of its result (off, as each node starts): composites
// that float16 would cost digits or range compute in float32 between two converts.
void xnn_compute_wide(xnn_build *x, bool on);
bool xnn_is_half(const etch_value *v);     // float16 or bfloat16
// XNNPACK's products of two live operands, softmax and means take no bfloat16, and scalars in it have 8 bits.
static inline bool xnn_needs_wide(const etch_value *v) { return v->t.dtype == ETCH_BF16; }
// The operand as float32: itself, or through a convert.
etch_status *xnn_in_wide(xnn_build *x, etch_value *v, uint32_t *out_id) ETCH_MUST_USE;
etch_status *xnn_convert(xnn_build *x, uint32_t in, uint32_t out) ETCH_MUST_USE;
// A constant of one element, dims [1], of the type that the node computes in.
etch_status *xnn_scalar(xnn_build *x, double v, uint32_t *out_id) ETCH_MUST_USE;
// The constant v with other dims (same bytes), as named data. `name`: preferred key.
etch_status *xnn_const(xnn_build *x, etch_value *v, int rank, const int64_t *dims, etch_str name, uint32_t *out_id) ETCH_MUST_USE;
// The constant as float32: itself, or a cast that is evaluated when the file is written.
etch_status *xnn_const_float32(xnn_build *x, etch_value *v, etch_value **out) ETCH_MUST_USE;
// State-dict name of a constant: its own, or that of what it is computed from. May be empty.
etch_str xnn_name_of(const etch_value *v);
// Index in constant_data of the bytes of v, for quantized definitions and scales.
etch_status *xnn_const_data(xnn_build *x, etch_value *v, etch_str name, uint32_t *out_index) ETCH_MUST_USE;
// A node over constants, evaluated when the file is written. Trailing arguments take their defaults.
etch_status *xnn_const_node(xnn_build *x, etch_op_id op, const etch_val *args, int n_args, etch_value **out) ETCH_MUST_USE;

// Memory that lives until the file is written.
etch_arena *xnn_arena(xnn_build *x);

// XNodes. `code` is the member of XNodeUnion, `table` an ETCH_FB table made with etch_fbb_table(xnn_fbb(x), ...).
etch_fbb *xnn_fbb(xnn_build *x);
etch_status *xnn_node(xnn_build *x, int code, etch_fbo table) ETCH_MUST_USE;
etch_status *xnn_unary(xnn_build *x, int code, etch_fb_table_id table, uint32_t in, uint32_t out) ETCH_MUST_USE;
etch_status *xnn_binary(xnn_build *x, int code, etch_fb_table_id table, uint32_t a, uint32_t b, uint32_t out, uint32_t flags) ETCH_MUST_USE;
etch_status *xnn_reshape(xnn_build *x, uint32_t in, uint32_t out, int rank, const int64_t *new_shape) ETCH_MUST_USE;
etch_status *xnn_transpose(xnn_build *x, uint32_t in, uint32_t out, int rank, const int *perm) ETCH_MUST_USE;
#define XNN_UNARY(x, T, in, out) xnn_unary((x), ETCH_FBU(XNodeUnion, T), ETCH_FB_##T, (in), (out))
#define XNN_BINARY(x, T, a, b, out) xnn_binary((x), ETCH_FBU(XNodeUnion, T), ETCH_FB_##T, (a), (b), (out), 0)

// The limits that the next xnn_node gets.
void xnn_limits(xnn_build *x, double lo, double hi);

// NHWC twins: 4-d values [N, C, H, W] whose data exists as [N, H, W, C] inside the delegate.
bool xnn_has_nhwc(const xnn_build *x, const etch_value *v);
etch_status *xnn_in_nhwc(xnn_build *x, etch_value *v, uint32_t *out_id) ETCH_MUST_USE;
// The result will be written in NHWC; what needs it in logical order transposes it then.
etch_status *xnn_out_nhwc(xnn_build *x, etch_value *v, uint32_t *out_id) ETCH_MUST_USE;

// Helpers for `can`.
bool xnn_is_const(const etch_val *a);                              // a constant tensor
bool xnn_no_tensor(const etch_val *a);                             // None
bool xnn_scalar_is(const etch_val *a, double v);                   // absent counts as false
bool xnn_const_ints(const etch_val *a);
int xnn_dynamic_dims(const etch_tensor *t);
// Expressible by static reshape: at most one symbolic size.
bool xnn_can_reshape_to(const etch_tensor *t);
// new_shape of t: 0 for the symbolic size.
void xnn_shape_of(const etch_tensor *t, int64_t *out_dims);
// 'v' was made by n in the same group with no other use: it may be folded away.
bool xnn_sole_use(const xnn_build *x, const etch_value *v);
// Leaves out the node that makes v.
void xnn_skip(xnn_build *x, const etch_value *v);

#endif
