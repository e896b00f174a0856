// Graph texts lowered, then run in the runtime. PyTorch and the official runtime see more of them in tests/interop/test_lower.py.
#define _POSIX_C_SOURCE 200809L
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "lower/emit.h"
#include "pass/eval.h"
#include "rt/rt.h"

static etch_status *stream(void *user, etch_value *v, etch_status *(*put)(void *, const void *, size_t), void *put_user)
{
    (void)user;
    return etch_eval_stream(NULL, v, put, put_user);
}

static etch_status *lower(const char *text, etch_recipe recipe, etch_buf *out, etch_emit_report *r)
{
    etch_program *p;
    etch_writer w;
    char path[] = "/tmp/etch-lower-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
    etch_emit_opts opts = { .recipe = recipe };
    etch_const_source source = { stream, NULL };
    ETCH_TRY(etch_program_parse(etch_str_of(text), &p));
    assert_null(etch_writer_open(path, &w));
    etch_status *s = etch_emit(p, &opts, &source, &w, r);
    if (s) etch_writer_abandon(&w);
    else {
        assert_null(etch_writer_commit(&w));
        assert_null(etch_file_read(path, out));
    }
    unlink(path);
    etch_program_destroy(p);
    return s;
}

typedef struct session { etch_buf file; etch_rt *rt; etch_rt_method *m; etch_emit_report r; } session;

static void must(etch_status *s)
{
    if (s) print_error("%s\n", etch_status_message(s));
    assert_null(s);
}

static void start(session *s, const char *text, etch_recipe recipe)
{
    *s = (session){ 0 };
    must(lower(text, recipe, &s->file, &s->r));
    must(etch_rt_open_bytes((etch_span){ s->file.ptr, s->file.len }, NULL, &s->rt));
    must(etch_rt_load(s->rt, ETCH_LIT("forward"), &s->m));
}

static void stop(session *s)
{
    etch_rt_unload(s->m);
    etch_rt_close(s->rt);
    etch_buf_deinit(&s->file);
}

static void give(session *s, int i, int64_t rows, int64_t columns, float *data)
{
    etch_tensor t = { .dtype = ETCH_F32, .rank = columns ? 2 : 1, .sizes = { etch_dim_of(rows), etch_dim_of(columns) }, .data = data };
    t.capacity = (size_t)(rows * (columns ? columns : 1)) * 4;
    must(etch_rt_set_input(s->m, i, &t, ETCH_RT_COPY));
}

static const float *result(session *s, int i, int64_t n)
{
    const etch_val *v = etch_rt_output(s->m, i);
    assert_int_equal(v->kind, ETCH_V_TENSOR);
    assert_int_equal(etch_numel(v->t), n);
    return v->t->data;
}

// y = relu(x w + b) seen as one row, and numbers 0 .. 2 s0: sizes come from the input.
static const char dynamic_text[] =
    "etch-graph 1\n"
    "sym s0 in [1, 8] example 4\n"
    "method \"forward\"\n"
    "%0 = input \"x\" : f32[s0, 2]\n"
    "%1 = data : f32[2, 2] hex \"0000803f000000400000803f00000040\"\n"
    "%2 = data : f32[2] hex \"000080bf00000040\"\n"
    "%3 = aten::addmm(%2, %0, %1) : f32[s0, 2]\n"
    "%4 = aten::relu(%3) : f32[s0, 2]\n"
    "%5 = aten::view(%4, [2*s0]) : f32[2*s0]\n"
    "%6 = aten::arange(2*s0 + 1, dtype=f32) : f32[2*s0 + 1]\n"
    "%7 = aten::neg(%5) : f32[2*s0]\n"
    "return \"y\" %7\n"
    "return \"n\" %6\n"
    "end\n";

