/*
 * The same steps for every kind of bucket: look at the key and the call, hold the limits, hand on
 * to the backend, count what came of it.
 */
#include "store/bucket.h"

#include <inttypes.h>
#include <stdlib.h>
#include "base/alloc.h"
#include "base/json.h"
#include "base/time.h"
#include "store/block_cache.h"
#include "store/rescue.h"

static const char *const op_names[BUCKET_OP_COUNT] = {"put", "get", "head", "delete", "list"};

/* ---- birth and death ---- */

static void
metrics_init(struct bucket_metrics *m, const char *bucket)
{
    for (int i = 0; i < BUCKET_OP_COUNT; i++) {
        m->count[i] = lh_counter("lakehouse_store_operations_total",
                                 "Operations on objects, failed ones included.", "bucket,operation",
                                 bucket, op_names[i], NULL);
        m->failures[i] = lh_counter("lakehouse_store_failures_total",
                                    "Operations on objects that the bucket itself failed: disk, "
                                    "checksum, space, reachability.",
                                    "bucket,operation", bucket, op_names[i], NULL);
        m->seconds[i] =
            lh_histogram("lakehouse_store_seconds", "Duration of operations on objects.",
                         "bucket,operation", bucket, op_names[i], NULL);
    }
    m->read_bytes = lh_counter("lakehouse_store_read_bytes_total", "Bytes read from objects.",
                               "bucket", bucket, NULL);
    m->written_bytes = lh_counter("lakehouse_store_written_bytes_total",
                                  "Bytes of objects that were put.", "bucket", bucket, NULL);
    m->checksum_failures =
        lh_counter("lakehouse_store_checksum_failures_total",
                   "Blocks of objects that did not match their checksum.", "bucket", bucket, NULL);
    m->proven_hits = lh_counter("lakehouse_store_proven_hits_total",
                                "Blocks read that were proven against their checksum before.",
                                "bucket", bucket, NULL);
    m->proven_misses =
        lh_counter("lakehouse_store_proven_misses_total",
                   "Blocks that had to be proven against their checksum.", "bucket", bucket, NULL);
}

void
bucket_init(struct lh_bucket *b, const struct bucket_ops *ops, const char *name,
            struct store_limits *limits)
{
    b->ops = ops;
    b->name = lh_strdup(name);
    b->limits = limits;
    metrics_init(&b->metrics, name);
}

void
bucket_fini(struct lh_bucket *b)
{
    block_source_free(b->blocks);
    b->blocks = NULL;
    bucket_rescue_free(b->rescue);
    b->rescue = NULL;
    free((char *)(uintptr_t)atomic_load(&b->distrust));
    free(b->name);
    b->name = NULL;
}

void
bucket_free(struct lh_bucket *b)
{
    if (b)
        b->ops->free(b);
}

const char *
lh_bucket_name(const struct lh_bucket *b)
{
    return b->name;
}

bool
lh_bucket_keeps_metadata(const struct lh_bucket *b)
{
    return b->ops->keeps_metadata && b->ops->keeps_metadata(b);
}

/* ---- refusals ---- */

lh_status
bucket_fail_no_object(const struct lh_bucket *b, lh_str key, struct lh_error *err)
{
    return lh_fail(err, LH_NOT_FOUND, "store.no_object", "bucket '%s' has no object '%.*s'",
                   b->name, LH_FMT(lh_str_fit(key, 300)));
}

lh_status
bucket_fail_precondition(const struct lh_bucket *b, lh_str key, const char *wanted,
                         const char *found, struct lh_error *err)
{
    lh_str shown = lh_str_fit(key, 200);

    if (!wanted)
        return lh_fail(err, LH_CONFLICT, "store.precondition",
                       "object '%.*s' exists already in bucket '%s'", LH_FMT(shown), b->name);
    if (!found)
        return lh_fail(
            err, LH_CONFLICT, "store.precondition",
            "object '%.*s' with ETag %.80s was asked for, bucket '%s' has no such object",
            LH_FMT(shown), wanted, b->name);
    return lh_fail(err, LH_CONFLICT, "store.precondition",
                   "object '%.*s' in bucket '%s' has ETag %s, not %.80s", LH_FMT(shown), b->name,
                   found, wanted);
}

