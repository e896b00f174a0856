// Numbers leave Tensor slots.
//   Before: %1 = aten::add.Tensor(%0, 2.5)     After:  %1 = aten::add.Scalar(%0, 2.5)      (mode OVERLOAD)
//           %2 = aten::where.self(%c, %0, 0.0)         %3 = data : f32[] hex "00000000"
//                                                      %2 = aten::where.self(%c, %0, %3)
// Requires: `decompose` (composites are not known here).
// Keeps: result types: a 0-d tensor gets the type that the operands promote to.
// Breaks: nothing. Equal data leaves appear: `cse` merges them.
// Careful: comparisons with the number in front are turned round; other operators with the number in front get a 0-d tensor.
#include "pass/pass.h"

#include "op/shape_util.h"

// How "number op tensor" is written when the number is the second operand.
enum { KEEP, SAME /* commutative */, FLIP /* another row */ };
typedef struct { etch_op_id tensor, scalar; int front; etch_op_id flipped; } overload;

static const overload overloads[] = {
    { ETCH_OP_add_Tensor, ETCH_OP_add_Scalar, SAME, ETCH_OP_COUNT },
    { ETCH_OP_sub_Tensor, ETCH_OP_sub_Scalar, FLIP, ETCH_OP_rsub_Scalar },
    { ETCH_OP_mul_Tensor, ETCH_OP_mul_Scalar, SAME, ETCH_OP_COUNT },
    { ETCH_OP_div_Tensor, ETCH_OP_div_Scalar, KEEP, ETCH_OP_COUNT },
    { ETCH_OP_div_Tensor_mode, ETCH_OP_div_Scalar_mode, KEEP, ETCH_OP_COUNT },
    { ETCH_OP_fmod_Tensor, ETCH_OP_fmod_Scalar, KEEP, ETCH_OP_COUNT },
    { ETCH_OP_remainder_Tensor, ETCH_OP_remainder_Scalar, KEEP, ETCH_OP_COUNT },
    { ETCH_OP_bitwise_and_Tensor, ETCH_OP_bitwise_and_Scalar, SAME, ETCH_OP_COUNT },
    { ETCH_OP_bitwise_or_Tensor, ETCH_OP_bitwise_or_Scalar, SAME, ETCH_OP_COUNT },
    { ETCH_OP_bitwise_xor_Tensor, ETCH_OP_bitwise_xor_Scalar, SAME, ETCH_OP_COUNT },
    { ETCH_OP_bitwise_left_shift_Tensor, ETCH_OP_bitwise_left_shift_Tensor_Scalar, KEEP, ETCH_OP_COUNT },
    { ETCH_OP_bitwise_right_shift_Tensor, ETCH_OP_bitwise_right_shift_Tensor_Scalar, KEEP, ETCH_OP_COUNT },
    { ETCH_OP_eq_Tensor, ETCH_OP_eq_Scalar, SAME, ETCH_OP_COUNT },
    { ETCH_OP_ne_Tensor, ETCH_OP_ne_Scalar, SAME, ETCH_OP_COUNT },
    { ETCH_OP_lt_Tensor, ETCH_OP_lt_Scalar, FLIP, ETCH_OP_gt_Scalar },
    { ETCH_OP_le_Tensor, ETCH_OP_le_Scalar, FLIP, ETCH_OP_ge_Scalar },
    { ETCH_OP_gt_Tensor, ETCH_OP_gt_Scalar, FLIP, ETCH_OP_lt_Scalar },
    { ETCH_OP_ge_Tensor, ETCH_OP_ge_Scalar, FLIP, ETCH_OP_le_Scalar },
    { ETCH_OP_pow_Tensor_Tensor, ETCH_OP_pow_Tensor_Scalar, KEEP, ETCH_OP_COUNT },
};

static const char *const xnn_column[ETCH_OP_COUNT] = {
#define OP(id, schema, out, flags, shape, kern, decomp, xnn) [ETCH_OP_##id] = #xnn,
#include "op/ops.def"
#undef OP
};

static bool is_number(const etch_val *v) { return v->kind == ETCH_V_INT || v->kind == ETCH_V_FLOAT || v->kind == ETCH_V_BOOL; }
static bool is_tensor_slot(const etch_node *n, int i)
{
    etch_type t = n->op->schema->params[i].type;
    return t == ETCH_T_TENSOR || t == ETCH_T_TENSOR_OPT;
}

static bool has_number(const etch_node *n)
{
    for (int i = 0; i < n->op->schema->n_params; i++)
        if (is_tensor_slot(n, i) && is_number(&n->args[i])) return true;
    return false;
}

static bool alpha_is_one(const etch_node *n)
{
    return n->op->schema->n_params < 3 || (n->args[2].kind == ETCH_V_INT && !n->args[2].i.e && n->args[2].i.v == 1) ||
           (n->args[2].kind == ETCH_V_FLOAT && n->args[2].f == 1.0);
}

