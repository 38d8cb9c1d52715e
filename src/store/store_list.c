/*
 * Buckets of the configuration are opened at the start; those added at run time are records in
 * primary, read again after a second at the latest, so that what one process adds or removes the
 * others see.
 */
#include "store/replicate_parts.h"
#include "store/store_parts.h"

#include <stdlib.h>
#include "base/alloc.h"
#include "base/thread.h"
#include "base/time.h"

#define RECORD_FRESH_MS 1000
#define RESCUE_LOOK_MS 5000
#define RESCUE_LOOK_TIME_MS 1000
#define STORE_SOURCES_MAX 256 /* buckets that one replication copies */

/* ---- the list ---- */

lh_status
store_fail_no_bucket(lh_str name, struct lh_error *err)
{
    return lh_fail(err, LH_NOT_FOUND, "store.no_bucket", "there is no bucket '%.*s'",
                   LH_FMT(lh_str_fit(name, 80)));
}

void
store_entry_free(struct store_entry *e)
{
    bucket_free(e->bucket);
    store_spec_fini(&e->spec);
    free(e);
}

/* The living one of that name. Under the lock. */
struct store_entry *
store_entry_find(struct lh_store *s, lh_str name)
{
    struct store_entry *e = s->lock.first;

    while (e && (e->is_removed || !lh_str_eq(lh_str_of(e->spec.name), name)))
        e = e->next;
    return e;
}

/* One of that very description, living or not. Under the lock. */
static struct store_entry *
entry_find_same(struct lh_store *s, const struct lh_bucket_spec *spec)
{
    struct store_entry *e = s->lock.first;

    for (; e; e = e->next) {
        struct lh_bucket_spec view = store_spec_view(&e->spec);
        if (store_spec_eq(&view, spec))
            break;
    }
    return e;
}

void
store_entry_retire(struct lh_store *s, lh_str name)
{
    LH_AUTO_LOCK(&s->lock.mutex);
    struct store_entry *e = store_entry_find(s, name);

    if (e && !e->is_configured)
        e->is_removed = true;
}

static void
entry_revive(struct lh_store *s, struct store_entry *e)
{
    struct store_entry *other = store_entry_find(s, lh_str_of(e->spec.name));

    if (other && other != e)
        other->is_removed = true;
    e->is_removed = false;
    e->fresh_until_ms = lh_time_mono_ms() + RECORD_FRESH_MS;
}

lh_status
store_backend_check(const struct lh_bucket_spec *spec, struct lh_error *err)
{
    if (strcmp(spec->backend, "local") == 0 || store_spec_is_s3(spec))
        return LH_OK;
    return lh_fail(err, LH_UNSUPPORTED, "store.backend",
                   "bucket '%s' asks for the backend '%.80s'; there are: local, s3", spec->name,
                   spec->backend);
}

/* Made for the first bucket that needs it: most stores have none. */
static struct s3_shared *
s3_shared_get(struct lh_store *s)
{
    LH_AUTO_LOCK(&s->lock.mutex);

    if (!s->lock.s3)
        s->lock.s3 = s3_shared_new(s->config, s->secrets, &s->spool);
    return s->lock.s3;
}

lh_status
store_backend_open(struct lh_store *s, const struct lh_bucket_spec *spec, struct lh_bucket **out,
                   struct lh_error *err)
{
    const struct local_bucket_options o = {
        .name = spec->name, .root = spec->root, .limits = &s->limits, .proven = s->proven};

    LH_TRY(store_backend_check(spec, err));
    if (store_spec_is_s3(spec)) {
        *out = s3_bucket_new(s3_shared_get(s), spec, &s->limits);
        return LH_OK;
    }
    return local_bucket_open(&o, out, err);
}

/* Blocks of a remote bucket are those of its whole description: the same name in another place is
 * another bucket. */
