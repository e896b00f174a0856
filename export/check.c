// In: a job, of which the weights may be missing. Out: whether it will export, where each node runs, what the file and its memory will be.
//
// The steps are those of etch_export; the emission has no writer. Where the folder has no weights, the tracer makes leaves from the config
// (trace/driver/weightless.py), and passes that look at small constants see stand-ins.
#include "export/check.h"

#include <jansson.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "export/report.h"
#include "export/stand_in.h"
#include "export/weights.h"

#define GROW(r, list, n, cap)                                                                    \
    do {                                                                                         \
        if ((n) < (cap)) break;                                                                  \
        int cap_ = (cap) ? (cap) * 2 : 32;                                                       \
        void *grown_ = etch_arena_alloc(&(r)->arena, sizeof *(list) * (size_t)cap_);             \
        if (!grown_) return;                                                                     \
        if (n) memcpy(grown_, (list), sizeof *(list) * (size_t)(n));                             \
        (list) = grown_;                                                                         \
        (cap) = cap_;                                                                            \
    } while (0)

static bool same_text(const char *a, const char *b) { return a == b || (a && b && !strcmp(a, b)); }

static void on_node(void *user, const etch_method *m, const etch_node *n, const char *outside)
{
    etch_check_report *r = user;
    etch_str op = n->op->schema->name;
    for (int i = 0; i < r->n_rows; i++) {
        etch_check_row *row = &r->rows[i];
        if (!etch_str_eq(row->op, op) || !etch_str_eq(row->method, m->name) || !same_text(row->outside, outside)) continue;
        row->count++;
        return;
    }
    GROW(r, r->rows, r->n_rows, r->cap_rows);
    r->rows[r->n_rows++] = (etch_check_row){ m->name, op, outside, n->where, 1 };
}

static void on_missing(void *user, const etch_node *n)
{
    etch_check_report *r = user;
    for (int i = 0; i < r->n_missing; i++)
        if (etch_str_eq(r->missing[i].op, n->op->schema->name) && etch_str_eq(r->missing[i].where, n->where)) {
            r->missing[i].count++;
            return;
        }
    GROW(r, r->missing, r->n_missing, r->cap_missing);
    r->missing[r->n_missing++] = (etch_missing_op){ n->op->schema->name, n->where, 1 };
}

typedef struct { uint64_t sum; int nodes, tensors; } sources;

static void add_source(void *user, etch_value *v)
{
    sources *s = user;
    size_t n;
    if (v->src != ETCH_SRC_NODE) {
        s->tensors++;
        return;
    }
    s->nodes++;
    if (etch_tensor_nbytes(&v->t, &n)) s->sum += n;
}

// A chain over one tensor goes through in blocks; others are whole in memory, with everything that they are computed from.
static void on_constant(void *user, etch_value *v, uint64_t nbytes)
{
    (void)nbytes;
    etch_check_report *r = user;
    sources s = { 0 };
    etch_status_ignore(etch_eval_each_source(v, add_source, &s));
    if (s.tensors > 1 && s.sum > r->whole_constant) r->whole_constant = s.sum;
}

static uint64_t state_of(const etch_method *m)
{
    uint64_t sum = 0;
    size_t n;
    for (int i = 0; i < m->n_leaves; i++)
        if (m->leaves[i]->src == ETCH_SRC_BUFFER && etch_tensor_nbytes(&m->leaves[i]->t, &n)) sum += n;
    return sum;
}

// Block buffers of the writer and of quantization on all cores, measured on exports of 100 M parameters.
enum { WRITER_BYTES = 24 << 20 };

static void estimate(etch_check_report *r)
{
    struct rusage u;
    uint64_t own = getrusage(RUSAGE_SELF, &u) ? 0 : (uint64_t)u.ru_maxrss * 1024;
    uint64_t buffers = r->export.emit.file_bytes < WRITER_BYTES ? r->export.emit.file_bytes : WRITER_BYTES;
    uint64_t lowering = own + buffers + r->whole_constant;
    r->export_bytes = lowering > r->export.tracer_peak_rss ? lowering : r->export.tracer_peak_rss;
    const etch_program *p = r->export.program;
    for (int i = 0; i < p->n_methods; i++)
        if (state_of(p->methods[i]) > r->state_bytes) r->state_bytes = state_of(p->methods[i]);
}

static int by_place(const void *pa, const void *pb)
{
    const etch_check_row *a = pa, *b = pb;
    int c = etch_str_cmp(a->method, b->method);
    if (!c) c = (a->outside != NULL) - (b->outside != NULL);
    if (!c) c = b->count - a->count;
    return c ? c : etch_str_cmp(a->op, b->op) ? etch_str_cmp(a->op, b->op)
           : strcmp(a->outside ? a->outside : "", b->outside ? b->outside : "");
}

static etch_status *lower(const etch_export_opts *o, const etch_weights *weights, etch_check_report *r)
{
    const etch_emit_listener listener = { on_node, on_constant, r };
    const etch_emit_opts emit = { .recipe = o->recipe, .listener = &listener };
    ETCH_TRY(etch_pipeline_run(r->export.program, o, weights, &r->export.quant));
    ETCH_TRY(etch_emit(r->export.program, &emit, NULL, NULL, &r->export.emit));
    if (r->n_rows) qsort(r->rows, (size_t)r->n_rows, sizeof *r->rows, by_place);
    return NULL;
}

