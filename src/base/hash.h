/*
 * hash: SHA-256 and HMAC (OpenSSL), CRC-32C (hardware when the CPU has it), XXH64 for tables in
 * memory.
 *
 * Sources  SHA-256 FIPS 180-4; HMAC RFC 2104; CRC-32C (Castagnoli) RFC 3720 B.4, initial and final
 *          XOR 0xFFFFFFFF; XXH64 as specified at github.com/Cyan4973/xxHash doc/xxhash_spec.md.
 * Threads  all functions are pure; a `struct lh_sha256` belongs to one thread.
 */
#ifndef LH_BASE_HASH_H
#define LH_BASE_HASH_H

#include <stdint.h>
#include "base/str.h"

#define LH_SHA256_BYTES 32
#define LH_SHA256_HEX 65 /* with NUL */

struct lh_sha256 {
    void *ctx; /* EVP_MD_CTX */
};

void lh_sha256_init(struct lh_sha256 *h);
void lh_sha256_add(struct lh_sha256 *h, const void *ptr, size_t n);
void lh_sha256_final(struct lh_sha256 *h, uint8_t out[LH_SHA256_BYTES]); /* also releases */
void lh_sha256_fini(struct lh_sha256 *h); /* releases without a result; harmless after final */
void lh_sha256_of(lh_bytes in, uint8_t out[LH_SHA256_BYTES]);
char *lh_sha256_hex(const uint8_t digest[LH_SHA256_BYTES], char text[LH_SHA256_HEX]);
void lh_hmac_sha256(lh_bytes key, lh_bytes in, uint8_t out[LH_SHA256_BYTES]);

/* Continues `crc` (0 to start). */
uint32_t lh_crc32c(uint32_t crc, const void *ptr, size_t n);
/* The same without the CPU's instruction; for this folder's tests. */
uint32_t base_crc32c_by_table(uint32_t crc, const void *ptr, size_t n);
uint64_t lh_xxh64(const void *ptr, size_t n, uint64_t seed);

/* Equal in constant time. */
int lh_bytes_eq_secret(lh_bytes a, lh_bytes b);

#endif
