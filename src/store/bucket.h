/*
 * bucket: objects in a named place. One interface, several backends.
 *
 * An object is immutable bytes under a key with an ETag, a size and a time; putting again replaces
 * it as a whole, never in part. What a successful put returns is durable (file and folder are
 * synced). Readers see the old object or the new one. An ETag belongs to one put: the same bytes
 * put again have another, so a comparison is never fooled by a change there and back.
 *
 * Conditions   if_absent (`If-None-Match: *`) and if_match are atomic against every other process
 *              that writes the bucket; the loser gets CONFLICT "store.precondition". They are what
 *              the catalog's commits stand on.
 * Checksums    a put computes SHA-256 of the whole and CRC-32C of each block; every read is checked
 *              against the blocks it touches and fails with CORRUPT "store.checksum" rather than
 *              return bytes that were not written. Blocks that were proven once while a file stays
 *              as it is (device, inode, size, change time) are not proven again.
 * Fails        NOT_FOUND "store.no_object" | "store.no_bucket"; CONFLICT "store.precondition" |
 *              "store.key_is_prefix" | "store.object_changed"; TOO_BIG "store.object_too_big";
 *              NO_SPACE "store.no_space"; DENIED "store.read_only" | "store.symlink"; BUSY
 *              "store.too_many_puts"; UNSUPPORTED "store.conditions_ignored"; CORRUPT; UNAVAILABLE,
 *              "store.outcome_unknown" when it cannot be told whether a put was made; IO. Failures
 *              of the bucket itself carry its name and the key as extra members "bucket" and
 *              "object".
 * Elsewhere    what a bucket in S3 promises less or differently stands in store/s3.h.
 * Threads      a bucket and a reader may be used by all threads, an upload by one at a time.
 */
#ifndef LH_STORE_BUCKET_H
#define LH_STORE_BUCKET_H

#include <stdatomic.h>
#include "base/buf.h"
#include "base/hash.h"
#include "net/call.h"
#include "store/key.h"

#define LH_ETAG_MAX 80
#define LH_CONTENT_TYPE_MAX 128 /* with NUL */
#define LH_MD5_ETAG_MAX 40
#define LH_OBJECT_METADATA_MAX 3072

struct lh_bucket; /* owned by the store (store/store.h) */

struct lh_object_info {
    char etag[LH_ETAG_MAX];         /* without quotes */
    char sha256[LH_SHA256_HEX];     /* "" when the backend does not know it */
    char md5_etag[LH_MD5_ETAG_MAX]; /* as S3 counts ETags: MD5 in hex, "-parts" behind a multipart
                                       one; "" when nobody gave one */
    char content_type[LH_CONTENT_TYPE_MAX];
    uint64_t size_bytes;
    int64_t modified_us;
};

struct lh_put_options {
    bool if_absent;
    const char *if_match;        /* ETag, "*" for any, or NULL */
    const char *content_type;    /* NULL: application/octet-stream */
    const char *expected_sha256; /* hex or NULL; else INVALID "store.checksum_mismatch" */
    lh_str metadata;    /* kept with the object as it is; UNSUPPORTED "store.no_metadata" where the
                           bucket keeps none, INVALID "store.metadata_too_big" */
    uint64_t size_max;  /* 0: the bucket's limit */
    uint64_t size_hint; /* announced, so that too much is refused at once; 0: not known */
};

const char *lh_bucket_name(const struct lh_bucket *b);
/* Whether a put may bring metadata. */
bool lh_bucket_keeps_metadata(const struct lh_bucket *b);

/* ---- writing ---- */

lh_status lh_object_put(struct lh_bucket *b, struct lh_call *call, lh_str key, lh_bytes bytes,
                        const struct lh_put_options *options, struct lh_object_info *info,
                        struct lh_error *err);
/* Takes the file at `path` as the object: a local bucket on the same file system renames it (the
 * path is gone after success), others copy it and unlink it. On failure the file stays.
 * `info->sha256` is computed on the way. */
lh_status lh_object_put_file(struct lh_bucket *b, struct lh_call *call, lh_str key,
                             const char *path, const struct lh_put_options *options,
                             struct lh_object_info *info, struct lh_error *err);

/* Bytes as they come: begin, write…, commit. Freeing an uncommitted upload leaves no trace. */
struct lh_upload;
/* The call must outlive the upload. */
lh_status
lh_upload_begin(struct lh_bucket *b, struct lh_call *call, lh_str key,
                const struct lh_put_options *options, struct lh_upload **out, struct lh_error *err);
lh_status lh_upload_write(struct lh_upload *u, lh_bytes bytes, struct lh_error *err);
/* Before commit: MD5 of the bytes, or of the MD5s of their `parts` parts (0: not in parts). A
 * bucket that counts its own ETags does without. */
void lh_upload_md5_set(struct lh_upload *u, const uint8_t md5[16], unsigned parts);
lh_status lh_upload_commit(struct lh_upload *u, struct lh_object_info *info, struct lh_error *err);
void lh_upload_free(struct lh_upload *u);
LH_AUTO_DEFINE(lh_upload)

