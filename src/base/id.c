#include "base/id.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/random.h>

#include "base/abort.h"
#include "base/encoding.h"
#include "base/time.h"

static const char hex_digits[] = "0123456789abcdef";

static char *
hex_put(char *to, const uint8_t *bytes, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        *to++ = hex_digits[bytes[i] >> 4];
        *to++ = hex_digits[bytes[i] & 15];
    }
    return to;
}

static lh_uuid
uuid_stamp(lh_uuid id, uint8_t version)
{
    id.bytes[6] = (uint8_t)((id.bytes[6] & 0x0F) | version << 4);
    id.bytes[8] = (uint8_t)((id.bytes[8] & 0x3F) | 0x80);
    return id;
}

lh_uuid
lh_uuid_v4(void)
{
    lh_uuid id = {0};

    lh_random_bytes(id.bytes, sizeof(id.bytes));
    return uuid_stamp(id, 4);
}

lh_uuid
lh_uuid_v5(lh_uuid space, lh_str name)
{
    uint8_t digest[EVP_MAX_MD_SIZE];
    lh_uuid id;
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();

    if (ctx == NULL || EVP_DigestInit_ex(ctx, EVP_sha1(), NULL) != 1 ||
        EVP_DigestUpdate(ctx, space.bytes, sizeof(space.bytes)) != 1 ||
        EVP_DigestUpdate(ctx, name.ptr, name.len) != 1 ||
        EVP_DigestFinal_ex(ctx, digest, NULL) != 1)
        lh_abort("SHA-1 is not available");
    EVP_MD_CTX_free(ctx);
    memcpy(id.bytes, digest, sizeof(id.bytes));
    return uuid_stamp(id, 5);
}

/*
 * The 60 bits after the version-free prefix are milliseconds and, in the 12 bits of rand_a, the
 * fraction of one (RFC 9562, 6.2, method 3). Whoever asks twice in one tick, or after the clock
 * went back, gets the last value plus one.
 */
static uint64_t
tick_next(void)
{
    static _Atomic uint64_t last_tick;
    uint64_t now_us = (uint64_t)lh_time_now_us();
    uint64_t now = now_us / 1000 << 12 | now_us % 1000 * 4096 / 1000;
    uint64_t last = atomic_load_explicit(&last_tick, memory_order_relaxed);
    uint64_t next;

    do {
        next = now > last ? now : last + 1;
    } while (!atomic_compare_exchange_weak_explicit(&last_tick, &last, next, memory_order_relaxed,
                                                    memory_order_relaxed));
    return next;
}

lh_uuid
lh_uuid_v7(void)
{
    uint64_t tick = tick_next();
    uint64_t ms = tick >> 12;
    lh_uuid id;

    for (int i = 0; i < 6; i++)
        id.bytes[i] = (uint8_t)(ms >> (40 - 8 * i));
    id.bytes[6] = (uint8_t)(tick >> 8 & 0x0F);
    id.bytes[7] = (uint8_t)tick;
    lh_random_bytes(id.bytes + 8, 8);
    return uuid_stamp(id, 7);
}

char *
lh_uuid_format(lh_uuid id, char text[LH_UUID_TEXT])
{
    static const size_t parts[] = {4, 2, 2, 2, 6};
    const uint8_t *from = id.bytes;
    char *to = text;

    for (size_t i = 0; i < 5; i++) {
        if (i > 0)
            *to++ = '-';
        to = hex_put(to, from, parts[i]);
        from += parts[i];
    }
    *to = '\0';
    return text;
}

static bool
is_uuid_hyphen(size_t at)
{
    return at == 8 || at == 13 || at == 18 || at == 23;
}

bool
lh_uuid_parse(lh_str s, lh_uuid *out)
{
    lh_uuid id = {{0}};
    size_t digit = 0;

    if (s.len != LH_UUID_TEXT - 1)
        return false;
    for (size_t i = 0; i < s.len; i++) {
        if (is_uuid_hyphen(i)) {
            if (s.ptr[i] != '-')
                return false;
            continue;
        }
        int v = lh_hex_value(s.ptr[i]);
        if (v < 0)
            return false;
        id.bytes[digit / 2] = (uint8_t)(id.bytes[digit / 2] << 4 | v);
        digit++;
    }
    *out = id;
    return true;
}

void
lh_random_bytes(void *ptr, size_t n)
{
    uint8_t *to = ptr;

    while (n > 0) {
        ssize_t got = getrandom(to, n, 0);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            lh_abort("getrandom: %s", strerror(errno));
        to += got;
        n -= (size_t)got;
    }
}

/* SplitMix64 (Steele, Lea, Flood: Fast Splittable Pseudorandom Number Generators, 2014), one state
 * a thread. */
uint64_t
lh_random_u64(void)
{
    static _Thread_local uint64_t state;
    static _Thread_local bool is_seeded;

    if (!is_seeded) {
        lh_random_bytes(&state, sizeof(state));
        is_seeded = true;
    }
    state += UINT64_C(0x9E3779B97F4A7C15);
    uint64_t z = state;
    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return z ^ (z >> 31);
}

/* All zeroes is the one value that the specification forbids. */
static void
hex_random(char *to, size_t bytes)
{
    uint8_t random[16] = {0};

    lh_random_bytes(random, bytes);
    random[0] |= 1;
    *hex_put(to, random, bytes) = '\0';
}

void
lh_trace_new(struct lh_trace *t)
{
    hex_random(t->trace_id, 16);
    hex_random(t->span_id, 8);
    t->is_sampled = true;
}

static bool
is_lower_hex(lh_str s)
{
    for (size_t i = 0; i < s.len; i++)
        if (lh_hex_value(s.ptr[i]) < 0 || (s.ptr[i] >= 'A' && s.ptr[i] <= 'F'))
            return false;
    return true;
}

static bool
is_all_zero(lh_str s)
{
    for (size_t i = 0; i < s.len; i++)
        if (s.ptr[i] != '0')
            return false;
    return true;
}

/* Version 00 is exactly 55 characters; a later version may add "-…" behind them (section 4.3
 * there). */
static bool
is_traceparent_frame(lh_str s)
{
    if (s.len < 55 || s.ptr[2] != '-' || s.ptr[35] != '-' || s.ptr[52] != '-')
        return false;
    lh_str version = lh_str_slice(s, 0, 2);
    if (!is_lower_hex(version) || lh_str_eq(version, LH_STR("ff")))
        return false;
    return s.len == 55 || (!is_all_zero(version) && s.ptr[55] == '-');
}

bool
lh_trace_parse(lh_str traceparent, struct lh_trace *t)
{
    lh_str trace = lh_str_slice(traceparent, 3, 35);
    lh_str parent = lh_str_slice(traceparent, 36, 52);
    lh_str flags = lh_str_slice(traceparent, 53, 55);

    if (!is_traceparent_frame(traceparent) || !is_lower_hex(trace) || is_all_zero(trace) ||
        !is_lower_hex(parent) || is_all_zero(parent) || !is_lower_hex(flags))
        return false;
    (void)lh_str_copy(t->trace_id, sizeof(t->trace_id), trace);
    hex_random(t->span_id, 8);
    t->is_sampled = (lh_hex_value(flags.ptr[1]) & 1) != 0;
    return true;
}

char *
lh_trace_format(const struct lh_trace *t, char text[LH_TRACEPARENT_TEXT])
{
    snprintf(text, LH_TRACEPARENT_TEXT, "00-%.32s-%.16s-%s", t->trace_id, t->span_id,
             t->is_sampled ? "01" : "00");
    return text;
}