void
bucket_error_subject(const struct lh_bucket *b, lh_str key, struct lh_error *err)
{
    LH_AUTO_BUF(json, (size_t)16 << 10);
    struct lh_json_writer w = lh_json_writer_over(&json);

    lh_json_object_begin(&w);
    lh_json_set_cstr(&w, "bucket", b->name);
    lh_json_set_str(&w, "object", key);
    lh_json_object_end(&w);
    lh_error_extra_set(err, lh_buf_cstr(&json));
}

lh_status
bucket_fail_checksum(const struct lh_bucket *b, lh_str key, const char *what, struct lh_error *err)
{
    lh_metric_add(b->metrics.checksum_failures, 1);
    (void)lh_fail(err, LH_CORRUPT, "store.checksum", "object '%.*s' in bucket '%s': %s",
                  LH_FMT(lh_str_fit(key, 300)), b->name, what);
    bucket_error_subject(b, key, err);
    return LH_CORRUPT;
}

bool
bucket_etag_meets(const char *if_match, const char *etag)
{
    return strcmp(if_match, "*") == 0 || strcmp(if_match, etag) == 0;
}

/* ---- measuring ---- */

/* A refusal that the caller brought about is no failure of the bucket. */
static bool
is_bucket_failure(lh_status status)
{
    return status == LH_NO_SPACE || status == LH_UNAVAILABLE || status == LH_CORRUPT ||
           status == LH_IO || status == LH_BUG;
}

static lh_status
measured(struct lh_bucket *b, enum bucket_op op, int64_t began_ns, lh_status status)
{
    lh_metric_add(b->metrics.count[op], 1);
    if (is_bucket_failure(status))
        lh_metric_add(b->metrics.failures[op], 1);
    lh_metric_observe_ns(b->metrics.seconds[op], lh_time_mono_ns() - began_ns);
    return status;
}

static void
written(struct lh_bucket *b, uint64_t bytes)
{
    lh_metric_add(b->metrics.written_bytes, (int64_t)bytes);
}

/* ---- writing ---- */

static lh_status
content_type_check(const char *content_type, struct lh_error *err)
{
    size_t max = sizeof(((struct lh_object_info *)NULL)->content_type) - 1;
    size_t len = content_type ? strlen(content_type) : 0;

    if (len > max)
        return lh_fail(err, LH_INVALID, "store.content_type",
                       "the content type has %zu bytes, %zu are allowed", len, max);
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)content_type[i] < 0x20 || content_type[i] == 0x7f)
            return lh_fail(err, LH_INVALID, "store.content_type",
                           "the content type has a control character");
    return LH_OK;
}

static lh_status
metadata_check(const struct lh_bucket *b, lh_str metadata, struct lh_error *err)
{
    if (metadata.len == 0)
        return LH_OK;
    if (metadata.len > LH_OBJECT_METADATA_MAX)
        return lh_fail(err, LH_INVALID, "store.metadata_too_big",
                       "the metadata has %zu bytes, %d are allowed", metadata.len,
                       LH_OBJECT_METADATA_MAX);
    if (!lh_bucket_keeps_metadata(b))
        return lh_fail(err, LH_UNSUPPORTED, "store.no_metadata",
                       "bucket '%s' cannot keep metadata with its objects", b->name);
    return LH_OK;
}

static lh_status
expected_sha256_check(const char *hex, struct lh_error *err)
{
    if (hex && (strlen(hex) != LH_SHA256_HEX - 1 ||
                strspn(hex, "0123456789abcdefABCDEF") != LH_SHA256_HEX - 1))
        return lh_fail(err, LH_INVALID, "store.checksum_form",
                       "the expected SHA-256 is not 64 hexadecimal digits");
    return LH_OK;
}

static lh_status
put_check(const struct lh_bucket *b, struct lh_call *call, lh_str key,
          const struct lh_put_options *options, struct lh_error *err)
{
    LH_TRY(lh_key_check(key, err));
    LH_TRY(metadata_check(b, options->metadata, err));
    LH_TRY(content_type_check(options->content_type, err));
    LH_TRY(expected_sha256_check(options->expected_sha256, err));
    if (options->if_absent && options->if_match)
        return lh_fail(err, LH_INVALID, "store.conditions",
                       "an object cannot be put both if absent and if its ETag matches");
    return lh_call_check(call, err);
}

