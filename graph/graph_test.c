// Text round trips, construction, edits and the verifier.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "graph/graph.h"

static const char sample[] =
    "etch-graph 1\n"
    "sym s0 in [1, 63] example 8\n"
    "sym s1 in [0, inf] example 3\n"
    "guard \"s0 > 1\" at \"modeling_x.py:123\"\n"
    "meta \"get_max_seq_len\" = 64\n"
    "meta \"get_eos_ids\" = [1, 2]\n"
    "meta \"temperature\" = 0.1\n"
    "meta \"name\" = \"a \\\"b\\\" \\\\ \\n \\u0001\"\n"
    "meta \"on\" = true\n"
    "meta \"fs\" = [1.0, -inf, 1e+30]\n"
    "method \"forward\"\n"
    "%0 = input \"x\" : f32[1, s0, 4]\n"
    "%1 = file \"model.safetensors\" \"a.weight\" : bf16[4] fqn \"a.weight\"\n"
    "%2 = data : f32[2] hex \"0000803f00000040\"\n"
    "%3 = buffer \"cache\" : f32[4] init %6\n"
    "%4 = buffer \"zero\" : f32[1, 4] init zeros\n"
    "%5 = data : f32[0] hex \"\"\n"
    "%6 = aten::_to_copy(%1, dtype=f32) : f32[4] fqn \"a\"\n"
    "%7 = aten::add.Tensor(%0, %6, alpha=2) : f32[1, s0, 4] @ \"modeling_x.py:402\" in \"model.layers.0\"\n"
    "%8 = aten::mul.Tensor(%7, 0.5) : f32[1, s0, 4]\n"
    "%9 = aten::view(%8, [s0, 4]) : f32[s0, 4]\n"
    "%10, %11 = aten::topk(%9, 2) : f32[s0, 2], i64[s0, 2]\n"
    "%12, %13 = aten::split.Tensor(%10, 1, 1) : f32[s0, 1], f32[s0, 1]\n"
    "%14 = aten::index.Tensor(%9, [None, %11]) : f32[s0, s0, 2]\n"
    "mutate %3 = %6\n"
    "return \"a\" %12\n"
    "return \"b\" %13\n"
    "end\n";

static etch_program *parse(const char *text)
{
    etch_program *p;
    etch_status *s = etch_program_parse(etch_str_of(text), &p);
    if (s) fail_msg("%s", etch_status_message(s));
    return p;
}

static void expect_text(etch_program *p, const char *want)
{
    etch_buf b = { 0 };
    etch_program_print(p, &b);
    etch_buf_put(&b, "", 1);
    assert_string_equal((char *)b.ptr, want);
    etch_buf_deinit(&b);
}

void test_graph_graph__round_trip(void **state)
{
    (void)state;
    etch_program *p = parse(sample);
    expect_text(p, sample);
    etch_program_destroy(p);
}

