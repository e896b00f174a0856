// Every decomposition against PyTorch: pass/testdata/decomp.txt (tools/golden/decomp.py) holds one-node graphs with inputs and results. The
// graph is decomposed, its inputs become literal data, and its outputs are evaluated with the reference kernels; then once more after the
// passes that prepare lowering (scalars, types).
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>

#include "base/file.h"
#include "kern/kern.h"
#include "pass/eval.h"

enum { MAX_TENSORS = 16 };
typedef struct {
    etch_str name, graph;
    etch_str in[MAX_TENSORS], out[MAX_TENSORS];  // hex
    int n_in, n_out;
} golden;

static etch_str next_line(etch_str *text)
{
    const char *nl = memchr(text->ptr, '\n', text->len);
    etch_str line = { text->ptr, nl ? (size_t)(nl - text->ptr) : text->len };
    size_t used = nl ? line.len + 1 : line.len;
    *text = (etch_str){ text->ptr + used, text->len - used };
    return line;
}

static etch_str last_word(etch_str s)
{
    size_t i = s.len;
    while (i && s.ptr[i - 1] != ' ') i--;
    return (etch_str){ s.ptr + i, s.len - i };
}

static bool next_case(etch_str *text, golden *c)
{
    if (!etch_str_starts(*text, "case ")) return false;
    *c = (golden){ .name = last_word(next_line(text)) };
    c->graph.ptr = text->ptr;
    while (text->len && !etch_str_eqz(next_line(text), "end")) {}
    c->graph.len = (size_t)(text->ptr - c->graph.ptr);
    while (text->len && !etch_str_starts(*text, "case ")) {
        etch_str line = next_line(text);
        if (etch_str_starts(line, "in ") && c->n_in < MAX_TENSORS) c->in[c->n_in++] = last_word(line);
        if (etch_str_starts(line, "out ") && c->n_out < MAX_TENSORS) c->out[c->n_out++] = last_word(line);
    }
    return true;
}

static uint8_t *bytes_of(etch_str hex)
{
    uint8_t *p = malloc(hex.len / 2 + 16);
    assert_non_null(p);
    for (size_t i = 0; i + 1 < hex.len; i += 2) {
        char z[3] = { hex.ptr[i], hex.ptr[i + 1], 0 };
        p[i / 2] = (uint8_t)strtoul(z, NULL, 16);
    }
    return p;
}

// Largest difference allowed: the result's precision, times its size.
static bool near(double got, double want, etch_dtype d)
{
    if (isnan(want)) return isnan(got);
    if (isinf(want)) return got == want;
    double tol = d == ETCH_BF16 ? 1.6e-2 : d == ETCH_F16 ? 2e-3 : etch_dtype_is_float(d) ? 1e-5 : 0.0;
    return fabs(got - want) <= tol * (1.0 + fabs(want));
}

static int failures;

static void report(const golden *c, const char *stage, const char *what)
{
    failures++;
    print_error("%.*s, %s: %s\n", ETCH_STR_ARGS(c->name), stage, what);
}

static void compare(const golden *c, const char *stage, etch_method *m)
{
    for (int i = 0; i < m->n_outputs && i < c->n_out; i++) {
        etch_evaluated r;
        etch_status *s = etch_eval_const(NULL, m->outputs[i].v, &r);
        if (s) {
            report(c, stage, etch_status_message(s));
            etch_status_free(s);
            continue;
        }
        uint8_t *want = bytes_of(c->out[i]);
        for (int64_t k = 0; k < etch_numel(&r.t); k++) {
            double a = etch_load_double(r.t.data, r.t.dtype, k), b = etch_load_double(want, r.t.dtype, k);
            if (near(a, b, r.t.dtype)) continue;
            char z[100];
            snprintf(z, sizeof z, "result %d element %d is %.9g, not %.9g", i, (int)k, a, b);
            report(c, stage, z);
            break;
        }
        free(want);
        etch_evaluated_free(NULL, &r);
    }
}

