/*
 * What a request says before it is done: whose it is, which bucket and key it is about, and whether
 * it asks for something this door has not.
 */
#include "services/storaged/s3.h"

#include "base/secret.h"
#include "base/time.h"

/* ---- fields ---- */

static lh_str
query_find(const struct s3_request *r, const char *name)
{
    for (size_t i = 0; i < r->req->query_count; i++) {
        if (lh_str_eq_nocase(r->req->query[i].name, lh_str_of(name)))
            return r->req->query[i].value;
    }
    return LH_STR_NONE;
}

lh_str
door_request_field(const struct s3_request *r, const char *name)
{
    lh_str value = lh_request_header(r->req, name);

    if (value.ptr || !r->is_presigned)
        return value.ptr ? lh_str_trim(value) : value;
    return query_find(r, name);
}

lh_str
door_request_query(const struct s3_request *r, const char *name)
{
    return lh_request_query(r->req, name);
}

bool
door_request_has(const struct s3_request *r, const char *name)
{
    return lh_request_has_query(r->req, name);
}

lh_status
door_request_number(const struct s3_request *r, const char *name, int64_t min, int64_t max,
                    int64_t *out, struct lh_error *err)
{
    lh_str text = door_request_query(r, name);
    int64_t value;

    if (!text.ptr || text.len == 0)
        return LH_OK;
    if (!lh_str_i64(text, &value) || value < min || value > max)
        return lh_fail(err, LH_INVALID, "s3.InvalidArgument",
                       "%s must be a whole number from %lld to %lld", name, (long long)min,
                       (long long)max);
    *out = value;
    return LH_OK;
}

/* ---- bucket and key ---- */

/* "photos.s3.lake.lan:9000" under the domain "s3.lake.lan" is the bucket "photos". */
static lh_str
host_bucket(const struct s3_request *r)
{
    lh_str host = lh_request_header(r->req, "Host"), domain = lh_str_of(r->door->domain);
    size_t at, cut;

    if (lh_str_find_char(host, ':', &at))
        host = lh_str_slice(host, 0, at);
    if (domain.len == 0 || host.len <= domain.len + 1)
        return LH_STR_NONE;
    cut = host.len - domain.len;
    if (!lh_str_eq_nocase(lh_str_slice(host, cut, host.len), domain) || host.ptr[cut - 1] != '.')
        return LH_STR_NONE;
    return lh_str_slice(host, 0, cut - 1);
}

lh_status
door_request_address(struct s3_request *r, struct lh_error *err)
{
    lh_str rest = lh_request_param(r->req, "path"), bucket = host_bucket(r);

    (void)err;
    if (!bucket.ptr)
        lh_str_cut(&rest, '/', &bucket);
    r->bucket_name = bucket;
    r->key = rest.ptr ? rest : LH_STR("");
    return LH_OK;
}

static lh_status
control_check(lh_str key, struct lh_error *err)
{
    for (size_t i = 0; i < key.len; i++) {
        if ((unsigned char)key.ptr[i] < 0x20 || key.ptr[i] == 0x7f)
            return lh_fail(err, LH_INVALID, "s3.InvalidArgument",
                           "the object key has a control character at byte %zu", i);
    }
    return LH_OK;
}

bool
door_key_is_own(lh_str key)
{
    return lh_str_starts(key, LH_STR(S3_OWN_PREFIX));
}

lh_status
door_key_check_read(lh_str key, struct lh_error *err)
{
    if (key.len > LH_KEY_MAX)
        return lh_fail(err, LH_INVALID, "s3.KeyTooLongError",
                       "the object key has %zu bytes, %d are allowed", key.len, LH_KEY_MAX);
    LH_TRY(lh_key_check(key, err));
    if (door_key_is_own(key))
        return lh_fail(err, LH_NOT_FOUND, "s3.NoSuchKey", "there is no object of that key");
    return LH_OK;
}

/* In a bucket that is another lake's no prefix belongs to a service of this one. */
static bool
is_foreign(const struct s3_request *r)
{
    const struct lh_config *config = r->door->storage->env->config;

    for (size_t i = 0; i < lh_config_list_count(config, "s3_door.foreign_buckets"); i++) {
        const char *name = lh_config_list_at(config, "s3_door.foreign_buckets", i);

        if (lh_str_eq(r->bucket_name, lh_str_of(name)))
            return true;
    }
    return false;
}

lh_status
door_key_check_write(const struct s3_request *r, lh_str key, struct lh_error *err)
{
    const char *owner;

    if (key.len > LH_KEY_MAX)
        return door_key_check_read(key, err);
    LH_TRY(lh_key_check(key, err));
    LH_TRY(control_check(key, err));
    owner = lh_key_owner(key);
    if (!*owner || (is_foreign(r) && !door_key_is_own(key)))
        return LH_OK;
    return lh_fail(
        err, LH_DENIED, "store.prefix_owned",
        "'%.*s' begins with '_': such keys are written by the services only, this one by %s",
        LH_FMT(lh_str_fit(key, 200)), owner);
}

/* ---- whose it is ---- */

