// `etch bench`: how fast a program runs. In: a .pte. Out: one JSON object (--json), or the same as text.
//
// A decoder (the contract of rt/lm.h): load, first token, prefill, decode on an empty cache and far into it ("of_empty": the second speed
// by that of steps on an empty cache in turn with it). Any other program: each method on made-up inputs.
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "cli/machine.h"
#include "cli/opt.h"
#include "cli/rt_opts.h"
#include "cli/synth.h"
#include "rt/lm.h"

etch_status *etch_cmd_bench(int argc, char **argv);

typedef struct { const char *file, *method, *shapes, *kv_cache; int64_t threads, runs, tokens; bool json; } options;

typedef struct {
    const options *o;
    json_t *root;
    uint64_t peak, step_bytes, opened_ns;
    double step_s;         // of one decode step, empty context
} bench;

static double ms_since(uint64_t begin) { return (double)(etch_clock_ns() - begin) * 1e-6; }
static void put(json_t *j, const char *key, double v) { json_object_set_new(j, key, json_real(v)); }
static void put_int(json_t *j, const char *key, uint64_t v) { json_object_set_new(j, key, json_integer((json_int_t)v)); }

static void note_memory(bench *b)
{
    uint64_t now = etch_cli_anonymous_bytes();
    if (now > b->peak) b->peak = now;
}

static json_t *latencies(uint64_t *ns, size_t n)
{
    json_t *j = json_object();
    etch_cli_sort_times(ns, n);
    put(j, "min", etch_cli_quantile_ms(ns, n, 0));
    put(j, "p50", etch_cli_quantile_ms(ns, n, 0.5));
    put(j, "p90", etch_cli_quantile_ms(ns, n, 0.9));
    put(j, "p99", etch_cli_quantile_ms(ns, n, 0.99));
    put(j, "max", etch_cli_quantile_ms(ns, n, 1));
    return j;
}

static void count_bytes(void *user, const etch_rt_event *e) { *(uint64_t *)user += e->constant_bytes; }

// ---- decoders

static etch_status *feed_many(etch_lm *lm, int64_t n)
{
    int32_t *ids = malloc((size_t)n * sizeof *ids);
    if (!ids) return ETCH_ERR(ETCH_NO_MEMORY, "out of memory");
    for (int64_t i = 0; i < n; i++) ids[i] = (int32_t)((i * 7919 + 1) % lm->vocab_size);
    const float *logits;
    etch_status *s = etch_lm_feed(lm, ids, (size_t)n, &logits);
    free(ids);
    return s;
}

static etch_status *prefill(bench *b, etch_lm *lm, int64_t n, json_t *into)
{
    uint64_t *ns = calloc((size_t)b->o->runs, sizeof *ns);
    etch_status *s = ns ? NULL : ETCH_ERR(ETCH_NO_MEMORY, "out of memory");
    for (int64_t i = 0; i < b->o->runs && !s; i++) {
        s = etch_lm_reset(lm);
        uint64_t begin = etch_clock_ns();
        if (!s) s = feed_many(lm, n);
        ns[i] = etch_clock_ns() - begin;
    }
    note_memory(b);
    if (!s) {
        json_t *j = json_object();
        json_array_append_new(into, j);
        put_int(j, "tokens", (uint64_t)n);
        json_t *ms = latencies(ns, (size_t)b->o->runs);
        put(j, "tokens_per_s", (double)n / (json_real_value(json_object_get(ms, "p50")) * 1e-3));
        json_object_set_new(j, "ms", ms);
    }
    free(ns);
    return s;
}

// n tokens, one at a time, the first after `context` others: times at ns.
static etch_status *time_steps(etch_lm *lm, int64_t context, int64_t n, uint64_t *ns)
{
    lm->position = context;   // what the cache holds beyond does not count
    for (int64_t i = 0; i < n; i++) {
        uint64_t begin = etch_clock_ns();
        ETCH_TRY(feed_many(lm, 1));
        ns[i] = etch_clock_ns() - begin;
    }
    return NULL;
}

static double seconds_of(const uint64_t *ns, int64_t n)
{
    double sum = 0;
    for (int64_t i = 0; i < n; i++) sum += (double)ns[i] * 1e-9;
    return sum;
}