static bool passed(const golden *c, const char *stage, etch_status *s)
{
    if (!s) return true;
    report(c, stage, etch_status_message(s));
    etch_status_free(s);
    return false;
}

static void set_inputs(const golden *c, etch_method *m)
{
    for (int i = 0, k = 0; i < m->n_leaves && k < c->n_in; i++) {
        etch_value *v = m->leaves[i];
        if (v->src != ETCH_SRC_INPUT) continue;
        uint8_t *bytes = bytes_of(c->in[k]);
        size_t n = c->in[k++].len / 2;
        v->t.data = etch_arena_alloc(&m->program->arena, n + 1);
        assert_non_null(v->t.data);
        memcpy(v->t.data, bytes, n);
        v->t.capacity = n;
        free(bytes);
    }
}

static void use_as(etch_method *m, etch_src from, etch_src to)
{
    for (int i = 0; i < m->n_leaves; i++)
        if (m->leaves[i]->src == from && m->leaves[i]->name.len) m->leaves[i]->src = to;
}

static void check_case(const golden *c, bool *seen)
{
    etch_program *p;
    if (!passed(c, "parse", etch_program_parse(c->graph, &p))) return;
    etch_method *m = p->methods[0];
    seen[m->first->op->id] = true;
    if (passed(c, "shape", etch_program_verify(p)) && passed(c, "decompose", etch_pass_decompose(p, NULL)) &&
        passed(c, "verify", etch_program_verify(p))) {
        set_inputs(c, m);
        use_as(m, ETCH_SRC_INPUT, ETCH_SRC_DATA);
        compare(c, "decomposed", m);
        use_as(m, ETCH_SRC_DATA, ETCH_SRC_INPUT);
        if (passed(c, "scalars", etch_pass_scalars(p, NULL)) && passed(c, "types", etch_pass_types(p, NULL)) &&
            passed(c, "verify after types", etch_program_verify(p))) {
            use_as(m, ETCH_SRC_INPUT, ETCH_SRC_DATA);
            compare(c, "lowered", m);
        }
    }
    etch_program_destroy(p);
}

static const char *const decomp_column[ETCH_OP_COUNT] = {
#define OP(id, schema, out, flags, shape, kern, decomp, xnn) [ETCH_OP_##id] = #decomp,
#include "op/ops.def"
#undef OP
};

// Rows that PyTorch cannot show a case for: results of any content, devices, complex numbers (always refused), constants without operands.
static bool needs_no_case(int id)
{
    static const etch_op_id list[] = {
        ETCH_OP_empty_like, ETCH_OP_new_empty, ETCH_OP_new_empty_strided, ETCH_OP_empty_memory_format, ETCH_OP_to_device, ETCH_OP_imag,
        ETCH_OP_polar, ETCH_OP_eye, ETCH_OP_eye_m, ETCH_OP_linspace,
    };
    for (size_t i = 0; i < sizeof list / sizeof list[0]; i++)
        if ((int)list[i] == id) return true;
    return false;
}

void test_pass_decomp__pytorch(void **state)
{
    (void)state;
    static bool seen[ETCH_OP_COUNT];
    etch_buf file = { 0 };
    assert_null(etch_file_read(ETCH_SOURCE_DIR "/pass/testdata/decomp.txt", &file));
    etch_str text = etch_buf_str(&file);
    golden c;
    int n = 0;
    failures = 0;
    for (; next_case(&text, &c); n++) check_case(&c, seen);
    assert_int_equal(text.len, 0);
    assert_true(n > 200);
    for (int i = 0; i < ETCH_OP_COUNT; i++) {
        if (!strcmp(decomp_column[i], "NONE") || seen[i] || needs_no_case(i)) continue;
        failures++;
        print_error("%.*s has no case in pass/testdata/decomp.txt\n", ETCH_STR_ARGS(etch_op_get((etch_op_id)i)->schema->name));
    }
    etch_buf_deinit(&file);
    assert_int_equal(failures, 0);
}
