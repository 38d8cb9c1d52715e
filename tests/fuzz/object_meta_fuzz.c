/*
 * Any bytes as the attribute of an object's file. What decodes encodes to the same bytes, and its
 * block checksums cover the size. The checksum at the end would stop nearly every input, so each is
 * tried a second time with a right one.
 */
#include <stdlib.h>

#include "store/meta.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The number of a known content type is not the only way to write it, so only the meaning must come
 * back. */
static void
decoded_check(const struct store_meta *m)
{
    uint8_t bytes[STORE_META_BYTES_MAX];
    struct store_meta again;
    struct lh_object_info a = {0}, b = {0};
    size_t n = store_meta_encode(m, bytes);

    if (n > sizeof(bytes) || m->block_count != store_block_count(m->size_bytes, m->block_log2))
        abort();
    if (store_meta_decode(lh_bytes_of(bytes, n), &again, NULL) != LH_OK)
        abort();
    store_meta_info(m, &a);
    store_meta_info(&again, &b);
    if (memcmp(&a, &b, sizeof(a)) != 0 || m->metadata_len != again.metadata_len ||
        memcmp(m->metadata, again.metadata, m->metadata_len) != 0 ||
        memcmp(m->crcs, again.crcs, m->block_count * sizeof(m->crcs[0])) != 0)
        abort();
}

static void
try_decode(lh_bytes in)
{
    struct store_meta *m = calloc(1, sizeof(*m));

    if (store_meta_decode(in, m, NULL) == LH_OK)
        decoded_check(m);
    free(m);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t *copy = malloc(size + 4); /* of its own, so that a read past the end is noticed */
    uint32_t crc = lh_crc32c(0, data, size);

    memcpy(copy, data, size);
    try_decode(lh_bytes_of(copy, size));
    for (size_t i = 0; i < 4; i++)
        copy[size + i] = (uint8_t)(crc >> (8 * i));
    try_decode(lh_bytes_of(copy, size + 4));
    free(copy);
    return 0;
}
