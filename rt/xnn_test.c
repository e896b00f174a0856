// In: rt/testdata/xnn_cases.bin (tools/golden/xnn_cases.py): payloads of every node type with the official runtime's results.
// Out: the same results within each case's tolerance (fp32 rounding; exact for most integer cases), for one and two threads, plain C and
// AVX2.
#define _POSIX_C_SOURCE 200809L
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "base/file.h"
#include "base/num.h"
#include "rt/delegate.h"

typedef struct { const uint8_t *p, *end; } reader;

static const uint8_t *bytes(reader *r, size_t n)
{
    assert_true((size_t)(r->end - r->p) >= n);
    const uint8_t *p = r->p;
    r->p += n;
    return p;
}
static uint32_t u32(reader *r)
{
    uint32_t v;
    memcpy(&v, bytes(r, 4), 4);
    return v;
}
static float f32(reader *r) { return etch_f32_from_bits(u32(r)); }

#define MAX_ARGS 16
typedef struct {
    char name[64];
    void *payload;
    size_t payload_len;
    float atol, rtol;
    int n_args, n_calls;
    etch_rt_tensor args[MAX_ARGS];
    bool is_output[MAX_ARGS];
} test_case;

static void read_case(reader *r, test_case *c)
{
    memset(c, 0, sizeof *c);
    uint32_t n = u32(r);
    assert_true(n < sizeof c->name);
    memcpy(c->name, bytes(r, n), n);
    c->payload_len = u32(r);
    c->payload = aligned_alloc(64, etch_align_up(c->payload_len + 1, 64));
    memcpy(c->payload, bytes(r, c->payload_len), c->payload_len);
    c->atol = f32(r);
    c->rtol = f32(r);
    c->n_args = (int)u32(r);
    c->n_calls = (int)u32(r);
    assert_true(c->n_args <= MAX_ARGS);
    for (int i = 0; i < c->n_args; i++) {
        etch_rt_tensor *t = &c->args[i];
        t->t.dtype = (etch_dtype)u32(r);
        c->is_output[i] = u32(r);
        t->t.rank = (int)u32(r);
        t->is_dynamic = true;
        t->max_numel = 1;
        for (int d = 0; d < t->t.rank; d++) {
            t->max_sizes[d] = u32(r);
            t->t.sizes[d] = etch_dim_of(t->max_sizes[d]);
            t->max_numel *= t->max_sizes[d];
        }
        t->is_plain = true;
        for (int d = 0; d < t->t.rank; d++) {
            t->dim_order[d] = (uint8_t)u32(r);
            t->is_plain = t->is_plain && t->dim_order[d] == d;
        }
        t->t.capacity = (size_t)t->max_numel * etch_dtype_size(t->t.dtype);
        t->t.data = malloc(t->t.capacity + 1);
    }
}

// Number of elements beyond the tolerance; the worst one is described.
static int compare(const test_case *c, const etch_rt_tensor *t, const uint8_t *recorded, char *why, size_t why_len)
{
    int bad = 0;
    double worst = 0;
    int64_t n = etch_numel(&t->t);
    size_t len = (size_t)n * etch_dtype_size(t->t.dtype);
    void *want = malloc(len + 1);   // the file does not align
    assert_non_null(want);
    memcpy(want, recorded, len);
    int64_t last_row = t->is_last_row_enough && t->t.rank > 1 && n ? n - t->t.sizes[t->t.rank - 1].v : 0;
    for (int64_t i = last_row; i < n; i++) {
        double a = etch_load_double(t->t.data, t->t.dtype, i), b = etch_load_double(want, t->t.dtype, i);
        if ((isnan(a) && isnan(b)) || a == b) continue;
        double excess = fabs(a - b) - ((double)c->atol + (double)c->rtol * fabs(b));
        if (excess <= 0) continue;
        bad++;
        if (!(excess > worst)) continue;
        worst = excess;
        snprintf(why, why_len, "element %lld of %lld is %.9g, not %.9g", (long long)i, (long long)n, a, b);
    }
    free(want);
    return bad;
}

