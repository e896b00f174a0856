// What a profiler sees: one event for each instruction of an execute, and one for each node, or chain of nodes, inside a delegate's
// instruction.
#ifndef ETCH_RT_EVENT_H
#define ETCH_RT_EVENT_H

#include "base/str.h"

typedef struct etch_rt_event {
    const char *name;         // operator of the .pte ("aten::add.out"), node ("XNNConv2d"), nodes that ran as one ("XNNAdd ...
                              // XNNConvert"), "delegate",
                              // "move", ...; valid during the callback
    const char *kernel;       // what ran it: "portable", or the delegate's instruction set ("avx2")
    etch_str detail;          // operands and results, "f32[1, 197, 768], f32[3072, 768] -> f32[1, 197, 3072]"; valid during the callback
    int instruction;          // index in the program's flat list
    int node;                 // node of the delegate, -1 for an instruction. Nodes come before their instruction
    uint64_t begin_ns, end_ns;  // base/clock.h
    uint64_t constant_bytes;  // of weights that it reads: whole tensors, but of tables only the rows that it takes
} etch_rt_event;

typedef void etch_rt_event_fn(void *user, const etch_rt_event *e);

// Who listens: fn is NULL when nobody does; then nothing is timed.
typedef struct etch_rt_listener {
    etch_rt_event_fn *fn;
    void *user;
    int instruction;          // the delegate's, for its nodes
} etch_rt_listener;

#endif
