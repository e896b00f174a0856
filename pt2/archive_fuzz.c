// libFuzzer: any bytes as a PT2 archive; touches every byte that the program's tensors claim.
#include "pt2/pt2.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    etch_pt2 *a = NULL;
    etch_program *p = NULL;
    etch_buf notes = { 0 };
    etch_status_ignore(etch_ops_init());
    etch_status *s = etch_pt2_open_bytes((etch_span){ bytes, n }, "fuzz.pt2", &a);
    if (!s) s = etch_pt2_program(a, &p, &notes);
    volatile uint8_t sum = 0;
    for (int m = 0; !s && m < p->n_methods; m++)
        for (int i = 0; i < p->methods[m]->n_leaves; i++) {
            const etch_value *v = p->methods[m]->leaves[i];
            etch_span b = { NULL, 0 };
            if (v->src == ETCH_SRC_FILE) etch_status_ignore(etch_pt2_bytes(a, v->name, &v->t, &b));
            for (size_t k = 0; k < b.len; k++) sum = (uint8_t)(sum + b.ptr[k]);
        }
    etch_status_ignore(s);
    etch_buf_deinit(&notes);
    etch_program_destroy(p);
    etch_pt2_close(a);
    return 0;
}
