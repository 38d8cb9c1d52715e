#include "services/catalogd/writer.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/id.h"
#include "base/log.h"
#include "base/thread.h"
#include "base/time.h"

#define LEASES_PREFIX "_catalog/collecting/"
#define RECORD_BYTES_MAX ((size_t)64 << 10)
#define LEASE_US (INT64_C(180) * 1000000)
#define LEASE_WAIT_MS 10000
#define LEASE_POLL_MS 20
#define COMMIT_US                                                                                  \
    (INT64_C(60) * 1000000) /* what a commit may need between the check and the end of its put */
#define CLEANUP_WAIT_MS 10000

/* What this process knows of a writer without asking the bucket. */
struct known {
    struct known *next;
    char id[LH_UUID_TEXT];
    char dataset[64];
    int64_t expires_us;
};

struct catalog_writers {
    struct lh_bucket *bucket;
    int64_t ttl_ms, skew_us;
    pthread_mutex_t lock;
    struct known *known;
};

struct record {
    char dataset[64];
    int64_t expires_us;
    char etag[LH_ETAG_MAX];
};

/* ---- what this process knows ---- */

static void
known_forget(struct catalog_writers *w, const char *id)
{
    LH_AUTO_LOCK(&w->lock);

    for (struct known **at = &w->known; *at != NULL; at = &(*at)->next) {
        struct known *k = *at;

        if (strcmp(k->id, id) != 0)
            continue;
        *at = k->next;
        free(k);
        return;
    }
}

static void
known_set(struct catalog_writers *w, const char *id, lh_str dataset, int64_t expires_us)
{
    struct known *k = LH_NEW(struct known);

    known_forget(w, id);
    lh_str_copy(k->id, sizeof(k->id), lh_str_of(id));
    lh_str_copy(k->dataset, sizeof(k->dataset), dataset);
    k->expires_us = expires_us;
    LH_AUTO_LOCK(&w->lock);
    k->next = w->known;
    w->known = k;
}

static bool
known_find(struct catalog_writers *w, const char *id, struct record *out)
{
    LH_AUTO_LOCK(&w->lock);

    for (const struct known *k = w->known; k != NULL; k = k->next) {
        if (strcmp(k->id, id) != 0)
            continue;
        memcpy(out->dataset, k->dataset, sizeof(out->dataset));
        out->expires_us = k->expires_us;
        return true;
    }
    return false;
}

/* ---- records and leases in the bucket ---- */

static void
record_print(lh_str dataset, int64_t expires_us, struct lh_buf *out)
{
    struct lh_json_writer w = lh_json_writer_over(out);

    lh_json_object_begin(&w);
    lh_json_set_str(&w, "dataset", dataset);
    lh_json_set_time(&w, "written_at", lh_time_now_us());
    lh_json_set_time(&w, "expires_at", expires_us);
    lh_json_object_end(&w);
}

static lh_status
record_decode(lh_str text, struct record *out, struct lh_error *err)
{
    LH_AUTO_JSON value = NULL;
    lh_str dataset, expires;

    LH_TRY(lh_json_parse(text, &value, err));
    LH_TRY(lh_json_str(value, "dataset", &dataset, err));
    LH_TRY(lh_json_str(value, "expires_at", &expires, err));
    if (!lh_str_copy(out->dataset, sizeof(out->dataset), dataset) ||
        !lh_time_parse(expires, &out->expires_us))
        return lh_fail(err, LH_CORRUPT, "catalog.writer", "dataset or expires_at is malformed");
    return LH_OK;
}

/* A record that cannot be read still stands for somebody: for any dataset, until its object is as
 * old as a record can get. */
static lh_status
record_load(struct catalog_writers *w, struct lh_call *call, lh_str key, struct record *out,
            struct lh_error *err)
{
    LH_AUTO_BUF(text, RECORD_BYTES_MAX);
    LH_AUTO_ERROR(why);
    struct lh_object_info info;
    lh_status status = lh_object_get(w->bucket, call, key, &text, &info, &why);

