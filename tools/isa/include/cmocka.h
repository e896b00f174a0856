// The few assertions that tests of kernel families use, for targets without a cmocka package. A failure ends the program.
#ifndef ETCH_TOOLS_ISA_CMOCKA_H
#define ETCH_TOOLS_ISA_CMOCKA_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define fail_msg(...) (printf("%s:%d: ", __FILE__, __LINE__), printf(__VA_ARGS__), puts(""), exit(1))
#define assert_true(x) do { if (!(x)) fail_msg("%s is false", #x); } while (0)
#define assert_int_equal(a, b) \
    do { if ((long long)(a) != (long long)(b)) fail_msg("%s is %lld, not %lld", #a, (long long)(a), (long long)(b)); } while (0)
#define assert_ptr_equal(a, b) assert_true((const void *)(a) == (const void *)(b))
#define assert_memory_equal(a, b, n) assert_true(!memcmp((a), (b), (n)))

#endif
