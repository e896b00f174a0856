// libFuzzer: any bytes as a .pte; loads every method and executes it once with zero inputs, bounded in memory and instructions.
#include <stdlib.h>

#include "rt/rt.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

// Zero-filled inputs of the declared sizes.
static etch_status *set_inputs(etch_rt_method *m)
{
    for (int i = 0; i < etch_rt_n_inputs(m); i++) {
        const etch_val *v = etch_rt_input(m, i);
        if (v->kind != ETCH_V_TENSOR) continue;
        etch_tensor t = *v->t;
        size_t size;
        if (!etch_tensor_nbytes(&t, &size)) return ETCH_ERR(ETCH_INVALID, "sizes");
        t.data = calloc(size + 1, 1);
        etch_status *s = t.data ? etch_rt_set_input(m, i, &t, ETCH_RT_COPY) : ETCH_ERR(ETCH_NO_MEMORY, "input");
        free(t.data);
        if (s) return s;
    }
    return NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    etch_rt *rt;
    etch_rt_options opt = { .n_threads = 1, .max_bytes = 4 << 20, .max_instructions = 200 };
    etch_status *s = etch_rt_open_bytes((etch_span){ bytes, n }, &opt, &rt);
    if (s) {
        etch_status_free(s);
        return 0;
    }
    for (int i = 0; i < etch_rt_n_methods(rt) && i < 4; i++) {
        etch_rt_method *m;
        s = etch_rt_load(rt, etch_rt_method_name(rt, i), &m);
        for (int k = 0; k < 2 && !s; k++) {
            s = set_inputs(m);
            if (!s) s = etch_rt_execute(m);
        }
        etch_status_ignore(s);
        etch_rt_unload(m);
    }
    etch_rt_close(rt);
    return 0;
}
