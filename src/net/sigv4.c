#include "net/sigv4.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/encoding.h"
#include "base/time.h"
#include "net/header.h"

#define ALGORITHM "AWS4-HMAC-SHA256"
#define SCOPE_END "aws4_request"
#define DATE_BYTES 8

/* ---- time and scope ---- */

char *
lh_sigv4_time_format(int64_t us, char text[LH_SIGV4_TIME])
{
    char iso[LH_TIME_TEXT_MAX];

    lh_time_format(us, iso);
    (void)snprintf(text, LH_SIGV4_TIME, "%.4s%.2s%.2sT%.2s%.2s%.2sZ", iso, iso + 5, iso + 8,
                   iso + 11, iso + 14, iso + 17);
    return text;
}

bool
lh_sigv4_time_parse(lh_str text, int64_t *us)
{
    char iso[LH_TIME_TEXT_MAX];
    const char *t = text.ptr;

    if (text.len != LH_SIGV4_TIME - 1 || t[8] != 'T' || t[15] != 'Z')
        return false;
    (void)snprintf(iso, sizeof(iso), "%.4s-%.2s-%.2sT%.2s:%.2s:%.2sZ", t, t + 4, t + 6, t + 9,
                   t + 11, t + 13);
    return lh_time_parse(lh_str_of(iso), us);
}

char *
lh_sigv4_scope(lh_str date, lh_str region, lh_str service, char scope[LH_SIGV4_SCOPE])
{
    (void)snprintf(scope, LH_SIGV4_SCOPE, "%.*s/%.*s/%.*s/%s", LH_FMT(date), LH_FMT(region),
                   LH_FMT(service), SCOPE_END);
    return scope;
}

/* ---- canonical form ---- */

struct pair {
    lh_str name, value; /* in the canonical form */
};

static int
pair_order(const void *a, const void *b)
{
    const struct pair *x = a, *y = b;
    int order = lh_str_cmp(x->name, y->name);

    return order ? order : lh_str_cmp(x->value, y->value);
}

/* Decodes what is encoded and encodes all but unreserved characters; a '%' that begins no code
 * stands for itself. */
static void
encode_again(struct lh_buf *out, lh_str in, bool keep_slash)
{
    for (size_t i = 0; i < in.len; i++) {
        char c = in.ptr[i];

        if (c == '%' && i + 2 < in.len && lh_hex_value(in.ptr[i + 1]) >= 0 &&
            lh_hex_value(in.ptr[i + 2]) >= 0) {
            c = (char)(lh_hex_value(in.ptr[i + 1]) << 4 | lh_hex_value(in.ptr[i + 2]));
            i += 2;
        }
        lh_percent_encode(out, (lh_str){&c, 1}, keep_slash);
    }
}

/* Parameters are encoded one behind the other in `text`, which must not move: it has room. */
static bool
query_pairs(lh_str query, struct lh_buf *text, struct pair pairs[LH_SIGV4_HEADERS], size_t *count)
{
    lh_str rest = query, parameter, name;

    if (!lh_buf_reserve(text, 3 * query.len + 1))
        return false;
    for (*count = 0; query.len > 0 && lh_str_next(&rest, '&', &parameter);) {
        size_t begin = text->len, middle;

        if (parameter.len == 0)
            continue;
        (void)lh_str_cut(&parameter, '=', &name);
        if (name.ptr + name.len == parameter.ptr + parameter.len)
            parameter = LH_STR("");
        encode_again(text, name, false);
        middle = text->len;
        encode_again(text, parameter, false);
        lh_str whole = lh_str_slice(lh_buf_str(text), begin, text->len);
        struct pair p = {lh_str_slice(whole, 0, middle - begin),
                         lh_str_slice(whole, middle - begin, whole.len)};
        if (lh_str_eq(p.name, LH_STR("X-Amz-Signature")))
            continue;
        if (*count == LH_SIGV4_HEADERS)
            return false;
        pairs[(*count)++] = p;
    }
    qsort(pairs, *count, sizeof(pairs[0]), pair_order);
    return true;
}

