#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "tok/chat.h"

static const struct tm day = { .tm_year = 131, .tm_mon = 1, .tm_mday = 3, .tm_hour = 16, .tm_wday = 1, .tm_yday = 33 };

static const char file[] = ETCH_SOURCE_DIR "/tok/testdata/chat.json";
static const char narrow[] =
    "{\"version\": 1, \"start\": {\"before\": \"\", \"trim\": \"none\"}, \"system\": null, \"ask\": \"\", \"turn\": null, \"stop\": [],"
    " \"control\": [\"<s>\"]}";

static etch_chat *parse(const char *json)
{
    etch_chat *c = NULL;
    etch_status *s = etch_chat_parse(etch_str_of(json), "chat.json", &c);
    if (s) fail_msg("%s", etch_status_message(s));
    return c;
}

static void writes(const etch_chat *c, const char *system, const char *a, const char *b, const char *d, const char *want)
{
    const etch_str texts[] = { etch_str_of(a), etch_str_of(b), etch_str_of(d) };
    etch_buf out = { 0 };
    etch_status *s = etch_chat_text(c, &(etch_talk){ etch_str_of(system), texts, d ? 3 : b ? 2 : 1, &day }, &out);
    etch_buf_put(&out, "", 1);
    assert_string_equal(s ? etch_status_message(s) : (const char *)out.ptr, want);
    etch_status_ignore(s);
    etch_buf_deinit(&out);
}

void test_tok_chat__pieces_become_a_prompt(void **state)
{
    (void)state;
    etch_chat *c = NULL;
    assert_null(etch_chat_load(file, &c));
    writes(c, NULL, "x", NULL, NULL, "<s>03 Feb 2031 u:x</s>a:");
    writes(c, NULL, " \n\x1C\xC2\xA0\xE2\x80\x83\xE3\x80\x80x y\xC2\x85\xE3\x80\x80", NULL, NULL, "<s>03 Feb 2031 u:x y</s>a:");
    writes(c, NULL, "\xE2\x80\x8Bx\xC3\xA9", NULL, NULL, "<s>03 Feb 2031 u:\xE2\x80\x8Bx\xC3\xA9</s>a:");  // no white space in Python
    writes(c, " z ", " x ", NULL, NULL, "<s>s: z  u: x</s>a:");
    writes(c, NULL, "x", " y ", " z ", "<s>03 Feb 2031 u:x</s>b:y </s>v:z</s>a:");
    writes(c, "s", "x", "y", "z", "<s>s:s u:x</s>b:y</s>v:z</s>a:");
    writes(c, NULL, "x", "y", NULL, "the last text is not the user's");
    writes(c, NULL, " \xE3\x80\x80 ", NULL, NULL, "the user's text is empty");
    writes(c, "", "x", NULL, NULL, "the system text is empty");
    writes(c, NULL, "a/no", NULL, NULL, "the user's text has '/no', for which the model's chat template looks: let transformers render the "
                                        "prompt, and give it with --templated (docs/EXPORTING.md)");
    writes(c, "/no", "/no", NULL, NULL, "<s>s:/no u:/no</s>a:");
    etch_chat_destroy(c);
    c = parse(narrow);
    writes(c, NULL, " x ", NULL, NULL, " x ");
    writes(c, "s", "x", NULL, NULL, "the model's chat template takes no system text");
    writes(c, NULL, "x", "y", "z", "the model's chat template writes longer conversations in a way that chat.json does not hold");
    etch_chat_destroy(c);
}

static void push_text(const etch_tok *t, const char *text, etch_ids *out)
{
    assert_null(etch_tok_encode(t, etch_str_of(text), false, out));
}

