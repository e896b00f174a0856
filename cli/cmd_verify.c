// `etch verify`: replays recorded calls. In: tensors s<step>.<method>.in<i> and .out<i>. Out: the differences of each output, and a
// mismatch status when one is too large. The methods keep their state between steps.
//
// What is too large, unless --atol or --rtol say otherwise: a difference beyond a part of the largest magnitude of the recorded output,
// since sums of products lose digits of their largest terms, not of their result.
//   float32   1e-4      other order of additions, other exp and rsqrt
//   float16   4e-3      a rounding (2^-11) in each of some layers
//   bfloat16  3e-2      the same with 2^-8
//   others    0
// A program that quantizes activations at run time: 1e-2, and a relative RMS of 5e-3. There one activation on a rounding tie (rt/ties.h)
// moves by 1/255 of its row's range, and correct runtimes disagree on it; a row computed wrongly is beyond both. (In float16 every other
// activation is near enough to a tie that one of the model's own roundings moves it: 5 times the limit of the type.) --ties demands the
// strict rule and looks for such activations instead: a difference is accepted only if rounding some of them the other way makes it
// vanish.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "cli/opt.h"
#include "cli/rt_opts.h"
#include "cli/tensors.h"

etch_status *etch_cmd_verify(int argc, char **argv);

typedef struct { const char *file, *io, *kv_cache; double atol, rtol; bool is_explicit, quiet, ties; int64_t threads; } options;

// One recorded tensor: s<step>.<method>.(in|out)<index>.
typedef struct { int64_t step; etch_str method; bool is_out; int64_t index; const etch_st_tensor *t; } record;

typedef struct {
    etch_rt *rt;
    etch_st *st;
    const options *o;
    etch_rt_ties *ties;
    etch_rt_method **loaded;
    int n_bad;
    bool is_trial;          // nothing is printed, and the replay ends with the first step that differs:
    int64_t bad_step;       // that step, INT64_MAX when none does
    double bad_rms;         // its largest relative RMS
    int64_t bad_ties;       // ties met up to its end
} verifier;

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

typedef struct { double abs, rms, largest; int64_t n_bad; } difference;

// Parts of the largest magnitude and of the root mean square.
typedef struct { double largest, rms; } limit;

static limit default_limit(etch_dtype d, bool is_rounded)
{
    double part = d == ETCH_F32 || d == ETCH_F64 ? 1e-4 : d == ETCH_F16 ? 4e-3 : d == ETCH_BF16 ? 3e-2 : 0;
    limit l = { part, INFINITY };
    if (is_rounded && part > 0) l = d == ETCH_F32 || d == ETCH_F64 ? (limit){ 1e-2, 5e-3 } : (limit){ 5 * part, 5 * part };
    return l;
}

#define NEARLY_ZERO 1e-6   // outputs smaller than this are compared as if they were this large

