/*
 * CRC-32C runs three streams side by side, because the CPU's instruction has a latency of three
 * cycles and can start one each cycle. The remainders of the streams are joined by polynomial
 * arithmetic: appending n zero bytes multiplies a remainder by x^(8n) mod P, which is one
 * carry-less multiplication and one more reduction by the CRC instruction.
 */
#include "base/hash.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <pthread.h>
#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__aarch64__) && defined(__ARM_FEATURE_CRC32)
#include <arm_acle.h>
#endif

#include "base/abort.h"

/* ---- SHA-256 ---- */

/* Fetched once: an implicit fetch in every init costs more than hashing a short text. */
static EVP_MD *sha256;
static pthread_once_t sha256_once = PTHREAD_ONCE_INIT;

static void
sha256_fetch(void)
{
    sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
    if (sha256 == NULL)
        lh_abort("SHA-256 is not available");
}

static const EVP_MD *
sha256_get(void)
{
    pthread_once(&sha256_once, sha256_fetch);
    return sha256;
}

void
lh_sha256_init(struct lh_sha256 *h)
{
    h->ctx = EVP_MD_CTX_new();
    if (h->ctx == NULL || EVP_DigestInit_ex(h->ctx, sha256_get(), NULL) != 1)
        lh_abort("SHA-256 cannot start");
}

void
lh_sha256_add(struct lh_sha256 *h, const void *ptr, size_t n)
{
    if (EVP_DigestUpdate(h->ctx, ptr, n) != 1)
        lh_abort("SHA-256 failed");
}

void
lh_sha256_final(struct lh_sha256 *h, uint8_t out[LH_SHA256_BYTES])
{
    if (EVP_DigestFinal_ex(h->ctx, out, NULL) != 1)
        lh_abort("SHA-256 failed");
    lh_sha256_fini(h);
}

void
lh_sha256_fini(struct lh_sha256 *h)
{
    EVP_MD_CTX_free(h->ctx);
    h->ctx = NULL;
}

void
lh_sha256_of(lh_bytes in, uint8_t out[LH_SHA256_BYTES])
{
    struct lh_sha256 h;

    lh_sha256_init(&h);
    lh_sha256_add(&h, in.ptr, in.len);
    lh_sha256_final(&h, out);
}

char *
lh_sha256_hex(const uint8_t digest[LH_SHA256_BYTES], char text[LH_SHA256_HEX])
{
    static const char digits[] = "0123456789abcdef";

    for (size_t i = 0; i < LH_SHA256_BYTES; i++) {
        text[2 * i] = digits[digest[i] >> 4];
        text[2 * i + 1] = digits[digest[i] & 15];
    }
    text[LH_SHA256_HEX - 1] = '\0';
    return text;
}

/* RFC 2104 by hand over the fetched digest: the library's HMAC() fetches anew for each call. */
void
lh_hmac_sha256(lh_bytes key, lh_bytes in, uint8_t out[LH_SHA256_BYTES])
{
    enum { BLOCK = 64 };
    uint8_t inner[BLOCK] = {0}, outer[BLOCK];
    struct lh_sha256 h;

    if (key.len > BLOCK)
        lh_sha256_of(key, inner);
    else if (key.len > 0)
        memcpy(inner, key.ptr, key.len);
    for (size_t i = 0; i < BLOCK; i++) {
        outer[i] = inner[i] ^ 0x5C;
        inner[i] ^= 0x36;
    }
    lh_sha256_init(&h);
    lh_sha256_add(&h, inner, BLOCK);
    lh_sha256_add(&h, in.ptr, in.len);
    lh_sha256_final(&h, inner);
    lh_sha256_init(&h);
    lh_sha256_add(&h, outer, BLOCK);
    lh_sha256_add(&h, inner, LH_SHA256_BYTES);
    lh_sha256_final(&h, out);
    OPENSSL_cleanse(inner, sizeof(inner));
    OPENSSL_cleanse(outer, sizeof(outer));
}

int
lh_bytes_eq_secret(lh_bytes a, lh_bytes b)
{
    return a.len == b.len && (a.len == 0 || CRYPTO_memcmp(a.ptr, b.ptr, a.len) == 0);
}

/* ---- CRC-32C; every kernel works on the inverted register ---- */

#define CRC_POLY UINT32_C(0x82F63B78) /* 0x1EDC6F41, bits reversed */

typedef uint32_t crc_kernel(uint32_t crc, const uint8_t *p, size_t n);

