// The table parses; lookups; the schema parser on good and bad text.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "op/op.h"

static void expect_bad(const char *text)
{
    etch_arena a;
    etch_arena_init(&a);
    etch_schema s;
    etch_status *st = etch_schema_parse(&a, etch_str_of(text), &s);
    if (!st) fail_msg("accepted: %s", text);
    etch_status_free(st);
    etch_arena_deinit(&a);
}

void test_op_op__finds_rows(void **state)
{
    (void)state;
    assert_null(etch_ops_init());
    const etch_op *op = etch_op_find(ETCH_LIT("aten::add.Tensor"));
    assert_non_null(op);
    assert_int_equal(op->id, ETCH_OP_add_Tensor);
    assert_ptr_equal(op, etch_op_get(ETCH_OP_add_Tensor));
    assert_ptr_equal(op, etch_op_find_out(ETCH_LIT("aten::add.out")));
    assert_ptr_equal(etch_op_find(ETCH_LIT("aten::relu")), etch_op_find(ETCH_LIT("aten::relu.default")));
    assert_null(etch_op_find(ETCH_LIT("aten::nothing")));
    assert_null(etch_op_find(ETCH_LIT("")));
    assert_null(etch_op_find_out(ETCH_LIT("aten::add")));
}

void test_op_op__schema_of_a_row(void **state)
{
    (void)state;
    const etch_schema *s = etch_op_get(ETCH_OP_slice_Tensor)->schema;
    assert_int_equal(s->n_params, 5);
    assert_int_equal(s->n_returns, 1);
    assert_int_equal(s->params[1].type, ETCH_T_INT);
    assert_true(s->params[1].has_default);
    assert_int_equal(s->params[1].def.i.v, 0);
    assert_int_equal(s->params[2].type, ETCH_T_INT_OPT);
    assert_int_equal(s->params[2].def.kind, ETCH_V_NONE);
    assert_int_equal(etch_schema_param(s, ETCH_LIT("step")), 4);
    assert_int_equal(etch_schema_param(s, ETCH_LIT("stop")), -1);
    s = etch_op_get(ETCH_OP_conv2d)->schema;
    const etch_param *stride = &s->params[etch_schema_param(s, ETCH_LIT("stride"))];
    assert_int_equal(stride->fixed_len, 2);
    assert_int_equal(stride->def.kind, ETCH_V_INTS);
    assert_int_equal(stride->def.ints.n, 2);
    assert_int_equal(stride->def.ints.p[1].v, 1);
    s = etch_op_get(ETCH_OP_index_Tensor)->schema;
    assert_int_equal(s->params[1].type, ETCH_T_TENSORS_OPT);
    s = etch_op_get(ETCH_OP_split_Tensor)->schema;
    assert_true(s->returns_list);
    s = etch_op_get(ETCH_OP_gelu)->schema;
    assert_true(s->params[1].kwarg_only);
    assert_true(etch_str_eqz(s->params[1].def.s, "none"));
    s = etch_op_get(ETCH_OP_copy_)->schema;
    assert_true(s->params[0].is_mutable);
    assert_false(s->params[1].is_mutable);
    s = etch_op_get(ETCH_OP__to_copy)->schema;
    assert_true(s->params[1].is_dtype);
    assert_int_equal(s->params[1].type, ETCH_T_INT_OPT);
}

// Parameters that the .out form of a creation op leaves out.
void test_op_op__params_of_the_out_form(void **state)
{
    (void)state;
    const etch_op *op = etch_op_get(ETCH_OP__to_copy);
    static const bool to_copy[] = { true, false, false, false, false, true, true };
    assert_int_equal(op->schema->n_params, 7);
    for (int i = 0; i < 7; i++) assert_int_equal(etch_op_param_in_out(op, i), to_copy[i]);
    op = etch_op_get(ETCH_OP_cumsum);
    for (int i = 0; i < op->schema->n_params; i++) assert_true(etch_op_param_in_out(op, i));
}

void test_op_op__every_row_is_consistent(void **state)
{
    (void)state;
    for (int i = 0; i < ETCH_OP_COUNT; i++) {
        const etch_op *op = etch_op_get((etch_op_id)i);
        if (op->flags & ETCH_OPF_COMPOSITE) assert_null(op->out_name);
        if (op->flags & ETCH_OPF_SYM) assert_true(op->schema->returns_scalar);
        if (op->flags & ETCH_OPF_VIEW) assert_int_equal(op->schema->params[0].type, ETCH_T_TENSOR);
        bool mutates = false;
        for (int p = 0; p < op->schema->n_params; p++) mutates |= op->schema->params[p].is_mutable;
        assert_int_equal(mutates, (op->flags & ETCH_OPF_INPLACE) != 0);
        assert_ptr_equal(etch_op_find(op->schema->name), op);
    }
}

void test_op_op__refuses_bad_schemas(void **state)
{
    (void)state;
    expect_bad("");
    expect_bad("aten::x");
    expect_bad("aten::x(");
    expect_bad("aten::x(Tensor self");
    expect_bad("aten::x(Tensor self) ->");
    expect_bad("aten::x(Tensor self) -> Tensor junk)");
    expect_bad("aten::x(Tensr self) -> Tensor");
    expect_bad("aten::x(Tensor self, int n=) -> Tensor");
    expect_bad("aten::x(Tensor self, int n=1x) -> Tensor");
    expect_bad("aten::x(Tensor self, int[2 n) -> Tensor");
    expect_bad("aten::x(Tensor self, int[] n=1) -> Tensor");
    expect_bad("aten::x(Tensor self, str s=\"abc) -> Tensor");
    expect_bad("aten::x(Tensor(a self) -> Tensor");
    expect_bad("aten::x(Tensor? self) -> Tensor?");
}
