// Shape rules against PyTorch: op/testdata/shapes.txt (tools/golden/shapes.py) holds calls and the result types that PyTorch gave.
// Then symbolic sizes, which PyTorch's answers cannot cover line by line.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "base/file.h"
#include "op/op.h"

enum { MAX_ARGS = 24 };

typedef struct { etch_arena arena; etch_syms *syms; const char *p; } reader;

static void need(reader *r, const char *z)
{
    if (strncmp(r->p, z, strlen(z))) fail_msg("expected '%s' at '%.40s'", z, r->p);
    r->p += strlen(z);
}

static bool take(reader *r, const char *z)
{
    if (strncmp(r->p, z, strlen(z))) return false;
    r->p += strlen(z);
    return true;
}

static void *must(void *p)
{
    assert_non_null(p);
    return p;
}

static etch_dim read_dim(reader *r)
{
    etch_dim d;
    size_t used;
    etch_status *s = etch_dim_parse(r->syms, etch_str_of(r->p), &d, &used);
    if (s) fail_msg("%s at '%.40s'", etch_status_message(s), r->p);
    r->p += used;
    return d;
}

static etch_tensor *read_tensor(reader *r)
{
    size_t n = strcspn(r->p, "[");
    etch_tensor *t = must(etch_arena_alloc(&r->arena, sizeof *t));
    t->dtype = etch_dtype_from_name((etch_str){ r->p, n });
    if (t->dtype == ETCH_DTYPE_NONE) fail_msg("no type at '%.40s'", r->p);
    r->p += n;
    need(r, "[");
    while (!take(r, "]")) {
        if (t->rank) need(r, ", ");
        t->sizes[t->rank++] = read_dim(r);
    }
    return t;
}

static bool starts_tensor(const char *p)
{
    size_t n = strcspn(p, "[],() ");
    return p[n] == '[' && n > 1 && etch_dtype_from_name((etch_str){ p, n }) != ETCH_DTYPE_NONE;
}

static bool is_float_token(const char *p)
{
    size_t n = strcspn(p, ",)] ");
    for (size_t i = 0; i < n; i++)
        if (p[i] == '.' || p[i] == 'e') return true;
    return !strncmp(p, "inf", 3) || !strncmp(p, "-inf", 4) || !strncmp(p, "nan", 3);
}

static etch_val read_scalar(reader *r)
{
    if (take(r, "none")) return etch_val_none();
    if (take(r, "true")) return etch_val_bool(true);
    if (take(r, "false")) return etch_val_bool(false);
    if (take(r, "\"")) {
        size_t n = strcspn(r->p, "\"");
        etch_val v = etch_val_str((etch_str){ r->p, n });
        r->p += n + 1;
        return v;
    }
    if (is_float_token(r->p)) {
        char *end;
        double f = strtod(r->p, &end);
        r->p = end;
        return etch_val_float(f);
    }
    return etch_val_dim(read_dim(r));
}

static etch_val read_arg(reader *r, etch_type type)
{
    etch_val v = { .kind = ETCH_V_TENSORS };
    if (starts_tensor(r->p)) return etch_val_tensor(read_tensor(r));
    if (take(r, "{")) {
        v.tensors.p = must(etch_arena_alloc(&r->arena, sizeof(etch_tensor *) * MAX_ARGS));
        while (!take(r, "}")) {
            if (v.tensors.n) need(r, ", ");
            v.tensors.p[v.tensors.n++] = take(r, "none") ? NULL : read_tensor(r);
        }
        return v;
    }
    if (!take(r, "[")) return read_scalar(r);
    etch_val items[MAX_ARGS];
    int n = 0;
    while (!take(r, "]")) {
        if (n) need(r, ", ");
        items[n++] = read_scalar(r);
    }
    if (type == ETCH_T_TENSORS || type == ETCH_T_TENSORS_OPT) return v;
    if (type == ETCH_T_FLOATS || type == ETCH_T_FLOATS_OPT) {
        v = (etch_val){ .kind = ETCH_V_FLOATS, .floats = { must(etch_arena_alloc(&r->arena, sizeof(double) * MAX_ARGS)), n } };
        for (int i = 0; i < n; i++) v.floats.p[i] = etch_val_as_double(&items[i]);
    } else if (type == ETCH_T_BOOLS) {
        v = (etch_val){ .kind = ETCH_V_BOOLS, .bools = { must(etch_arena_alloc(&r->arena, sizeof(bool) * MAX_ARGS)), n } };
        for (int i = 0; i < n; i++) v.bools.p[i] = items[i].b;
    } else {
        v = (etch_val){ .kind = ETCH_V_INTS, .ints = { must(etch_arena_alloc(&r->arena, sizeof(etch_dim) * MAX_ARGS)), n } };
        for (int i = 0; i < n; i++) v.ints.p[i] = items[i].i;
    }
    return v;
}

