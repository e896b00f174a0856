// Archives of PyTorch (pt2/testdata, written by tools/golden/pt2.py), archives made by hand, and the broken ones of which a user must be
// told.
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>

#include "pt2/internal.h"
#include "pt2/zip_build.h"

static void must(etch_status *s)
{
    if (s) fail_msg("%s", etch_status_message(s));
}

static etch_buf load(const char *name)
{
    char path[512];
    etch_buf b = { 0 };
    snprintf(path, sizeof path, "%s/pt2/testdata/%s", ETCH_SOURCE_DIR, name);
    must(etch_file_read(path, &b));
    return b;
}

static etch_status *read_bytes(const etch_buf *b, etch_buf *out_text)
{
    etch_pt2 *a = NULL;
    etch_program *p = NULL;
    etch_buf notes = { 0 };
    etch_status *s = etch_pt2_open_bytes((etch_span){ b->ptr, b->len }, "x.pt2", &a);
    if (!s) s = etch_pt2_program(a, &p, &notes);
    if (!s && out_text) {
        etch_program_print(p, out_text);
        etch_buf_put(out_text, notes.ptr, notes.len);
        etch_buf_put(out_text, "", 1);
    }
    etch_buf_deinit(&notes);
    etch_program_destroy(p);
    etch_pt2_close(a);
    return s;
}

static void says(etch_status *s, const char *part, const char *what)
{
    if (!s) fail_msg("accepted: %s", what);
    if (!strstr(etch_status_message(s), part)) fail_msg("%s: '%s' does not say '%s'", what, etch_status_message(s), part);
    etch_status_free(s);
}

// ---- zip ----

static const zip_part two[] = { { "a/x", { (const uint8_t *)"hello", 5 } }, { "a/y", { (const uint8_t *)"", 0 } } };

static etch_status *open_zip(const etch_buf *b, etch_str *out_x)
{
    etch_arena arena;
    etch_zip z;
    etch_arena_init(&arena);
    etch_status *s = etch_zip_open(&arena, (etch_span){ b->ptr, b->len }, &z);
    const etch_zip_entry *e = s ? NULL : etch_zip_find(&z, ETCH_LIT("a/x"));
    if (out_x) *out_x = e ? (etch_str){ (const char *)e->bytes.ptr, e->bytes.len } : (etch_str){ "", 0 };
    etch_zip_deinit(&z);
    etch_arena_deinit(&arena);
    return s;
}

void test_pt2_zip__reads_plain_and_zip64(void **state)
{
    (void)state;
    for (int wide = 0; wide < 2; wide++) {
        etch_buf b = { 0 };
        etch_str x;
        zip_build(two, 2, wide, &b);
        must(open_zip(&b, &x));
        assert_true(etch_str_eqz(x, "hello"));
        etch_buf_puts(&b, "a comment");
        b.ptr[b.len - 11] = 9;
        must(open_zip(&b, &x));
        for (size_t n = 0; n < b.len - 9; n++) {  // cut short anywhere
            etch_buf part = { b.ptr, n, n, false };
            etch_status *s = open_zip(&part, NULL);
            assert_non_null(s);
            etch_status_free(s);
        }
        etch_buf_deinit(&b);
    }
}

static void change_zip(const char *what, size_t at, uint8_t byte, const char *part)
{
    etch_buf b = { 0 };
    zip_build(two, 2, false, &b);
    if (at < b.len) b.ptr[at] = byte;
    says(open_zip(&b, NULL), part, what);
    etch_buf_deinit(&b);
}

void test_pt2_zip__refuses(void **state)
{
    (void)state;
    enum { LOCAL = 33 + 5, DIR = LOCAL + 33, RECORD = 49 };  // bytes of the first entry, of both, of a record
    change_zip("compressed", DIR + 10, 8, "compressed");
    change_zip("encrypted", DIR + 8, 1, "encrypted");
    change_zip("two of one name", DIR + RECORD + 48, 'x', "two entries a/x");
    change_zip("overlap", DIR + RECORD + 42, 0, "overlap");
    change_zip("no local header", DIR + 42, 1, "outside the file");
    change_zip("size past the end", DIR + 21, 0xff, "compressed");
    change_zip("a signature", DIR, 0, "directory is missing");
    change_zip("too many entries", DIR + 2 * RECORD + 10, 3, "shorter than its entries");
    change_zip("a directory outside", DIR + 2 * RECORD + 17, 0xff, "outside the file");
    etch_buf empty = { 0 };
    says(open_zip(&empty, NULL), "no end record", "an empty file");
}