static bool
canonical_query(lh_str query, struct lh_buf *out)
{
    struct pair pairs[LH_SIGV4_HEADERS];
    LH_AUTO_BUF(text, LH_SIGV4_TEXT_MAX);
    size_t count;

    if (!query_pairs(query, &text, pairs, &count))
        return false;
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            lh_buf_add_char(out, '&');
        lh_buf_add_str(out, pairs[i].name);
        lh_buf_add_char(out, '=');
        lh_buf_add_str(out, pairs[i].value);
    }
    return true;
}

/* Without blanks around, and runs of blanks inside as one. */
static void
canonical_value(lh_str value, struct lh_buf *out)
{
    value = lh_str_trim(value);
    for (size_t i = 0; i < value.len; i++) {
        bool is_blank = value.ptr[i] == ' ' || value.ptr[i] == '\t';

        if (!is_blank)
            lh_buf_add_char(out, value.ptr[i]);
        else if (value.ptr[i - 1] != ' ' && value.ptr[i - 1] != '\t')
            lh_buf_add_char(out, ' ');
    }
}

/* All fields of that name, in the order they came. */
static bool
canonical_header(const struct lh_sigv4_request *r, lh_str name, struct lh_buf *out)
{
    bool is_first = true;

    lh_buf_add_str(out, name);
    for (size_t i = 0; i < r->header_count; i++) {
        if (!lh_str_eq_nocase(r->headers[i].name, name))
            continue;
        lh_buf_add_char(out, is_first ? ':' : ',');
        canonical_value(r->headers[i].value, out);
        is_first = false;
    }
    lh_buf_add_char(out, '\n');
    return !is_first;
}

static void
add_lower(struct lh_buf *out, lh_str s)
{
    for (size_t i = 0; i < s.len; i++) {
        char c = s.ptr[i];
        lh_buf_add_char(out, (char)(c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c));
    }
}

void
lh_sigv4_header_names(const struct lh_header *headers, size_t count, struct lh_buf *out)
{
    LH_AUTO_BUF(text, LH_SIGV4_TEXT_MAX);
    struct pair names[LH_SIGV4_HEADERS];
    size_t total = 0;

    for (size_t i = 0; i < count; i++)
        total += headers[i].name.len;
    if (count > LH_SIGV4_HEADERS || !lh_buf_reserve(&text, total + 1)) {
        out->is_failed = true;
        return;
    }
    for (size_t i = 0; i < count; i++) {
        size_t begin = text.len;
        add_lower(&text, headers[i].name);
        names[i] = (struct pair){lh_str_slice(lh_buf_str(&text), begin, text.len), LH_STR("")};
    }
    qsort(names, count, sizeof(names[0]), pair_order);
    for (size_t i = 0; i < count; i++) {
        if (i > 0 && lh_str_eq(names[i].name, names[i - 1].name))
            continue;
        if (i > 0)
            lh_buf_add_char(out, ';');
        lh_buf_add_str(out, names[i].name);
    }
}

bool
lh_sigv4_canonical_request(const struct lh_sigv4_request *r, lh_str signed_headers,
                           struct lh_buf *out)
{
    lh_str rest = signed_headers, name;

    lh_buf_add_str(out, r->method);
    lh_buf_add_char(out, '\n');
    encode_again(out, r->path.len > 0 ? r->path : LH_STR("/"), true);
    lh_buf_add_char(out, '\n');
    if (!canonical_query(r->query, out))
        return false;
    lh_buf_add_char(out, '\n');
    while (lh_str_next(&rest, ';', &name)) {
        if (!canonical_header(r, name, out))
            return false;
    }
    lh_buf_add_char(out, '\n');
    lh_buf_add_str(out, signed_headers);
    lh_buf_add_char(out, '\n');
    lh_buf_add_str(out, r->payload_hash);
    return !out->is_failed;
}

/* ---- signatures ---- */

static char *
hash_text(lh_str in, char text[LH_SHA256_HEX])
{
    uint8_t digest[LH_SHA256_BYTES];

    lh_sha256_of(lh_str_bytes(in), digest);
    return lh_sha256_hex(digest, text);
}