    if (status != LH_OK && status != LH_CORRUPT && status != LH_TOO_BIG) {
        lh_error_copy(err, &why);
        return status;
    }
    *out = (struct record){0};
    if (status != LH_OK) {
        LH_TRY(lh_object_head(w->bucket, call, key, &info, err));
        status = LH_CORRUPT;
    }
    memcpy(out->etag, info.etag, sizeof(out->etag));
    if (status != LH_OK || record_decode(lh_buf_str(&text), out, NULL) != LH_OK) {
        out->dataset[0] = '\0';
        out->expires_us = info.modified_us + w->ttl_ms * 1000;
    }
    return LH_OK;
}

/* Records expire by the wall clock, so a process whose clock is further from the store's than half
 * of what two may differ by must neither write nor collect. */
static lh_status
clock_check(const struct catalog_writers *w, const struct lh_object_info *info, int64_t began_us,
            struct lh_error *err)
{
    int64_t behind_us = info->modified_us - lh_time_now_us();
    int64_t ahead_us = began_us - info->modified_us;
    int64_t off_us = behind_us > ahead_us ? behind_us : ahead_us;

    if (info->modified_us == 0 || off_us < w->skew_us / 2)
        return LH_OK;
    return lh_fail(err, LH_UNAVAILABLE, "catalog.clock_skew",
                   "the clock of this machine is %lld ms off the store's; at most %lld are allowed",
                   (long long)(off_us / 1000), (long long)(w->skew_us / 2000));
}

static lh_status
record_put(struct catalog_writers *w, struct lh_call *call, lh_str key, lh_str dataset,
           int64_t expires_us, const struct lh_put_options *options, char etag[LH_ETAG_MAX],
           struct lh_error *err)
{
    LH_AUTO_BUF(text, RECORD_BYTES_MAX);
    int64_t began_us = lh_time_now_us();
    struct lh_object_info info;
    struct lh_put_options with = *options;

    with.content_type = "application/json";
    record_print(dataset, expires_us, &text);
    LH_TRY(lh_object_put(w->bucket, call, key, lh_buf_bytes(&text), &with, &info, err));
    memcpy(etag, info.etag, LH_ETAG_MAX);
    return clock_check(w, &info, began_us, err);
}

static bool
record_is_over(const struct catalog_writers *w, const struct record *r)
{
    return r->expires_us + w->skew_us < lh_time_now_us();
}

/* ---- writers ---- */

static lh_status
id_check(lh_str id, char text[LH_UUID_TEXT], struct lh_error *err)
{
    lh_uuid uuid;

    if (!lh_uuid_parse(id, &uuid))
        return lh_fail(err, LH_INVALID, "catalog.writer", "writer_id '%.*s' is no UUID",
                       LH_FMT(lh_str_fit(id, 64)));
    lh_uuid_format(uuid, text);
    return LH_OK;
}

static lh_str
writer_key(const char *id, char key[96])
{
    int len = snprintf(key, 96, CATALOG_WRITERS_PREFIX "%s.json", id);

    return (lh_str){key, (size_t)len};
}

static lh_str
lease_key(lh_str dataset, char key[160])
{
    int len = snprintf(key, 160, LEASES_PREFIX "%.*s.json", LH_FMT(lh_str_slice(dataset, 0, 63)));

    return (lh_str){key, (size_t)len};
}

static lh_status
lease_stands(struct catalog_writers *w, struct lh_call *call, lh_str dataset, bool *stands,
             struct lh_error *err)
{
    LH_AUTO_ERROR(why);
    struct record lease;
    char key[160];
    lh_status status = record_load(w, call, lease_key(dataset, key), &lease, &why);

    if (status != LH_OK && status != LH_NOT_FOUND) {
        lh_error_copy(err, &why);
        return status;
    }
    *stands = status == LH_OK && !record_is_over(w, &lease);
    return LH_OK;
}

