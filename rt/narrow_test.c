// The option kv_cache on small programs: results near those of the file's own type, resuming and resetting, in rings that wrap several
// times, and what is refused.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <math.h>
#include <string.h>
#include <cmocka.h>

#include "rt/prog.h"

enum { SLOTS = 40, KV = 2, H = 4, D = 20, N = 3 };

static void must(etch_status *s)
{
    if (s) fail_msg("%s", etch_status_message(s));
}

typedef enum { GOOD, READ_BY_ANOTHER, IS_OUTPUT, NO_CACHE } kind;

// value and query [1, N, heads, D] in; the cache is keys and values at once.
static etch_buf program(kind how)
{
    prog p;
    etch_buf file = { 0 };
    prog_init(&p);
    int32_t q_sizes[] = { 1, N, H, D }, v_sizes[] = { 1, N, KV, D }, c_sizes[] = { 1, SLOTS, KV, D }, one[] = { 1 };
    int q = prog_input(&p, prog_tensor(&p, ETCH_F32, 4, q_sizes, 0)), v = prog_input(&p, prog_tensor(&p, ETCH_F32, 4, v_sizes, 0));
    int start = prog_input(&p, prog_tensor(&p, ETCH_I64, 1, one, 0));
    int cache = prog_tensor(&p, ETCH_F32, 4, c_sizes, 0), dummy = prog_tensor(&p, ETCH_F32, 1, one, 0),
        out = prog_output(&p, prog_tensor(&p, ETCH_F32, 4, q_sizes, 0));
    int at = prog_int(&p, 0), other = prog_tensor(&p, ETCH_F32, 4, c_sizes, 0), yes = prog_bool(&p, true);
    etch_fbo t = etch_fbb_table(&p.b, ETCH_FB_Null), z = etch_fbb_table(&p.b, ETCH_FB_Double);
    int none = prog_value(&p, ETCH_FBU(KernelTypes, Null), t), zero = prog_value(&p, ETCH_FBU(KernelTypes, Double), z);
    PROG_CALL(&p, "aten::_local_scalar_dense", start, at);
    if (how != NO_CACHE) {
        PROG_CALL(&p, "llama::update_cache.out", v, cache, at, dummy, dummy);
        PROG_CALL(&p, "llama::custom_sdpa.out", q, cache, cache, at, none, zero, yes, none, out, out);
    } else {
        PROG_CALL(&p, "aten::neg.out", q, out, out);
    }
    if (how == READ_BY_ANOTHER) PROG_CALL(&p, "aten::neg.out", cache, other, other);
    if (how == IS_OUTPUT) prog_output(&p, cache);
    must(prog_finish(&p, &file));
    return file;
}

// The same with a ring: indices [1, N] say which slots are written, a mask [N, SLOTS] what is seen.
static etch_buf ring(void)
{
    prog p;
    etch_buf file = { 0 };
    prog_init(&p);
    int32_t q_sizes[] = { 1, N, H, D }, v_sizes[] = { 1, N, KV, D }, c_sizes[] = { 1, SLOTS, KV, D }, one[] = { 1 }, i_sizes[] = { 1, N },
            m_sizes[] = { N, SLOTS };
    int q = prog_input(&p, prog_tensor(&p, ETCH_F32, 4, q_sizes, 0)), v = prog_input(&p, prog_tensor(&p, ETCH_F32, 4, v_sizes, 0));
    int indices = prog_input(&p, prog_tensor(&p, ETCH_I64, 2, i_sizes, 0)), mask = prog_input(&p, prog_tensor(&p, ETCH_F32, 2, m_sizes, 0));
    int cache = prog_tensor(&p, ETCH_F32, 4, c_sizes, 0), dummy = prog_tensor(&p, ETCH_F32, 1, one, 0),
        out = prog_output(&p, prog_tensor(&p, ETCH_F32, 4, q_sizes, 0));
    int at = prog_int(&p, 0), no = prog_bool(&p, false);
    etch_fbo t = etch_fbb_table(&p.b, ETCH_FB_Null), z = etch_fbb_table(&p.b, ETCH_FB_Double);
    int none = prog_value(&p, ETCH_FBU(KernelTypes, Null), t), zero = prog_value(&p, ETCH_FBU(KernelTypes, Double), z);
    PROG_CALL(&p, "llama::update_cache_with_indices.out", v, cache, at, indices, dummy, dummy);
    PROG_CALL(&p, "llama::custom_sdpa.out", q, cache, cache, at, mask, zero, no, none, out, out);
    must(prog_finish(&p, &file));
    return file;
}

static etch_status *open(const etch_buf *file, const char *option, etch_rt **rt, etch_rt_method **m)
{
    *m = NULL;
    ETCH_TRY(etch_rt_open_bytes((etch_span){ file->ptr, file->len }, &(etch_rt_options){ .kv_cache = option, .n_threads = 1 }, rt));
    etch_status *s = etch_rt_load(*rt, ETCH_LIT("forward"), m);
    if (s) etch_rt_close(*rt);
    return s;
}

static void set_queries(etch_rt_method *m, int64_t start)
{
    float q[N * H * D], v[N * KV * D];
    for (int i = 0; i < N * H * D; i++) q[i] = sinf((float)i * 0.37f + (float)start);
    for (int i = 0; i < N * KV * D; i++) v[i] = cosf((float)i * 0.73f + 2 * (float)start);
    etch_tensor tq = { .dtype = ETCH_F32, .rank = 4, .sizes = { { 1, NULL }, { N, NULL }, { H, NULL }, { D, NULL } }, .data = q };
    etch_tensor tv = { .dtype = ETCH_F32, .rank = 4, .sizes = { { 1, NULL }, { N, NULL }, { KV, NULL }, { D, NULL } }, .data = v };
    must(etch_rt_set_input(m, 0, &tq, ETCH_RT_COPY));
    must(etch_rt_set_input(m, 1, &tv, ETCH_RT_COPY));
}

