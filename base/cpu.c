// In: the processor and $ETCH_ISA. Out: feature bits.
#define _DEFAULT_SOURCE   // syscall
#include "base/cpu.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#if defined(__x86_64__)
#include <cpuid.h>
#if defined(__linux__)
#include <sys/syscall.h>
#include <unistd.h>
#endif
#elif defined(__aarch64__) && defined(__linux__)
#include <sys/auxv.h>
#endif

#if defined(__x86_64__)
// Tiles are 8 KB more of each thread's state: the system keeps them (XCR0), and Linux wants to be asked, once a process.
static unsigned tiles(void)
{
    enum { TILES = 1 << 24, OF_BYTES = 1 << 25, OF_BF16 = 1 << 22, OSXSAVE = 1 << 27, TILE_STATE = 1 << 17 | 1 << 18 };
    unsigned a, b, c, d;
    if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & OSXSAVE)) return 0;
    if (!__get_cpuid_count(7, 0, &a, &b, &c, &d) || !(d & TILES)) return 0;
    unsigned has = (d & OF_BYTES ? ETCH_CPU_AMXINT8 : 0) | (d & OF_BF16 ? ETCH_CPU_AMXBF16 : 0);
    __asm__ volatile("xgetbv" : "=a"(a), "=d"(d) : "c"(0));
    if ((a & TILE_STATE) != TILE_STATE) return 0;
#if defined(__linux__)
    enum { REQUEST_PERMISSION = 0x1023, TILE_DATA = 18 };   // of arch_prctl
    return syscall(SYS_arch_prctl, REQUEST_PERMISSION, TILE_DATA) ? 0 : has;
#else
    return has;
#endif
}
#endif

// Asked once: a virtual machine leaves the processor at each cpuid.
static unsigned machine(void)
{
    enum { KNOWN = 1 << 30 };
    static atomic_uint seen;
    unsigned f = atomic_load(&seen);
    if (f & KNOWN) return f & ~(unsigned)KNOWN;
#if defined(__x86_64__)
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) f |= ETCH_CPU_AVX2;
    if (f && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
        __builtin_cpu_supports("avx512vl"))
        f |= ETCH_CPU_AVX512;
    if ((f & ETCH_CPU_AVX512) && __builtin_cpu_supports("avx512vnni")) f |= ETCH_CPU_AVX512VNNI;
    unsigned a, b, c, d;
    if (f && __get_cpuid_count(7, 1, &a, &b, &c, &d) && (a & 1u << 4)) f |= ETCH_CPU_AVXVNNI;
    if (f & ETCH_CPU_AVX512VNNI) f |= tiles();
    if (__builtin_cpu_is("amd")) f |= ETCH_CPU_AMD;
#elif defined(__aarch64__)
    f |= ETCH_CPU_NEON;
#if defined(__linux__)
    if (getauxval(AT_HWCAP) & 1ul << 20) f |= ETCH_CPU_DOTPROD;   // HWCAP_ASIMDDP
#elif defined(__APPLE__)
    f |= ETCH_CPU_DOTPROD;
#endif
#endif
    atomic_store(&seen, f | KNOWN);
    return f;
}

unsigned etch_cpu_features(void)
{
    static const struct { const char *name; unsigned allows; } caps[] = {
        { "scalar", 0 },
        { "avx2", ETCH_CPU_AVX2 },
        { "avxvnni", ETCH_CPU_AVX2 | ETCH_CPU_AVXVNNI },
        { "avx512", ETCH_CPU_AVX2 | ETCH_CPU_AVX512 },
        { "avx512vnni", ~(unsigned)(ETCH_CPU_AMXINT8 | ETCH_CPU_AMXBF16) },
        { "neon", ETCH_CPU_NEON },
    };
    unsigned f = machine();
    const char *cap = getenv("ETCH_ISA");
    for (size_t i = 0; cap && i < sizeof caps / sizeof *caps; i++)
        if (!strcmp(cap, caps[i].name)) f &= caps[i].allows;
    return f;
}
