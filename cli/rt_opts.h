// Options that every command has which runs programs, as rows of its table.
#ifndef ETCH_CLI_RT_OPTS_H
#define ETCH_CLI_RT_OPTS_H

#include "cli/opt.h"
#include "rt/rt.h"

#define ETCH_CLI_THREADS(target) \
    { "--threads", "-t", ETCH_OPT_INT, &(target), "N", "threads (default: one per core)", 1, 64, false, NULL }

#define ETCH_CLI_KV_CACHE(target) \
    { "--kv_cache", NULL, ETCH_OPT_CHOICE, &(target), etch_rt_kv_caches, "type of the cache kept by the runtime (default: the file's)", \
      0, 0, false, NULL }

#endif