// The .Scalar node for `n`, or NULL when there is none.
static etch_status *as_overload(etch_method *m, etch_node *n, etch_node **out)
{
    *out = NULL;
    const overload *o = NULL;
    for (size_t i = 0; i < sizeof overloads / sizeof overloads[0]; i++)
        if (overloads[i].tensor == n->op->id) o = &overloads[i];
    if (!o || is_number(&n->args[0]) == is_number(&n->args[1])) return NULL;
    etch_op_id id = o->scalar;
    etch_val args[3] = { n->args[0], n->args[1] };
    int count = n->op->schema->n_params;
    if (count > 2) args[2] = n->args[2];
    if (is_number(&n->args[0])) {
        if (o->front == KEEP || (o->front == SAME && !alpha_is_one(n))) return NULL;
        if (o->front == FLIP) id = o->flipped;
        args[0] = n->args[1];
        args[1] = n->args[0];
    }
    return etch_method_add_node(m, n, etch_op_get(id), args, count, n->where, n->module, out);
}

// pow(2, x) has a row of its own.
static etch_status *as_pow_scalar(etch_method *m, etch_node *n, etch_node **out)
{
    return etch_method_add_node(m, n, etch_op_get(ETCH_OP_pow_Scalar), n->args, 2, n->where, n->module, out);
}

// The type that the node computes in: its tensor operands and numbers promoted; a condition does not count.
static etch_status *computed_type(const etch_node *n, etch_dtype *out)
{
    shape_promotion p = shape_promotion_start();
    for (int i = n->op->id == ETCH_OP_where_self ? 1 : 0; i < n->op->schema->n_params; i++)
        if (is_tensor_slot(n, i) && n->args[i].kind != ETCH_V_NONE) ETCH_TRY(shape_promote(&p, &n->args[i]));
    return shape_promoted(&p, out);
}

static etch_status *to_tensor(etch_method *m, etch_node *n, etch_val *v, etch_dtype dtype)
{
    etch_value *value;
    if (v->kind == ETCH_V_INT && v->i.e) {
        etch_val args[] = { *v, etch_val_int((int64_t)dtype) };
        etch_node *made;
        ETCH_TRY(etch_method_add_node(m, n, etch_op_get(ETCH_OP_scalar_tensor), args, 2, n->where, n->module, &made));
        value = made->outs[0];
    } else {
        uint64_t bytes[2] = { 0 };
        etch_tensor t = { .dtype = dtype, .data = bytes, .capacity = sizeof bytes };
        if (v->kind == ETCH_V_FLOAT) etch_store_double(bytes, dtype, 0, v->f);
        else etch_store_int(bytes, dtype, 0, etch_val_as_int(v));
        ETCH_TRY(etch_method_add_data(m, &t, &value));
    }
    *v = etch_val_tensor(&value->t);
    return NULL;
}

static bool wants_tensor(const etch_node *n, etch_scalars_mode mode)
{
    if (mode == ETCH_SCALARS_TENSOR) return true;
    return mode == ETCH_SCALARS_TENSOR_FLOAT && strcmp(xnn_column[n->op->id], "NONE") != 0 && etch_dtype_is_float(n->outs[0]->t.dtype);
}

static etch_status *convert(etch_method *m, etch_node *n, etch_scalars_mode mode)
{
    etch_node *made = NULL;
    if (!wants_tensor(n, mode)) {
        if (n->op->id == ETCH_OP_pow_Tensor_Tensor && is_number(&n->args[0]) && !is_number(&n->args[1]))
            ETCH_TRY(as_pow_scalar(m, n, &made));
        else ETCH_TRY(as_overload(m, n, &made));
    }
    if (made && made->outs[0]->t.dtype == n->outs[0]->t.dtype) {
        made->outs[0]->fqn = n->outs[0]->fqn;
        n->outs[0]->user = made->outs[0];
        etch_method_remove(m, n);
        return NULL;
    }
    if (made) etch_method_remove(m, made);
    etch_dtype dtype;
    ETCH_TRY(computed_type(n, &dtype));
    for (int i = 0; i < n->op->schema->n_params; i++)
        if (is_tensor_slot(n, i) && is_number(&n->args[i])) ETCH_TRY(to_tensor(m, n, &n->args[i], dtype));
    return NULL;
}

etch_status *etch_pass_scalars(etch_program *p, const etch_pass_opts *o)
{
    for (int i = 0; i < p->n_methods; i++) {
        etch_method *m = p->methods[i];
        etch_method_clear_user(m);
        for (etch_node *n = m->first; n; n = n->next) {
            if (!has_number(n)) continue;
            etch_status *s = convert(m, n, o ? o->scalars : ETCH_SCALARS_OVERLOAD);
            if (s) return etch_status_frame(s, __FILE__, __LINE__, "%s", etch_node_place(m, n));
        }
        etch_method_replace_all(m);
    }
    return NULL;
}
