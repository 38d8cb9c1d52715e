/*
 * Buckets, and the many things that clients ask about one before they use it. What a bucket of ours
 * has not is answered as S3 answers for a bucket on which it was never set.
 */
#include "services/storaged/s3_upload.h"

#include "base/time.h"

/* ---- list ---- */

struct bucket_printer {
    struct lh_buf *out;
};

/* The store does not know when a bucket was made; S3's clients want a date. */
static void
bucket_print(void *self, struct lh_bucket *b, const struct lh_bucket_spec *spec)
{
    struct bucket_printer *p = self;

    (void)b;
    lh_buf_add_cstr(p->out, "<Bucket>");
    door_xml_put_cstr(p->out, "Name", spec->name);
    door_xml_put_time(p->out, "CreationDate", 0);
    lh_buf_add_cstr(p->out, "</Bucket>");
}

lh_status
door_buckets_list(struct s3_request *r, struct lh_error *err)
{
    LH_AUTO_BUF(out, S3_ANSWER_MAX);
    struct bucket_printer p = {.out = &out};

    lh_buf_add_cstr(&out, S3_XML_HEAD "<ListAllMyBucketsResult xmlns=\"" S3_NAMESPACE
                                      "\"><Owner><ID>lakehouse</ID><DisplayName>lakehouse"
                                      "</DisplayName></Owner><Buckets>");
    LH_TRY(lh_store_buckets(r->door->storage->env->store, r->call, bucket_print, &p, err));
    lh_buf_add_cstr(&out, "</Buckets></ListAllMyBucketsResult>");
    return door_answer_xml(r, 200, &out, err);
}

/* ---- create and delete ---- */

/* <CreateBucketConfiguration><LocationConstraint>…: whatever place is asked for, it is here. */
static lh_status
element_ignore(void *self, int depth, lh_str name, lh_str text, struct lh_error *err)
{
    (void)self;
    (void)depth;
    (void)name;
    (void)text;
    (void)err;
    return LH_OK;
}

static lh_status
configuration_check(struct s3_request *r, struct lh_error *err)
{
    static const struct s3_xml_visitor visitor = {.element = element_ignore};
    LH_AUTO_BUF(body, S3_BODY_MAX);

    LH_TRY(door_body_take(&r->body, &body, err));
    return body.len > 0 ? door_xml_read(lh_buf_str(&body), &visitor, err) : LH_OK;
}

static lh_status
bucket_event(struct s3_request *r, const char *action, struct lh_error *err)
{
    return storage_event_add(r->door->storage, r->call,
                             &(struct storage_event){.entity_type = "bucket",
                                                     .action = action,
                                                     .bucket = r->bucket_name},
                             err);
}

lh_status
door_bucket_create(struct s3_request *r, struct lh_error *err)
{
    const char *name = lh_arena_cstr(&r->call->arena, r->bucket_name);
    const struct lh_bucket_spec spec = {.name = name, .backend = "local", .root = ""};

    LH_TRY(configuration_check(r, err));
    LH_TRY(lh_store_bucket_add(r->door->storage->env->store, r->call, &spec, err));
    LH_TRY(bucket_event(r, "bucket.added", err));
    lh_response_headerf(r->res, "Location", "/%s", name);
    return lh_response_empty(r->res, 200, err);
}

/* What is left of uploads in progress does not keep a bucket. */
static lh_status
emptiness_check(struct s3_request *r, struct lh_error *err)
{
    LH_AUTO(lh_object_list) *before = NULL;
    LH_AUTO(lh_object_list) *behind = NULL;

    LH_TRY(lh_object_list(r->b, r->call, LH_STR(""), LH_STR(""), 1, &before, err));
    LH_TRY(
        lh_object_list(r->b, r->call, LH_STR(""), LH_STR("_s3/\xf4\x8f\xbf\xbf"), 1, &behind, err));
    if (behind->count == 0 &&
        (before->count == 0 || door_key_is_own(lh_str_of(before->items[0].key))))
        return LH_OK;
    return lh_fail(err, LH_CONFLICT, "s3.BucketNotEmpty", "bucket '%.*s' still holds objects",
                   LH_FMT(r->bucket_name));
}

/* Nobody will complete them any more, and the folder may become a bucket again. */
static lh_status
upload_drop(void *self, lh_str id, struct lh_error *err)
{
    struct s3_request *r = self;

    return door_upload_remove(r->b, r->call, id, err);
}

