// Where a text ends for good, and what may not be shown yet.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tok/stop.h"

void test_tok_stop__cuts(void **state)
{
    (void)state;
    const char *const stops[] = { "\n\nQ:", "END", "\xC3\xA9!" };
    const struct { const char *text; size_t from, cut; bool found; } cases[] = {
        { "", 0, 0, false },
        { "abc", 0, 3, false },
        { "abc\n", 0, 3, false },                 // held back
        { "abc\n\n", 0, 3, false },
        { "abc\n\nQ", 0, 3, false },
        { "abc\n\nQ:", 0, 3, true },
        { "abc\n\nR", 0, 6, false },              // it was none
        { "abc\n\n\nQ:", 0, 4, true },
        { "abcENDx\n\nQ:", 0, 3, true },          // the first
        { "EN", 0, 0, false },
        { "ENEND", 0, 2, true },
        { "END and END", 3, 8, true },            // not in the prompt
        { "END and EN", 3, 8, false },
        { "END", 3, 3, false },
        { "caf\xC3", 0, 3, false },
        { "caf\xC3\xA9", 0, 3, false },
        { "caf\xC3\xA9!", 0, 3, true },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        bool found;
        const size_t cut = etch_stop_cut(etch_str_of(cases[i].text), cases[i].from, stops, 3, &found);
        if (cut != cases[i].cut || found != cases[i].found) fail_msg("case %zu: %zu, %d", i, cut, found);
        assert_int_equal(etch_stop_cut(etch_str_of(cases[i].text), cases[i].from, NULL, 0, &found), etch_str_of(cases[i].text).len);
        assert_false(found);
    }
}
