#include "base/arena.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/num.h"

struct etch_arena_block { etch_arena_block *next; size_t cap; };
#define HEAD etch_align_up(sizeof(etch_arena_block), 16)
#define BLOCK ((size_t)64 << 10)

void etch_arena_deinit(etch_arena *a)
{
    for (etch_arena_block *b = a->head; b;) {
        etch_arena_block *next = b->next;
        free(b);
        b = next;
    }
    *a = (etch_arena){ 0 };
}

void *etch_arena_alloc(etch_arena *a, size_t size)
{
    if (size > SIZE_MAX / 2) return NULL;
    size = etch_align_up(size ? size : 1, 16);
    if (!a->head || a->head->cap - a->used < size) {
        size_t cap = HEAD + (size > BLOCK ? size : BLOCK);
        etch_arena_block *b = malloc(cap);
        if (!b) return NULL;
        b->cap = cap;
        a->total += cap;
        if (a->head && size > BLOCK) {  // an oversize block goes behind the current one, which stays open
            b->next = a->head->next;
            a->head->next = b;
            void *p = (char *)b + HEAD;
            return memset(p, 0, size);
        }
        b->next = a->head;
        a->head = b;
        a->used = HEAD;
    }
    void *p = (char *)a->head + a->used;
    a->used += size;
    return memset(p, 0, size);
}

etch_str etch_arena_str(etch_arena *a, etch_str s)
{
    char *p = etch_arena_alloc(a, s.len + 1);
    if (!p) return (etch_str){ 0 };
    if (s.len) memcpy(p, s.ptr, s.len);
    return (etch_str){ p, s.len };
}

etch_str etch_arena_printf(etch_arena *a, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    char *p = n < 0 ? NULL : etch_arena_alloc(a, (size_t)n + 1);
    if (!p) return (etch_str){ 0 };
    va_start(ap, fmt);
    vsnprintf(p, (size_t)n + 1, fmt, ap);
    va_end(ap);
    return (etch_str){ p, (size_t)n };
}
