// The runtime on small programs: control flow, views, moves, state, and the errors of broken ones.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "rt/prog_random.h"

typedef struct { etch_buf file; etch_rt *rt; etch_rt_method *m; } loaded;

static void must(etch_status *s)
{
    if (s) fail_msg("%s", etch_status_message(s));
}

static etch_status *try_load(prog *p, loaded *out)
{
    *out = (loaded){ 0 };
    must(prog_finish(p, &out->file));
    ETCH_TRY(etch_rt_open_bytes((etch_span){ out->file.ptr, out->file.len }, &(etch_rt_options){ .max_instructions = 1000 }, &out->rt));
    return etch_rt_load(out->rt, ETCH_LIT("forward"), &out->m);
}

static void unload(loaded *l)
{
    etch_rt_unload(l->m);
    etch_rt_close(l->rt);
    etch_buf_deinit(&l->file);
}

static loaded load(prog *p)
{
    loaded l;
    must(try_load(p, &l));
    return l;
}

static void refused(prog *p, const char *part)
{
    loaded l;
    etch_status *s = try_load(p, &l);
    if (!s) fail_msg("accepted a program that should say '%s'", part);
    if (!strstr(etch_status_message(s), part)) fail_msg("'%s' does not say '%s'", etch_status_message(s), part);
    etch_status_free(s);
    unload(&l);
}

static void fails(loaded *l, const char *part)
{
    etch_status *s = etch_rt_execute(l->m);
    if (!s) fail_msg("ran, but should say '%s'", part);
    if (!strstr(etch_status_message(s), part)) fail_msg("'%s' does not say '%s'", etch_status_message(s), part);
    etch_status_free(s);
}

static void set(loaded *l, int i, int rank, const int64_t *sizes, const float *data, etch_rt_how how)
{
    etch_tensor t = { .dtype = ETCH_F32, .rank = rank, .data = (void *)(uintptr_t)data };
    for (int d = 0; d < rank; d++) t.sizes[d] = etch_dim_of(sizes[d]);
    must(etch_rt_set_input(l->m, i, &t, how));
}

static const float *out_data(const loaded *l, int i) { return etch_rt_output(l->m, i)->t->data; }

#define SIZES(...) (int32_t[]){ __VA_ARGS__ }
#define F32(p, flags, ...) prog_tensor((p), ETCH_F32, (int)(sizeof(SIZES(__VA_ARGS__)) / 4), SIZES(__VA_ARGS__), (flags))

void test_rt_rt__kernel_and_dynamic_sizes(void **state)
{
    (void)state;
    prog p;
    prog_init(&p);
    int x = prog_input(&p, F32(&p, PROG_DYNAMIC, 2, 3)), y = prog_output(&p, F32(&p, PROG_DYNAMIC, 2, 3));
    PROG_CALL(&p, "aten::neg.out", x, y, y);
    loaded l = load(&p);
    assert_true(etch_rt_input_is_dynamic(l.m, 0));
    fails(&l, "was not set");
    const float in[7] = { 1, 2, 3, 4, 5, 6, 7 };
    for (int64_t n = 3; n >= 1; n--) {
        set(&l, 0, 2, (int64_t[]){ 1, n }, in, ETCH_RT_COPY);
        must(etch_rt_execute(l.m));
        assert_int_equal(etch_rt_output(l.m, 0)->t->sizes[1].v, n);
        assert_true(out_data(&l, 0)[n - 1] == -(float)n);
    }
    etch_tensor big = { .dtype = ETCH_F32, .rank = 2, .sizes = { { 1, NULL }, { 7, NULL } }, .data = (void *)(uintptr_t)in };
    etch_status *s = etch_rt_set_input(l.m, 0, &big, ETCH_RT_COPY);
    assert_non_null(strstr(etch_status_message(s), "bound is [2, 3]"));
    etch_status_free(s);
    fails(&l, "was not set");
    big.dtype = ETCH_I32;
    s = etch_rt_set_input(l.m, 0, &big, ETCH_RT_COPY);
    assert_non_null(strstr(etch_status_message(s), "is i32, expected f32"));
    etch_status_free(s);
    unload(&l);
}