static crc_kernel *crc_best;
static pthread_once_t crc_once = PTHREAD_ONCE_INIT;
static uint32_t crc_table[8][256]; /* [k][b]: b followed by k zero bytes */

static inline uint64_t
load64(const uint8_t *p)
{
    uint64_t v;

    memcpy(&v, p, sizeof(v));
    return v;
}

static void
crc_table_fill(void)
{
    for (uint32_t b = 0; b < 256; b++) {
        uint32_t crc = b;
        for (int bit = 0; bit < 8; bit++)
            crc = (crc & 1) != 0 ? crc >> 1 ^ CRC_POLY : crc >> 1;
        crc_table[0][b] = crc;
    }
    for (int k = 1; k < 8; k++)
        for (int b = 0; b < 256; b++) {
            uint32_t crc = crc_table[k - 1][b];
            crc_table[k][b] = crc >> 8 ^ crc_table[0][crc & 0xFF];
        }
}

/* Eight bytes a step (Kounavis and Berry, Novel Table Lookup-Based Algorithms, 2008),
 * little-endian. */
static uint32_t
crc_by_table(uint32_t crc, const uint8_t *p, size_t n)
{
    for (; n >= 8; p += 8, n -= 8) {
        uint64_t v = load64(p) ^ crc;
        crc = 0;
        for (int k = 0; k < 8; k++)
            crc ^= crc_table[7 - k][v >> 8 * k & 0xFF];
    }
    for (; n > 0; p++, n--)
        crc = crc >> 8 ^ crc_table[0][(crc ^ *p) & 0xFF];
    return crc;
}

#if defined(__x86_64__)

#define CRC_TARGET __attribute__((target("sse4.2,pclmul")))

/* One tier of the three-stream walk: `words` of eight bytes a stream, and how far its remainders
 * move. */
struct crc_tier {
    size_t words;
    uint32_t shift_once;  /* x^(8 n - 33) for n = bytes of one stream */
    uint32_t shift_twice; /* the same for two */
};

static struct crc_tier crc_tiers[] = {{.words = 1024}, {.words = 128}, {.words = 16}};

/*
 * x^exponent mod P in reversed bits. Reversing makes a 32 × 32-bit product one bit short of 64, and
 * reducing it by the CRC instruction multiplies by x^32: together 33, which is why the constants
 * are 33 smaller than the distance.
 */
static uint32_t
crc_power(size_t exponent)
{
    uint32_t v = UINT32_C(1) << 31;

    while (exponent-- > 0)
        v = (v & 1) != 0 ? v >> 1 ^ CRC_POLY : v >> 1;
    return v;
}

static void
crc_tiers_fill(void)
{
    for (size_t i = 0; i < sizeof(crc_tiers) / sizeof(crc_tiers[0]); i++) {
        size_t bits = crc_tiers[i].words * 64;
        crc_tiers[i].shift_once = crc_power(bits - 33);
        crc_tiers[i].shift_twice = crc_power(2 * bits - 33);
    }
}

CRC_TARGET static inline uint32_t
crc_shift(uint64_t crc, uint32_t power)
{
    __m128i product =
        _mm_clmulepi64_si128(_mm_cvtsi64_si128((int64_t)crc), _mm_cvtsi32_si128((int)power), 0);

    return (uint32_t)_mm_crc32_u64(0, (uint64_t)_mm_cvtsi128_si64(product));
}

CRC_TARGET static inline uint32_t
crc_three(uint32_t crc, const uint8_t *p, const struct crc_tier *tier)
{
    size_t stride = tier->words * 8;
    uint64_t a = crc, b = 0, c = 0;

    for (const uint8_t *end = p + stride; p < end; p += 8) {
        a = _mm_crc32_u64(a, load64(p));
        b = _mm_crc32_u64(b, load64(p + stride));
        c = _mm_crc32_u64(c, load64(p + 2 * stride));
    }
    return crc_shift(a, tier->shift_twice) ^ crc_shift(b, tier->shift_once) ^ (uint32_t)c;
}

CRC_TARGET static uint32_t
crc_by_sse42(uint32_t crc, const uint8_t *p, size_t n)
{
    for (size_t i = 0; i < sizeof(crc_tiers) / sizeof(crc_tiers[0]); i++) {
        size_t span = crc_tiers[i].words * 24;
        for (; n >= span; p += span, n -= span)
            crc = crc_three(crc, p, &crc_tiers[i]);
    }
    for (; n >= 8; p += 8, n -= 8)
        crc = (uint32_t)_mm_crc32_u64(crc, load64(p));
    for (; n > 0; p++, n--)
        crc = _mm_crc32_u8(crc, *p);
    return crc;
}

