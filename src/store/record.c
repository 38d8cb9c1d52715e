#include "store/record.h"

#include <stdio.h>
#include <stdlib.h>
#include "base/alloc.h"
#include "base/secret.h"
#include "base/time.h"

static const char *
or_empty(const char *s)
{
    return s ? s : "";
}

void
store_spec_init(struct store_spec *s, const struct lh_bucket_spec *from)
{
    s->name = lh_strdup(or_empty(from->name));
    s->backend = lh_strdup(or_empty(from->backend));
    s->root = lh_strdup(or_empty(from->root));
    s->role = lh_strdup(or_empty(from->role));
    s->endpoint = lh_strdup(or_empty(from->endpoint));
    s->region = lh_strdup(or_empty(from->region));
    s->bucket = lh_strdup(or_empty(from->bucket));
    s->credentials = lh_strdup(or_empty(from->credentials));
    s->is_path_style = from->is_path_style;
}

void
store_spec_fini(struct store_spec *s)
{
    free(s->name);
    free(s->backend);
    free(s->root);
    free(s->role);
    free(s->endpoint);
    free(s->region);
    free(s->bucket);
    free(s->credentials);
    *s = (struct store_spec){0};
}

struct lh_bucket_spec
store_spec_view(const struct store_spec *s)
{
    return (struct lh_bucket_spec){.name = s->name,
                                   .backend = s->backend,
                                   .root = s->root,
                                   .role = s->role,
                                   .endpoint = s->endpoint,
                                   .region = s->region,
                                   .bucket = s->bucket,
                                   .credentials = s->credentials,
                                   .is_path_style = s->is_path_style};
}

bool
store_spec_is_s3(const struct lh_bucket_spec *s)
{
    return strcmp(or_empty(s->backend), "s3") == 0;
}

bool
store_spec_is_rescue(const struct lh_bucket_spec *s)
{
    return strcmp(or_empty(s->role), "rescue") == 0;
}

static bool
is_same(const char *a, const char *b)
{
    return strcmp(or_empty(a), or_empty(b)) == 0;
}

bool
store_spec_eq(const struct lh_bucket_spec *a, const struct lh_bucket_spec *b)
{
    return is_same(a->name, b->name) && is_same(a->backend, b->backend) &&
           is_same(a->root, b->root) && is_same(a->role, b->role) &&
           is_same(a->endpoint, b->endpoint) && is_same(a->region, b->region) &&
           is_same(a->bucket, b->bucket) && is_same(a->credentials, b->credentials) &&
           a->is_path_style == b->is_path_style;
}

bool
store_spec_is_same_place(const struct lh_bucket_spec *a, const struct lh_bucket_spec *b)
{
    return store_spec_is_s3(a) && store_spec_is_s3(b) && is_same(a->endpoint, b->endpoint) &&
           is_same(a->bucket, b->bucket);
}

/* ---- form ---- */

static lh_status
role_check(const struct lh_bucket_spec *s, struct lh_error *err)
{
    if (!*or_empty(s->role))
        return LH_OK;
    if (!store_spec_is_rescue(s))
        return lh_fail(err, LH_INVALID, "store.bucket_role",
                       "the role '%.80s' of bucket '%s' is not known; there is: rescue", s->role,
                       s->name);
    if (strcmp(s->name, "primary") == 0)
        return lh_fail(err, LH_INVALID, "store.bucket_role",
                       "primary cannot be its own rescue bucket");
    return LH_OK;
}

static lh_status
fail_endpoint(const char *endpoint, const char *why, struct lh_error *err)
{
    return lh_fail(err, LH_INVALID, "store.bucket_endpoint", "the endpoint '%.200s' %s", endpoint,
                   why);
}

static bool
is_host(lh_str host)
{
    for (size_t i = 0; i < host.len; i++) {
        char c = host.ptr[i];
        bool is_name = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.';

        if (!is_name && !(host.ptr[0] == '[' && (c == '[' || c == ']' || c == ':')))
            return false;
    }
    return host.len > 0 && host.len <= 253;
}