void
lh_sigv4_string_to_sign(lh_str time, lh_str scope, lh_str canonical_request, struct lh_buf *out)
{
    char hash[LH_SHA256_HEX];

    lh_buf_printf(out, "%s\n%.*s\n%.*s\n%s", ALGORITHM, LH_FMT(time), LH_FMT(scope),
                  hash_text(canonical_request, hash));
}

void
lh_sigv4_key(lh_str secret_access_key, lh_str date, lh_str region, lh_str service,
             uint8_t key[LH_SHA256_BYTES])
{
    LH_AUTO_BUF(first, 4096);
    const lh_str parts[] = {region, service, LH_STR(SCOPE_END)};

    lh_buf_add_cstr(&first, "AWS4");
    lh_buf_add_str(&first, secret_access_key);
    lh_hmac_sha256(lh_buf_bytes(&first), lh_str_bytes(date), key);
    if (first.data)
        explicit_bzero(first.data, first.cap);
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        uint8_t next[LH_SHA256_BYTES];
        lh_hmac_sha256(lh_bytes_of(key, LH_SHA256_BYTES), lh_str_bytes(parts[i]), next);
        memcpy(key, next, sizeof(next));
        explicit_bzero(next, sizeof(next));
    }
}

void
lh_sigv4_sign(const uint8_t key[LH_SHA256_BYTES], lh_str string_to_sign,
              char signature[LH_SHA256_HEX])
{
    uint8_t code[LH_SHA256_BYTES];

    lh_hmac_sha256(lh_bytes_of(key, LH_SHA256_BYTES), lh_str_bytes(string_to_sign), code);
    (void)lh_sha256_hex(code, signature);
}

/* From the request to its signature. */
static bool
sign_request(const uint8_t key[LH_SHA256_BYTES], const struct lh_sigv4_request *r,
             lh_str signed_headers, lh_str time, lh_str scope, char signature[LH_SHA256_HEX])
{
    LH_AUTO_BUF(canonical, LH_SIGV4_TEXT_MAX);
    LH_AUTO_BUF(text, 1024);

    if (!lh_sigv4_canonical_request(r, signed_headers, &canonical))
        return false;
    lh_sigv4_string_to_sign(time, scope, lh_buf_str(&canonical), &text);
    lh_sigv4_sign(key, lh_buf_str(&text), signature);
    return !text.is_failed;
}

static bool
sign_as(const struct lh_sigv4_signer *s, const struct lh_sigv4_request *r, lh_str names,
        char signature[LH_SHA256_HEX])
{
    char scope[LH_SIGV4_SCOPE];
    lh_str date = lh_str_slice(lh_str_of(s->time), 0, DATE_BYTES);
    uint8_t key[LH_SHA256_BYTES];
    bool is_signed;

    lh_sigv4_key(s->secret_access_key, date, s->region, s->service, key);
    is_signed =
        sign_request(key, r, names, lh_str_of(s->time),
                     lh_str_of(lh_sigv4_scope(date, s->region, s->service, scope)), signature);
    explicit_bzero(key, sizeof(key));
    return is_signed;
}

void
lh_sigv4_authorize(const struct lh_sigv4_signer *s, const struct lh_sigv4_request *r,
                   struct lh_buf *out, char signature[LH_SHA256_HEX])
{
    LH_AUTO_BUF(names, LH_SIGV4_TEXT_MAX);
    char scope[LH_SIGV4_SCOPE], own[LH_SHA256_HEX];
    lh_str date = lh_str_slice(lh_str_of(s->time), 0, DATE_BYTES);

    lh_sigv4_header_names(r->headers, r->header_count, &names);
    if (names.is_failed || !sign_as(s, r, lh_buf_str(&names), own)) {
        out->is_failed = true;
        return;
    }
    lh_buf_printf(out, "%s Credential=%.*s/%s, SignedHeaders=%s, Signature=%s", ALGORITHM,
                  LH_FMT(s->access_key_id), lh_sigv4_scope(date, s->region, s->service, scope),
                  lh_buf_cstr(&names), own);
    if (signature)
        memcpy(signature, own, sizeof(own));
}