static void
blocks_attach(struct lh_store *s, const struct lh_bucket_spec *spec, struct lh_bucket *b)
{
    LH_AUTO_BUF(identity, STORE_RECORD_BYTES_MAX);
    struct lh_json_writer w = lh_json_writer_over(&identity);

    if (!b->ops->is_remote)
        return;
    lh_json_object_begin(&w);
    lh_bucket_spec_print(spec, &w);
    lh_json_object_end(&w);
    if (!identity.is_failed)
        b->blocks = block_source_new(s->blocks, spec->name, lh_buf_str(&identity));
}

/* A rescue bucket is closed to writers, and others may be read from it. */
static void
role_take(struct lh_store *s, struct store_entry *e)
{
    struct lh_bucket_spec spec = store_spec_view(&e->spec);

    e->bucket->is_rescue = store_spec_is_rescue(&spec);
    if (!e->bucket->is_rescue)
        e->bucket->rescue = bucket_rescue_new(&s->rescue, e->bucket);
}

/* Of several rescue buckets the first that was met answers. */
static void
rescue_take(struct lh_store *s, struct lh_bucket *b)
{
    struct lh_bucket *none = NULL;

    if (b->is_rescue)
        (void)atomic_compare_exchange_strong(&s->rescue.rescue, &none, b);
}

/* Opens and enters the bucket, or finds the one that is there by now. */
lh_status
store_entry_open(struct lh_store *s, const struct lh_bucket_spec *spec, bool is_configured,
                 struct lh_bucket **out, struct lh_error *err)
{
    struct store_entry *e = LH_NEW(struct store_entry), *same;
    lh_status status = store_backend_open(s, spec, &e->bucket, err);

    if (status != LH_OK) {
        free(e);
        return status;
    }
    blocks_attach(s, spec, e->bucket);
    store_spec_init(&e->spec, spec);
    e->is_configured = is_configured;
    role_take(s, e);
    {
        LH_AUTO_LOCK(&s->lock.mutex);
        same = entry_find_same(s, spec);
        if (!same) {
            e->next = s->lock.first;
            s->lock.first = e;
        }
        entry_revive(s, same ? same : e);
        *out = same ? same->bucket : e->bucket;
    }
    if (same)
        store_entry_free(e);
    rescue_take(s, *out);
    return LH_OK;
}

bool
store_is_configured(struct lh_store *s, lh_str name)
{
    LH_AUTO_LOCK(&s->lock.mutex);
    struct store_entry *e = store_entry_find(s, name);

    return e && e->is_configured;
}

/* ---- finding ---- */

static struct lh_bucket *
known_and_fresh(struct lh_store *s, lh_str name)
{
    LH_AUTO_LOCK(&s->lock.mutex);
    struct store_entry *e = store_entry_find(s, name);

    if (e && (e->is_configured || lh_time_mono_ms() < e->fresh_until_ms))
        return e->bucket;
    return NULL;
}

static struct lh_bucket *
known_of_spec(struct lh_store *s, const struct lh_bucket_spec *spec)
{
    LH_AUTO_LOCK(&s->lock.mutex);
    struct store_entry *e = entry_find_same(s, spec);

    if (!e)
        return NULL;
    entry_revive(s, e);
    return e->bucket;
}

static lh_status
recorded_open(struct lh_store *s, struct lh_call *call, lh_str name, struct lh_bucket **out,
              struct store_spec *spec, struct lh_error *err)
{
    char text[80], key[LH_KEY_MAX + 1];
    LH_AUTO_BUF(json, STORE_RECORD_BYTES_MAX);
    struct lh_bucket_spec view;
    lh_status status;

    (void)lh_str_copy(text, sizeof(text), name);
    status =
        lh_object_get(s->primary, call, lh_str_of(store_record_key(text, key)), &json, NULL, err);
    if (status == LH_NOT_FOUND) {
        store_entry_retire(s, name);
        return store_fail_no_bucket(name, err);
    }
    LH_TRY(status);
    LH_TRY(store_record_decode(name, lh_buf_str(&json), spec, err));
    view = store_spec_view(spec);
    *out = known_of_spec(s, &view);
    if (*out)
        return LH_OK;
    LH_TRY(store_entry_open(s, &view, false, out, err));
    store_distrust_load(s, call, *out, &view);
    return LH_OK;
}

