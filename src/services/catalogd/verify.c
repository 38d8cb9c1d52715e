#include "services/catalogd/verify.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/time.h"
#include "engine/convert.h"
#include "services/catalogd/tombstones.h"
#include "services/catalogd/writer.h"

#define MANIFEST_BYTES_MAX ((size_t)512 << 20)
#define RECORD_BYTES_MAX ((size_t)4 << 20)
#define STEP_BYTES ((size_t)1 << 20)

/* Hashes of what was looked at; 0 is an empty slot. */
struct seen {
    uint64_t *slots;
    size_t slot_count, count;
};

struct verify {
    struct catalog *c;
    struct lh_call *call;
    bool is_deep;
    struct lh_report *report;
    struct lh_engine *work;
    struct seen seen;
    char dataset[64]; /* of the manifest before */
    uint64_t version;
    lh_str key; /* of the manifest that is looked at */
};

/* ---- a set ---- */

static bool seen_add(struct seen *s, uint64_t hash);

static void
seen_grow(struct seen *s)
{
    struct seen bigger = {.slot_count = s->slot_count ? s->slot_count * 2 : 1024};

    bigger.slots = lh_alloc_array(bigger.slot_count, sizeof(uint64_t));
    for (size_t i = 0; i < s->slot_count; i++)
        if (s->slots[i] != 0)
            (void)seen_add(&bigger, s->slots[i]);
    free(s->slots);
    *s = bigger;
}

/* False when it was there. */
static bool
seen_add(struct seen *s, uint64_t hash)
{
    size_t at;

    if (s->count * 2 >= s->slot_count)
        seen_grow(s);
    hash = hash ? hash : 1;
    for (at = hash & (s->slot_count - 1); s->slots[at] != 0; at = (at + 1) & (s->slot_count - 1))
        if (s->slots[at] == hash)
            return false;
    s->slots[at] = hash;
    s->count++;
    return true;
}

/* ---- telling ---- */

static lh_status
tell(struct verify *v, const char *bucket, lh_str key, const char *what, const char *expected,
     const char *found, struct lh_error *err)
{
    return lh_report_difference(v->report, bucket, key, what, expected, found, err);
}

/* A failure of our own call ends the verification; any other is a difference. */
static lh_status
tell_failure(struct verify *v, const char *bucket, lh_str key, const char *what,
             const char *expected, const struct lh_error *why, struct lh_error *err)
{
    LH_TRY(lh_call_check(v->call, err));
    return tell(v, bucket, key, what, expected, why->text, err);
}

static lh_status
number_compare(struct verify *v, const struct lh_catalog_file *f, const char *what,
               uint64_t expected, uint64_t found, struct lh_error *err)
{
    char a[24], b[24];

    if (expected == found)
        return LH_OK;
    (void)snprintf(a, sizeof(a), "%llu", (unsigned long long)expected);
    (void)snprintf(b, sizeof(b), "%llu", (unsigned long long)found);
    return tell(v, f->bucket, lh_str_of(f->key), what, a, b, err);
}

/* ---- data objects ---- */

static lh_status
bytes_hash(struct verify *v, struct lh_reader_at *r, uint64_t size, struct lh_sha256 *h,
           struct lh_error *err)
{
    LH_AUTO_CHARS step = lh_alloc(STEP_BYTES);

    for (uint64_t at = 0; at < size;) {
        size_t n = size - at < STEP_BYTES ? (size_t)(size - at) : STEP_BYTES;
        LH_TRY(lh_reader_at_read(r, v->call, at, step, n, err));
        lh_sha256_add(h, step, n);
        at += n;
    }
    return LH_OK;
}

static lh_status
object_hash(struct verify *v, struct lh_bucket *b, lh_str key, char hex[LH_SHA256_HEX],
            struct lh_error *err)
{
    LH_AUTO(lh_reader_at) *r = NULL;
    struct lh_object_info info;
    uint8_t digest[LH_SHA256_BYTES];
    struct lh_sha256 h;
    lh_status status;

    LH_TRY(lh_object_open(b, v->call, key, &r, &info, err));
    lh_sha256_init(&h);
    status = bytes_hash(v, r, info.size_bytes, &h, err);
    if (status == LH_OK)
        lh_sha256_final(&h, digest);
    lh_sha256_fini(&h);
    LH_TRY(status);
    (void)lh_sha256_hex(digest, hex);
    return LH_OK;
}