static void
presign_parameters(const struct lh_sigv4_signer *s, lh_str session_token, int64_t expires_s,
                   lh_str names, struct lh_buf *out)
{
    char scope[LH_SIGV4_SCOPE];
    lh_str date = lh_str_slice(lh_str_of(s->time), 0, DATE_BYTES);

    lh_buf_printf(out, "X-Amz-Algorithm=%s&X-Amz-Credential=", ALGORITHM);
    lh_percent_encode(out, s->access_key_id, false);
    lh_buf_add_cstr(out, "%2F");
    lh_percent_encode(out, lh_str_of(lh_sigv4_scope(date, s->region, s->service, scope)), false);
    lh_buf_printf(out, "&X-Amz-Date=%s&X-Amz-Expires=%lld", s->time, (long long)expires_s);
    if (session_token.len > 0) {
        lh_buf_add_cstr(out, "&X-Amz-Security-Token=");
        lh_percent_encode(out, session_token, false);
    }
    lh_buf_add_cstr(out, "&X-Amz-SignedHeaders=");
    lh_percent_encode(out, names, false);
}

void
lh_sigv4_presign(const struct lh_sigv4_signer *s, const struct lh_sigv4_request *r,
                 lh_str session_token, int64_t expires_s, struct lh_buf *out)
{
    LH_AUTO_BUF(names, LH_SIGV4_TEXT_MAX);
    LH_AUTO_BUF(query, LH_SIGV4_TEXT_MAX);
    struct lh_sigv4_request whole = *r;
    char signature[LH_SHA256_HEX];

    lh_sigv4_header_names(r->headers, r->header_count, &names);
    lh_buf_add_str(&query, r->query);
    if (r->query.len > 0)
        lh_buf_add_char(&query, '&');
    presign_parameters(s, session_token, expires_s, lh_buf_str(&names), &query);
    whole.query = lh_buf_str(&query);
    whole.payload_hash = LH_STR(LH_SIGV4_UNSIGNED);
    if (names.is_failed || query.is_failed || !sign_as(s, &whole, lh_buf_str(&names), signature)) {
        out->is_failed = true;
        return;
    }
    lh_buf_add_str(out, lh_buf_str(&query));
    lh_buf_printf(out, "&X-Amz-Signature=%s", signature);
}

/* ---- checking ---- */

static lh_status
fail_malformed(const char *what, struct lh_error *err)
{
    return lh_fail(err, LH_INVALID, "sigv4.malformed",
                   "the signature of the request is not well-formed: %s", what);
}

/* The raw value of a parameter; ptr NULL when absent. */
static lh_str
parameter_find(lh_str query, const char *wanted)
{
    lh_str rest = query, parameter, name;

    while (query.len > 0 && lh_str_next(&rest, '&', &parameter)) {
        bool has_value = lh_str_cut(&parameter, '=', &name);
        if (lh_str_eq(name, lh_str_of(wanted)))
            return has_value ? parameter : LH_STR("");
    }
    return LH_STR_NONE;
}

bool
lh_sigv4_is_claimed(const struct lh_sigv4_request *r)
{
    return net_header_find(r->headers, r->header_count, "authorization").ptr ||
           parameter_find(r->query, "X-Amz-Algorithm").ptr ||
           parameter_find(r->query, "X-Amz-Signature").ptr;
}

static bool
is_hex_64(lh_str s)
{
    for (size_t i = 0; i < s.len; i++) {
        if (lh_hex_value(s.ptr[i]) < 0 || (s.ptr[i] >= 'A' && s.ptr[i] <= 'F'))
            return false;
    }
    return s.len == LH_SHA256_HEX - 1;
}

/* An access key may hold slashes, so its parts are taken from the end. */
static lh_status
credential_parse(lh_str credential, struct lh_sigv4_claim *c, struct lh_error *err)
{
    lh_str parts[4];
    lh_str rest = credential;

    for (size_t i = 0; i < 4; i++) {
        size_t at = rest.len;

        while (at > 0 && rest.ptr[at - 1] != '/')
            at--;
        if (at == 0)
            return fail_malformed("Credential", err);
        parts[i] = lh_str_slice(rest, at, rest.len);
        rest = lh_str_slice(rest, 0, at - 1);
    }
    if (!lh_str_eq(parts[0], LH_STR(SCOPE_END)) || parts[3].len != DATE_BYTES || rest.len == 0 ||
        parts[1].len + parts[2].len > LH_SIGV4_SCOPE - 32)
        return fail_malformed("Credential", err);
    c->service = parts[1];
    c->region = parts[2];
    c->date = parts[3];
    c->access_key_id = rest;
    return LH_OK;
}

