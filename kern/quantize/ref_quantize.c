// Kernels of the rows etch::quantize, etch::dequantize and etch::pack_nibbles: constant evaluation at export. Row-wise, so that the
// streaming evaluator may call them on blocks of rows.
#include "kern/check.h"
#include "kern/quantize/quantize.h"

KERNEL(quantize)
{
    KERN_BEGIN(4, 2);
    const etch_tensor *w;
    int64_t bits, group;
    etch_str rule;
    etch_quant_scheme s;
    ETCH_TRY(kern_tensor(args, 0, &w));
    ETCH_TRY(kern_int(args, 1, &bits));
    ETCH_TRY(kern_int(args, 2, &group));
    ETCH_TRY(kern_str_opt(args, n_args, 3, &rule));
    ETCH_TRY(etch_qparams_parse(rule, &s.rule));
    ETCH_TRY(kern_want_rank(w, "weight", 2, 2));
    int64_t n = kern_size(w, 0), k = kern_size(w, 1), groups = group ? k / group : 1;
    if ((bits != 4 && bits != 8) || group < 0 || k < 1 || (group && k % group))
        return ETCH_ERR(ETCH_INVALID, "quantize: bad bits or group");
    ETCH_TRY(kern_want_sizes(outs[0], "q", 2, (const int64_t[]){ n, k }));
    ETCH_TRY(kern_want_sizes(outs[1], "scales", 2, (const int64_t[]){ n, groups }));
    ETCH_TRY(kern_want_dtype(outs[0], "q", ETCH_I8));
    ETCH_TRY(kern_want_dtype(outs[1], "scales", ETCH_F32));
    s.bits = (int)bits;
    s.group = group;
    float *row;
    ETCH_TRY(kern_scratch(cx, (size_t)k * sizeof *row, &row));
    for (int64_t r = 0; r < n; r++) {
        for (int64_t i = 0; i < k; i++) row[i] = kern_get_f32(w->data, w->dtype, r * k + i);
        etch_quantize_row(row, k, &s, (int8_t *)outs[0]->data + r * k, (float *)outs[1]->data + r * groups, NULL);
    }
    return NULL;
}

KERNEL(dequantize)
{
    KERN_BEGIN(2, 1);
    const etch_tensor *q, *s;
    ETCH_TRY(kern_tensor(args, 0, &q));
    ETCH_TRY(kern_tensor(args, 1, &s));
    ETCH_TRY(kern_want_rank(q, "q", 2, 2));
    ETCH_TRY(kern_want_rank(s, "scales", 2, 2));
    ETCH_TRY(kern_want_dtype(q, "q", ETCH_I8));
    ETCH_TRY(kern_want_dtype(s, "scales", ETCH_F32));
    ETCH_TRY(kern_want_same(q, outs[0]));
    ETCH_TRY(kern_want_dtype(outs[0], "out", ETCH_F32));
    int64_t n = kern_size(q, 0), k = kern_size(q, 1), groups = kern_size(s, 1);
    if (kern_size(s, 0) != n || groups < 1 || k % groups) return ETCH_ERR(ETCH_INVALID, "dequantize: q and scales do not fit");
    const int8_t *in = q->data;
    const float *scale = s->data;
    float *out = outs[0]->data;
    int64_t group = k / groups;
    for (int64_t g = 0; g < n * groups; g++)
        for (int64_t i = 0; i < group; i++) out[g * group + i] = (float)in[g * group + i] * scale[g];
    return NULL;
}

KERNEL(pack_nibbles)
{
    KERN_BEGIN(2, 1);
    const etch_tensor *q;
    bool high;
    ETCH_TRY(kern_tensor(args, 0, &q));
    ETCH_TRY(kern_bool(args, 1, &high));
    ETCH_TRY(kern_want_rank(q, "q", 2, 2));
    ETCH_TRY(kern_want_dtype(q, "q", ETCH_I8));
    int64_t n = kern_size(q, 0), k = kern_size(q, 1), bytes = (k + 1) / 2;
    ETCH_TRY(kern_want_sizes(outs[0], "out", 2, (const int64_t[]){ n, bytes }));
    ETCH_TRY(kern_want_dtype(outs[0], "out", ETCH_U8));
    if (high && (k & 1)) return ETCH_ERR(ETCH_INVALID, "pack_nibbles: an odd row length needs the low nibble first");
    for (int64_t r = 0; r < n; r++) {
        const int8_t *in = (const int8_t *)q->data + r * k;
        uint8_t *out = (uint8_t *)outs[0]->data + r * bytes;
        if (high) etch_pack_nibbles_high_first(in, k, out);
        else etch_pack_nibbles_low_first(in, k, out);
    }
    return NULL;
}
