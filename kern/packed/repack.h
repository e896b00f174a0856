// Packed integers of a checkpoint in the layout of a scheme of ours, group by group, with no float copy of the weight.
//
// The integers of a group go as they are, with their scale, when the scheme can hold them: a group of the scheme lies within one of the
// source, the source has no offset there, all integers are in range, and the sign of the scale is allowed (a scale that must be positive is
// negated together with the integers). Any other group is dequantised and quantized again by the scheme's rule.
#ifndef ETCH_KERN_PACKED_REPACK_H
#define ETCH_KERN_PACKED_REPACK_H

#include "kern/packed/packed.h"
#include "kern/quantize/quantize.h"

typedef struct etch_repack {
    const etch_packed *from;
    etch_quant_scheme to;
    bool signed_scales;     // the reader of the layout takes negative scales
    bool bf16_scales;       // scales are stored as bf16: kept ones are rounded here, so that errors are measured with the stored scale
} etch_repack;

// Bytes of scratch that one row needs.
size_t etch_repack_scratch(const etch_repack *r);
// One row: q[cols], scales[cols / group]; `sums` grow by the errors against the dequantised source. Returns how many groups were kept.
int64_t etch_repack_row(const etch_repack *r, int64_t row, void *scratch, int8_t *q, float *scales, etch_quant_sums *sums);

#endif
