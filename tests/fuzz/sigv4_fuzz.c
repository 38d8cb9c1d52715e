/*
 * Any bytes as a request that says it is signed: what is taken for a claim lies within the request
 * or the claim, signing it again with the same secret gives a signature that is accepted, and every
 * other signature is refused.
 *
 * The first line is the method and target, the following ones are fields.
 */
#include <stdlib.h>
#include <string.h>

#include "net/sigv4.h"

#define FIELDS_MAX 80 /* more than are allowed */
#define SECRET LH_STR("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
must(bool holds)
{
    if (!holds)
        abort();
}

static bool
is_within(lh_str part, const char *begin, size_t size)
{
    return part.ptr >= begin && part.len <= size && part.ptr + part.len <= begin + size;
}

static void
view_check(const struct lh_sigv4_claim *c, lh_str part, lh_str request)
{
    must(part.len == 0 || is_within(part, request.ptr, request.len) ||
         is_within(part, c->text, sizeof(c->text)) || lh_str_eq(part, LH_STR(LH_SIGV4_UNSIGNED)));
}

static void
claim_check(const struct lh_sigv4_claim *c, lh_str request)
{
    const lh_str parts[] = {c->access_key_id,  c->date,          c->region,
                            c->service,        c->time,          c->signature,
                            c->signed_headers, c->session_token, c->payload_hash};

    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
        view_check(c, parts[i], request);
    must(c->access_key_id.len > 0 && c->signature.len == LH_SHA256_HEX - 1 && c->date.len == 8);
    must(!c->is_presigned || (c->expires_s > 0 && c->expires_s <= LH_SIGV4_EXPIRES_MAX_S));
}

/* The signature that this request would have had. False when it is not one to sign. */
static bool
signature_make(const struct lh_sigv4_claim *c, const struct lh_sigv4_request *r,
               char signature[LH_SHA256_HEX])
{
    LH_AUTO_BUF(canonical, LH_SIGV4_TEXT_MAX);
    LH_AUTO_BUF(text, LH_SIGV4_TEXT_MAX);
    struct lh_sigv4_request whole = *r;
    char scope[LH_SIGV4_SCOPE];
    uint8_t key[LH_SHA256_BYTES];

    whole.payload_hash = c->payload_hash;
    if (!lh_sigv4_canonical_request(&whole, c->signed_headers, &canonical))
        return false;
    lh_sigv4_scope(c->date, c->region, c->service, scope);
    lh_sigv4_string_to_sign(c->time, lh_str_of(scope), lh_buf_str(&canonical), &text);
    lh_sigv4_key(SECRET, c->date, c->region, c->service, key);
    lh_sigv4_sign(key, lh_buf_str(&text), signature);
    return true;
}

static void
signature_check(struct lh_sigv4_claim *c, const struct lh_sigv4_request *r)
{
    char signature[LH_SHA256_HEX];
    LH_AUTO_ERROR(err);

    if (!signature_make(c, r, signature))
        return;
    must(lh_str_eq(c->signature, lh_str_of(signature)) ||
         lh_sigv4_claim_check(c, r, SECRET, c->time_us, NULL, &err) != LH_OK);
    c->signature = lh_str_of(signature);
    lh_error_clear(&err);
    must(lh_sigv4_claim_check(c, r, SECRET, c->time_us, NULL, &err) == LH_OK ||
         lh_error_is(&err, "sigv4.unsigned_header"));
}

static size_t
fields_read(lh_str rest, struct lh_header fields[FIELDS_MAX])
{
    size_t count = 0;
    lh_str line;

    while (count < FIELDS_MAX && lh_str_next(&rest, '\n', &line)) {
        lh_str name;

        if (lh_str_cut(&line, ':', &name))
            fields[count++] = (struct lh_header){name, line};
    }
    return count;
}

static void
request_try(lh_str text)
{
    struct lh_header fields[FIELDS_MAX];
    struct lh_sigv4_request r = {.headers = fields};
    struct lh_sigv4_claim claim;
    lh_str rest = text, line;
    LH_AUTO_ERROR(err);

    if (!lh_str_next(&rest, '\n', &line))
        return;
    lh_str_cut(&line, ' ', &r.method);
    r.query = line;
    lh_str_cut(&r.query, '?', &r.path);
    r.header_count = fields_read(rest, fields);
    if (lh_sigv4_claim_parse(&r, &claim, &err) != LH_OK) {
        must(err.status == LH_INVALID || err.status == LH_DENIED);
        return;
    }
    claim_check(&claim, text);
    signature_check(&claim, &r);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *copy = malloc(size ? size : 1); /* of its own, so that a read past the end is noticed */
    int64_t us;

    if (size > 0)
        memcpy(copy, data, size);
    request_try((lh_str){copy, size});
    (void)lh_sigv4_time_parse((lh_str){copy, size}, &us);
    free(copy);
    return 0;
}
