#include "store/verify.h"

#include <stdio.h>
#include <stdlib.h>
#include "base/alloc.h"
#include "store/append_log_name.h"
#include "store/backend.h"
#include "store/proof.h"
#include "store/record.h"
#include "store/replicate_parts.h"

#define STEP_BYTES ((size_t)1 << 20)
#define SMALL_BYTES_MAX ((size_t)1 << 20)
#define BATCH_BYTES_MAX ((size_t)1 << 30)

struct verify {
    struct lh_store *store;
    struct lh_call *call;
    const struct lh_verify_options *options;
    struct lh_bucket *bucket;
    struct lh_bucket_spec spec;
    lh_status status; /* of a visit that failed: ends everything */
    struct lh_error *err;
};

/* ---- telling ---- */

static lh_status
tell(struct verify *v, lh_str key, const char *what, const char *expected, const char *found,
     struct lh_error *err)
{
    const struct lh_difference d = {
        .bucket = v->spec.name, .key = key, .what = what, .expected = expected, .found = found};

    return v->options->visit(v->options->self, &d, err);
}

/* What a failed read says about the object is a difference; what it says about us is not. */
static lh_status
tell_failure(struct verify *v, lh_str key, const char *what, const char *expected,
             const struct lh_error *why, struct lh_error *err)
{
    LH_TRY(lh_call_check(v->call, err));
    return tell(v, key, what, expected, why->text, err);
}

/* ---- one object ---- */

static lh_status
bytes_hash(struct verify *v, struct lh_reader_at *r, struct lh_sha256 *h, struct lh_error *err)
{
    LH_AUTO_CHARS step = lh_alloc(STEP_BYTES);
    uint64_t size = r->info.size_bytes;

    for (uint64_t at = 0; at < size;) {
        size_t n = size - at < STEP_BYTES ? (size_t)(size - at) : STEP_BYTES;
        LH_TRY(lh_reader_at_read(r, v->call, at, step, n, err));
        lh_sha256_add(h, step, n);
        at += n;
    }
    return LH_OK;
}

static lh_status
whole_hash(struct verify *v, lh_str key, char hex[LH_SHA256_HEX], struct lh_object_info *info,
           struct lh_error *err)
{
    LH_AUTO(lh_reader_at) *r = NULL;
    uint8_t digest[LH_SHA256_BYTES];
    struct lh_sha256 h;
    lh_status status;

    LH_TRY(lh_object_open(v->bucket, v->call, key, &r, info, err));
    lh_sha256_init(&h);
    status = bytes_hash(v, r, &h, err);
    if (status == LH_OK)
        lh_sha256_final(&h, digest);
    lh_sha256_fini(&h);
    LH_TRY(status);
    (void)lh_sha256_hex(digest, hex);
    return LH_OK;
}

static lh_status
deep_look(struct verify *v, lh_str key, struct lh_error *err)
{
    char hex[LH_SHA256_HEX];
    struct lh_object_info info;
    LH_AUTO_ERROR(why);
    lh_status status = whole_hash(v, key, hex, &info, &why);

    if (status == LH_NOT_FOUND)
        return LH_OK; /* removed since it was listed */
    if (status != LH_OK)
        return tell_failure(v, key, "checksum", "bytes as they were written", &why, err);
    if (info.sha256[0] && strcmp(info.sha256, hex) != 0)
        return tell(v, key, "checksum", info.sha256, hex, err);
    return LH_OK;
}

static lh_status
shallow_look(struct verify *v, const struct lh_object_entry *e, bool *is_there,
             struct lh_error *err)
{
    lh_str key = lh_str_of(e->key);
    struct lh_object_info info;
    LH_AUTO_ERROR(why);
    lh_status status = lh_object_head(v->bucket, v->call, key, &info, &why);
    char listed[32], found[32];

    *is_there = status == LH_OK;
    if (status == LH_NOT_FOUND)
        return LH_OK;
    if (status != LH_OK)
        return tell_failure(v, key, "object", "an object that can be read", &why, err);
    if (strcmp(info.etag, e->info.etag) != 0 || info.size_bytes == e->info.size_bytes)
        return LH_OK; /* replaced since it was listed, or as listed */
    (void)snprintf(listed, sizeof(listed), "%llu", (unsigned long long)e->info.size_bytes);
    (void)snprintf(found, sizeof(found), "%llu", (unsigned long long)info.size_bytes);
    return tell(v, key, "size", listed, found, err);
}

/* ---- what we wrote ourselves ---- */

