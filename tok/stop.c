#include "tok/stop.h"

#include <string.h>

size_t etch_stop_cut(etch_str text, size_t from, const char *const *stops, int n, bool *out_found)
{
    size_t held = text.len;
    *out_found = false;
    for (size_t at = from; at < text.len; at++)
        for (int i = 0; i < n; i++) {
            const size_t len = strlen(stops[i]), left = text.len - at;
            if (memcmp(text.ptr + at, stops[i], len < left ? len : left)) continue;
            if (len <= left) {
                *out_found = true;
                return at;
            }
            if (held == text.len) held = at;
        }
    return held;
}
