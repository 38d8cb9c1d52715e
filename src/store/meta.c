#include "store/meta.h"

#include <stdio.h>
#include "base/id.h"

#define META_VERSION 1
#define META_VERSION_RICH 2 /* also MD5 and metadata, and a longer content type */
#define TYPE_LENGTH_MAX_V1 63

enum md5_kind { MD5_NONE, MD5_WHOLE, MD5_OF_PARTS };

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

static enum md5_kind
md5_kind(const struct store_meta *m)
{
    if (!m->has_md5)
        return MD5_NONE;
    return m->md5_parts > 0 ? MD5_OF_PARTS : MD5_WHOLE;
}

static uint8_t *
rich_put(uint8_t *to, const struct store_meta *m)
{
    to = put_uint(to, (uint64_t)md5_kind(m), 1);
    if (m->has_md5)
        to = put_bytes(to, m->md5, sizeof(m->md5));
    if (m->has_md5 && m->md5_parts > 0)
        to = put_uint(to, m->md5_parts, 2);
    to = put_uint(to, m->metadata_len, 2);
    return put_bytes(to, m->metadata, m->metadata_len);
}

size_t
store_meta_encode(const struct store_meta *m, uint8_t out[STORE_META_BYTES_MAX])
{
    uint8_t *to = out;
    uint8_t number = type_number(m->content_type);
    size_t type_len = number == 0 ? strlen(m->content_type) : 0;
    bool is_rich = m->has_md5 || m->metadata_len > 0 || type_len > TYPE_LENGTH_MAX_V1;

    to = put_uint(to, is_rich ? META_VERSION_RICH : META_VERSION, 1);
    to = put_uint(to, m->block_log2, 1);
    to = put_uint(to, number, 1);
    to = put_uint(to, type_len, 1);
    to = put_uint(to, m->size_bytes, 8);
    to = put_bytes(to, m->sha256, sizeof(m->sha256));
    to = put_bytes(to, m->tag, sizeof(m->tag));
    to = put_bytes(to, m->content_type, type_len);
    if (is_rich)
        to = rich_put(to, m);
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
md5_decode(lh_bytes *in, struct store_meta *m)
{
    uint64_t kind, parts = 0;

    if (!take_uint(in, 1, &kind) || kind > MD5_OF_PARTS)
        return false;
    m->has_md5 = kind != MD5_NONE;
    if (m->has_md5 && !take_bytes(in, m->md5, sizeof(m->md5)))
        return false;
    if (kind == MD5_OF_PARTS && (!take_uint(in, 2, &parts) || parts == 0))
        return false;
    m->md5_parts = (unsigned)parts;
    return true;
}

static bool
metadata_decode(lh_bytes *in, struct store_meta *m)
{
    uint64_t length;

    if (!take_uint(in, 2, &length) || length > sizeof(m->metadata))
        return false;
    m->metadata_len = (size_t)length;
    return take_bytes(in, m->metadata, m->metadata_len);
}

static bool
rich_decode(lh_bytes *in, struct store_meta *m)
{
    return md5_decode(in, m) && metadata_decode(in, m);
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

    m->has_md5 = false;
    m->md5_parts = 0;
    m->metadata_len = 0;
    if (!take_uint(&in, 1, &version) || (version != META_VERSION && version != META_VERSION_RICH))
        return false;
    if (!take_uint(&in, 1, &block_log2) || !take_uint(&in, 1, &number) ||
        !take_uint(&in, 1, &type_len) || !take_uint(&in, 8, &m->size_bytes))
        return false;
    if (!take_bytes(&in, m->sha256, sizeof(m->sha256)) || !take_bytes(&in, m->tag, sizeof(m->tag)))
        return false;
    m->block_log2 = (unsigned)block_log2;
    if (version == META_VERSION && type_len > TYPE_LENGTH_MAX_V1)
        return false;
    return type_decode(&in, number, type_len, m) &&
           (version == META_VERSION || rich_decode(&in, m)) && blocks_decode(&in, m);
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

static char *
put_hex(char *to, const uint8_t *from, size_t n)
{
    static const char digits[] = "0123456789abcdef";

    for (size_t i = 0; i < n; i++) {
        *to++ = digits[from[i] >> 4];
        *to++ = digits[from[i] & 15];
    }
    *to = '\0';
    return to;
}

/* The first half of the SHA-256 says what the bytes are, the tag which put brought them. */
static void
etag_format(const struct store_meta *m, char etag[LH_ETAG_MAX])
{
    char *to = put_hex(etag, m->sha256, 16);

    *to++ = '-';
    (void)put_hex(to, m->tag, sizeof(m->tag));
}

static void
md5_etag_format(const struct store_meta *m, char etag[LH_MD5_ETAG_MAX])
{
    char *to = etag;

    etag[0] = '\0';
    if (m->has_md5)
        to = put_hex(etag, m->md5, sizeof(m->md5));
    if (m->has_md5 && m->md5_parts > 0)
        (void)snprintf(to, LH_MD5_ETAG_MAX - (size_t)(to - etag), "-%u",
                       m->md5_parts & STORE_META_PARTS_MAX);
}

void
store_meta_info(const struct store_meta *m, struct lh_object_info *info)
{
    etag_format(m, info->etag);
    md5_etag_format(m, info->md5_etag);
    lh_sha256_hex(m->sha256, info->sha256);
    memcpy(info->content_type, m->content_type, sizeof(info->content_type));
    info->size_bytes = m->size_bytes;
}