/* Sorted, in lower case, and each once: the only form that anybody writes. */
static bool
header_names_are_good(lh_str names)
{
    lh_str rest = names, name, before = LH_STR("");

    for (size_t count = 0; lh_str_next(&rest, ';', &name); count++, before = name) {
        if (count == LH_SIGV4_HEADERS || !net_header_is_token(name) ||
            lh_str_cmp(before, name) >= 0)
            return false;
        for (size_t i = 0; i < name.len; i++) {
            if (name.ptr[i] >= 'A' && name.ptr[i] <= 'Z')
                return false;
        }
    }
    return true;
}

static lh_status
claim_finish(lh_str credential, struct lh_sigv4_claim *c, struct lh_error *err)
{
    LH_TRY(credential_parse(credential, c, err));
    if (!header_names_are_good(c->signed_headers))
        return fail_malformed("SignedHeaders", err);
    if (!is_hex_64(c->signature))
        return fail_malformed("Signature", err);
    if (!lh_sigv4_time_parse(c->time, &c->time_us))
        return fail_malformed("the time", err);
    if (!lh_str_eq(lh_str_slice(c->time, 0, DATE_BYTES), c->date))
        return fail_malformed("the date of the credential is not that of the request", err);
    return LH_OK;
}

static lh_status
header_claim_parse(const struct lh_sigv4_request *r, lh_str value, struct lh_sigv4_claim *c,
                   struct lh_error *err)
{
    lh_str credential = LH_STR_NONE, part, name, word;

    value = lh_str_trim(value);
    if (!lh_str_cut(&value, ' ', &word) || !lh_str_eq(word, LH_STR(ALGORITHM)))
        return fail_malformed("the algorithm is not " ALGORITHM, err);
    while (lh_str_next(&value, ',', &part)) {
        part = lh_str_trim(part);
        if (!lh_str_cut(&part, '=', &name))
            return fail_malformed("Authorization", err);
        if (lh_str_eq(name, LH_STR("Credential")))
            credential = part;
        else if (lh_str_eq(name, LH_STR("SignedHeaders")))
            c->signed_headers = part;
        else if (lh_str_eq(name, LH_STR("Signature")))
            c->signature = part;
        else
            return fail_malformed("Authorization", err);
    }
    c->time = lh_str_trim(net_header_find(r->headers, r->header_count, "x-amz-date"));
    c->payload_hash =
        lh_str_trim(net_header_find(r->headers, r->header_count, "x-amz-content-sha256"));
    c->session_token =
        lh_str_trim(net_header_find(r->headers, r->header_count, "x-amz-security-token"));
    if (c->payload_hash.len == 0)
        return fail_malformed("x-amz-content-sha256 is missing", err);
    return claim_finish(credential, c, err);
}

/* Takes decoded parameters one by one into c->text. */
static lh_status
parameter_take(const struct lh_sigv4_request *r, const char *name, struct lh_buf *text, lh_str *out,
               struct lh_error *err)
{
    lh_str raw = parameter_find(r->query, name);
    size_t begin = text->len;

    if (raw.ptr && (!lh_percent_decode(text, raw, false) || text->is_failed))
        return fail_malformed(name, err);
    *out = raw.ptr ? lh_str_slice(lh_buf_str(text), begin, text->len) : LH_STR_NONE;
    return LH_OK;
}

static void
rebase(lh_str *s, const uint8_t *from, const char *to)
{
    if (s->ptr)
        s->ptr = to + (s->ptr - (const char *)from);
}

static lh_status
presigned_claim_parse(const struct lh_sigv4_request *r, struct lh_sigv4_claim *c,
                      struct lh_error *err)
{
    LH_AUTO_BUF(text, sizeof(c->text));
    lh_str algorithm, credential, expires;

