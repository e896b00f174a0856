// Kernels of the rows etch::dequantize_*: constants that are evaluated whole. Weights go through etch_packed_row, a few rows at a time.
#include "kern/check.h"
#include "kern/packed/packed.h"

static etch_status *all_rows(etch_kern_cx *cx, const etch_packed *p, etch_tensor *out)
{
    const size_t cols = (size_t)p->cols, groups = cols / (size_t)p->group;
    int16_t *q;
    float *scales, *offsets;
    ETCH_TRY(kern_want_dtype(out, "out", ETCH_F32));
    if (etch_numel(out) != p->rows * p->cols) return ETCH_ERR(ETCH_INVALID, "the output does not fit the packed weight");
    ETCH_TRY(kern_scratch(cx, cols * sizeof *q, &q));
    ETCH_TRY(kern_scratch(cx, groups * sizeof *scales, &scales));
    ETCH_TRY(kern_scratch(cx, groups * sizeof *offsets, &offsets));
    for (int64_t r = 0; r < p->rows; r++) {
        etch_packed_row(p, r, q, scales, offsets);
        etch_packed_values(p, q, scales, offsets, 0, p->cols, (float *)out->data + r * p->cols);
    }
    return NULL;
}

KERNEL(dequantize_blocks)
{
    KERN_BEGIN(2, 1);
    const etch_tensor *t;
    etch_str type;
    ETCH_TRY(kern_tensor(args, 0, &t));
    ETCH_TRY(kern_str_opt(args, n_args, 1, &type));
    const etch_block *b = etch_block_named(type);
    if (!b || t->rank < 1 || t->dtype != ETCH_U8 || kern_size(t, t->rank - 1) % b->bytes)
        return ETCH_ERR(ETCH_INVALID, "no rows of whole blocks");
    etch_packed p;
    etch_packed_from_blocks(b, t, &p);
    return all_rows(cx, &p, outs[0]);
}

KERNEL(dequantize_columns)
{
    KERN_BEGIN(6, 1);
    const etch_tensor *w, *z, *s, *group_of;
    int64_t bits;
    etch_str name;
    etch_packed_format format;
    ETCH_TRY(kern_tensor(args, 0, &w));
    ETCH_TRY(kern_tensor(args, 1, &z));
    ETCH_TRY(kern_tensor(args, 2, &s));
    ETCH_TRY(kern_tensor_opt(args, n_args, 3, &group_of));
    ETCH_TRY(kern_int(args, 4, &bits));
    ETCH_TRY(kern_str_opt(args, n_args, 5, &name));
    if (!etch_packed_format_parse(name, &format)) return ETCH_ERR(ETCH_INVALID, "no such format");
    etch_packed p;
    ETCH_TRY(etch_packed_from_columns(format, (int)bits, w, z, s, group_of, &p));
    return all_rows(cx, &p, outs[0]);
}