static const struct lh_put_options no_options;

/* A rescue bucket holds what replication put there and nothing else: what stands in for another
 * bucket must be what that one had. */
static lh_status
writable_check(const struct lh_bucket *b, const struct lh_put_options *o, struct lh_error *err)
{
    const char *distrust = atomic_load(&b->distrust);

    if (b->is_rescue)
        return lh_fail(err, LH_DENIED, "store.rescue_read_only",
                       "bucket '%s' is a rescue bucket: only replication writes there", b->name);
    if (distrust && o && (o->if_absent || o->if_match))
        return lh_fail(err, LH_UNSUPPORTED, "store.conditions_ignored",
                       "bucket '%s' accepts conditions and ignores them (%s): nothing may commit "
                       "there",
                       b->name, distrust);
    return LH_OK;
}

/* Once: who is distrusted stays so while the process lives. */
void
lh_bucket_distrust(struct lh_bucket *b, const char *why)
{
    const char *none = NULL;
    char *text = lh_strdup(why);

    if (!atomic_compare_exchange_strong(&b->distrust, &none, text))
        free(text);
}

lh_status
bucket_upload_begin(struct lh_bucket *b, struct lh_call *call, lh_str key,
                    const struct lh_put_options *options, struct lh_upload **out,
                    struct lh_error *err)
{
    const struct lh_put_options *o = options ? options : &no_options;
    uint64_t size_max = store_limits_size_max(b->limits, key, o->size_max);
    int64_t began_ns = lh_time_mono_ns();
    struct lh_upload *u;
    lh_status status;

    LH_TRY(put_check(b, call, key, o, err));
    LH_TRY(store_limits_size_check(key, o->size_hint, size_max, err));
    LH_TRY(store_limits_put_enter(b->limits, err));
    status = b->ops->upload_begin(b, key, o, &u, err);
    if (status != LH_OK) {
        store_limits_put_leave(b->limits);
        return measured(b, BUCKET_PUT, began_ns, status);
    }
    u->bucket = b;
    u->call = call;
    u->size_max = size_max;
    u->began_ns = began_ns;
    (void)lh_str_copy(u->key, sizeof(u->key), key);
    *out = u;
    return LH_OK;
}

lh_status
lh_upload_begin(struct lh_bucket *b, struct lh_call *call, lh_str key,
                const struct lh_put_options *options, struct lh_upload **out, struct lh_error *err)
{
    LH_TRY(writable_check(b, options, err));
    return bucket_upload_begin(b, call, key, options, out, err);
}

static lh_status
upload_take(struct lh_upload *u, lh_bytes bytes, struct lh_error *err)
{
    uint64_t size = u->size_bytes + bytes.len;

    LH_TRY(lh_call_check(u->call, err));
    LH_TRY(store_limits_size_check(lh_str_of(u->key), size, u->size_max, err));
    LH_TRY(u->bucket->ops->upload_write(u, bytes, err));
    u->size_bytes = size;
    return LH_OK;
}

static lh_status
upload_over(const struct lh_upload *u, struct lh_error *err)
{
    if (u->is_over)
        return lh_fail(err, LH_BUG, "store.upload_over", "the upload of '%.200s' is over", u->key);
    return LH_OK;
}

lh_status
lh_upload_write(struct lh_upload *u, lh_bytes bytes, struct lh_error *err)
{
    LH_TRY(upload_over(u, err));
    u->outcome = upload_take(u, bytes, err);
    u->is_over = u->outcome != LH_OK;
    return u->outcome;
}

void
lh_upload_md5_set(struct lh_upload *u, const uint8_t md5[16], unsigned parts)
{
    u->md5 = (struct object_md5){.is_known = true, .parts = parts};
    memcpy(u->md5.digest, md5, sizeof(u->md5.digest));
}