static lh_status
hash_compare(struct verify *v, struct lh_bucket *b, const struct lh_catalog_file *f,
             const struct lh_object_info *info, struct lh_error *err)
{
    char hex[LH_SHA256_HEX];
    LH_AUTO_ERROR(why);

    if (info->sha256[0] && strcmp(info->sha256, f->sha256) != 0)
        return tell(v, f->bucket, lh_str_of(f->key), "checksum", f->sha256, info->sha256, err);
    if (!v->is_deep)
        return LH_OK;
    if (object_hash(v, b, lh_str_of(f->key), hex, &why) != LH_OK)
        return tell_failure(v, f->bucket, lh_str_of(f->key), "checksum", f->sha256, &why, err);
    return strcmp(hex, f->sha256) == 0
               ? LH_OK
               : tell(v, f->bucket, lh_str_of(f->key), "checksum", f->sha256, hex, err);
}

static const struct lh_catalog_column *
column_find(const struct lh_snapshot *s, const char *name)
{
    for (size_t i = 0; i < s->column_count; i++)
        if (strcmp(s->columns[i].name, name) == 0)
            return &s->columns[i];
    return NULL;
}

/* A column that the object has not is one that a later append brought. */
static lh_status
columns_compare(struct verify *v, const struct lh_snapshot *s, const struct lh_catalog_file *f,
                const struct lh_convert_result *found, struct lh_error *err)
{
    for (size_t i = 0; i < found->column_count; i++) {
        const struct lh_convert_column *column = &found->columns[i];
        const struct lh_catalog_column *wanted = column_find(s, column->name);
        char expected[300], got[300];

        if (wanted && strcmp(wanted->type, column->type) == 0)
            continue;
        (void)snprintf(expected, sizeof(expected), "%.120s %.150s", column->name,
                       wanted ? wanted->type : "(no such column)");
        (void)snprintf(got, sizeof(got), "%.120s %.150s", column->name, column->type);
        LH_TRY(tell(v, f->bucket, lh_str_of(f->key), "schema", expected, got, err));
    }
    return LH_OK;
}

static lh_status
footer_compare(struct verify *v, const struct lh_snapshot *s, const struct lh_catalog_file *f,
               struct lh_error *err)
{
    LH_AUTO_CHARS uri = lh_asprintf("lake://%s/%s", f->bucket, f->key);
    const char *uris[] = {uri};
    struct lh_convert_result found = {0};
    LH_AUTO_ERROR(why);
    lh_status status = lh_footer_statistics(v->work, v->call, uris, 1, &found, &why);

    if (status != LH_OK)
        status =
            tell_failure(v, f->bucket, lh_str_of(f->key), "footer", "a Parquet footer", &why, err);
    else
        status = number_compare(v, f, "rows", f->rows, found.rows, err);
    if (status == LH_OK)
        status = columns_compare(v, s, f, &found, err);
    lh_convert_result_fini(&found);
    return status;
}

static bool
is_collected(struct verify *v)
{
    struct lh_object_info info;

    return lh_object_head(v->c->bucket, v->call, v->key, &info, NULL) == LH_NOT_FOUND;
}

static lh_status
object_look(struct verify *v, const struct lh_snapshot *s, const struct lh_catalog_file *f,
            struct lh_error *err)
{
    struct lh_object_info info;
    struct lh_bucket *b;
    LH_AUTO_ERROR(why);
    lh_status status = lh_store_bucket(v->c->env->store, v->call, lh_str_of(f->bucket), &b, &why);

    if (status == LH_OK)
        status = lh_object_head(b, v->call, lh_str_of(f->key), &info, &why);
    if (status == LH_NOT_FOUND && is_collected(v))
        return LH_OK; /* with its version, since that was read */
    if (status != LH_OK)
        return tell_failure(v, f->bucket, lh_str_of(f->key), "object",
                            "the object that a manifest names", &why, err);
    lh_report_progress(v->report, 1, v->is_deep ? info.size_bytes : 0);
    LH_TRY(number_compare(v, f, "size", f->size_bytes, info.size_bytes, err));
    if (f->size_bytes != info.size_bytes)
        return LH_OK;
    LH_TRY(hash_compare(v, b, f, &info, err));
    return footer_compare(v, s, f, err);
}

static uint64_t
file_hash(const struct lh_catalog_file *f, const char *fingerprint)
{
    uint64_t h = lh_xxh64(f->bucket, strlen(f->bucket), f->size_bytes);

    h = lh_xxh64(f->key, strlen(f->key), h ^ f->rows);
    h = lh_xxh64(fingerprint, strlen(fingerprint), h);
    return lh_xxh64(f->sha256, strlen(f->sha256), h);
}

