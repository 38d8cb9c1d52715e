/*
 * s3_client: signed requests to one bucket of a store, tried again as far as that is right.
 *
 * A request is repeated when nothing can have been done by it, or when doing it twice is doing it
 * once. One that `is_sent_once` comes back with `is_unknown` instead when something may have been
 * done: its caller looks (s3_put.c). Keys that the store no longer takes are loaded anew, and a
 * clock that differs from the store's is made up for, once each for a request.
 *
 * Bytes that come back go into a buffer of the answer, or straight to where an `s3_into` says; an
 * answer that broke off is continued from the byte it broke off at, pinned to its ETag.
 *
 * Threads  a client may be used by all threads; a request and its answer belong to one.
 */
#ifndef LH_STORE_S3_CLIENT_H
#define LH_STORE_S3_CLIENT_H

#include "store/s3_error.h"
#include "store/s3_keys.h"
#include "store/s3_retry.h"
#include "store/s3_settings.h"

#define S3_FIELDS_MAX 12
#define S3_ANSWER_MAX ((size_t)16 << 20) /* of answers that are not objects */

enum s3_op {
    S3_GET,
    S3_HEAD,
    S3_PUT,
    S3_DELETE,
    S3_LIST,
    S3_CREATE, /* of an upload in parts */
    S3_PART,
    S3_COMPLETE,
    S3_ABORT,
    S3_OP_COUNT
};

struct s3_client_metrics {
    struct lh_metric *ok[S3_OP_COUNT], *refused[S3_OP_COUNT], *failed[S3_OP_COUNT];
    struct lh_metric *seconds[S3_OP_COUNT];
    struct lh_metric *retries, *sent_bytes, *received_bytes, *out_of_budget, *read_backs, *clock;
};

struct s3_client {
    struct lh_bucket *bucket; /* for names in errors */
    struct s3_shared *shared;
    char *origin; /* "https://host:port" */
    char *host;   /* the field Host */
    char *prefix; /* of paths: "/bucket", or "" when the bucket is in the host */
    char *region;
    struct s3_keys keys;
    struct s3_budget budget;
    atomic_llong clock_us; /* the store's clock minus ours */
    atomic_llong seen_ms;  /* when the bucket was last seen to exist */
    struct s3_client_metrics metrics;
};

void s3_client_init(struct s3_client *c, struct lh_bucket *bucket, struct s3_shared *shared,
                    const struct lh_bucket_spec *spec);
void s3_client_fini(struct s3_client *c);

/* A range of an object, or all of it, into memory or a buffer. */
struct s3_into {
    uint64_t offset;
    uint64_t length; /* UINT64_MAX: all; the first answer fills it in */
    uint64_t got;
    bool is_up_to;               /* less when the object ends before */
    char etag[LH_ETAG_MAX];      /* pins the version; "": the first answer fills it in */
    struct lh_object_info *info; /* filled by the first answer; may be NULL */
    uint8_t *to;                 /* or */
    struct lh_buf *buf;          /* appended to */
    struct lh_sha256 *sha;       /* of what passes; may be NULL */
};

/* Part of a file, as a body. */
struct s3_file_part {
    int fd;
    uint64_t offset, length;
};

struct s3_request {
    enum s3_op op;
    enum lh_method method;
    lh_str key;        /* "": the bucket itself */
    const char *query; /* encoded; NULL for none */
    struct lh_header headers[S3_FIELDS_MAX];
    size_t header_count;
    lh_bytes body;
    const struct s3_file_part *file; /* instead of body; payload_sha256 is set then */
    const char *payload_sha256;      /* hex; NULL: computed */
    struct s3_into *into;
    bool is_sent_once;
};

struct s3_answer {
    struct lh_call call; /* what the fields live in */
    struct lh_client_answer http;
    struct s3_failure failure; /* of the last attempt, when that got an answer */
    bool is_unknown;
};

/* Fails for every status but 2xx. The answer is to be ended in any case. */
lh_status s3_send(struct s3_client *c, struct lh_call *call, struct s3_request *r,
                  struct s3_answer *a, struct lh_error *err);
void s3_answer_fini(struct s3_answer *a);
lh_str s3_answer_field(const struct s3_answer *a, const char *name);
void s3_request_field(struct s3_request *r, const char *name, lh_str value);

/* ETag, size, time, content type and checksum from the fields of an answer. */
lh_status s3_info_read(const struct s3_client *c, lh_str key, const struct lh_header *headers,
                       size_t count, struct lh_object_info *info, struct lh_error *err);

/* Waits before attempt `n` of what the caller itself repeats. False: attempts, budget or time are
 * used up, and the failure before is the answer. */
bool s3_may_repeat(struct s3_client *c, struct lh_call *call, unsigned n, int64_t retry_after_ms);

#endif