static void execute(etch_rt_method *m, float *out)
{
    must(etch_rt_execute(m));
    memcpy(out, etch_rt_output(m, 0)->t->data, N * H * D * sizeof *out);
}

static void step(etch_rt_method *m, int64_t start, float *out)
{
    set_queries(m, start);
    etch_tensor ts = { .dtype = ETCH_I64, .rank = 1, .sizes = { { 1, NULL } }, .data = &start };
    must(etch_rt_set_input(m, 2, &ts, ETCH_RT_COPY));
    execute(m, out);
}

// Positions start ... start + N - 1 of a ring; each sees the last WINDOW positions.
static void ring_step(etch_rt_method *m, int64_t start, float *out)
{
    enum { WINDOW = SLOTS - N + 1 };
    int64_t indices[N];
    float mask[N][SLOTS];
    set_queries(m, start);
    for (int64_t r = 0; r < N; r++) {
        indices[r] = (start + r) % SLOTS;
        for (int64_t s = 0; s < SLOTS; s++) {
            int64_t last = start + N - 1, holds = last - (last - s + SLOTS) % SLOTS;   // the position in slot s; negative: none yet
            mask[r][s] = holds >= 0 && holds <= start + r && holds > start + r - WINDOW ? 0 : -INFINITY;
        }
    }
    etch_tensor ti = { .dtype = ETCH_I64, .rank = 2, .sizes = { { 1, NULL }, { N, NULL } }, .data = indices };
    etch_tensor tm = { .dtype = ETCH_F32, .rank = 2, .sizes = { { N, NULL }, { SLOTS, NULL } }, .data = mask };
    must(etch_rt_set_input(m, 2, &ti, ETCH_RT_COPY));
    must(etch_rt_set_input(m, 3, &tm, ETCH_RT_COPY));
    execute(m, out);
}

void test_rt_narrow__results(void **state)
{
    (void)state;
    static const struct { const char *name; float bound; } types[] = { { NULL, 0 }, { "file", 0 }, { "float16", 1e-3f },
                                                                       { "int8", 1e-2f } };
    static float want[2][N * H * D], got[N * H * D];
    etch_buf file = program(GOOD);
    for (size_t k = 0; k < sizeof types / sizeof *types; k++) {
        etch_rt *rt;
        etch_rt_method *m;
        must(open(&file, types[k].name, &rt, &m));
        for (int round = 0; round < 2; round++) {   // the second after a reset
            for (int i = 0; i < 2; i++) {
                step(m, i * N, k ? got : want[i]);
                float most = 0;
                for (int c = 0; k && c < N * H * D; c++) most = fmaxf(most, fabsf(got[c] - want[i][c]));
                if (k < 2 ? most != 0 : !(most > 0 && most < types[k].bound)) fail_msg("%s: differs by %g", types[k].name, (double)most);
            }
            must(etch_rt_reset(m));
        }
        etch_rt_unload(m);
        etch_rt_close(rt);
    }
    etch_buf_deinit(&file);
}

// Four times around, and once more after a reset; slots are written in the middle of blocks and across their ends.
void test_rt_narrow__rings_that_wrap(void **state)
{
    (void)state;
    enum { STEPS = 4 * SLOTS / N };
    static const struct { const char *name; float bound; } types[] = { { "file", 0 }, { "float16", 1e-3f }, { "int8", 1e-2f } };
    static float want[STEPS][N * H * D], got[N * H * D];
    etch_buf file = ring();
    for (size_t k = 0; k < sizeof types / sizeof *types; k++) {
        etch_rt *rt;
        etch_rt_method *m;
        must(open(&file, types[k].name, &rt, &m));
        for (int round = 0; round < 2; round++) {
            for (int i = 0; i < STEPS; i++) {
                ring_step(m, i * N, k || round ? got : want[i]);
                float most = 0;
                for (int c = 0; (k || round) && c < N * H * D; c++) most = fmaxf(most, fabsf(got[c] - want[i][c]));
                if (k ? !(most > 0 && most < types[k].bound) : most != 0)
                    fail_msg("%s, step %d: differs by %g", types[k].name, i, (double)most);
            }
            must(etch_rt_reset(m));
        }
        etch_rt_unload(m);
        etch_rt_close(rt);
    }
    etch_buf_deinit(&file);
}

void test_rt_narrow__refuses(void **state)
{
    (void)state;
    static const struct { kind how; const char *option, *says; } cases[] = {
        { READ_BY_ANOTHER, "int8", "aten::neg.out uses a cache" }, { IS_OUTPUT, "float16", "output 1 is a cache" },
        { NO_CACHE, "int8", "writes no cache" }, { GOOD, "int2", "none of file|float16|int8|int4" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        etch_buf file = program(cases[i].how);
        etch_rt *rt;
        etch_rt_method *m;
        etch_status *s = open(&file, cases[i].option, &rt, &m);
        if (!s) fail_msg("accepted what should say '%s'", cases[i].says);
        if (!strstr(etch_status_message(s), cases[i].says)) fail_msg("'%s' does not say '%s'", etch_status_message(s), cases[i].says);
        etch_status_free(s);
        etch_buf_deinit(&file);
    }
}
