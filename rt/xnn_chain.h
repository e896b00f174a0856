// Chains: runs of nodes that work row by row, executed as one step, so that what they hand on stays in a cache. Private to rt/xnn*.c.
//
// In: the node list with present sizes. Out: for each node how many it runs (itself and its next ones), and the steps of such a run.
// A chain works on rows of `n` elements over at most AXES outer axes. Its values are whole rows, parts of a row (slices of the last
// dimension) or one number a row (a mean). What only the chain reads lives in registers: rows of scratch, one set a worker.
#ifndef ETCH_RT_XNN_CHAIN_H
#define ETCH_RT_XNN_CHAIN_H

#include "rt/xnn.h"

enum { ETCH_XNN_CHAIN_AXES = 3, ETCH_XNN_CHAIN_NODES = 48, ETCH_XNN_CHAIN_INS = 3, ETCH_XNN_CHAIN_BLOCK = 1024 };

// Where a row of an operand lies.
typedef struct etch_xnn_ref {
    int32_t value;                          // in memory: whose; -1: in a register
    int32_t reg;
    int32_t offset, len;                    // elements from its start; elements of the row: 1 for one number a row
    int32_t stride[ETCH_XNN_CHAIN_AXES];    // in memory, elements, by outer axis
    int32_t step;                           // elements from a row to the next one of a block: the last of stride, or the row of a register
} etch_xnn_ref;

typedef struct etch_xnn_step {
    const etch_xnn_node *n;                 // moves (slice, transpose, reshape) copy a row
    int n_in;
    etch_xnn_ref in[ETCH_XNN_CHAIN_INS], out;
} etch_xnn_step;

typedef struct etch_xnn_chain {
    int n_steps, n_axes, n_regs;
    int64_t dims[ETCH_XNN_CHAIN_AXES], rows;
    int64_t n, block;                       // elements of a register's row at most; rows of the last axis that run as a block
    int64_t flat;                           // no step needs whole rows and all memory is in order: elements in all, taken in blocks; else 0
    etch_xnn_step *steps;
    int n_moved;                            // not 0: the chain is one copy (xnn_moves.c), and all above is unused
    int64_t moved[ETCH_XNN_RANK], moved_stride[ETCH_XNN_RANK];   // sizes of its result, and how far apart in its operand, in elements
} etch_xnn_chain;

// xnn_chain.c. Finds the chains for the present sizes: n->chain of every node. Called when sizes have changed.
void etch_xnn__find_chains(etch_xnn *x);
// xnn_run_chain.c
void etch_xnn__run_chain(etch_xnn_cx *cx, const etch_xnn_node *first);
// xnn_run_move.c
void etch_xnn__run_moves(etch_xnn_cx *cx, const etch_xnn_node *first);

#endif
