// In: a matrix. Out: the same turned, 4 x 4 elements in registers at a time. NEON.
#include "kern/transpose/transpose.h"

#if defined(__aarch64__)
#include <arm_neon.h>

#include "kern/transpose/rows.h"

#define SIDE 4
static inline void turn(const uint32_t *from, size_t ldf, uint32_t *to, size_t ldt)
{
    uint32x4x4_t r = { { vld1q_u32(from), vld1q_u32(from + ldf), vld1q_u32(from + 2 * ldf), vld1q_u32(from + 3 * ldf) } };
    uint32_t flat[16];
    vst4q_u32(flat, r);   // interleaves: element i of each row in turn
    for (size_t i = 0; i < 4; i++) vst1q_u32(to + i * ldt, vld1q_u32(flat + 4 * i));
}
#define BLOCK turn
#define NAME(f) neon_##f
#include "kern/transpose/blocks.inc"

const etch_transpose_kernels etch_transpose__neon = { "neon", ETCH_CPU_NEON, neon_run };
#endif
