// In: an op id. Out: its form for caches of a narrower type.
#include "kern/narrow.h"

#include "kern/check.h"

KERN_PROTO(update_cache_narrow);
KERN_PROTO(update_cache_with_indices_narrow);
KERN_PROTO(custom_sdpa_narrow);

static const etch_kern_narrow rows[] = {
    { ETCH_OP_llama_update_cache, 1u << 1, true, k_update_cache_narrow },
    { ETCH_OP_llama_update_cache_with_indices, 1u << 1, true, k_update_cache_with_indices_narrow },
    { ETCH_OP_etch_update_cache_, 1u << 1, true, k_update_cache_narrow },
    { ETCH_OP_etch_update_cache_with_indices_, 1u << 1, true, k_update_cache_with_indices_narrow },
    { ETCH_OP_llama_custom_sdpa, 1u << 1 | 1u << 2, false, k_custom_sdpa_narrow },
};

const etch_kern_narrow *etch_kern_find_narrow(etch_op_id id)
{
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (rows[i].op == id) return &rows[i];
    return NULL;
}
