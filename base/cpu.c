// In: the processor and $ETCH_ISA. Out: feature bits.
#include "base/cpu.h"

#include <stdlib.h>
#include <string.h>

unsigned etch_cpu_features(void)
{
    unsigned f = 0;
#if defined(__x86_64__)
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) f |= ETCH_CPU_AVX2;
    if (f && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
        __builtin_cpu_supports("avx512vl"))
        f |= ETCH_CPU_AVX512;
    if ((f & ETCH_CPU_AVX512) && __builtin_cpu_supports("avx512vnni")) f |= ETCH_CPU_AVX512VNNI;
#endif
    const char *cap = getenv("ETCH_ISA");
    if (!cap) return f;
    if (!strcmp(cap, "scalar")) return 0;
    if (!strcmp(cap, "avx2")) return f & ETCH_CPU_AVX2;
    if (!strcmp(cap, "avx512")) return f & (ETCH_CPU_AVX2 | ETCH_CPU_AVX512);
    return f;
}
