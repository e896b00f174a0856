// Growable byte buffer, also the string builder. Growth failure is remembered (`oom`) and reported once by
// `etch_buf_check`, so that builders stay readable.
#ifndef ETCH_BASE_BUF_H
#define ETCH_BASE_BUF_H

#include "base/status.h"
#include "base/str.h"

typedef struct etch_buf { uint8_t *ptr; size_t len, cap; bool oom; } etch_buf;

static inline void etch_buf_init(etch_buf *b) { *b = (etch_buf){ 0 }; }
void etch_buf_deinit(etch_buf *b);
void etch_buf_put(etch_buf *b, const void *bytes, size_t n);
void etch_buf_fill(etch_buf *b, uint8_t byte, size_t n);
// Zero bytes until len is a multiple of `align` (a power of two).
void etch_buf_pad(etch_buf *b, size_t align);
void etch_buf_puts(etch_buf *b, const char *z);
void etch_buf_printf(etch_buf *b, const char *fmt, ...) ETCH_PRINTF(2, 3);
// A JSON / graph-text string with quotes; control bytes, quote and backslash escaped (\n, \t, \", \\, \u00xx).
void etch_buf_quote(etch_buf *b, etch_str s);
static inline etch_str etch_buf_str(const etch_buf *b) { return (etch_str){ (const char *)b->ptr, b->len }; }
etch_status *etch_buf_check(const etch_buf *b) ETCH_MUST_USE;

#endif
