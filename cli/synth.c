// In: a method and perhaps sizes. Out: its tensor inputs, filled.
#include "cli/synth.h"

#include <stdlib.h>
#include <string.h>

#include "base/num.h"

static void fill(etch_tensor *t, int64_t position)
{
    uint32_t seed = 1;
    int64_t n = etch_numel(t);
    for (int64_t i = 0; i < n; i++) {
        if (etch_dtype_is_float(t->dtype)) {
            seed = seed * 1664525u + 1013904223u;
            etch_store_double(t->data, t->dtype, i, (double)(seed >> 8) / 8388608.0 - 1.0);
        } else {
            etch_store_int(t->data, t->dtype, i, t->rank == 1 ? position + i : 1);
        }
    }
}

// Takes "1x3x224" off the front of *at, up to a comma or the end.
static etch_status *take_sizes(const char **at, int input, etch_tensor *t)
{
    const char *p = *at;
    for (int d = 0; d < t->rank; d++) {
        char *end;
        long long n = strtoll(p, &end, 10);
        bool closes = d == t->rank - 1 ? *end == ',' || !*end : *end == 'x';
        if (end == p || n < 0 || !closes)
            return ETCH_ERR(ETCH_USAGE, "--shapes: input %d has %d dimensions; '%s' does not give them", input, t->rank, *at);
        t->sizes[d] = etch_dim_of(n);
        p = *end ? end + 1 : end;
    }
    *at = p;
    return NULL;
}

static etch_status *make(etch_rt_method *m, const char *shapes, int64_t position, etch_cli_synth *s)
{
    for (int i = 0; i < s->n; i++) {
        const etch_val *v = etch_rt_input(m, i);
        if (v->kind != ETCH_V_TENSOR) continue;
        etch_tensor *t = &s->t[i];
        *t = (etch_tensor){ .dtype = v->t->dtype, .rank = v->t->rank };
        for (int d = 0; d < t->rank; d++) t->sizes[d] = v->t->sizes[d];
        if (shapes && !*shapes) return ETCH_ERR(ETCH_USAGE, "--shapes has none for input %d", i);
        if (shapes) ETCH_TRY(take_sizes(&shapes, i, t));
        if (!etch_tensor_nbytes(t, &t->capacity)) return ETCH_ERR(ETCH_USAGE, "--shapes: input %d is too large", i);
        t->data = aligned_alloc(64, etch_align_up(t->capacity + 1, 64));
        if (!t->data) return ETCH_ERR(ETCH_NO_MEMORY, "out of memory (%zu bytes)", t->capacity);
        fill(t, position);
    }
    if (shapes && *shapes) return ETCH_ERR(ETCH_USAGE, "--shapes: '%s' is left over; the method has %d inputs", shapes, s->n);
    return etch_cli_synth_set(s);
}

etch_status *etch_cli_synth_make(etch_rt_method *m, const char *shapes, int64_t position, etch_cli_synth *out)
{
    *out = (etch_cli_synth){ m, etch_rt_n_inputs(m), NULL };
    out->t = calloc((size_t)out->n + 1, sizeof *out->t);
    etch_status *s = out->t ? make(m, shapes, position, out) : ETCH_ERR(ETCH_NO_MEMORY, "out of memory");
    if (s) etch_cli_synth_free(out);
    return s;
}

etch_status *etch_cli_synth_set(const etch_cli_synth *s)
{
    for (int i = 0; i < s->n; i++)
        if (s->t[i].data) ETCH_TRY(etch_rt_set_input(s->m, i, &s->t[i], ETCH_RT_COPY));
    return NULL;
}

void etch_cli_synth_print(const etch_cli_synth *s, etch_buf *out)
{
    for (int i = 0, n = 0; i < s->n; i++) {
        if (!s->t[i].data) continue;
        if (n++) etch_buf_puts(out, ", ");
        etch_tensor_print_type(out, &s->t[i]);
    }
}

void etch_cli_synth_free(etch_cli_synth *s)
{
    for (int i = 0; s->t && i < s->n; i++) free(s->t[i].data);
    free(s->t);
    *s = (etch_cli_synth){ 0 };
}