/* While primary does not answer, what was known last holds. */
static struct lh_bucket *
known_at_all(struct lh_store *s, lh_str name, lh_status why)
{
    LH_AUTO_LOCK(&s->lock.mutex);
    struct store_entry *e = store_entry_find(s, name);

    if (!e || (why != LH_UNAVAILABLE && why != LH_TIMEOUT && why != LH_IO))
        return NULL;
    e->fresh_until_ms = lh_time_mono_ms() + RECORD_FRESH_MS;
    return e->bucket;
}

static void
visit_nothing(void *self, struct lh_bucket *b, const struct lh_bucket_spec *spec)
{
    (void)self, (void)b, (void)spec;
}

/* A rescue bucket that was added at run time, by this process or another, is found by opening what
 * is recorded. Only a short time is spent on it, and what fails is tried again. */
static void
rescue_look(struct lh_store *s, struct lh_call *call)
{
    int64_t now = lh_time_mono_ms(), due = atomic_load(&s->look_due_ms);
    struct lh_call part;

    if (now < due || atomic_load(&s->rescue.rescue) ||
        !atomic_compare_exchange_strong(&s->look_due_ms, &due, now + RESCUE_LOOK_MS))
        return;
    lh_call_init_part(&part, call, now + RESCUE_LOOK_TIME_MS);
    (void)lh_store_buckets(s, &part, visit_nothing, NULL, NULL);
    lh_call_fini(&part);
}

static lh_status
recorded_find(struct lh_store *s, struct lh_call *call, lh_str name, struct lh_bucket **out,
              struct lh_error *err)
{
    struct store_spec spec = {0};
    LH_AUTO_ERROR(why);
    lh_status status = recorded_open(s, call, name, out, &spec, &why);

    store_spec_fini(&spec);
    if (status == LH_OK)
        return LH_OK;
    *out = known_at_all(s, name, status);
    if (*out)
        return LH_OK;
    lh_error_copy(err, &why);
    return status;
}

lh_status
lh_store_bucket(struct lh_store *s, struct lh_call *call, lh_str name, struct lh_bucket **out,
                struct lh_error *err)
{
    struct lh_bucket *found = known_and_fresh(s, name);

    if (!found && lh_bucket_name_check(name, NULL) != LH_OK)
        return store_fail_no_bucket(name, err);
    if (!found)
        LH_TRY(recorded_find(s, call, name, &found, err));
    rescue_look(s, call);
    *out = found;
    return LH_OK;
}

/* ---- all of them ---- */

struct bucket_visitor {
    struct lh_store *s;
    struct lh_call *call;
    void (*visit)(void *self, struct lh_bucket *b, const struct lh_bucket_spec *spec);
    void *self;
};

/* Those of the configuration, oldest first; entries stay while the store lives, so they are visited
 * without the lock. */
static size_t
configured_collect(struct lh_store *s, struct store_entry ***out)
{
    LH_AUTO_LOCK(&s->lock.mutex);
    struct store_entry **all = NULL;
    size_t count = 0, at;

    for (struct store_entry *e = s->lock.first; e; e = e->next)
        count += e->is_configured ? 1 : 0;
    all = lh_alloc_array(count, sizeof(struct store_entry *));
    at = count;
    for (struct store_entry *e = s->lock.first; e; e = e->next)
        if (e->is_configured)
            all[--at] = e;
    *out = all;
    return count;
}

static void
configured_visit(const struct bucket_visitor *v)
{
    struct store_entry **all;
    size_t count = configured_collect(v->s, &all);

    for (int is_primary = 1; is_primary >= 0; is_primary--)
        for (size_t i = 0; i < count; i++) {
            struct lh_bucket_spec spec = store_spec_view(&all[i]->spec);
            if ((all[i]->bucket == v->s->primary) == is_primary)
                v->visit(v->self, all[i]->bucket, &spec);
        }
    free(all);
}

static bool
name_of_record(lh_str key, lh_str *name)
{
    lh_str prefix = LH_STR(STORE_RECORD_PREFIX), suffix = LH_STR(STORE_RECORD_SUFFIX);

    if (key.len <= prefix.len + suffix.len || !lh_str_ends(key, suffix))
        return false;
    *name = lh_str_slice(key, prefix.len, key.len - suffix.len);
    return lh_bucket_name_check(*name, NULL) == LH_OK;
}

