// Block layouts by name and by number: what a GGUF reader, shape rules and kernels need to know of them (op/blocks.def).
#ifndef ETCH_OP_BLOCK_H
#define ETCH_OP_BLOCK_H

#include <stdint.h>

#include "base/str.h"

#define BLOCK(name, type, values, bytes, group) ETCH_BLOCK_##name,
typedef enum {
#include "op/blocks.def"
    ETCH_N_BLOCKS
} etch_block_id;
#undef BLOCK

typedef struct etch_block {
    etch_block_id id;
    const char *name;      // "Q4_0"
    uint32_t type;         // in a GGUF file
    int values, bytes;     // of a block
    int group;             // elements that share a scale; divides `values`
} etch_block;

// NULL when there is no such layout.
const etch_block *etch_block_named(etch_str name);
const etch_block *etch_block_of_type(uint32_t type);

#endif
