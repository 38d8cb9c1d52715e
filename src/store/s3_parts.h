/*
 * s3_parts: what the files of an S3 bucket share.
 */
#ifndef LH_STORE_S3_PARTS_H
#define LH_STORE_S3_PARTS_H

#include "base/id.h"
#include "store/s3_client.h"

#define S3_FIELD_SHA256 "x-amz-meta-lakehouse-sha256"
#define S3_FIELD_PUT "x-amz-meta-lakehouse-put"
#define S3_ONE_PUT_MAX (UINT64_C(5) << 30) /* bytes that one request may put */
#define S3_PARTS_MAX 10000                 /* of one upload */

/* Whether the store honours conditions when an upload in parts is completed. */
enum s3_ability { S3_NOT_KNOWN, S3_ABLE, S3_UNABLE };

struct s3_bucket {
    struct lh_bucket base; /* first */
    struct s3_client client;
    atomic_bool wants_bare_etags; /* compares If-Match of puts with its ETags as text, unquoted */
    atomic_int conditional_complete; /* enum s3_ability */
    atomic_llong swept_ms;           /* when abandoned uploads were last looked for */
};

static inline struct s3_bucket *
s3_of(struct lh_bucket *b)
{
    return (struct s3_bucket *)b;
}

/* ---- reading (s3_read.c) ---- */

/* HEAD: also gives the id of the put; "" when the object has none. */
lh_status s3_look(struct s3_bucket *b, struct lh_call *call, lh_str key,
                  struct lh_object_info *info, char put_id[LH_UUID_TEXT], struct lh_error *err);
lh_status s3_head(struct lh_bucket *b, struct lh_call *call, lh_str key,
                  struct lh_object_info *info, struct lh_error *err);
lh_status s3_open(struct lh_bucket *b, struct lh_call *call, lh_str key, struct lh_reader_at **out,
                  struct lh_error *err);
lh_status s3_read(struct lh_reader_at *r, struct lh_call *call, uint64_t offset, void *to, size_t n,
                  struct lh_error *err);
lh_status s3_file(struct lh_reader_at *r, struct lh_call *call, uint64_t offset, uint64_t length,
                  int *fd, struct lh_error *err);
bool s3_is_proven(const struct lh_reader_at *r, uint64_t offset, uint64_t length);
void s3_reader_free(struct lh_reader_at *r);

/* ---- listing (s3_list.c) ---- */

lh_status
s3_list(struct lh_bucket *b, struct lh_call *call, struct object_lister *l, struct lh_error *err);

/* ---- removing (s3_remove.c) ---- */

lh_status s3_remove(struct lh_bucket *b, struct lh_call *call, lh_str key, const char *if_match,
                    struct lh_error *err);
lh_status s3_remove_page(struct lh_bucket *b, struct lh_call *call,
                         const struct lh_object_list *page, struct lh_error *err);

/* ---- one put (s3_put.c) ---- */

/* Strings are borrowed. */
struct s3_put {
    struct s3_bucket *bucket;
    struct lh_call *call;
    lh_str key;
    bool if_absent;
    const char *if_match; /* NULL or "": none */
    const char *content_type;
    char sha256[LH_SHA256_HEX]; /* "": not known */
    char id[LH_UUID_TEXT];
    bool was_refused; /* out: the store itself said that the condition is not met */
};

/* Takes the conditions and the type; draws an id. */
void s3_put_init(struct s3_put *p, struct s3_bucket *b, struct lh_call *call, lh_str key,
                 const struct lh_put_options *o);
bool s3_put_is_conditional(const struct s3_put *p);
/* The fields that go with a new object; conditions come apart. */
void s3_put_fields(const struct s3_put *p, struct s3_request *r);
/* `value` holds the condition's value. */
void s3_put_conditions(const struct s3_put *p, struct s3_request *r, char value[LH_ETAG_MAX + 3]);

/* Sends `r`, which creates the object, until it is certain what became of it. `size_bytes` of it.
 */
lh_status s3_put_settle(struct s3_put *p, struct s3_request *r, uint64_t size_bytes,
                        struct lh_object_info *info, struct lh_error *err);
/* Bytes in memory, or of a file whose checksum is known, as one request. */
lh_status
s3_put_bytes(struct s3_put *p, lh_bytes bytes, struct lh_object_info *info, struct lh_error *err);
lh_status s3_put_file_part(struct s3_put *p, const struct s3_file_part *file,
                           struct lh_object_info *info, struct lh_error *err);
lh_status s3_file_hash(const struct s3_file_part *file, struct lh_call *call,
                       char sha256[LH_SHA256_HEX], struct lh_error *err);

/* ---- many parts (s3_multipart.c, s3_sweep.c) ---- */

struct s3_multipart;

lh_status
s3_multipart_begin(const struct s3_put *p, struct s3_multipart **out, struct lh_error *err);
/* Sends the next part, perhaps on another thread. Takes `bytes` (from the heap) when there are any;
 * a part of a file otherwise, whose descriptor must stay open. */
lh_status s3_multipart_add(struct s3_multipart *m, uint8_t *bytes, size_t n,
                           const struct s3_file_part *file, struct lh_error *err);
unsigned s3_multipart_count(const struct s3_multipart *m); /* parts that were added */
/* Waits for the parts and makes them the object. */
lh_status s3_multipart_complete(struct s3_multipart *m, uint64_t size_bytes,
                                struct lh_object_info *info, struct lh_error *err);
bool s3_multipart_was_refused(const struct s3_multipart *m);
/* Aborts what was not completed. NULL is fine. */
void s3_multipart_free(struct s3_multipart *m);
LH_AUTO_DEFINE(s3_multipart)

/* Bytes of part `number` (from 1): larger ones later, so that their number suffices. */
uint64_t s3_part_bytes(uint64_t part_bytes, unsigned number);

/* Finds out once for a bucket, by trying. */
lh_status s3_conditional_complete(struct s3_bucket *b, struct lh_call *call, bool *is_able,
                                  struct lh_error *err);
/* Aborts uploads that nobody completed for long; now and then, and what fails is left. */
void s3_sweep_abandoned(struct s3_bucket *b, struct lh_call *call);

/* ---- uploads and files (s3_upload.c) ---- */

lh_status s3_upload_begin(struct lh_bucket *b, lh_str key, const struct lh_put_options *options,
                          struct lh_upload **out, struct lh_error *err);
lh_status s3_upload_write(struct lh_upload *u, lh_bytes bytes, struct lh_error *err);
lh_status s3_upload_commit(struct lh_upload *u, struct lh_object_info *info, struct lh_error *err);
void s3_upload_free(struct lh_upload *u);
lh_status s3_put_file(struct lh_bucket *b, struct lh_call *call, lh_str key, const char *path,
                      const struct lh_put_options *options, uint64_t size_max,
                      struct lh_object_info *info, struct lh_error *err);

#endif
