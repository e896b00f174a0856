#include "pt2/crc.h"

void etch_crc_init(etch_crc *t)
{
    for (uint32_t b = 0; b < 256; b++) {
        uint32_t r = b;
        for (int i = 0; i < 8; i++) r = r >> 1 ^ (r & 1 ? 0xedb88320u : 0);
        t->after[0][b] = r;
    }
    for (int i = 1; i < 8; i++)
        for (int b = 0; b < 256; b++) t->after[i][b] = t->after[i - 1][b] >> 8 ^ t->after[0][t->after[i - 1][b] & 0xff];
}

static uint32_t le32(const uint8_t *p) { return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24; }

uint32_t etch_crc_of(const etch_crc *t, uint32_t crc, const uint8_t *p, size_t n)
{
    uint32_t r = ~crc;
    for (; n >= 8; n -= 8, p += 8) {
        const uint32_t a = r ^ le32(p), b = le32(p + 4);
        r = t->after[7][a & 0xff] ^ t->after[6][a >> 8 & 0xff] ^ t->after[5][a >> 16 & 0xff] ^ t->after[4][a >> 24] ^
            t->after[3][b & 0xff] ^ t->after[2][b >> 8 & 0xff] ^ t->after[1][b >> 16 & 0xff] ^ t->after[0][b >> 24];
    }
    for (; n; n--, p++) r = r >> 8 ^ t->after[0][(r ^ *p) & 0xff];
    return ~r;
}
