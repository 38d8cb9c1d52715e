#include "services/catalogd/meta.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/thread.h"
#include "services/catalogd/client.h"

#define PREFIX "_catalog/meta/"
#define SUFFIX ".json"
#define NO_ETAG "0"
#define META_BYTES_MAX ((size_t)1 << 20)

enum { TRIES_MAX = 20, TAGS_MAX = 100, TEXT_MAX = 16384, OWNER_MAX = 256, TAG_MAX = 64 };

static const char *const fields[] = {"description", "owner", "tags", "columns", NULL};

struct catalog_metas {
    struct lh_bucket *bucket;
    atomic_bool is_loaded; /* listed whole at least once */
    pthread_mutex_t lock;
    /* name → [etag, text]; under the lock. A reader parses a text of its own, since jansson values
     * must not be shared between threads. */
    json_t *seen;
};

/* ---- memory ---- */

static void
seen_set(struct catalog_metas *m, lh_str dataset, const char *etag, lh_str text)
{
    LH_AUTO_CHARS name = lh_str_dup(dataset);
    json_t *pair = json_array();
    LH_AUTO_LOCK(&m->lock);

    json_array_append_new(pair, json_string(etag));
    json_array_append_new(pair, json_stringn_nocheck(text.ptr, text.len));
    json_object_set_new(m->seen, name, pair);
}

static bool
seen_has(struct catalog_metas *m, lh_str dataset, const char *etag)
{
    LH_AUTO_CHARS name = lh_str_dup(dataset);
    LH_AUTO_LOCK(&m->lock);
    const json_t *pair = json_object_get(m->seen, name);

    return pair != NULL && strcmp(json_string_value(json_array_get(pair, 0)), etag) == 0;
}

json_t *
catalog_meta_seen(struct catalog_metas *m, lh_str dataset)
{
    LH_AUTO_CHARS name = lh_str_dup(dataset);
    LH_AUTO_CHARS text = NULL;
    json_t *out = NULL;

    {
        LH_AUTO_LOCK(&m->lock);
        const json_t *pair = json_object_get(m->seen, name);

        if (pair != NULL)
            text = lh_strdup(json_string_value(json_array_get(pair, 1)));
    }
    if (text != NULL && lh_json_parse(lh_str_of(text), &out, NULL) != LH_OK)
        return NULL;
    return out;
}

/* ---- the object ---- */

static lh_str
meta_key(lh_str dataset, struct lh_arena *arena)
{
    return lh_str_of(lh_arena_printf(arena, PREFIX "%.*s" SUFFIX, LH_FMT(dataset)));
}

/* Whatever stands in the object, the answer has the four members in their types. */
static json_t *
meta_normal(const json_t *value)
{
    const json_t *description = json_object_get(value, "description");
    const json_t *owner = json_object_get(value, "owner");
    json_t *tags = json_object_get(value, "tags"), *columns = json_object_get(value, "columns");
    json_t *out = json_object();

    json_object_set_new(
        out, "description",
        json_string(json_is_string(description) ? json_string_value(description) : ""));
    json_object_set_new(out, "owner",
                        json_string(json_is_string(owner) ? json_string_value(owner) : ""));
    json_object_set_new(out, "tags", json_is_array(tags) ? json_deep_copy(tags) : json_array());
    json_object_set_new(out, "columns",
                        json_is_object(columns) ? json_deep_copy(columns) : json_object());
    return out;
}

static lh_status
meta_get(struct catalog_metas *m, struct lh_call *call, lh_str dataset, struct lh_buf *text,
         char etag[LH_ETAG_MAX], struct lh_error *err)
{
    struct lh_object_info info;
    LH_AUTO_ERROR(why);
    lh_status status =
        lh_object_get(m->bucket, call, meta_key(dataset, &call->arena), text, &info, &why);

    if (status == LH_NOT_FOUND) {
        lh_str_copy(etag, LH_ETAG_MAX, LH_STR(NO_ETAG));
        return LH_OK;
    }
    if (status != LH_OK) {
        lh_error_copy(err, &why);
        return status;
    }
    memcpy(etag, info.etag, LH_ETAG_MAX);
    return LH_OK;
}

