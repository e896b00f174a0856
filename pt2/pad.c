// constant_pad_nd with negative numbers crops; the official runtime's kernel only pads. Cropping becomes slices.
#include "pt2/compose.h"

etch_status *pt2_pad(pt2_reader *r, const etch_val *args, etch_value **out)
{
    etch_value *x = etch_arg_value(&args[0]);
    const etch_val *pad = &args[1];
    etch_dim rest[2 * ETCH_MAX_RANK];
    bool any = false;
    if (!x || pad->kind != ETCH_V_INTS || pad->ints.n % 2 || pad->ints.n / 2 > x->t.rank)
        return ETCH_ERR(ETCH_INVALID, "pad takes two numbers a dimension, for no more dimensions than the tensor has");
    for (int i = 0; i < pad->ints.n; i++) {
        const etch_dim d = pad->ints.p[i];
        const int axis = x->t.rank - 1 - i / 2;
        const bool crops = !d.e && d.v < 0;
        rest[i] = crops ? etch_dim_of(0) : d;
        any = any || rest[i].e || rest[i].v;
        if (!crops) continue;
        if (d.v == INT64_MIN) return ETCH_ERR(ETCH_INVALID, "pad of an absurd size");
        // In front: x[-d:]; behind: x[:d].
        const etch_val from = etch_val_int(i % 2 ? 0 : -d.v), to = etch_val_int(i % 2 ? d.v : INT64_MAX);
        ETCH_TRY(PT2_CALL(r, slice_Tensor, &x, etch_val_tensor(&x->t), etch_val_int(axis), from, to, etch_val_int(1)));
    }
    *out = x;
    if (!any && pad->ints.n) return NULL;
    const etch_val value = args[2].kind == ETCH_V_NONE ? etch_val_int(0) : args[2];
    return PT2_CALL(r, constant_pad_nd, out, etch_val_tensor(&x->t), pt2_dims(rest, pad->ints.n), value);
}