// numel = size(x, 0) * size(x, 1) by prim ops, then a view [numel] without a copy.
void test_rt_rt__view_follows_sizes(void **state)
{
    (void)state;
    prog p;
    prog_init(&p);
    int x = prog_input(&p, F32(&p, PROG_DYNAMIC | PROG_UNPLANNED, 4, 4));
    int v = F32(&p, PROG_DYNAMIC | PROG_UNPLANNED, 16), y = prog_output(&p, F32(&p, PROG_DYNAMIC, 16));
    int zero = prog_int(&p, 0), one = prog_int(&p, 1), a = prog_int(&p, 0), b = prog_int(&p, 0), n = prog_int(&p, 0);
    int list = prog_ints(&p, (int64_t[]){ n }, 1);
    PROG_CALL(&p, "aten::sym_size.int", x, zero, a);
    PROG_CALL(&p, "aten::sym_size.int", x, one, b);
    PROG_CALL(&p, "executorch_prim::mul.Scalar", a, b, n);
    PROG_CALL(&p, "executorch_prim::et_view.default", x, list, v);
    PROG_CALL(&p, "aten::neg.out", v, y, y);
    loaded l = load(&p);
    const float in[16] = { 1, 2, 3, 4, 5, 6 };
    set(&l, 0, 2, (int64_t[]){ 2, 3 }, in, ETCH_RT_BORROW);
    must(etch_rt_execute(l.m));
    assert_int_equal(etch_rt_output(l.m, 0)->t->sizes[0].v, 6);
    assert_true(out_data(&l, 0)[5] == -6);
    set(&l, 0, 2, (int64_t[]){ 4, 4 }, in, ETCH_RT_COPY);
    must(etch_rt_execute(l.m));
    assert_int_equal(etch_rt_output(l.m, 0)->t->sizes[0].v, 16);
    unload(&l);
}

// A view of a constant or of a borrowed input is never written.
void test_rt_rt__read_only_memory(void **state)
{
    (void)state;
    for (int borrowed = 0; borrowed < 2; borrowed++) {
        prog p;
        prog_init(&p);
        const float c[2] = { 1, 2 };
        int x = borrowed ? prog_input(&p, F32(&p, PROG_UNPLANNED, 2)) : prog_data(&p, ETCH_F32, 1, SIZES(2), c, 8, false);
        int v = F32(&p, PROG_UNPLANNED, 2), y = F32(&p, 0, 2), two = prog_int(&p, 2);
        int list = prog_ints(&p, (int64_t[]){ two }, 1);
        PROG_CALL(&p, "executorch_prim::et_view.default", x, list, v);
        PROG_CALL(&p, "aten::neg.out", y, v, v);
        loaded l = load(&p);
        if (borrowed) set(&l, 0, 1, (int64_t[]){ 2 }, c, ETCH_RT_BORROW);
        fails(&l, "only be read");
        unload(&l);
    }
}

// while (i < 5) i += 1, by a jump back; then a loop without an end.
void test_rt_rt__loops(void **state)
{
    (void)state;
    prog p;
    prog_init(&p);
    int i = prog_output(&p, prog_int(&p, 0)), one = prog_int(&p, 1), five = prog_int(&p, 5), done = prog_bool(&p, false);
    PROG_CALL(&p, "executorch_prim::add.Scalar", i, one, i);
    PROG_CALL(&p, "executorch_prim::eq.Scalar", i, five, done);
    prog_jump_false(&p, done, 0);
    loaded l = load(&p);
    must(etch_rt_execute(l.m));
    assert_int_equal(etch_rt_output(l.m, 0)->i.v, 5);
    fails(&l, "too long");  // the counter goes on from 5
    unload(&l);

    prog_init(&p);
    int no = prog_bool(&p, false);
    prog_jump_false(&p, no, 7);
    refused(&p, "jump to instruction 7 of 2");
}

