// `etch profile`: where the time of a method goes. In: a .pte. Out: a table (time by operator and kernel), perhaps a trace for Perfetto.
//
// Times are each step's own: a delegate's instruction counts only what its nodes do not. So the rows add up to the time of the call.
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/file.h"
#include "cli/opt.h"
#include "cli/rt_opts.h"
#include "cli/synth.h"

etch_status *etch_cmd_profile(int argc, char **argv);

typedef struct { const char *file, *method, *shapes, *trace, *by, *kv_cache; int64_t threads, runs, top, position; bool json; } options;

typedef struct { etch_str key, name, kernel, detail; uint64_t ns, count, bytes; } row;

typedef struct {
    const options *o;
    etch_arena arena;
    row *rows;
    size_t n, cap;
    etch_buf trace;
    uint64_t zero_ns, nodes_ns;   // first event; nodes since the last instruction
    bool no_memory;
} profile;

// ---- events

static etch_str keep(profile *p, etch_str s)
{
    etch_str kept = etch_arena_str(&p->arena, s);
    if (!kept.ptr) p->no_memory = true;
    return kept;
}

static row *add_row(profile *p, etch_str key, const etch_rt_event *e, bool with_detail)
{
    if (p->n == p->cap) {
        size_t cap = p->cap ? 2 * p->cap : 64;
        row *rows = realloc(p->rows, cap * sizeof *rows);
        if (!rows) {
            p->no_memory = true;
            return NULL;
        }
        p->rows = rows;
        p->cap = cap;
    }
    row *r = &p->rows[p->n++];
    *r = (row){ .key = keep(p, key), .name = keep(p, etch_str_of(e->name)), .kernel = keep(p, etch_str_of(e->kernel)) };
    if (with_detail) r->detail = keep(p, e->detail);
    return r;
}

static row *find_row(profile *p, const etch_rt_event *e)
{
    bool by_step = !strcmp(p->o->by, "step"), with_detail = by_step || !strcmp(p->o->by, "shape");
    etch_buf key = { 0 };
    etch_buf_printf(&key, "%s\n%s", e->name, e->kernel);
    if (with_detail) etch_buf_printf(&key, "\n%.*s", ETCH_STR_ARGS(e->detail));
    if (by_step) etch_buf_printf(&key, "\n%d.%d", e->instruction, e->node);
    row *r = NULL;
    for (size_t i = 0; i < p->n && !r; i++)
        if (etch_str_eq(p->rows[i].key, etch_buf_str(&key))) r = &p->rows[i];
    if (!r) r = add_row(p, etch_buf_str(&key), e, with_detail);
    etch_buf_deinit(&key);
    return r;
}

// A complete event ("X") of the Chrome trace format, in microseconds; nodes lie inside their instruction.
static void put_trace(profile *p, const etch_rt_event *e)
{
    etch_buf *b = &p->trace;
    etch_buf_puts(b, b->len ? ",\n" : "{\"displayTimeUnit\":\"ms\",\"traceEvents\":[\n");
    etch_buf_puts(b, "{\"ph\":\"X\",\"pid\":1,\"tid\":1,\"name\":");
    etch_buf_quote(b, etch_str_of(e->name));
    etch_buf_printf(b, ",\"cat\":\"%s\",\"ts\":%.3f,\"dur\":%.3f,\"args\":{\"instruction\":%d,\"node\":%d,\"kernel\":",
                    e->node < 0 ? "instruction" : "node", (double)(e->begin_ns - p->zero_ns) * 1e-3,
                    (double)(e->end_ns - e->begin_ns) * 1e-3, e->instruction, e->node);
    etch_buf_quote(b, etch_str_of(e->kernel));
    etch_buf_puts(b, ",\"tensors\":");
    etch_buf_quote(b, e->detail);
    etch_buf_printf(b, ",\"weight_bytes\":%llu}}", (unsigned long long)e->constant_bytes);
}

