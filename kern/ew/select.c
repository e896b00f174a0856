// In: features. Out: the row of kernels.def that fits them.
#include "kern/ew/rows.h"

static const etch_ew_kernels *const rows[] = {
#define KERNELS(suffix, features) &etch_ew__##suffix,
#include "kern/ew/kernels.def"
#undef KERNELS
    NULL,
};

const etch_ew_kernels *etch_ew_row(int i) { return i >= 0 && (size_t)i < sizeof rows / sizeof *rows ? rows[i] : NULL; }

const etch_ew_kernels *etch_ew_select(unsigned features)
{
    const etch_ew_kernels *best = rows[0];
    for (size_t i = 0; rows[i]; i++)
        if ((rows[i]->needs & features) == rows[i]->needs) best = rows[i];
    return best;
}