    if (!lh_buf_reserve(&text, sizeof(c->text)))
        return fail_malformed("out of memory", err);
    LH_TRY(parameter_take(r, "X-Amz-Algorithm", &text, &algorithm, err));
    LH_TRY(parameter_take(r, "X-Amz-Credential", &text, &credential, err));
    LH_TRY(parameter_take(r, "X-Amz-Date", &text, &c->time, err));
    LH_TRY(parameter_take(r, "X-Amz-Expires", &text, &expires, err));
    LH_TRY(parameter_take(r, "X-Amz-SignedHeaders", &text, &c->signed_headers, err));
    LH_TRY(parameter_take(r, "X-Amz-Signature", &text, &c->signature, err));
    if (!lh_str_eq(algorithm, LH_STR(ALGORITHM)))
        return fail_malformed("the algorithm is not " ALGORITHM, err);
    if (!lh_str_i64(expires, &c->expires_s) || c->expires_s < 1 ||
        c->expires_s > LH_SIGV4_EXPIRES_MAX_S)
        return fail_malformed("X-Amz-Expires", err);
    memcpy(c->text, text.data, text.len);
    rebase(&credential, text.data, c->text);
    rebase(&c->time, text.data, c->text);
    rebase(&c->signed_headers, text.data, c->text);
    rebase(&c->signature, text.data, c->text);
    c->is_presigned = true;
    c->session_token = parameter_find(r->query, "X-Amz-Security-Token");
    c->payload_hash = LH_STR(LH_SIGV4_UNSIGNED);
    return claim_finish(credential, c, err);
}

lh_status
lh_sigv4_claim_parse(const struct lh_sigv4_request *r, struct lh_sigv4_claim *out,
                     struct lh_error *err)
{
    lh_str header = net_header_find(r->headers, r->header_count, "authorization");

    *out = (struct lh_sigv4_claim){0};
    if (!lh_sigv4_is_claimed(r))
        return lh_fail(err, LH_DENIED, "sigv4.missing", "the request is not signed");
    if (header.ptr && parameter_find(r->query, "X-Amz-Algorithm").ptr)
        return fail_malformed("there is one in the header and one in the query", err);
    if (header.ptr)
        return header_claim_parse(r, header, out, err);
    return presigned_claim_parse(r, out, err);
}

static lh_status
time_check(const struct lh_sigv4_claim *c, int64_t now_us, struct lh_error *err)
{
    int64_t age_s = (now_us - c->time_us) / 1000000;

    if (age_s < -LH_SIGV4_SKEW_S || (!c->is_presigned && age_s > LH_SIGV4_SKEW_S))
        return lh_fail(err, LH_DENIED, "sigv4.skewed",
                       "the request was signed at %.*s, which is %lld seconds from the time here",
                       LH_FMT(c->time), (long long)age_s);
    if (c->is_presigned && age_s >= c->expires_s)
        return lh_fail(err, LH_DENIED, "sigv4.expired", "the address was good for %lld seconds",
                       (long long)c->expires_s);
    return LH_OK;
}

static bool
is_signed_header(const struct lh_sigv4_claim *c, lh_str name)
{
    lh_str rest = c->signed_headers, one;

    while (lh_str_next(&rest, ';', &one)) {
        if (lh_str_eq_nocase(one, name))
            return true;
    }
    return false;
}

/* Whoever could add a field to a signed request could change what it means. */
static lh_status
coverage_check(const struct lh_sigv4_claim *c, const struct lh_sigv4_request *r,
               struct lh_error *err)
{
    if (!is_signed_header(c, LH_STR("host")))
        return lh_fail(err, LH_DENIED, "sigv4.unsigned_header", "the field host is not signed");
    for (size_t i = 0; i < r->header_count; i++) {
        lh_str name = r->headers[i].name;

        if (lh_str_eq_nocase(lh_str_slice(name, 0, 6), LH_STR("x-amz-")) &&
            !is_signed_header(c, name))
            return lh_fail(err, LH_DENIED, "sigv4.unsigned_header", "the field %.*s is not signed",
                           LH_FMT(lh_str_fit(name, 80)));
    }
    return LH_OK;
}

