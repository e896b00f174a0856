// Recorded calls of the official runtime, replayed: reference/official/<case>/io.safetensors holds s<step>.forward.in<i> and .out<i>.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "rt/rt.h"
#include "st/safetensors.h"

static void must(etch_status *s)
{
    if (s) fail_msg("%s", etch_status_message(s));
}

static const char *folder(const char *name, const char *file, char path[512])
{
    const char *root = getenv("ETCH_REFERENCE");
    snprintf(path, 512, "%s/official/%s/%s", root ? root : ETCH_SOURCE_DIR "/../shared/reference", name, file);
    return path;
}

static bool stored(const etch_st *st, int step, const char *what, int i, etch_tensor *out)
{
    char key[64];
    snprintf(key, sizeof key, "s%d.forward.%s%d", step, what, i);
    const etch_st_tensor *t = etch_st_find(st, etch_str_of(key));
    if (!t) return false;
    *out = (etch_tensor){ .dtype = t->dtype, .rank = t->rank, .data = (void *)(uintptr_t)etch_st_bytes(st, t).ptr, .capacity = t->nbytes };
    for (int d = 0; d < t->rank; d++) out->sizes[d] = etch_dim_of(t->sizes[d]);
    return true;
}

// |a - b| <= tol * (1 + max |b|)
static void near(const etch_tensor *a, const etch_tensor *b, double tol, int step)
{
    assert_int_equal(a->dtype, b->dtype);
    assert_int_equal(a->rank, b->rank);
    for (int d = 0; d < a->rank; d++) assert_int_equal(a->sizes[d].v, b->sizes[d].v);
    void *aligned = malloc(b->capacity + 1);
    assert_non_null(aligned);
    memcpy(aligned, b->data, b->capacity);
    double scale = 1;
    for (int64_t i = 0; i < etch_numel(a); i++) scale = fmax(scale, 1 + fabs(etch_load_double(aligned, b->dtype, i)));
    for (int64_t i = 0; i < etch_numel(a); i++) {
        double x = etch_load_double(a->data, a->dtype, i), y = etch_load_double(aligned, b->dtype, i);
        if (!(fabs(x - y) <= tol * scale)) fail_msg("step %d, element %lld: %g, expected %g", step, (long long)i, x, y);
    }
    free(aligned);
}

static void replay(const char *name, double tol)
{
    char path[512];
    if (!etch_file_exists(folder(name, "model.pte", path))) skip();
    etch_rt *rt;
    etch_rt_method *m;
    etch_st *st;
    must(etch_rt_open(path, &(etch_rt_options){ .n_threads = 1 }, &rt));
    must(etch_rt_load(rt, ETCH_LIT("forward"), &m));
    must(etch_st_open(folder(name, "io.safetensors", path), &st));
    etch_tensor t;
    int step = 0;
    for (; stored(st, step, "in", 0, &t); step++) {
        for (int i = 0; i < etch_rt_n_inputs(m) && stored(st, step, "in", i, &t); i++) must(etch_rt_set_input(m, i, &t, ETCH_RT_COPY));
        must(etch_rt_execute(m));
        for (int i = 0; i < etch_rt_n_outputs(m) && stored(st, step, "out", i, &t); i++) near(etch_rt_output(m, i)->t, &t, tol, step);
    }
    assert_true(step >= 1);
    etch_st_close(st);
    etch_rt_unload(m);
    etch_rt_close(rt);
}

void test_rt_replay__llama_portable(void **state)
{
    (void)state;
    replay("llama-portable", 1e-5);
}

void test_rt_replay__bert_fp32(void **state)
{
    (void)state;
    replay("bert-fp32", 1e-5);
}

void test_rt_replay__vit_fp32(void **state)
{
    (void)state;
    replay("vit-fp32", 1e-5);
}

void test_rt_replay__mobilevit_fp32(void **state)
{
    (void)state;
    replay("mobilevit-fp32", 1e-5);
}

void test_rt_replay__llama_8w(void **state)
{
    (void)state;
    replay("llama-8w", 1e-5);
}

void test_rt_replay__llama_4w(void **state)
{
    (void)state;
    replay("llama-4w", 1e-5);
}

void test_rt_replay__llama_8da4w(void **state)
{
    (void)state;
    replay("llama-8da4w", 1e-5);
}

void test_rt_replay__llama_8da8w(void **state)
{
    (void)state;
    replay("llama-8da8w", 5e-3);  // one activation rounds the other way: a step of its quantization
}