// Zeros (ones for masks) for the few rules that look at data.
static void give_data(etch_tensor *t)
{
    static uint8_t zeros[8192], ones[8192];
    memset(ones, 1, sizeof ones);
    size_t n;
    if (etch_tensor_nbytes(t, &n) && n <= sizeof zeros) t->data = t->dtype == ETCH_BOOL ? ones : zeros;
}

// Runs one line "name(args) -> types"; false with a message when the result differs.
static bool run(const char *line, etch_syms *syms, bool as_runtime, bool with_data, unsigned char *seen)
{
    reader r = { .syms = syms, .p = line };
    etch_arena_init(&r.arena);
    size_t n = strcspn(line, "(");
    const etch_op *op = etch_op_find((etch_str){ line, n });
    if (!op || !op->shape) fail_msg("no row or rule: %s", line);
    if (seen) seen[op->id] = 1;
    r.p += n + 1;
    etch_val args[MAX_ARGS];
    int n_args = 0;
    while (!take(&r, ")")) {
        if (n_args) need(&r, ", ");
        if (n_args >= op->schema->n_params) fail_msg("too many arguments: %s", line);
        args[n_args] = read_arg(&r, op->schema->params[n_args].type);
        if (with_data && args[n_args].kind == ETCH_V_TENSOR) give_data(args[n_args].t);
        n_args++;
    }
    if (n_args != op->schema->n_params) fail_msg("%d arguments, not %d: %s", n_args, op->schema->n_params, line);
    need(&r, " -> ");
    const char *want = r.p;
    etch_tensor tensors[MAX_ARGS] = { 0 }, *list[MAX_ARGS];
    for (int i = 0; i < MAX_ARGS; i++) list[i] = &tensors[i];
    int n_want = 0;
    for (const char *p = want; *p; p++) n_want += *p == '[';
    etch_outs outs = { op->schema->returns_list ? n_want : op->schema->n_returns, list };
    etch_shape_cx cx = { .syms = syms, .where = ETCH_LIT("model.py:1"), .arena = as_runtime ? NULL : &r.arena };
    etch_status *s = op->shape(&cx, args, n_args, &outs);
    etch_buf got;
    etch_buf_init(&got);
    if (s) {
        etch_buf_puts(&got, "error");
    } else {
        for (int i = 0; i < outs.n; i++) {
            if (i) etch_buf_puts(&got, ", ");
            etch_tensor_print_type(&got, outs.t[i]);
        }
    }
    bool same = etch_str_eqz(etch_buf_str(&got), want);
    if (!same) print_error("%s\n   gives %.*s %s\n", line, ETCH_STR_ARGS(etch_buf_str(&got)), s ? etch_status_message(s) : "");
    if (s && etch_status_code(s) == ETCH_INTERNAL) {
        print_error("%s\n   internal error: %s\n", line, etch_status_message(s));
        same = false;
    }
    etch_status_ignore(s);
    etch_buf_deinit(&got);
    etch_arena_deinit(&r.arena);
    return same;
}