static lh_status
endpoint_check(const char *endpoint, struct lh_error *err)
{
    lh_str rest = lh_str_of(endpoint);
    size_t at = 0, port_at = 0;
    uint64_t port = 443;

    if (lh_str_starts(rest, LH_STR("http://")))
        rest = lh_str_slice(rest, 7, rest.len);
    else if (lh_str_starts(rest, LH_STR("https://")))
        rest = lh_str_slice(rest, 8, rest.len);
    else
        return fail_endpoint(endpoint, "is not http://host[:port] or https://host[:port]", err);
    if (lh_str_starts(rest, LH_STR("[")) && !lh_str_find_char(rest, ']', &at))
        return fail_endpoint(endpoint, "has an address that does not end", err);
    if (lh_str_find_char(lh_str_slice(rest, at, rest.len), ':', &port_at)) {
        if (!lh_str_u64(lh_str_slice(rest, at + port_at + 1, rest.len), &port))
            port = 0;
        rest = lh_str_slice(rest, 0, at + port_at);
    }
    if (port < 1 || port > 65535)
        return fail_endpoint(endpoint, "has a port that is none", err);
    return is_host(rest)
               ? LH_OK
               : fail_endpoint(endpoint, "has more than a host in small letters and a port", err);
}

static lh_status
region_check(const char *region, struct lh_error *err)
{
    size_t len = strlen(region);

    if (len > 0 && len <= 64 && strspn(region, "abcdefghijklmnopqrstuvwxyz0123456789-") == len)
        return LH_OK;
    return lh_fail(err, LH_INVALID, "store.bucket_region",
                   "the region '%.80s' is not 1 to 64 small letters, digits and '-'", region);
}

static lh_status
s3_check(const struct lh_bucket_spec *s, struct lh_error *err)
{
    LH_TRY(endpoint_check(or_empty(s->endpoint), err));
    LH_TRY(region_check(or_empty(s->region), err));
    LH_TRY(lh_bucket_name_check(lh_str_of(or_empty(s->bucket)), err));
    if (lh_secret_name_check(lh_str_of(or_empty(s->credentials)), NULL) != LH_OK)
        return lh_fail(err, LH_INVALID, "store.bucket_credentials",
                       "the credentials of bucket '%s' are the name of a secret: capitals, digits "
                       "and underscores",
                       s->name);
    return LH_OK;
}

lh_status
store_spec_check(const struct lh_bucket_spec *s, struct lh_error *err)
{
    LH_TRY(role_check(s, err));
    return store_spec_is_s3(s) ? s3_check(s, err) : LH_OK;
}

/* ---- records ---- */

char *
store_record_key(const char *name, char key[LH_KEY_MAX + 1])
{
    (void)snprintf(key, LH_KEY_MAX + 1, "%s%s%s", STORE_RECORD_PREFIX, name, STORE_RECORD_SUFFIX);
    return key;
}

void
lh_bucket_spec_print(const struct lh_bucket_spec *spec, struct lh_json_writer *w)
{
    lh_json_set_cstr(w, "name", spec->name);
    lh_json_set_cstr(w, "backend", spec->backend);
    if (store_spec_is_s3(spec)) {
        lh_json_set_cstr(w, "endpoint", spec->endpoint);
        lh_json_set_cstr(w, "region", spec->region);
        lh_json_set_cstr(w, "bucket", spec->bucket);
        lh_json_set_bool(w, "path_style", spec->is_path_style);
        lh_json_set_cstr(w, "credentials", spec->credentials);
    } else {
        lh_json_set_cstr(w, "root", spec->root);
    }
    if (*or_empty(spec->role))
        lh_json_set_cstr(w, "role", spec->role);
}

