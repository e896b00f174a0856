// Bump allocator: everything that shares a lifetime is freed at once.
#ifndef ETCH_BASE_ARENA_H
#define ETCH_BASE_ARENA_H

#include "base/status.h"
#include "base/str.h"

typedef struct etch_arena_block etch_arena_block;
typedef struct etch_arena { etch_arena_block *head; size_t used, total; } etch_arena;

static inline void etch_arena_init(etch_arena *a) { *a = (etch_arena){ 0 }; }
void etch_arena_deinit(etch_arena *a);
// Zeroed memory, 16-aligned, valid until deinit. NULL only when memory is out (callers: ETCH_ALLOC).
void *etch_arena_alloc(etch_arena *a, size_t size) ETCH_MUST_USE;
// Copies; the copy is NUL-terminated. ptr == NULL when memory is out.
etch_str etch_arena_str(etch_arena *a, etch_str s);
etch_str etch_arena_printf(etch_arena *a, const char *fmt, ...) ETCH_PRINTF(2, 3);

// Declares nothing: `ptr = etch_arena_alloc(...)`, and returns the out-of-memory status when NULL.
#define ETCH_ALLOC(ptr, arena, size)                                                       \
    do {                                                                                   \
        (ptr) = etch_arena_alloc((arena), (size));                                         \
        if (!(ptr)) return ETCH_ERR(ETCH_NO_MEMORY, "out of memory (%zu bytes)", (size_t)(size)); \
    } while (0)

#endif