lh_status
door_bucket_delete(struct s3_request *r, struct lh_error *err)
{
    LH_TRY(emptiness_check(r, err));
    LH_TRY(door_uploads_walk(r->b, r->call, upload_drop, r, err));
    LH_TRY(lh_store_bucket_remove(r->door->storage->env->store, r->call, r->bucket_name, err));
    LH_TRY(bucket_event(r, "bucket.removed", err));
    return lh_response_empty(r->res, 204, err);
}

lh_status
door_bucket_head(struct s3_request *r, struct lh_error *err)
{
    lh_response_header(r->res, "x-amz-bucket-region",
                       lh_str_of(r->door->region[0] ? r->door->region : "us-east-1"));
    return lh_response_empty(r->res, 200, err);
}

/* ---- settings ---- */

static const struct {
    const char *query;
    const char *xml;    /* the answer, or */
    const char *reason; /* why there is none */
} settings[] = {
    {"versioning", "<VersioningConfiguration xmlns=\"" S3_NAMESPACE "\"/>", NULL},
    {"logging", "<BucketLoggingStatus xmlns=\"" S3_NAMESPACE "\"/>", NULL},
    {"notification", "<NotificationConfiguration xmlns=\"" S3_NAMESPACE "\"/>", NULL},
    {"accelerate", "<AccelerateConfiguration xmlns=\"" S3_NAMESPACE "\"/>", NULL},
    {"requestPayment",
     "<RequestPaymentConfiguration xmlns=\"" S3_NAMESPACE
     "\"><Payer>BucketOwner</Payer></RequestPaymentConfiguration>",
     NULL},
    {"acl",
     "<AccessControlPolicy xmlns=\"" S3_NAMESPACE
     "\"><Owner><ID>lakehouse</ID><DisplayName>lakehouse</DisplayName></Owner><AccessControlList>"
     "<Grant><Grantee xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" "
     "xsi:type=\"CanonicalUser\"><ID>lakehouse</ID><DisplayName>lakehouse</DisplayName></Grantee>"
     "<Permission>FULL_CONTROL</Permission></Grant></AccessControlList></AccessControlPolicy>",
     NULL},
    {"policy", NULL, "s3.NoSuchBucketPolicy"},
    {"policyStatus", NULL, "s3.NoSuchBucketPolicy"},
    {"cors", NULL, "s3.NoSuchCORSConfiguration"},
    {"lifecycle", NULL, "s3.NoSuchLifecycleConfiguration"},
    {"tagging", NULL, "s3.NoSuchTagSet"},
    {"website", NULL, "s3.NoSuchWebsiteConfiguration"},
    {"encryption", NULL, "s3.ServerSideEncryptionConfigurationNotFoundError"},
    {"object-lock", NULL, "s3.ObjectLockConfigurationNotFoundError"},
    {"ownershipControls", NULL, "s3.OwnershipControlsNotFoundError"},
    {"publicAccessBlock", NULL, "s3.NoSuchPublicAccessBlockConfiguration"},
    {"replication", NULL, "s3.ReplicationConfigurationNotFoundError"},
};

/* Amazon's first region has no name here. */
static lh_status
location_answer(struct s3_request *r, struct lh_error *err)
{
    LH_AUTO_BUF(out, 4096);
    const char *region = r->door->region;

    lh_buf_add_cstr(&out, S3_XML_HEAD "<LocationConstraint xmlns=\"" S3_NAMESPACE "\">");
    if (region[0] && strcmp(region, "us-east-1") != 0)
        door_xml_escape(&out, lh_str_of(region));
    lh_buf_add_cstr(&out, "</LocationConstraint>");
    return door_answer_xml(r, 200, &out, err);
}

static lh_status
setting_answer(struct s3_request *r, size_t i, struct lh_error *err)
{
    LH_AUTO_BUF(out, 8192);

    if (settings[i].reason)
        return lh_fail(err, LH_NOT_FOUND, settings[i].reason, "bucket '%.*s' has no such setting",
                       LH_FMT(r->bucket_name));
    lh_buf_add_cstr(&out, S3_XML_HEAD);
    lh_buf_add_cstr(&out, settings[i].xml);
    return door_answer_xml(r, 200, &out, err);
}

lh_status
door_bucket_setting_get(struct s3_request *r, bool *is_known, struct lh_error *err)
{
    *is_known = true;
    if (door_request_has(r, "location"))
        return location_answer(r, err);
    for (size_t i = 0; i < sizeof(settings) / sizeof(settings[0]); i++) {
        if (door_request_has(r, settings[i].query))
            return setting_answer(r, i, err);
    }
    *is_known = false;
    return LH_OK;
}
