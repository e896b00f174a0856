// In: loops of many lengths. Out: every index ran once, on every kind of pool.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "base/fpmode.h"
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

typedef struct { unsigned mode; uint8_t same[64]; } modes;

static void compare_mode(void *user, size_t i, int worker)
{
    (void)worker;
    modes *m = user;
    for (volatile int wait = 0; wait < 20000; wait++) {}   // so that the others take some
    m->same[i] = etch_fpmode() == m->mode;
}

void test_base_pool__computes_as_the_caller(void **state)
{
    (void)state;
    etch_pool *p = etch_pool_acquire(4);
    unsigned was = etch_fpmode();
    for (int round = 0; round < 50; round++) {
        bool flushes = round % 3 == 1;
        if (flushes) etch_fpmode_flush();
        modes m = { .mode = etch_fpmode() };
#if defined(__x86_64__) || defined(__aarch64__)
        volatile float tiny = 1e-20f;
        assert_int_equal(tiny * tiny == 0, flushes);
#endif
        etch_pool_run(p, sizeof m.same, compare_mode, &m);
        for (size_t i = 0; i < sizeof m.same; i++) assert_true(m.same[i]);
        etch_fpmode_set(was);
    }
    etch_pool_release(p);
}