static lh_status
upload_publish(struct lh_upload *u, struct lh_object_info *got, struct lh_error *err)
{
    LH_TRY(lh_call_check(u->call, err));
    return u->bucket->ops->upload_commit(u, got, err);
}

lh_status
lh_upload_commit(struct lh_upload *u, struct lh_object_info *info, struct lh_error *err)
{
    struct lh_object_info got = {0};

    LH_TRY(upload_over(u, err));
    u->is_over = true;
    u->outcome = upload_publish(u, &got, err);
    LH_TRY(u->outcome);
    written(u->bucket, u->size_bytes);
    if (info)
        *info = got;
    return LH_OK;
}

void
lh_upload_free(struct lh_upload *u)
{
    struct lh_bucket *b;

    if (!u)
        return;
    b = u->bucket;
    (void)measured(b, BUCKET_PUT, u->began_ns, u->outcome);
    b->ops->upload_free(u);
    store_limits_put_leave(b->limits);
}

lh_status
lh_object_put(struct lh_bucket *b, struct lh_call *call, lh_str key, lh_bytes bytes,
              const struct lh_put_options *options, struct lh_object_info *info,
              struct lh_error *err)
{
    LH_AUTO(lh_upload) *u = NULL;

    LH_TRY(lh_upload_begin(b, call, key, options, &u, err));
    LH_TRY(lh_upload_write(u, bytes, err));
    return lh_upload_commit(u, info, err);
}

static lh_status
put_file(struct lh_bucket *b, struct lh_call *call, lh_str key, const char *path,
         const struct lh_put_options *options, struct lh_object_info *info, struct lh_error *err)
{
    uint64_t size_max = store_limits_size_max(b->limits, key, options->size_max);
    lh_status status;

    LH_TRY(writable_check(b, options, err));
    LH_TRY(put_check(b, call, key, options, err));
    LH_TRY(store_limits_put_enter(b->limits, err));
    status = b->ops->put_file(b, call, key, path, options, size_max, info, err);
    store_limits_put_leave(b->limits);
    return status;
}

lh_status
lh_object_put_file(struct lh_bucket *b, struct lh_call *call, lh_str key, const char *path,
                   const struct lh_put_options *options, struct lh_object_info *info,
                   struct lh_error *err)
{
    int64_t began_ns = lh_time_mono_ns();
    struct lh_object_info got = {0};

    LH_TRY(measured(b, BUCKET_PUT, began_ns,
                    put_file(b, call, key, path, options ? options : &no_options, &got, err)));
    written(b, got.size_bytes);
    if (info)
        *info = got;
    return LH_OK;
}

lh_status
bucket_delete(struct lh_bucket *b, struct lh_call *call, lh_str key, const char *if_match,
              struct lh_error *err)
{
    int64_t began_ns = lh_time_mono_ns();

    LH_TRY(lh_key_check(key, err));
    LH_TRY(lh_call_check(call, err));
    return measured(b, BUCKET_DELETE, began_ns, b->ops->remove(b, call, key, if_match, err));
}

lh_status
lh_object_delete(struct lh_bucket *b, struct lh_call *call, lh_str key, const char *if_match,
                 struct lh_error *err)
{
    LH_TRY(writable_check(b, NULL, err));
    return bucket_delete(b, call, key, if_match, err);
}

#define REMOVE_PAGE 1000

static lh_status
page_remove(struct lh_bucket *b, struct lh_call *call, const struct lh_object_list *page,
            struct lh_error *err)
{
    int64_t began_ns = lh_time_mono_ns();

    if (b->ops->remove_page)
        return measured(b, BUCKET_DELETE, began_ns, b->ops->remove_page(b, call, page, err));
    for (size_t i = 0; i < page->count; i++) {
        LH_AUTO_ERROR(why);
        lh_status status = bucket_delete(b, call, lh_str_of(page->items[i].key), NULL, &why);

        if (status == LH_OK || status == LH_NOT_FOUND)
            continue;
        if (err)
            lh_error_copy(err, &why);
        return status;
    }
    return LH_OK;
}

lh_status
lh_object_delete_under(struct lh_bucket *b, struct lh_call *call, lh_str prefix,
                       struct lh_error *err)
{
    LH_AUTO(lh_object_list) *page = NULL;
    lh_str after = LH_STR("");