static void on_event(void *user, const etch_rt_event *e)
{
    profile *p = user;
    if (p->o->trace) put_trace(p, e);
    uint64_t ns = e->end_ns - e->begin_ns;
    if (e->node < 0) {
        ns -= ns < p->nodes_ns ? ns : p->nodes_ns;
        p->nodes_ns = 0;
    }
    row *r = find_row(p, e);
    if (r) {
        r->ns += ns;
        r->count++;
        r->bytes += e->constant_bytes;
    }
    // The delegate does not answer for what it takes to describe its nodes.
    if (e->node >= 0) p->nodes_ns += etch_clock_ns() - e->begin_ns;
}

// ---- result

static int by_time(const void *a, const void *b)
{
    uint64_t x = ((const row *)a)->ns, y = ((const row *)b)->ns;
    return x < y ? 1 : x > y ? -1 : 0;
}

static uint64_t total(const profile *p)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < p->n; i++) sum += p->rows[i].ns;
    return sum ? sum : 1;
}

static void print_table(const profile *p, etch_str inputs)
{
    double runs = (double)p->o->runs, all = (double)total(p);
    printf("%s(%.*s): %.2f ms a call, mean of %lld\n", p->o->method, ETCH_STR_ARGS(inputs), all * 1e-6 / runs, (long long)p->o->runs);
    printf("%7s %10s %8s %10s  %-34s %-10s%s\n", "share", "ms", "count", "weights", "operator or node", "kernel",
           strcmp(p->o->by, "op") ? "  tensors" : "");
    for (size_t i = 0; i < p->n && (int64_t)i < p->o->top; i++) {
        const row *r = &p->rows[i];
        printf("%6.1f%% %10.3f %8.0f %7.2f MB  %-34.*s %-10.*s%s%.*s\n", 100 * (double)r->ns / all, (double)r->ns * 1e-6 / runs,
               (double)r->count / runs, (double)r->bytes * 1e-6 / runs, ETCH_STR_ARGS(r->name), ETCH_STR_ARGS(r->kernel),
               r->detail.len ? "  " : "", ETCH_STR_ARGS(r->detail));
    }
    if ((int64_t)p->n > p->o->top) printf("        %zu further rows: --top %zu\n", p->n - (size_t)p->o->top, p->n);
}

static void put_str(json_t *j, const char *key, etch_str s) { json_object_set_new(j, key, json_stringn(s.ptr ? s.ptr : "", s.len)); }

static void print_json(const profile *p, etch_str inputs)
{
    double runs = (double)p->o->runs;
    json_t *root = json_object(), *rows = json_array();
    json_object_set_new(root, "method", json_string(p->o->method));
    put_str(root, "inputs", inputs);
    json_object_set_new(root, "ms", json_real((double)total(p) * 1e-6 / runs));
    json_object_set_new(root, "rows", rows);
    for (size_t i = 0; i < p->n; i++) {
        const row *r = &p->rows[i];
        json_t *j = json_object();
        json_array_append_new(rows, j);
        put_str(j, "name", r->name);
        put_str(j, "kernel", r->kernel);
        if (r->detail.len) put_str(j, "tensors", r->detail);
        json_object_set_new(j, "ms", json_real((double)r->ns * 1e-6 / runs));
        json_object_set_new(j, "count", json_real((double)r->count / runs));
        json_object_set_new(j, "weight_bytes", json_integer((json_int_t)(r->bytes / (uint64_t)p->o->runs)));
    }
    json_dumpf(root, stdout, JSON_INDENT(1) | JSON_REAL_PRECISION(6));
    putchar('\n');
    json_decref(root);
}

// ---- command