lh_status
lh_sigv4_claim_check(const struct lh_sigv4_claim *claim, const struct lh_sigv4_request *r,
                     lh_str secret_access_key, int64_t now_us, uint8_t signing_key[LH_SHA256_BYTES],
                     struct lh_error *err)
{
    struct lh_sigv4_request whole = *r;
    char scope[LH_SIGV4_SCOPE], signature[LH_SHA256_HEX];
    uint8_t key[LH_SHA256_BYTES];
    bool is_good;

    LH_TRY(time_check(claim, now_us, err));
    LH_TRY(coverage_check(claim, r, err));
    whole.payload_hash = claim->payload_hash;
    lh_sigv4_key(secret_access_key, claim->date, claim->region, claim->service, key);
    lh_sigv4_scope(claim->date, claim->region, claim->service, scope);
    is_good = sign_request(key, &whole, claim->signed_headers, claim->time, lh_str_of(scope),
                           signature) &&
              lh_bytes_eq_secret(lh_bytes_of(signature, LH_SHA256_HEX - 1),
                                 lh_str_bytes(claim->signature));
    if (is_good && signing_key)
        memcpy(signing_key, key, sizeof(key));
    explicit_bzero(key, sizeof(key));
    explicit_bzero(signature, sizeof(signature));
    return is_good ? LH_OK
                   : lh_fail(err, LH_DENIED, "sigv4.signature",
                             "the signature is not the one of this request and this key");
}

/* ---- chunks ---- */

bool
lh_sigv4_chunks_init(struct lh_sigv4_chunks *c, const uint8_t key[LH_SHA256_BYTES], lh_str time,
                     lh_str scope, lh_str seed)
{
    memcpy(c->key, key, sizeof(c->key));
    return lh_str_copy(c->time, sizeof(c->time), time) &&
           lh_str_copy(c->scope, sizeof(c->scope), scope) && is_hex_64(seed) &&
           lh_str_copy(c->previous, sizeof(c->previous), seed);
}

void
lh_sigv4_chunks_fini(struct lh_sigv4_chunks *c)
{
    explicit_bzero(c, sizeof(*c));
}

/* `middle` is what stands between the previous signature and the hash of the data. */
static void
chain_sign(struct lh_sigv4_chunks *c, const char *algorithm, const char *middle,
           const char hash[LH_SHA256_HEX], char signature[LH_SHA256_HEX])
{
    LH_AUTO_BUF(text, 1024);

    lh_buf_printf(&text, "%s\n%s\n%s\n%s\n%s%s", algorithm, c->time, c->scope, c->previous, middle,
                  hash);
    lh_sigv4_sign(c->key, lh_buf_str(&text), signature);
    memcpy(c->previous, signature, LH_SHA256_HEX);
}

void
lh_sigv4_chunk_sign(struct lh_sigv4_chunks *c, const uint8_t sha256[LH_SHA256_BYTES],
                    char signature[LH_SHA256_HEX])
{
    char hash[LH_SHA256_HEX];

    chain_sign(c, ALGORITHM "-PAYLOAD", LH_SIGV4_EMPTY "\n", lh_sha256_hex(sha256, hash),
               signature);
}

void
lh_sigv4_trailer_sign(struct lh_sigv4_chunks *c, lh_str fields, char signature[LH_SHA256_HEX])
{
    char hash[LH_SHA256_HEX];

    chain_sign(c, ALGORITHM "-TRAILER", "", hash_text(fields, hash), signature);
}

static bool
is_same(const char signature[LH_SHA256_HEX], lh_str claimed)
{
    return lh_bytes_eq_secret(lh_bytes_of(signature, LH_SHA256_HEX - 1), lh_str_bytes(claimed));
}

bool
lh_sigv4_chunk_check(struct lh_sigv4_chunks *c, const uint8_t sha256[LH_SHA256_BYTES],
                     lh_str signature)
{
    char own[LH_SHA256_HEX];

    lh_sigv4_chunk_sign(c, sha256, own);
    return is_same(own, signature);
}

bool
lh_sigv4_trailer_check(struct lh_sigv4_chunks *c, lh_str fields, lh_str signature)
{
    char own[LH_SHA256_HEX];

    lh_sigv4_trailer_sign(c, fields, own);
    return is_same(own, signature);
}