    LH_TRY(writable_check(b, NULL, err));
    if (prefix.len == 0)
        return lh_fail(err, LH_BUG, "store.prefix", "everything in a bucket was to be removed");
    do {
        LH_AUTO(lh_object_list) *next = NULL;
        LH_TRY(lh_object_list(b, call, prefix, after, REMOVE_PAGE, &next, err));
        if (next->count > 0)
            LH_TRY(page_remove(b, call, next, err));
        lh_object_list_free(page);
        page = lh_take(next);
        after = page->count > 0 ? lh_str_of(page->items[page->count - 1].key) : LH_STR("");
    } while (page->has_more);
    return LH_OK;
}

/* ---- reading ---- */

lh_status
bucket_head(struct lh_bucket *b, struct lh_call *call, lh_str key, struct lh_object_info *info,
            struct lh_error *err)
{
    int64_t began_ns = lh_time_mono_ns();
    struct lh_object_info got = {0};

    LH_TRY(measured(b, BUCKET_HEAD, began_ns, b->ops->head(b, call, key, &got, err)));
    *info = got;
    return LH_OK;
}

lh_status
lh_object_head(struct lh_bucket *b, struct lh_call *call, lh_str key, struct lh_object_info *info,
               struct lh_error *err)
{
    LH_TRY(lh_key_check(key, err));
    LH_TRY(lh_call_check(call, err));
    return b->rescue ? rescue_head(b, call, key, info, err) : bucket_head(b, call, key, info, err);
}

lh_status
bucket_open(struct lh_bucket *b, struct lh_call *call, lh_str key, struct lh_reader_at **out,
            struct lh_error *err)
{
    int64_t began_ns = lh_time_mono_ns();
    struct lh_reader_at *r;

    LH_TRY(measured(b, BUCKET_GET, began_ns, b->ops->open(b, call, key, &r, err)));
    r->bucket = b;
    r->shown = r->info;
    (void)lh_str_copy(r->key, sizeof(r->key), key);
    r->blocks = b->blocks && !call->reads_straight ? block_reader_new(b->blocks, r) : NULL;
    *out = r;
    return LH_OK;
}

lh_status
lh_object_open(struct lh_bucket *b, struct lh_call *call, lh_str key, struct lh_reader_at **out,
               struct lh_object_info *info, struct lh_error *err)
{
    LH_TRY(lh_key_check(key, err));
    LH_TRY(lh_call_check(call, err));
    LH_TRY(b->rescue ? rescue_open(b, call, key, out, err) : bucket_open(b, call, key, out, err));
    if (info)
        *info = (*out)->shown;
    return LH_OK;
}

static lh_status
range_check(const struct lh_reader_at *r, uint64_t offset, uint64_t length, struct lh_error *err)
{
    if (offset <= r->info.size_bytes && length <= r->info.size_bytes - offset)
        return LH_OK;
    return lh_fail(err, LH_INVALID, "store.range",
                   "%" PRIu64 " bytes from %" PRIu64 " of object '%.200s' were asked for, it has "
                   "%" PRIu64,
                   length, offset, r->key, r->info.size_bytes);
}

lh_status
bucket_read(struct lh_reader_at *r, struct lh_call *call, uint64_t offset, void *to, size_t n,
            struct lh_error *err)
{
    struct lh_bucket *b = r->bucket;
    lh_status status = r->blocks && n > 0 ? block_reader_read(r->blocks, call, offset, to, n, err)
                                          : b->ops->read(r, call, offset, to, n, err);

    lh_metric_add(is_bucket_failure(status) ? b->metrics.failures[BUCKET_GET]
                                            : b->metrics.read_bytes,
                  is_bucket_failure(status) ? 1 : (int64_t)n);
    return status;
}

lh_status
lh_reader_at_read(struct lh_reader_at *r, struct lh_call *call, uint64_t offset, void *to, size_t n,
                  struct lh_error *err)
{
    LH_TRY(range_check(r, offset, n, err));
    LH_TRY(lh_call_check(call, err));
    return r->bucket->rescue ? rescue_read(r, call, offset, to, n, err)
                             : bucket_read(r, call, offset, to, n, err);
}

