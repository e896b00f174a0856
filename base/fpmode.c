// In: a mode of floating point. Out: the calling thread computes in it.
#include "base/fpmode.h"

#include <stdint.h>

#if defined(__x86_64__)

#include <xmmintrin.h>

#define FLAGS 0x3fu          // what has happened, not how to compute
#define FLUSH 0x8040u        // results (FTZ) and operands (DAZ)

unsigned etch_fpmode(void) { return _mm_getcsr() & ~FLAGS; }
void etch_fpmode_set(unsigned mode) { _mm_setcsr((_mm_getcsr() & FLAGS) | mode); }

#elif defined(__aarch64__)

#define FLUSH (1u << 24)     // FZ: operands and results

unsigned etch_fpmode(void)
{
    uint64_t r;
    __asm__ volatile("mrs %0, fpcr" : "=r"(r));
    return (unsigned)r;
}

void etch_fpmode_set(unsigned mode) { __asm__ volatile("msr fpcr, %0" : : "r"((uint64_t)mode)); }

#else

#define FLUSH 0u

unsigned etch_fpmode(void) { return 0; }
void etch_fpmode_set(unsigned mode) { (void)mode; }

#endif

unsigned etch_fpmode_flush(void)
{
    unsigned was = etch_fpmode();
    etch_fpmode_set(was | FLUSH);
    return was;
}