void test_op_shape__agrees_with_pytorch(void **state)
{
    (void)state;
    etch_buf text;
    etch_buf_init(&text);
    const char *path = getenv("ETCH_SHAPES");  // another recording of tools/golden/shapes.py
    etch_status *s = etch_file_read(path ? path : ETCH_SOURCE_DIR "/op/testdata/shapes.txt", &text);
    if (s) fail_msg("%s", etch_status_message(s));
    etch_buf_fill(&text, 0, 1);
    unsigned char seen[ETCH_OP_COUNT] = { 0 };
    int bad = 0;
    for (char *line = (char *)text.ptr, *end; *line; line = end + 1) {
        end = strchr(line, '\n');
        assert_non_null(end);
        *end = 0;
        if (line[0] == '#') continue;
        bad += !run(line, NULL, true, true, seen);
        bad += !run(line, NULL, false, true, NULL);
    }
    etch_buf_deinit(&text);
    for (int i = 0; i < ETCH_OP_COUNT; i++) {
        const etch_op *op = etch_op_get((etch_op_id)i);
        static const char *const not_here[] = { "quantized_decomposed::add", "quantized_decomposed::mixed_mm",
            "quantized_decomposed::mixed_linear" };
        bool upstream = etch_str_starts(op->schema->name, "aten::") || etch_str_starts(op->schema->name, "quantized_decomposed::");
        bool elsewhere = !upstream || op->schema->n_returns == 0 || op->schema->returns_scalar;
        for (size_t k = 0; k < sizeof not_here / sizeof not_here[0]; k++) elsewhere |= etch_str_eqz(op->schema->name, not_here[k]);
        if (op->shape && !seen[i] && !elsewhere) {
            print_error("no recorded case: %.*s\n", ETCH_STR_ARGS(op->schema->name));
            bad++;
        }
    }
    if (bad) fail_msg("%d cases differ", bad);
}

typedef struct { etch_arena arena; etch_syms syms; } table;

static void begin(table *t)
{
    etch_dim d;
    etch_arena_init(&t->arena);
    etch_syms_init(&t->syms, &t->arena);
    assert_null(etch_syms_new(&t->syms, ETCH_LIT("s0"), 1, 63, 8, &d));
    assert_null(etch_syms_new(&t->syms, ETCH_LIT("s1"), 2, 100, 5, &d));
    assert_null(etch_syms_new(&t->syms, ETCH_LIT("u0"), 0, 63, 3, &d));
}