lh_status
bucket_file(struct lh_reader_at *r, struct lh_call *call, uint64_t offset, uint64_t length, int *fd,
            struct lh_error *err)
{
    struct lh_bucket *b = r->bucket;
    lh_status status = b->ops->file(r, call, offset, length, fd, err);

    if (is_bucket_failure(status))
        lh_metric_add(b->metrics.failures[BUCKET_GET], 1);
    else if (status == LH_OK && *fd >= 0)
        lh_metric_add(b->metrics.read_bytes, (int64_t)length);
    return status;
}

lh_status
lh_reader_at_file(struct lh_reader_at *r, struct lh_call *call, uint64_t offset, uint64_t length,
                  int *fd, struct lh_error *err)
{
    LH_TRY(range_check(r, offset, length, err));
    LH_TRY(lh_call_check(call, err));
    return r->bucket->rescue ? rescue_file(r, call, offset, length, fd, err)
                             : bucket_file(r, call, offset, length, fd, err);
}

lh_str
lh_reader_at_metadata(const struct lh_reader_at *r)
{
    return r->metadata;
}

bool
lh_reader_at_is_proven(const struct lh_reader_at *r, uint64_t offset, uint64_t length)
{
    return range_check(r, offset, length, NULL) == LH_OK &&
           r->bucket->ops->is_proven(r, offset, length);
}

void
lh_reader_at_use(struct lh_reader_at *r, struct lh_read_tally *tally, bool is_exact)
{
    r->tally = tally;
    r->is_exact = is_exact;
    if (!tally || !r->bucket->ops->is_remote)
        return;
    atomic_fetch_add_explicit(&tally->remote_requests, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&tally->remote_bytes, r->first_bytes, memory_order_relaxed);
}

void
lh_reader_at_free(struct lh_reader_at *r)
{
    if (!r)
        return;
    lh_reader_at_free(atomic_load(&r->stand_in));
    block_reader_free(r->blocks);
    r->bucket->ops->reader_free(r);
}

static lh_status
read_whole(struct lh_reader_at *r, struct lh_call *call, struct lh_buf *out, struct lh_error *err)
{
    uint8_t *to;

    if (r->info.size_bytes > out->max)
        return lh_fail(err, LH_TOO_BIG, "store.object_too_big",
                       "object '%.200s' has %" PRIu64 " bytes, the reader takes %zu", r->key,
                       r->info.size_bytes, out->max);
    to = lh_buf_reserve(out, (size_t)r->info.size_bytes);
    if (!to)
        return lh_buf_check(out, "the object", err);
    LH_TRY(lh_reader_at_read(r, call, 0, to, (size_t)r->info.size_bytes, err));
    lh_buf_advance(out, (size_t)r->info.size_bytes);
    return LH_OK;
}

/* What the backend of a copy checks is that copy; here it is held against what was copied. */
static lh_status
copy_check(const struct lh_reader_at *r, lh_bytes bytes, struct lh_error *err)
{
    uint8_t digest[LH_SHA256_BYTES];
    char hex[LH_SHA256_HEX];

    if (!r->is_copy || !r->shown.sha256[0])
        return LH_OK;
    lh_sha256_of(bytes, digest);
    if (strcmp(lh_sha256_hex(digest, hex), r->shown.sha256) == 0)
        return LH_OK;
    return bucket_fail_checksum(r->bucket, lh_str_of(r->key), "it is no copy of what it stands for",
                                err);
}

lh_status
lh_object_get(struct lh_bucket *b, struct lh_call *call, lh_str key, struct lh_buf *out,
              struct lh_object_info *info, struct lh_error *err)
{
    LH_AUTO(lh_reader_at) *r = NULL;
    size_t before = out->len;

    LH_TRY(lh_object_open(b, call, key, &r, NULL, err));
    LH_TRY(read_whole(r, call, out, err));
    LH_TRY(copy_check(r, lh_bytes_of(out->data + before, out->len - before), err));
    if (info)
        *info = r->shown;
    return LH_OK;
}
