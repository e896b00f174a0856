#define _POSIX_C_SOURCE 200809L
#include "export/progress.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"

double etch_now(void) { return 1e-9 * (double)etch_clock_ns(); }

void etch_progress_init(etch_progress *p, bool quiet)
{
    *p = (etch_progress){ .show = !quiet && isatty(STDERR_FILENO) };
}

static void close_stage(etch_progress *p)
{
    if (p->n_stages) p->stages[p->n_stages - 1].seconds += etch_now() - p->stage_start;
}

void etch_progress_stage(etch_progress *p, const char *name)
{
    close_stage(p);
    p->stage_start = etch_now();
    if (p->n_stages < ETCH_MAX_STAGES) {
        etch_stage *s = &p->stages[p->n_stages++];
        *s = (etch_stage){ 0 };
        strncpy(s->name, name, sizeof s->name - 1);
    }
    if (p->show) fprintf(stderr, "\r\033[K%s ...", name);
}

void etch_progress_bytes(etch_progress *p, uint64_t done, uint64_t total)
{
    double now = etch_now();
    if (!p->show || !p->n_stages || now - p->last_draw < 0.1) return;
    p->last_draw = now;
    double took = now - p->stage_start, left = done ? took * (double)(total - done) / (double)done : 0;
    fprintf(stderr, "\r\033[K%s %.0f of %.0f MB, %.0f s left", p->stages[p->n_stages - 1].name, (double)done / 1e6, (double)total / 1e6,
            left);
}

void etch_progress_end(etch_progress *p)
{
    close_stage(p);
    p->stage_start = etch_now();
    if (p->show) fprintf(stderr, "\r\033[K");
}