// ---- archives of PyTorch ----

static void has(const etch_buf *text, const char *part)
{
    if (!strstr((const char *)text->ptr, part)) fail_msg("'%s' is not in\n%s", part, (const char *)text->ptr);
}

void test_pt2_pt2__reads_the_training_ir(void **state)
{
    (void)state;
    etch_buf b = load("training.pt2"), text = { 0 };
    must(read_bytes(&b, &text));
    static const char *const lines[] = {
        "sym s0 in [2, 8] example 3\n",
        "= input \"ids\" : i64[s0]\n",
        "\"data/weights/weight_1\" : f32[10, 4] fqn \"embedding.weight\"",  // tied: one storage
        "\"data/weights/weight_1\" : f32[10, 4] fqn \"head.weight\"",
        "[6, 4], [1, 6], 0) : f32[6, 4] fqn \"turned\"",
        "[2, 4], [1, 6], 2) : f32[2, 4] fqn \"part\"",
        "= buffer \"mean\" : f32[4] init %",
        "= buffer \"ring\" : f32[8, 4] init zeros\n",
        "aten::slice_scatter(",                                              // a write through a slice
        "aten::arange(s0 + 1, dtype=f32)",                                   // inside the region without gradient
        "@ \"pt2.py:",
        "in \"head\"\n",
        "return \"logits\" %", "return \"top_0\" %", "return \"top_1\" %", "return \"ring\" %", "return \"length\" %",
        "input 'mask' is fixed to None", "input 'shift' is fixed to true", "output 'length' is a number",
    };
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) has(&text, lines[i]);
    assert_null(strstr((const char *)text.ptr, "_(%"));  // nothing is in place
    etch_buf_deinit(&text);
    etch_buf_deinit(&b);
}

void test_pt2_pt2__reads_the_core_ir(void **state)
{
    (void)state;
    etch_buf b = load("core.pt2"), text = { 0 };
    must(read_bytes(&b, &text));
    has(&text, "= buffer \"mean\" : f32[4] init %");
    has(&text, "= buffer \"ring\" : f32[8, 4] init zeros\n");
    has(&text, "aten::mm(");
    etch_buf_deinit(&text);
    etch_buf_deinit(&b);
}

// Overwrites the first `from` by as many bytes, and expects an error with `part`.
static void edit(const char *from, const char *to, const char *part)
{
    etch_buf b = load("training.pt2");
    assert_int_equal(strlen(from), strlen(to));
    uint8_t *at = memmem(b.ptr, b.len, from, strlen(from));
    if (!at) fail_msg("'%s' is not in the archive", from);
    memcpy(at, to, strlen(to));
    zip_forget_crcs(b.ptr, b.len);
    says(read_bytes(&b, NULL), part, to);
    etch_buf_deinit(&b);
}

void test_pt2_crc__known_and_in_pieces(void **state)
{
    (void)state;
    static const uint8_t text[] = "The quick brown fox jumps over the lazy dog";
    const size_t n = sizeof text - 1;
    etch_crc t;
    etch_crc_init(&t);
    assert_int_equal(etch_crc_of(&t, 0, (const uint8_t *)"123456789", 9), 0xcbf43926u);
    assert_int_equal(etch_crc_of(&t, 0, text, n), 0x414fa339u);
    for (size_t i = 0; i <= n; i++) assert_int_equal(etch_crc_of(&t, etch_crc_of(&t, 0, text, i), text + i, n - i), 0x414fa339u);
}

