// Declarations of every decomposition named in column `decomp` of op/ops.def, and which file holds which kind:
//   decomp_elementwise.c  activations, arithmetic, comparisons, selection
//   decomp_shape.c        views, splitting, joining, repeating, creation
//   decomp_reduce.c       reductions, norms of vectors, sorting, searching
//   decomp_linalg.c       matrix products, attention
//   decomp_nn.c           normalisation, softmax, dropout, convolution, pooling, resizing, padding
//   decomp_index.c        indexed reads and writes
#ifndef ETCH_PASS_DECOMP_H
#define ETCH_PASS_DECOMP_H

#include "pass/build.h"

#define OP(id, schema, out, flags, shape, kern, decomp, xnn) DECOMP(decomp);
#include "op/ops.def"
#undef OP

#endif