static lh_status
lease_wait(struct catalog_writers *w, struct lh_call *call, lh_str dataset, struct lh_error *err)
{
    int64_t until_ms = lh_time_mono_ms() + LEASE_WAIT_MS;
    bool stands;

    for (;;) {
        LH_TRY(lh_call_check(call, err));
        LH_TRY(lease_stands(w, call, dataset, &stands, err));
        if (!stands)
            return LH_OK;
        if (lh_time_mono_ms() >= until_ms)
            return lh_fail(err, LH_BUSY, "catalog.collecting",
                           "unused objects of '%.*s' are being removed", LH_FMT(dataset));
        lh_time_nap_ms(LEASE_POLL_MS);
    }
}

lh_status
catalog_writer_begin(struct catalog_writers *w, struct lh_call *call, lh_str id, lh_str dataset,
                     struct lh_error *err)
{
    int64_t expires_us = lh_time_now_us() + w->ttl_ms * 1000;
    char text[LH_UUID_TEXT], key[96], etag[LH_ETAG_MAX];
    lh_status status;

    LH_TRY(id_check(id, text, err));
    status = record_put(w, call, writer_key(text, key), dataset, expires_us,
                        &(struct lh_put_options){0}, etag, err);
    if (status == LH_OK) {
        known_set(w, text, dataset, expires_us);
        status = lease_wait(w, call, dataset, err);
    }
    if (status != LH_OK)
        catalog_writer_end(w, call, id, NULL);
    return status;
}

static lh_status
expired(const char *id, lh_status status, const char *reason, struct lh_error *err)
{
    return lh_fail(err, status, reason, "writer %s has ended or expired", id);
}

/* Only what is still there is renewed: a collection that has removed it no longer spares its
 * objects. */
lh_status
catalog_writer_renew(struct catalog_writers *w, struct lh_call *call, lh_str id,
                     struct lh_error *err)
{
    int64_t expires_us = lh_time_now_us() + w->ttl_ms * 1000;
    char text[LH_UUID_TEXT], key[96], etag[LH_ETAG_MAX];
    struct record r;
    lh_status status;

    LH_TRY(id_check(id, text, err));
    status = record_load(w, call, writer_key(text, key), &r, err);
    if (status == LH_OK && r.dataset[0] != '\0' && !record_is_over(w, &r))
        status = record_put(w, call, writer_key(text, key), lh_str_of(r.dataset), expires_us,
                            &(struct lh_put_options){.if_match = r.etag}, etag, err);
    else if (status == LH_OK)
        status = LH_NOT_FOUND;
    if (status == LH_NOT_FOUND || status == LH_CONFLICT) {
        known_forget(w, text);
        return expired(text, LH_NOT_FOUND, "catalog.unknown_writer", err);
    }
    LH_TRY(status);
    known_set(w, text, lh_str_of(r.dataset), expires_us);
    return LH_OK;
}

/* On a call of its own: a record that stays because its writer's client went away would hold up
 * collection. */
lh_status
catalog_writer_end(struct catalog_writers *w, struct lh_call *call, lh_str id, struct lh_error *err)
{
    LH_AUTO_ERROR(why);
    char text[LH_UUID_TEXT], key[96];
    struct lh_call own;
    lh_status status;

    LH_TRY(id_check(id, text, err));
    lh_call_init(&own);
    own.trace = call->trace;
    own.deadline_ms = lh_time_mono_ms() + CLEANUP_WAIT_MS;
    known_forget(w, text);
    status = lh_object_delete(w->bucket, &own, writer_key(text, key), NULL, &why);
    lh_call_fini(&own);
    if (status == LH_OK || status == LH_NOT_FOUND)
        return LH_OK;
    if (err != NULL)
        lh_error_copy(err, &why);
    return status;
}

lh_status
catalog_writer_check(struct catalog_writers *w, struct lh_call *call, lh_str id, lh_str dataset,
                     struct lh_error *err)
{
    char text[LH_UUID_TEXT], key[96];
    struct record r;
    lh_status status = LH_OK;