void test_lower_lower__dynamic_sizes(void **state)
{
    (void)state;
    for (int recipe = 0; recipe < 2; recipe++) {
        session s;
        start(&s, dynamic_text, recipe ? ETCH_RECIPE_XNNPACK : ETCH_RECIPE_PORTABLE);
        for (int64_t n = 1; n <= 8; n += 7) {
            float x[16];
            for (int i = 0; i < 16; i++) x[i] = (float)(i % 5) - 2;
            give(&s, 0, n, 2, x);
            must(etch_rt_execute(s.m));
            const float *y = result(&s, 0, 2 * n), *count = result(&s, 1, 2 * n + 1);
            for (int64_t i = 0; i < n; i++) {
                float sum = x[2 * i] + x[2 * i + 1], a = sum - 1, b = 2 * sum + 2;
                assert_true(y[2 * i] == (a > 0 ? -a : 0) && y[2 * i + 1] == (b > 0 ? -b : 0));
            }
            for (int64_t i = 0; i <= 2 * n; i++) assert_true(count[i] == (float)i);
        }
        stop(&s);
    }
}

// Attention over a symbolic length: views of two symbolic sizes do not end the delegate.
static const char attention_text[] =
    "etch-graph 1\n"
    "sym s0 in [1, 8] example 4\n"
    "method \"forward\"\n"
    "%0 = input \"x\" : f32[s0, 12]\n"
    "%1 = aten::view(%0, [1, s0, 3, 4]) : f32[1, s0, 3, 4]\n"
    "%2 = aten::permute(%1, [0, 2, 1, 3]) : f32[1, 3, s0, 4]\n"
    "%3 = aten::transpose.int(%2, -2, -1) : f32[1, 3, 4, s0]\n"
    "%4 = aten::view(%2, [3, s0, 4]) : f32[3, s0, 4]\n"
    "%5 = aten::view(%3, [3, 4, s0]) : f32[3, 4, s0]\n"
    "%6 = aten::bmm(%4, %5) : f32[3, s0, s0]\n"
    "%7 = aten::view(%6, [1, 3, s0, s0]) : f32[1, 3, s0, s0]\n"
    "%8 = aten::_softmax(%7, -1, false) : f32[1, 3, s0, s0]\n"
    "%9 = aten::view(%8, [3, s0, s0]) : f32[3, s0, s0]\n"
    "%10 = aten::bmm(%9, %4) : f32[3, s0, 4]\n"
    "%11 = aten::view(%10, [1, 3, s0, 4]) : f32[1, 3, s0, 4]\n"
    "return \"y\" %11\n"
    "end\n";

void test_lower_lower__products_keep_leading_dimensions(void **state)
{
    (void)state;
    session portable, delegated;
    start(&portable, attention_text, ETCH_RECIPE_PORTABLE);
    start(&delegated, attention_text, ETCH_RECIPE_XNNPACK);
    assert_int_equal(delegated.r.n_delegates, 1);
    assert_int_equal(delegated.r.n_instructions, 1);
    for (int64_t n = 1; n <= 8; n++) {
        float x[96];
        for (int i = 0; i < 96; i++) x[i] = (float)(i * 7 % 11) / 11.0f - 0.5f;
        give(&portable, 0, n, 12, x);
        give(&delegated, 0, n, 12, x);
        must(etch_rt_execute(portable.m));
        must(etch_rt_execute(delegated.m));
        const float *want = result(&portable, 0, 12 * n), *got = result(&delegated, 0, 12 * n);
        for (int64_t i = 0; i < 12 * n; i++) assert_true(got[i] - want[i] < 1e-6f && want[i] - got[i] < 1e-6f);
    }
    stop(&portable);
    stop(&delegated);
}

// The old content of a state buffer is shown after the buffer was written: it must have been copied.
static const char state_text[] =
    "etch-graph 1\n"
    "method \"forward\"\n"
    "%0 = input \"x\" : f32[2]\n"
    "%1 = data : f32[2] hex \"0000803f00000040\"\n"
    "%2 = buffer \"sum\" : f32[2] init %1\n"
    "%3 = aten::view(%2, [2, 1]) : f32[2, 1]\n"
    "%4 = aten::add.Tensor(%2, %0) : f32[2]\n"
    "mutate %2 = %4\n"
    "return \"old\" %3\n"
    "return \"new\" %4\n"
    "end\n";

