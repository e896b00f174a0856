// Shape rules of etch's weight quantization (rows etch::*).
#include "op/shape_util.h"

// quantize(weight float [N, K], bits 4|8, group, rule) -> q i8[N, K], scales f32[N, K / group]
SHAPE(quantize)
{
    TENSOR(w, 0);
    int64_t bits, group;
    ETCH_TRY(shape_int(ARG(1), 8, &bits));
    ETCH_TRY(shape_int(ARG(2), 0, &group));
    if (w->rank != 2 || !etch_dtype_is_float(w->dtype)) return shape_mismatch("quantize needs a float matrix", "weight", w, NULL, NULL);
    if (!etch_dim_is_const(w->sizes[0]) || !etch_dim_is_const(w->sizes[1]))
        return shape_mismatch("quantize needs a constant shape", "weight", w, NULL, NULL);
    if (bits != 4 && bits != 8) return ETCH_ERR(ETCH_INVALID, "quantize: bits is %lld, not 4 or 8", (long long)bits);
    int64_t k = w->sizes[1].v;
    if (k < 1 || group < 0 || (group && k % group))
        return ETCH_ERR(ETCH_INVALID, "quantize: %lld columns do not divide into groups of %lld", (long long)k, (long long)group);
    ETCH_TRY(shape_set_like(outs, 0, ETCH_I8, w));
    const etch_dim scales[2] = { w->sizes[0], DIM(group ? k / group : 1) };
    return shape_set(outs, 1, ETCH_F32, 2, scales);
}

// dequantize(q i8[N, K], scales f32[N, G]) -> f32[N, K]
SHAPE(dequantize)
{
    TENSOR(q, 0);
    TENSOR(s, 1);
    if (q->rank != 2 || s->rank != 2 || q->dtype != ETCH_I8 || s->dtype != ETCH_F32 || s->sizes[0].v != q->sizes[0].v ||
        s->sizes[1].v < 1 ||
        q->sizes[1].v % s->sizes[1].v)
        return shape_mismatch("dequantize needs q i8[N, K] and scales f32[N, G]", "q", q, "scales", s);
    return shape_set_like(outs, 0, ETCH_F32, q);
}

// pack_nibbles(q i8[N, K]) -> u8[N, (K + 1) / 2]
SHAPE(pack_nibbles)
{
    TENSOR(q, 0);
    if (q->rank != 2 || q->dtype != ETCH_I8) return shape_mismatch("pack_nibbles needs i8[N, K]", "q", q, NULL, NULL);
    const etch_dim sizes[2] = { q->sizes[0], DIM((q->sizes[1].v + 1) / 2) };
    return shape_set(outs, 0, ETCH_U8, 2, sizes);
}

// linear_*(input float [*, K], q i8[N, K] (bits says the range), scales f32[N, G], bias?) -> input's type [*, N]
SHAPE(linear_quantized)
{
    TENSOR(x, 0);
    TENSOR(q, 1);
    TENSOR(s, 2);
    bool same;
    if (x->rank < 1 || q->rank != 2 || q->dtype != ETCH_I8 || s->rank != 2 || s->sizes[0].v != q->sizes[0].v)
        return shape_mismatch("a quantized linear needs q i8[N, K] and scales f32[N, G]", "q", q, "scales", s);
    ETCH_TRY(shape_equal(cx, x->sizes[x->rank - 1], q->sizes[1], &same));
    if (!same) return shape_mismatch("a quantized linear needs input [*, K] and q [N, K]", "input", x, "q", q);
    etch_tensor r = *x;
    r.sizes[r.rank - 1] = q->sizes[0];
    return shape_set_like(outs, 0, x->dtype, &r);
}