static lh_status
objects_look(struct verify *v, const struct lh_snapshot *s, struct lh_error *err)
{
    for (size_t i = 0; i < s->file_count; i++) {
        LH_TRY(lh_call_check(v->call, err));
        if (seen_add(&v->seen, file_hash(&s->files[i], s->fingerprint)))
            LH_TRY(object_look(v, s, &s->files[i], err));
    }
    return LH_OK;
}

static lh_status
tombstones_look(struct verify *v, const struct catalog_snapshot *s, struct lh_error *err)
{
    struct lh_object_info info;
    LH_AUTO_ERROR(why);

    if (s->tombstones[0] == '\0' ||
        lh_object_head(v->c->bucket, v->call, lh_str_of(s->tombstones), &info, &why) == LH_OK)
        return LH_OK;
    return tell_failure(v, lh_bucket_name(v->c->bucket), lh_str_of(s->tombstones), "tombstones",
                        "the deletions by key that a manifest names", &why, err);
}

static lh_status
rejects_look(struct verify *v, const struct lh_snapshot *s, struct lh_error *err)
{
    struct lh_object_info info;
    struct lh_bucket *b = v->c->bucket;
    LH_AUTO_ERROR(why);
    lh_str bucket, key;
    lh_status status = LH_OK;

    if (!s->rejects || !*s->rejects)
        return LH_OK;
    if (lh_lake_uri_parse(lh_str_of(s->rejects), &bucket, &key))
        status = lh_store_bucket(v->c->env->store, v->call, bucket, &b, &why);
    else
        key = lh_str_of(s->rejects);
    if (status == LH_OK)
        status = lh_object_head(b, v->call, key, &info, &why);
    if (status == LH_OK)
        return LH_OK;
    return tell_failure(v, lh_bucket_name(b), key, "object", "the refused rows of a version", &why,
                        err);
}

/* ---- manifests ---- */

/* Collection takes versions from the oldest on, so between two of a dataset none is missing. */
static lh_status
history_look(struct verify *v, lh_str key, lh_str dataset, uint64_t version, struct lh_error *err)
{
    bool is_next = lh_str_eq(dataset, lh_str_of(v->dataset));
    uint64_t before = v->version;
    char expected[60], found[60];

    (void)lh_str_copy(v->dataset, sizeof(v->dataset), dataset);
    v->version = version;
    if (!is_next || version == before + 1)
        return LH_OK;
    (void)snprintf(expected, sizeof(expected), "version %llu", (unsigned long long)before + 1);
    (void)snprintf(found, sizeof(found), "version %llu behind %llu", (unsigned long long)version,
                   (unsigned long long)before);
    return tell(v, lh_bucket_name(v->c->bucket), key, "history", expected, found, err);
}

static lh_status
manifest_read(struct verify *v, lh_str key, lh_str dataset, uint64_t version,
              struct catalog_snapshot **out, struct lh_error *err)
{
    LH_AUTO_BUF(bytes, MANIFEST_BYTES_MAX);

    LH_TRY(lh_object_get(v->c->bucket, v->call, key, &bytes, NULL, err));
    return catalog_manifest_decode(v->work, v->call, lh_buf_bytes(&bytes), dataset, version, out,
                                   err);
}

static lh_status
manifest_visit(void *self, const struct lh_object_entry *e, struct lh_error *err)
{
    struct verify *v = self;
    LH_AUTO(catalog_snapshot) *s = NULL;
    LH_AUTO_ERROR(why);
    lh_str key = lh_str_of(e->key), dataset;
    uint64_t version;
    const char *bucket = lh_bucket_name(v->c->bucket);
    lh_status status;

    v->key = key;
    if (!catalog_manifest_key_parse(key, &dataset, &version))
        return tell(v, bucket, key, "key", "the key of a manifest", "another object", err);
    LH_TRY(history_look(v, key, dataset, version, err));
    status = manifest_read(v, key, dataset, version, &s, &why);
    if (status == LH_NOT_FOUND)
        return LH_OK; /* collected since it was listed */
    if (status != LH_OK)
        return tell_failure(v, bucket, key, "manifest", "a manifest of this version", &why, err);
    lh_report_progress(v->report, 1, 0);
    LH_TRY(tombstones_look(v, s, err));
    LH_TRY(rejects_look(v, &s->shown, err));
    return objects_look(v, &s->shown, err);
}

/* ---- what stands beside the manifests ---- */

