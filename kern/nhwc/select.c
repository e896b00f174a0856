// In: features. Out: the row of kernels.def that fits them.
#include "kern/nhwc/rows.h"

static const etch_nhwc_kernels *const rows[] = {
#define KERNELS(suffix, features) &etch_nhwc__##suffix,
#include "kern/nhwc/kernels.def"
#undef KERNELS
    NULL,
};

const etch_nhwc_kernels *etch_nhwc_row(int i) { return i >= 0 && (size_t)i < sizeof rows / sizeof *rows ? rows[i] : NULL; }

const etch_nhwc_kernels *etch_nhwc_select(unsigned features)
{
    const etch_nhwc_kernels *best = rows[0];
    for (size_t i = 0; rows[i]; i++)
        if ((rows[i]->needs & features) == rows[i]->needs) best = rows[i];
    return best;
}
