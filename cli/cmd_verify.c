// `etch verify`: replays recorded calls. In: tensors s<step>.<method>.in<i> and .out<i>. Out: the largest difference of each output, and a
// mismatch status when one is beyond |a - b| <= atol + rtol * |b|. The methods keep their state between steps.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "cli/opt.h"
#include "cli/tensors.h"

etch_status *etch_cmd_verify(int argc, char **argv);

typedef struct { const char *file, *io; double atol, rtol; bool quiet; int64_t threads; } options;

// One recorded tensor: s<step>.<method>.(in|out)<index>.
typedef struct { int64_t step; etch_str method; bool is_out; int64_t index; const etch_st_tensor *t; } record;

typedef struct { etch_rt *rt; etch_st *st; const options *o; etch_rt_method **loaded; int n_bad; } verifier;

// ---- names

static bool take_number(etch_str *s, int64_t *out)
{
    size_t n = 0;
    *out = 0;
    while (n < s->len && n < 9 && s->ptr[n] >= '0' && s->ptr[n] <= '9') *out = *out * 10 + (s->ptr[n++] - '0');
    s->ptr += n;
    s->len -= n;
    return n > 0;
}

static bool parse_key(etch_str key, record *out)
{
    if (!etch_str_starts(key, "s")) return false;
    key.ptr++;
    key.len--;
    if (!take_number(&key, &out->step) || !etch_str_starts(key, ".")) return false;
    key.ptr++;
    key.len--;
    size_t dot = key.len;
    while (dot && key.ptr[dot - 1] != '.') dot--;
    if (dot < 2) return false;
    out->method = (etch_str){ key.ptr, dot - 1 };
    etch_str rest = { key.ptr + dot, key.len - dot };
    out->is_out = etch_str_starts(rest, "out");
    if (!out->is_out && !etch_str_starts(rest, "in")) return false;
    size_t word = out->is_out ? 3 : 2;
    rest.ptr += word;
    rest.len -= word;
    return take_number(&rest, &out->index) && rest.len == 0;
}

static int by_call(const void *a, const void *b)
{
    const record *x = a, *y = b;
    if (x->step != y->step) return x->step < y->step ? -1 : 1;
    int c = etch_str_cmp(x->method, y->method);
    if (c) return c;
    if (x->is_out != y->is_out) return x->is_out ? 1 : -1;
    return x->index < y->index ? -1 : x->index > y->index;
}

// ---- comparing

typedef struct { double abs, rel; int64_t n_bad; } difference;

static void compare(const etch_tensor *got, const etch_tensor *want, const options *o, difference *out)
{
    int64_t n = etch_numel(want);
    *out = (difference){ 0 };
    for (int64_t i = 0; i < n; i++) {
        double a = etch_load_double(got->data, got->dtype, i), b = etch_load_double(want->data, want->dtype, i), d = fabs(a - b);
        if (a == b || (isnan(a) && isnan(b))) continue;
        if (isnan(d)) d = INFINITY;
        double r = b == 0 ? (double)INFINITY : d / fabs(b);
        if (d > out->abs) out->abs = d;
        if (r > out->rel) out->rel = r;
        if (!(d <= o->atol + o->rtol * fabs(b))) out->n_bad++;
    }
}

static bool same_type(const etch_tensor *a, const etch_tensor *b)
{
    if (a->dtype != b->dtype || a->rank != b->rank) return false;
    for (int i = 0; i < a->rank; i++)
        if (a->sizes[i].v != b->sizes[i].v) return false;
    return true;
}

static void print_type_error(const record *r, const etch_tensor *got, const etch_tensor *want)
{
    etch_buf a = { 0 }, b = { 0 };
    etch_tensor_print_type(&a, got);
    etch_tensor_print_type(&b, want);
    printf("s%lld.%.*s.out%lld  is %.*s, expected %.*s\n", (long long)r->step, ETCH_STR_ARGS(r->method), (long long)r->index,
           ETCH_STR_ARGS(etch_buf_str(&a)), ETCH_STR_ARGS(etch_buf_str(&b)));
    etch_buf_deinit(&a);
    etch_buf_deinit(&b);
}

static etch_status *check_output(verifier *v, etch_rt_method *m, const record *r)
{
    etch_tensor want;
    ETCH_TRY(etch_cli_view(v->st, r->t, &want));
    if (r->index >= etch_rt_n_outputs(m))
        return ETCH_ERR(ETCH_INVALID, "method '%.*s' has %d outputs, the file records output %lld", ETCH_STR_ARGS(r->method),
                        etch_rt_n_outputs(m), (long long)r->index);
    const etch_val *got = etch_rt_output(m, (int)r->index);
    if (got->kind != ETCH_V_TENSOR) return ETCH_ERR(ETCH_UNSUPPORTED, "output %lld is no tensor", (long long)r->index);
    if (!same_type(got->t, &want)) {
        print_type_error(r, got->t, &want);
        v->n_bad++;
        return NULL;
    }
    void *aligned = malloc(want.capacity + 1);
    if (!aligned) return ETCH_ERR(ETCH_NO_MEMORY, "out of memory");
    if (want.capacity) memcpy(aligned, want.data, want.capacity);
    want.data = aligned;
    difference d;
    compare(got->t, &want, v->o, &d);
    free(aligned);
    if (!v->o->quiet || d.n_bad)
        printf("s%lld.%.*s.out%lld  max abs %.3g  max rel %.3g%s\n", (long long)r->step, ETCH_STR_ARGS(r->method), (long long)r->index,
               d.abs, d.rel, d.n_bad ? "  BEYOND THE TOLERANCE" : "");
    v->n_bad += d.n_bad != 0;
    return NULL;
}

