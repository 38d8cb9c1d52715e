/*
 * s3: the S3 door of storaged, what its files share.
 *
 * A second address that speaks the protocol of Amazon S3 over the buckets of the store, so that
 * programs made for S3 read and write the lake unchanged. Every request is signed (Signature V4)
 * with the one key of the door. Keys keep the rules of the lake: what no bucket of ours can hold is
 * refused in words, not bent.
 *
 * A request goes
 *
 *   s3_door.c     checks signature and rate, finds bucket and key, looks up the operation
 *   s3_<noun>.c   does it
 *   s3_error.c    says in XML what failed
 *
 * ETags    are those of S3, MD5 of the bytes, where the object came in through this door; other
 *          objects show the ETag of the store, which holds a '-' and so is not taken for an MD5.
 *          A condition is judged on what is shown and handed on to the store as the ETag that was
 *          found, so it stays one comparison (docs/decisions/s3-door.md).
 * Uploads  in parts are objects under `_s3/uploads/<id>/` of their bucket (s3_upload.h).
 * Threads  requests run on any worker.
 * Names    functions begin with door_: s3_ is the other side of the protocol, in store.
 * Fails    with reasons "s3.<Code>" that stand in one table (s3_error.c); reasons of other rooms
 *          are translated there.
 */
#ifndef LH_SERVICES_STORAGED_S3_H
#define LH_SERVICES_STORAGED_S3_H

#include "services/rate.h"
#include "services/storaged/s3_body.h"
#include "services/storaged/s3_xml.h"
#include "services/storaged/storage.h"

#define S3_OWN_PREFIX "_s3/" /* uploads in progress; nobody sees it through the door */
#define S3_XML_TYPE "application/xml"
#define S3_XML_HEAD "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
#define S3_NAMESPACE "http://s3.amazonaws.com/doc/2006-03-01/"
#define S3_BODY_MAX ((size_t)8 << 20) /* of XML in requests */
#define S3_ANSWER_MAX ((size_t)64 << 20)
#define S3_COPY_STEP ((size_t)256 << 10)

struct s3_sweeper;

struct s3_door {
    struct storage *storage;
    struct lh_secret *secret;
    lh_str access_key_id, secret_access_key, session_token; /* of the secret */
    const char *listen;
    const char *region;
    const char *domain; /* "s3.lake.lan": <bucket>.s3.lake.lan names a bucket; "" for none */
    bool has_access_log;
    int64_t keepalive_ms; /* of silence while an upload is completed, then a blank */
    struct lh_rate *rate;
    struct s3_sweeper *sweeper;
};

struct s3_request {
    struct s3_door *door;
    struct lh_call *call;
    struct lh_request *req;
    struct lh_response *res;
    lh_str bucket_name, key; /* "" when the address names none */
    struct lh_bucket *b;
    bool is_presigned;
    struct s3_body body;
};

typedef lh_status (*s3_operation)(struct s3_request *r, struct lh_error *err);

/* ---- the door (s3_door.c) ---- */

extern const struct lh_config_key storage_s3_config[]; /* "s3_door.…" */

/* *out NULL when no address is configured. INVALID "s3.no_keys" when there is one without keys. */
lh_status s3_door_open(struct storage *s, struct s3_door **out, struct lh_error *err);
void s3_door_drain(struct s3_door *d);
void s3_door_free(struct s3_door *d);
void s3_door_describe(struct s3_door *d, struct lh_side_door *out);

/* ---- what a request says (s3_request.c) ---- */

/* Bucket and key from path and Host. */
lh_status door_request_address(struct s3_request *r, struct lh_error *err);
/* The signature, and what it says about the body. */
lh_status door_request_authenticate(struct s3_request *r, struct lh_error *err);
/* A header field, or the parameter of that name of a presigned request (there x-amz- fields may
 * stand in the query). ptr NULL: absent. */
lh_str door_request_field(const struct s3_request *r, const char *name);
lh_str door_request_query(const struct s3_request *r, const char *name);
bool door_request_has(const struct s3_request *r, const char *name);
/* A number of the query; absent leaves *out. INVALID "s3.InvalidArgument". */
lh_status door_request_number(const struct s3_request *r, const char *name, int64_t min,
                              int64_t max, int64_t *out, struct lh_error *err);
/* Fields that ask for something this door does not do, rather than being passed over: UNSUPPORTED
 * "s3.NotImplemented". */
lh_status door_request_promises_check(const struct s3_request *r, struct lh_error *err);
/* The key may be written, read. */
lh_status door_key_check_write(const struct s3_request *r, lh_str key, struct lh_error *err);
lh_status door_key_check_read(lh_str key, struct lh_error *err);
bool door_key_is_own(lh_str key);

/* ---- answers (s3_error.c) ---- */

void door_refuse(void *door, const struct lh_call *call, const struct lh_request *req,
                 const struct lh_error *err, struct lh_response *res);
