// The rules by token of the `xnn` column: lower/xnn_*.c define `const xnn_rule xnn_rule_<token>`. A token without a rule stays outside.
#include "lower/xnn.h"

#define OP(id, schema, out, flags, shape, kern, decomp, xnn) extern const xnn_rule xnn_rule_##xnn __attribute__((weak));
#include "op/ops.def"
#undef OP

const xnn_rule *lw_xnn_rule(etch_op_id id)
{
    static const xnn_rule *const rules[] = {
#define OP(id, schema, out, flags, shape, kern, decomp, xnn) &xnn_rule_##xnn,
#include "op/ops.def"
#undef OP
    };
    return (unsigned)id < ETCH_OP_COUNT ? rules[id] : NULL;
}
