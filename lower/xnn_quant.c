// Linears over quantized weights (rows etch::linear_dynamic and etch::linear_channel), in the official encoding.
//
//   linear_dynamic, 8 bits: input -> XNNConvert -> qdint8 (a scale and zero point a row) -> FullyConnected(qcint8 [N, K], f32 scale a row)
//   linear_dynamic, 4 bits: the same with qbint4 [N, K], bf16 scales [N, K / group], low nibble first
//   linear_channel, 8 bits: FullyConnected(float32, qcint8); the bias is an XNNAdd of its own, since that kernel multiplies the bias by the scale
#include "lower/xnn.h"

#define ARG_X 0
#define ARG_Q 1
#define ARG_SCALES 2
#define ARG_BIAS 3
#define ARG_BITS 4

static bool constants_fit(const etch_node *n)
{
    return !lw_slot_of(etch_arg_value(&n->args[ARG_X]))->is_const && xnn_is_const(&n->args[ARG_Q]) && xnn_is_const(&n->args[ARG_SCALES]) &&
           n->args[ARG_X].t->dtype == ETCH_F32 &&
           (n->args[ARG_BIAS].kind == ETCH_V_NONE ||
            (xnn_is_const(&n->args[ARG_BIAS]) && n->args[ARG_BIAS].t->dtype == ETCH_F32 && n->args[ARG_BIAS].t->rank == 1));
}

static int64_t columns(const etch_node *n) { return n->args[ARG_Q].t->sizes[1].v; }
static int64_t groups(const etch_node *n) { return n->args[ARG_SCALES].t->sizes[1].v; }

static bool can_dynamic(const lw_method *lm, const etch_node *n)
{
    (void)lm;
    if (!constants_fit(n)) return false;
    if (n->args[ARG_BITS].i.v == 8) return groups(n) == 1;
    return groups(n) > 0 && columns(n) % groups(n) == 0 && columns(n) / groups(n) % 32 == 0;
}

static bool can_channel(const lw_method *lm, const etch_node *n)
{
    (void)lm;
    return constants_fit(n) && n->args[ARG_BITS].i.v == 8 && groups(n) == 1;
}

// Key of the scales: that of the weight and ".scales".
static etch_status *scales_data(xnn_build *x, etch_value *scales, const etch_value *weight, uint32_t *out)
{
    etch_str base = xnn_name_of(weight), name = { NULL, 0 };
    char text[512];
    if (base.len && base.len < sizeof text - 8) {
        memcpy(text, base.ptr, base.len);
        memcpy(text + base.len, ".scales", 7);
        name = (etch_str){ text, base.len + 7 };
    }
    return xnn_const_data(x, scales, name, out);
}

static etch_status *define_weight(xnn_build *x, const etch_node *n, uint32_t *out_id)
{
    etch_value *q = etch_arg_value(&n->args[ARG_Q]), *scales = etch_arg_value(&n->args[ARG_SCALES]), *stored = q;
    int64_t rows = q->t.sizes[0].v;
    xnn_value v = { .rank = 2, .dims = { rows, columns(n) }, .external = XNN_NONE, .num_scales = (uint32_t)(rows * groups(n)) };
    if (n->args[ARG_BITS].i.v == 4) {
        v.datatype = XNN_QBINT4;
        v.quant = ETCH_FBU(XNNQuantParams, PerChannelGroupQuant);
        v.group_size = (int)(columns(n) / groups(n));
        ETCH_TRY(xnn_const_node(x, ETCH_OP_etch_pack_nibbles, (etch_val[]){ etch_val_tensor(&q->t) }, 1, &stored));
        ETCH_TRY(xnn_const_node(x, ETCH_OP__to_copy, (etch_val[]){ etch_val_tensor(&scales->t), etch_val_int(ETCH_BF16) }, 2, &scales));
    } else {
        v.datatype = XNN_QCINT8;
        v.quant = ETCH_FBU(XNNQuantParams, PerChannelQuant);
    }
    ETCH_TRY(xnn_const_data(x, stored, xnn_name_of(q), &v.constant));
    ETCH_TRY(scales_data(x, scales, q, &v.scale_constant));
    return xnn_define(x, &v, out_id);
}

static etch_status *fully_connected(xnn_build *x, uint32_t in, uint32_t weight, uint32_t bias, uint32_t out)
{
    etch_fbb *b = xnn_fbb(x);
    etch_fbo t = etch_fbb_table(b, ETCH_FB_XNNFullyConnected);
    etch_fbb_int(b, t, ETCH_FB(XNNFullyConnected, input1_id), in);
    etch_fbb_int(b, t, ETCH_FB(XNNFullyConnected, filter_id), weight);
    etch_fbb_int(b, t, ETCH_FB(XNNFullyConnected, bias_id), bias);
    etch_fbb_int(b, t, ETCH_FB(XNNFullyConnected, output_id), out);
    return xnn_node(x, ETCH_FBU(XNodeUnion, XNNFullyConnected), t);
}

static etch_status *write_dynamic(xnn_build *x, const etch_node *n)
{
    uint32_t in, weight, bias = XNN_NONE, out;
    ETCH_TRY(xnn_in_dynamic(x, etch_arg_value(&n->args[ARG_X]), &in));
    ETCH_TRY(define_weight(x, n, &weight));
    if (n->args[ARG_BIAS].kind == ETCH_V_TENSOR) ETCH_TRY(xnn_in(x, etch_arg_value(&n->args[ARG_BIAS]), &bias));
    ETCH_TRY(xnn_out(x, n->outs[0], &out));
    return fully_connected(x, in, weight, bias, out);
}

extern const xnn_rule xnn_rule_linear_dynamic;
const xnn_rule xnn_rule_linear_dynamic = { XNN_HEAVY, true, can_dynamic, write_dynamic, NULL, true };

static etch_status *write_channel(xnn_build *x, const etch_node *n)
{
    uint32_t in, weight, bias, product, out;
    ETCH_TRY(xnn_in(x, etch_arg_value(&n->args[ARG_X]), &in));
    ETCH_TRY(define_weight(x, n, &weight));
    if (n->args[ARG_BIAS].kind == ETCH_V_NONE) {
        ETCH_TRY(xnn_out(x, n->outs[0], &out));
        return fully_connected(x, in, weight, XNN_NONE, out);
    }
    ETCH_TRY(xnn_in(x, etch_arg_value(&n->args[ARG_BIAS]), &bias));
    ETCH_TRY(xnn_temp(x, n->outs[0]->t.rank, lw_slot_of(n->outs[0])->bound, &product));
    ETCH_TRY(fully_connected(x, in, weight, XNN_NONE, product));
    ETCH_TRY(xnn_out(x, n->outs[0], &out));
    return XNN_BINARY(x, XNNAdd, product, bias, out);
}

extern const xnn_rule xnn_rule_linear_channel;
const xnn_rule xnn_rule_linear_channel = { XNN_HEAVY, true, can_channel, write_channel, NULL, true };
