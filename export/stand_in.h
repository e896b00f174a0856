// Numbers for weights that are not there: passes that fold small constants can run, and what would be different stays different.
#ifndef ETCH_EXPORT_STAND_IN_H
#define ETCH_EXPORT_STAND_IN_H

#include "pass/eval.h"

typedef struct etch_stand_in {
    etch_weights weights;  // any key of any file; floats near 1 that depend on the key, integers 0
    struct etch_stand_in_block { etch_str key; void *bytes; size_t n; } *blocks;
    int n_blocks, cap;
} etch_stand_in;

// `s` must not move while `weights` is used.
void etch_stand_in_init(etch_stand_in *s);
void etch_stand_in_deinit(etch_stand_in *s);

#endif