// Any byte of an entry that is read, changed: the entry is named. An archive without checksums is taken as it is.
void test_pt2_pt2__checksums(void **state)
{
    (void)state;
    static const char *const read[] = { "models/model.json", "data/weights/weight_0", "data/weights/model_weights_config.json" };
    etch_buf b = load("training.pt2");
    etch_arena arena;
    etch_arena_init(&arena);
    etch_zip z;
    must(etch_zip_open(&arena, (etch_span){ b.ptr, b.len }, &z));
    int found = 0;
    for (size_t i = 0; i < z.n; i++)
        for (size_t k = 0; k < sizeof read / sizeof *read; k++) {
            const etch_zip_entry *e = &z.entries[i];
            const size_t len = strlen(read[k]);
            if (e->name.len < len || memcmp(e->name.ptr + e->name.len - len, read[k], len)) continue;
            found++;
            for (int last = 0; last < 2; last++) {
                uint8_t *byte = b.ptr + e->offset + (last ? e->bytes.len - 1 : 0);
                char want[96];
                snprintf(want, sizeof want, "%s is damaged: its bytes have the CRC-32 ", read[k]);
                *byte ^= 0x10;
                says(read_bytes(&b, NULL), want, read[k]);
                *byte ^= 0x10;
            }
        }
    assert_int_equal(found, 3);
    must(read_bytes(&b, NULL));
    zip_forget_crcs(b.ptr, b.len);
    must(read_bytes(&b, NULL));
    etch_zip_deinit(&z);
    etch_arena_deinit(&arena);
    etch_buf_deinit(&b);
}

static etch_span bytes_of(const char *z) { return (etch_span){ (const uint8_t *)z, strlen(z) }; }

static void made(const char *format, const char *version, const char *order, const char *other, const char *part)
{
    const zip_part parts[] = { { "m/archive_format", bytes_of(format) }, { "m/archive_version", bytes_of(version) },
                               { "m/byteorder", bytes_of(order) }, { other, bytes_of("{}") } };
    etch_buf b = { 0 };
    zip_build(parts, 4, false, &b);
    says(read_bytes(&b, NULL), part, part);
    etch_buf_deinit(&b);
}

void test_pt2_pt2__refuses_other_archives(void **state)
{
    (void)state;
    made("PT2", "0", "little", "m/x", "no PT2 archive");
    made("pt2", "1", "little", "m/x", "version");
    made("pt2", "0", "big", "m/x", "big-endian");
    made("pt2", "0", "little", "n/x", "more than one folder");
    made("pt2", "0", "little", "m/data/aotinductor/model/x.so", "no exported program");
    made("pt2", "0", "little", "m/models/model.json", "model_weights_config.json");
}

void test_pt2_pt2__refuses_by_name(void **state)
{
    (void)state;
    edit("\"major\": 8", "\"major\": 9", "version 9");
    edit("\"use_pickle\": false", "\"use_pickle\": true ", "pickle");
    edit("\"path_name\": \"weight_0\"", "\"path_name\": \"weight_9\"", "data/weights/weight_9");
    edit("\"sizes\": [{\"as_int\": 6}", "\"sizes\": [{\"as_int\": 9}", "reaches past");
    edit("\"storage_offset\": {\"as_int\": 2}", "\"storage_offset\": {\"as_int\": 9}", "reaches past");
    edit("torch.ops.aten.embedding.default", "torch.ops.aten.embeddinX.default", "embeddinX");
    edit("torch.ops.aten.embedding.default", "torch.ops.aten.embeddinX.default", "no row for this operator");
    edit("torch.ops.aten.topk.default", "torch.ops.aten.topk.defaulT", "pt2.py:");
    edit("wrap_with_set_grad_enabled", "wrap_with_set_grad_enableX", "higher-order");
    edit("Symbol('s", "Cymbal('s", "size");
    edit("\"max_val\": 8", "\"max_val\":-8", "empty range");
    edit("{\"input_specs\"", "{\"input_specX\"", "'input_specs' is missing");
    edit("\"kind\": 1}", "\"kind\": 1,", "models/model.json, line 1");
    edit("\"buffer_name\": \"mean\"", "\"buffer_name\": \"meen\"", "no tensor 'meen'");
}

