#define _POSIX_C_SOURCE 200809L
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/cpu.h"

// What ETCH_ISA names caps what a machine has. Also says which instruction sets only other machines test: there is no emulation of AMX.
void test_base_cpu__etch_isa_caps(void **state)
{
    (void)state;
    static const struct { const char *name; unsigned without; } caps[] = {
        { "scalar", ~0u },
        { "avx2", ~(unsigned)(ETCH_CPU_AVX2 | ETCH_CPU_NEON) },
        { "avx512", ETCH_CPU_AVX512VNNI | ETCH_CPU_AVXVNNI | ETCH_CPU_AMXINT8 },
        { "avx512vnni", ETCH_CPU_AMXINT8 },
        { "amx", 0 },
    };
    const char *was = getenv("ETCH_ISA");
    char *kept = was ? strdup(was) : NULL;
    unsetenv("ETCH_ISA");
    unsigned all = etch_cpu_features();
    for (size_t i = 0; i < sizeof caps / sizeof *caps; i++) {
        setenv("ETCH_ISA", caps[i].name, 1);
        assert_int_equal(etch_cpu_features() & caps[i].without, 0);
        assert_int_equal(etch_cpu_features() & ~all, 0);
    }
    assert_int_equal(etch_cpu_features(), all);   // amx
    if (all & ETCH_CPU_AMXINT8) assert_true(all & ETCH_CPU_AVX512VNNI);
    else print_message("amx: not on this machine, its kernels are not tested\n");
    if (kept) setenv("ETCH_ISA", kept, 1);
    else unsetenv("ETCH_ISA");
    free(kept);
}