// cond: the two branches move their result into one value.
void test_rt_rt__branches(void **state)
{
    (void)state;
    for (int take = 0; take < 2; take++) {
        prog p;
        prog_init(&p);
        int x = prog_input(&p, F32(&p, 0, 2)), yes = prog_bool(&p, take), no = prog_bool(&p, false);
        int a = F32(&p, 0, 2), b = F32(&p, 0, 2), r = F32(&p, PROG_UNPLANNED, 2), y = prog_output(&p, F32(&p, 0, 2));
        prog_jump_false(&p, yes, 4);
        PROG_CALL(&p, "aten::neg.out", x, a, a);
        prog_move(&p, a, r);
        prog_jump_false(&p, no, 6);
        PROG_CALL(&p, "aten::abs.out", x, b, b);
        prog_move(&p, b, r);
        PROG_CALL(&p, "aten::neg.out", r, y, y);
        loaded l = load(&p);
        set(&l, 0, 1, (int64_t[]){ 2 }, (const float[]){ -3, 4 }, ETCH_RT_COPY);
        for (int k = 0; k < 2; k++) {
            must(etch_rt_execute(l.m));
            assert_true(out_data(&l, 0)[0] == (take ? -3.0f : -3.0f));
            assert_true(out_data(&l, 0)[1] == (take ? 4.0f : -4.0f));
        }
        unload(&l);
    }
}

// What a move leaves behind must not outlive the call: a small planned tensor takes a large one's place, then is read before the move.
void test_rt_rt__moved_sizes_are_reset(void **state)
{
    (void)state;
    prog p;
    prog_init(&p);
    int small = F32(&p, PROG_DYNAMIC, 1), y = F32(&p, PROG_DYNAMIC, 64), large = F32(&p, PROG_DYNAMIC, 64);
    PROG_CALL(&p, "aten::neg.out", small, y, y);
    prog_move(&p, large, small);
    loaded l = load(&p);
    must(etch_rt_execute(l.m));
    must(etch_rt_execute(l.m));
    unload(&l);
}

void test_rt_rt__memory_must_be_there(void **state)
{
    (void)state;
    prog p;
    prog_init(&p);
    int v = F32(&p, PROG_UNPLANNED, 2), y = F32(&p, 0, 2), two = prog_int(&p, 2), list = prog_ints(&p, (int64_t[]){ two }, 1);
    PROG_CALL(&p, "aten::neg.out", v, y, y);
    PROG_CALL(&p, "executorch_prim::et_view.default", y, list, v);
    loaded l = load(&p);
    fails(&l, "before it has memory");
    fails(&l, "before it has memory");
    unload(&l);
    prog_init(&p);
    int x = F32(&p, 0, 2), z = F32(&p, 0, 2);
    prog_free(&p, x);
    PROG_CALL(&p, "aten::neg.out", x, z, z);
    l = load(&p);
    fails(&l, "before it has memory");
    unload(&l);
}

// A counter with an initial state, kept between calls.
void test_rt_rt__state(void **state)
{
    (void)state;
    prog p;
    prog_init(&p);
    const float first[2] = { 10, 20 }, ones[2] = { 1, 1 };
    int s = prog_output(&p, prog_data(&p, ETCH_F32, 1, SIZES(2), first, 8, true)), c = prog_data(&p, ETCH_F32, 1, SIZES(2), ones, 8, false);
    int sum = F32(&p, 0, 2), alpha = prog_int(&p, 1), no = prog_bool(&p, false);
    PROG_CALL(&p, "aten::add.out", s, c, alpha, sum, sum);
    PROG_CALL(&p, "aten::copy_", s, sum, no, s);
    loaded l = load(&p);
    for (int i = 1; i < 4; i++) {
        must(etch_rt_execute(l.m));
        assert_true(out_data(&l, 0)[0] == 10 + (float)i);
        assert_true(out_data(&l, 0)[1] == 20 + (float)i);
    }
    must(etch_rt_reset(l.m));
    must(etch_rt_execute(l.m));
    assert_true(out_data(&l, 0)[0] == 11);
    unload(&l);
}

// Channels-last tensors go through row-major shadows; the caller sees row-major data.
void test_rt_rt__channels_last(void **state)
{
    (void)state;
    prog p;
    prog_init(&p);
    int x = prog_input(&p, F32(&p, PROG_CHANNELS_LAST, 1, 2, 2, 2)), y = F32(&p, PROG_CHANNELS_LAST, 1, 2, 2, 2);
    int z = prog_output(&p, F32(&p, PROG_CHANNELS_LAST, 1, 2, 2, 2));
    PROG_CALL(&p, "aten::neg.out", x, y, y);
    PROG_CALL(&p, "aten::abs.out", y, z, z);
    loaded l = load(&p);
    const float in[8] = { 1, 2, 3, 4, 5, 6, 7, 8 };
    set(&l, 0, 4, (int64_t[]){ 1, 2, 2, 2 }, in, ETCH_RT_COPY);
    must(etch_rt_execute(l.m));
    assert_memory_equal(out_data(&l, 0), in, sizeof in);
    unload(&l);
}

