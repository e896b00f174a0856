// A file as the format's documentation describes it, and the broken ones of which a user must be told.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/buf.h"
#include "st/gguf.h"

static void put32(etch_buf *b, uint32_t v) { etch_buf_put(b, &v, 4); }
static void put64(etch_buf *b, uint64_t v) { etch_buf_put(b, &v, 8); }
static void put_str(etch_buf *b, const char *z)
{
    put64(b, strlen(z));
    etch_buf_puts(b, z);
}

static void start(etch_buf *b, uint32_t version, uint64_t tensors, uint64_t pairs)
{
    *b = (etch_buf){ 0 };
    etch_buf_puts(b, "GGUF");
    put32(b, version);
    put64(b, tensors);
    put64(b, pairs);
}

static void put_tensor(etch_buf *b, const char *name, uint32_t rank, const uint64_t *sizes, uint32_t type, uint64_t offset)
{
    put_str(b, name);
    put32(b, rank);
    for (uint32_t i = 0; i < rank; i++) put64(b, sizes[i]);
    put32(b, type);
    put64(b, offset);
}

static void finish(etch_buf *b, size_t data)
{
    while (b->len % 32) etch_buf_fill(b, 0, 1);
    etch_buf_fill(b, 7, data);
}

static void refused(etch_buf *b, const char *part)
{
    etch_gguf *g;
    etch_status *s = etch_gguf_open_bytes((etch_span){ b->ptr, b->len }, "x.gguf", &g);
    if (!s) fail_msg("accepted what should give '%s'", part);
    if (!strstr(etch_status_message(s), part)) fail_msg("'%s' does not say '%s'", etch_status_message(s), part);
    assert_null(g);
    etch_status_free(s);
    etch_buf_deinit(b);
}

void test_st_gguf__reads_tensors(void **state)
{
    (void)state;
    etch_buf b;
    start(&b, 3, 2, 4);
    put_str(&b, "general.architecture"), put32(&b, 8), put_str(&b, "x");
    put_str(&b, "tokens"), put32(&b, 9), put32(&b, 8), put64(&b, 2), put_str(&b, "a"), put_str(&b, "bc");
    put_str(&b, "numbers"), put32(&b, 9), put32(&b, 6), put64(&b, 3), etch_buf_fill(&b, 0, 12);
    put_str(&b, "nested"), put32(&b, 9), put32(&b, 9), put64(&b, 1), put32(&b, 0), put64(&b, 2), etch_buf_fill(&b, 0, 2);
    put_tensor(&b, "w", 2, (uint64_t[]){ 64, 3 }, 2, 32);  // Q4_0 [3, 64]: 3 rows of 2 blocks
    put_tensor(&b, "n", 1, (uint64_t[]){ 5 }, 0, 0);
    finish(&b, 32 + 3 * 36);
    etch_gguf *g;
    etch_status *s = etch_gguf_open_bytes((etch_span){ b.ptr, b.len }, "x.gguf", &g);
    if (s) fail_msg("%s", etch_status_message(s));
    assert_int_equal(etch_gguf_count(g), 2);
    const etch_gguf_tensor *w = etch_gguf_find(g, ETCH_LIT("w")), *n = etch_gguf_at(g, 0);
    assert_true(etch_str_eqz(n->key, "n") && n->dtype == ETCH_F32 && !n->block && n->sizes[0] == 5 && n->nbytes == 20);
    assert_string_equal(w->block->name, "Q4_0");
    assert_int_equal(w->dtype, ETCH_U8);
    assert_int_equal(w->sizes[0], 3);
    assert_int_equal(w->sizes[1], 36);
    assert_ptr_equal(etch_gguf_bytes(g, w).ptr + w->nbytes, b.ptr + b.len);
    assert_null(etch_gguf_find(g, ETCH_LIT("v")));
    etch_gguf_close(g);
    for (size_t n_bytes = 0; n_bytes < b.len; n_bytes++) {  // cut off anywhere: refused
        s = etch_gguf_open_bytes((etch_span){ b.ptr, n_bytes }, "x.gguf", &g);
        if (!s) fail_msg("accepted %zu of %zu bytes", n_bytes, b.len);
        etch_status_free(s);
    }
    etch_buf_deinit(&b);
}

