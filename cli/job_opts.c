#include "cli/job_opts.h"

#include <string.h>

static size_t width(etch_opt_kind kind)
{
    switch (kind) {
    case ETCH_OPT_FLAG: return sizeof(bool);
    case ETCH_OPT_INT: return sizeof(int64_t);
    case ETCH_OPT_FLOAT: return sizeof(double);
    case ETCH_OPT_LIST: return sizeof(etch_opt_list);
    case ETCH_OPT_ONLY: return 0;
    case ETCH_OPT_STR: case ETCH_OPT_CHOICE: break;
    }
    return sizeof(const char *);
}

etch_status *etch_job_pt2_check(const etch_job *job, const etch_opt *opts)
{
    etch_job fresh;
    etch_job_init(&fresh);
    for (const etch_opt *o = opts; job->pt2 && o->name && o->target != &job->pt2; o++) {
        // Given is what differs from an untouched job; a default string that is given too is another pointer.
        const ptrdiff_t at = (const char *)o->target - (const char *)job;
        if (memcmp(o->target, (const char *)&fresh + at, width(o->kind)))
            return ETCH_ERR(ETCH_USAGE, "%s makes no sense with --pt2: PyTorch traced that program, with its sizes and types", o->name);
    }
    return NULL;
}
