#include "export/hub.h"

#include <ctype.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "export/tracer.h"

bool etch_hub_is_id(const char *model)
{
    int slashes = 0;
    for (const char *p = model; *p; p++) {
        if (*p == '/') slashes++;
        else if (!isalnum((unsigned char)*p) && !strchr("-_.", *p)) return false;
    }
    size_t n = strlen(model);
    return n > 0 && slashes <= 1 && isalnum((unsigned char)model[0]) && model[n - 1] != '/' && !etch_file_exists(model);
}

static etch_status *job_of(const etch_hub_request *r, etch_buf *out)
{
    json_t *pull = json_object(), *root = json_object();
    bool ok = pull && root && !json_object_set_new(pull, "id", json_string(r->id));
    if (r->revision) ok = ok && !json_object_set_new(pull, "revision", json_string(r->revision));
    if (r->token) ok = ok && !json_object_set_new(pull, "token", json_string(r->token));
    if (r->gguf_file) ok = ok && !json_object_set_new(pull, "gguf_file", json_string(r->gguf_file));
    ok = ok && !json_object_set_new(pull, "offline", json_boolean(r->offline));
    ok = ok && !json_object_set_new(pull, "config_only", json_boolean(r->config_only));
    ok = ok && !json_object_set_new(pull, "code", json_boolean(r->code));
    ok = ok && !json_object_set(root, "pull", pull);
    char *text = ok ? json_dumps(root, JSON_COMPACT) : NULL;
    if (text) etch_buf_puts(out, text);
    free(text);
    json_decref(pull);
    json_decref(root);
    return text ? etch_buf_check(out) : ETCH_ERR(ETCH_USAGE, "%s: the id, revision or token is not valid UTF-8", r->id);
}

etch_status *etch_hub_resolve(const etch_hub_request *r, etch_progress *progress, char *folder, size_t cap, etch_buf *notes)
{
    etch_buf job = { 0 };
    etch_tracer_result t = { 0 };
    *folder = 0;
    etch_status *s = job_of(r, &job);
    if (!s) s = etch_tracer_run(etch_buf_str(&job), ETCH_GRANT_SECRETS, progress, &t);
    if (!s && t.text.len >= cap) s = ETCH_ERR(ETCH_INVALID, "the path of the cached folder is too long");
    if (!s) {
        memcpy(folder, t.text.ptr, t.text.len);
        folder[t.text.len] = 0;
        etch_buf_put(notes, t.notes.ptr, t.notes.len);
    }
    etch_buf_deinit(&job);
    etch_tracer_result_deinit(&t);
    return s;
}
