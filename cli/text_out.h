// A text on standard output as it grows, until one of the texts comes that end it.
#ifndef ETCH_CLI_TEXT_OUT_H
#define ETCH_CLI_TEXT_OUT_H

#include "cli/opt.h"
#include "tok/tok.h"

typedef struct etch_cli_text {
    const etch_tok *tok;
    bool silent;                          // only looks for an end
    size_t begin, printed;                // bytes of the prompt; bytes that were shown
    const char *stops[ETCH_OPT_LIST_MAX]; // texts
    int n_stops;
    int32_t ends[ETCH_OPT_LIST_MAX];      // special tokens, which no text shows
    int n_ends;
} etch_cli_text;

// `stops` as given to --stop: texts, or a special token each.
etch_status *etch_cli_text_open(const etch_tok *tok, const etch_opt_list *stops, const etch_ids *prompt, bool silent,
                                etch_cli_text *out) ETCH_MUST_USE;
// Does the token end the text, as part of none?
bool etch_cli_text_ends(const etch_cli_text *t, int32_t id);
// Prints what has become certain of the text of `ids` since the last call, all of it when `last`. *out_stopped: a text of --stop has come.
etch_status *etch_cli_text_show(etch_cli_text *t, const etch_ids *ids, bool last, bool *out_stopped) ETCH_MUST_USE;

#endif
