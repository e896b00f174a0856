// Asking for memory that is read later, a part at a time between other work.
#ifndef ETCH_KERN_SIMD_AHEAD_H
#define ETCH_KERN_SIMD_AHEAD_H

#include <stddef.h>
#include <stdint.h>

#include "base/num.h"

// What is still to be asked for: `bytes` from `at` on, `a_time` of them at a time.
typedef struct etch_ahead { const uint8_t *at; size_t bytes, a_time; } etch_ahead;

// `bytes` from `at` on, spread over `times` calls of etch_ahead_ask.
static inline etch_ahead etch_ahead_of(const void *at, size_t bytes, size_t times)
{
    return (etch_ahead){ at, bytes, etch_align_up(bytes / times + 1, 64) };
}

static inline void etch_ahead_ask(etch_ahead *a)
{
    for (size_t b = 0; b < a->a_time && a->bytes; b += 64, a->at += 64) {
        __builtin_prefetch(a->at);
        a->bytes -= a->bytes < 64 ? a->bytes : 64;
    }
}

#endif
