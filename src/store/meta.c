#include "store/meta.h"

#include "base/id.h"

#define META_VERSION 1

/*
 * Common types are one number, so that the attribute of an object of one block stays within 60
 * bytes and ext4 keeps it in the inode instead of a block of its own. The numbers are part of the
 * format: rows are only ever added.
 */
static const char *const known_types[] = {
    NULL, /* 0: spelt out */
    STORE_CONTENT_TYPE_DEFAULT,
    "application/vnd.apache.parquet",
    "application/json",
    "application/x-ndjson",
    "text/csv",
    "text/plain",
    "application/pdf",
};

#define KNOWN_TYPES (sizeof(known_types) / sizeof(known_types[0]))

static uint8_t
type_number(const char *content_type)
{
    for (size_t i = 1; i < KNOWN_TYPES; i++)
        if (strcmp(known_types[i], content_type) == 0)
            return (uint8_t)i;
    return 0;
}

void
store_meta_make(struct store_meta *m, const struct store_digest *d,
                const uint8_t sha256[LH_SHA256_BYTES], const char *content_type)
{
    memset(m, 0, sizeof(*m));
    m->size_bytes = d->size_bytes;
    memcpy(m->sha256, sha256, LH_SHA256_BYTES);
    lh_random_bytes(m->tag, sizeof(m->tag));
    (void)lh_str_copy(m->content_type, sizeof(m->content_type), lh_str_of(content_type));
    m->block_log2 = d->block_log2;
    m->block_count = d->block_count;
    memcpy(m->crcs, d->crcs, d->block_count * sizeof(d->crcs[0]));
}

/* ---- bytes: little-endian, through one cursor each way ---- */

static uint8_t *
put_uint(uint8_t *to, uint64_t value, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++)
        *to++ = (uint8_t)(value >> (8 * i));
    return to;
}

static uint8_t *
put_bytes(uint8_t *to, const void *from, size_t n)
{
    memcpy(to, from, n);
    return to + n;
}

static bool
take_uint(lh_bytes *in, size_t bytes, uint64_t *out)
{
    uint64_t value = 0;

    if (in->len < bytes)
        return false;
    for (size_t i = 0; i < bytes; i++)
        value |= (uint64_t)in->ptr[i] << (8 * i);
    *in = lh_bytes_of(in->ptr + bytes, in->len - bytes);
    *out = value;
    return true;
}

static bool
take_bytes(lh_bytes *in, void *to, size_t n)
{
    if (in->len < n)
        return false;
    memcpy(to, in->ptr, n);
    *in = lh_bytes_of(in->ptr + n, in->len - n);
    return true;
}

size_t
store_meta_encode(const struct store_meta *m, uint8_t out[STORE_META_BYTES_MAX])
{
    uint8_t *to = out;
    uint8_t number = type_number(m->content_type);
    size_t type_len = number == 0 ? strlen(m->content_type) : 0;

    to = put_uint(to, META_VERSION, 1);
    to = put_uint(to, m->block_log2, 1);
    to = put_uint(to, number, 1);
    to = put_uint(to, type_len, 1);
    to = put_uint(to, m->size_bytes, 8);
    to = put_bytes(to, m->sha256, sizeof(m->sha256));
    to = put_bytes(to, m->tag, sizeof(m->tag));
    to = put_bytes(to, m->content_type, type_len);
    for (size_t i = 0; i < m->block_count; i++)
        to = put_uint(to, m->crcs[i], 4);
    to = put_uint(to, lh_crc32c(0, out, (size_t)(to - out)), 4);
    return (size_t)(to - out);
}

static bool
type_decode(lh_bytes *in, uint64_t number, uint64_t length, struct store_meta *m)
{
    memset(m->content_type, 0, sizeof(m->content_type));
    if (number >= KNOWN_TYPES || (number != 0 && length != 0))
        return false;
    if (number != 0)
        return lh_str_copy(m->content_type, sizeof(m->content_type),
                           lh_str_of(known_types[number]));
    if (length >= sizeof(m->content_type) || !take_bytes(in, m->content_type, (size_t)length))
        return false;
    m->content_type[length] = '\0';
    return strlen(m->content_type) == length;
}

static bool
blocks_decode(lh_bytes *in, struct store_meta *m)
{
    uint64_t count;

    if (m->block_log2 < STORE_BLOCK_LOG2_MIN || m->block_log2 > STORE_BLOCK_LOG2_MAX)
        return false;
    count = store_block_count(m->size_bytes, m->block_log2);
    if (count > STORE_BLOCKS_MAX || in->len != count * 4)
        return false;
    m->block_count = (size_t)count;
    for (size_t i = 0; i < m->block_count; i++) {
        uint64_t crc;
        if (!take_uint(in, 4, &crc))
            return false;
        m->crcs[i] = (uint32_t)crc;
    }
    return true;
}

static bool
fields_decode(lh_bytes in, struct store_meta *m)
{
    uint64_t version, block_log2, number, type_len;

    if (!take_uint(&in, 1, &version) || version != META_VERSION)
        return false;
    if (!take_uint(&in, 1, &block_log2) || !take_uint(&in, 1, &number) ||
        !take_uint(&in, 1, &type_len) || !take_uint(&in, 8, &m->size_bytes))
        return false;
    if (!take_bytes(&in, m->sha256, sizeof(m->sha256)) || !take_bytes(&in, m->tag, sizeof(m->tag)))
        return false;
    m->block_log2 = (unsigned)block_log2;
    return type_decode(&in, number, type_len, m) && blocks_decode(&in, m);
}

static bool
checksum_is_right(lh_bytes in)
{
    uint64_t found;
    lh_bytes tail;

    if (in.len < 4)
        return false;
    tail = lh_bytes_of(in.ptr + in.len - 4, 4);
    return take_uint(&tail, 4, &found) && found == lh_crc32c(0, in.ptr, in.len - 4);
}

lh_status
store_meta_decode(lh_bytes in, struct store_meta *m, struct lh_error *err)
{
    if (!checksum_is_right(in) || !fields_decode(lh_bytes_of(in.ptr, in.len - 4), m))
        return lh_fail(err, LH_CORRUPT, "store.metadata",
                       "the attribute user.lakehouse (%zu bytes) is not what was written", in.len);
    return LH_OK;
}

/* The first half of the SHA-256 says what the bytes are, the tag which put brought them. */
static void
etag_format(const struct store_meta *m, char etag[LH_ETAG_MAX])
{
    static const char digits[] = "0123456789abcdef";
    char *to = etag;

    for (size_t i = 0; i < 16; i++) {
        *to++ = digits[m->sha256[i] >> 4];
        *to++ = digits[m->sha256[i] & 15];
    }
    *to++ = '-';
    for (size_t i = 0; i < sizeof(m->tag); i++) {
        *to++ = digits[m->tag[i] >> 4];
        *to++ = digits[m->tag[i] & 15];
    }
    *to = '\0';
}

void
store_meta_info(const struct store_meta *m, struct lh_object_info *info)
{
    etag_format(m, info->etag);
    lh_sha256_hex(m->sha256, info->sha256);
    memcpy(info->content_type, m->content_type, sizeof(info->content_type));
    info->size_bytes = m->size_bytes;
}