// Sizes of a decoder step: no guard may be needed for any of these.
void test_op_shape__symbolic_without_guards(void **state)
{
    (void)state;
    static const char *const lines[] = {
        "aten::add.Tensor(f32[1, s0, 64], f32[64], 1) -> f32[1, s0, 64]",
        "aten::add.Tensor(f32[1, s0], f32[1, 1], 1) -> f32[1, s0]",
        "aten::add.Tensor(i64[1, 1], f32[s0, 1], 1) -> f32[s0, 1]",
        "aten::mul.Tensor(f32[1, 4, s0, 16], f32[1, 1, s0, 16]) -> f32[1, 4, s0, 16]",
        "aten::add.Tensor(i64[s0], u0, 1) -> i64[s0]",
        "aten::embedding(f32[256, 64], i64[1, s0], -1, false, false) -> f32[1, s0, 64]",
        "aten::linear(f32[1, s0, 64], f32[128, 64], none) -> f32[1, s0, 128]",
        "aten::view(f32[1, s0, 64], [1, s0, 4, 16]) -> f32[1, s0, 4, 16]",
        "aten::view(f32[1, s0, 64], [1, s0, -1, 16]) -> f32[1, s0, 4, 16]",
        "aten::view(f32[1, s0, 64], [-1, 64]) -> f32[s0, 64]",
        "aten::view(f32[s0, s1, 8], [s0*s1, 8]) -> f32[s0*s1, 8]",
        "aten::view(f32[s0 + 1, 8], [-1, 4]) -> f32[2*s0 + 2, 4]",
        "aten::view(f32[2*s0, 8], [s0, -1]) -> f32[s0, 16]",
        "aten::view(f32[s0 + 1, 8], [s0 + 1, -1]) -> f32[s0 + 1, 8]",
        "aten::flatten.using_ints(f32[s0, s1, 8], 0, 1) -> f32[s0*s1, 8]",
        "aten::unflatten.int(f32[1, 4*s0], 1, [-1, 4]) -> f32[1, s0, 4]",
        "aten::transpose.int(f32[1, s0, 4, 16], 1, 2) -> f32[1, 4, s0, 16]",
        "aten::permute(f32[1, s0, 4, 16], [0, 2, 1, 3]) -> f32[1, 4, s0, 16]",
        "aten::unsqueeze(i64[s0], 0) -> i64[1, s0]",
        "aten::expand(f32[1, 1, s0, 16], [1, 4, s0, 16], false) -> f32[1, 4, s0, 16]",
        "aten::expand(f32[1, 1, 1], [s0, -1, s1], false) -> f32[s0, 1, s1]",
        "aten::slice.Tensor(f32[1, s0, 64], 1, 0, s0, 1) -> f32[1, s0, 64]",
        "aten::slice.Tensor(f32[1, s0, 64], 1, 0, 9223372036854775807, 1) -> f32[1, s0, 64]",
        "aten::slice.Tensor(f32[1, s0, 64], 1, -1, none, 1) -> f32[1, 1, 64]",
        "aten::slice.Tensor(f32[1, s0, 64], 1, 1, none, 1) -> f32[1, s0 - 1, 64]",
        "aten::slice.Tensor(f32[1, s0, 64], 1, none, -1, 1) -> f32[1, s0 - 1, 64]",
        "aten::slice.Tensor(f32[1, s0, 64], 1, -s0, none, 1) -> f32[1, s0, 64]",
        "aten::slice.Tensor(f32[1, s0, 64], 1, 0, 5, 1) -> f32[1, min(s0, 5), 64]",
        "aten::slice.Tensor(f32[64, 64], 0, 0, s0, 1) -> f32[s0, 64]",
        "aten::slice.Tensor(f32[64, 64], 0, u0, u0 + s0, 1) -> f32[-u0 + min(s0 + u0, 64), 64]",
        "aten::slice.Tensor(f32[s0 + u0, 64], 0, u0, none, 1) -> f32[s0, 64]",
        "aten::slice.Tensor(f32[s0], 0, none, none, 2) -> f32[((s0 + 1) // 2)]",
        "aten::slice.Tensor(f32[64, 64], 0, -s0, none, 1) -> f32[s0, 64]",
        "aten::narrow(f32[64, 64], 0, 0, s0) -> f32[s0, 64]",
        "aten::select.int(f32[1, s0, 64], 1, -1) -> f32[1, 64]",
        "aten::cat({f32[1, s0, 8], f32[1, s1, 8]}, 1) -> f32[1, s0 + s1, 8]",
        "aten::cat({f32[1, s0, 8], f32[1, s0, 8]}, -1) -> f32[1, s0, 16]",
        "aten::stack({f32[s0], f32[s0]}, -1) -> f32[s0, 2]",
        "aten::split.Tensor(f32[1, s0, 64], 32, 2) -> f32[1, s0, 32], f32[1, s0, 32]",
        "aten::chunk(f32[1, s0, 64], 2, -1) -> f32[1, s0, 32], f32[1, s0, 32]",
        "aten::repeat(f32[1, s0], [2, 3]) -> f32[2, 3*s0]",
        "aten::repeat_interleave.self_int(f32[1, s0], 2, 1, none) -> f32[1, 2*s0]",
        "aten::matmul(f32[1, 4, s0, 16], f32[1, 4, 16, s0]) -> f32[1, 4, s0, s0]",
        "aten::bmm(f32[4, s0, 16], f32[4, 16, 64]) -> f32[4, s0, 64]",
        "aten::addmm(f32[128], f32[s0, 64], f32[64, 128], 1, 1) -> f32[s0, 128]",
        "aten::scaled_dot_product_attention(f32[1, 4, s0, 16], f32[1, 4, 64, 16], f32[1, 4, 64, 16], f32[1, 1, s0, 64], 0.0, false, "
        "0.25, false) -> f32[1, 4, s0, 16]",
        "aten::scaled_dot_product_attention(f32[1, 4, s0, 16], f32[1, 2, s0, 16], f32[1, 2, s0, 16], none, 0.0, true, none, true)"
        " -> f32[1, 4, s0, 16]",
        "aten::layer_norm(f32[1, s0, 64], [64], f32[64], f32[64], 0.00001, false) -> f32[1, s0, 64]",
        "aten::native_layer_norm(f32[1, s0, 64], [64], f32[64], none, 0.00001) -> f32[1, s0, 64], f32[1, s0, 1], f32[1, s0, 1]",
        "aten::mean.dim(f32[1, s0, 64], [-1], true, none) -> f32[1, s0, 1]",
        "aten::sum.dim_IntList(i32[s0, s1], [0], false, none) -> i64[s1]",
        "aten::cumsum(i64[1, s0], 1, none) -> i64[1, s0]",
        "aten::arange(s0, none, none, none, none) -> i64[s0]",
        "aten::arange.start(u0, s0 + u0, none, none, none, none) -> i64[s0]",
        "aten::arange.start_step(0, s0, 2, none, none, none, none) -> i64[((s0 + 1) // 2)]",
        "aten::full([s0, s0 + u0], 0.0, none, none, none, none) -> f32[s0, s0 + u0]",
        "aten::new_zeros(f32[2], [1, s0], none, none, none, none) -> f32[1, s0]",
        "aten::constant_pad_nd(f32[1, 8, s0], [3, 0], 0) -> f32[1, 8, s0 + 3]",
        "aten::conv1d(f32[1, 8, s0 + 3], f32[8, 1, 4], none, [1], [0], [1], 8) -> f32[1, 8, s0]",
        "aten::index.Tensor(f32[1, 64, 16], {none, i64[s0]}) -> f32[1, s0, 16]",
        "aten::index.Tensor(bool[1, 64], {i64[1, 1, 1, 1], i64[s0]}) -> bool[1, 1, 1, s0]",
        "aten::index_copy(f32[1, 2, 64, 16], 2, i64[s0], f32[1, 2, s0, 16]) -> f32[1, 2, 64, 16]",
        "aten::gather(f32[1, s0, 8], 2, i64[1, s0, 2], false) -> f32[1, s0, 2]",
        "aten::topk(f32[s0, 8], 2, -1, true, true) -> f32[s0, 2], i64[s0, 2]",
        "aten::one_hot(i64[s0, 2], 8) -> i64[s0, 2, 8]",
        "aten::where.self(bool[s0, 1], f32[], f32[1, s0]) -> f32[s0, s0]",
        "aten::tril(bool[s0, s0], 0) -> bool[s0, s0]",
        "aten::diagonal(f32[s0, s0], 0, 0, 1) -> f32[s0]",
        "aten::squeeze.dim(f32[1, s0, 1], -1) -> f32[1, s0]",
        "aten::upsample_nearest2d.vec(f32[1, 3, s0, 8], none, [2.0, 2.0]) -> f32[1, 3, 2*s0, 16]",
        "llama::update_cache(f32[1, s0, 2, 16], f32[1, 64, 2, 16], u0) -> f32[1]",
        "llama::custom_sdpa(f32[1, s0, 4, 16], f32[1, 64, 2, 16], f32[1, 64, 2, 16], u0, none, 0.0, true, none) -> f32[1, s0, 4, 16]",
        "aten::view(f32[1, s0, 64], [1, s0, 5]) -> error",
        "aten::add.Tensor(f32[s0 + 64], f32[3], 1) -> error",
    };
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        table t;
        begin(&t);
        if (!run(lines[i], &t.syms, false, false, NULL)) fail_msg("%s", lines[i]);
        if (t.syms.n_guards && !strstr(lines[i], "error"))
            fail_msg("%s\n   guard %.*s", lines[i], ETCH_STR_ARGS(t.syms.guards[0].text));
        etch_arena_deinit(&t.arena);
    }
}