static crc_kernel *
crc_choose(void)
{
    if (!__builtin_cpu_supports("sse4.2") || !__builtin_cpu_supports("pclmul"))
        return crc_by_table;
    crc_tiers_fill();
    return crc_by_sse42;
}

#elif defined(__aarch64__) && defined(__ARM_FEATURE_CRC32)

static uint32_t
crc_by_arm(uint32_t crc, const uint8_t *p, size_t n)
{
    for (; n >= 8; p += 8, n -= 8)
        crc = __crc32cd(crc, load64(p));
    for (; n > 0; p++, n--)
        crc = __crc32cb(crc, *p);
    return crc;
}

static crc_kernel *
crc_choose(void)
{
    return crc_by_arm;
}

#else

static crc_kernel *
crc_choose(void)
{
    return crc_by_table;
}

#endif

static void
crc_prepare(void)
{
    crc_table_fill();
    crc_best = crc_choose();
}

uint32_t
lh_crc32c(uint32_t crc, const void *ptr, size_t n)
{
    pthread_once(&crc_once, crc_prepare);
    return ~crc_best(~crc, ptr, n);
}

uint32_t
base_crc32c_by_table(uint32_t crc, const void *ptr, size_t n)
{
    pthread_once(&crc_once, crc_prepare);
    return ~crc_by_table(~crc, ptr, n);
}

/* ---- XXH64, names as in its specification ---- */

#define PRIME64_1 UINT64_C(0x9E3779B185EBCA87)
#define PRIME64_2 UINT64_C(0xC2B2AE3D27D4EB4F)
#define PRIME64_3 UINT64_C(0x165667B19E3779F9)
#define PRIME64_4 UINT64_C(0x85EBCA77C2B2AE63)
#define PRIME64_5 UINT64_C(0x27D4EB2F165667C5)

static inline uint64_t
rotl64(uint64_t v, int bits)
{
    return v << bits | v >> (64 - bits);
}

static inline uint64_t
xxh64_round(uint64_t acc, uint64_t lane)
{
    return rotl64(acc + lane * PRIME64_2, 31) * PRIME64_1;
}

static inline uint64_t
xxh64_merge(uint64_t acc, uint64_t lane_acc)
{
    return (acc ^ xxh64_round(0, lane_acc)) * PRIME64_1 + PRIME64_4;
}

static uint64_t
xxh64_stripes(const uint8_t *p, size_t stripes, uint64_t seed)
{
    uint64_t acc[4] = {seed + PRIME64_1 + PRIME64_2, seed + PRIME64_2, seed, seed - PRIME64_1};

    for (; stripes > 0; stripes--, p += 32)
        for (size_t i = 0; i < 4; i++)
            acc[i] = xxh64_round(acc[i], load64(p + 8 * i));
    uint64_t h = rotl64(acc[0], 1) + rotl64(acc[1], 7) + rotl64(acc[2], 12) + rotl64(acc[3], 18);
    for (size_t i = 0; i < 4; i++)
        h = xxh64_merge(h, acc[i]);
    return h;
}

static uint64_t
xxh64_rest(uint64_t h, const uint8_t *p, size_t n)
{
    for (; n >= 8; p += 8, n -= 8)
        h = rotl64(h ^ xxh64_round(0, load64(p)), 27) * PRIME64_1 + PRIME64_4;
    if (n >= 4) {
        uint32_t lane;
        memcpy(&lane, p, sizeof(lane));
        h = rotl64(h ^ lane * PRIME64_1, 23) * PRIME64_2 + PRIME64_3;
        p += 4;
        n -= 4;
    }
    for (; n > 0; p++, n--)
        h = rotl64(h ^ *p * PRIME64_5, 11) * PRIME64_1;
    return h;
}

uint64_t
lh_xxh64(const void *ptr, size_t n, uint64_t seed)
{
    const uint8_t *p = ptr;
    size_t stripes = n / 32;
    uint64_t h = stripes > 0 ? xxh64_stripes(p, stripes, seed) : seed + PRIME64_5;

    h += n;
    if (n % 32 > 0)
        h = xxh64_rest(h, p + stripes * 32, n % 32);
    h = (h ^ h >> 33) * PRIME64_2;
    h = (h ^ h >> 29) * PRIME64_3;
    return h ^ h >> 32;
}