static void compare(const etch_tensor *got, const etch_tensor *want, const options *o, limit l, difference *out)
{
    int64_t n = etch_numel(want);
    double square = 0, want_square = 0;
    *out = (difference){ 0 };
    for (int64_t i = 0; i < n; i++) {
        double a = etch_load_double(got->data, got->dtype, i), b = etch_load_double(want->data, want->dtype, i), d = fabs(a - b);
        if (isfinite(b)) {
            if (fabs(b) > out->largest) out->largest = fabs(b);
            want_square += b * b;
        }
        if (a == b || (isnan(a) && isnan(b))) continue;
        if (isnan(d)) d = INFINITY;
        square += d * d;
        if (d > out->abs) out->abs = d;
        if (o->is_explicit && !(d <= o->atol + o->rtol * fabs(b))) out->n_bad++;
    }
    out->rms = square > 0 ? sqrt(square / fmax(want_square, (double)n * NEARLY_ZERO * NEARLY_ZERO)) : 0;
    if (!o->is_explicit) out->n_bad = out->abs > l.largest * fmax(out->largest, NEARLY_ZERO) || out->rms > l.rms;
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

static void note_bad(verifier *v, const record *r, double rms)
{
    v->n_bad++;
    if (v->bad_step == r->step) v->bad_rms = fmax(v->bad_rms, rms);
    if (v->bad_step != INT64_MAX) return;
    v->bad_step = r->step;
    v->bad_rms = rms;
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
        if (!v->is_trial) print_type_error(r, got->t, &want);
        note_bad(v, r, INFINITY);
        return NULL;
    }
    void *aligned = malloc(want.capacity + 1);
    if (!aligned) return ETCH_ERR(ETCH_NO_MEMORY, "out of memory");
    if (want.capacity) memcpy(aligned, want.data, want.capacity);
    want.data = aligned;
    difference d;
    compare(got->t, &want, v->o, default_limit(want.dtype, v->ties->n_rounded && !v->o->ties), &d);
    free(aligned);
    if (!v->is_trial && (!v->o->quiet || d.n_bad))
        printf("s%lld.%.*s.out%lld  max abs %.3g  of the largest %.2g  relative rms %.2g%s\n", (long long)r->step, ETCH_STR_ARGS(r->method),
               (long long)r->index, d.abs, d.abs / fmax(d.largest, NEARLY_ZERO), d.rms, d.n_bad ? "  BEYOND THE TOLERANCE" : "");
    if (d.n_bad) note_bad(v, r, d.rms);
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
    for (size_t from = 0, to; from < used && !s && !(v->is_trial && v->bad_step < records[from].step); from = to) {
        for (to = from; to < used && records[to].step == records[from].step && etch_str_eq(records[to].method, records[from].method);) to++;
        s = replay_call(v, &records[from], to - from);
        if (v->bad_step == records[from].step) v->bad_ties = v->ties->n;
        if (s) s = etch_status_frame(s, __FILE__, __LINE__, "step %lld", (long long)records[from].step);
    }
    free(records);
    return s;
}

// From the start: methods as loaded, no ties met.
static etch_status *start_over(verifier *v, bool is_trial)
{
    v->is_trial = is_trial;
    v->n_bad = 0;
    v->bad_step = INT64_MAX;
    v->bad_ties = v->ties->n = v->ties->n_rounded = 0;
    for (int i = 0; i < etch_rt_n_methods(v->rt); i++)
        if (v->loaded[i]) ETCH_TRY(etch_rt_reset(v->loaded[i]));
    return replay(v);
}

// ---- ties

#define TIE_WITHIN 1e-3  // steps: 64 units in the last place of the largest product
#define MAX_FLIPS 16     // activations rounded the other way
#define MAX_TRIALS 2000  // replays

static bool is_nearer(const verifier *v, int64_t step, double rms)
{
    return v->bad_step > step || (v->bad_step == step && v->bad_rms < 0.5 * rms);
}

// Looks for activations on a tie that explain the first step that differs, one after the other, each behind the last one.
static etch_status *explain(verifier *v)
{
    int64_t other[MAX_FLIPS], first = 0;
    int n = 0, n_trials = 0;
    ETCH_TRY(start_over(v, true));
    while (v->bad_step != INT64_MAX && n < MAX_FLIPS) {
        int64_t step = v->bad_step, n_ties = v->bad_ties, best = -1;
        double rms = v->bad_rms;
        v->ties->other = other;
        v->ties->n_other = n + 1;
        for (int64_t c = first; c < n_ties && n_trials < MAX_TRIALS; c++, n_trials++) {
            other[n] = c;
            ETCH_TRY(start_over(v, true));
            if (!is_nearer(v, step, rms) || v->bad_step < step) continue;
            best = c;
            if (v->bad_step > step) break;
            rms = v->bad_rms;
        }
        if (best < 0) break;
        other[n++] = best;
        first = best + 1;
        v->ties->n_other = n;
        ETCH_TRY(start_over(v, true));
    }
    v->ties->n_other = v->bad_step == INT64_MAX ? n : 0;
    bool found = v->ties->n_other > 0;
    ETCH_TRY(start_over(v, false));
    if (found)
        printf("with %d of %lld activations on a rounding tie (within %g of a step) rounded the other way\n", n, (long long)v->ties->n,
               TIE_WITHIN);
    v->ties->other = NULL;
    v->ties->n_other = 0;
    return NULL;
}