lh_status
catalog_meta_load(struct catalog_metas *m, struct lh_call *call, lh_str dataset, json_t **out,
                  char etag[LH_ETAG_MAX], struct lh_error *err)
{
    LH_AUTO_BUF(text, META_BYTES_MAX);
    LH_AUTO_JSON value = NULL;

    LH_TRY(meta_get(m, call, dataset, &text, etag, err));
    if (text.len > 0 && lh_json_parse(lh_buf_str(&text), &value, NULL) != LH_OK)
        return lh_fail(err, LH_CORRUPT, "catalog.meta", "the metadata of '%.*s' is no JSON",
                       LH_FMT(dataset));
    if (text.len > 0)
        seen_set(m, dataset, etag, lh_buf_str(&text));
    *out = meta_normal(value);
    return LH_OK;
}

/* ---- refresh ---- */

struct refresh {
    struct catalog_metas *m;
    struct lh_call *call;
};

/* One that cannot be read hides nothing but itself, and its dataset's detail will say so. */
static lh_status
refresh_visit(void *self, const struct lh_object_entry *entry, struct lh_error *err)
{
    struct refresh *r = self;
    lh_str key = lh_str_of(entry->key);
    lh_str name = lh_str_slice(key, strlen(PREFIX), key.len - strlen(SUFFIX));
    char etag[LH_ETAG_MAX];
    LH_AUTO_JSON value = NULL;

    if (!lh_str_ends(key, LH_STR(SUFFIX)) || lh_catalog_name_check(name, NULL) != LH_OK ||
        seen_has(r->m, name, entry->info.etag))
        return LH_OK;
    catalog_meta_load(r->m, r->call, name, &value, etag, NULL);
    return lh_call_check(r->call, err);
}

lh_status
catalog_metas_refresh(struct catalog_metas *m, struct lh_call *call, struct lh_error *err)
{
    struct refresh r = {.m = m, .call = call};

    LH_TRY(lh_object_walk(m->bucket, call, LH_STR(PREFIX), refresh_visit, &r, err));
    atomic_store(&m->is_loaded, true);
    return LH_OK;
}

lh_status
catalog_metas_ready(struct catalog_metas *m, struct lh_call *call, struct lh_error *err)
{
    return atomic_load(&m->is_loaded) ? LH_OK : catalog_metas_refresh(m, call, err);
}

/* ---- patch ---- */

static lh_status
text_check(const char *field, const json_t *value, size_t max, struct lh_error *err)
{
    if (!json_is_string(value))
        return lh_fail(err, LH_INVALID, "request.field_type", "%s must be text", field);
    if (json_string_length(value) > max)
        return lh_fail(err, LH_INVALID, "catalog.meta", "%s has %zu bytes; at most %zu are allowed",
                       field, json_string_length(value), max);
    return LH_OK;
}

static lh_status
tags_check(const json_t *tags, struct lh_error *err)
{
    const json_t *tag;
    size_t i;

    if (!json_is_array(tags))
        return lh_fail(err, LH_INVALID, "request.field_type", "tags must be a list of texts");
    if (json_array_size(tags) > TAGS_MAX)
        return lh_fail(err, LH_INVALID, "catalog.meta", "%zu tags are more than %d",
                       json_array_size(tags), TAGS_MAX);
    json_array_foreach (tags, i, tag) {
        LH_TRY(text_check("a tag", tag, TAG_MAX, err));
        if (json_string_length(tag) == 0)
            return lh_fail(err, LH_INVALID, "catalog.meta", "a tag must not be empty");
    }
    return LH_OK;
}

static lh_status
columns_check(json_t *columns, struct lh_error *err)
{
    const char *name;
    json_t *text;

    if (!json_is_object(columns))
        return lh_fail(err, LH_INVALID, "request.field_type",
                       "columns must be an object of name and description");
    json_object_foreach (columns, name, text) {
        if (!json_is_null(text))
            LH_TRY(text_check("a column's description", text, TEXT_MAX, err));
    }
    return LH_OK;
}

static lh_status
patch_check(const json_t *patch, struct lh_error *err)
{
    const json_t *description = json_object_get(patch, "description");
    const json_t *owner = json_object_get(patch, "owner"), *tags = json_object_get(patch, "tags");
    json_t *columns = json_object_get(patch, "columns");

    LH_TRY(lh_json_only(patch, fields, err));
    if (description != NULL && !json_is_null(description))
        LH_TRY(text_check("description", description, TEXT_MAX, err));
    if (owner != NULL && !json_is_null(owner))
        LH_TRY(text_check("owner", owner, OWNER_MAX, err));
    if (tags != NULL && !json_is_null(tags))
        LH_TRY(tags_check(tags, err));
    return columns != NULL && !json_is_null(columns) ? columns_check(columns, err) : LH_OK;
}