// True when the case agrees.
static bool replay(reader *r, int n_threads, bool last_row, int *out_bad)
{
    test_case c;
    read_case(r, &c);
    const etch_backend *b = etch_backend_find(ETCH_LIT("XnnpackBackend"));
    assert_non_null(b);
    etch_delegate_env env = { .n_threads = n_threads };
    etch_rt_tensor *args[MAX_ARGS];
    for (int i = 0; i < c.n_args; i++) args[i] = &c.args[i];
    void *self = NULL, *scratch = NULL;
    bool is_output[MAX_ARGS] = { false };
    size_t scratch_len = 0;
    char why[256] = "";
    int bad = 0;
    etch_status *s = b->init((etch_span){ c.payload, c.payload_len }, &env, &self);
    if (!s) s = b->bind(self, args, c.n_args, is_output, &scratch_len);
    scratch = aligned_alloc(64, etch_align_up(scratch_len + 1, 64));
    for (int call = 0; call < c.n_calls; call++) {
        const uint8_t *want[MAX_ARGS] = { NULL };
        int64_t sizes[MAX_ARGS][ETCH_MAX_RANK];
        for (int i = 0; i < c.n_args; i++) {
            size_t n = etch_dtype_size(c.args[i].t.dtype);
            for (int d = 0; d < c.args[i].t.rank; d++) {
                sizes[i][d] = u32(r);
                n *= (size_t)sizes[i][d];
            }
            want[i] = bytes(r, n);
            if (c.is_output[i]) continue;
            memcpy(c.args[i].t.data, want[i], n);
            for (int d = 0; d < c.args[i].t.rank; d++) c.args[i].t.sizes[d] = etch_dim_of(sizes[i][d]);
        }
        if (s) continue;
        for (int i = 0; i < c.n_args; i++) c.args[i].is_last_row_enough = last_row && is_output[i] && c.args[i].is_plain;
        // With two threads the caller gives no memory: the delegate grows its own.
        s = b->execute(self, args, c.n_args, n_threads == 1 ? scratch : NULL, n_threads == 1 ? scratch_len : 0);
        for (int i = 0; !s && i < c.n_args; i++) {
            assert_int_equal(is_output[i], c.is_output[i]);
            if (!c.is_output[i]) continue;
            for (int d = 0; d < c.args[i].t.rank; d++) assert_int_equal(c.args[i].t.sizes[d].v, sizes[i][d]);
            bad += compare(&c, &c.args[i], want[i], why, sizeof why);
        }
    }
    if (s) print_message("%s: %s\n", c.name, etch_status_message(s));
    else if (bad) print_message("%s: %d elements differ; %s\n", c.name, bad, why);
    bool ok = !s && !bad;
    etch_status_ignore(s);
    if (self) b->destroy(self);
    free(scratch);
    free(c.payload);
    for (int i = 0; i < c.n_args; i++) free(c.args[i].t.data);
    *out_bad += !ok;
    return ok;
}

static void replay_all(int n_threads, bool last_row)
{
    etch_mapped file;
    etch_status *s = etch_mapped_open(ETCH_SOURCE_DIR "/rt/testdata/xnn_cases.bin", &file);
    assert_null(s);
    reader r = { file.bytes.ptr, file.bytes.ptr + file.bytes.len };
    assert_memory_equal(bytes(&r, 4), "XNC1", 4);
    uint32_t n = u32(&r);
    int bad = 0;
    for (uint32_t i = 0; i < n; i++) replay(&r, n_threads, last_row, &bad);
    assert_ptr_equal(r.p, r.end);
    if (bad) fail_msg("%d of %u cases differ", bad, n);
    etch_mapped_close(&file);
}

void test_rt_xnn__official_cases(void **state)
{
    (void)state;
    replay_all(1, false);
}

// A caller that reads only the last row of an output gets it.
void test_rt_xnn__official_cases_last_row(void **state)
{
    (void)state;
    replay_all(1, true);
}

void test_rt_xnn__official_cases_two_threads(void **state)
{
    (void)state;
    replay_all(2, false);
}

void test_rt_xnn__official_cases_plain_c(void **state)
{
    (void)state;
    setenv("ETCH_ISA", "scalar", 1);
    replay_all(1, false);
    unsetenv("ETCH_ISA");
}
