// Errors as values. A function that can fail returns `etch_status *`; NULL is success.
//
// A status holds a code, a message about the user's model, file or flag, and a chain of frames added on the
// way up (C file:line plus an optional sentence). The first line that a user sees is the outermost sentence.
// Ownership: the caller owns a returned status and must return it, print-and-free it, or `etch_status_free` it.
#ifndef ETCH_BASE_STATUS_H
#define ETCH_BASE_STATUS_H

#include <stddef.h>

typedef enum {
    ETCH_OK = 0,
    ETCH_INVALID,      // bad input: file, model, argument value
    ETCH_USAGE,        // bad command line (exit code 2)
    ETCH_UNSUPPORTED,  // well-formed input that etch has no row or kernel for
    ETCH_NOT_FOUND,    // file, method, tensor or key absent
    ETCH_IO,           // the operating system refused
    ETCH_NO_MEMORY,
    ETCH_MISMATCH,     // verify: results differ beyond the tolerance (exit code 1)
    ETCH_INTERNAL,     // a bug of etch
} etch_code;

typedef struct etch_status etch_status;

#if defined(__GNUC__)
#define ETCH_PRINTF(a, b) __attribute__((format(printf, a, b)))
#define ETCH_MUST_USE __attribute__((warn_unused_result))
#else
#define ETCH_PRINTF(a, b)
#define ETCH_MUST_USE
#endif

// A new status with a printf message. Never NULL: when memory is out, a static status is returned.
etch_status *etch_status_make(etch_code code, const char *file, int line, const char *fmt, ...) ETCH_PRINTF(4, 5);
// Adds a sentence (printf) in front of `s` and returns `s`. `fmt` may be NULL: only the frame is kept.
etch_status *etch_status_frame(etch_status *s, const char *file, int line, const char *fmt, ...) ETCH_PRINTF(4, 5);
etch_code etch_status_code(const etch_status *s);
// The sentences, outermost first, joined by ": " (without C locations). Borrowed; valid until `s` changes.
const char *etch_status_message(const etch_status *s);
// C locations, one a line, innermost first (for --verbose). Borrowed.
const char *etch_status_trace(const etch_status *s);
void etch_status_free(etch_status *s);
// Drops an error on purpose (clean-up paths).
static inline void etch_status_ignore(etch_status *s) { if (s) etch_status_free(s); }

#define ETCH_ERR(code, ...) etch_status_make((code), __FILE__, __LINE__, __VA_ARGS__)
#define ETCH_TRY(expr)                                                             \
    do {                                                                           \
        etch_status *etch_try_s_ = (expr);                                         \
        if (etch_try_s_) return etch_status_frame(etch_try_s_, __FILE__, __LINE__, NULL); \
    } while (0)
// As ETCH_TRY, and the sentence says what was being done: ETCH_TRYF(load(p), "loading %s", p).
#define ETCH_TRYF(expr, ...)                                                       \
    do {                                                                           \
        etch_status *etch_try_s_ = (expr);                                         \
        if (etch_try_s_) return etch_status_frame(etch_try_s_, __FILE__, __LINE__, __VA_ARGS__); \
    } while (0)

// A bug, not bad input: compiled in for debug and fuzz builds only.
#ifdef ETCH_DEBUG
#include <assert.h>
#define ETCH_ASSERT(x) assert(x)
#else
#define ETCH_ASSERT(x) ((void)0)
#endif

#endif