// What the tracer lacks, one "op\twhere\tcount" a line.
static void add_missing(etch_check_report *r)
{
    etch_str rest = etch_buf_str(&r->export.missing);
    while (rest.len) {
        const char *end = memchr(rest.ptr, '\n', rest.len);
        etch_str line = { rest.ptr, end ? (size_t)(end - rest.ptr) : rest.len };
        rest = (etch_str){ rest.ptr + line.len + (end != NULL), rest.len - line.len - (end != NULL) };
        const char *a = memchr(line.ptr, '\t', line.len), *b = a ? memchr(a + 1, '\t', (size_t)(line.ptr + line.len - a - 1)) : NULL;
        if (!b) continue;
        GROW(r, r->missing, r->n_missing, r->cap_missing);
        r->missing[r->n_missing++] = (etch_missing_op){ { line.ptr, (size_t)(a - line.ptr) }, { a + 1, (size_t)(b - a - 1) }, atoi(b + 1) };
    }
}

etch_status *etch_check(const etch_job *job, etch_progress *progress, etch_check_report *out)
{
    *out = (etch_check_report){ 0 };
    etch_arena_init(&out->arena);
    etch_export_opts o = { .model_dir = job->model, .missing = on_missing, .missing_user = out };
    ETCH_TRY(etch_recipe_parse(etch_str_of(job->recipe), &o.recipe));
    ETCH_TRY(etch_job_quant(job, o.recipe, &o.quant, &o.quant_encoder));
    etch_status *s = etch_export_trace(job, progress, &out->export);
    add_missing(out);
    ETCH_TRY(s);
    etch_progress_stage(progress, "lower");
    etch_model_weights weights;
    etch_stand_in stand_in;
    etch_stand_in_init(&stand_in);
    s = etch_model_weights_open(etch_job_is_file(job) ? NULL : job->model, &weights);
    out->weightless = !weights.st && !job->gguf_file;
    if (!s) s = lower(&o, out->weightless ? &stand_in.weights : &weights.weights, out);
    if (!s) estimate(out);
    etch_model_weights_close(&weights);
    etch_stand_in_deinit(&stand_in);
    return s;
}

void etch_check_report_deinit(etch_check_report *r)
{
    etch_export_report_deinit(&r->export);
    etch_arena_deinit(&r->arena);
}

// ---- JSON
static json_t *text(etch_str s) { return json_stringn(s.ptr ? s.ptr : "", s.len); }

static json_t *operators(const etch_check_report *r)
{
    json_t *list = json_array();
    for (int i = 0; i < r->n_rows; i++) {
        const etch_check_row *row = &r->rows[i];
        json_t *o = json_pack("{s:o, s:o, s:i, s:s}", "method", text(row->method), "op", text(row->op), "count", row->count, "runs",
                              row->outside ? "portable" : "xnnpack");
        if (row->outside) json_object_set_new(o, "why", json_string(row->outside));
        if (row->where.len) json_object_set_new(o, "where", text(row->where));
        json_array_append_new(list, o);
    }
    return list;
}

static json_t *missing(const etch_check_report *r)
{
    json_t *list = json_array();
    for (int i = 0; i < r->n_missing; i++)
        json_array_append_new(list, json_pack("{s:o, s:o, s:i}", "op", text(r->missing[i].op), "where", text(r->missing[i].where), "count",
                                              r->missing[i].count));
    return list;
}

static json_t *build(const etch_job *job, const etch_check_report *r, const etch_status *verdict)
{
    json_t *root = json_pack("{s:b, s:s, s:s, s:s, s:s, s:o, s:o}", "exports", !verdict, "model", job->model, "task", job->task, "recipe",
                             job->recipe, "dtype", job->dtype, "missing", missing(r), "notes",
                             etch_report_lines(etch_buf_str(&r->export.notes)));
    if (verdict) {
        json_object_set_new(root, "reason", json_string(etch_status_message(verdict)));
        return root;
    }
    json_t *program = etch_report_program(&r->export.emit);
    json_object_set_new(program, "state_bytes", json_integer((json_int_t)r->state_bytes));
    json_object_set_new(root, "from", json_string(r->weightless ? "config" : "weights"));
    json_object_set_new(root, "operators", operators(r));
    json_object_set_new(root, "program", program);
    json_object_set_new(root, "export_peak_bytes", json_integer((json_int_t)r->export_bytes));
    return root;
}

etch_status *etch_check_to_json(const etch_job *job, const etch_check_report *r, const etch_status *verdict, etch_buf *out)
{
    json_t *root = build(job, r, verdict);
    char *json = root ? json_dumps(root, JSON_INDENT(1)) : NULL;
    json_decref(root);
    if (!json) return ETCH_ERR(ETCH_NO_MEMORY, "out of memory");
    etch_buf_puts(out, json);
    etch_buf_puts(out, "\n");
    free(json);
    return etch_buf_check(out);
}
