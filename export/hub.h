// Hub ids: a model that is not a folder here is looked up on the Hugging Face Hub, by the huggingface_hub package in a Python child
// (trace/driver/hub.py).
#ifndef ETCH_EXPORT_HUB_H
#define ETCH_EXPORT_HUB_H

#include "base/buf.h"
#include "export/progress.h"

typedef struct etch_hub_request {
    const char *id;          // NAME or OWNER/NAME
    const char *revision;    // branch, tag or commit; NULL: main
    const char *token;       // NULL: HF_TOKEN, or what `hf auth login` stored
    const char *gguf_file;   // this file instead of safetensors; NULL: safetensors
    bool offline;            // the cache only
    bool config_only;        // no weights
    bool code;               // *.py too
} etch_hub_request;

// Looks like an id, and nothing of that name is here.
bool etch_hub_is_id(const char *model);
// The folder in the Hub cache that holds everything an export reads, downloaded as far as it is not there. Appends to `notes`, one a line.
// Errors name what is wrong: no such model or revision, gated, no network, no safetensors.
etch_status *etch_hub_resolve(const etch_hub_request *r, etch_progress *progress, char *folder, size_t cap, etch_buf *notes) ETCH_MUST_USE;

#endif
