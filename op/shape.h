// Declarations of all shape rules named in op/ops.def.
#ifndef ETCH_OP_SHAPE_H
#define ETCH_OP_SHAPE_H

#include "op/op.h"

#define OP(id, schema, out, flags, shape, kern, decomp, xnn) \
    etch_status *shape_##shape(etch_shape_cx *cx, const etch_val *args, int n_args, etch_outs *outs);
#include "op/ops.def"
#undef OP

#endif
