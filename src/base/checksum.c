/*
 * The two CRCs without an instruction of their own go eight bytes at a time through eight tables
 * ("slicing by 8", Kounavis and Berry, 2005). Both are reflected, so the 32-bit one fits the lower
 * half of the same 64-bit step.
 */
#include "base/checksum.h"

#include <openssl/evp.h>
#include <pthread.h>
#include "base/abort.h"

#define POLYNOMIAL_CRC32 UINT64_C(0xEDB88320)
#define POLYNOMIAL_CRC64NVME UINT64_C(0x9A6C9329AC4BC9B5)

static const struct {
    const char *name;
    size_t size;
} kinds[LH_CHECKSUM_COUNT] = {
    [LH_CHECKSUM_MD5] = {"md5", 16},      [LH_CHECKSUM_CRC32] = {"crc32", 4},
    [LH_CHECKSUM_CRC32C] = {"crc32c", 4}, [LH_CHECKSUM_CRC64NVME] = {"crc64nvme", 8},
    [LH_CHECKSUM_SHA1] = {"sha1", 20},    [LH_CHECKSUM_SHA256] = {"sha256", 32},
};

const char *
lh_checksum_name(enum lh_checksum_kind kind)
{
    return kinds[kind].name;
}

bool
lh_checksum_find(lh_str name, enum lh_checksum_kind *out)
{
    for (int k = 0; k < LH_CHECKSUM_COUNT; k++) {
        if (lh_str_eq_nocase(name, lh_str_of(kinds[k].name))) {
            *out = (enum lh_checksum_kind)k;
            return true;
        }
    }
    return false;
}

size_t
lh_checksum_size(enum lh_checksum_kind kind)
{
    return kinds[kind].size;
}

/* ---- CRCs ---- */

typedef uint64_t crc_tables[8][256];

static crc_tables crc32_tables, crc64_tables;
static pthread_once_t tables_once = PTHREAD_ONCE_INIT;

static void
tables_fill(crc_tables t, uint64_t polynomial)
{
    for (uint64_t i = 0; i < 256; i++) {
        uint64_t crc = i;

        for (int bit = 0; bit < 8; bit++)
            crc = crc & 1 ? crc >> 1 ^ polynomial : crc >> 1;
        t[0][i] = crc;
    }
    for (int k = 1; k < 8; k++) {
        for (size_t i = 0; i < 256; i++)
            t[k][i] = t[k - 1][i] >> 8 ^ t[0][t[k - 1][i] & 255];
    }
}

static void
tables_build(void)
{
    tables_fill(crc32_tables, POLYNOMIAL_CRC32);
    tables_fill(crc64_tables, POLYNOMIAL_CRC64NVME);
}

static uint64_t
word_of(const uint8_t *p)
{
    uint64_t word = 0;

    for (int i = 7; i >= 0; i--)
        word = word << 8 | p[i];
    return word;
}

static uint64_t
crc_add(crc_tables t, uint64_t crc, const uint8_t *p, size_t n)
{
    for (; n >= 8; p += 8, n -= 8) {
        uint64_t x = crc ^ word_of(p);

        crc = t[7][x & 255] ^ t[6][x >> 8 & 255] ^ t[5][x >> 16 & 255] ^ t[4][x >> 24 & 255] ^
              t[3][x >> 32 & 255] ^ t[2][x >> 40 & 255] ^ t[1][x >> 48 & 255] ^ t[0][x >> 56];
    }
    for (; n > 0; p++, n--)
        crc = crc >> 8 ^ t[0][(crc ^ *p) & 255];
    return crc;
}

static void
big_endian_put(uint64_t value, size_t n, uint8_t *out)
{
    for (size_t i = 0; i < n; i++)
        out[i] = (uint8_t)(value >> (8 * (n - 1 - i)));
}

/* ---- one of many ---- */

static const EVP_MD *
hash_of(enum lh_checksum_kind kind)
{
    switch (kind) {
    case LH_CHECKSUM_MD5:
        return EVP_md5();
    case LH_CHECKSUM_SHA1:
        return EVP_sha1();
    case LH_CHECKSUM_SHA256:
        return EVP_sha256();
    default:
        return NULL;
    }
}

void
lh_checksum_init(struct lh_checksum *c, enum lh_checksum_kind kind)
{
    const EVP_MD *hash = hash_of(kind);

    *c = (struct lh_checksum){.kind = kind};
    if (kind == LH_CHECKSUM_CRC32)
        c->crc = UINT32_MAX;
    if (kind == LH_CHECKSUM_CRC64NVME)
        c->crc = UINT64_MAX;
    if (!hash) {
        pthread_once(&tables_once, tables_build);
        return;
    }
    c->ctx = EVP_MD_CTX_new();
    if (!c->ctx || EVP_DigestInit_ex(c->ctx, hash, NULL) != 1)
        lh_abort("the hash %s is not to be had", kinds[kind].name);
}

void
lh_checksum_add(struct lh_checksum *c, const void *ptr, size_t n)
{
    switch (c->kind) {
    case LH_CHECKSUM_CRC32:
        c->crc = crc_add(crc32_tables, c->crc, ptr, n);
        break;
    case LH_CHECKSUM_CRC64NVME:
        c->crc = crc_add(crc64_tables, c->crc, ptr, n);
        break;
    case LH_CHECKSUM_CRC32C:
        c->crc = lh_crc32c((uint32_t)c->crc, ptr, n);
        break;
    default:
        if (EVP_DigestUpdate(c->ctx, ptr, n) != 1)
            lh_abort("the hash %s failed", kinds[c->kind].name);
    }
}

void
lh_checksum_final(struct lh_checksum *c, uint8_t out[LH_CHECKSUM_BYTES_MAX])
{
    switch (c->kind) {
    case LH_CHECKSUM_CRC32:
        big_endian_put(c->crc ^ UINT32_MAX, 4, out);
        break;
    case LH_CHECKSUM_CRC64NVME:
        big_endian_put(~c->crc, 8, out);
        break;
    case LH_CHECKSUM_CRC32C:
        big_endian_put(c->crc, 4, out);
        break;
    default:
        if (EVP_DigestFinal_ex(c->ctx, out, NULL) != 1)
            lh_abort("the hash %s failed", kinds[c->kind].name);
    }
    lh_checksum_fini(c);
}

void
lh_checksum_fini(struct lh_checksum *c)
{
    EVP_MD_CTX_free(c->ctx);
    c->ctx = NULL;
}