static etch_status *measure(profile *p, etch_rt_method *m, etch_cli_synth *in)
{
    ETCH_TRY(etch_rt_execute(m));   // warms up
    p->zero_ns = etch_clock_ns();
    etch_rt_listen(m, on_event, p);
    for (int64_t i = 0; i < p->o->runs; i++) {
        ETCH_TRY(etch_cli_synth_set(in));
        ETCH_TRY(etch_rt_execute(m));
    }
    if (p->no_memory) return ETCH_ERR(ETCH_NO_MEMORY, "out of memory");
    if (p->n) qsort(p->rows, p->n, sizeof *p->rows, by_time);
    if (!p->o->trace) return NULL;
    etch_buf_puts(&p->trace, p->trace.len ? "\n]}\n" : "{\"traceEvents\":[]}\n");
    ETCH_TRY(etch_buf_check(&p->trace));
    return etch_file_write(p->o->trace, (etch_span){ p->trace.ptr, p->trace.len });
}

static etch_status *run(const options *o, etch_rt *rt)
{
    etch_rt_method *m;
    ETCH_TRY(etch_rt_load(rt, etch_str_of(o->method), &m));
    profile p = { .o = o };
    etch_arena_init(&p.arena);
    etch_cli_synth in = { 0 };
    etch_status *s = etch_cli_synth_make(m, o->shapes, o->position, &in);
    if (!s) s = measure(&p, m, &in);
    if (!s) {
        etch_buf inputs = { 0 };
        etch_cli_synth_print(&in, &inputs);
        if (o->json) print_json(&p, etch_buf_str(&inputs));
        else print_table(&p, etch_buf_str(&inputs));
        etch_buf_deinit(&inputs);
    }
    etch_cli_synth_free(&in);
    free(p.rows);
    etch_buf_deinit(&p.trace);
    etch_arena_deinit(&p.arena);
    etch_rt_unload(m);
    return s;
}

etch_status *etch_cmd_profile(int argc, char **argv)
{
    options o = { .method = "forward", .by = "op", .runs = 5, .top = 30 };
    etch_opt opts[] = {
        { "--method", "-m", ETCH_OPT_STR, &o.method, "NAME", "method to run on made-up inputs (default forward)", 0, 0, false, "Options" },
        { "--shapes", NULL, ETCH_OPT_STR, &o.shapes, "SIZES", "sizes of the inputs in order, 1x1,1 (default: the largest)", 0, 0, false,
          NULL },
        { "--position", NULL, ETCH_OPT_INT, &o.position, "N", "where positions start: a step after N tokens (default 0)", 0, 1 << 24, false,
          NULL },
        ETCH_CLI_THREADS(o.threads),
        ETCH_CLI_KV_CACHE(o.kv_cache),
        { "--runs", "-n", ETCH_OPT_INT, &o.runs, "N", "calls to average (default 5)", 1, 100000, false, NULL },
        { "--by", NULL, ETCH_OPT_CHOICE, &o.by, "op|shape|step", "rows by operator and kernel, tensors too, or step (default op)", 0, 0,
          false, NULL },
        { "--top", NULL, ETCH_OPT_INT, &o.top, "N", "rows of the table (default 30)", 1, 1000000, false, NULL },
        { "--trace", NULL, ETCH_OPT_STR, &o.trace, "FILE.json", "write every step in the trace format that Perfetto opens", 0, 0, false,
          NULL },
        { "--json", NULL, ETCH_OPT_FLAG, &o.json, NULL, "print one JSON object", 0, 0, false, NULL },
        { 0 },
    };
    const etch_cmd cmd = { "profile", "Says where the time of a method goes, by operator and kernel.", "FILE.pte", 1, 1,
                           "  etch profile model.pte --shapes 1x1,1 --position 1000\n"
                           "  etch profile model.pte --by shape --trace trace.json", opts };
    bool done;
    ETCH_TRY(etch_opt_parse(&cmd, argc, argv, &o.file, &done));
    if (done) return NULL;
    etch_rt *rt;
    ETCH_TRY(etch_rt_open(o.file, &(etch_rt_options){ .n_threads = (int)o.threads, .kv_cache = o.kv_cache }, &rt));
    etch_status *s = run(&o, rt);
    etch_rt_close(rt);
    return s;
}