void test_lower_lower__state_persists(void **state)
{
    (void)state;
    session s;
    start(&s, state_text, ETCH_RECIPE_PORTABLE);
    float want[2] = { 1, 2 };
    for (int step = 1; step <= 3; step++) {
        float x[2] = { (float)step, -1 };
        give(&s, 0, 2, 0, x);
        must(etch_rt_execute(s.m));
        const float *old = result(&s, 0, 2), *new = result(&s, 1, 2);
        for (int i = 0; i < 2; i++) {
            assert_true(old[i] == want[i] && new[i] == want[i] + x[i]);
            want[i] += x[i];
        }
    }
    stop(&s);
}

// A constant that two operators and a delegate read is in the file once; equal exports are equal bytes.
static const char tied_text[] =
    "etch-graph 1\n"
    "method \"forward\"\n"
    "%0 = input \"x\" : f32[40, 64]\n"
    "%1 = data : i64[2] hex \"03000000000000000100000000000000\"\n"
    "%2 = aten::arange(4096, dtype=f32) : f32[4096]\n"
    "%3 = aten::view(%2, [64, 64]) : f32[64, 64]\n"
    "%4 = aten::linear(%0, %3) : f32[40, 64]\n"
    "%5 = aten::slice.Tensor(%4, 0, 0, 2) : f32[2, 64]\n"
    "%6 = aten::index_put(%3, [%1], %5) : f32[64, 64]\n"
    "return \"y\" %4\n"
    "return \"put\" %6\n"
    "end\n";

void test_lower_lower__constants_once(void **state)
{
    (void)state;
    etch_buf a = { 0 }, b = { 0 };
    etch_emit_report r;
    must(lower(tied_text, ETCH_RECIPE_XNNPACK, &a, &r));
    must(lower(tied_text, ETCH_RECIPE_XNNPACK, &b, &r));
    assert_int_equal(r.n_delegates, 1);
    assert_int_equal(a.len, b.len);
    assert_memory_equal(a.ptr, b.ptr, a.len);
    assert_true(a.len < 4096 * 4 + 8192);
    etch_buf_deinit(&a);
    etch_buf_deinit(&b);
}

void test_lower_lower__memory_is_reused(void **state)
{
    (void)state;
    session s;
    start(&s,
          "etch-graph 1\n"
          "method \"forward\"\n"
          "%0 = input \"x\" : f32[100]\n"
          "%1 = aten::atan(%0) : f32[100]\n"
          "%2 = aten::atan(%1) : f32[100]\n"
          "%3 = aten::atan(%2) : f32[100]\n"
          "%4 = aten::atan(%3) : f32[100]\n"
          "return \"y\" %4\n"
          "end\n",
          ETCH_RECIPE_PORTABLE);
    assert_int_equal(s.r.arena_bytes, 800);
    assert_int_equal(s.r.arena_bound, 800);
    stop(&s);
}

static void refused(const char *text, const char *why)
{
    etch_buf out = { 0 };
    etch_status *s = lower(text, ETCH_RECIPE_PORTABLE, &out, NULL);
    assert_non_null(s);
    if (!strstr(etch_status_message(s), why)) fail_msg("'%s' lacks '%s'", etch_status_message(s), why);
    etch_status_free(s);
    etch_buf_deinit(&out);
}

void test_lower_lower__refuses(void **state)
{
    (void)state;
    refused("etch-graph 1\nsym s0 in [1, 9223372036854775807] example 4\nmethod \"forward\"\n%0 = input \"x\" : f32[s0]\n"
            "%1 = aten::relu(%0) : f32[s0]\nreturn \"y\" %1\nend\n", "upper bound");
    refused("etch-graph 1\nmethod \"forward\"\n%0 = input \"x\" : f32[4]\n%1 = aten::silu(%0) : f32[4] @ \"m.py:7\"\nreturn \"y\" "
            "%1\nend\n", "m.py:7");
}