void test_st_gguf__refuses_bad_files(void **state)
{
    (void)state;
    etch_buf b;
    const uint64_t row[2] = { 32, 4 };
    start(&b, 1, 0, 0), refused(&b, "version 1");
    start(&b, 3u << 24, 0, 0), refused(&b, "big-endian");
    start(&b, 3, UINT64_MAX, 0), refused(&b, "more than the file has room for");
    start(&b, 3, 0, UINT64_MAX), refused(&b, "the download is incomplete");
    start(&b, 3, 0, 1), put64(&b, UINT64_MAX), etch_buf_fill(&b, 0, 64), refused(&b, "the download is incomplete");
    start(&b, 3, 0, 1), put_str(&b, "k"), put32(&b, 13), put64(&b, 0), refused(&b, "key 'k'");
    start(&b, 3, 0, 1), put_str(&b, "k"), put32(&b, 9), put32(&b, 10), put64(&b, UINT64_MAX / 8 + 1),
    refused(&b, "the download is incomplete");
    start(&b, 3, 0, 1), put_str(&b, "k"), put32(&b, 9);
    for (int i = 0; i < 9; i++) put32(&b, 9), put64(&b, 1);
    refused(&b, "arrays within arrays");
    start(&b, 3, 0, 1), put_str(&b, "general.alignment"), put32(&b, 4), put32(&b, 48), refused(&b, "no power of two");
    start(&b, 3, 0, 1), put_str(&b, "split.count"), put32(&b, 2), etch_buf_put(&b, &(uint16_t){ 3 }, 2), refused(&b, "one of 3 parts");
    start(&b, 3, 1, 0), put_tensor(&b, "w", 2, (uint64_t[]){ 48, 4 }, 2, 0), finish(&b, 512), refused(&b, "rows of 48 values");
    start(&b, 3, 1, 0), put_tensor(&b, "w", 2, row, 16, 0), finish(&b, 512), refused(&b, "of type IQ2_XXS");
    start(&b, 3, 1, 0), put_tensor(&b, "w", 2, row, 99, 0), finish(&b, 512), refused(&b, "unknown type 99");
    start(&b, 3, 1, 0), put_tensor(&b, "w", 2, row, 2, 8), finish(&b, 512), refused(&b, "no multiple of 32");
    start(&b, 3, 1, 0), put_tensor(&b, "w", 2, row, 2, 1u << 20), finish(&b, 512), refused(&b, "the download is incomplete");
    start(&b, 3, 1, 0), put_tensor(&b, "w", 2, (uint64_t[]){ 32, INT64_MAX }, 2, 0), finish(&b, 512), refused(&b, "can be counted");
    start(&b, 3, 1, 0), put_tensor(&b, "w", 2, (uint64_t[]){ 32, UINT64_MAX }, 2, 0), finish(&b, 512), refused(&b, "a size of -1");
    start(&b, 3, 1, 0), put_str(&b, "w"), put32(&b, 17), etch_buf_fill(&b, 0, 512), refused(&b, "17 dimensions");
    start(&b, 3, 2, 0), put_tensor(&b, "w", 2, row, 2, 0), put_tensor(&b, "v", 2, row, 2, 64), finish(&b, 512),
    refused(&b, "'w' and 'v' overlap");
    start(&b, 3, 2, 0), put_tensor(&b, "w", 2, row, 2, 0), put_tensor(&b, "w", 2, row, 2, 96), finish(&b, 512),
    refused(&b, "'w' is there twice");
    etch_buf_fill(&b, 'x', 64), refused(&b, "no GGUF file");
    refused(&b, "empty or incomplete");
}