void test_rt_rt__refuses(void **state)
{
    (void)state;
    prog p;
    int x, y;
    const float c[2] = { 1, 2 };
#define START                \
    prog_init(&p);           \
    x = F32(&p, 0, 2);       \
    y = F32(&p, 0, 2)
    START;
    PROG_CALL(&p, "aten::no_such_thing.out", x, y, y);
    refused(&p, "operator aten::no_such_thing.out is not known to etch");
    START;
    PROG_CALL(&p, "aten::neg.out", x, y);
    refused(&p, "has 2 arguments, expected 3");
    START;
    PROG_CALL(&p, "aten::neg.out", x, x, x);
    refused(&p, "overlaps an input");
    START;
    PROG_CALL(&p, "aten::neg.out", prog_int(&p, 3), y, y);
    refused(&p, "'self' is an integer");
    START;
    PROG_CALL(&p, "aten::neg.out", x, prog_data(&p, ETCH_F32, 1, SIZES(2), c, 8, false), y);
    refused(&p, "an output is a constant");
    START;
    PROG_CALL(&p, "aten::neg.out", x, F32(&p, 0, 3), y);
    refused(&p, "its sizes are fixed to [3]");
    START;
    PROG_CALL(&p, "executorch_prim::add.Scalar", x, y, x);
    refused(&p, "writes to");
    START;
    PROG_CALL(&p, "aten::neg.out", x, y, 99);
    refused(&p, "value 99 of 2");
    START;
    prog_input(&p, 77);
    refused(&p, "an input refers to value 77");
    START;
    prog_move(&p, x, prog_data(&p, ETCH_F32, 1, SIZES(2), c, 8, false));
    refused(&p, "move into a constant");
#undef START
}