// Steps that are timed one after the other before those on an empty cache have their turn: a machine whose speed drifts slows both.
#define TURN 8

// One token at a time after `context` tokens.
static etch_status *decode(bench *b, etch_lm *lm, int64_t context, json_t *into)
{
    ETCH_TRY(etch_lm_reset(lm));
    if (context) ETCH_TRY(feed_many(lm, context));
    int64_t n = b->o->tokens, room = lm->max_seq_len - context - 1;
    if (n > room) n = room;
    if (n < 1) return NULL;
    uint64_t bytes = 0;
    etch_rt_listen(lm->method, count_bytes, &bytes);   // the first step, which also warms up
    ETCH_TRY(feed_many(lm, 1));
    etch_rt_listen(lm->method, NULL, NULL);
    uint64_t *ns = calloc(2 * (size_t)n, sizeof *ns);
    if (!ns) return ETCH_ERR(ETCH_NO_MEMORY, "out of memory");
    uint64_t *empty = ns + n;
    etch_status *s = NULL;
    for (int64_t i = 0; i < n && !s; i += TURN) {
        int64_t turn = n - i < TURN ? n - i : TURN;
        s = time_steps(lm, context + 1 + i, turn, ns + i);
        if (!s && context) s = time_steps(lm, 1 + i, turn, empty + i);
    }
    note_memory(b);
    if (!s) {
        double seconds = seconds_of(ns, n);
        json_t *j = json_object();
        json_array_append_new(into, j);
        put_int(j, "context", (uint64_t)context);
        put_int(j, "tokens", (uint64_t)n);
        put(j, "tokens_per_s", (double)n / seconds);
        json_object_set_new(j, "ms", latencies(ns, (size_t)n));
        put_int(j, "weight_bytes_per_token", bytes);
        if (context) {
            put(j, "of_empty", seconds_of(empty, n) / seconds);
        } else {
            b->step_bytes = bytes;
            b->step_s = seconds / (double)n;
        }
    }
    free(ns);
    return s;
}

#define BEYOND_CACHES ((size_t)512 << 20)
#define FIRST_PROMPT 8

static etch_status *bench_decoder(bench *b, etch_lm *lm)
{
    put(b->root, "load_ms", ms_since(b->opened_ns));
    int64_t first = FIRST_PROMPT < lm->max_seq_len ? FIRST_PROMPT : 1;
    ETCH_TRY(feed_many(lm, first));
    put(b->root, "load_to_first_token_ms", ms_since(b->opened_ns));
    put_int(b->root, "first_prompt_tokens", (uint64_t)first);
    note_memory(b);
    json_t *fills = json_array(), *steps = json_array();
    json_object_set_new(b->root, "prefill", fills);
    json_object_set_new(b->root, "decode", steps);
    int64_t room = lm->max_seq_len - 1, sizes[] = { 128, 512 };
    if (room < sizes[0]) sizes[0] = room;
    for (int i = 0; i < 2; i++)
        if (sizes[i] >= 1 && sizes[i] <= room) ETCH_TRY(prefill(b, lm, sizes[i], fills));
    ETCH_TRY(decode(b, lm, 0, steps));
    int64_t far = room - b->o->tokens - 1 < 1900 ? room - b->o->tokens - 1 : 1900;
    return far >= 1 ? decode(b, lm, far, steps) : NULL;
}

// ---- any method

static etch_status *time_method(bench *b, etch_rt_method *m, json_t *j)
{
    etch_cli_synth in;
    ETCH_TRY(etch_cli_synth_make(m, b->o->shapes, 0, &in));
    etch_buf text = { 0 };
    etch_cli_synth_print(&in, &text);
    json_object_set_new(j, "inputs", json_stringn(text.ptr ? (const char *)text.ptr : "", text.len));
    etch_buf_deinit(&text);
    uint64_t *ns = calloc((size_t)b->o->runs, sizeof *ns), bytes = 0;
    etch_status *s = ns ? NULL : ETCH_ERR(ETCH_NO_MEMORY, "out of memory");
    uint64_t begin = etch_clock_ns();
    if (!s) s = etch_rt_execute(m);
    put(j, "first_ms", ms_since(begin));
    etch_rt_listen(m, count_bytes, &bytes);
    if (!s) s = etch_cli_synth_set(&in);
    if (!s) s = etch_rt_execute(m);
    etch_rt_listen(m, NULL, NULL);
    for (int64_t i = 0; i < b->o->runs && !s; i++) {
        begin = etch_clock_ns();
        s = etch_cli_synth_set(&in);
        if (!s) s = etch_rt_execute(m);
        ns[i] = etch_clock_ns() - begin;
    }
    note_memory(b);
    if (!s) {
        put_int(j, "runs", (uint64_t)b->o->runs);
        json_object_set_new(j, "ms", latencies(ns, (size_t)b->o->runs));
        put_int(j, "weight_bytes", bytes);
    }
    free(ns);
    etch_cli_synth_free(&in);
    return s;
}

