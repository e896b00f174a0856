// Replays tok/testdata/cases.txt, recorded from the tokenizers library (tools/golden/tokens.py): ids and decoded text must be equal.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "tok/tok.h"

static void unhex(const char *hex, etch_buf *out)
{
    for (; hex[0] && hex[1]; hex += 2) {
        unsigned v = 0;
        sscanf(hex, "%2x", &v);
        uint8_t b = (uint8_t)v;
        etch_buf_put(out, &b, 1);
    }
}

static bool same_ids(const etch_ids *ids, const char *want)
{
    char *end;
    for (size_t i = 0; i < ids->len; i++, want = end)
        if (!*want || strtol(want, &end, 10) != ids->ptr[i]) return false;
    return !*want;
}

void test_tok_tok__agrees_with_the_library(void **state)
{
    (void)state;
    etch_buf file = { 0 };
    assert_null(etch_file_read(ETCH_SOURCE_DIR "/tok/testdata/cases.txt", &file));
    etch_buf_put(&file, "", 1);
    etch_tok *t = NULL;
    char loaded[64] = "";
    int n = 0, bad = 0;
    for (char *line = (char *)file.ptr; *line;) {
        char *field[5];
        for (int i = 0; i < 5; i++) {
            field[i] = line;
            line += strcspn(line, "\t\n");
            *line++ = 0;
        }
        if (strcmp(loaded, field[0])) {
            char path[512];
            etch_tok_destroy(t);
            t = NULL;
            snprintf(path, sizeof path, "%s/tok/testdata/%s", ETCH_SOURCE_DIR, field[0]);
            etch_status *s = etch_tok_load(path, &t);
            if (s) fail_msg("%s", etch_status_message(s));
            snprintf(loaded, sizeof loaded, "%s", field[0]);
        }
        etch_buf text = { 0 }, back = { 0 }, want = { 0 };
        etch_ids ids = { 0 };
        unhex(field[2], &text);
        unhex(field[4], &want);
        assert_null(etch_tok_encode(t, etch_buf_str(&text), field[1][0] == '1', &ids));
        assert_null(etch_tok_decode(t, ids.ptr, ids.len, true, &back));
        bool ids_ok = same_ids(&ids, field[3]), text_ok = etch_str_eq(etch_buf_str(&back), etch_buf_str(&want));
        if (!ids_ok || !text_ok) {
            fprintf(stderr, "%s special %s: %s differ for '%.*s'\n  want %s\n  got ", field[0], field[1], ids_ok ? "texts" : "ids",
                    ETCH_STR_ARGS(etch_buf_str(&text)), field[3]);
            for (size_t i = 0; i < ids.len; i++) fprintf(stderr, " %d", ids.ptr[i]);
            fprintf(stderr, "\n  want '%.*s'\n  got  '%.*s'\n", ETCH_STR_ARGS(etch_buf_str(&want)), ETCH_STR_ARGS(etch_buf_str(&back)));
            bad++;
        }
        n++;
        etch_buf_deinit(&text);
        etch_buf_deinit(&back);
        etch_buf_deinit(&want);
        etch_ids_deinit(&ids);
    }
    etch_tok_destroy(t);
    etch_buf_deinit(&file);
    assert_true(n > 100);
    assert_int_equal(bad, 0);
}

#define PRECOMPILED(map) "{\"normalizer\":{\"type\":\"Precompiled\",\"precompiled_charsmap\":\"" map "\"}," \
                         "\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0},\"merges\":[]}}"

void test_tok_tok__refuses_bad_files(void **state)
{
    (void)state;
    static const char *const bad[] = { "", "[]", "{", "{}", "{\"model\":{\"type\":\"BPE\",\"vocab\":{}}}",
        "{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0},\"merges\":[\"a b\"]}}",
        "{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":-5},\"merges\":[]}}",
        "{\"normalizer\":{\"type\":\"Magic\"},\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0},\"merges\":[]}}",
        "{\"normalizer\":{\"type\":\"Precompiled\"},\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0},\"merges\":[]}}",
        PRECOMPILED("AAA"), PRECOMPILED("A!AA"), PRECOMPILED("BAA="), PRECOMPILED("AAAAAAAA"), PRECOMPILED("CAAAAAAAAAA="),
        PRECOMPILED("BAAAAAAAAAD/"),  // a text that is not UTF-8
        ("{\"pre_tokenizer\":{\"type\":\"Split\",\"pattern\":{\"Regex\":\"(\"}},"
         "\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0},\"merges\":[]}}") };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        etch_tok *t = NULL;
        etch_status *s = etch_tok_parse(etch_str_of(bad[i]), "tokenizer.json", &t);
        assert_non_null(s);
        assert_null(t);
        etch_status_free(s);
    }
}

// Tries that lead out of themselves, or to no text: the characters stay.
void test_tok_tok__survives_bad_tries(void **state)
{
    (void)state;
    static const char *const maps[] = { PRECOMPILED("BAAAAAAAAAA="), PRECOMPILED("CAAAAAAAAAAAAwAA"), PRECOMPILED("BAAAAAD//38=") };
    for (size_t i = 0; i < sizeof maps / sizeof *maps; i++) {
        etch_tok *t = NULL;
        etch_ids ids = { 0 };
        etch_status *s = etch_tok_parse(etch_str_of(maps[i]), "tokenizer.json", &t);
        assert_null(s);
        assert_null(etch_tok_encode(t, ETCH_LIT("a"), false, &ids));
        assert_int_equal(ids.len, 1);
        etch_ids_deinit(&ids);
        etch_tok_destroy(t);
    }
}

void test_tok_tok__finds_whole_characters(void **state)
{
    (void)state;
    assert_int_equal(etch_utf8_complete(ETCH_LIT("ab")), 2);
    assert_int_equal(etch_utf8_complete(ETCH_LIT("a\xE4\xBD")), 1);
    assert_int_equal(etch_utf8_complete(ETCH_LIT("a\xE4\xBD\xA0")), 4);
    assert_int_equal(etch_utf8_complete(ETCH_LIT("\xF0\x9F\x99")), 0);
}

void test_tok_tok__refuses_a_unigram_vocabulary_without_scores(void **state)
{
    (void)state;
    etch_tok *t = NULL;
    etch_status *st = etch_tok_parse(ETCH_LIT("{\"model\": {\"type\": \"Unigram\", \"vocab\": {\"a\": 0, \"b\": 1}}}"), "x.json", &t);
    assert_non_null(st);
    assert_null(t);
    assert_non_null(strstr(etch_status_message(st), "list of tokens and their scores"));
    etch_status_free(st);
}
