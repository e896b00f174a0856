// How chains are found: what xnn_chain_admit.c tells xnn_chain.c. Private to these two.
//
// A chain starts at a node whose result (of a mean: whose operand) gives it its sizes, and takes in the nodes that follow while each works
// on rows of these sizes.
// Every value is a view: for each of its dims the axis of the first result that it runs along, and the row, part of a row or number that
// holds it.
// Reshapes, transposes of outer dims and slices of rows are views only; they cost a copy when someone outside the chain reads them.
#ifndef ETCH_RT_XNN_CHAIN_FIND_H
#define ETCH_RT_XNN_CHAIN_FIND_H

#include "rt/xnn_chain.h"

typedef struct etch_xnn_view {
    int stamp;                        // of the chain that sees it
    bool is_made;                     // by a node of the chain, else read from memory
    bool is_seen;                     // made, and somebody outside the chain reads it
    bool in_memory;                   // base is memory that the chain only reads
    int8_t axis[ETCH_XNN_RANK];       // -1: a dim of size 1
    int base;                         // the value whose row this is, or a part of
    int64_t offset, len;              // elements
    int64_t stride[ETCH_XNN_RANK];    // in memory, by axis
    int until, reg;                   // of a base: the last node of the chain that needs its row; its register
} etch_xnn_view;

typedef struct { int32_t value, reg; int64_t offset, len, step, stride[ETCH_XNN_RANK]; } etch_xnn_wide_ref;   // step: of a register's rows
typedef struct { const etch_xnn_node *n; int n_in; etch_xnn_wide_ref in[ETCH_XNN_CHAIN_INS], out; } etch_xnn_wide_step;

typedef struct {
    etch_xnn *x;
    etch_xnn_view *views;             // by value
    int *last_reader;                 // by value: node, -1
    int stamp, first, end;            // nodes [first, end)
    int rank, row;                    // of the first result; its axis of rows: the last dim that is not 1
    int64_t dims[ETCH_XNN_RANK], rows;
    etch_xnn_wide_step steps[ETCH_XNN_CHAIN_NODES];
    int n_steps, n_regs, reg_until[ETCH_XNN_CHAIN_NODES];
    int64_t n;                        // elements of a register
} etch_xnn_finder;

// Starts a chain at node `first`. False: its result gives no rows.
bool etch_xnn__begin_chain(etch_xnn_finder *f, int first);
// Takes the node in, when its operands and its result run along the chain's rows.
bool etch_xnn__admit(etch_xnn_finder *f, const etch_xnn_node *n, bool is_first);
// The view of operand `value` of an elementwise node beside a result with these axes, aligned at the last dim. False: it does not fit.
bool etch_xnn__beside(const etch_xnn_finder *f, int value, const etch_xnn_value *out, const int8_t *axis, int64_t len, etch_xnn_view *w);

// xnn_moves.c. The transposes and reshapes from node `first` on that are one copy, which is written to *c; 1: there is none.
int etch_xnn__find_moves(const etch_xnn_finder *f, int first, etch_xnn_chain *c);

#endif
