/*
 * checksum: the checksums that protocols carry beside their bytes, behind one set of functions.
 *
 * They show that bytes arrived as they were sent; only SHA-256 also shows who meant them. The value
 * is big-endian, as protocols print it.
 *
 * Sources  MD5 RFC 1321, SHA-1 and SHA-256 FIPS 180-4 (OpenSSL); CRC-32 ISO 3309 (polynomial
 *          0xEDB88320, reflected); CRC-32C RFC 3720 B.4; CRC-64/NVME, NVM Express Base
 *          Specification 5.2.1.3.4 (polynomial 0x9A6C9329AC4BC9B5, reflected). Test values: the
 *          catalogue of parametrised CRC algorithms, "123456789".
 * Threads  a `struct lh_checksum` belongs to one thread.
 */
#ifndef LH_BASE_CHECKSUM_H
#define LH_BASE_CHECKSUM_H

#include <stdbool.h>
#include <stdint.h>
#include "base/hash.h"

enum lh_checksum_kind {
    LH_CHECKSUM_MD5,
    LH_CHECKSUM_CRC32,
    LH_CHECKSUM_CRC32C,
    LH_CHECKSUM_CRC64NVME,
    LH_CHECKSUM_SHA1,
    LH_CHECKSUM_SHA256,
    LH_CHECKSUM_COUNT
};

#define LH_CHECKSUM_BYTES_MAX 32

const char *lh_checksum_name(enum lh_checksum_kind kind); /* "crc64nvme" */
bool lh_checksum_find(lh_str name, enum lh_checksum_kind *out);
size_t lh_checksum_size(enum lh_checksum_kind kind); /* bytes of the value */

struct lh_checksum {
    enum lh_checksum_kind kind;
    void *ctx; /* EVP_MD_CTX of the hashes */
    uint64_t crc;
};

void lh_checksum_init(struct lh_checksum *c, enum lh_checksum_kind kind);
void lh_checksum_add(struct lh_checksum *c, const void *ptr, size_t n);
/* Also releases. */
void lh_checksum_final(struct lh_checksum *c, uint8_t out[LH_CHECKSUM_BYTES_MAX]);
void lh_checksum_fini(struct lh_checksum *c); /* harmless after final */

#endif