void test_rt_rt__prim_errors(void **state)
{
    (void)state;
    static const struct { const char *op; int64_t a, b; const char *part; } cases[] = {
        { "executorch_prim::floordiv.Scalar", 1, 0, "division by zero" },
        { "executorch_prim::mod.Scalar", 1, 0, "division by zero" },
        { "executorch_prim::mul.Scalar", INT64_MAX, 2, "overflow" },
        { "executorch_prim::floordiv.int", INT64_MIN, -1, "overflow" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        prog p;
        prog_init(&p);
        int a = prog_int(&p, cases[i].a), b = prog_int(&p, cases[i].b), r = prog_int(&p, 0);
        PROG_CALL(&p, cases[i].op, a, b, r);
        loaded l = load(&p);
        fails(&l, cases[i].part);
        unload(&l);
    }
}

void test_rt_rt__prim_results(void **state)
{
    (void)state;
    static const struct { const char *op; int64_t a, b, r; } cases[] = {
        { "executorch_prim::add.Scalar", 7, -9, -2 }, { "executorch_prim::sub.Scalar", 7, -9, 16 },
        { "executorch_prim::mul.Scalar", 7, -9, -63 }, { "executorch_prim::floordiv.Scalar", -7, 2, -4 },
        { "executorch_prim::floordiv.int", -7, 2, -3 }, { "executorch_prim::mod.Scalar", -7, 2, -1 },
        { "executorch_prim::sym_max.Scalar", -7, 2, 2 }, { "executorch_prim::sym_min.Scalar", -7, 2, -7 },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        prog p;
        prog_init(&p);
        int a = prog_int(&p, cases[i].a), b = prog_int(&p, cases[i].b), r = prog_output(&p, prog_int(&p, 0));
        PROG_CALL(&p, cases[i].op, a, b, r);
        loaded l = load(&p);
        must(etch_rt_execute(l.m));
        assert_int_equal(etch_rt_output(l.m, 0)->i.v, cases[i].r);
        unload(&l);
    }
}

// The sizes of the result depend on the content of the input.
void test_rt_rt__sizes_from_data(void **state)
{
    (void)state;
    prog p;
    prog_init(&p);
    int x = prog_input(&p, F32(&p, 0, 4)), y = prog_output(&p, prog_tensor(&p, ETCH_I64, 2, SIZES(4, 1), PROG_DYNAMIC));
    PROG_CALL(&p, "aten::nonzero.out", x, y, y);
    loaded l = load(&p);
    for (int n = 0; n < 4; n++) {
        float in[4] = { 0 };
        for (int i = 0; i < n; i++) in[3 - i] = 1;
        set(&l, 0, 1, (int64_t[]){ 4 }, in, ETCH_RT_COPY);
        must(etch_rt_execute(l.m));
        assert_int_equal(etch_rt_output(l.m, 0)->t->sizes[0].v, n);
        if (n) assert_int_equal(((const int64_t *)etch_rt_output(l.m, 0)->t->data)[0], 4 - n);
    }
    unload(&l);
}

static uint64_t next(uint64_t *x)
{
    *x ^= *x << 13;
    *x ^= *x >> 7;
    return *x ^= *x << 17;
}

// Random calls of every operator: errors or results, never a crash. A good part must really run.
void test_rt_rt__random_programs(void **state)
{
    (void)state;
    uint64_t x = 0x2545f4914f6cdd1du;
    int ran = 0, narrow = 0, made = 0;
    for (int i = 0; i < 3000; i++) {
        uint8_t bytes[96];
        etch_buf file = { 0 };
        for (size_t k = 0; k < sizeof bytes; k++) bytes[k] = (uint8_t)(next(&x) >> 11);
        if (prog_random_make(bytes, sizeof bytes, 3, &file)) {
            made++;
            ran += prog_random_run((etch_span){ file.ptr, file.len }, bytes, sizeof bytes);
            narrow += prog_random_run_as((etch_span){ file.ptr, file.len }, bytes, sizeof bytes, i % 2 ? "float16" : "int8");
            for (int k = 0; k < 3; k++) {  // and mutated
                size_t at = next(&x) % file.len;
                uint8_t was = file.ptr[at];
                file.ptr[at] = (uint8_t)next(&x);
                prog_random_run((etch_span){ file.ptr, file.len }, bytes, sizeof bytes);
                file.ptr[at] = was;
            }
        }
        etch_buf_deinit(&file);
    }
    print_message("%d programs made, %d ran, %d with a narrow cache\n", made, ran, narrow);
    assert_true(ran > 100 && narrow > 10);
}

typedef struct { int n; char last[128]; uint64_t ns; } heard;

static void hear(void *user, const etch_rt_event *e)
{
    heard *h = user;
    h->n++;
    h->ns += e->end_ns - e->begin_ns;
    snprintf(h->last, sizeof h->last, "%d.%d %s %s %.*s", e->instruction, e->node, e->name, e->kernel, ETCH_STR_ARGS(e->detail));
}

void test_rt_rt__a_listener_hears_every_instruction(void **state)
{
    (void)state;
    prog p;
    prog_init(&p);
    int x = prog_input(&p, F32(&p, PROG_DYNAMIC, 2, 3)), y = F32(&p, PROG_DYNAMIC, 2, 3), z = prog_output(&p, F32(&p, PROG_DYNAMIC, 2, 3));
    PROG_CALL(&p, "aten::neg.out", x, y, y);
    PROG_CALL(&p, "aten::abs.out", y, z, z);
    loaded l = load(&p);
    const float in[6] = { 1, 2, 3, 4, 5, 6 };
    set(&l, 0, 2, (int64_t[]){ 1, 3 }, in, ETCH_RT_COPY);
    heard h = { 0 };
    etch_rt_listen(l.m, hear, &h);
    must(etch_rt_execute(l.m));
    assert_int_equal(h.n, 2);
    assert_string_equal(h.last, "1.-1 aten::abs.out portable f32[1, 3] -> f32[1, 3]");
    etch_rt_listen(l.m, NULL, NULL);
    must(etch_rt_execute(l.m));
    assert_int_equal(h.n, 2);
    unload(&l);
}
