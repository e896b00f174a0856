// In: matrices of every size up to past two blocks, wider rows than columns used. Out: exact transposition, nothing written beside it.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "base/cpu.h"
#include "kern/transpose/transpose.h"

void test_kern_transpose__every_size(void **state)
{
    (void)state;
    enum { MAX = 19, LD = MAX + 3 };
    uint32_t from[LD * LD], to[LD * LD];
    for (uint32_t i = 0; i < LD * LD; i++) from[i] = i * 2654435761u;
    const etch_transpose_kernels *kn;
    for (int r = 0; (kn = etch_transpose_row(r)); r++) {
        if ((kn->needs & etch_cpu_features()) != kn->needs) continue;
        for (size_t m = 0; m <= MAX; m++)
            for (size_t n = 0; n <= MAX; n++) {
                memset(to, 0x55, sizeof to);
                kn->run(from, LD, to, LD, m, n);
                for (size_t j = 0; j < LD; j++)
                    for (size_t i = 0; i < LD; i++) assert_int_equal(to[j * LD + i], i < m && j < n ? from[i * LD + j] : 0x55555555u);
            }
        // Columns side by side in the target.
        for (size_t m = 1; m <= 5; m++)
            for (size_t n = 1; n <= MAX; n++) {
                memset(to, 0x55, sizeof to);
                kn->run(from, LD, to, m, m, n);
                for (size_t i = 0; i < m * n + 8; i++) assert_int_equal(to[i], i < m * n ? from[i % m * LD + i / m] : 0x55555555u);
            }
    }
}
