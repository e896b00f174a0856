// Recipe xnnpack: which nodes go into delegates. In: lm->steps. Out: lm->steps with delegate calls.
#include "lower/internal.h"

etch_status *lw_partition(lw_method *lm)
{
    (void)lm;
    return ETCH_ERR(ETCH_UNSUPPORTED, "recipe xnnpack is not available in this build");
}

etch_status *lw_payload(lw_method *lm, lw_group *g)
{
    (void)lm;
    (void)g;
    return NULL;
}
