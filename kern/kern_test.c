// Replays kern/testdata/kernels.txt (what PyTorch computes) against shape rule and kernel of every row. A row of op/ops.def with a
// kernel and no case fails. Also: hostile arguments give a status, and random kernels keep to their range.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/cpu.h"
#include "base/file.h"
#include "base/num.h"
#include "kern/fgemm/fgemm.h"
#include "kern/kern.h"

// ---- tolerances ----
// |got - want| <= rtol |want| + atol max|want|: rtol covers rounding of the result, atol what sums lose by their order.
// Integers, bool and everything that only moves data compare equal, whatever the table says.
typedef struct tolerance { double rtol, atol; } tolerance;

static tolerance tolerance_of(const char *name, etch_dtype d)
{
    tolerance t = { 1e-5, 1e-6 };                            // f32: libm and summation order
    if (d == ETCH_F64) t = (tolerance){ 1e-11, 1e-12 };      // also erfinv, digamma: series
    if (d == ETCH_F16) t = (tolerance){ 0x1p-10, 1e-4 };     // one unit in the last place of half
    if (d == ETCH_BF16) t = (tolerance){ 0x1p-7, 1e-3 };     // one of bfloat16
    // PyTorch's own cubic weights and source coordinates are f32; ours are double from the same coordinates.
    if (strstr(name, "bicubic") || strstr(name, "grid_sampler") || strstr(name, "_fft_")) t.atol = 1e-5;
    // f32 inputs near a pole: the reflected argument loses digits in either implementation.
    if (strstr(name, "lgamma") || strstr(name, "digamma") || strstr(name, "aten::tan(")) t.rtol = d == ETCH_F64 ? 1e-10 : 1e-4;
    // PyTorch rounds x / (1 - x) to the half type before the logarithm.
    if (strstr(name, "logit") && (d == ETCH_F16 || d == ETCH_BF16)) t.atol = d == ETCH_F16 ? 1e-3 : 5e-3;
    return t;
}

// ---- reading the file ----

typedef struct reader { const char *p, *end; etch_arena *a; bool bad; } reader;

static void blanks(reader *r)
{
    while (r->p < r->end && *r->p == ' ') r->p++;
}
static bool eat(reader *r, const char *word)
{
    size_t n = strlen(word);
    blanks(r);
    if ((size_t)(r->end - r->p) < n || memcmp(r->p, word, n)) return false;
    r->p += n;
    return true;
}
static void *take(reader *r, size_t n)
{
    void *p = etch_arena_alloc(r->a, n ? n : 1);
    assert_non_null(p);
    return p;
}

