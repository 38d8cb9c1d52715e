/* The S3 door as a whole: settings, keys, and which operation a request means. */
#include <stdlib.h>
#include "base/alloc.h"
#include "base/log.h"
#include "base/secret.h"
#include "base/time.h"
#include "services/storaged/s3_upload.h"

#define ENTRY "S3_DOOR"
#define KEY_BYTES_MIN 8

#define MS_PER_DAY (24LL * 60 * 60 * 1000)

const struct lh_config_key storage_s3_config[] = {
    {.name = "s3_door.listen",
     .kind = LH_CONFIG_STR,
     .def = "",
     .doc = "HOST:PORT of the S3 door, which speaks the protocol of Amazon S3 over the buckets; "
            "empty: shut. --s3-listen overrides it. Its keys are the secrets entry S3_DOOR."},
    {.name = "s3_door.region",
     .kind = LH_CONFIG_STR,
     .def = "",
     .doc = "Region that requests must be signed for, and that clients are told; empty: any, and "
            "they are told us-east-1."},
    {.name = "s3_door.domain",
     .kind = LH_CONFIG_STR,
     .def = "",
     .doc = "Host name under which buckets may stand in front: BUCKET.DOMAIN. Without it they "
            "stand in the path only."},
    {.name = "s3_door.foreign_buckets",
     .kind = LH_CONFIG_LIST,
     .doc = "Buckets that are kept for another lake: there keys that begin with _ can be written "
            "through the S3 door like any others."},
    {.name = "s3_door.requests_per_second",
     .kind = LH_CONFIG_I64,
     .def = "0",
     .min = 0,
     .max = 1000000,
     .doc = "Requests a second that the S3 door answers; more get 503 SlowDown. 0 for no limit."},
    {.name = "s3_door.burst",
     .kind = LH_CONFIG_I64,
     .def = "0",
     .min = 0,
     .max = 1000000,
     .doc = "Requests that may come at once within that rate; 0 for twice the rate."},
    {.name = "s3_door.access_log",
     .kind = LH_CONFIG_BOOL,
     .def = "true",
     .doc = "Write one line for each request of the S3 door."},
    {.name = "s3_door.keepalive",
     .kind = LH_CONFIG_DURATION,
     .def = "8s",
     .min = 1,
     .max = MS_PER_DAY,
     .doc = "While an upload in parts is put together, the client is sent a blank each time so "
            "long has passed."},
    {.name = "s3_door.upload_ttl",
     .kind = LH_CONFIG_DURATION,
     .def = "7d",
     .min = 0,
     .max = 365 * MS_PER_DAY,
     .doc = "Uploads in parts that nothing was added to for so long are removed; 0 for never."},
    {.name = "s3_door.sweep_interval",
     .kind = LH_CONFIG_DURATION,
     .def = "1h",
     .min = 10,
     .max = 7 * MS_PER_DAY,
     .doc = "How often abandoned uploads are looked for."},
    {0},
};

/* ---- life ---- */

static lh_str
field_or_empty(const struct lh_secret *secret, const char *field)
{
    lh_str value = lh_secret_field(secret, field);

    return value.ptr ? value : LH_STR("");
}

static lh_status
keys_load(struct s3_door *d, struct lh_error *err)
{
    LH_AUTO_ERROR(why);

    if (lh_secrets_load(d->storage->env->secrets, LH_STR(ENTRY), "SECRET_ACCESS_KEY", &d->secret,
                        &why) != LH_OK)
        return lh_fail(err, LH_INVALID, "s3.no_keys",
                       "the S3 door at %s has no keys: give LAKEHOUSE_SECRET_" ENTRY
                       "_ACCESS_KEY_ID and LAKEHOUSE_SECRET_" ENTRY
                       "_SECRET_ACCESS_KEY, or the entry " ENTRY " of the secrets file (%s)",
                       d->listen, why.text);
    d->access_key_id = field_or_empty(d->secret, "ACCESS_KEY_ID");
    d->secret_access_key = field_or_empty(d->secret, "SECRET_ACCESS_KEY");
    d->session_token = field_or_empty(d->secret, "SESSION_TOKEN");
    if (d->access_key_id.len > 0 && d->secret_access_key.len >= KEY_BYTES_MIN)
        return LH_OK;
    return lh_fail(err, LH_INVALID, "s3.no_keys",
                   "the S3 door at %s needs an access key id, and a secret access key of at least "
                   "%d characters",
                   d->listen, KEY_BYTES_MIN);
}

static struct s3_door *
door_new(struct storage *s)
{
    const struct lh_config *config = s->env->config;
    struct s3_door *d = LH_NEW(struct s3_door);

    d->storage = s;
    d->listen = lh_config_str(config, "s3_door.listen");
    d->region = lh_config_str(config, "s3_door.region");
    d->domain = lh_config_str(config, "s3_door.domain");
    d->has_access_log = lh_config_bool(config, "s3_door.access_log");
    d->keepalive_ms = lh_config_ms(config, "s3_door.keepalive");
    d->rate = lh_rate_new(lh_config_i64(config, "s3_door.requests_per_second"),
                          lh_config_i64(config, "s3_door.burst"), 1);
    return d;
}

