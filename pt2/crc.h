// CRC-32 as zip archives have it (polynomial 0xedb88320, bits of a byte from the low end), eight bytes a step.
#ifndef ETCH_PT2_CRC_H
#define ETCH_PT2_CRC_H

#include <stddef.h>
#include <stdint.h>

typedef struct etch_crc { uint32_t after[8][256]; } etch_crc;  // [i][b]: the remainder of byte b with i bytes of zero behind it

void etch_crc_init(etch_crc *t);
// `crc` is that of the bytes before, 0 at the start.
uint32_t etch_crc_of(const etch_crc *t, uint32_t crc, const uint8_t *p, size_t n);

#endif
