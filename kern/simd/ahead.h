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

// Memory that is read from front to back faster than the processor fetches it by itself: who reads bytes [off, off + bytes) of what lies
// between `first` and `end` asks for as many of the block after theirs. A block is four pages, and one line of each is asked for in turn:
// the processor then follows four runs of lines at a time. docs/SPEED.md: 30 GB/s from memory where line after line gave 24.
#define ETCH_AHEAD_PAGES 4
#define ETCH_AHEAD_BLOCK ((size_t)4096 * ETCH_AHEAD_PAGES)

// Where a reader at `b` asks: 64 * ETCH_AHEAD_PAGES bytes of reading are a line of every page, 4096 bytes apart, from there on.
static inline size_t etch_ahead_place(size_t b)
{
    size_t within = b % ETCH_AHEAD_BLOCK;
    return b - within + ETCH_AHEAD_BLOCK + within / ETCH_AHEAD_PAGES;
}

static inline void etch_ahead_block(const uint8_t *first, const uint8_t *end, size_t off, size_t bytes)
{
    for (size_t b = off; b < off + bytes; b += 64 * ETCH_AHEAD_PAGES) {
        size_t at = etch_ahead_place(b), left = (size_t)(end - first);
        for (size_t p = 0; p < ETCH_AHEAD_PAGES; p++)
            if (at + 4096 * p < left) __builtin_prefetch(first + at + 4096 * p);
    }
}

// The same for who does not know where the memory begins and ends: blocks begin at multiples of their size.
static inline void etch_ahead_around(const void *from, size_t bytes)
{
    for (uintptr_t b = (uintptr_t)from; b < (uintptr_t)from + bytes; b += 64 * ETCH_AHEAD_PAGES)
        for (size_t p = 0; p < ETCH_AHEAD_PAGES; p++) __builtin_prefetch((const void *)(etch_ahead_place(b) + 4096 * p));
}

// The first block from `off` on, which nobody asked for.
static inline void etch_ahead_first(const uint8_t *first, const uint8_t *end, size_t off)
{
    size_t left = (size_t)(end - first);
    for (size_t b = 0; b < 4096; b += 64)
        for (size_t p = 0; p < ETCH_AHEAD_PAGES; p++)
            if (off + b + 4096 * p < left) __builtin_prefetch(first + off + b + 4096 * p);
}

#endif
