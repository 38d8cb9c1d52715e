/*
 * meta: what is known about an object beside its bytes, as kept in the extended attribute
 * `user.lakehouse` of its file.
 *
 * Decoding trusts nothing: the attribute ends with a checksum of itself, every length is checked,
 * and a size that does not fit the number of block checksums is refused.
 *
 * Fails    CORRUPT "store.metadata".
 * Format   docs/formats/layout.md; what needs nothing of version 2 is written as version 1
 */
#ifndef LH_STORE_META_H
#define LH_STORE_META_H

#include "base/status.h"
#include "store/bucket.h"
#include "store/digest.h"

#define STORE_META_TAG_BYTES 8
#define STORE_META_BYTES_MAX                                                                       \
    (128 + LH_CONTENT_TYPE_MAX + LH_OBJECT_METADATA_MAX + 4 * STORE_BLOCKS_MAX)
#define STORE_META_PARTS_MAX 65535
#define STORE_CONTENT_TYPE_DEFAULT "application/octet-stream"

struct store_meta {
    uint64_t size_bytes;
    uint8_t sha256[LH_SHA256_BYTES];
    uint8_t tag[STORE_META_TAG_BYTES]; /* random, of this put: makes the ETag unlike that of any
                                          other */
    char content_type[LH_CONTENT_TYPE_MAX];
    bool has_md5;
    uint8_t md5[16];
    unsigned md5_parts;
    size_t metadata_len;
    char metadata[LH_OBJECT_METADATA_MAX];
    unsigned block_log2;
    size_t block_count;
    uint32_t crcs[STORE_BLOCKS_MAX];
};

/* From a finished digest. Draws a new tag. */
void store_meta_make(struct store_meta *m, const struct store_digest *d,
                     const uint8_t sha256[LH_SHA256_BYTES], const char *content_type);

/* Returns how many bytes of `out` were filled. */
size_t store_meta_encode(const struct store_meta *m, uint8_t out[STORE_META_BYTES_MAX]);
lh_status store_meta_decode(lh_bytes in, struct store_meta *m, struct lh_error *err);

/* ETags, SHA-256, content type and size; modified_us is left alone. */
void store_meta_info(const struct store_meta *m, struct lh_object_info *info);

#endif
