#include "export/report.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/file.h"

static json_t *text(etch_str s) { return json_stringn(s.ptr ? s.ptr : "", s.len); }

json_t *etch_report_lines(etch_str s)
{
    json_t *list = json_array();
    while (s.len) {
        const char *end = memchr(s.ptr, '\n', s.len);
        size_t n = end ? (size_t)(end - s.ptr) : s.len;
        json_array_append_new(list, json_stringn(s.ptr, n));
        s = (etch_str){ s.ptr + n + (end != NULL), s.len - n - (end != NULL) };
    }
    return list;
}

static json_t *guards(const etch_program *p)
{
    json_t *list = json_array();
    for (int i = 0; i < p->syms.n_guards; i++)
        json_array_append_new(list, json_pack("{s:o, s:o}", "assumed", text(p->syms.guards[i].text), "where",
                                              text(p->syms.guards[i].where)));
    return list;
}

static json_t *tensors(const etch_quant_report *q)
{
    json_t *list = json_array();
    for (int i = 0; i < q->n; i++) {
        const etch_quant_entry *e = &q->entries[i];
        json_t *o = json_pack("{s:o, s:s, s:i, s:I, s:I}", "name", text(e->name), "scheme", e->scheme, "bits", e->bits, "rows",
                              (json_int_t)e->rows, "columns", (json_int_t)e->columns);
        if (e->group) json_object_set_new(o, "group", json_integer(e->group));
        json_object_set_new(o, "bytes", json_integer(e->bytes));
        if (e->source.len) json_object_set_new(o, "source", text(e->source));
        if (e->source.len && e->group && e->kept >= 0) {
            json_object_set_new(o, "groups", json_integer(e->rows * (e->columns / e->group)));
            json_object_set_new(o, "groups_kept", json_integer(e->kept));
        }
        if (e->relative_rms >= 0) json_object_set_new(o, "relative_rms_error", json_real(e->relative_rms));
        if (e->reason.len) json_object_set_new(o, "reason", text(e->reason));
        json_array_append_new(list, o);
    }
    return list;
}

// The flags of the job, those not given and without a default left out.
static json_t *flags(const etch_job *j)
{
    json_t *o = json_object();
    const struct { const char *name, *text; } texts[] = {
        { j->pt2 ? "pt2" : j->task_file ? "task-file" : "task", j->pt2 ? j->pt2 : j->task_file ? j->task_file : j->task },
        { "recipe", j->recipe }, { "dtype", j->pt2 ? NULL : j->dtype }, { "gguf_file", j->gguf_file },
        { "logits", j->pt2 ? NULL : j->logits }, { "qlinear", j->qlinear }, { "qembedding", j->qembedding },
        { "qlinear_encoder", j->qlinear_encoder },
        { "qembedding_encoder", j->qembedding_encoder }, { "qparams", j->qparams },
    };
    const struct { const char *name; bool on; } switches[] = {
        { "use_custom_sdpa", j->use_custom_sdpa }, { "use_custom_kv_cache", j->use_custom_kv_cache },
        { "disable_dynamic_shapes", j->disable_dynamic_shapes },
        { "trust_remote_code", j->trust_remote_code },
    };
    const struct { const char *name; int64_t value, none; } numbers[] = {
        { "max_seq_len", j->max_seq_len, 0 }, { "prefill_chunk", j->prefill_chunk, 0 }, { "image_size", j->image_size, 0 },
        { "qlinear_group_size", j->qlinear_group_size, -1 }, { "qembedding_group_size", j->qembedding_group_size, -1 },
        { "qlinear_encoder_group_size", j->qlinear_encoder_group_size, -1 },
        { "qembedding_encoder_group_size", j->qembedding_encoder_group_size, -1 },
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        if (texts[i].text) json_object_set_new(o, texts[i].name, json_string(texts[i].text));
    for (size_t i = 0; i < sizeof switches / sizeof *switches; i++) json_object_set_new(o, switches[i].name, json_boolean(switches[i].on));
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        if (numbers[i].value != numbers[i].none) json_object_set_new(o, numbers[i].name, json_integer(numbers[i].value));
    return o;
}

json_t *etch_report_program(const etch_emit_report *e)
{
    return json_pack("{s:I, s:I, s:I, s:I, s:i, s:i, s:i, s:i}", "bytes", (json_int_t)e->file_bytes, "constant_bytes",
                     (json_int_t)e->constant_bytes,
                     "named_bytes", (json_int_t)e->named_bytes, "arena_bytes", (json_int_t)e->arena_bytes, "instructions",
                     e->n_instructions, "delegates", e->n_delegates, "nodes", e->n_nodes, "delegated_nodes", e->n_delegated);
}

static json_t *build(const etch_job *job, const etch_progress *progress, const etch_export_report *r)
{
    json_t *stages = json_object();
    for (int i = 0; i < progress->n_stages; i++) {
        double had = json_number_value(json_object_get(stages, progress->stages[i].name));
        json_object_set_new(stages, progress->stages[i].name, json_real(had + progress->stages[i].seconds));
    }
    return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:{s:I, s:I}}", "job", flags(job), "program", etch_report_program(&r->emit),
                     "assumptions", guards(r->program), "notes",
                     etch_report_lines(etch_buf_str(&r->notes)), "weights", tensors(&r->quant), "seconds", stages, "peak_rss_bytes",
                     "tracer", (json_int_t)r->tracer_peak_rss, "export", (json_int_t)r->peak_rss);
}

etch_status *etch_report_write(const etch_job *job, const etch_progress *progress, const etch_export_report *r)
{
    json_t *root = build(job, progress, r);
    char *json = root ? json_dumps(root, JSON_INDENT(1) | JSON_REAL_PRECISION(6)) : NULL;
    json_decref(root);
    if (!json) return ETCH_ERR(ETCH_NO_MEMORY, "out of memory");
    char path[4608];
    snprintf(path, sizeof path, "%s/report.json", job->output_dir);
    etch_buf out = { 0 };
    etch_buf_puts(&out, json);
    etch_buf_puts(&out, "\n");
    free(json);
    etch_status *s = etch_buf_check(&out);
    if (!s) s = etch_file_write(path, (etch_span){ out.ptr, out.len });
    etch_buf_deinit(&out);
    return s;
}
