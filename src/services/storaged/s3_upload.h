/*
 * s3 upload: uploads in parts, as objects of the bucket they are for.
 *
 *     _s3/uploads/<id>/info.json    key, content type, metadata, time; put when the upload is made
 *     _s3/uploads/<id>/part.00001   one object a part; a part that is sent again replaces it
 *
 * `id` is a UUIDv7. All of it is durable before it is acknowledged, any process can go on with it,
 * and the bytes of a part are in the same file system as the object they will be.
 *
 * Completing   checks the list of parts, copies them one after the other into an ordinary upload
 *              of the store, which publishes the object at once and whole with checksums and
 *              condition of its own, then removes the parts. The object remembers the id of its
 *              upload (metadata line `!upload`): whoever completes again, because the answer was
 *              lost, is told the same, and no upload can be half of two objects.
 * Collecting   what has not been touched for s3_door.upload_ttl is removed (s3_sweep.c).
 * Format       docs/formats/s3-uploads.md
 */
#ifndef LH_SERVICES_STORAGED_S3_UPLOAD_H
#define LH_SERVICES_STORAGED_S3_UPLOAD_H

#include "services/storaged/s3.h"

#define S3_UPLOADS_PREFIX "_s3/uploads/"
#define S3_PARTS_MAX 10000
#define S3_PART_BYTES_MIN ((uint64_t)5 << 20) /* of all but the last */
#define S3_UPLOAD_LINE "!upload"

struct s3_upload_info {
    lh_str id, key, content_type, metadata;
    int64_t created_us;
};

/* NOT_FOUND "s3.NoSuchUpload" for a text that is no id, too. Strings in the call's arena. */
lh_status door_upload_info_load(struct lh_bucket *b, struct lh_call *call, lh_str id,
                                struct s3_upload_info *out, struct lh_error *err);
/* The upload that the request names, for the key it names. */
lh_status door_upload_find(struct s3_request *r, struct s3_upload_info *out, struct lh_error *err);
/* Every upload in the bucket, in the order of ids; stops when `visit` fails. */
lh_status door_uploads_walk(struct lh_bucket *b, struct lh_call *call,
                            lh_status (*visit)(void *self, lh_str id, struct lh_error *err),
                            void *self, struct lh_error *err);
/* "_s3/uploads/<id>/" */
lh_str door_upload_folder(struct lh_arena *arena, lh_str id);
lh_str door_part_key(struct lh_arena *arena, lh_str id, int64_t number);
bool door_part_number(lh_str key, int64_t *number);
/* Info first, so that nobody adds to what is going; then the parts. */
lh_status
door_upload_remove(struct lh_bucket *b, struct lh_call *call, lh_str id, struct lh_error *err);

/* ---- collecting (s3_sweep.c) ---- */

lh_status door_sweeper_start(struct s3_door *d, struct s3_sweeper **out, struct lh_error *err);
void door_sweeper_stop(struct s3_sweeper *s); /* NULL is fine; waits */

#endif