static lh_status
record_visit(void *self, const struct lh_object_entry *e, struct lh_error *err)
{
    struct verify *v = self;
    LH_AUTO_BUF(text, RECORD_BYTES_MAX);
    LH_AUTO_JSON value = NULL;
    LH_AUTO_ERROR(why);
    lh_str key = lh_str_of(e->key);
    lh_status status = lh_object_get(v->c->bucket, v->call, key, &text, NULL, &why);

    if (status == LH_NOT_FOUND)
        return LH_OK;
    if (status == LH_OK)
        status = lh_json_parse(lh_buf_str(&text), &value, &why);
    if (status == LH_OK && !json_is_object(value))
        status = lh_fail(&why, LH_CORRUPT, "catalog.record", "JSON, but no object");
    lh_report_progress(v->report, 1, 0);
    return status == LH_OK ? LH_OK
                           : tell_failure(v, lh_bucket_name(v->c->bucket), key, "record",
                                          "a record of the catalog", &why, err);
}

static bool
lease_times_are_right(const json_t *lease, int64_t *expires_us)
{
    const char *dataset = json_string_value(json_object_get(lease, "dataset"));
    const char *expires = json_string_value(json_object_get(lease, "expires_at"));

    return dataset && expires && lh_time_parse(lh_str_of(expires), expires_us);
}

/* A writer or a collection that died is no difference: its record ends by itself. One that is to
 * last for longer than any is given would hold collection up for ever. */
static lh_status
lease_visit(void *self, const struct lh_object_entry *e, struct lh_error *err)
{
    struct verify *v = self;
    LH_AUTO_BUF(text, RECORD_BYTES_MAX);
    LH_AUTO_JSON value = NULL;
    LH_AUTO_ERROR(why);
    lh_str key = lh_str_of(e->key);
    int64_t expires_us = 0, longest = catalog_writers_ttl_ms(v->c->writers) * 1000;
    const char *bucket = lh_bucket_name(v->c->bucket);
    lh_status status = lh_object_get(v->c->bucket, v->call, key, &text, NULL, &why);

    if (status == LH_NOT_FOUND)
        return LH_OK;
    if (status != LH_OK)
        return tell_failure(v, bucket, key, "lease", "who is at work, and until when", &why, err);
    if (lh_json_parse(lh_buf_str(&text), &value, NULL) != LH_OK ||
        !lease_times_are_right(value, &expires_us))
        return tell(v, bucket, key, "lease", "who is at work, and until when", "something else",
                    err);
    lh_report_progress(v->report, 1, 0);
    if (expires_us <= lh_time_now_us() + longest + INT64_C(3600000000))
        return LH_OK;
    return tell(v, bucket, key, "lease", "an end within catalog.writer_ttl", "a later one", err);
}

/* ---- the whole ---- */

static lh_status
walk(struct verify *v, const char *prefix,
     lh_status (*visit)(void *self, const struct lh_object_entry *e, struct lh_error *err),
     struct lh_error *err)
{
    return lh_object_walk(v->c->bucket, v->call, lh_str_of(prefix), visit, v, err);
}

/* One that no manifest names yet, or no more, is held to the same. */
static lh_status
tombstones_visit(void *self, const struct lh_object_entry *e, struct lh_error *err)
{
    struct verify *v = self;
    LH_AUTO(catalog_tombstones) *t = NULL;
    LH_AUTO_ERROR(why);
    lh_status status = catalog_tombstones_read(v->c, v->call, lh_str_of(e->key), &t, &why);

    lh_report_progress(v->report, 1, 0);
    if (status == LH_OK || status == LH_NOT_FOUND)
        return LH_OK;
    return tell_failure(v, lh_bucket_name(v->c->bucket), lh_str_of(e->key), "tombstones",
                        "which rows were deleted by key", &why, err);
}

static lh_status
all_look(struct verify *v, struct lh_error *err)
{
    LH_TRY(lh_env_work_engine(v->c->env, &v->work, err));
    LH_TRY(walk(v, CATALOG_DATASETS_PREFIX, manifest_visit, err));
    LH_TRY(walk(v, CATALOG_TOMBSTONES_PREFIX, tombstones_visit, err));
    LH_TRY(walk(v, "_catalog/meta/", record_visit, err));
    LH_TRY(walk(v, CATALOG_WRITERS_PREFIX, lease_visit, err));
    return walk(v, "_catalog/collecting/", lease_visit, err);
}

lh_status
catalog_verify(struct catalog *c, struct lh_call *call, bool is_deep, struct lh_report *report,
               struct lh_error *err)
{
    struct verify v = {.c = c, .call = call, .is_deep = is_deep, .report = report};
    bool before = call->reads_straight;
    lh_status status;

    call->reads_straight = true;
    status = all_look(&v, err);
    call->reads_straight = before;
    free(v.seen.slots);
    return status;
}
