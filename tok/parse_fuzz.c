// Any bytes as tokenizer.json; what loads also encodes and decodes.
#include <stdint.h>

#include "tok/tok.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    etch_tok *t = NULL;
    etch_status_ignore(etch_tok_parse((etch_str){ (const char *)data, size }, "fuzz", &t));
    if (!t) return 0;
    etch_ids ids = { 0 };
    etch_buf text = { 0 };
    etch_status_ignore(etch_tok_encode(t, ETCH_LIT("Hello, w\xC3\xB6rld! 123 \xE4\xBD\xA0\xE5\xA5\xBD\n\t</s>"), true, &ids));
    etch_status_ignore(etch_tok_decode(t, ids.ptr, ids.len, false, &text));
    etch_ids_deinit(&ids);
    etch_buf_deinit(&text);
    etch_tok_destroy(t);
    return 0;
}