static etch_status *bench_method(bench *b, etch_rt *rt, etch_str name, json_t *into)
{
    etch_rt_method *m;
    uint64_t begin = etch_clock_ns();
    ETCH_TRY(etch_rt_load(rt, name, &m));
    json_t *j = json_object();
    json_array_append_new(into, j);
    json_object_set_new(j, "method", json_stringn(name.ptr, name.len));
    put(j, "load_ms", ms_since(begin));
    etch_status *s = time_method(b, m, j);
    etch_rt_unload(m);
    return s;
}

static etch_status *bench_methods(bench *b, etch_rt *rt)
{
    json_t *list = json_array();
    json_object_set_new(b->root, "methods", list);
    if (b->o->method) return bench_method(b, rt, etch_str_of(b->o->method), list);
    for (int i = 0; i < etch_rt_n_methods(rt); i++) {
        etch_str name = etch_rt_method_name(rt, i);
        etch_val v;
        int n;
        etch_status *s = etch_rt_constant(rt, name, &v, 1, &n);
        if (s) ETCH_TRY(bench_method(b, rt, name, list));   // not a constant
        etch_status_ignore(s);
    }
    return json_array_size(list) ? NULL : ETCH_ERR(ETCH_INVALID, "the program has no method to run, constants only");
}

// ---- text

static double num(const json_t *j, const char *key) { return json_number_value(json_object_get(j, key)); }

static void print_ms(const json_t *j)
{
    const json_t *ms = json_object_get(j, "ms");
    printf("  p50 %.2f ms  p90 %.2f  p99 %.2f  (%.2f to %.2f)\n", num(ms, "p50"), num(ms, "p90"), num(ms, "p99"), num(ms, "min"),
           num(ms, "max"));
}

static void print_text(const json_t *r)
{
    size_t i;
    const json_t *v;
    json_array_foreach(json_object_get(r, "methods"), i, v)
    {
        printf("%s(%s)\n", json_string_value(json_object_get(v, "method")), json_string_value(json_object_get(v, "inputs")));
        printf("  load %.1f ms, first call %.1f ms, weights read %.1f MB\n", num(v, "load_ms"), num(v, "first_ms"),
               num(v, "weight_bytes") * 1e-6);
        print_ms(v);
    }
    if (json_object_get(r, "load_ms"))
        printf("load          %9.1f ms, to the first token after %d: %.1f ms\n", num(r, "load_ms"), (int)num(r, "first_prompt_tokens"),
               num(r, "load_to_first_token_ms"));
    json_array_foreach(json_object_get(r, "prefill"), i, v)
    {
        printf("prefill %5d %9.1f tokens/s", (int)num(v, "tokens"), num(v, "tokens_per_s"));
        print_ms(v);
    }
    json_array_foreach(json_object_get(r, "decode"), i, v)
    {
        printf("decode @%5d %9.1f tokens/s", (int)num(v, "context"), num(v, "tokens_per_s"));
        if (json_object_get(v, "of_empty")) printf(", %.0f %% of @0", 100 * num(v, "of_empty"));
        print_ms(v);
    }
    if (json_object_get(r, "weight_bytes_per_token"))
        printf("weights       %9.1f MB a token: %.0f %% of the read bandwidth\n", num(r, "weight_bytes_per_token") * 1e-6,
               100 * num(r, "bandwidth_share"));
    printf("memory        %9.1f MiB at most, mapped files aside\n", num(r, "peak_anonymous_bytes") / 1048576);
    printf("machine       %9.1f GB/s read by %d threads from %.0f MB\n", num(r, "read_bytes_per_s") * 1e-9, (int)num(r, "threads"),
           num(r, "read_bytes") * 1e-6);
}

