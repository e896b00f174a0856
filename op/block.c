#include "op/block.h"

#define BLOCK(name, type, values, bytes, group) { ETCH_BLOCK_##name, #name, type, values, bytes, group },
static const etch_block blocks[] = {
#include "op/blocks.def"
};
#undef BLOCK

const etch_block *etch_block_named(etch_str name)
{
    for (int i = 0; i < ETCH_N_BLOCKS; i++)
        if (etch_str_eqz(name, blocks[i].name)) return &blocks[i];
    return NULL;
}

const etch_block *etch_block_of_type(uint32_t type)
{
    for (int i = 0; i < ETCH_N_BLOCKS; i++)
        if (blocks[i].type == type) return &blocks[i];
    return NULL;
}
