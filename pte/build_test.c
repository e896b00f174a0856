#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "pte/build.h"

static etch_fbo make_program(etch_fbb *b)
{
    etch_fbo root = etch_fbb_table(b, ETCH_FB_Program);
    etch_fbo plan = etch_fbb_table(b, ETCH_FB_ExecutionPlan);
    etch_fbb_string(b, plan, ETCH_FB(ExecutionPlan, name), ETCH_LIT("forward"));
    etch_fbo values[3];
    for (int i = 0; i < 3; i++) {
        etch_fbo v = etch_fbb_table(b, ETCH_FB_Int);
        etch_fbb_int(b, v, ETCH_FB(Int, int_val), -5 * i);
        values[i] = etch_fbb_table(b, ETCH_FB_EValue);
        etch_fbb_union(b, values[i], ETCH_FB(EValue, val_type), ETCH_FBU(KernelTypes, Int), v);
    }
    etch_fbb_ref(b, plan, ETCH_FB(ExecutionPlan, values), etch_fbb_refs(b, values, 3));
    etch_fbb_ref(b, plan, ETCH_FB(ExecutionPlan, inputs), etch_fbb_vec(b, NULL, 4, 0));
    etch_fbb_ref(b, plan, ETCH_FB(ExecutionPlan, outputs), etch_fbb_vec(b, (int32_t[]){ 2 }, 4, 1));
    etch_fbo chain = etch_fbb_table(b, ETCH_FB_Chain);
    etch_fbb_ref(b, chain, ETCH_FB(Chain, instructions), etch_fbb_refs(b, NULL, 0));
    etch_fbb_ref(b, plan, ETCH_FB(ExecutionPlan, chains), etch_fbb_refs(b, &chain, 1));
    etch_fbb_ref(b, plan, ETCH_FB(ExecutionPlan, delegates), etch_fbb_refs(b, NULL, 0));
    etch_fbb_ref(b, plan, ETCH_FB(ExecutionPlan, non_const_buffer_sizes), etch_fbb_vec(b, (int64_t[]){ 0, 304 }, 8, 2));
    etch_fbb_ref(b, root, ETCH_FB(Program, execution_plan), etch_fbb_refs(b, &plan, 1));
    etch_fbo cs = etch_fbb_table(b, ETCH_FB_SubsegmentOffsets);
    etch_fbb_ref(b, cs, ETCH_FB(SubsegmentOffsets, offsets), etch_fbb_vec(b, (uint64_t[]){ 0 }, 8, 1));
    etch_fbb_ref(b, root, ETCH_FB(Program, constant_segment), cs);
    return root;
}

void test_pte_build__reads_back(void **state)
{
    (void)state;
    etch_fbb b;
    etch_buf out;
    etch_fbb_init(&b);
    etch_buf_init(&out);
    assert_null(etch_fbb_finish(&b, make_program(&b), "ET12", 32, &out));
    etch_fb_table root;
    assert_null(etch_fb_verify((etch_span){ out.ptr, out.len }, ETCH_FB_Program, "ET12", &root));
    etch_fb_table plan = etch_fb_table_at(etch_fb_get_vec(root, ETCH_FB(Program, execution_plan)), 0);
    assert_true(etch_str_eqz(etch_fb_get_str(plan, ETCH_FB(ExecutionPlan, name)), "forward"));
    etch_fb_vec values = etch_fb_get_vec(plan, ETCH_FB(ExecutionPlan, values));
    assert_int_equal(values.n, 3);
    for (uint32_t i = 0; i < 3; i++) {
        etch_fb_table v = etch_fb_table_at(values, i);
        assert_int_equal(etch_fb_get_u8(v, ETCH_FB(EValue, val_type)), ETCH_FBU(KernelTypes, Int));
        assert_int_equal(etch_fb_get_i64(etch_fb_get_table(v, ETCH_FB(EValue, val)), ETCH_FB(Int, int_val)), -5 * (int)i);
    }
    etch_fb_vec sizes = etch_fb_get_vec(plan, ETCH_FB(ExecutionPlan, non_const_buffer_sizes));
    assert_int_equal(etch_fb_i64_at(sizes, 1), 304);
    for (int i = 8; i < 40; i++) assert_int_equal(out.ptr[i], 0);
    etch_fbb_deinit(&b);
    etch_buf_deinit(&out);
}

void test_pte_build__wrong_field_is_an_error(void **state)
{
    (void)state;
    etch_fbb b;
    etch_buf out;
    etch_fbb_init(&b);
    etch_buf_init(&out);
    etch_fbo root = make_program(&b);
    etch_fbb_int(&b, root, 17, 1);
    etch_status *s = etch_fbb_finish(&b, root, "ET12", 0, &out);
    assert_non_null(s);
    etch_status_free(s);
    etch_fbb_deinit(&b);
    etch_buf_deinit(&out);
}