static void
columns_apply(json_t *to, json_t *patch)
{
    const char *name;
    json_t *text;

    json_object_foreach (patch, name, text) {
        if (json_is_null(text) || json_string_length(text) == 0)
            json_object_del(to, name);
        else
            json_object_set(to, name, text);
    }
}

/* Texts and tags are replaced; of the columns only those that are named. */
static json_t *
patch_apply(const json_t *old, const json_t *patch)
{
    LH_AUTO_JSON next = json_deep_copy(old);
    LH_AUTO_JSON change = json_deep_copy(patch);
    json_t *columns = json_object_get(change, "columns");

    if (json_is_object(columns))
        columns_apply(json_object_get(next, "columns"), columns);
    else if (columns != NULL)
        json_object_clear(json_object_get(next, "columns"));
    json_object_del(change, "columns");
    json_object_update(next, change);
    return meta_normal(next);
}

static lh_status
meta_put(struct catalog_metas *m, struct lh_call *call, lh_str dataset, const json_t *value,
         const char *etag, char next_etag[LH_ETAG_MAX], struct lh_error *err)
{
    LH_AUTO_BUF(text, META_BYTES_MAX);
    struct lh_json_writer w = lh_json_writer_over(&text);
    struct lh_object_info info;
    bool is_new = strcmp(etag, NO_ETAG) == 0;

    lh_json_put_value(&w, value);
    LH_TRY(lh_buf_check(&text, "the metadata of a dataset", err));
    LH_TRY(lh_object_put(m->bucket, call, meta_key(dataset, &call->arena), lh_buf_bytes(&text),
                         &(struct lh_put_options){.if_absent = is_new,
                                                  .if_match = is_new ? NULL : etag,
                                                  .content_type = "application/json"},
                         &info, err));
    memcpy(next_etag, info.etag, LH_ETAG_MAX);
    seen_set(m, dataset, info.etag, lh_buf_str(&text));
    return LH_OK;
}

static lh_status
stale(lh_str dataset, struct lh_error *err)
{
    return lh_fail(err, LH_CONFLICT, "catalog.precondition",
                   "the metadata of '%.*s' has changed since it was read", LH_FMT(dataset));
}

static lh_status
patch_once(struct catalog_metas *m, struct lh_call *call, lh_str dataset, const json_t *patch,
           lh_str if_match, struct catalog_meta_change *out, struct lh_error *err)
{
    LH_AUTO_JSON old = NULL;
    LH_AUTO_JSON now = NULL;
    char etag[LH_ETAG_MAX];

    LH_TRY(catalog_meta_load(m, call, dataset, &old, etag, err));
    if (if_match.len > 0 && !lh_str_eq(if_match, lh_str_of(etag)))
        return stale(dataset, err);
    now = patch_apply(old, patch);
    LH_TRY(meta_put(m, call, dataset, now, etag, out->etag, err));
    out->old = lh_take(old);
    out->now = lh_take(now);
    return LH_OK;
}

lh_status
catalog_meta_patch(struct catalog_metas *m, struct lh_call *call, lh_str dataset,
                   const json_t *patch, lh_str if_match, struct catalog_meta_change *out,
                   struct lh_error *err)
{
    LH_TRY(patch_check(patch, err));
    for (int i = 0; i < TRIES_MAX; i++) {
        lh_status status = patch_once(m, call, dataset, patch, if_match, out, err);

        if (status != LH_CONFLICT && status != LH_EXISTS && status != LH_NOT_FOUND)
            return status;
        if (if_match.len > 0)
            return stale(dataset, err);
        LH_TRY(lh_call_check(call, err));
    }
    return lh_fail(err, LH_BUSY, "catalog.meta",
                   "the metadata of '%.*s' is being changed by many at once", LH_FMT(dataset));
}

struct catalog_metas *
catalog_metas_new(struct lh_bucket *bucket)
{
    struct catalog_metas *m = LH_NEW(struct catalog_metas);

    m->bucket = bucket;
    m->seen = json_object();
    pthread_mutex_init(&m->lock, NULL);
    return m;
}

void
catalog_metas_free(struct catalog_metas *m)
{
    if (m == NULL)
        return;
    json_decref(m->seen);
    pthread_mutex_destroy(&m->lock);
    free(m);
}
