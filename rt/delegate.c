// In: a backend id. Out: its row of rt/backends.def.
#include "rt/delegate.h"

#define BACKEND(token) extern const etch_backend etch_backend_##token;
#include "rt/backends.def"
#undef BACKEND

static const etch_backend *const backends[] = {
#define BACKEND(token) &etch_backend_##token,
#include "rt/backends.def"
#undef BACKEND
    NULL,
};

const etch_backend *etch_backend_find(etch_str id)
{
    for (const etch_backend *const *b = backends; *b; b++)
        if (etch_str_eqz(id, (*b)->id)) return *b;
    return NULL;
}
