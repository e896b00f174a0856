// Fuzz target of the text parser: no text may crash it; what parses must print and parse again to the same text.
#include <stdlib.h>

#include "graph/graph.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    etch_program *p, *q;
    etch_status_ignore(etch_ops_init());
    etch_status *s = etch_program_parse((etch_str){ (const char *)data, size }, &p);
    if (s) {
        etch_status_free(s);
        return 0;
    }
    etch_buf once = { 0 }, twice = { 0 };
    etch_program_print(p, &once);
    s = etch_program_parse(etch_buf_str(&once), &q);
    if (s) abort();
    etch_program_print(q, &twice);
    if (once.len != twice.len || memcmp(once.ptr, twice.ptr, once.len)) abort();
    etch_status_ignore(etch_program_verify(p));
    etch_buf_deinit(&once);
    etch_buf_deinit(&twice);
    etch_program_destroy(p);
    etch_program_destroy(q);
    return 0;
}
