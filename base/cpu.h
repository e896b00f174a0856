// Which instruction sets kernels may use.
#ifndef ETCH_BASE_CPU_H
#define ETCH_BASE_CPU_H

enum {
    ETCH_CPU_AVX2 = 1,         // with FMA and F16C
    ETCH_CPU_AVX512 = 2,       // F, BW, DQ, VL
    ETCH_CPU_AVX512VNNI = 4,
    ETCH_CPU_AVXVNNI = 8,
    ETCH_CPU_NEON = 16,        // part of AArch64
    ETCH_CPU_DOTPROD = 32,
    ETCH_CPU_AMXINT8 = 64,     // tiles of bytes, with AVX512-VNNI; the system lets this process use them
    ETCH_CPU_AMXBF16 = 128,    // of bf16, likewise
    ETCH_CPU_AMD = 256,        // whoever made it: no instructions, but what to ask memory for (kern/simd/ahead.h)
};

// Features of this machine, cut by the environment variable ETCH_ISA (scalar | avx2 | avxvnni | avx512 | avx512vnni | amx, or scalar |
// neon | dotprod; anything else: no cut).
unsigned etch_cpu_features(void);

#endif