void test_pt2_pt2__mutations(void **state)
{
    (void)state;
    etch_buf b = load("training.pt2");
    zip_forget_crcs(b.ptr, b.len);
    uint32_t seed = 1;
    for (int i = 0; i < 400; i++) {
        uint8_t saved[4];
        size_t at[4];
        for (int k = 0; k < 4; k++) {
            seed = seed * 1664525u + 1013904223u;
            at[k] = seed % b.len;
            saved[k] = b.ptr[at[k]];
            b.ptr[at[k]] = (uint8_t)(seed >> 24);
        }
        etch_status_ignore(read_bytes(&b, NULL));
        for (int k = 4; k-- > 0;) b.ptr[at[k]] = saved[k];
    }
    for (size_t n = 0; n < b.len; n += 97) {
        etch_buf part = { b.ptr, n, n, false };
        etch_status *s = read_bytes(&part, NULL);
        assert_non_null(s);
        etch_status_free(s);
    }
    etch_buf_deinit(&b);
}

// ---- sizes ----

static void expression(pt2_reader *r, const char *text, const char *want)
{
    etch_dim d;
    etch_buf out = { 0 };
    etch_status *s = pt2_expr(r, etch_str_of(text), &d);
    if (s) etch_buf_puts(&out, etch_status_message(s));
    else etch_dim_print(&out, d);
    etch_buf_put(&out, "", 1);
    const char *got = (const char *)out.ptr;
    if (s ? !strstr(got, want) : strcmp(got, want) != 0) fail_msg("%s is '%s', not '%s'", text, got, want);
    etch_status_ignore(s);
    etch_buf_deinit(&out);
}

#define S "Symbol('s77', positive=True, integer=True)"

void test_pt2_expr__is_canonical(void **state)
{
    (void)state;
    pt2_reader r = { 0 };
    etch_dim d;
    must(etch_program_new(&r.program));
    must(etch_syms_new(&r.program->syms, ETCH_LIT("s0"), 1, 64, 7, &d));
    must(pt2_symbol_bind(&r, ETCH_LIT("s77"), d));
    expression(&r, S, "s0");
    expression(&r, "Integer(-3)", "-3");
    expression(&r, "Add(Mul(Integer(2), " S "), Integer(-1))", "2*s0 - 1");
    expression(&r, "Mul(" S ", Add(" S ", Integer(1)))", "s0*s0 + s0");
    expression(&r, "Pow(" S ", Integer(2))", "s0*s0");
    expression(&r, "FloorDiv(Add(" S ", Integer(1)), Integer(2))", "((s0 + 1) // 2)");
    expression(&r, "CleanDiv(Mul(Integer(6), " S "), Integer(3))", "2*s0");
    expression(&r, "CeilToInt(IntTrueDiv(" S ", Integer(4)))", "s0 - ((3*s0) // 4)");
    expression(&r, "TruncToInt(IntTrueDiv(" S ", Integer(4)))", "(s0 // 4)");
    expression(&r, "PythonMod(" S ", Integer(8))", "(s0 % 8)");
    expression(&r, "ModularIndexing(" S ", Integer(2), Integer(3))", "((s0 // 2) % 3)");
    expression(&r, "Max(Integer(1), " S ")", "s0");
    expression(&r, "Min(Integer(5), " S ", Integer(9))", "min(s0, 5)");
    expression(&r, "Add(" S ", Integer(1), evaluate=False)", "s0 + 1");
    expression(&r, "Symbol('u0', integer=True)", "u0 is not known");
    expression(&r, "Piecewise(" S ")", "function Piecewise");
    expression(&r, "Pow(" S ", Integer(-1))", "power -1");
    expression(&r, "Integer(99999999999999999999)", "64 bits");
    expression(&r, "Add(" S, "')'");
    expression(&r, S " + 1", "the end");
    expression(&r, "s77 + 1", "function of sympy");
    char deep[2000] = "";
    for (int i = 0; i < 200; i++) strcat(deep, "Max(");
    expression(&r, deep, "nested");
    etch_map_deinit(&r.symbols);
    etch_program_destroy(r.program);
}