    LH_TRY(id_check(id, text, err));
    if (!known_find(w, text, &r))
        status = record_load(w, call, writer_key(text, key), &r, err);
    if (status == LH_NOT_FOUND)
        return expired(text, LH_CONFLICT, "catalog.writer_expired", err);
    LH_TRY(status);
    if (!lh_str_eq(lh_str_of(r.dataset), dataset))
        return lh_fail(err, LH_INVALID, "catalog.writer", "writer %s writes '%s', not '%.*s'", text,
                       r.dataset, LH_FMT(dataset));
    if (r.expires_us >= lh_time_now_us() + COMMIT_US)
        return LH_OK;
    if (catalog_writer_renew(w, call, id, NULL) != LH_OK)
        return expired(text, LH_CONFLICT, "catalog.writer_expired", err);
    return LH_OK;
}

/* ---- for collection ---- */

struct walk {
    struct catalog_writers *w;
    struct lh_call *call;
    lh_str dataset; /* "": all */
    bool is_written;
    const struct catalog_stale *stale;
};

static bool
record_concerns(const struct record *r, lh_str dataset)
{
    return r->dataset[0] == '\0' || dataset.len == 0 || lh_str_eq(lh_str_of(r->dataset), dataset);
}

static void
stale_add(struct walk *w, const char *key, const struct record *r)
{
    struct catalog_stale *s = LH_ARENA_NEW(&w->call->arena, struct catalog_stale);

    s->key = lh_arena_cstr(&w->call->arena, lh_str_of(key));
    s->etag = lh_arena_cstr(&w->call->arena, lh_str_of(r->etag));
    s->dataset = lh_arena_cstr(&w->call->arena, lh_str_of(r->dataset));
    s->next = w->stale;
    w->stale = s;
}

static lh_status
record_visit(void *self, const struct lh_object_entry *entry, struct lh_error *err)
{
    struct walk *w = self;
    LH_AUTO_ERROR(why);
    struct record r;
    lh_status status = record_load(w->w, w->call, lh_str_of(entry->key), &r, &why);

    if (status == LH_NOT_FOUND)
        return LH_OK;
    if (status != LH_OK) {
        lh_error_copy(err, &why);
        return status;
    }
    if (!record_concerns(&r, w->dataset))
        return LH_OK;
    if (record_is_over(w->w, &r))
        stale_add(w, entry->key, &r);
    else
        w->is_written = true;
    return LH_OK;
}

static lh_status
records_walk(struct walk *w, struct lh_error *err)
{
    return lh_object_walk(w->w->bucket, w->call, LH_STR(CATALOG_WRITERS_PREFIX), record_visit, w,
                          err);
}

lh_status
catalog_writers_live(struct catalog_writers *w, struct lh_call *call, lh_str dataset,
                     bool *is_written, struct lh_error *err)
{
    struct walk walk = {.w = w, .call = call, .dataset = dataset};

    LH_TRY(records_walk(&walk, err));
    *is_written = walk.is_written;
    return LH_OK;
}

lh_status
catalog_writers_stale(struct catalog_writers *w, struct lh_call *call, lh_str dataset,
                      const struct catalog_stale **out, struct lh_error *err)
{
    struct walk walk = {.w = w, .call = call, .dataset = dataset};

    LH_TRY(records_walk(&walk, err));
    *out = walk.stale;
    return LH_OK;
}

lh_status
catalog_stale_remove(struct catalog_writers *w, struct lh_call *call,
                     const struct catalog_stale *stale, struct lh_error *err)
{
    LH_AUTO_ERROR(why);
    lh_status status = lh_object_delete(w->bucket, call, lh_str_of(stale->key), stale->etag, &why);

    if (status == LH_OK || status == LH_NOT_FOUND)
        return LH_OK;
    lh_error_copy(err, &why);
    return status;
}

bool
catalog_writer_lives(struct catalog_writers *w, lh_str id)
{
    char text[LH_UUID_TEXT];
    struct record r;

    return id_check(id, text, NULL) == LH_OK && known_find(w, text, &r) &&
           r.expires_us > lh_time_now_us();
}