void
store_record_encode(const struct lh_bucket_spec *spec, struct lh_buf *out)
{
    struct lh_json_writer w = lh_json_writer_over(out);

    lh_json_object_begin(&w);
    lh_bucket_spec_print(spec, &w);
    lh_json_set_time(&w, "created_at", lh_time_now_us());
    lh_json_object_end(&w);
    lh_buf_add_char(out, '\n');
}

static lh_status
s3_fields_read(const json_t *v, struct store_spec *out, struct lh_error *err)
{
    static const char *const fields[] = {"name",       "backend",    "endpoint",    "region",
                                         "bucket",     "path_style", "credentials", "role",
                                         "created_at", NULL};
    lh_str endpoint, region, bucket, credentials;
    bool is_path_style = true;

    LH_TRY(lh_json_only(v, fields, err));
    LH_TRY(lh_json_str(v, "endpoint", &endpoint, err));
    LH_TRY(lh_json_str(v, "region", &region, err));
    LH_TRY(lh_json_str(v, "bucket", &bucket, err));
    LH_TRY(lh_json_str(v, "credentials", &credentials, err));
    LH_TRY(lh_json_bool_opt(v, "path_style", &is_path_style, err));
    out->root = lh_strdup("");
    out->endpoint = lh_str_dup(endpoint);
    out->region = lh_str_dup(region);
    out->bucket = lh_str_dup(bucket);
    out->credentials = lh_str_dup(credentials);
    out->is_path_style = is_path_style;
    return LH_OK;
}

static lh_status
local_fields_read(const json_t *v, struct store_spec *out, struct lh_error *err)
{
    static const char *const fields[] = {"name", "backend", "root", "role", "created_at", NULL};
    lh_str root;

    LH_TRY(lh_json_only(v, fields, err));
    LH_TRY(lh_json_str(v, "root", &root, err));
    if (root.len == 0 || root.ptr[0] != '/')
        return lh_fail(err, LH_CORRUPT, "store.bucket_record", "the root is not absolute");
    out->root = lh_str_dup(root);
    out->endpoint = lh_strdup("");
    out->region = lh_strdup("");
    out->bucket = lh_strdup("");
    out->credentials = lh_strdup("");
    return LH_OK;
}

static lh_status
fields_read(const json_t *v, lh_str name, struct store_spec *out, struct lh_error *err)
{
    lh_str found, backend, created, role = LH_STR("");

    LH_TRY(lh_json_str(v, "name", &found, err));
    LH_TRY(lh_json_str(v, "backend", &backend, err));
    LH_TRY(lh_json_str_opt(v, "role", &role, err));
    LH_TRY(lh_json_str(v, "created_at", &created, err));
    if (!lh_str_eq(found, name))
        return lh_fail(err, LH_CORRUPT, "store.bucket_record", "it has another name");
    LH_TRY(lh_str_eq(backend, LH_STR("s3")) ? s3_fields_read(v, out, err)
                                            : local_fields_read(v, out, err));
    out->name = lh_str_dup(found);
    out->backend = lh_str_dup(backend);
    out->role = lh_str_dup(role);
    struct lh_bucket_spec view = store_spec_view(out);
    return store_spec_check(&view, err);
}

lh_status
store_record_decode(lh_str name, lh_str json, struct store_spec *out, struct lh_error *err)
{
    LH_AUTO_JSON v = NULL;
    LH_AUTO_ERROR(inner);
    struct store_spec spec = {0};
    lh_status status = lh_json_parse(json, &v, &inner);

    if (status == LH_OK)
        status = fields_read(v, name, &spec, &inner);
    if (status == LH_OK) {
        *out = spec;
        return LH_OK;
    }
    store_spec_fini(&spec);
    return lh_fail(err, LH_CORRUPT, "store.bucket_record", "the record of bucket '%.*s': %s",
                   LH_FMT(lh_str_fit(name, 80)), inner.text);
}
