// Asking for memory that is read later, a part at a time between other work.
#ifndef ETCH_KERN_SIMD_AHEAD_H
#define ETCH_KERN_SIMD_AHEAD_H

#include <stdbool.h>
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

// Weights for one row of activations: `rows` rows are read side by side, 64 bytes of each (a tile), then the rows below them. Two ways to
// ask for what is read later; which is faster is the processor's (docs/SPEED.md).
typedef struct etch_ahead_rows {
    const uint8_t *first, *end;   // blocks: all weights, and
    size_t at;                    //   as far as they have been read if row after row were
    const uint8_t *tile;          // once: the tile that is asked for,
    size_t col, cols;             //   its column of a row's
    size_t ld, rows;
} etch_ahead_rows;

#define ETCH_AHEAD_BYTES ((size_t)12288)   // between what is read and what is asked for as something that is read once

// From row `w` on, ld bytes a row. `is_once` is constant.
static inline __attribute__((always_inline)) etch_ahead_rows etch_ahead_rows_of(bool is_once, const uint8_t *first, const uint8_t *end,
                                                                                const uint8_t *w, size_t ld, size_t rows)
{
    etch_ahead_rows a = { .first = first, .end = end, .at = (size_t)(w - first), .ld = ld, .rows = rows };
    if (!is_once) return a;
    size_t tiles = ETCH_AHEAD_BYTES / (64 * rows);
    a.cols = (ld + 63) / 64;
    a.col = tiles % a.cols;
    a.tile = w + tiles / a.cols * rows * ld + a.col * 64;
    return a;
}

// While a tile is read of which each row has `bytes`. Blocks: etch_ahead_block. Once: the tile that is read ETCH_AHEAD_BYTES later, as
// something that is read once (prefetchnta).
static inline __attribute__((always_inline)) void etch_ahead_rows_ask(bool is_once, etch_ahead_rows *a, size_t bytes)
{
    if (!is_once) {
        etch_ahead_block(a->first, a->end, a->at, a->rows * bytes);
        a->at += a->rows * bytes;
        return;
    }
    for (size_t r = 0; r < a->rows; r++) __builtin_prefetch(a->tile + r * a->ld, 0, 0);
    a->tile += 64;
    if (++a->col < a->cols) return;
    a->col = 0;
    a->tile += a->rows * a->ld - a->cols * 64;
}

#endif
