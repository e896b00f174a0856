#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/sha256.h"

static void check(const char *text, size_t n, const char *want)
{
    etch_sha256 s;
    uint8_t d[32];
    char hex[65];
    etch_sha256_init(&s);
    etch_sha256_put(&s, text, n);
    etch_sha256_end(&s, d);
    etch_sha256_hex(d, hex);
    assert_string_equal(hex, want);
}

// The published examples.
void test_base_sha256__known_answers(void **state)
{
    (void)state;
    check("", 0, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    check("abc", 3, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    check("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", 56,
          "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
}