static lh_status
small_read(struct verify *v, lh_str key, struct lh_buf *out, bool *is_there, struct lh_error *err)
{
    LH_AUTO_ERROR(why);
    lh_status status = lh_object_get(v->bucket, v->call, key, out, NULL, &why);

    *is_there = status == LH_OK;
    if (status == LH_OK || status == LH_NOT_FOUND)
        return LH_OK;
    return tell_failure(v, key, "object", "an object that can be read", &why, err);
}

static lh_status
record_look(struct verify *v, lh_str key, struct lh_error *err)
{
    size_t prefix = strlen(STORE_RECORD_PREFIX), suffix = strlen(STORE_RECORD_SUFFIX);
    LH_AUTO_BUF(text, SMALL_BYTES_MAX);
    LH_AUTO_ERROR(why);
    struct store_spec spec = {0};
    bool is_there;
    lh_status status;

    LH_TRY(small_read(v, key, &text, &is_there, err));
    if (!is_there)
        return LH_OK;
    status = key.len > prefix + suffix
                 ? store_record_decode(lh_str_slice(key, prefix, key.len - suffix),
                                       lh_buf_str(&text), &spec, &why)
                 : lh_fail(&why, LH_CORRUPT, "store.bucket_record", "the key names no bucket");
    store_spec_fini(&spec);
    return status == LH_OK ? LH_OK
                           : tell_failure(v, key, "record", "the record of a bucket", &why, err);
}

static lh_status
json_look(struct verify *v, lh_str key, const char *expected, struct lh_error *err)
{
    LH_AUTO_BUF(text, SMALL_BYTES_MAX);
    LH_AUTO_JSON value = NULL;
    LH_AUTO_ERROR(why);
    bool is_there;

    LH_TRY(small_read(v, key, &text, &is_there, err));
    if (!is_there ||
        (lh_json_parse(lh_buf_str(&text), &value, &why) == LH_OK && json_is_object(value)))
        return LH_OK;
    if (why.status == LH_OK)
        (void)lh_fail(&why, LH_CORRUPT, "store.json", "JSON, but no object");
    return tell_failure(v, key, "record", expected, &why, err);
}

/* ---- append logs ---- */

static lh_status
lines_look(struct verify *v, lh_str key, lh_str text, struct lh_error *err)
{
    char found[80];
    size_t number = 0;
    lh_str line;

    if (text.len == 0 || text.ptr[text.len - 1] != '\n')
        return tell(v, key, "log", "records, each ended by LF", "the last one does not end", err);
    text.len--;
    while (lh_str_next(&text, '\n', &line)) {
        LH_AUTO_JSON value = NULL;
        number++;
        if (lh_json_parse(line, &value, NULL) == LH_OK)
            continue;
        (void)snprintf(found, sizeof(found), "line %zu is no JSON", number);
        return tell(v, key, "log", "records of JSON", found, err);
    }
    return LH_OK;
}

static lh_status
batch_look(struct verify *v, lh_str key, struct lh_error *err)
{
    LH_AUTO_BUF(text, BATCH_BYTES_MAX);
    bool is_there;

    LH_TRY(small_read(v, key, &text, &is_there, err));
    return is_there ? lines_look(v, key, lh_buf_str(&text), err) : LH_OK;
}

static lh_status
journal_look(struct verify *v, lh_str key, struct lh_error *err)
{
    static const char *const logs[] = {"_journal/events/", "_journal/errors/"};
    int64_t time_ms;

    if (!lh_str_ends(key, LH_STR(".ndjson")))
        return LH_OK;
    for (size_t i = 0; i < sizeof(logs) / sizeof(logs[0]); i++)
        if (append_log_name_parse(logs[i], key, &time_ms))
            return batch_look(v, key, err);
    return tell(v, key, "log", "a batch named by its day and time", "another name", err);
}

/* ---- copies ---- */

static lh_status
copy_look(struct verify *v, const char *source, const struct replica_entry *e, struct lh_error *err)
{
    char key[LH_KEY_MAX + 1], hex[LH_SHA256_HEX];
    struct lh_object_info info;
    LH_AUTO_ERROR(why);
    lh_status status;

    replica_key(source, lh_str_of(e->key), key);
    status = lh_object_head(v->bucket, v->call, lh_str_of(key), &info, &why);
    if (status != LH_OK)
        return tell_failure(v, lh_str_of(key), "copy", "the copy that is listed", &why, err);
    if (strcmp(info.etag, e->replica_etag) != 0)
        return tell(v, lh_str_of(key), "copy", e->replica_etag, info.etag, err);
    if (!v->options->is_deep || !e->info.sha256[0])
        return LH_OK;
    status = whole_hash(v, lh_str_of(key), hex, &info, &why);
    if (status != LH_OK)
        return tell_failure(v, lh_str_of(key), "checksum", e->info.sha256, &why, err);
    return strcmp(hex, e->info.sha256) == 0
               ? LH_OK
               : tell(v, lh_str_of(key), "checksum", e->info.sha256, hex, err);
}

