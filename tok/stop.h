// Texts at which generation ends.
#ifndef ETCH_TOK_STOP_H
#define ETCH_TOK_STOP_H

#include "base/str.h"

// How much of `text` belongs to what is shown: all before the first of `stops` (n texts) that begins at byte `from` or after it
// (*out_found), or else all but an end that may yet become one.
size_t etch_stop_cut(etch_str text, size_t from, const char *const *stops, int n, bool *out_found);

#endif
