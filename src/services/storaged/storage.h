/*
 * storage: what the files of storaged share.
 *
 * The service owns no state but the last health answer; buckets belong to the store. Requests come
 * in on any worker thread.
 */
#ifndef LH_SERVICES_STORAGED_STORAGE_H
#define LH_SERVICES_STORAGED_STORAGE_H

#include <pthread.h>
#include <stdatomic.h>
#include "services/service.h"

struct s3_door;

struct storage {
    const struct lh_env *env;
    struct s3_door *s3;       /* NULL: shut */
    uint64_t prove_first_max; /* larger answers are proven on the way when they are not yet */
    struct {
        pthread_mutex_t mutex;
        pthread_cond_t done;
        bool is_probing;
        int64_t probed_ms; /* 0: never */
        char *answer;      /* JSON text */
    } health;
    atomic_bool is_replicating, is_verifying; /* one at a time */
};

extern const struct lh_route storage_routes[];

lh_status storage_bucket_find(struct storage *s, struct lh_call *call, const struct lh_request *req,
                              struct lh_bucket **out, struct lh_error *err);

/* ---- objects (object_read.c, object_write.c) ---- */

lh_status storage_object_get(struct storage *s, struct lh_call *call, const struct lh_request *req,
                             struct lh_response *res, struct lh_error *err);
lh_status storage_object_put(struct storage *s, struct lh_call *call, struct lh_request *req,
                             struct lh_response *res, struct lh_error *err);
lh_status
storage_object_delete(struct storage *s, struct lh_call *call, const struct lh_request *req,
                      struct lh_response *res, struct lh_error *err);
/* {"objects":[…],"next_cursor":…} */
lh_status
storage_objects_list(struct storage *s, struct lh_call *call, const struct lh_request *req,
                     struct lh_response *res, struct lh_error *err);

/* What a caller who is held to a profile may not look at: objects of the services hold what his
 * profile may hide. */
lh_status storage_may_read(const struct lh_call *call, lh_str key, struct lh_error *err);

/* ETag with quotes, as HTTP has it. */
#define STORAGE_TAG_MAX (LH_ETAG_MAX + 2)
lh_str storage_tag(const struct lh_object_info *info, char text[STORAGE_TAG_MAX]);

/* What a write would replace (object_write.c). A damaged object can be replaced or removed; it has
 * no tag that a condition could name. */
lh_status storage_old_look(struct lh_bucket *b, struct lh_call *call, lh_str key,
                           struct lh_object_info *old, bool *has_old, struct lh_error *err);

/* ---- buckets and their health (bucket.c, health.c) ---- */

lh_status storage_buckets_list(struct storage *s, struct lh_call *call, struct lh_buf *out,
                               struct lh_error *err);
lh_status storage_bucket_add(struct storage *s, struct lh_call *call, const json_t *body,
                             struct lh_buf *out, struct lh_error *err);
/* CONFLICT "store.bucket_in_use" (extra: datasets) when a version still names it, unless forced. */
lh_status storage_bucket_remove(struct storage *s, struct lh_call *call, lh_str name,
                                bool is_forced, struct lh_error *err);
/* Probes every bucket, or gives the answer of a moment ago: probing writes, and must not be had for
 * free. `anew`: proves them under a race, even those that were. */
lh_status storage_health_print(struct storage *s, struct lh_call *call, bool anew,
                               struct lh_buf *out, struct lh_error *err);

/* ---- filling a rescue bucket (replicate.c) ---- */

lh_status storage_replicate(struct storage *s, struct lh_call *call, const struct lh_request *req,
                            struct lh_response *res, struct lh_error *err);

/* ---- reading everything again (verify.c) ---- */

lh_status storage_verify(struct storage *s, struct lh_call *call, const struct lh_request *req,
                         struct lh_response *res, struct lh_error *err);

/* ---- what happened (event.c) ---- */

struct storage_event {
    const char *entity_type;                          /* "object", "bucket" */
    const char *action;                               /* "object.put" */
    lh_str bucket, key;                               /* key "" for a bucket */
    const struct lh_object_info *old_info, *new_info; /* of an object; NULL: none */
};
/* Durable when it returns OK, so that a mutation is acknowledged with its event or not at all. */
lh_status storage_event_add(struct storage *s, struct lh_call *call, const struct storage_event *e,
                            struct lh_error *err);

/* A failure that is told to the caller within an answer that succeeds as a whole: the host does not
 * see it. */
void storage_failure_report(struct storage *s, struct lh_call *call, const struct lh_request *req,
                            struct lh_error *err);

#endif
