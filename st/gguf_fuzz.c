// libFuzzer: any bytes as a GGUF file; touches every byte that the table claims.
#include "st/gguf.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    etch_gguf *g;
    etch_status *s = etch_gguf_open_bytes((etch_span){ bytes, n }, "fuzz", &g);
    if (s) {
        etch_status_free(s);
        return 0;
    }
    volatile uint8_t sum = 0;
    for (size_t i = 0; i < etch_gguf_count(g); i++) {
        etch_span b = etch_gguf_bytes(g, etch_gguf_at(g, i));
        for (size_t k = 0; k < b.len; k++) sum = (uint8_t)(sum + b.ptr[k]);
    }
    etch_gguf_close(g);
    return 0;
}
