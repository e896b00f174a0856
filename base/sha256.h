// SHA-256 (FIPS 180-4), for identities and names of stored bytes.
#ifndef ETCH_BASE_SHA256_H
#define ETCH_BASE_SHA256_H

#include <stddef.h>
#include <stdint.h>

typedef struct etch_sha256 { uint32_t h[8]; uint64_t len; uint8_t block[64]; size_t n; } etch_sha256;

void etch_sha256_init(etch_sha256 *s);
void etch_sha256_put(etch_sha256 *s, const void *bytes, size_t n);
void etch_sha256_end(etch_sha256 *s, uint8_t out[32]);
// 64 lowercase digits and a NUL.
void etch_sha256_hex(const uint8_t digest[32], char out[65]);

#endif
