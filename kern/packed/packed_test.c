// Against the gguf package's numpy code and numpy (tools/golden/packed.py). Exact: the operations and their order are the same.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/file.h"
#include "kern/kern.h"
#include "kern/packed/packed.h"

static const char *at;

// The next hex word as bytes; the caller frees.
static void *hex(size_t n)
{
    uint8_t *out = malloc(n ? n : 1);
    unsigned byte;
    while (*at == ' ' || *at == '\n') at++;
    for (size_t i = 0; i < n; i++, at += 2) {
        assert_int_equal(sscanf(at, "%2x", &byte), 1);
        out[i] = (uint8_t)byte;
    }
    return out;
}

static void compare(const char *name, const etch_op *op, const etch_val *args, int n_args, int64_t rows, int64_t cols)
{
    float *want = hex((size_t)(rows * cols) * 4);
    etch_tensor out;
    int n;
    etch_status *s = etch_kern_eval(op, args, n_args, &out, 1, &n);
    if (s) fail_msg("%s: %s", name, etch_status_message(s));
    assert_int_equal(out.sizes[0].v, rows);
    assert_int_equal(out.sizes[1].v, cols);
    for (int64_t i = 0; i < rows * cols; i++)
        if (((float *)out.data)[i] != want[i])
            fail_msg("%s: value %lld is %a, not %a", name, (long long)i, (double)((float *)out.data)[i], (double)want[i]);
    free(out.data);
    free(want);
}

static etch_tensor matrix(etch_dtype d, int64_t n, int64_t m)
{
    etch_tensor t = { .dtype = d, .rank = 2, .sizes = { { n, NULL }, { m, NULL } } };
    t.capacity = (size_t)(n * m) * etch_dtype_size(d);
    t.data = hex(t.capacity);
    return t;
}

static void check_blocks(const char *name, const etch_block *b, int64_t rows, int64_t cols)
{
    etch_tensor t = matrix(ETCH_U8, rows, cols / b->values * b->bytes);
    const etch_val args[2] = { etch_val_tensor(&t), etch_val_str(etch_str_of(b->name)) };
    compare(name, etch_op_get(ETCH_OP_etch_dequantize_blocks), args, 2, rows, cols);
    free(t.data);
}

static void check_columns(const char *name, char *format, int64_t rows, int64_t cols)
{
    char *slash = strchr(format, '/');
    long bits = strtol(slash + 1, NULL, 10), per = 32 / bits;
    *slash = 0;
    char *end;
    long groups = strtol(at, &end, 10), ordered = strtol(end, &end, 10);
    at = end;
    bool awq = !strcmp(format, "awq");
    etch_tensor w = matrix(ETCH_I32, awq ? cols : cols / per, awq ? rows / per : rows), z = matrix(ETCH_I32, groups, rows / per);
    etch_tensor s = matrix(ETCH_F16, groups, rows), g = matrix(ETCH_I32, cols, 1);
    g.rank = 1;
    etch_packed p;
    etch_packed_format f;
    assert_true(etch_packed_format_parse(etch_str_of(format), &f));
    assert_null(etch_packed_from_columns(f, (int)bits, &w, &z, &s, &g, &p));
    assert_int_equal(p.group, ordered ? cols / groups : 1);
    const etch_val args[6] = { etch_val_tensor(&w), etch_val_tensor(&z), etch_val_tensor(&s), etch_val_tensor(&g), etch_val_int(bits),
                               etch_val_str(etch_str_of(format)) };
    compare(name, etch_op_get(ETCH_OP_etch_dequantize_columns), args, 6, rows, cols);
    ((int32_t *)g.data)[1] = (int32_t)groups;
    etch_status *refused = etch_packed_from_columns(f, (int)bits, &w, &z, &s, &g, &p);
    assert_non_null(refused);
    etch_status_free(refused);
    free(w.data), free(z.data), free(s.data), free(g.data);
}

void test_kern_packed__equals_numpy(void **state)
{
    (void)state;
    etch_buf file = { 0 };
    assert_null(etch_file_read(ETCH_SOURCE_DIR "/kern/packed/testdata/packed.txt", &file));
    etch_buf_put(&file, "", 1);
    at = (const char *)file.ptr;
    bool seen[ETCH_N_BLOCKS] = { false };
    int cases = 0;
    char name[32], format[32];
    long long rows, cols;
    for (int used; sscanf(at, "%31s %lld %lld%n", name, &rows, &cols, &used) == 3; cases++) {
        at += used;
        const etch_block *b = etch_block_named(etch_str_of(name));
        if (b) seen[b->id] = true;
        memcpy(format, name, sizeof format);
        if (b) check_blocks(name, b, rows, cols);
        else check_columns(name, format, rows, cols);
    }
    for (int i = 0; i < ETCH_N_BLOCKS; i++) assert_true(seen[i]);
    assert_int_equal(cases, ETCH_N_BLOCKS + 6);
    etch_buf_deinit(&file);
}
