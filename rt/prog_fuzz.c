// libFuzzer: bytes become a well-formed program with calls of arbitrary values (prog_random.h), which is loaded and run. Needs no seeds.
#include "rt/prog_random.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    etch_status_ignore(etch_ops_init());
    etch_buf file = { 0 };
    if (prog_random_make(bytes, n, 4, &file)) {
        prog_random_run((etch_span){ file.ptr, file.len }, bytes, n);
        prog_random_run_as((etch_span){ file.ptr, file.len }, bytes, n, bytes[0] % 2 ? "float16" : "int8");
    }
    etch_buf_deinit(&file);
    return 0;
}
