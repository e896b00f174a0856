// Tests and fuzz targets only: zip archives of stored entries in memory, plain or with zip64 records, without checksums.
#ifndef ETCH_PT2_ZIP_BUILD_H
#define ETCH_PT2_ZIP_BUILD_H

#include "base/buf.h"

typedef struct zip_part { const char *name; etch_span bytes; } zip_part;

static inline void zip_le(etch_buf *b, uint64_t v, int n)
{
    for (int i = 0; i < n; i++) {
        uint8_t byte = (uint8_t)(i < 8 ? v >> (8 * i) : 0);
        etch_buf_put(b, &byte, 1);
    }
}

// As written without checksums: entries of a damaged archive are read, not refused at once.
static inline void zip_forget_crcs(uint8_t *p, size_t n)
{
    for (size_t i = 0; i + 20 <= n; i++)
        if (!memcmp(p + i, "PK\1\2", 4)) memset(p + i + 16, 0, 4);
}

static inline void zip_build(const zip_part *parts, size_t n, bool wide, etch_buf *out)
{
    etch_buf dir = { 0 };
    for (size_t i = 0; i < n; i++) {
        const size_t at = out->len, name = strlen(parts[i].name);
        zip_le(out, 0x04034b50, 4);
        zip_le(out, 0, 14);  // version, flags, method, time, date, crc
        zip_le(out, parts[i].bytes.len, 4);
        zip_le(out, parts[i].bytes.len, 4);
        zip_le(out, name, 2);
        zip_le(out, 0, 2);
        etch_buf_puts(out, parts[i].name);
        etch_buf_put(out, parts[i].bytes.ptr, parts[i].bytes.len);
        zip_le(&dir, 0x02014b50, 4);
        zip_le(&dir, 0, 16);
        zip_le(&dir, wide ? 0xffffffffu : parts[i].bytes.len, 4);
        zip_le(&dir, wide ? 0xffffffffu : parts[i].bytes.len, 4);
        zip_le(&dir, name, 2);
        zip_le(&dir, wide ? 28 : 0, 2);
        zip_le(&dir, 0, 10);
        zip_le(&dir, wide ? 0xffffffffu : at, 4);
        etch_buf_puts(&dir, parts[i].name);
        if (!wide) continue;
        zip_le(&dir, 1, 2);
        zip_le(&dir, 24, 2);
        zip_le(&dir, parts[i].bytes.len, 8);
        zip_le(&dir, parts[i].bytes.len, 8);
        zip_le(&dir, at, 8);
    }
    const size_t from = out->len;
    etch_buf_put(out, dir.ptr, dir.len);
    if (wide) {
        const size_t end64 = out->len;
        zip_le(out, 0x06064b50, 4);
        zip_le(out, 44, 8);
        zip_le(out, 0, 12);
        zip_le(out, n, 8);
        zip_le(out, n, 8);
        zip_le(out, dir.len, 8);
        zip_le(out, from, 8);
        zip_le(out, 0x07064b50, 4);
        zip_le(out, 0, 4);
        zip_le(out, end64, 8);
        zip_le(out, 1, 4);
    }
    zip_le(out, 0x06054b50, 4);
    zip_le(out, 0, 4);
    zip_le(out, wide ? 0xffff : n, 2);
    zip_le(out, wide ? 0xffff : n, 2);
    zip_le(out, wide ? 0xffffffffu : dir.len, 4);
    zip_le(out, wide ? 0xffffffffu : from, 4);
    zip_le(out, 0, 2);
    etch_buf_deinit(&dir);
}

#endif
