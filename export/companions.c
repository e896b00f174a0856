#include "export/companions.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "tok/chat.h"

static const char *const names[] = {
    "config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json",
    "vocab.json", "vocab.txt", "merges.txt", "tokenizer.model", "spiece.model", "sentencepiece.bpe.model", "chat_template.jinja",
    "chat_template.json",
    "preprocessor_config.json", "processor_config.json", "video_preprocessor_config.json",
};

static etch_status *copy(const char *from, const char *to)
{
    etch_mapped m;
    ETCH_TRY(etch_mapped_open(from, &m));
    etch_status *s = etch_file_write(to, m.bytes);
    etch_mapped_close(&m);
    return s;
}

etch_status *etch_copy_companions(const char *model_dir, const char *out_dir)
{
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char from[4608], to[4608];
        snprintf(from, sizeof from, "%s/%s", model_dir, names[i]);
        snprintf(to, sizeof to, "%s/%s", out_dir, names[i]);
        if (etch_file_exists(from)) ETCH_TRY(copy(from, to));
    }
    return NULL;
}

etch_status *etch_write_chat(etch_str json, const char *out_dir, etch_buf *notes)
{
    char path[4608];
    snprintf(path, sizeof path, "%s/chat.json", out_dir);
    etch_chat *chat = NULL;
    etch_status *refused = json.len ? etch_chat_parse(json, "the chat template", &chat) : NULL;
    if (refused) etch_buf_printf(notes, "no chat.json, which 'etch generate --chat' needs: %s\n", etch_status_message(refused));
    etch_status_ignore(refused);
    if (!chat) return unlink(path) && errno != ENOENT ? ETCH_ERR(ETCH_IO, "cannot remove %s: %s", path, strerror(errno)) : NULL;
    etch_chat_destroy(chat);
    return etch_file_write(path, (etch_span){ (const uint8_t *)json.ptr, json.len });
}