// ---- replay

static etch_status *method_of(verifier *v, etch_str name, etch_rt_method **out)
{
    for (int i = 0; i < etch_rt_n_methods(v->rt); i++) {
        if (!etch_str_eq(etch_rt_method_name(v->rt, i), name)) continue;
        if (!v->loaded[i]) ETCH_TRY(etch_rt_load(v->rt, name, &v->loaded[i]));
        *out = v->loaded[i];
        return NULL;
    }
    return ETCH_ERR(ETCH_NOT_FOUND, "the program has no method '%.*s'", ETCH_STR_ARGS(name));
}

// Records [from, to) are one call: inputs first.
static etch_status *replay_call(verifier *v, const record *r, size_t n)
{
    etch_rt_method *m = NULL;
    ETCH_TRY(method_of(v, r->method, &m));
    size_t i = 0;
    for (; i < n && !r[i].is_out; i++) ETCH_TRY(etch_cli_set_input(m, (int)r[i].index, v->st, r[i].t));
    ETCH_TRY(etch_rt_execute(m));
    for (; i < n; i++) ETCH_TRY(check_output(v, m, &r[i]));
    return NULL;
}

static etch_status *replay(verifier *v)
{
    size_t n = etch_st_count(v->st), used = 0;
    record *records = calloc(n + 1, sizeof *records);
    if (!records) return ETCH_ERR(ETCH_NO_MEMORY, "out of memory");
    for (size_t i = 0; i < n; i++) {
        records[used].t = etch_st_at(v->st, i);
        if (parse_key(records[used].t->key, &records[used])) used++;
        else fprintf(stderr, "ignored: tensor '%.*s' (no s<step>.<method>.in<i> or .out<i>)\n", ETCH_STR_ARGS(records[used].t->key));
    }
    if (used) qsort(records, used, sizeof *records, by_call);
    etch_status *s = used ? NULL : ETCH_ERR(ETCH_INVALID, "%s records no calls (s<step>.<method>.in<i>)", v->o->io);
    for (size_t from = 0, to; from < used && !s; from = to) {
        for (to = from; to < used && records[to].step == records[from].step && etch_str_eq(records[to].method, records[from].method);) to++;
        s = replay_call(v, &records[from], to - from);
        if (s) s = etch_status_frame(s, __FILE__, __LINE__, "step %lld", (long long)records[from].step);
    }
    free(records);
    return s;
}

static etch_status *verify(etch_rt *rt, etch_st *st, const options *o)
{
    verifier v = { .rt = rt, .st = st, .o = o };
    v.loaded = calloc((size_t)etch_rt_n_methods(rt) + 1, sizeof *v.loaded);
    if (!v.loaded) return ETCH_ERR(ETCH_NO_MEMORY, "out of memory");
    etch_status *s = replay(&v);
    for (int i = 0; i < etch_rt_n_methods(rt); i++) etch_rt_unload(v.loaded[i]);
    free(v.loaded);
    if (!s && v.n_bad) s = ETCH_ERR(ETCH_MISMATCH, "%d outputs differ beyond atol %g, rtol %g", v.n_bad, o->atol, o->rtol);
    return s;
}

etch_status *etch_cmd_verify(int argc, char **argv)
{
    options o = { .atol = 1e-4, .rtol = 1e-4 };
    etch_opt opts[] = {
        { "--atol", NULL, ETCH_OPT_FLOAT, &o.atol, "A", "absolute tolerance (default 1e-4)", 0, 0, false, "Options" },
        { "--rtol", NULL, ETCH_OPT_FLOAT, &o.rtol, "R", "relative tolerance (default 1e-4)", 0, 0, false, NULL },
        { "--threads", "-t", ETCH_OPT_INT, &o.threads, "N", "threads (default: one per core)", 1, 64, false, NULL },
        { "--quiet", "-q", ETCH_OPT_FLAG, &o.quiet, NULL, "print only what differs", 0, 0, false, NULL },
        { 0 },
    };
    const etch_cmd cmd = { "verify", "Replays recorded calls of a program and compares its outputs.", "FILE.pte IO.safetensors", 2, 2,
                           "  etch verify model.pte io.safetensors\n"
                           "  etch verify model.pte io.safetensors --atol 1e-3 --rtol 1e-3", opts };
    bool done;
    const char *files[2];
    ETCH_TRY(etch_opt_parse(&cmd, argc, argv, files, &done));
    if (done) return NULL;
    o.file = files[0];
    o.io = files[1];
    etch_rt *rt;
    etch_st *st;
    ETCH_TRY(etch_st_open(o.io, &st));
    etch_status *s = etch_rt_open(o.file, &(etch_rt_options){ .n_threads = (int)o.threads }, &rt);
    if (!s) {
        s = verify(rt, st, &o);
        etch_rt_close(rt);
    }
    etch_st_close(st);
    return s;
}
