// The official reference programs open; truncated and mutated ones give an error or a program, never a crash.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "pte/pte.h"

// Path of official/<name>/model.pte, or skips the test.
static void reference(const char *name, char path[512])
{
    const char *root = getenv("ETCH_REFERENCE");
    snprintf(path, 512, "%s/official/%s/model.pte", root ? root : ETCH_SOURCE_DIR "/../shared/reference", name);
    if (!etch_file_exists(path)) skip();
}

void test_pte_pte__opens_official_programs(void **state)
{
    (void)state;
    static const char *const names[] = { "llama-8da4w", "llama-8da8w", "llama-4w", "llama-8w", "llama-portable",
                                         "bert-fp32", "vit-fp32", "mobilevit-fp32" };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char path[512];
        reference(names[i], path);
        etch_pte p;
        etch_status *s = etch_pte_open(path, &p);
        if (s) fail_msg("%s", etch_status_message(s));
        etch_fb_table plan = etch_pte_plan(&p, ETCH_LIT("forward"));
        assert_non_null(plan.p);
        assert_null(etch_pte_plan(&p, ETCH_LIT("backward")).p);
        etch_pte_close(&p);
    }
}

static void open_and_close(const uint8_t *bytes, size_t n)
{
    etch_pte p;
    etch_status_ignore(etch_pte_open_bytes((etch_span){ bytes, n }, &p));
    etch_pte_close(&p);
}

// A fixed pseudo-random sequence (xorshift64).
static uint64_t next(uint64_t *x)
{
    *x ^= *x << 13;
    *x ^= *x >> 7;
    return *x ^= *x << 17;
}

void test_pte_pte__mutations(void **state)
{
    (void)state;
    char path[512];
    reference("llama-portable", path);
    etch_mapped map;
    assert_null(etch_mapped_open(path, &map));
    size_t n = map.bytes.len;
    uint8_t *copy = aligned_alloc(16, (n + 15) / 16 * 16);
    assert_non_null(copy);
    uint64_t size, x = 0x9e3779b97f4a7c15u;
    memcpy(&size, map.bytes.ptr + 16, 8);
    for (int i = 0; i < 3000; i++) {
        memcpy(copy, map.bytes.ptr, (size_t)size);  // mutations stay inside the program part
        if (i == 0) memcpy(copy, map.bytes.ptr, n);
        for (int k = 1 + (int)(next(&x) % 4); k > 0; k--) copy[next(&x) % size] = (uint8_t)(next(&x) % 3 ? next(&x) : 0xff);
        open_and_close(copy, n);
    }
    for (size_t cut = 0; cut < n; cut += cut < 256 ? 1 : 997) {
        etch_pte p;
        etch_status *s = etch_pte_open_bytes((etch_span){ map.bytes.ptr, cut }, &p);
        if (!s) fail_msg("accepted a file cut at byte %zu of %zu", cut, n);
        etch_status_free(s);
    }
    free(copy);
    etch_mapped_close(&map);
}
