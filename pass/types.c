// One operand type in elementwise nodes.
//   Before: %2 = aten::add.Tensor(%0, %1)          (%0 f32, %1 i64)
//   After:  %3 = aten::_to_copy(%1, dtype=f32)
//           %2 = aten::add.Tensor(%0, %3)
// Requires: `scalars` (numbers in Tensor slots stay as they are).
// Keeps: result types.
// Breaks: casts of constants are new constant nodes: `fold` again.
// Careful: conditions (where), masks and indices keep their types; integer division keeps integers, its kernel makes floats.
#include "pass/pass.h"

#include "op/shape_util.h"

static const char *const shape_column[ETCH_OP_COUNT] = {
#define OP(id, schema, out, flags, shape, kern, decomp, xnn) [ETCH_OP_##id] = #shape,
#include "op/ops.def"
#undef OP
};

// Rows whose operands promote to one type, by their shape rule.
static bool promotes(const etch_node *n)
{
    static const char *const rules[] = { "binary", "binary_float", "compare", "div_mode", "where", "ternary", "lerp", "clamp", "cat",
                                         "stack" };
    for (size_t i = 0; i < sizeof rules / sizeof rules[0]; i++)
        if (!strcmp(shape_column[n->op->id], rules[i])) return true;
    return false;
}

static etch_status *cast(etch_method *m, etch_node *n, etch_tensor **t, etch_dtype dtype)
{
    if (!*t || (*t)->dtype == dtype) return NULL;
    etch_val args[] = { etch_val_tensor(*t), etch_val_int((int64_t)dtype) };
    etch_node *made;
    ETCH_TRY(etch_method_add_node(m, n, etch_op_get(ETCH_OP__to_copy), args, 2, n->where, n->module, &made));
    *t = &made->outs[0]->t;
    return NULL;
}

static etch_status *unify(etch_method *m, etch_node *n)
{
    int first = n->op->id == ETCH_OP_where_self ? 1 : 0;
    shape_promotion p = shape_promotion_start();
    etch_dtype dtype;
    int tensors = 0;
    for (int i = first; i < n->op->schema->n_params; i++) {
        const etch_val *a = &n->args[i];
        bool slot = n->op->schema->params[i].type == ETCH_T_TENSOR || n->op->schema->params[i].type == ETCH_T_TENSOR_OPT;
        if (slot && a->kind != ETCH_V_NONE) ETCH_TRY(shape_promote(&p, a));
        tensors += a->kind == ETCH_V_TENSOR || a->kind == ETCH_V_TENSORS;
        for (int k = 0; a->kind == ETCH_V_TENSORS && k < a->tensors.n; k++) ETCH_TRY(shape_promote_tensor(&p, a->tensors.p[k]));
    }
    if (!tensors) return NULL;
    ETCH_TRY(shape_promoted(&p, &dtype));
    for (int i = first; i < n->op->schema->n_params; i++) {
        etch_val *a = &n->args[i];
        if (a->kind == ETCH_V_TENSOR) ETCH_TRY(cast(m, n, &a->t, dtype));
        for (int k = 0; a->kind == ETCH_V_TENSORS && k < a->tensors.n; k++) ETCH_TRY(cast(m, n, &a->tensors.p[k], dtype));
    }
    return NULL;
}

// A .Scalar row whose number widens the type (an i64 tensor plus 0.5) gets its tensor cast, as the kernels of backends have one type.
static bool widens(const etch_node *n)
{
    return n->n_outs == 1 && n->args[0].kind == ETCH_V_TENSOR && !strcmp(shape_column[n->op->id], "binary") &&
           n->op->schema->params[1].type == ETCH_T_SCALAR && n->args[0].t->dtype != n->outs[0]->t.dtype;
}

etch_status *etch_pass_types(etch_program *p, const etch_pass_opts *o)
{
    (void)o;
    for (int i = 0; i < p->n_methods; i++) {
        etch_method *m = p->methods[i];
        for (etch_node *n = m->first; n; n = n->next) {
            if (!promotes(n)) continue;
            etch_status *s = widens(n) ? cast(m, n, &n->args[0].t, n->outs[0]->t.dtype) : unify(m, n);
            if (s) return etch_status_frame(s, __FILE__, __LINE__, "%s", etch_node_place(m, n));
        }
    }
    return NULL;
}