// ---- command

static etch_status *measure(bench *b, etch_rt *rt)
{
    if (b->o->method) return bench_methods(b, rt);
    etch_lm lm;
    etch_status *s = etch_lm_open(rt, &lm);
    bool is_other = s && (etch_status_code(s) == ETCH_UNSUPPORTED || etch_status_code(s) == ETCH_NOT_FOUND);
    if (is_other) {
        etch_status_ignore(s);
        return bench_methods(b, rt);
    }
    if (s) return s;
    if (b->o->shapes) s = ETCH_ERR(ETCH_USAGE, "--shapes: a decoder is measured with its own; add --method to time one method");
    if (!s) s = bench_decoder(b, &lm);
    etch_lm_close(&lm);
    return s;
}

static void finish(bench *b, int threads)
{
    put_int(b->root, "peak_anonymous_bytes", b->peak);
    // A step is set against reading as many bytes as it reads, anything else against memory.
    size_t bytes = b->step_bytes ? (size_t)b->step_bytes : BEYOND_CACHES;
    double rate = etch_cli_read_bandwidth(threads, bytes);
    put_int(b->root, "read_bytes", bytes);
    put(b->root, "read_bytes_per_s", rate);
    if (b->step_bytes) {
        put_int(b->root, "weight_bytes_per_token", b->step_bytes);
        put(b->root, "bandwidth_share", rate > 0 ? (double)b->step_bytes / b->step_s / rate : 0);
    }
}

static etch_status *run(const options *o, etch_rt *rt, uint64_t opened_ns)
{
    bench b = { .o = o, .root = json_object(), .opened_ns = opened_ns };
    json_object_set_new(b.root, "file", json_string(o->file));
    int threads = etch_rt_n_threads(rt);
    put_int(b.root, "threads", (uint64_t)threads);
    etch_status *s = measure(&b, rt);
    if (!s) finish(&b, threads);
    if (!s && o->json) {
        json_dumpf(b.root, stdout, JSON_INDENT(1) | JSON_REAL_PRECISION(6));
        putchar('\n');
    } else if (!s) {
        print_text(b.root);
    }
    json_decref(b.root);
    return s;
}

etch_status *etch_cmd_bench(int argc, char **argv)
{
    options o = { .runs = 5, .tokens = 64 };
    etch_opt opts[] = {
        ETCH_CLI_THREADS(o.threads),
        ETCH_CLI_KV_CACHE(o.kv_cache),
        { "--runs", "-n", ETCH_OPT_INT, &o.runs, "N", "timed calls of a method, prefills of a decoder (default 5)", 1, 100000, false,
          NULL },
        { "--tokens", NULL, ETCH_OPT_INT, &o.tokens, "N", "timed decoding steps of a decoder (default 64)", 1, 100000, false, NULL },
        { "--method", "-m", ETCH_OPT_STR, &o.method, "NAME", "method to time on made-up inputs (default: decoder, else all)", 0, 0,
          false, NULL },
        { "--shapes", NULL, ETCH_OPT_STR, &o.shapes, "SIZES", "sizes of its inputs, 1x3x224x224,8 (default: the largest)", 0, 0,
          false, NULL },
        { "--json", NULL, ETCH_OPT_FLAG, &o.json, NULL, "print one JSON object", 0, 0, false, NULL },
        { 0 },
    };
    const etch_cmd cmd = { "bench", "Measures how fast a program runs, and what of the machine's memory bandwidth it uses.", "FILE.pte", 1,
                           1,
                           "  etch bench model.pte --threads 2\n"
                           "  etch bench encoder.pte --shapes 1x128,1x128 --json", opts };
    bool done;
    ETCH_TRY(etch_opt_parse(&cmd, argc, argv, &o.file, &done));
    if (done) return NULL;
    etch_rt *rt;
    uint64_t begin = etch_clock_ns();
    ETCH_TRY(etch_rt_open(o.file, &(etch_rt_options){ .n_threads = (int)o.threads, .kv_cache = o.kv_cache }, &rt));
    etch_status *s = run(&o, rt, begin);
    etch_rt_close(rt);
    return s;
}
