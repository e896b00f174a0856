// Passes on text: pass/testdata/<pass>_<case>.txt holds a program, a line "# >>> after" and the program that the pass makes of it, or a
// line "# >>> error" and a part of the message. A first line "# scalars: tensor" or "# scalars: float" sets the option. Also constant
// evaluation.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include <dirent.h>
#include <stdio.h>

#include "base/file.h"
#include "pass/eval.h"

static const struct { const char *name; etch_pass_fn fn; } passes[] = {
    { "alias", etch_pass_alias }, { "cse", etch_pass_cse },         { "dce", etch_pass_dce },     { "decompose", etch_pass_decompose },
    { "fold", etch_pass_fold },   { "scalars", etch_pass_scalars }, { "types", etch_pass_types }, { "mutations", etch_pass_mutations },
    { "complex", etch_pass_complex }, { "packed_rows", etch_pass_packed_rows },
};

static etch_pass_fn pass_named(const char *file)
{
    for (size_t i = 0; i < sizeof passes / sizeof passes[0]; i++) {
        size_t n = strlen(passes[i].name);
        if (!strncmp(file, passes[i].name, n) && file[n] == '_') return passes[i].fn;
    }
    return NULL;
}

static int failures;

static void check_text(const char *file, etch_program *p, const char *want)
{
    etch_buf b = { 0 };
    etch_program_print(p, &b);
    etch_buf_put(&b, "", 1);
    if (strcmp((char *)b.ptr, want)) {
        failures++;
        print_error("%s: got\n%s---- want\n%s", file, (char *)b.ptr, want);
    }
    etch_buf_deinit(&b);
}

static void check_file(const char *file, etch_pass_fn fn, const char *text)
{
    const char *after = strstr(text, "# >>> after\n"), *error = strstr(text, "# >>> error\n"), *mark = after ? after : error;
    etch_pass_opts o = { 0 };
    if (!strncmp(text, "# scalars: tensor", 17)) o.scalars = ETCH_SCALARS_TENSOR;
    if (!strncmp(text, "# scalars: float", 16)) o.scalars = ETCH_SCALARS_TENSOR_FLOAT;
    assert_non_null(mark);
    etch_program *p;
    etch_status *s = etch_program_parse((etch_str){ text, (size_t)(mark - text) }, &p);
    if (!s) s = etch_program_verify(p);
    if (s) fail_msg("%s: %s", file, etch_status_message(s));
    s = fn(p, &o);
    if (after && !s) s = etch_program_verify(p);
    if (after && !s) check_text(file, p, after + strlen("# >>> after\n"));
    if (error) {
        char want[300] = "";
        sscanf(error, "# >>> error\n# %299[^\n]", want);
        if (!s || !strstr(etch_status_message(s), want)) {
            failures++;
            print_error("%s: message '%s' lacks '%s'\n", file, s ? etch_status_message(s) : "", want);
        }
    } else if (s) {
        failures++;
        print_error("%s: %s\n", file, etch_status_message(s));
    }
    etch_status_ignore(s);
    etch_program_destroy(p);
}

void test_pass_pass__text_files(void **state)
{
    (void)state;
    DIR *dir = opendir(ETCH_SOURCE_DIR "/pass/testdata");
    assert_non_null(dir);
    int n = 0;
    failures = 0;
    for (struct dirent *e; (e = readdir(dir));) {
        etch_pass_fn fn = pass_named(e->d_name);
        if (!fn) continue;
        char path[1000];
        snprintf(path, sizeof path, ETCH_SOURCE_DIR "/pass/testdata/%s", e->d_name);
        etch_buf text = { 0 };
        assert_null(etch_file_read(path, &text));
        etch_buf_put(&text, "", 1);
        check_file(e->d_name, fn, (char *)text.ptr);
        etch_buf_deinit(&text);
        n++;
    }
    closedir(dir);
    assert_true(n >= 10);
    assert_int_equal(failures, 0);
}

// A file of one bf16 tensor of n elements 0, 1, 2, ...
enum { N = 300000 };
typedef struct { uint16_t *bytes; int borrowed; } store;

static etch_status *get(void *user, etch_str file, etch_str key, const etch_tensor *type, etch_span *out)
{
    store *s = user;
    (void)file;
    if (!etch_str_eqz(key, "w")) return ETCH_ERR(ETCH_NOT_FOUND, "no such tensor");
    assert_int_equal(type->dtype, ETCH_BF16);
    *out = (etch_span){ (const uint8_t *)s->bytes, N * 2 };
    s->borrowed++;
    return NULL;
}

static void done(void *user, etch_str file, etch_str key) { (void)file, (void)key, ((store *)user)->borrowed--; }

static etch_status *append(void *user, const void *bytes, size_t n)
{
    etch_buf_put(user, bytes, n);
    return NULL;
}

void test_pass_pass__evaluation(void **state)
{
    (void)state;
    static const char text[] = "etch-graph 1\nmethod \"f\"\n"
                               "%0 = file \"a\" \"w\" : bf16[300000]\n"
                               "%1 = aten::_to_copy(%0, dtype=f32) : f32[300000]\n"
                               "%2 = aten::view(%1, [600, 500]) : f32[600, 500]\n"
                               "%3 = aten::permute(%2, [1, 0]) : f32[500, 600]\n"
                               "%4 = aten::add.Tensor(%3, %3) : f32[500, 600]\n"
                               "%5 = aten::view(%0, [600, 500]) : bf16[600, 500]\n"
                               "return \"a\" %2\nreturn \"b\" %4\nreturn \"c\" %5\nend\n";
    store st = { calloc(N, 2), 0 };
    for (int i = 0; i < N; i++) st.bytes[i] = (uint16_t)(0x3f80 + i % 128);
    etch_weights w = { get, done, &st };
    etch_program *p;
    assert_null(etch_program_parse(etch_str_of(text), &p));
    assert_null(etch_program_verify(p));
    etch_output *o = p->methods[0]->outputs;
    etch_evaluated a, b, c;
    assert_null(etch_eval_const(&w, o[0].v, &a));
    assert_null(etch_eval_const(&w, o[1].v, &b));
    assert_null(etch_eval_const(&w, o[2].v, &c));
    assert_ptr_equal(c.t.data, st.bytes);  // borrowed, not copied
    assert_null(c.owned);
    const float *fa = a.t.data, *fb = b.t.data;
    assert_true(fa[500 * 7 + 3] * 2 == fb[600 * 3 + 7]);
    etch_buf streamed = { 0 };
    assert_null(etch_eval_stream(&w, o[0].v, append, &streamed));
    assert_int_equal(streamed.len, N * 4);
    assert_memory_equal(streamed.ptr, a.t.data, N * 4);
    streamed.len = 0;
    assert_null(etch_eval_stream(&w, o[1].v, append, &streamed));
    assert_memory_equal(streamed.ptr, b.t.data, N * 4);
    streamed.len = 0;
    assert_null(etch_eval_stream(&w, o[2].v, append, &streamed));
    assert_memory_equal(streamed.ptr, st.bytes, N * 2);
    etch_buf_deinit(&streamed);
    etch_evaluated_free(&w, &a);
    etch_evaluated_free(&w, &b);
    etch_evaluated_free(&w, &c);
    assert_int_equal(st.borrowed, 0);
    etch_status *s = etch_eval_const(NULL, o[0].v, &a);
    assert_non_null(s);
    etch_status_free(s);
    etch_program_destroy(p);
    free(st.bytes);
}