static lh_status
lease_put(struct catalog_writers *w, struct lh_call *call, lh_str dataset,
          const struct lh_put_options *options, struct catalog_lease *lease, struct lh_error *err)
{
    lease->expires_us = lh_time_now_us() + LEASE_US;
    return record_put(w, call, lh_str_of(lease->key), dataset, lease->expires_us, options,
                      lease->etag, err);
}

lh_status
catalog_lease_take(struct catalog_writers *w, struct lh_call *call, lh_str dataset,
                   struct catalog_lease *out, struct lh_error *err)
{
    struct catalog_lease lease = {0};
    struct record old;
    lh_str key = lease_key(dataset, lease.key);
    lh_status status =
        lease_put(w, call, dataset, &(struct lh_put_options){.if_absent = true}, &lease, err);

    if (status == LH_CONFLICT || status == LH_EXISTS) {
        status = record_load(w, call, key, &old, err);
        if (status == LH_OK && record_is_over(w, &old))
            status = lease_put(w, call, dataset, &(struct lh_put_options){.if_match = old.etag},
                               &lease, err);
        else if (status == LH_OK || status == LH_NOT_FOUND)
            status = LH_CONFLICT;
    }
    if (status == LH_CONFLICT)
        return lh_fail(err, LH_BUSY, "catalog.collecting",
                       "unused objects of '%.*s' are being removed by another collection",
                       LH_FMT(dataset));
    LH_TRY(status);
    *out = lease;
    return LH_OK;
}

lh_status
catalog_lease_hold(struct catalog_writers *w, struct lh_call *call, struct catalog_lease *lease,
                   struct lh_error *err)
{
    lh_str key = lh_str_of(lease->key);
    lh_str name = lh_str_slice(key, strlen(LEASES_PREFIX), key.len - strlen(".json"));
    struct catalog_lease next = *lease;

    if (lease->expires_us > lh_time_now_us() + LEASE_US / 2)
        return LH_OK;
    /* Writers may have begun since, and nobody has told us: what was planned is void. */
    if (lease->expires_us <= lh_time_now_us())
        return lh_fail(err, LH_CONFLICT, "catalog.lease_expired",
                       "the collection of '%.*s' stood still for too long", LH_FMT(name));
    LH_TRY(lease_put(w, call, name, &(struct lh_put_options){.if_match = lease->etag}, &next, err));
    *lease = next;
    return LH_OK;
}

void
catalog_lease_drop(struct catalog_writers *w, struct lh_call *call,
                   const struct catalog_lease *lease)
{
    LH_AUTO_ERROR(err);
    struct lh_call own;
    lh_status status;

    lh_call_init(&own);
    own.trace = call->trace;
    own.deadline_ms = lh_time_mono_ms() + CLEANUP_WAIT_MS;
    status = lh_object_delete(w->bucket, &own, lh_str_of(lease->key), lease->etag, &err);
    if (status != LH_OK && status != LH_NOT_FOUND)
        lh_log_error(LH_LOG_WARN, "catalogd", "a collection's lease was left to expire", &err);
    lh_call_fini(&own);
}

/* ---- life ---- */

struct catalog_writers *
catalog_writers_new(struct lh_bucket *bucket, int64_t ttl_ms, int64_t skew_ms)
{
    struct catalog_writers *w = LH_NEW(struct catalog_writers);

    w->bucket = bucket;
    w->ttl_ms = ttl_ms;
    w->skew_us = skew_ms * 1000;
    pthread_mutex_init(&w->lock, NULL);
    return w;
}

int64_t
catalog_writers_ttl_ms(const struct catalog_writers *w)
{
    return w->ttl_ms;
}

void
catalog_writers_free(struct catalog_writers *w)
{
    if (w == NULL)
        return;
    while (w->known != NULL) {
        struct known *k = w->known;

        w->known = k->next;
        free(k);
    }
    pthread_mutex_destroy(&w->lock);
    free(w);
}
