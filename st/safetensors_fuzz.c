// libFuzzer: any bytes as a safetensors file; touches every byte that the table claims.
#include "st/safetensors.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    etch_st *st;
    etch_status *s = etch_st_open_bytes((etch_span){ bytes, n }, "fuzz", &st);
    if (s) {
        etch_status_free(s);
        return 0;
    }
    volatile uint8_t sum = 0;
    for (size_t i = 0; i < etch_st_count(st); i++) {
        etch_span b = etch_st_bytes(st, etch_st_at(st, i));
        for (size_t k = 0; k < b.len; k++) sum = (uint8_t)(sum + b.ptr[k]);
    }
    etch_st_close(st);
    return 0;
}
