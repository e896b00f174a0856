#include "base/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

static bool grow(etch_buf *b, size_t n)
{
    if (b->oom) return false;
    if (b->cap - b->len >= n) return true;
    size_t cap = b->cap ? b->cap : 256;
    while (cap - b->len < n) {
        if (cap > SIZE_MAX / 2) {
            b->oom = true;
            return false;
        }
        cap *= 2;
    }
    uint8_t *p = realloc(b->ptr, cap);
    if (!p) {
        b->oom = true;
        return false;
    }
    b->ptr = p;
    b->cap = cap;
    return true;
}

void etch_buf_deinit(etch_buf *b)
{
    free(b->ptr);
    *b = (etch_buf){ 0 };
}

void etch_buf_put(etch_buf *b, const void *bytes, size_t n)
{
    if (!n || !grow(b, n)) return;
    memcpy(b->ptr + b->len, bytes, n);
    b->len += n;
}

void etch_buf_fill(etch_buf *b, uint8_t byte, size_t n)
{
    if (!n || !grow(b, n)) return;
    memset(b->ptr + b->len, byte, n);
    b->len += n;
}

void etch_buf_pad(etch_buf *b, size_t align) { etch_buf_fill(b, 0, (0 - b->len) & (align - 1)); }
void etch_buf_puts(etch_buf *b, const char *z) { etch_buf_put(b, z, strlen(z)); }

void etch_buf_printf(etch_buf *b, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    if (n < 0 || !grow(b, (size_t)n + 1)) return;
    va_start(ap, fmt);
    vsnprintf((char *)b->ptr + b->len, (size_t)n + 1, fmt, ap);
    va_end(ap);
    b->len += (size_t)n;
}

void etch_buf_quote(etch_buf *b, etch_str s)
{
    etch_buf_puts(b, "\"");
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.ptr[i];
        if (c == '"' || c == '\\') etch_buf_printf(b, "\\%c", c);
        else if (c == '\n') etch_buf_puts(b, "\\n");
        else if (c == '\t') etch_buf_puts(b, "\\t");
        else if (c < 0x20 || c == 0x7f) etch_buf_printf(b, "\\u%04x", c);
        else etch_buf_put(b, &c, 1);
    }
    etch_buf_puts(b, "\"");
}

etch_status *etch_buf_check(const etch_buf *b)
{
    return b->oom ? ETCH_ERR(ETCH_NO_MEMORY, "out of memory while building %zu bytes", b->len) : NULL;
}
