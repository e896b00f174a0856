// libFuzzer: any bytes as a .pte; reads every tensor, named blob and delegate payload of it. A seed: any small .pte.
#include "pte/pte.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

static volatile uint8_t sum;

static void touch(etch_span b)
{
    for (size_t i = 0; i < b.len; i++) sum = (uint8_t)(sum + b.ptr[i]);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    etch_pte p;
    etch_status *s = etch_pte_open_bytes((etch_span){ bytes, n }, &p);
    if (s) {
        etch_status_free(s);
        return 0;
    }
    for (uint32_t i = 0; i < p.plans.n; i++) {
        etch_fb_table plan = etch_fb_table_at(p.plans, i);
        etch_fb_vec values = etch_fb_get_vec(plan, ETCH_FB(ExecutionPlan, values));
        etch_fb_vec delegates = etch_fb_get_vec(plan, ETCH_FB(ExecutionPlan, delegates));
        for (uint32_t k = 0; k < values.n; k++) {
            etch_fb_table e = etch_fb_table_at(values, k);
            etch_pte_tensor t;
            if (etch_fb_get_u8(e, ETCH_FB(EValue, val_type)) != ETCH_FBU(KernelTypes, Tensor)) continue;
            etch_status_ignore(etch_pte_read_tensor(&p, plan, etch_fb_get_table(e, ETCH_FB(EValue, val)), &t));
            if (t.data) touch((etch_span){ t.data, t.nbytes });
        }
        for (uint32_t k = 0; k < delegates.n; k++) {
            etch_span blob;
            etch_status_ignore(etch_pte_delegate_blob(&p, etch_fb_table_at(delegates, k), &blob));
            touch(blob);
        }
    }
    for (uint32_t i = 0; i < p.segments.n; i++) {
        etch_span b;
        etch_status_ignore(etch_pte_segment(&p, i, &b));
        touch(b);
    }
    etch_pte_close(&p);
    return 0;
}
