#include "pt2/compose.h"

static const char *const einsum_params[] = { "equation", "tensors", NULL };
static const char *const im2col_params[] = { "self", "kernel_size", "dilation", "padding", "stride", NULL };
static const char *const col2im_params[] = { "self", "output_size", "kernel_size", "dilation", "padding", "stride", NULL };

static const char *const pad_params[] = { "self", "pad", "value", NULL };

static const pt2_composition compositions[] = {
    { "aten::constant_pad_nd", pad_params, pt2_pad },
    { "aten::einsum", einsum_params, pt2_einsum },
    { "aten::im2col", im2col_params, pt2_im2col },
    { "aten::col2im", col2im_params, pt2_col2im },
};

const pt2_composition *pt2_composition_of(etch_str name)
{
    for (size_t i = 0; i < sizeof compositions / sizeof *compositions; i++)
        if (etch_str_eqz(name, compositions[i].name)) return &compositions[i];
    return NULL;
}

etch_status *pt2_call(pt2_reader *r, etch_op_id id, const etch_val *args, int n, etch_value **out)
{
    etch_node *node;
    ETCH_TRY(r->recorder.record(r->recorder.user, etch_op_get(id), args, n, &node));
    *out = node->outs[0];
    return NULL;
}