lh_status lh_object_delete(struct lh_bucket *b, struct lh_call *call, lh_str key,
                           const char *if_match, struct lh_error *err); /* absent: NOT_FOUND */
/* Removes every object under the prefix (not ""), many at a time where the store can; what is put
 * there meanwhile may stay. */
lh_status lh_object_delete_under(struct lh_bucket *b, struct lh_call *call, lh_str prefix,
                                 struct lh_error *err);

/* ---- reading ---- */

lh_status lh_object_head(struct lh_bucket *b, struct lh_call *call, lh_str key,
                         struct lh_object_info *info, struct lh_error *err);
/* The whole object, appended to `out` (whose maximum applies). `info` may be NULL. */
lh_status lh_object_get(struct lh_bucket *b, struct lh_call *call, lh_str key, struct lh_buf *out,
                        struct lh_object_info *info, struct lh_error *err);

/* One version of an object, pinned: replacing or deleting the key does not disturb a reader. */
struct lh_reader_at;
lh_status
lh_object_open(struct lh_bucket *b, struct lh_call *call, lh_str key, struct lh_reader_at **out,
               struct lh_object_info *info, struct lh_error *err);
/* Exactly n bytes from offset; past the end is INVALID "store.range". Checked. */
lh_status lh_reader_at_read(struct lh_reader_at *r, struct lh_call *call, uint64_t offset, void *to,
                            size_t n, struct lh_error *err);
/* A descriptor for sendfile over [offset, offset + length), proven against the checksums before it
 * is given out; -1 in *fd when the backend has none, and the caller reads instead. The caller
 * closes it. */
lh_status lh_reader_at_file(struct lh_reader_at *r, struct lh_call *call, uint64_t offset,
                            uint64_t length, int *fd, struct lh_error *err);
/* What was given with the put, as long as the reader lives. */
lh_str lh_reader_at_metadata(const struct lh_reader_at *r);
/* Whether lh_reader_at_file over that range would cost nothing. */
bool lh_reader_at_is_proven(const struct lh_reader_at *r, uint64_t offset, uint64_t length);
/* What reads cost and saved, summed over the readers that were told to add to it. Bytes of the
 * caches are counted in pages of 4 KiB. */
struct lh_read_tally {
    atomic_uint_fast64_t remote_bytes, remote_requests, memory_bytes, disk_bytes;
};
/* Before the first read: adds to `tally` (NULL: nobody counts) until freed, beginning with the
 * request that opened a remote object. `is_exact`: the reader asks for all it will need, so nothing
 * is read ahead of it.
 */
void lh_reader_at_use(struct lh_reader_at *r, struct lh_read_tally *tally, bool is_exact);
void lh_reader_at_free(struct lh_reader_at *r);
LH_AUTO_DEFINE(lh_reader_at)

struct lh_object_entry {
    const char *key;
    struct lh_object_info info; /* sha256 and content_type are "" in a list */
};

/* Keys in byte order from just after `after` ("" from the start) that begin with `prefix`. `limit`
 * 0 is 1,000; more than 100,000 is that. */
struct lh_object_list {
    struct lh_object_entry *items;
    size_t count;
    bool has_more; /* go on after the last key */
    struct lh_arena arena;
};
lh_status lh_object_list(struct lh_bucket *b, struct lh_call *call, lh_str prefix, lh_str after,
                         size_t limit, struct lh_object_list **out, struct lh_error *err);
/* Everything under the prefix, page by page; stops when `visit` fails and returns its status. */
lh_status lh_object_walk(struct lh_bucket *b, struct lh_call *call, lh_str prefix,
                         lh_status (*visit)(void *self, const struct lh_object_entry *entry,
                                            struct lh_error *err),
                         void *self, struct lh_error *err);
void lh_object_list_free(struct lh_object_list *l);
LH_AUTO_DEFINE(lh_object_list)

/* ---- what a bucket can do ---- */

/* Proven by doing it (scratch objects under _probe/), not by believing: create-if-absent,
 * compare-and-swap, range, list, checksums. `detail` says what failed first. */
struct lh_bucket_health {
    bool is_reachable, can_write, has_create_if_absent, has_compare_and_swap, has_range, has_list,
        has_checksums;
    bool ignores_conditions; /* seen to: two writers were told that they had won */
    int64_t latency_us;
    char detail[256];
};
/* One thing after the other; what a healthy bucket does in milliseconds. */
void lh_bucket_probe(struct lh_bucket *b, struct lh_call *call, struct lh_bucket_health *out);
/* The same, and then under a race: writers at once on one key, of whom exactly one may create it,
 * and rounds of compare-and-swap that must lose no update. Once for a bucket, not for every look.
 */
void lh_bucket_prove(struct lh_bucket *b, struct lh_call *call, struct lh_bucket_health *out);
/* Whether reads leave it out for a while, because it keeps failing and another stands in. */
bool lh_bucket_is_spared(struct lh_bucket *b);
/* Known from now on to accept conditions and ignore them: conditional puts are refused (UNSUPPORTED
 * "store.conditions_ignored", with `why`), since what commits by them would lose data. */
void lh_bucket_distrust(struct lh_bucket *b, const char *why);

#endif