static struct lh_sigv4_request
signed_request(const struct lh_request *req)
{
    lh_str query = req->target, path;

    if (!lh_str_cut(&query, '?', &path))
        query = LH_STR("");
    return (struct lh_sigv4_request){.method = lh_str_of(lh_method_name(req->method)),
                                     .path = path,
                                     .query = query,
                                     .headers = req->headers,
                                     .header_count = req->header_count};
}

static lh_status
fail_scope(const struct lh_sigv4_claim *c, const char *what, lh_str found, const char *wanted,
           struct lh_error *err)
{
    return lh_fail(err, LH_INVALID,
                   c->is_presigned ? "s3.AuthorizationQueryParametersError"
                                   : "s3.AuthorizationHeaderMalformed",
                   "the credential is for the %s '%.*s'; expecting '%s'", what,
                   LH_FMT(lh_str_fit(found, 60)), wanted);
}

static bool
is_same_secret(lh_str a, lh_str b)
{
    return a.len == b.len && lh_bytes_eq_secret(lh_str_bytes(a), lh_str_bytes(b));
}

static lh_status
token_check(const struct s3_request *r, const struct lh_sigv4_claim *c, struct lh_error *err)
{
    lh_str found =
        c->session_token.len > 0 ? c->session_token : door_request_field(r, "x-amz-security-token");

    if (is_same_secret(found, r->door->session_token))
        return LH_OK;
    return lh_fail(err, LH_INVALID, "s3.InvalidToken",
                   "the session token is not the one of this key");
}

static lh_status
claim_belongs_check(const struct s3_request *r, const struct lh_sigv4_claim *c,
                    struct lh_error *err)
{
    const struct s3_door *d = r->door;

    if (!is_same_secret(c->access_key_id, d->access_key_id))
        return lh_fail(err, LH_DENIED, "s3.InvalidAccessKeyId",
                       "the access key id '%.*s' is not known here",
                       LH_FMT(lh_str_fit(c->access_key_id, 64)));
    if (!lh_str_eq(c->service, LH_STR("s3")))
        return fail_scope(c, "service", c->service, "s3", err);
    if (d->region[0] && !lh_str_eq(c->region, lh_str_of(d->region)))
        return fail_scope(c, "region", c->region, d->region, err);
    return token_check(r, c, err);
}

static void
principal_set(struct s3_request *r)
{
    struct lh_call *call = r->call;

    call->principal = (struct lh_principal){
        .kind = LH_PRINCIPAL_USER,
        .name = lh_arena_printf(&call->arena, "s3:%.*s", LH_FMT(r->door->access_key_id)),
        .profile = "",
        .may_write = true,
    };
    call->source = "s3";
}

static bool
has_body(const struct lh_request *req)
{
    return req->method == LH_PUT || req->method == LH_POST;
}

lh_status
door_request_authenticate(struct s3_request *r, struct lh_error *err)
{
    struct lh_sigv4_request signed_one = signed_request(r->req);
    uint8_t key[LH_SHA256_BYTES] = {0};
    struct lh_sigv4_claim claim;
    lh_status status = LH_OK;

    LH_TRY(lh_sigv4_claim_parse(&signed_one, &claim, err));
    r->is_presigned = claim.is_presigned;
    LH_TRY(claim_belongs_check(r, &claim, err));
    LH_TRY(lh_sigv4_claim_check(&claim, &signed_one, r->door->secret_access_key, lh_time_now_us(),
                                key, err));
    principal_set(r);
    if (has_body(r->req))
        status = door_body_open(&r->body, r->req, &claim, key, &r->call->arena, err);
    explicit_bzero(key, sizeof(key));
    return status;
}

/* ---- what this door has not ---- */

static lh_status
fail_header(const char *name, struct lh_error *err)
{
    return lh_fail(err, LH_UNSUPPORTED, "s3.NotImplemented",
                   "the field %s asks for something that is not implemented here", name);
}

static lh_status
acl_check(const struct s3_request *r, struct lh_error *err)
{
    lh_str acl = door_request_field(r, "x-amz-acl");

    if (acl.len == 0 || lh_str_eq(acl, LH_STR("private")) ||
        lh_str_eq(acl, LH_STR("bucket-owner-full-control")))
        return LH_OK;
    return fail_header("x-amz-acl", err);
}

lh_status
door_request_promises_check(const struct s3_request *r, struct lh_error *err)
{
    static const char *const fields[] = {
        "x-amz-server-side-encryption",
        "x-amz-server-side-encryption-customer-algorithm",
        "x-amz-copy-source-server-side-encryption-customer-algorithm",
        "x-amz-tagging",
        "x-amz-website-redirect-location",
        "x-amz-object-lock-mode",
        "x-amz-object-lock-retain-until-date",
        "x-amz-object-lock-legal-hold",
        "x-amz-grant-read",
        "x-amz-grant-write",
        "x-amz-grant-read-acp",
        "x-amz-grant-write-acp",
        "x-amz-grant-full-control",
        "x-amz-write-offset-bytes",
    };

    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
        if (door_request_field(r, fields[i]).ptr)
            return fail_header(fields[i], err);
    }
    return acl_check(r, err);
}
