// In: printf parts. Out: one heap object per error, its message rebuilt as frames are added.
#include "base/status.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct etch_status {
    etch_code code;
    bool is_static;
    char *message;
    char *trace;
};

static etch_status no_memory = { ETCH_NO_MEMORY, true, (char[]){ "out of memory" }, (char[]){ "" } };

static char *format(const char *fmt, va_list ap)
{
    va_list copy;
    va_copy(copy, ap);
    int n = vsnprintf(NULL, 0, fmt, copy);
    va_end(copy);
    if (n < 0) return NULL;
    char *s = malloc((size_t)n + 1);
    if (s) vsnprintf(s, (size_t)n + 1, fmt, ap);
    return s;
}

static char *join(const char *a, const char *sep, const char *b)
{
    size_t n = strlen(a) + strlen(sep) + strlen(b) + 1;
    char *s = malloc(n);
    if (s) snprintf(s, n, "%s%s%s", a, sep, b);
    return s;
}

static void add_trace(etch_status *s, const char *file, int line)
{
    char where[256];
    snprintf(where, sizeof where, "%s:%d\n", file, line);
    char *t = join(s->trace ? s->trace : "", "", where);
    if (!t) return;
    free(s->trace);
    s->trace = t;
}

etch_status *etch_status_make(etch_code code, const char *file, int line, const char *fmt, ...)
{
    etch_status *s = calloc(1, sizeof *s);
    if (!s) return &no_memory;
    s->code = code;
    va_list ap;
    va_start(ap, fmt);
    s->message = format(fmt, ap);
    va_end(ap);
    if (!s->message) {
        free(s);
        return &no_memory;
    }
    add_trace(s, file, line);
    return s;
}

etch_status *etch_status_frame(etch_status *s, const char *file, int line, const char *fmt, ...)
{
    if (!s || s->is_static) return s;
    add_trace(s, file, line);
    if (!fmt) return s;
    va_list ap;
    va_start(ap, fmt);
    char *said = format(fmt, ap);
    va_end(ap);
    char *m = said ? join(said, ": ", s->message) : NULL;
    free(said);
    if (!m) return s;
    free(s->message);
    s->message = m;
    return s;
}

etch_code etch_status_code(const etch_status *s) { return s ? s->code : ETCH_OK; }
const char *etch_status_message(const etch_status *s) { return s ? s->message : "ok"; }
const char *etch_status_trace(const etch_status *s) { return s && s->trace ? s->trace : ""; }

void etch_status_free(etch_status *s)
{
    if (!s || s->is_static) return;
    free(s->message);
    free(s->trace);
    free(s);
}