/* A bucket that cannot be opened now is told of without one; a record removed meanwhile is passed
 * over. */
static lh_status
record_visit(void *self, const struct lh_object_entry *entry, struct lh_error *err)
{
    const struct bucket_visitor *v = self;
    struct store_spec spec = {0};
    struct lh_bucket_spec view;
    struct lh_bucket *b = NULL;
    LH_AUTO_ERROR(why);
    lh_str name;

    if (!name_of_record(lh_str_of(entry->key), &name) || store_is_configured(v->s, name))
        return LH_OK;
    (void)recorded_open(v->s, v->call, name, &b, &spec, &why);
    view = store_spec_view(&spec);
    if (spec.name)
        v->visit(v->self, b, &view);
    store_spec_fini(&spec);
    return lh_call_check(v->call, err);
}

lh_status
lh_store_buckets(struct lh_store *s, struct lh_call *call,
                 void (*visit)(void *self, struct lh_bucket *b, const struct lh_bucket_spec *spec),
                 void *self, struct lh_error *err)
{
    struct bucket_visitor v = {.s = s, .call = call, .visit = visit, .self = self};

    configured_visit(&v);
    return lh_object_walk(s->primary, call, LH_STR(STORE_RECORD_PREFIX), record_visit, &v, err);
}

/* ---- for replication (replicate_parts.h) ---- */

struct replication {
    struct lh_call *call;
    lh_str to;
    struct lh_bucket *rescue;
    struct lh_bucket *sources[STORE_SOURCES_MAX];
    size_t count;
    char unopened[80]; /* one that must not be passed over */
    bool is_too_many;
};

static void
replication_visit(void *self, struct lh_bucket *b, const struct lh_bucket_spec *spec)
{
    struct replication *r = self;

    if (store_spec_is_rescue(spec)) {
        bool is_it = r->to.len > 0 ? lh_str_eq(r->to, lh_str_of(spec->name)) : !r->rescue;
        if (b && is_it)
            r->rescue = b;
    } else if (!b) {
        (void)lh_str_copy(r->unopened, sizeof(r->unopened), lh_str_of(spec->name));
    } else if (r->count < STORE_SOURCES_MAX) {
        r->sources[r->count++] = b;
    } else {
        r->is_too_many = true;
    }
}

static lh_status
replication_check(const struct replication *r, struct lh_error *err)
{
    if (!r->rescue && r->to.len > 0)
        return lh_fail(err, LH_INVALID, "store.no_rescue_bucket",
                       "bucket '%.*s' is no rescue bucket that can be reached",
                       LH_FMT(lh_str_fit(r->to, 80)));
    if (!r->rescue)
        return lh_fail(err, LH_INVALID, "store.no_rescue_bucket",
                       "no bucket has the role rescue, or none can be reached");
    if (r->is_too_many)
        return lh_fail(err, LH_TOO_BIG, "store.too_many_buckets",
                       "more than %d buckets cannot be copied", STORE_SOURCES_MAX);
    if (r->unopened[0])
        return lh_fail(err, LH_UNAVAILABLE, "store.bucket_unavailable",
                       "bucket '%s' cannot be opened, so that it cannot be copied", r->unopened);
    return LH_OK;
}

lh_status
store_replicate_buckets(struct lh_store *s, struct lh_call *call, lh_str to,
                        struct lh_bucket **rescue, struct lh_bucket ***sources, size_t *count,
                        struct lh_error *err)
{
    struct replication r = {.call = call, .to = to};

    LH_TRY(lh_store_buckets(s, call, replication_visit, &r, err));
    LH_TRY(replication_check(&r, err));
    *sources = lh_arena_array(&call->arena, r.count, sizeof(r.sources[0]));
    memcpy(*sources, r.sources, r.count * sizeof(r.sources[0]));
    *count = r.count;
    *rescue = r.rescue;
    return LH_OK;
}