lh_status
s3_door_open(struct storage *s, struct s3_door **out, struct lh_error *err)
{
    struct s3_door *d;
    lh_status status;

    if (!lh_config_str(s->env->config, "s3_door.listen")[0])
        return LH_OK;
    d = door_new(s);
    status = keys_load(d, err);
    if (status == LH_OK)
        status = door_sweeper_start(d, &d->sweeper, err);
    if (status != LH_OK) {
        s3_door_free(d);
        return status;
    }
    *out = d;
    return LH_OK;
}

void
s3_door_drain(struct s3_door *d)
{
    door_sweeper_stop(d->sweeper);
    d->sweeper = NULL;
}

void
s3_door_free(struct s3_door *d)
{
    if (!d)
        return;
    s3_door_drain(d);
    lh_rate_free(d->rate);
    lh_secret_free(d->secret);
    free(d);
}

/* ---- which operation ---- */

static lh_status
not_implemented(struct s3_request *r, struct lh_error *err)
{
    return lh_fail(err, LH_UNSUPPORTED, "s3.NotImplemented",
                   "%s with these parameters is not implemented here",
                   lh_method_name(r->req->method));
}

static lh_status
method_not_allowed(struct s3_request *r, struct lh_error *err)
{
    return lh_fail(err, LH_INVALID, "s3.MethodNotAllowed", "there is no %s of that",
                   lh_method_name(r->req->method));
}

static bool
has_any(const struct s3_request *r, const char *const *names)
{
    for (; *names; names++) {
        if (door_request_has(r, *names))
            return true;
    }
    return false;
}

/* What S3 has and this door has not, by the parameter that asks for it. */
static const char *const bucket_strangers[] = {"acl",
                                               "analytics",
                                               "cors",
                                               "encryption",
                                               "intelligent-tiering",
                                               "inventory",
                                               "lifecycle",
                                               "logging",
                                               "metrics",
                                               "notification",
                                               "object-lock",
                                               "policy",
                                               "policyStatus",
                                               "publicAccessBlock",
                                               "replication",
                                               "requestPayment",
                                               "session",
                                               "tagging",
                                               "versioning",
                                               "versions",
                                               "website",
                                               "accelerate",
                                               "ownershipControls",
                                               NULL};
static const char *const object_strangers[] = {"acl",       "attributes", "legal-hold",   "restore",
                                               "retention", "select",     "select-type",  "tagging",
                                               "torrent",   "append",     "renameObject", NULL};

static lh_status
bucket_get(struct s3_request *r, struct lh_error *err)
{
    lh_str type = door_request_query(r, "list-type");
    bool is_known;

    if (r->req->method == LH_HEAD)
        return door_bucket_head(r, err);
    LH_TRY(door_bucket_setting_get(r, &is_known, err));
    if (is_known)
        return LH_OK;
    if (door_request_has(r, "uploads"))
        return door_uploads_list(r, err);
    if (has_any(r, bucket_strangers))
        return not_implemented(r, err);
    return lh_str_eq(type, LH_STR("2")) ? door_list_v2(r, err) : door_list_v1(r, err);
}

static lh_status
bucket_run(struct s3_request *r, struct lh_error *err)
{
    bool is_create = r->req->method == LH_PUT && !has_any(r, bucket_strangers);

    if (is_create)
        return door_bucket_create(r, err);
    LH_TRY(lh_store_bucket(r->door->storage->env->store, r->call, r->bucket_name, &r->b, err));
    switch (r->req->method) {
    case LH_GET:
    case LH_HEAD:
        return bucket_get(r, err);
    case LH_DELETE:
        return has_any(r, bucket_strangers) ? not_implemented(r, err) : door_bucket_delete(r, err);
    case LH_POST:
        return door_request_has(r, "delete") ? door_objects_delete(r, err)
                                             : not_implemented(r, err);
    default:
        return not_implemented(r, err);
    }
}

/* An object has no tags of its own; that it is there has to be looked up all the same. */
static lh_status
tags_answer(struct s3_request *r, struct lh_error *err)
{
    LH_AUTO_BUF(out, 4096);
    struct lh_object_info info;

    LH_TRY(door_key_check_read(r->key, err));
    LH_TRY(lh_object_head(r->b, r->call, r->key, &info, err));
    lh_buf_add_cstr(&out,
                    S3_XML_HEAD "<Tagging xmlns=\"" S3_NAMESPACE "\"><TagSet></TagSet></Tagging>");
    return door_answer_xml(r, 200, &out, err);
}

static lh_status
acl_answer(struct s3_request *r, struct lh_error *err)
{
    struct lh_object_info info;
    bool is_known;

    LH_TRY(door_key_check_read(r->key, err));
    LH_TRY(lh_object_head(r->b, r->call, r->key, &info, err));
    return door_bucket_setting_get(r, &is_known, err);
}

