// Products with quantized weights (rows etch::linear_*). Constant operands: q i8 [N, K], scales f32 [N, G], bias f32 [N] or none.
//
//   linear_dynamic, 4 bits   x -> Convert -> qdint8, filter qbint4 (nibbles + 8, low first; bf16 scales [N, G], group K / G) -> f32
//   linear_dynamic, 8 bits   x -> Convert -> qdint8, filter qcint8 (scale a row) -> f32
//   float16                  between two converts to float32 and back: XNNPACK has products qdint8 -> fp16 on few processors; on the others
//                            it computes the product and what follows in float32 and drops roundings to float16, so that results would
//                            depend on the processor
//   linear_channel, 8 bits   x f32, filter qcint8. XNNPACK multiplies the bias of this combination by the scale, so the bias is added
//   behind it.
#include "lower/xnn.h"

typedef struct { etch_value *in, *q, *scales, *bias, *out; int64_t bits; } parts;

static parts split(const etch_node *n)
{
    return (parts){ etch_arg_value(&n->args[0]), etch_arg_value(&n->args[1]), etch_arg_value(&n->args[2]), etch_arg_value(&n->args[3]),
                    n->outs[0], etch_val_as_int(&n->args[4]) };
}

static bool constants(const parts *p)
{
    return p->in && p->q && p->scales && lw_slot_of(p->q)->is_const && lw_slot_of(p->scales)->is_const &&
           !lw_slot_of(p->in)->is_const && (!p->bias || lw_slot_of(p->bias)->is_const);
}

static bool can_dynamic(const lw_method *lm, const etch_node *n)
{
    (void)lm;
    parts p = split(n);
    if (!constants(&p)) return false;
    int64_t k = p.q->t.sizes[1].v, groups = p.scales->t.sizes[1].v;
    if (p.bits == 8) return groups == 1;
    return p.bits == 4 && k % groups == 0 && k / groups % 32 == 0;
}

static bool can_channel(const lw_method *lm, const etch_node *n)
{
    (void)lm;
    parts p = split(n);
    return constants(&p) && !xnn_is_half(p.in) && p.bits == 8 && p.scales->t.sizes[1].v == 1;
}

static etch_str scale_name(const parts *p, etch_arena *arena)
{
    etch_str name = xnn_name_of(p->q);
    return name.len ? etch_arena_printf(arena, "scale_%.*s", ETCH_STR_ARGS(name)) : name;
}

static etch_status *filter_8(xnn_build *x, const parts *p, etch_arena *arena, uint32_t *out_id)
{
    const int64_t n = p->q->t.sizes[0].v;
    xnn_value d = { .datatype = XNN_QCINT8, .rank = 2, .dims = { n, p->q->t.sizes[1].v }, .external = XNN_NONE,
                    .quant = ETCH_FBU(XNNQuantParams, PerChannelQuant), .channel_dim = 0, .num_scales = (uint32_t)n };
    ETCH_TRY(xnn_const_data(x, p->q, xnn_name_of(p->q), &d.constant));
    ETCH_TRY(xnn_const_data(x, p->scales, scale_name(p, arena), &d.scale_constant));
    return xnn_define(x, &d, out_id);
}

static etch_status *filter_4(xnn_build *x, const parts *p, etch_arena *arena, uint32_t *out_id)
{
    const int64_t n = p->q->t.sizes[0].v, k = p->q->t.sizes[1].v, groups = p->scales->t.sizes[1].v;
    etch_value *packed, *scales;
    const etch_val pack[2] = { etch_val_tensor(&p->q->t), etch_val_bool(false) };
    const etch_val cast[2] = { etch_val_tensor(&p->scales->t), etch_val_int(ETCH_BF16) };
    ETCH_TRY(xnn_const_node(x, ETCH_OP_etch_pack_nibbles, pack, 2, &packed));
    ETCH_TRY(xnn_const_node(x, ETCH_OP__to_copy, cast, 2, &scales));
    xnn_value d = { .datatype = XNN_QBINT4, .rank = 2, .dims = { n, k }, .external = XNN_NONE,
                    .quant = ETCH_FBU(XNNQuantParams, PerChannelGroupQuant), .channel_dim = 0, .group_size = (int)(k / groups),
                    .num_scales = (uint32_t)(n * groups) };
    ETCH_TRY(xnn_const_data(x, packed, xnn_name_of(p->q), &d.constant));
    ETCH_TRY(xnn_const_data(x, scales, scale_name(p, arena), &d.scale_constant));
    return xnn_define(x, &d, out_id);
}

