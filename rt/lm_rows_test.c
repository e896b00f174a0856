// Which tokens of a prompt are an encoder's rows.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "rt/lm_rows.h"

enum { T = 7 };

static void gives(const int32_t *ids, size_t n, const int64_t *counts, size_t k, const int32_t *want, size_t n_want)
{
    int32_t *got;
    size_t n_got;
    etch_status *s = etch_lm_expand(ids, n, T, counts, k, &got, &n_got);
    if (s) fail_msg("%s", etch_status_message(s));
    assert_int_equal(n_got, n_want);
    for (size_t i = 0; i < n_want; i++) assert_int_equal(got[i], want[i]);
    free(got);
}

static void refused(const int32_t *ids, size_t n, const int64_t *counts, size_t k, const char *part)
{
    int32_t *got;
    size_t n_got;
    etch_status *s = etch_lm_expand(ids, n, T, counts, k, &got, &n_got);
    if (!s || !strstr(etch_status_message(s), part)) fail_msg("'%s' does not say '%s'", s ? etch_status_message(s) : "success", part);
    etch_status_free(s);
}

#define IDS(...) (const int32_t[]){ __VA_ARGS__ }, sizeof((const int32_t[]){ __VA_ARGS__ }) / sizeof(int32_t)
#define COUNTS(...) (const int64_t[]){ __VA_ARGS__ }, sizeof((const int64_t[]){ __VA_ARGS__ }) / sizeof(int64_t)

void test_rt_lm_rows__expands_prompts(void **state)
{
    (void)state;
    gives(IDS(1, T, 2), COUNTS(3), IDS(1, T, T, T, 2));
    gives(IDS(1, T, 2, T, T), COUNTS(3), IDS(1, T, 2, T, T));           // written out, with something between
    gives(IDS(T, 5, T), COUNTS(2, 3), IDS(T, T, 5, T, T, T));
    gives(IDS(T, T, T, 5, T, T), COUNTS(2, 3), IDS(T, T, T, 5, T, T));
    gives(IDS(T, T, 4), COUNTS(1, 1), IDS(T, T, 4));
    gives(IDS(T), COUNTS(1), IDS(T));
    refused(IDS(1, 2), COUNTS(3), "has 0 of them, and the encoder gives 3 rows: write 1 (one for each input) or 3");
    refused(IDS(T, T), COUNTS(3), "has 2 of them");
    refused(IDS(T, T, T, T), COUNTS(3), "has 4 of them");
    refused(IDS(T), COUNTS(2, 3), "has 1 of them, and the encoder gives 5 rows: write 2 ");
}

void test_rt_lm_rows__refuses_rows_of_another_model(void **state)
{
    (void)state;
    const float rows[8] = { 0 };
    etch_lm_rows r = { .dtype = ETCH_F32, .width = 4, .bytes = 16 };
    etch_status *s = etch_lm_rows_give(&r, T, rows, 2, 4, ETCH_F32);
    assert_null(s);
    assert_int_equal(r.n_given, 2);
    const struct { int64_t width; etch_dtype dtype; } cases[] = { { 2, ETCH_F32 }, { 4, ETCH_F16 } };
    for (size_t i = 0; i < 2; i++) {
        s = etch_lm_rows_give(&r, T, rows, 2, cases[i].width, cases[i].dtype);
        assert_non_null(s);
        assert_non_null(strstr(etch_status_message(s), "'text_decoder' takes rows of 4 "));
        etch_status_free(s);
    }
}
