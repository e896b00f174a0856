// Borrowed views: a string or bytes with a length, never NUL-dependent.
#ifndef ETCH_BASE_STR_H
#define ETCH_BASE_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef struct { const char *ptr; size_t len; } etch_str;
typedef struct { const uint8_t *ptr; size_t len; } etch_span;

// For printf: printf("%.*s", ETCH_STR_ARGS(s)).
#define ETCH_STR_ARGS(s) (int)((s).len > 1u << 20 ? 1u << 20 : (s).len), ((s).ptr ? (s).ptr : "")
#define ETCH_LIT(lit) ((etch_str){ (lit), sizeof(lit) - 1 })

static inline etch_str etch_str_of(const char *z) { return (etch_str){ z, z ? strlen(z) : 0 }; }
static inline bool etch_str_eq(etch_str a, etch_str b) { return a.len == b.len && (a.len == 0 || !memcmp(a.ptr, b.ptr, a.len)); }
static inline bool etch_str_eqz(etch_str a, const char *z) { return etch_str_eq(a, etch_str_of(z)); }
static inline bool etch_str_starts(etch_str a, const char *z)
{
    size_t n = strlen(z);
    return a.len >= n && !memcmp(a.ptr, z, n);
}
// Byte order, then length: a total order for deterministic output.
static inline int etch_str_cmp(etch_str a, etch_str b)
{
    size_t n = a.len < b.len ? a.len : b.len;
    int c = n ? memcmp(a.ptr, b.ptr, n) : 0;
    return c ? c : (a.len > b.len) - (a.len < b.len);
}

#endif
