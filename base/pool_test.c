// In: loops of many lengths. Out: every index ran once, on every kind of pool.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "base/pool.h"

static void count(void *user, size_t i, int worker)
{
    (void)worker;
    ((uint8_t *)user)[i]++;
}

void test_base_pool__runs_every_index_once(void **state)
{
    (void)state;
    for (int threads = 1; threads <= 4; threads++) {
        etch_pool *p = etch_pool_acquire(threads), *again = etch_pool_acquire(threads);
        assert_ptr_equal(p, again);
        assert_true(etch_pool_threads(p) >= 1 && etch_pool_threads(p) <= threads);
        for (size_t round = 0; round < 300; round++) {
            uint8_t seen[100];
            memset(seen, 0, sizeof seen);
            size_t n = round % 100;
            etch_pool_run(p, n, count, seen);
            for (size_t i = 0; i < sizeof seen; i++) assert_int_equal(seen[i], i < n);
        }
        etch_pool_release(p);
        etch_pool_release(again);
    }
}