/* The S3 code of a failure and its HTTP status. */
const char *door_error_code(const struct lh_error *err, int *http);
lh_status
door_answer_xml(struct s3_request *r, int status, struct lh_buf *xml, struct lh_error *err);
/* Element with escaped text. */
void door_xml_put(struct lh_buf *out, const char *name, lh_str text);
void door_xml_put_cstr(struct lh_buf *out, const char *name, const char *text);
void door_xml_put_u64(struct lh_buf *out, const char *name, uint64_t value);
void door_xml_put_time(struct lh_buf *out, const char *name, int64_t us);
void door_xml_put_etag(struct lh_buf *out, const struct lh_object_info *info);
void door_xml_escape(struct lh_buf *out, lh_str text);

/* The ETag as shown, without quotes. */
lh_str door_etag(const struct lh_object_info *info);
void door_etag_header(struct lh_response *res, const struct lh_object_info *info);

/* ---- conditions (s3_condition.c) ---- */

/* Of a write: judged on the object as it is, handed on to the store as what was found. */
struct s3_condition {
    struct lh_object_info old;
    bool has_old;
    bool if_absent;
    const char *if_match; /* ETag of the store; NULL: none */
};
lh_status
door_condition_read(const struct s3_request *r, struct s3_condition *c, struct lh_error *err);
/* Of a read; the fields begin with `prefix` ("" or "x-amz-copy-source-"). */
enum lh_condition door_condition_judge(const struct s3_request *r, const char *prefix,
                                       const struct lh_object_info *info);
bool door_etag_meets(lh_str list, const struct lh_object_info *info);

/* ---- metadata (s3_metadata.c) ---- */

/* Of the request, as lines `name:value`. INVALID "s3.MetadataTooLarge". */
lh_status door_metadata_read(const struct s3_request *r, struct lh_buf *out, struct lh_error *err);
/* As header fields of the answer. */
void door_metadata_answer(struct lh_response *res, struct lh_arena *arena, lh_str lines);
/* Value of one line; ptr NULL when there is none. */
lh_str door_metadata_find(lh_str lines, lh_str name);
const char *door_content_type(const struct s3_request *r);

/* ---- operations ---- */

lh_status door_buckets_list(struct s3_request *r, struct lh_error *err);
lh_status door_bucket_create(struct s3_request *r, struct lh_error *err);
lh_status door_bucket_delete(struct s3_request *r, struct lh_error *err);
lh_status door_bucket_head(struct s3_request *r, struct lh_error *err);
/* GET of ?location, ?versioning, ?acl and the like: *is_known false when it is none of them. */
lh_status door_bucket_setting_get(struct s3_request *r, bool *is_known, struct lh_error *err);
lh_status door_list_v1(struct s3_request *r, struct lh_error *err);
lh_status door_list_v2(struct s3_request *r, struct lh_error *err);

lh_status door_object_get(struct s3_request *r, struct lh_error *err);
lh_status door_object_put(struct s3_request *r, struct lh_error *err);
lh_status door_object_copy(struct s3_request *r, struct lh_error *err);
lh_status door_object_delete(struct s3_request *r, struct lh_error *err);
lh_status door_objects_delete(struct s3_request *r, struct lh_error *err);

lh_status door_upload_create(struct s3_request *r, struct lh_error *err);
lh_status door_upload_part(struct s3_request *r, struct lh_error *err);
lh_status door_upload_part_copy(struct s3_request *r, struct lh_error *err);
lh_status door_upload_complete(struct s3_request *r, struct lh_error *err);
lh_status door_upload_abort(struct s3_request *r, struct lh_error *err);
lh_status door_upload_parts_list(struct s3_request *r, struct lh_error *err);
lh_status door_uploads_list(struct s3_request *r, struct lh_error *err);

/* ---- shared steps ---- */

/* What x-amz-copy-source names, opened, its conditions judged. */
struct s3_source {
    struct lh_reader_at *reader;
    struct lh_object_info info;
    struct lh_bucket *b;
    lh_str key;
};
lh_status door_source_open(struct s3_request *r, struct s3_source *out, struct lh_error *err);
void door_source_fini(struct s3_source *s);
/* [from, from + length) of a reader into an upload, and through `md5` when it is not NULL. */
lh_status
door_bytes_copy(struct lh_call *call, struct lh_reader_at *reader, uint64_t from, uint64_t length,
                struct lh_upload *u, struct lh_checksum *md5, struct lh_error *err);
/* The body into an upload, checked, its MD5 set. */
lh_status door_body_store(struct s3_request *r, struct lh_upload *u, struct lh_error *err);
lh_status door_event_put(struct s3_request *r, const struct s3_condition *c,
                         const struct lh_object_info *info, struct lh_error *err);
/* One object with its event; absent is fine. */
lh_status
door_object_remove(struct s3_request *r, lh_str key, lh_str if_match, struct lh_error *err);

#endif