static int sextet(char c)
{
    if (c >= 'A' && c <= 'Z') return c - 'A';
    if (c >= 'a' && c <= 'z') return c - 'a' + 26;
    if (c >= '0' && c <= '9') return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

// "f32[2, 3]=<base64>"; data comes from malloc, so that a read beyond it is seen by the address sanitizer.
static etch_tensor *read_tensor(reader *r)
{
    etch_tensor *t = take(r, sizeof *t);
    const char *name = r->p;
    while (r->p < r->end && *r->p != '[') r->p++;
    t->dtype = etch_dtype_from_name((etch_str){ name, (size_t)(r->p - name) });
    assert_true(t->dtype != ETCH_DTYPE_NONE);
    r->p++;
    while (!eat(r, "]")) {
        char *end;
        if (t->rank) assert_true(eat(r, ","));
        t->sizes[t->rank++].v = strtoll(r->p, &end, 10);
        r->p = end;
    }
    assert_true(eat(r, "="));
    assert_true(etch_tensor_nbytes(t, &t->capacity));
    uint8_t *data = malloc(t->capacity ? t->capacity : 1);
    assert_non_null(data);
    size_t n = 0;
    uint32_t bits = 0;
    int have = 0, s;
    for (; r->p < r->end && (s = sextet(*r->p)) >= 0; r->p++) {
        bits = bits << 6 | (uint32_t)s;
        have += 6;
        if (have < 8) continue;
        have -= 8;
        assert_true(n < t->capacity);
        data[n++] = (uint8_t)(bits >> have);
    }
    while (r->p < r->end && *r->p == '=') r->p++;
    assert_int_equal(n, t->capacity);
    t->data = data;
    return t;
}

static etch_val read_val(reader *r)
{
    blanks(r);
    if (eat(r, "none")) return etch_val_none();
    if (eat(r, "true")) return etch_val_bool(true);
    if (eat(r, "false")) return etch_val_bool(false);
    if (eat(r, "\"")) {
        const char *s = r->p;
        while (r->p < r->end && *r->p != '"') r->p++;
        return etch_val_str((etch_str){ s, (size_t)(r->p++ - s) });
    }
    if (eat(r, "[") || eat(r, "{")) {
        char close = r->p[-1] == '[' ? ']' : '}';
        etch_val *items = take(r, sizeof *items * 64);
        int n = 0;
        while (blanks(r), *r->p != close) {
            if (n) assert_true(eat(r, ","));
            assert_true(n < 64);
            items[n++] = read_val(r);
        }
        r->p++;
        etch_val v = { .kind = ETCH_V_INTS };
        if (close == '}') {
            v.kind = ETCH_V_TENSORS;
            v.tensors.p = take(r, sizeof(etch_tensor *) * 64);
            v.tensors.n = n;
            for (int i = 0; i < n; i++) v.tensors.p[i] = items[i].kind == ETCH_V_TENSOR ? items[i].t : NULL;
        } else if (n && items[0].kind == ETCH_V_FLOAT) {
            v.kind = ETCH_V_FLOATS;
            v.floats.p = take(r, sizeof(double) * 64);
            v.floats.n = n;
            for (int i = 0; i < n; i++) v.floats.p[i] = items[i].f;
        } else if (n && items[0].kind == ETCH_V_BOOL) {
            v.kind = ETCH_V_BOOLS;
            v.bools.p = take(r, sizeof(bool) * 64);
            v.bools.n = n;
            for (int i = 0; i < n; i++) v.bools.p[i] = items[i].b;
        } else {
            v.ints.p = take(r, sizeof(etch_dim) * 64);
            v.ints.n = n;
            for (int i = 0; i < n; i++) v.ints.p[i] = items[i].i;
        }
        return v;
    }
    const char *q = r->p;
    while (q < r->end && *q != ',' && *q != ')' && *q != ']' && *q != '[' && *q != '}') q++;
    if (q < r->end && *q == '[') return etch_val_tensor(read_tensor(r));
    char *end;
    bool real = false;
    for (const char *c = r->p; c < q; c++) real = real || *c == '.' || *c == 'e' || *c == 'n';
    etch_val v = real ? etch_val_float(strtod(r->p, &end)) : etch_val_int(strtoll(r->p, &end, 10));
    assert_ptr_not_equal(end, r->p);
    r->p = end;
    return v;
}

static void free_val(const etch_val *v)
{
    if (v->kind == ETCH_V_TENSOR) free(v->t->data);
    if (v->kind == ETCH_V_TENSORS)
        for (int i = 0; i < v->tensors.n; i++)
            if (v->tensors.p[i]) free(v->tensors.p[i]->data);
}

// ---- comparing ----

static double part(const etch_tensor *t, int64_t i)
{
    return t->dtype == ETCH_C64 ? (double)((const float *)t->data)[i] : etch_load_double(t->data, t->dtype, i);
}

// Says what differs; empty when nothing does.
static void compare(const char *name, const etch_tensor *got, const etch_tensor *want, etch_buf *out)
{
    etch_buf g = { 0 }, w = { 0 };
    etch_tensor_print_type(&g, got);
    etch_tensor_print_type(&w, want);
    if (!etch_str_eq(etch_buf_str(&g), etch_buf_str(&w)))
        etch_buf_printf(out, "%.*s, expected %.*s", ETCH_STR_ARGS(etch_buf_str(&g)), ETCH_STR_ARGS(etch_buf_str(&w)));
    etch_buf_deinit(&g);
    etch_buf_deinit(&w);
    if (out->len) return;
    int64_t n = etch_numel(want) * (want->dtype == ETCH_C64 ? 2 : 1);
    bool exact = !etch_dtype_is_float(want->dtype) && want->dtype != ETCH_C64;
    tolerance t = tolerance_of(name, want->dtype);
    double top = 0;
    for (int64_t i = 0; i < n; i++) {
        double x = fabs(part(want, i));
        if (x < INFINITY && x > top) top = x;
    }
    for (int64_t i = 0; i < n && !out->len; i++) {
        if (exact) {
            int64_t a = etch_load_int(got->data, got->dtype, i), b = etch_load_int(want->data, want->dtype, i);
            if (a != b) etch_buf_printf(out, "[%lld] is %lld, expected %lld", (long long)i, (long long)a, (long long)b);
            continue;
        }
        double a = part(got, i), b = part(want, i);
        if (a == b || (a != a && b != b)) continue;
        if (!(fabs(a - b) <= t.rtol * fabs(b) + t.atol * top)) etch_buf_printf(out, "[%lld] is %.9g, expected %.9g", (long long)i, a, b);
    }
}

// One line: 0 when it agrees, 1 and a message when not.
static int replay(const char *line, size_t len, uint8_t *seen)
{
    etch_arena arena;
    etch_arena_init(&arena);
    reader r = { line, line + len, &arena, false };
    const char *open = memchr(line, '(', len);
    assert_non_null(open);
    char name[128];
    snprintf(name, sizeof name, "%.*s", (int)(open - line + 1), line);
    const etch_op *op = etch_op_find((etch_str){ line, (size_t)(open - line) });
    if (!op) return 0;  // a row that is gone
    etch_val args[32];
    int n_args = 0;
    r.p = open + 1;
    while (!eat(&r, ")")) {
        if (n_args) assert_true(eat(&r, ","));
        args[n_args++] = read_val(&r);
    }
    assert_true(eat(&r, "->"));
    etch_tensor outs[32], *want[32];
    int n_want = 0, n_out = 0, bad = 0;
    bool any = eat(&r, "any");
    while (!any && r.p < r.end) {
        if (n_want && !eat(&r, ",")) break;
        blanks(&r);
        want[n_want++] = read_tensor(&r);
    }
    etch_buf msg = { 0 };
    etch_status *s = etch_kern_eval(op, args, n_args, outs, 32, &n_out);
    if (s) etch_buf_printf(&msg, "%s", etch_status_message(s));
    etch_status_ignore(s);
    seen[op->id] = 1;
    if (!msg.len && !any && n_out != n_want) etch_buf_printf(&msg, "%d results, expected %d", n_out, n_want);
    for (int i = 0; i < n_want && !msg.len; i++) compare(name, &outs[i], want[i], &msg);
    while (eat(&r, ";")) {  // arguments after the call
        char *end;
        long i = strtol((blanks(&r), r.p), &end, 10);
        r.p = end;
        assert_true(eat(&r, "="));
        etch_tensor *t = read_tensor(&r);
        if (!msg.len) compare(name, args[i].t, t, &msg);
        free(t->data);
    }
    if (msg.len) {
        print_message("%.*s: %.*s\n", (int)(len > 150 ? 150 : len), line, ETCH_STR_ARGS(etch_buf_str(&msg)));
        bad = 1;
    }
    etch_buf_deinit(&msg);
    for (int i = 0; i < n_out; i++) free(outs[i].data);
    for (int i = 0; i < n_want; i++) free(want[i]->data);
    for (int i = 0; i < n_args; i++) free_val(&args[i]);
    etch_arena_deinit(&arena);
    return bad;
}

// A row that only upper layers make, with tests of its own beside its kernel.
static bool is_internal(const etch_op *op) { return etch_str_starts(op->schema->name, "etch::"); }

void test_kern_kern__agrees_with_pytorch(void **state)
{
    (void)state;
    etch_buf file = { 0 };
    assert_null(etch_file_read(ETCH_SOURCE_DIR "/kern/testdata/kernels.txt", &file));
    uint8_t seen[ETCH_OP_COUNT] = { 0 };
    int bad = 0, n = 0;
    const char *p = (const char *)file.ptr, *end = p + file.len;
    while (p < end) {
        const char *nl = memchr(p, '\n', (size_t)(end - p));
        size_t len = (size_t)((nl ? nl : end) - p);
        if (len && *p != '#') bad += replay(p, len, seen), n++;
        p += len + 1;
    }
    etch_buf_deinit(&file);
    for (int i = 0; i < ETCH_OP_COUNT; i++) {
        const etch_op *op = etch_op_get((etch_op_id)i);
        if (!etch_kern_find(op->id) || seen[i] || (op->flags & ETCH_OPF_RANDOM) || is_internal(op)) continue;
        print_message("no recorded case: %.*s\n", ETCH_STR_ARGS(op->schema->name));
        bad++;
    }
    assert_true(n > 500);
    if (bad) fail_msg("%d cases differ", bad);
}

// ---- conversions and products ----

typedef struct pool { uint8_t *blocks[64]; int n; } pool;
static void *pool_scratch(void *user, size_t bytes)
{
    pool *p = user;
    if (p->n == 64 || bytes > (64u << 20)) return NULL;
    return p->blocks[p->n++] = aligned_alloc(64, etch_align_up(bytes, 64));
}

static etch_tensor tensor_of(etch_dtype d, int rank, int64_t n0, int64_t n1, void *data, size_t bytes)
{
    etch_tensor t = { .dtype = d, .rank = rank, .data = data, .capacity = bytes };
    t.sizes[0].v = n0;
    t.sizes[1].v = n1;
    return t;
}

static void cast(etch_tensor *from, etch_tensor *to)
{
    etch_val args[7] = { etch_val_tensor(from) };
    etch_kern_cx cx = { 0 };
    assert_null(etch_kern_find(ETCH_OP__to_copy)(&cx, args, 7, &to, 1));
}

// All 65,536 halves to f32 and back, and f32 values around every rounding border, against base/num.h.
void test_kern_kern__half_conversions_are_exact(void **state)
{
    (void)state;
    enum { N = 65536 };
    uint16_t *h = malloc(N * 2), *back = malloc(N * 2);
    float *f = malloc(N * 4);
    assert_true(h && back && f);
    for (int i = 0; i < N; i++) h[i] = (uint16_t)i;
    etch_tensor th = tensor_of(ETCH_F16, 1, N, 0, h, N * 2), tf = tensor_of(ETCH_F32, 1, N, 0, f, N * 4),
                tb = tensor_of(ETCH_F16, 1, N, 0, back, N * 2);
    cast(&th, &tf);
    for (int i = 0; i < N; i++) assert_true(etch_f32_bits(f[i]) == etch_f32_bits(etch_f16_to_f32(h[i])));
    for (int step = -1; step <= 1; step++) {
        for (int i = 0; i < N; i++)
            f[i] = etch_f32_from_bits(etch_f32_bits(etch_f16_to_f32((uint16_t)i)) + 0x1000u * (i & 1) + (uint32_t)step);
        cast(&tf, &tb);
        for (int i = 0; i < N; i++) assert_int_equal(back[i], etch_f32_to_f16(f[i]));
    }
    free(h);
    free(back);
    free(f);
}

// A product through the family of the machine equals the scalar loops up to the order of sums.
void test_kern_kern__large_products_agree(void **state)
{
    (void)state;
    static const int64_t shapes[][3] = { { 1, 67, 300 }, { 5, 40, 129 }, { 33, 70, 1100 }, { 3, 4, 4096 } };
    for (size_t s = 0; s < sizeof shapes / sizeof shapes[0]; s++) {
        int64_t m = shapes[s][0], n = shapes[s][1], k = shapes[s][2];
        float *d[5];
        size_t count[5] = { (size_t)(m * k), (size_t)(n * k), (size_t)n, (size_t)(m * n), (size_t)(m * n) };
        for (int i = 0; i < 5; i++) {
            d[i] = malloc(count[i] * 4);
            assert_non_null(d[i]);
            for (size_t j = 0; j < count[i]; j++) d[i][j] = (float)((j * 2654435761u >> 7) % 2001) / 1000.0f - 1;
        }
        etch_tensor x = tensor_of(ETCH_F32, 2, m, k, d[0], count[0] * 4), w = tensor_of(ETCH_F32, 2, n, k, d[1], count[1] * 4);
        etch_tensor b = tensor_of(ETCH_F32, 1, n, 0, d[2], count[2] * 4), y = tensor_of(ETCH_F32, 2, m, n, d[3], count[3] * 4), z = y;
        z.data = d[4];
        for (int mm = 0; mm < 2; mm++) {
            etch_tensor wt = tensor_of(ETCH_F32, 2, k, n, d[1], count[1] * 4);
            etch_val args[3] = { etch_val_tensor(&x), etch_val_tensor(mm ? &wt : &w), etch_val_tensor(&b) };
            for (int fast = 0; fast < 2; fast++) {
                pool p = { .n = 0 };
                etch_kern_cx cx = { .scratch = pool_scratch, .user = &p, .fgemm = fast ? etch_fgemm_select(etch_cpu_features()) : NULL };
                etch_tensor *out = fast ? &z : &y;
                assert_null(etch_kern_find(mm ? ETCH_OP_mm : ETCH_OP_linear)(&cx, args, mm ? 2 : 3, &out, 1));
                for (int i = 0; i < p.n; i++) free(p.blocks[i]);
            }
            for (int64_t i = 0; i < m * n; i++) assert_true(fabsf(d[3][i] - d[4][i]) <= 1e-5f * (float)k * 0.05f + 1e-4f);
        }
        for (int i = 0; i < 5; i++) free(d[i]);
    }
}

// ---- hostile arguments ----

static uint64_t next(uint64_t *s)
{
    *s ^= *s << 13;
    *s ^= *s >> 7;
    return *s ^= *s << 17;
}

// Breaks one argument or output of a call that was right: another kind, dtype, size, rank, value, a missing tensor.
static void damage(etch_val *args, int n_args, etch_tensor *outs, int n_outs, uint64_t *seed)
{
    static const int64_t odd[] = { 0, 1, -1, 2, 7, -100, 1000000007, INT64_MAX, INT64_MIN, INT32_MAX };
    int i = (int)(next(seed) % (uint64_t)(n_args + n_outs));
    int64_t v = odd[next(seed) % 10];
    etch_tensor *t = i >= n_args ? &outs[i - n_args] : args[i].kind == ETCH_V_TENSOR ? args[i].t : NULL;
    if (i < n_args && args[i].kind == ETCH_V_TENSORS && args[i].tensors.n && next(seed) % 2) {
        int k = (int)(next(seed) % (uint64_t)args[i].tensors.n);
        if (next(seed) % 4 == 0) args[i].tensors.p[k] = NULL;
        t = args[i].tensors.p[k];
    }
    if (i < n_args && !t) {
        if (args[i].kind == ETCH_V_INTS && args[i].ints.n && next(seed) % 2) args[i].ints.p[next(seed) % (uint64_t)args[i].ints.n].v = v;
        else if (args[i].kind == ETCH_V_INTS && args[i].ints.n && next(seed) % 2) args[i].ints.n--;
        else if (args[i].kind == ETCH_V_INT && next(seed) % 4) args[i].i.v = v;
        else args[i] = next(seed) % 3 == 0 ? etch_val_none() : next(seed) % 2 ? etch_val_int(v) : etch_val_float((double)v * 0.5);
        return;
    }
    if (!t) return;
    switch (next(seed) % 6) {
    case 0: {  // another dtype that needs no more bytes
        static const etch_dtype d[] = { ETCH_BOOL, ETCH_I8, ETCH_I32, ETCH_I64, ETCH_F32, ETCH_F64, ETCH_BF16, ETCH_C64 };
        etch_dtype to = d[next(seed) % 8];
        if (etch_dtype_size(to) <= etch_dtype_size(t->dtype)) t->dtype = to;
        return;
    }
    case 1:  // a smaller dim
        if (t->rank) t->sizes[next(seed) % (uint64_t)t->rank].v /= 2;
        return;
    case 2:  // two dims exchanged
        if (t->rank > 1) {
            etch_dim d = t->sizes[0];
            t->sizes[0] = t->sizes[t->rank - 1];
            t->sizes[t->rank - 1] = d;
        }
        return;
    case 3:  // a dim less, or one of size 1 more
        if (t->rank && next(seed) % 2) t->rank--;
        else if (t->rank < ETCH_MAX_RANK) t->sizes[t->rank++].v = 1;
        return;
    case 4:  // other data
        for (size_t k = 0; k < t->capacity; k++) ((uint8_t *)t->data)[k] = (uint8_t)next(seed);
        return;
    default:
        if (i < n_args && args[i].kind == ETCH_V_TENSOR) args[i] = next(seed) % 2 ? etch_val_none() : etch_val_int(v);
        return;
    }
}

static void attack(const char *line, size_t len, uint64_t *seed)
{
    etch_arena arena;
    etch_arena_init(&arena);
    reader r = { line, line + len, &arena, false };
    const char *open = memchr(line, '(', len);
    const etch_op *op = etch_op_find((etch_str){ line, (size_t)(open - line) });
    etch_val args[32];
    int n_args = 0, n_outs = 0;
    r.p = open + 1;
    while (!eat(&r, ")")) {
        if (n_args) assert_true(eat(&r, ","));
        args[n_args++] = read_val(&r);
    }
    assert_true(eat(&r, "->"));
    etch_tensor outs[32], *ptrs[32], copies[64];
    while (!eat(&r, "any") && r.p < r.end && (n_outs == 0 || eat(&r, ","))) {
        blanks(&r);
        etch_tensor *t = read_tensor(&r);
        outs[n_outs++] = *t;
    }
    int n_copies = 0;  // what must be freed, whatever the damage does
    for (int i = 0; i < n_args; i++) {
        if (args[i].kind == ETCH_V_TENSOR) copies[n_copies++] = *args[i].t;
        for (int k = 0; args[i].kind == ETCH_V_TENSORS && k < args[i].tensors.n; k++)
            if (args[i].tensors.p[k]) copies[n_copies++] = *args[i].tensors.p[k];
    }
    for (int i = 0; i < n_outs; i++) copies[n_copies++] = outs[i], ptrs[i] = &outs[i];
    for (int m = 1 + (int)(next(seed) % 2); m > 0; m--) damage(args, n_args, outs, n_outs, seed);
    pool p = { .n = 0 };
    etch_kern_cx cx = { .scratch = pool_scratch, .user = &p };
    etch_status_ignore(etch_kern_find(op->id)(&cx, args, n_args, ptrs, n_outs));
    for (int i = 0; i < p.n; i++) free(p.blocks[i]);
    for (int i = 0; i < n_copies; i++) free(copies[i].data);
    etch_arena_deinit(&arena);
}

// Every recorded call with damaged arguments, given to the kernel without the shape rule in front: a result or a status, never a bad
// access (run under the sanitizers).
void test_kern_kern__hostile_arguments_do_no_harm(void **state)
{
    (void)state;
    etch_buf file = { 0 };
    assert_null(etch_file_read(ETCH_SOURCE_DIR "/kern/testdata/kernels.txt", &file));
    const char *p = (const char *)file.ptr, *end = p + file.len, *rounds = getenv("ETCH_KERN_ROUNDS");
    uint64_t seed = 88172645463325252u;
    int n = rounds ? atoi(rounds) : 3;
    while (p < end) {
        const char *nl = memchr(p, '\n', (size_t)(end - p)), *open = memchr(p, '(', (size_t)(end - p));
        size_t len = (size_t)((nl ? nl : end) - p);
        const etch_op *op = *p == '#' || !open ? NULL : etch_op_find((etch_str){ p, (size_t)(open - p) });
        for (int i = 0; i < n && op && etch_kern_find(op->id); i++) attack(p, len, &seed);
        p += len + 1;
    }
    etch_buf_deinit(&file);
}
