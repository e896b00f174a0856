// The rules by token of the `xnn` column: lower/xnn_*.c define `const xnn_rule xnn_rule_<token>`. A token without a rule does not link.
#include "lower/xnn.h"

// Tokens of rows that stay outside so far.
#define xnn_rule_convert xnn_rule_NONE
#define xnn_rule_prelu xnn_rule_NONE
#define xnn_rule_to_dim_order xnn_rule_NONE
#define xnn_rule_max_dim xnn_rule_NONE

#define OP(id, schema, out, flags, shape, kern, decomp, xnn) extern const xnn_rule xnn_rule_##xnn;
#include "op/ops.def"
#undef OP

const xnn_rule xnn_rule_NONE = { XNN_MOVES, false, NULL, NULL, NULL, false, false, false };

const xnn_rule *lw_xnn_rule(etch_op_id id)
{
    static const xnn_rule *const rules[] = {
#define OP(id, schema, out, flags, shape, kern, decomp, xnn) &xnn_rule_##xnn,
#include "op/ops.def"
#undef OP
    };
    const xnn_rule *r = (unsigned)id < ETCH_OP_COUNT ? rules[id] : NULL;
    return r && r->can ? r : NULL;
}