void test_tok_chat__control_tokens_in_a_text_stay_text(void **state)
{
    (void)state;
    etch_tok *t = NULL;
    etch_chat *c = NULL;
    assert_null(etch_chat_load(file, &c));
    assert_null(etch_tok_load(ETCH_SOURCE_DIR "/tok/testdata/byte_bpe.json", &t));
    etch_ids ids = { 0 }, want = { 0 };
    etch_str text = ETCH_LIT("a</s>b");
    assert_null(etch_chat_encode(c, t, &(etch_talk){ ETCH_LIT("s"), &text, 1, &day }, &ids));
    push_text(t, "<s>s:s u:a", &want);
    assert_null(etch_tok_encode_plain(t, ETCH_LIT("</s>"), &want));
    assert_true(want.len > 6);
    push_text(t, "b</s>a:", &want);
    assert_int_equal(ids.len, want.len);
    assert_memory_equal(ids.ptr, want.ptr, want.len * sizeof *want.ptr);
    int ends = 0;
    for (size_t i = 0; i < ids.len; i++) ends += ids.ptr[i] == etch_tok_id(t, ETCH_LIT("</s>"));
    assert_int_equal(ends, 1);
    ids.len = 0;
    assert_null(etch_chat_stops(c, t, &ids));
    assert_int_equal(ids.len, 1);
    assert_int_equal(ids.ptr[0], etch_tok_id(t, ETCH_LIT("</s>")));
    text = ETCH_LIT("\xFF");
    etch_status *s = etch_chat_encode(c, t, &(etch_talk){ { 0 }, &text, 1, &day }, &ids);
    assert_string_equal(etch_status_message(s), "the text is not valid UTF-8");
    etch_status_free(s);
    etch_ids_deinit(&ids);
    etch_ids_deinit(&want);
    etch_chat_destroy(c);
    etch_tok_destroy(t);
}

// `find` of a file that is right becomes `put`.
static void refuses(const char *find, const char *put, const char *want)
{
    etch_buf whole = { 0 }, json = { 0 };
    assert_null(etch_file_read(file, &whole));
    etch_buf_put(&whole, "", 1);
    const char *start = (const char *)whole.ptr, *at = strstr(start, find);
    assert_non_null(at);
    etch_buf_printf(&json, "%.*s%s%s", (int)(at - start), start, put, at + strlen(find));
    etch_chat *c = NULL;
    etch_status *s = etch_chat_parse(etch_buf_str(&json), "chat.json", &c);
    etch_buf_deinit(&whole);
    etch_buf_deinit(&json);
    assert_null(c);
    if (!s || !strstr(etch_status_message(s), want)) fail_msg("%s: %s", put, s ? etch_status_message(s) : "taken");
    assert_non_null(strstr(etch_status_message(s), "chat.json: "));
    etch_status_free(s);
}

void test_tok_chat__a_wrong_file_is_refused(void **state)
{
    (void)state;
    refuses("\"version\": 1", "\"version\": 2", "its version is 2, this etch reads 1; export the model again");
    refuses("\"version\": 1", "\"version\": \"1\"", "'version' is not a number");
    refuses("\"version\": 1", "\"version\": 1,", "not valid JSON");
    refuses("\"start\"", "\"stop\"", "'start' is not an object");
    refuses("\"both\", \"refuse\"", "\"all\", \"refuse\"", "'start': 'trim' is not one of none, left, right, both");
    refuses("[\"/no\"]", "[\"\"]", "'start': 'refuse' is not a list of texts");
    refuses("[\"/no\"]", "\"/no\"", "'start': 'refuse' is not a list of texts");
    refuses("%d %b %Y", "%d %Q", "a date of the form '%d %Q', which etch cannot write");
    refuses("%d %b %Y", "%", "a date of the form '%'");
    refuses("%d %b %Y", "%-", "a date of the form '%-'");
    refuses("%d %b %Y", "", "made of texts and dates");
    refuses("\"ask\": \"</s>a:\"", "\"ask\": 1", "'ask' is not a text");
    refuses("\"ask\": \"</s>a:\"", "\"ask\": [1]", "'ask' is not made of texts and dates");
    refuses("{\"before\": \" u:\", \"trim\": \"right\"}", "null", "'system' is not an object");
    refuses(", {\"before\": \" u:\", \"trim\": \"right\"}", "", "'system' is not null or a pair");
    refuses("\"turn\": [", "\"turn\": [[],", "'turn' is not null or a pair");
    refuses("\"stop\": [\"</s>\"]", "\"stop\": [1]", "'stop' is not a list of texts");
    refuses("\"control\"", "\"controls\"", "'control' is not a list of texts");
    refuses("\"<s>s:\"", "\"\\u0000\"", "not valid JSON");
    etch_chat *c = NULL;
    etch_status *s = etch_chat_parse(ETCH_LIT("[]"), "x", &c);
    assert_string_equal(etch_status_message(s), "x: it is not an object");
    etch_status_free(s);
}