static lh_status
object_get(struct s3_request *r, struct lh_error *err)
{
    if (door_request_has(r, "uploadId"))
        return door_upload_parts_list(r, err);
    if (door_request_has(r, "tagging"))
        return tags_answer(r, err);
    if (door_request_has(r, "acl"))
        return acl_answer(r, err);
    return has_any(r, object_strangers) ? not_implemented(r, err) : door_object_get(r, err);
}

static lh_status
object_put(struct s3_request *r, struct lh_error *err)
{
    bool is_copy = door_request_field(r, "x-amz-copy-source").ptr != NULL;

    if (has_any(r, object_strangers))
        return not_implemented(r, err);
    if (door_request_has(r, "uploadId"))
        return is_copy ? door_upload_part_copy(r, err) : door_upload_part(r, err);
    return is_copy ? door_object_copy(r, err) : door_object_put(r, err);
}

static lh_status
object_post(struct s3_request *r, struct lh_error *err)
{
    if (door_request_has(r, "uploads"))
        return door_upload_create(r, err);
    if (door_request_has(r, "uploadId"))
        return door_upload_complete(r, err);
    return not_implemented(r, err);
}

static lh_status
object_delete(struct s3_request *r, struct lh_error *err)
{
    if (door_request_has(r, "uploadId"))
        return door_upload_abort(r, err);
    return has_any(r, object_strangers) ? not_implemented(r, err) : door_object_delete(r, err);
}

/* There is one version of an object, which S3 calls "null". */
static lh_status
version_check(const struct s3_request *r, struct lh_error *err)
{
    lh_str version = door_request_query(r, "versionId");

    if (!version.ptr || lh_str_eq(version, LH_STR("null")))
        return LH_OK;
    return lh_fail(err, LH_NOT_FOUND, "s3.NoSuchVersion",
                   "the objects of this door have no versions");
}

static lh_status
object_run(struct s3_request *r, struct lh_error *err)
{
    LH_TRY(version_check(r, err));
    LH_TRY(lh_store_bucket(r->door->storage->env->store, r->call, r->bucket_name, &r->b, err));
    switch (r->req->method) {
    case LH_GET:
    case LH_HEAD:
        return object_get(r, err);
    case LH_PUT:
        return object_put(r, err);
    case LH_POST:
        return object_post(r, err);
    case LH_DELETE:
        return object_delete(r, err);
    default:
        return method_not_allowed(r, err);
    }
}

static lh_status
request_run(struct s3_request *r, struct lh_error *err)
{
    lh_response_header(r->res, "x-amz-request-id", lh_str_of(r->call->trace.trace_id));
    LH_TRY(door_request_authenticate(r, err));
    LH_TRY(lh_rate_take(r->door->rate, 0, lh_time_mono_ns(), err));
    LH_TRY(door_request_address(r, err));
    if (r->key.len > 0)
        return object_run(r, err);
    if (r->bucket_name.len > 0)
        return bucket_run(r, err);
    if (r->req->method == LH_GET)
        return door_buckets_list(r, err);
    return method_not_allowed(r, err);
}

static lh_status
handle(void *service, struct lh_call *call, struct lh_request *req, struct lh_response *res,
       struct lh_error *err)
{
    struct storage *s = service;
    struct s3_request r = {.door = s->s3, .call = call, .req = req, .res = res};
    lh_status status = request_run(&r, err);

    door_body_fini(&r.body);
    return status;
}

static const struct lh_route routes[] = {
    {LH_GET, "/{path...}", handle, LH_ROUTE_LONG, 0},
    {LH_PUT, "/{path...}", handle, LH_ROUTE_WRITES | LH_ROUTE_STREAMS_BODY | LH_ROUTE_LONG, 0},
    {LH_POST, "/{path...}", handle, LH_ROUTE_WRITES | LH_ROUTE_STREAMS_BODY | LH_ROUTE_LONG, 0},
    {LH_DELETE, "/{path...}", handle, LH_ROUTE_WRITES, 0},
    {0},
};

/* The path without the query, which may hold a signature. */
static void
done(void *self, const struct lh_call *call, const struct lh_request *req,
     const struct lh_response *res, int64_t elapsed_ns)
{
    const struct s3_door *d = self;

    if (!d->has_access_log)
        return;
    lh_log(LH_LOG_INFO, "storaged", "s3 request", LH_LOG_S("method", lh_method_name(req->method)),
           LH_LOG_V("path", req->path), LH_LOG_I("status", res->status),
           LH_LOG_I("sent_bytes", res->sent_bytes),
           LH_LOG_F("elapsed_ms", (double)(elapsed_ns / 1000) / 1000.0),
           LH_LOG_S("principal", call->principal.name ? call->principal.name : ""),
           LH_LOG_V("peer", req->peer), LH_LOG_S("trace_id", call->trace.trace_id));
}

void
s3_door_describe(struct s3_door *d, struct lh_side_door *out)
{
    *out = (struct lh_side_door){
        .name = "s3",
        .listen = d->listen,
        .routes = routes,
        .done = done,
        .refuse = door_refuse,
        .self = d,
    };
}
