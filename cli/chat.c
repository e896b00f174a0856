#include "cli/chat.h"

#include <time.h>

#include "base/file.h"
#include "tok/chat.h"

static etch_status *join_stops(const etch_chat *chat, const etch_tok *tok, etch_lm *lm)
{
    etch_ids stops = { 0 };
    etch_status *s = etch_chat_stops(chat, tok, &stops);
    for (size_t i = 0; !s && i < stops.len && lm->n_eos < ETCH_LM_MAX_EOS; i++) lm->eos_ids[lm->n_eos++] = stops.ptr[i];
    etch_ids_deinit(&stops);
    return s;
}

etch_status *etch_cli_chat(const char *pte, const char *text, const char *system, const etch_tok *tok, etch_lm *lm, etch_ids *out)
{
    char path[4608];
    ETCH_TRY(etch_file_beside(pte, "chat.json", path, sizeof path));
    if (!etch_file_exists(path))
        return ETCH_ERR(ETCH_NOT_FOUND, "--chat: there is no chat.json beside the program. An export writes it if the model's folder has a "
                        "chat template, or says why not; a prompt that the template has written runs with -f FILE --templated");
    etch_chat *chat = NULL;
    ETCH_TRY(etch_chat_load(path, &chat));
    const time_t now = time(NULL);
    const etch_str said = etch_str_of(text);
    const etch_talk talk = { etch_str_of(system), &said, 1, localtime(&now) };
    etch_status *s = etch_chat_encode(chat, tok, &talk, out);
    if (s) s = etch_status_frame(s, __FILE__, __LINE__, "--chat");
    if (!s) s = join_stops(chat, tok, lm);
    etch_chat_destroy(chat);
    return s;
}