void test_graph_graph__errors_have_positions(void **state)
{
    (void)state;
    static const struct { const char *text, *want; } cases[] = {
        { "", "line 1, column 1: expected 'etch-graph 1'" },
        { "etch-graph 1\nmethod \"f\"\n", "line 3, column 1: expected 'end'" },
        { "etch-graph 1\nmethod \"f\"\n%0 = aten::relu(%1) : f32[1]\nend\n", "line 3, column 17: expected a value that is defined above" },
        { "etch-graph 1\nmethod \"f\"\n%0 = aten::nonsense(1) : f32[1]\nend\n", "aten::nonsense has no row" },
        { "etch-graph 1\nmethod \"f\"\n%0 = input \"x\" : f32[-1]\nend\n", "line 3" },
        { "etch-graph 1\nmethod \"f\"\n%0 = input \"x\" : f32[zz]\nend\n", "line 3, column 22" },
        { "etch-graph 1\nmethod \"f\"\n%0 = data : f32[3] hex \"00\"\nend\n", "as many bytes" },
        { "etch-graph 1\nmethod \"f\"\n%99999 = input \"x\" : f32[1]\nend\n", "smaller value number" },
        { "etch-graph 1\nmethod \"f\"\n%0 = input \"x\" : f32[1]\n%0 = input \"y\" : f32[1]\nend\n", "not defined twice" },
        { "etch-graph 1\nmethod \"f\"\n%0 = input \"x\" : f32[1]\n%1 = aten::relu(%0, self=%0) : f32[1]\nend\n", "each argument once" },
        { "etch-graph 1\nmethod \"f\"\n%0 = input \"x\" : f32[1]\n%1 = aten::relu() : f32[1]\nend\n", "'self' is missing" },
        { "etch-graph 1\nmethod \"f\"\n%0 = buffer \"b\" : f32[1] init %7\nend\n", "initial value" },
        { "etch-graph 1\nmeta \"x\" = [1, \"a\"]\n", "a list of one kind" },
        { "etch-graph 1\nmeta \"x", "a closing quote" },
        { "etch-graph 1\nmeta \"x\\", "an escape" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        etch_program *p;
        etch_status *s = etch_program_parse(etch_str_of(cases[i].text), &p);
        assert_non_null(s);
        assert_null(p);
        if (!strstr(etch_status_message(s), cases[i].want)) fail_msg("'%s' lacks '%s'", etch_status_message(s), cases[i].want);
        etch_status_free(s);
    }
}

// Every prefix, and every single-byte change, of the sample parses or fails, but never crashes.
void test_graph_graph__mutated_text(void **state)
{
    (void)state;
    char text[sizeof sample];
    for (size_t i = 0; i < sizeof sample - 1; i++) {
        etch_program *p;
        etch_status_ignore(etch_program_parse((etch_str){ sample, i }, &p));
        etch_program_destroy(p);
        static const char bytes[] = { '0', '%', '"', '[', '-', '\n', (char)0xff };
        for (size_t k = 0; k < sizeof bytes; k++) {
            memcpy(text, sample, sizeof sample);
            text[i] = bytes[k];
            etch_status *s = etch_program_parse((etch_str){ text, sizeof sample - 1 }, &p);
            if (!s) etch_status_ignore(etch_program_verify(p));
            etch_status_ignore(s);
            etch_program_destroy(p);
        }
    }
}

void test_graph_graph__verify(void **state)
{
    (void)state;
    etch_program *p = parse(sample);
    etch_status *s = etch_program_verify(p);
    if (s) fail_msg("%s", etch_status_message(s));
    etch_program_destroy(p);
    p = parse("etch-graph 1\nmethod \"f\"\n%0 = input \"x\" : f32[2]\n%1 = aten::relu(%0) : f32[3]\nreturn \"y\" %1\nend\n");
    s = etch_program_verify(p);
    assert_non_null(s);
    if (!strstr(etch_status_message(s), "aten::relu(%0)")) fail_msg("%s", etch_status_message(s));
    etch_status_free(s);
    etch_program_destroy(p);
}

void test_graph_graph__build_and_edit(void **state)
{
    (void)state;
    etch_program *p;
    etch_method *m;
    assert_null(etch_program_new(&p));
    assert_null(etch_program_add_method(p, ETCH_LIT("f"), &m));
    etch_tensor t = { .dtype = ETCH_F32, .rank = 1, .sizes = { { 2, NULL } } };
    etch_value *x, *y;
    assert_null(etch_method_add_input(m, ETCH_LIT("x"), &t, &x));
    assert_null(etch_method_add_input(m, ETCH_LIT("y"), &t, &y));
    etch_node *n, *k;
    const etch_op *add = etch_op_find(ETCH_LIT("aten::add.Tensor")), *relu = etch_op_find(ETCH_LIT("aten::relu.default"));
    etch_val args[] = { etch_val_tensor(&x->t), etch_val_float(1.5) };
    assert_null(etch_method_add_node(m, NULL, add, args, 2, ETCH_LIT("a.py:1"), ETCH_LIT("mod"), &n));
    args[0] = etch_val_tensor(&n->outs[0]->t);
    assert_null(etch_method_add_node(m, NULL, relu, args, 1, ETCH_LIT(""), ETCH_LIT(""), &k));
    assert_null(etch_method_add_output(m, ETCH_LIT("out"), k->outs[0]));
    expect_text(p, "etch-graph 1\nmethod \"f\"\n%0 = input \"x\" : f32[2]\n%1 = input \"y\" : f32[2]\n"
                   "%2 = aten::add.Tensor(%0, 1.5) : f32[2] @ \"a.py:1\" in \"mod\"\n%3 = aten::relu(%2) : f32[2]\nreturn \"out\" "
                   "%3\nend\n");
    assert_null(etch_program_verify(p));
    etch_method_replace(m, n->outs[0], y);
    etch_method_remove(m, n);
    etch_method_clear_user(m);
    y->user = x;
    etch_method_replace_all(m);
    expect_text(p, "etch-graph 1\nmethod \"f\"\n%0 = input \"x\" : f32[2]\n%1 = input \"y\" : f32[2]\n"
                   "%2 = aten::relu(%0) : f32[2]\nreturn \"out\" %2\nend\n");
    etch_status *s = etch_method_add_node(m, NULL, add, args, 1, ETCH_LIT(""), ETCH_LIT(""), &n);
    assert_non_null(strstr(etch_status_message(s), "'other' is missing"));
    etch_status_free(s);
    args[1] = etch_val_str(ETCH_LIT("x"));
    s = etch_method_add_node(m, NULL, add, args, 2, ETCH_LIT(""), ETCH_LIT(""), &n);
    assert_non_null(strstr(etch_status_message(s), "cannot be a string"));
    etch_status_free(s);
    etch_program_destroy(p);
}