static etch_status *fully_connected(xnn_build *x, uint32_t in, uint32_t filter, uint32_t bias, uint32_t out)
{
    etch_fbb *b = xnn_fbb(x);
    etch_fbo t = etch_fbb_table(b, ETCH_FB_XNNFullyConnected);
    etch_fbb_int(b, t, ETCH_FB(XNNFullyConnected, input1_id), in);
    etch_fbb_int(b, t, ETCH_FB(XNNFullyConnected, filter_id), filter);
    etch_fbb_int(b, t, ETCH_FB(XNNFullyConnected, bias_id), bias);
    etch_fbb_int(b, t, ETCH_FB(XNNFullyConnected, output_id), out);
    return xnn_node(x, ETCH_FBU(XNodeUnion, XNNFullyConnected), t);
}

static etch_status *write_dynamic(xnn_build *x, const etch_node *n)
{
    parts p = split(n);
    uint32_t in, filter, bias = XNN_NONE, out;
    ETCH_TRY(xnn_in_dynamic(x, p.in, &in));
    ETCH_TRY(p.bits == 4 ? filter_4(x, &p, xnn_arena(x), &filter) : filter_8(x, &p, xnn_arena(x), &filter));
    if (p.bias) {
        etch_str name = xnn_name_of(p.bias);
        ETCH_TRY(xnn_const_float32(x, p.bias, &p.bias));
        ETCH_TRY(xnn_const(x, p.bias, 1, (int64_t[]){ p.q->t.sizes[0].v }, name, &bias));
    }
    if (!xnn_is_half(p.out)) {
        ETCH_TRY(xnn_out(x, p.out, &out));
        return fully_connected(x, in, filter, bias, out);
    }
    uint32_t wide;
    etch_value *target = xnn_written_as(x, p.out);   // limits of a folded clamp go to the product
    xnn_compute_wide(x, true);
    ETCH_TRY(xnn_temp(x, p.out->t.rank, lw_slot_of(p.out)->bound, &wide));
    ETCH_TRY(fully_connected(x, in, filter, bias, wide));
    ETCH_TRY(xnn_in_place_of(x, target, &out));
    return xnn_convert(x, wide, out);
}

static etch_status *write_channel(xnn_build *x, const etch_node *n)
{
    parts p = split(n);
    uint32_t in, filter, bias, out, product;
    ETCH_TRY(xnn_in(x, p.in, &in));
    ETCH_TRY(filter_8(x, &p, xnn_arena(x), &filter));
    if (!p.bias) {
        ETCH_TRY(xnn_out(x, p.out, &out));
        return fully_connected(x, in, filter, XNN_NONE, out);
    }
    ETCH_TRY(xnn_temp(x, p.out->t.rank, lw_slot_of(p.out)->bound, &product));
    ETCH_TRY(fully_connected(x, in, filter, XNN_NONE, product));
    ETCH_TRY(xnn_const(x, p.bias, 1, (int64_t[]){ p.q->t.sizes[0].v }, xnn_name_of(p.bias), &bias));
    ETCH_TRY(xnn_out(x, p.out, &out));
    return XNN_BINARY(x, XNNAdd, product, bias, out);
}

extern const xnn_rule xnn_rule_linear_dynamic, xnn_rule_linear_channel;
const xnn_rule xnn_rule_linear_dynamic = { XNN_HEAVY, true, can_dynamic, write_dynamic, NULL, true, false, true };
const xnn_rule xnn_rule_linear_channel = { XNN_HEAVY, true, can_channel, write_channel, NULL, true, false, false };
