// Both halves of an encoder-decoder program on small ones: an encoder of features and one of ids, and a decoder whose logits are the first
// row of the states.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>

#include "rt/lm.h"
#include "rt/lm_encoder.h"
#include "rt/prog.h"

typedef struct { etch_buf file; etch_rt *rt; } opened;

static void must(etch_status *s)
{
    if (s) fail_msg("%s", etch_status_message(s));
}

static void says(etch_status *s, const char *part)
{
    if (!s || !strstr(etch_status_message(s), part)) fail_msg("'%s' does not say '%s'", s ? etch_status_message(s) : "success", part);
    etch_status_free(s);
}

static opened open_prog(prog *p)
{
    opened o = { 0 };
    must(prog_finish(p, &o.file));
    must(etch_rt_open_bytes((etch_span){ o.file.ptr, o.file.len }, NULL, &o.rt));
    return o;
}

static void close_prog(opened *o)
{
    etch_rt_close(o->rt);
    etch_buf_deinit(&o->file);
}

#define SIZES(...) (int32_t[]){ __VA_ARGS__ }
#define TENSOR(p, d, flags, ...) prog_tensor((p), (d), (int)(sizeof(SIZES(__VA_ARGS__)) / 4), SIZES(__VA_ARGS__), (flags))

static etch_tensor tensor(etch_dtype d, int rank, const int64_t *sizes, const void *data)
{
    etch_tensor t = { .dtype = d, .rank = rank, .data = (void *)(uintptr_t)data };
    for (int i = 0; i < rank; i++) t.sizes[i] = etch_dim_of(sizes[i]);
    return t;
}

void test_rt_lm_encoder__encodes_features(void **state)
{
    (void)state;
    prog p;
    prog_init(&p);
    p.name = "encoder";
    const int x = prog_input(&p, TENSOR(&p, ETCH_F32, 0, 1, 2, 3)), y = prog_output(&p, TENSOR(&p, ETCH_F32, 0, 1, 2, 3));
    PROG_CALL(&p, "aten::neg.out", x, y, y);
    opened o = open_prog(&p);
    assert_false(etch_lm_has_encoder(o.rt));  // there is no decoder
    etch_lm_encoder e;
    must(etch_lm_encoder_open(o.rt, &e));
    assert_false(e.takes_ids);
    etch_buf takes = { 0 };
    etch_lm_encoder_input(&e, &takes);
    assert_true(etch_str_eqz(etch_buf_str(&takes), "features f32 [1, 2, 3]"));
    etch_buf_deinit(&takes);
    const float in[6] = { 1, 2, 3, 4, 5, 6 };
    etch_tensor t = tensor(ETCH_F32, 3, (int64_t[]){ 1, 2, 3 }, in), states;
    must(etch_lm_encode(&e, &t, &states));
    etch_lm_encoder_close(&e);  // the states stay
    assert_int_equal(states.sizes[2].v, 3);
    assert_true(((const float *)states.data)[5] == -6);
    free(states.data);
    must(etch_lm_encoder_open(o.rt, &e));
    t.sizes[2] = etch_dim_of(2);
    says(etch_lm_encode(&e, &t, &states), "[1, 2, 2], its sizes are fixed to [1, 2, 3]");
    assert_null(states.data);
    etch_lm_encoder_close(&e);
    close_prog(&o);
}

void test_rt_lm_encoder__encodes_ids(void **state)
{
    (void)state;
    prog p;
    prog_init(&p);
    p.name = "encoder";
    const float rows[4] = { 1, 2, 3, 4 };
    const int table = prog_data(&p, ETCH_F32, 2, SIZES(2, 2), rows, sizeof rows, false);
    const int ids = prog_input(&p, TENSOR(&p, ETCH_I64, PROG_DYNAMIC, 1, 4));
    const int y = prog_output(&p, TENSOR(&p, ETCH_F32, PROG_DYNAMIC, 1, 4, 2)), none = prog_int(&p, -1), no = prog_bool(&p, false);
    PROG_CALL(&p, "aten::embedding.out", table, ids, none, no, no, y, y);
    opened o = open_prog(&p);
    etch_lm_encoder e;
    must(etch_lm_encoder_open(o.rt, &e));
    assert_true(e.takes_ids);
    int64_t in[5] = { 1, 0, 1 };
    etch_tensor t = tensor(ETCH_I64, 2, (int64_t[]){ 1, 3 }, in), states;
    must(etch_lm_encode(&e, &t, &states));
    assert_int_equal(states.sizes[1].v, 3);
    assert_true(((const float *)states.data)[4] == 3 && ((const float *)states.data)[3] == 2);
    free(states.data);
    in[1] = 2;
    says(etch_lm_encode(&e, &t, &states), "2");
    assert_null(states.data);
    t.sizes[1] = etch_dim_of(5);
    says(etch_lm_encode(&e, &t, &states), "[1, 5], its bound is [1, 4]");
    etch_lm_encoder_close(&e);
    close_prog(&o);
}

