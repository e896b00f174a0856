// Made-up inputs for measuring: floats in [-1, 1) from a fixed seed, integers 1, true; integers of rank 1 (positions) count up.
#ifndef ETCH_CLI_SYNTH_H
#define ETCH_CLI_SYNTH_H

#include "rt/rt.h"

typedef struct etch_cli_synth { etch_rt_method *m; int n; etch_tensor *t; } etch_cli_synth;

// `shapes`: sizes of the tensor inputs in order, "1x3x224x224,8"; NULL: the largest that the program declares. `position`: the first of
// those that count up. Free with etch_cli_synth_free.
etch_status *etch_cli_synth_make(etch_rt_method *m, const char *shapes, int64_t position, etch_cli_synth *out) ETCH_MUST_USE;
// Sets every input again, as a program may reuse their memory.
etch_status *etch_cli_synth_set(const etch_cli_synth *s) ETCH_MUST_USE;
// "f32[1, 3, 224, 224], i64[8]"
void etch_cli_synth_print(const etch_cli_synth *s, etch_buf *out);
void etch_cli_synth_free(etch_cli_synth *s);

#endif
