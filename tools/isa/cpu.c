// base/cpu.h for emulated tests: this machine's own features, and those that are emulated (-DEMULATED=bits).
#include "base/cpu.h"

unsigned etch_cpu_features(void)
{
    unsigned f = EMULATED;
#if defined(__x86_64__)
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) f |= ETCH_CPU_AVX2;
#endif
    return f;
}
