// Any bytes as chat.json; what loads also writes prompts.
#include <stdint.h>

#include "tok/chat.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    etch_chat *c = NULL;
    etch_status_ignore(etch_chat_parse((etch_str){ (const char *)data, size }, "fuzz", &c));
    if (!c) return 0;
    const etch_str texts[] = { ETCH_LIT(" \n\xE3\x80\x80 a<s>b </s>\x85"), ETCH_LIT("c\xC2\xA0"), ETCH_LIT("\xF0\x9F d ") };
    const struct tm now = { .tm_year = 131, .tm_mon = 1, .tm_mday = 3, .tm_wday = 1, .tm_yday = 33 };
    for (size_t n = 1; n <= 3; n += 2)
        for (int system = 0; system < 2; system++) {
            etch_buf text = { 0 };
            const etch_talk talk = { system ? texts[1] : (etch_str){ 0 }, texts, n, &now };
            etch_status_ignore(etch_chat_text(c, &talk, &text));
            etch_buf_deinit(&text);
        }
    etch_chat_destroy(c);
    return 0;
}
