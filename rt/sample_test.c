// Tokens that may be drawn, and those that may not.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <string.h>

#include "rt/sample.h"

static void must(etch_status *s)
{
    if (s) fail_msg("%s", etch_status_message(s));
}

static int32_t draw(etch_sampler *s, const float *logits, int64_t n)
{
    int32_t id = -1;
    must(etch_sample(s, logits, n, &id));
    return id;
}

// How often each of 4 tokens is drawn in 4000 times.
static void counts(etch_sampler s, const float logits[4], int out[4])
{
    memset(out, 0, 4 * sizeof *out);
    s.state = 1;
    for (int i = 0; i < 4000; i++) out[draw(&s, logits, 4)]++;
    etch_sampler_deinit(&s);
}

void test_rt_sample__penalty(void **state)
{
    (void)state;
    const struct { float logits[3]; int32_t seen[3]; size_t n; float penalty; int32_t want; } cases[] = {
        { { 3, 2, 1 }, { 0 }, 0, 2, 0 },
        { { 3, 2, 1 }, { 0 }, 1, 1, 0 },
        { { 3, 2, 1 }, { 0 }, 1, 0, 0 },                  // as 1: left out
        { { 3, 2, 1 }, { 0 }, 1, 2, 1 },                  // 1.5, 2, 1
        { { 3, 2, 1 }, { 0, 0, 0 }, 3, 1.4F, 0 },         // once: 2.14
        { { -2, -3, -5 }, { 0 }, 1, 2, 1 },               // -4, -3, -5
        { { -2, -3, -5 }, { 1 }, 1, 0.5F, 1 },            // below 1 it favours: -2, -1.5, -5
        { { 0, -1, -1 }, { 0 }, 1, 9, 0 },
        { { 3, 2, 1 }, { -1, 3, 2000000000 }, 3, 9, 0 },  // no logits
        { { INFINITY, 2, 1 }, { 0 }, 1, 9, 0 },
        { { NAN, 2, 1 }, { 0, 1 }, 2, 9, 2 },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        etch_sampler s = { .top_p = 1, .repetition_penalty = cases[i].penalty };
        must(etch_sampler_see(&s, cases[i].seen, cases[i].n, 3));
        const int32_t got = draw(&s, cases[i].logits, 3);
        if (got != cases[i].want) fail_msg("case %zu: %d, not %d", i, got, cases[i].want);
        etch_sampler_deinit(&s);
    }
}

void test_rt_sample__penalty_before_the_draw(void **state)
{
    (void)state;
    const float logits[4] = { logf(4), logf(16), -logf(2), -logf(3) };   // seen with penalty 2: 2, 4, 1/4, 1/9
    const int32_t all[4] = { 0, 1, 2, 3 };
    etch_sampler s = { .temperature = 1, .top_p = 1, .repetition_penalty = 2, .state = 5 };
    must(etch_sampler_see(&s, all, 4, 4));
    int got[4] = { 0 };
    for (int i = 0; i < 9000; i++) got[draw(&s, logits, 4)]++;
    const double sum = 2 + 4 + 0.25 + 1 / 9.0, want[4] = { 2 / sum, 4 / sum, 0.25 / sum, 1 / 9.0 / sum };
    for (int i = 0; i < 4; i++)  // four deviations of a count
        if (fabs(got[i] - 9000 * want[i]) > 4 * sqrt(9000 * want[i])) fail_msg("token %d: %d, not about %g", i, got[i], 9000 * want[i]);
    etch_sampler_deinit(&s);
}

void test_rt_sample__min_p(void **state)
{
    (void)state;
    const float logits[4] = { logf(1), logf(8), logf(2), logf(4) };
    int got[4];
    counts((etch_sampler){ .temperature = 1, .top_p = 1 }, logits, got);
    assert_true(got[0] && got[1] && got[2] && got[3]);
    counts((etch_sampler){ .temperature = 1, .top_p = 1, .min_p = 0.2F }, logits, got);
    assert_true(!got[0] && got[1] && got[2] && got[3]);
    counts((etch_sampler){ .temperature = 1, .top_p = 1, .min_p = 0.45F }, logits, got);
    assert_true(!got[0] && got[1] && !got[2] && got[3]);
    counts((etch_sampler){ .temperature = 1, .top_p = 1, .min_p = 1 }, logits, got);
    assert_int_equal(got[1], 4000);
    counts((etch_sampler){ .temperature = 2, .top_p = 1, .min_p = 0.45F }, logits, got);   // after the temperature: 0.35, 1, 0.5, 0.71
    assert_true(!got[0] && got[1] && got[2] && got[3]);
    counts((etch_sampler){ .temperature = 1, .top_p = 1, .min_p = 0.2F, .top_k = 2 }, logits, got);
    assert_true(!got[0] && got[1] && !got[2] && got[3]);
    // top_p of the whole distribution: 8 + 4 of 15 are 0.8; of what min_p leaves, 8 of 12 would be enough for 0.6.
    counts((etch_sampler){ .temperature = 1, .top_p = 0.6F, .min_p = 0.45F }, logits, got);
    assert_true(!got[0] && got[1] && !got[2] && got[3]);
    const float infinite[4] = { -INFINITY, 1, INFINITY, NAN };
    counts((etch_sampler){ .temperature = 1, .top_p = 1, .min_p = 0.1F }, infinite, got);
    assert_int_equal(got[2], 4000);
}