// Operators of the official runtime that PyTorch has no implementation of.
void test_op_shape__custom_operators(void **state)
{
    (void)state;
    static const char *const lines[] = {
        "quantized_decomposed::mixed_mm(f32[2, 4], i8[4, 3], f32[3], none) -> f32[2, 3]",
        "quantized_decomposed::mixed_mm(f32[2, 4], i8[3, 4], f32[3], none) -> error",
        "quantized_decomposed::mixed_linear(f32[2, 5, 4], i8[3, 4], f32[3], none, none) -> f32[2, 5, 3]",
        "quantized_decomposed::add(i8[2, 3], 1.0, 0, -128, 127, i8[2, 3], 1.0, 0, -128, 127, 1.0, 0, -128, 127) -> i8[2, 3]",
        "dim_order_ops::_to_dim_order_copy(f32[2, 3], 15, none, none, none, false, [0, 1]) -> bf16[2, 3]",
        "dim_order_ops::_clone_dim_order(f32[2, 3], false, [0, 1]) -> f32[2, 3]",
        "dim_order_ops::_empty_dim_order([2, 3], none, none, none, none, [0, 1]) -> f32[2, 3]",
        "et_copy::_d2h_copy(f32[2, 3]) -> f32[2, 3]",
        "llama::update_cache(f32[1, 3, 2, 16], f32[1, 64, 2, 16], 5) -> f32[1]",
        "llama::update_cache(f32[1, 3, 2, 16], f32[1, 64, 4, 16], 5) -> error",
        "llama::update_cache_with_indices(f32[1, 3, 2, 16], f32[1, 64, 2, 16], 0, i64[1, 3]) -> f32[1]",
        "llama::custom_sdpa(f32[1, 3, 4, 16], f32[1, 64, 2, 16], f32[1, 64, 2, 16], 5, none, 0.0, true, none) -> f32[1, 3, 4, 16]",
        "llama::custom_quantized_sdpa(i8[1, 3, 4, 16], i8[1, 64, 2, 16], i8[1, 64, 2, 16], 5, none, 0.0, true, none, none, none, none, "
        "none, none, none, false) -> f32[1, 3, 4, 16]",
        "llama::sdpa_with_kv_cache(f32[1, 3, 4, 16], f32[1, 3, 2, 16], f32[1, 3, 2, 16], f32[1, 64, 2, 16], f32[1, 64, 2, 16], 5, 3, none, "
        "0.0, true, none) -> f32[1, 3, 4, 16]",
        "llama::fast_hadamard_transform(f32[3, 16]) -> f32[3, 16]",
        "llama::gated_delta_rule(f32[1, 4, 3, 8], f32[1, 4, 3, 8], f32[1, 4, 3, 6], f32[1, 4, 3], f32[1, 4, 3], f32[1, 4, 8, 6]) -> "
        "f32[1, 4, 3, 6], f32[1, 4, 8, 6]",
        "preprocess::tile_crop(f32[3, 28, 42], 14) -> f32[6, 3, 14, 14]",
    };
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++)
        if (!run(lines[i], NULL, true, false, NULL)) fail_msg("%s", lines[i]);
}

