// Shape rules of etch's weight quantization (rows etch::*).
#include "op/block.h"
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

static bool is_constant(const etch_tensor *t) { return !etch_tensor_is_dynamic(t); }

// dequantize_blocks(blocks u8[.., bytes of a row], type) -> f32[.., values of a row]
SHAPE(dequantize_blocks)
{
    TENSOR(t, 0);
    const etch_val *type = ARG(1);
    const etch_block *b = type->kind == ETCH_V_STR ? etch_block_named(type->s) : NULL;
    if (!b) return ETCH_ERR(ETCH_INVALID, "dequantize_blocks: no such block type");
    if (t->rank < 1 || t->dtype != ETCH_U8 || !is_constant(t) || t->sizes[t->rank - 1].v % b->bytes)
        return shape_mismatch("dequantize_blocks needs u8 rows of whole blocks", "blocks", t, NULL, NULL);
    etch_tensor r = *t;
    r.sizes[r.rank - 1] = DIM(t->sizes[t->rank - 1].v / b->bytes * b->values);
    return shape_set_like(outs, 0, ETCH_F32, &r);
}

// dequantize_columns(words i32, zeros i32[G, N / p], scales float[G, N], group_of i32[K]?, bits, format) -> f32[N, K], p = 32 / bits
// integers a word.
// words: [K / p, N] for gptq and gptq_v2, [K, N / p] for awq.
SHAPE(dequantize_columns)
{
    TENSOR(w, 0);
    TENSOR(z, 1);
    TENSOR(s, 2);
    int64_t bits;
    ETCH_TRY(shape_int(ARG(4), 4, &bits));
    const etch_val *group_of = ARG(3), *format = ARG(5);
    const bool rows_in_words = format->kind == ETCH_V_STR && etch_str_eqz(format->s, "awq");
    if (!rows_in_words && (format->kind != ETCH_V_STR || (!etch_str_eqz(format->s, "gptq") && !etch_str_eqz(format->s, "gptq_v2"))))
        return ETCH_ERR(ETCH_INVALID, "dequantize_columns: no such format");
    if (bits != 4 && (bits != 8 || rows_in_words)) return ETCH_ERR(ETCH_INVALID, "dequantize_columns: %lld bits", (long long)bits);
    if (w->rank != 2 || z->rank != 2 || s->rank != 2 || !is_constant(w) || !is_constant(z) || !is_constant(s) || w->dtype != ETCH_I32 ||
        z->dtype != ETCH_I32 || (s->dtype != ETCH_F16 && s->dtype != ETCH_BF16 && s->dtype != ETCH_F32))
        return shape_mismatch("dequantize_columns needs matrices of i32 words and float scales", "words", w, "scales", s);
    const int64_t per = 32 / bits, n = s->sizes[1].v, lines = w->sizes[0].v;
    if (n % per || s->sizes[0].v < 1 || lines > INT64_MAX / 8 || w->sizes[1].v != (rows_in_words ? n / per : n))
        return shape_mismatch("dequantize_columns: the scales do not fit the words", "words", w, "scales", s);
    if (z->sizes[0].v != s->sizes[0].v || z->sizes[1].v != n / per)
        return shape_mismatch("dequantize_columns: the zero points do not fit the scales", "zeros", z, "scales", s);
    const etch_dim sizes[2] = { DIM(n), DIM(rows_in_words ? lines : lines * per) };
    if (group_of->kind == ETCH_V_TENSOR) {
        const etch_tensor *g = group_of->t;
        if (g->rank != 1 || g->dtype != ETCH_I32 || !is_constant(g) || g->sizes[0].v != sizes[1].v)
            return shape_mismatch("dequantize_columns needs a group index i32 for each column", "words", w, "group_of", g);
    }
    return shape_set(outs, 0, ETCH_F32, 2, sizes);
}
