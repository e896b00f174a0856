// Round trip, shards, and the broken files of which a user must be told.
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "st/safetensors.h"

static void must(etch_status *s)
{
    if (s) fail_msg("%s", etch_status_message(s));
}

// A file image: header length, header, `data` zero bytes.
static etch_buf image(const char *header, size_t data)
{
    etch_buf b = { 0 };
    uint64_t n = strlen(header);
    etch_buf_put(&b, &n, 8);
    etch_buf_puts(&b, header);
    etch_buf_fill(&b, 0, data);
    return b;
}

static void refused(const char *header, size_t data, const char *part)
{
    etch_buf b = image(header, data);
    etch_st *st;
    etch_status *s = etch_st_open_bytes((etch_span){ b.ptr, b.len }, "x.safetensors", &st);
    if (!s) fail_msg("accepted: %s", header);
    if (!strstr(etch_status_message(s), part)) fail_msg("'%s' does not say '%s'", etch_status_message(s), part);
    assert_null(st);
    etch_status_free(s);
    etch_buf_deinit(&b);
}

void test_st_safetensors__round_trip(void **state)
{
    (void)state;
    char path[] = "/tmp/etch-st-XXXXXX";
    close(mkstemp(path));
    uint8_t bytes[3] = { 1, 0, 1 };
    float floats[4] = { 1.5f, -2, 3, 4 };
    etch_tensor a = { .dtype = ETCH_BOOL, .rank = 1, .sizes = { { 3, NULL } }, .data = bytes };
    etch_tensor b = { .dtype = ETCH_F32, .rank = 2, .sizes = { { 2, NULL }, { 2, NULL } }, .data = floats };
    must(etch_st_write(path, (etch_st_entry[]){ { ETCH_LIT("a"), &a }, { ETCH_LIT("b"), &b } }, 2));
    etch_st *st;
    must(etch_st_open(path, &st));
    assert_int_equal(etch_st_count(st), 2);
    const etch_st_tensor *t = etch_st_find(st, ETCH_LIT("b"));
    assert_non_null(t);
    assert_int_equal(t->dtype, ETCH_F32);
    assert_int_equal(t->sizes[1], 2);
    assert_int_equal(t->offset % 8, 0);
    assert_memory_equal(etch_st_bytes(st, t).ptr, floats, sizeof floats);
    assert_null(etch_st_find(st, ETCH_LIT("c")));
    etch_st_close(st);
    unlink(path);
}

void test_st_safetensors__refuses(void **state)
{
    (void)state;
    refused("{\"x\":{\"dtype\":\"F32\",\"shape\":[4],\"data_offsets\":[0,16]}}", 12, "incomplete");
    refused("{\"x\":{\"dtype\":\"F32\",\"shape\":[4],\"data_offsets\":[0,12]}}", 12, "need 4 elements");
    refused("{\"x\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4]},"
            "\"y\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[2,6]}}", 6, "overlap");
    refused("{\"x\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]},"
            "\"x\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[1,2]}}", 2, "duplicate");
    refused("{\"x\":{\"dtype\":\"U8\",\"shape\":[9223372036854775807,9223372036854775807],\"data_offsets\":[0,1]}}", 1, "counted");
    refused("{\"x\":{\"dtype\":\"U8\",\"shape\":[-1],\"data_offsets\":[0,1]}}", 1, "no size");
    refused("{\"x\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,9223372036854775807]}}", 1, "need 1 elements");
    refused("{\"x\":{\"dtype\":\"Q3\",\"shape\":[1],\"data_offsets\":[0,1]}}", 1, "dtype");
    refused("{\"x\":[]}", 0, "no object");
    refused("{\"x\":", 0, "header");
    refused("[1]       ", 0, "safetensors");
    refused("{}", 3, "belong to no tensor");
    uint8_t huge[16] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f, '{', '}' };
    etch_st *st;
    etch_status *s = etch_st_open_bytes((etch_span){ huge, sizeof huge }, "huge", &st);
    assert_non_null(strstr(etch_status_message(s), "no safetensors file"));
    etch_status_free(s);
}

void test_st_safetensors__shards(void **state)
{
    (void)state;
    char folder[] = "/tmp/etch-st-XXXXXX", path[64];
    assert_non_null(mkdtemp(folder));
    float f = 1;
    etch_tensor t = { .dtype = ETCH_F32, .rank = 0, .data = &f };
    etch_st *st;
    etch_status *s = etch_st_open(folder, &st);
    assert_int_equal(etch_status_code(s), ETCH_NOT_FOUND);
    etch_status_free(s);
    static const char *const names[] = { "one.safetensors", "two.safetensors" };
    for (int i = 0; i < 2; i++) {
        snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        must(etch_st_write(path, &(etch_st_entry){ etch_str_of(i ? "b" : "a"), &t }, 1));
    }
    static const struct { const char *index; bool good; } cases[] = {
        { "{\"weight_map\":{\"a\":\"one.safetensors\",\"b\":\"two.safetensors\"}}", true },
        { "{\"weight_map\":{\"a\":\"two.safetensors\"}}", false },
        { "{\"weight_map\":{\"a\":\"../one.safetensors\"}}", false },
        { "{\"weight_map\":{\"a\":\"three.safetensors\"}}", false },
        { "{}", false },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        snprintf(path, sizeof path, "%s/model.safetensors.index.json", folder);
        FILE *out = fopen(path, "w");
        assert_non_null(out);
        fputs(cases[i].index, out);
        fclose(out);
        s = etch_st_open(folder, &st);
        if (cases[i].good) {
            must(s);
            assert_int_equal(etch_st_n_files(st), 2);
            assert_string_equal(etch_st_file_base(st, etch_st_find(st, ETCH_LIT("b"))->file), "two.safetensors");
            etch_st_close(st);
        } else {
            assert_non_null(s);
            etch_status_free(s);
        }
    }
    unlink(path);
    for (int i = 0; i < 2; i++) {
        snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        unlink(path);
    }
    rmdir(folder);
}

// Every single-byte change and every truncation of a small file: an error or a table, never a crash.
void test_st_safetensors__mutations(void **state)
{
    (void)state;
    etch_buf b = image("{\"a\":{\"dtype\":\"I16\",\"shape\":[2,1],\"data_offsets\":[0,4]},\"__metadata__\":{\"k\":\"v\"}}", 4);
    for (size_t i = 0; i < b.len * 8; i++) {
        b.ptr[i / 8] ^= (uint8_t)(1u << i % 8);
        etch_st *st;
        etch_status_ignore(etch_st_open_bytes((etch_span){ b.ptr, b.len }, "m", &st));
        etch_st_close(st);
        b.ptr[i / 8] ^= (uint8_t)(1u << i % 8);
    }
    for (size_t n = 0; n < b.len; n++) {
        etch_st *st;
        etch_status *s = etch_st_open_bytes((etch_span){ b.ptr, n }, "m", &st);
        assert_non_null(s);
        etch_status_free(s);
    }
    etch_buf_deinit(&b);
}