void test_rt_lm_encoder__refuses_other_contracts(void **state)
{
    (void)state;
    prog p;
    etch_lm_encoder e;
    etch_lm lm;
    prog_init(&p);
    p.name = "encoder";
    prog_output(&p, prog_input(&p, TENSOR(&p, ETCH_I32, 0, 1, 4)));
    opened o = open_prog(&p);
    says(etch_lm_encoder_open(o.rt, &e), "neither ids [1, T] of 64 bits nor features of floats");
    etch_lm_encoder_close(&e);
    says(etch_lm_open_encoded(o.rt, &lm), "text_decoder");
    close_prog(&o);
    prog_init(&p);
    p.name = "encoder";
    prog_output(&p, prog_input(&p, TENSOR(&p, ETCH_F32, 0, 1, 4)));
    o = open_prog(&p);
    says(etch_lm_encoder_open(o.rt, &e), "does not give states [1, T, D]");
    etch_lm_encoder_close(&e);
    close_prog(&o);
    prog_init(&p);
    p.name = "text_decoder";
    prog_output(&p, prog_input(&p, TENSOR(&p, ETCH_F32, 0, 1, 4, 4)));
    o = open_prog(&p);
    says(etch_lm_open_encoded(o.rt, &lm), "'text_decoder' takes 1 inputs");
    says(etch_lm_encoder_open(o.rt, &e), "encoder");
    close_prog(&o);
}

static void give(etch_lm *lm, etch_dtype d, int64_t n, int64_t width, const void *data, size_t bytes, const char *refusal)
{
    etch_tensor t = tensor(d, 3, (int64_t[]){ 1, n, width }, NULL);
    t.data = malloc(bytes);
    t.capacity = bytes;
    assert_non_null(t.data);
    memcpy(t.data, data, bytes);
    etch_status *s = etch_lm_give_states(lm, &t);
    assert_null(t.data);  // taken, in any case
    if (refusal) says(s, refusal);
    else must(s);
}

void test_rt_lm_encoder__decodes_states(void **state)
{
    (void)state;
    prog p;
    prog_init(&p);
    p.name = "text_decoder";
    prog_input(&p, TENSOR(&p, ETCH_I64, 0, 1, 1));
    const int states = prog_input(&p, TENSOR(&p, ETCH_F32, PROG_DYNAMIC, 1, 3, 4)), y = TENSOR(&p, ETCH_F32, 0, 1, 1, 4);
    prog_input(&p, TENSOR(&p, ETCH_I64, 0, 1));
    const int zero = prog_int(&p, 0), one = prog_int(&p, 1);
    PROG_CALL(&p, "aten::slice_copy.Tensor_out", states, one, zero, one, one, y, y);
    prog_output(&p, y);
    opened o = open_prog(&p);
    etch_lm lm;
    must(etch_lm_open_encoded(o.rt, &lm));
    assert_int_equal(lm.vocab_size, 4);
    assert_int_equal(lm.start_id, -1);  // no metadata
    const float a[8] = { 1, 2, 3, 4, 5, 6, 7, 8 }, b[4] = { 9, 8, 7, 6 };
    const float *logits;
    const int32_t ids[3] = { 1, 2, 3 };
    says(etch_lm_feed(&lm, ids, 1, &logits), "no states of an encoder");
    give(&lm, ETCH_F32, 2, 4, a, sizeof a, NULL);
    must(etch_lm_feed(&lm, ids, 2, &logits));  // a token a call
    assert_true(logits[0] == 1 && logits[3] == 4);
    assert_int_equal(lm.position, 2);
    says(etch_lm_feed(&lm, ids, 1, &logits), "1 more tokens do not fit: 2 of 2 cache slots are used");
    give(&lm, ETCH_F32, 1, 4, b, sizeof b, NULL);  // another text
    assert_int_equal(lm.position, 0);
    must(etch_lm_feed(&lm, ids + 2, 1, &logits));
    assert_true(logits[0] == 9 && logits[3] == 6);
    says(etch_lm_feed(&lm, (int32_t[]){ 4 }, 1, &logits), "token id 4 is outside the model's vocabulary of 4");
    give(&lm, ETCH_F32, 1, 3, b, 12, "'text_decoder' does not take what 'encoder' gave");
    give(&lm, ETCH_F16, 1, 4, b, 8, "is f16, expected f32");
    says(etch_lm_feed(&lm, ids, 1, &logits), "no states of an encoder");
    etch_lm_close(&lm);
    close_prog(&o);
}