// Where the form and the range do not decide, the example does and says so.
void test_op_shape__symbolic_with_guards(void **state)
{
    (void)state;
    static const struct { const char *line, *guard; } cases[] = {
        { "aten::add.Tensor(f32[s0], f32[8], 1) -> f32[8]", "s0 == 8" },
        { "aten::add.Tensor(f32[s1], f32[s0], 1) -> error", NULL },
        { "aten::squeeze(f32[1, s0, 3]) -> f32[s0, 3]", "s0 != 1" },
        { "aten::unbind.int(f32[s0, 3], 0) -> f32[3], f32[3], f32[3], f32[3], f32[3], f32[3], f32[3], f32[3]", "s0 == 8" },
        { "aten::view(f32[s0, 3], [24]) -> f32[24]", "3*s0 == 24" },
        { "aten::matmul(f32[2, s0], f32[8, 3]) -> f32[2, 3]", "s0 == 8" },
        { "aten::narrow(f32[64, 64], 0, u0, s0) -> f32[s0, 64]", "s0 + u0 <= 64" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        table t;
        begin(&t);
        if (!run(cases[i].line, &t.syms, false, false, NULL)) fail_msg("%s", cases[i].line);
        if (cases[i].guard) {
            assert_int_equal(t.syms.n_guards, 1);
            if (!etch_str_eqz(t.syms.guards[0].text, cases[i].guard)) fail_msg("guard %.*s", ETCH_STR_ARGS(t.syms.guards[0].text));
            assert_true(etch_str_eqz(t.syms.guards[0].where, "model.py:1"));
        }
        etch_arena_deinit(&t.arena);
    }
}

// Whatever the arguments are, a rule answers with a status.
void test_op_shape__wrong_arguments_are_errors(void **state)
{
    (void)state;
    etch_tensor t = { .dtype = ETCH_F32, .rank = 0 }, out[4] = { 0 }, *list[4] = { &out[0], &out[1], &out[2], &out[3] }, *none = NULL;
    etch_dim big[3] = { etch_dim_of(INT64_MAX), etch_dim_of(-5), etch_dim_of(INT64_MIN) };
    const etch_val values[] = {
        etch_val_none(), etch_val_tensor(&t), etch_val_int(0), etch_val_int(-1), etch_val_int(INT64_MIN), etch_val_int(INT64_MAX),
        etch_val_float(0.5), etch_val_bool(true), etch_val_str(ETCH_LIT("same")), { .kind = ETCH_V_INTS },
        { .kind = ETCH_V_INTS, .ints = { big, 3 } },
        { .kind = ETCH_V_FLOATS }, { .kind = ETCH_V_TENSORS }, { .kind = ETCH_V_TENSORS, .tensors = { &none, 1 } },
    };
    enum { N = sizeof values / sizeof values[0] };
    uint32_t x = 1;
    for (int i = 0; i < ETCH_OP_COUNT; i++) {
        const etch_op *op = etch_op_get((etch_op_id)i);
        for (int round = 0; op->shape && round < 200; round++) {
            etch_val args[MAX_ARGS];
            int n = op->schema->n_params;
            x = x * 1664525u + 1013904223u;
            t.rank = (int)(x >> 28) % 5;
            t.dtype = x & 1u << 20 ? ETCH_F32 : ETCH_I64;
            for (int k = 0; k < t.rank; k++) t.sizes[k] = etch_dim_of(x & 1u << k ? 3 : INT64_MAX / 3);
            for (int k = 0; k < n; k++) {
                x = x * 1664525u + 1013904223u;
                args[k] = k == 0 && x & 1u << 16 ? values[1] : values[(x >> 17) % N];
            }
            etch_outs outs = { 4, list };
            etch_shape_cx cx = { 0 };
            etch_status *s = op->shape(&cx, args, round % 7 == 6 ? 0 : n, &outs);
            if (s) assert_int_not_equal(etch_status_code(s), ETCH_INTERNAL);
            etch_status_ignore(s);
        }
    }
}
