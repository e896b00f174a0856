// Progress of long work: a line that is redrawn on a terminal, silence in a pipe, and the time of each stage for the report.
#ifndef ETCH_EXPORT_PROGRESS_H
#define ETCH_EXPORT_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

#define ETCH_MAX_STAGES 32

typedef struct etch_stage { char name[24]; double seconds; } etch_stage;

typedef struct etch_progress {
    bool show;                        // stderr is a terminal and --quiet was not given
    etch_stage stages[ETCH_MAX_STAGES];
    int n_stages;
    double stage_start, last_draw;    // monotonic seconds
} etch_progress;

double etch_now(void);  // monotonic seconds
void etch_progress_init(etch_progress *p, bool quiet);
// Ends the running stage and starts `name` (a new entry even when the name was used before).
void etch_progress_stage(etch_progress *p, const char *name);
// done/total in bytes; draws at most ten times a second, with the remaining time.
void etch_progress_bytes(etch_progress *p, uint64_t done, uint64_t total);
// Ends the running stage and clears the line.
void etch_progress_end(etch_progress *p);

#endif