static lh_status
entries_look(struct verify *v, const char *source, struct replicate_old *list, lh_str key,
             struct lh_error *err)
{
    char before[LH_KEY_MAX + 1] = "";
    LH_AUTO_ERROR(why);

    while (!list->is_over) {
        if (strcmp(before, list->entry.key) >= 0)
            return tell(v, key, "list", "keys in ascending order", list->entry.key, err);
        (void)lh_str_copy(before, sizeof(before), lh_str_of(list->entry.key));
        if (list->entry.gone_us == 0)
            LH_TRY(copy_look(v, source, &list->entry, err));
        if (replicate_old_next(list, v->call, &why) != LH_OK)
            return tell_failure(v, key, "list", "entries of copies", &why, err);
    }
    return LH_OK;
}

/* `_replica/index/<bucket>/<class>.ndjson` */
static lh_status
list_look(struct verify *v, lh_str key, struct lh_error *err)
{
    lh_str rest = lh_str_slice(key, strlen(REPLICA_PREFIX "index/"), key.len), source;
    struct replicate_old list;
    LH_AUTO_ERROR(why);
    char name[80], text[LH_KEY_MAX + 1];
    lh_status status;

    (void)lh_str_cut(&rest, '/', &source);
    (void)lh_str_copy(name, sizeof(name), source);
    (void)lh_str_copy(text, sizeof(text), key);
    status = replicate_old_open(&list, v->bucket, v->call, text, &why);
    status = status == LH_OK ? entries_look(v, name, &list, key, err)
                             : tell_failure(v, key, "list", "entries of copies", &why, err);
    replicate_old_fini(&list);
    return status;
}

/* ---- all objects of all buckets ---- */

static lh_status
content_look(struct verify *v, lh_str key, struct lh_error *err)
{
    bool is_primary = strcmp(v->spec.name, "primary") == 0;

    if (v->bucket->is_rescue)
        return lh_str_starts(key, LH_STR(REPLICA_PREFIX "index/")) ? list_look(v, key, err) : LH_OK;
    if (!is_primary)
        return LH_OK;
    if (lh_str_starts(key, LH_STR(STORE_RECORD_PREFIX)))
        return record_look(v, key, err);
    if (lh_str_starts(key, LH_STR("_storage/proofs/")))
        return json_look(v, key, "the proof of a bucket", err);
    return lh_str_starts(key, LH_STR("_journal/")) ? journal_look(v, key, err) : LH_OK;
}

static lh_status
object_visit(void *self, const struct lh_object_entry *e, struct lh_error *err)
{
    struct verify *v = self;
    lh_str key = lh_str_of(e->key);
    bool is_there = false, is_scratch = lh_str_starts(key, LH_STR("_probe/"));

    LH_TRY(lh_call_check(v->call, err));
    LH_TRY(shallow_look(v, e, &is_there, err));
    if (is_there && v->options->is_deep && !is_scratch)
        LH_TRY(deep_look(v, key, err));
    if (is_there)
        LH_TRY(content_look(v, key, err));
    v->options->progress(v->options->self, 1, v->options->is_deep ? e->info.size_bytes : 0);
    return LH_OK;
}

/* A list that fails is a difference of the bucket, unless it was ours to end. */
static lh_status
bucket_look(struct verify *v, struct lh_error *err)
{
    LH_AUTO_ERROR(why);
    lh_status status;

    if (!v->bucket)
        return tell(v, LH_STR(""), "bucket", "a bucket that can be opened", "it cannot be", err);
    status = lh_object_walk(v->bucket, v->call, LH_STR(""), object_visit, v, &why);
    if (status == LH_OK)
        return LH_OK;
    if (status == LH_UNAVAILABLE || status == LH_IO || status == LH_TIMEOUT)
        return tell_failure(v, LH_STR(""), "bucket", "a bucket that can be listed", &why, err);
    lh_error_copy(err, &why);
    return status;
}

static void
bucket_visit(void *self, struct lh_bucket *b, const struct lh_bucket_spec *spec)
{
    struct verify *v = self;

    if (v->status != LH_OK)
        return;
    v->bucket = b;
    v->spec = *spec;
    v->status = bucket_look(v, v->err);
}

lh_status
lh_store_verify(struct lh_store *s, struct lh_call *call, const struct lh_verify_options *options,
                struct lh_error *err)
{
    struct verify v = {.store = s, .call = call, .options = options, .err = err};
    bool before = call->reads_straight;
    lh_status status;

    call->reads_straight = true;
    status = lh_store_buckets(s, call, bucket_visit, &v, err);
    call->reads_straight = before;
    return v.status != LH_OK ? v.status : status;
}