static etch_status *mismatch(const verifier *v)
{
    if (v->o->is_explicit) return ETCH_ERR(ETCH_MISMATCH, "%d outputs differ beyond atol %g, rtol %g", v->n_bad, v->o->atol, v->o->rtol);
    if (v->o->ties) return ETCH_ERR(ETCH_MISMATCH, "%d outputs differ, and no activations on rounding ties explain it", v->n_bad);
    return ETCH_ERR(ETCH_MISMATCH, "%d outputs differ beyond the tolerance of their type ('etch verify --help')", v->n_bad);
}

static etch_status *verify(etch_rt *rt, etch_st *st, const options *o, etch_rt_ties *ties)
{
    verifier v = { .rt = rt, .st = st, .o = o, .ties = ties };
    v.loaded = calloc((size_t)etch_rt_n_methods(rt) + 1, sizeof *v.loaded);
    if (!v.loaded) return ETCH_ERR(ETCH_NO_MEMORY, "out of memory");
    etch_status *s = start_over(&v, o->ties);
    if (!s && o->ties) s = v.n_bad && ties->n_rounded ? explain(&v) : start_over(&v, false);
    for (int i = 0; i < etch_rt_n_methods(rt); i++) etch_rt_unload(v.loaded[i]);
    free(v.loaded);
    if (!s && v.n_bad) s = mismatch(&v);
    return s;
}

etch_status *etch_cmd_verify(int argc, char **argv)
{
    options o = { .atol = -1, .rtol = -1 };
    etch_opt opts[] = {
        { "--atol", NULL, ETCH_OPT_FLOAT, &o.atol, "A", "with --rtol: |a - b| <= A + R |b| by element instead", 0, 0, false, "Options" },
        { "--rtol", NULL, ETCH_OPT_FLOAT, &o.rtol, "R", "(the one that is not given is 0)", 0, 0, false, NULL },
        { "--ties", NULL, ETCH_OPT_FLAG, &o.ties, NULL, "strict, but activations on a rounding tie may go either way", 0, 0, false, NULL },
        ETCH_CLI_THREADS(o.threads),
        ETCH_CLI_KV_CACHE(o.kv_cache),
        { "--quiet", "-q", ETCH_OPT_FLAG, &o.quiet, NULL, "print only what differs", 0, 0, false, NULL },
        { 0 },
    };
    const etch_cmd cmd = { "verify",
                           "Replays recorded calls of a program and compares its outputs.\n\n"
                           "Tolerance: 1e-4 of the largest value of a float32 output (float16 4e-3, bfloat16 3e-2, integers 0);\n"
                           "where activations are quantized at run time 1e-2, and 5e-3 relative RMS (float16 2e-2, bfloat16\n"
                           "0.15), since one on a rounding tie moves by 1/255 of its row's range.",
                           "FILE.pte IO.safetensors", 2, 2,
                           "  etch verify model.pte io.safetensors\n"
                           "  etch verify model.pte io.safetensors --ties", opts };
    bool done;
    const char *files[2];
    ETCH_TRY(etch_opt_parse(&cmd, argc, argv, files, &done));
    if (done) return NULL;
    o.file = files[0];
    o.io = files[1];
    o.is_explicit = o.atol >= 0 || o.rtol >= 0;
    o.atol = fmax(o.atol, 0);
    o.rtol = fmax(o.rtol, 0);
    etch_rt_ties ties = { .within = TIE_WITHIN };
    etch_rt *rt;
    etch_st *st;
    ETCH_TRY(etch_st_open(o.io, &st));
    etch_status *s = etch_rt_open(o.file, &(etch_rt_options){ .n_threads = (int)o.threads, .kv_cache = o.kv_cache, .ties = &ties }, &rt);
    if (!s) {
        s = verify(rt, st, &o, &ties);
        etch_rt_close(rt);
    }
    etch_st_close(st);
    return s;
}
