#include "services/catalogd/catalog.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/log.h"
#include "base/time.h"
#include "services/catalogd/detail.h"
#include "services/catalogd/keeper.h"
#include "services/catalogd/meta.h"
#include "services/catalogd/tombstones.h"
#include "services/catalogd/upkeep.h"
#include "services/catalogd/writer.h"
#include "services/journald/client.h"

#define MANIFEST_BYTES_MAX ((size_t)512 << 20)
#define START_WAIT_MS 10000

enum { LIST_PAGE = 1000 };

const struct lh_config_key catalog_config[] = {
    {"catalog.refresh_interval", LH_CONFIG_DURATION, "2s", 10, 3600000,
     "How often versions that other processes committed are looked for.", NULL, false},
    {"catalog.head_age_max", LH_CONFIG_DURATION, "0", 0, 3600000,
     "How long a read may trust what it remembers of a dataset's newest version before it looks in "
     "the bucket; 0: every read sees what any process has committed.",
     NULL, false},
    {"catalog.snapshot_cache", LH_CONFIG_SIZE, "8MiB", 0, INT64_C(1) << 40,
     "Memory for decoded manifests in catalogd.", NULL, false},
    {"catalog.writer_ttl", LH_CONFIG_DURATION, "1h", 1000, 604800000,
     "How long a writer that is not renewed holds up the collection of its dataset.", NULL, false},
    {"catalog.clock_skew_max", LH_CONFIG_DURATION, "1m", 10, 3600000,
     "How far the clocks of two processes may be apart. One whose clock is half of that off the "
     "store's is refused.",
     NULL, false},
    {"catalog.tombstone_values_max", LH_CONFIG_I64, "10000", 1, 1000000,
     "Values that one deletion by key may name.", NULL, false},
    {"catalog.tombstones_max", LH_CONFIG_I64, "100000", 1, 10000000,
     "Values deleted by key that a dataset may have in force; compaction carries them out.", NULL,
     false},
    {"catalog.compact_interval", LH_CONFIG_DURATION, "5m", 0, 604800000,
     "How often datasets are looked at for small objects to put together and deleted rows to leave "
     "out; 0 never.",
     NULL, false},
    {"catalog.compact_target", LH_CONFIG_SIZE, "128MiB", 1024, INT64_C(1) << 40,
     "Size that compaction aims at; objects below half of it are small.", NULL, false},
    {"catalog.compact_objects_min", LH_CONFIG_I64, "8", 1, 1000000,
     "Objects that a compaction in the background must save, unless rows of one were deleted.",
     NULL, false},
    {"catalog.gc_interval", LH_CONFIG_DURATION, "1h", 0, 604800000,
     "How often what no version names is collected in the background; 0 never.", NULL, false},
    {"catalog.gc_keep_versions", LH_CONFIG_I64, "0", 0, INT64_C(1) << 32,
     "Versions of each dataset that collection in the background keeps; 0 keeps all, but for those "
     "with rows that were deleted by key.",
     NULL, false},
    {"catalog.retention", LH_CONFIG_DURATION, "24h", 1000, INT64_C(3650) * 86400000,
     "Collection in the background takes nothing younger, neither objects nor versions since "
     "another took their place; must be longer than query.timeout_max.",
     NULL, false},
    {"catalog.distinct_max_rows", LH_CONFIG_I64, "20000000", 0, INT64_MAX,
     "Datasets with more rows show no estimate of distinct values unless asked with distinct=true.",
     NULL, false},
    {0},
};

/* ---- reading versions ---- */

/* Numbers are never used twice and none is left out, so one before the head was there once; and
 * collection goes from the oldest on, so those before it are gone too. */
static lh_status
version_collected(lh_str dataset, uint64_t version, const struct catalog_head *head,
                  struct lh_error *err)
{
    char extra[128];

    snprintf(extra, sizeof(extra), "{\"oldest\":%llu,\"newest\":%llu}",
             (unsigned long long)head->oldest, (unsigned long long)head->version);
    lh_fail(err, LH_NOT_FOUND, "catalog.version_collected",
            "version %llu of '%.*s' has been collected; versions %llu to %llu are still there",
            (unsigned long long)version, LH_FMT(dataset), (unsigned long long)head->oldest,
            (unsigned long long)head->version);
    lh_error_extra_set(err, extra);
    return LH_NOT_FOUND;
}

static lh_status
version_unknown(struct catalog *c, lh_str dataset, uint64_t version, struct lh_error *err)
{
    struct catalog_head head = catalog_index_head(c->index, dataset);

    if (version > 0 && version < head.version) {
        if (head.oldest <= version) /* what is known of older ones is older still */
            head.oldest = version + 1;
        return version_collected(dataset, version, &head, err);
    }
    return lh_fail(err, LH_NOT_FOUND, "catalog.unknown_version",
                   "dataset '%.*s' has no version %llu", LH_FMT(dataset),
                   (unsigned long long)version);
}

/* Once for each object: the same broken manifest is met by every list and every query. */
static void
broken_report(struct catalog *c, struct lh_call *call, lh_str dataset, uint64_t version,
              const struct lh_error *why)
{
    char key[CATALOG_KEY_TEXT];

    if (!catalog_index_broken(c->index, dataset, version))
        return;
    catalog_manifest_key(dataset, version, key);
    lh_journal_failure(c->env->mesh, call,
                       &(struct lh_journal_failure){.service = "catalogd",
                                                    .code = why->reason,
                                                    .detail = why->text,
                                                    .object = key,
                                                    .bucket = lh_bucket_name(c->bucket)});
}

static lh_status
manifest_get(struct catalog *c, struct lh_call *call, lh_str dataset, uint64_t version,
             struct lh_buf *out, struct lh_error *err)
{
    LH_AUTO_ERROR(why);
    char text[CATALOG_KEY_TEXT];
    lh_str key = catalog_manifest_key(dataset, version, text);
    lh_status status = lh_object_get(c->bucket, call, key, out, NULL, &why);

    if (status == LH_OK)
        return LH_OK;
    if (status == LH_NOT_FOUND) {
        catalog_index_remove(c->index, dataset, version);
        return version_unknown(c, dataset, version, err);
    }
    if (status == LH_CORRUPT)
        return lh_fail(err, LH_CORRUPT, "catalog.manifest", "manifest %s cannot be read: %s", text,
                       why.text);
    lh_error_copy(err, &why);
    return status;
}

static lh_status
manifest_read(struct catalog *c, struct lh_call *call, lh_str dataset, uint64_t version,
              struct catalog_snapshot **out, struct lh_error *err)
{
    LH_AUTO_BUF(bytes, MANIFEST_BYTES_MAX);
    struct lh_engine *work;

    LH_TRY(manifest_get(c, call, dataset, version, &bytes, err));
    LH_TRY(lh_env_work_engine(c->env, &work, err));
    return catalog_manifest_decode(work, call, lh_buf_bytes(&bytes), dataset, version, out, err);
}

lh_status
catalog_version_load(struct catalog *c, struct lh_call *call, lh_str dataset, uint64_t version,
                     struct catalog_snapshot **out, struct lh_error *err)
{
    LH_AUTO_ERROR(why);
    char key[CATALOG_SNAPSHOT_KEY];
    lh_status status;

    *out = lh_cache_find(c->snapshots, catalog_snapshot_key(dataset, version, key));
    if (*out != NULL)
        return LH_OK;
    status = manifest_read(c, call, dataset, version, out, &why);
    if (status != LH_OK) {
        if (status == LH_CORRUPT)
            broken_report(c, call, dataset, version, &why);
        lh_error_copy(err, &why);
        return status;
    }
    catalog_keep(c, *out);
    return LH_OK;
}

lh_status
catalog_version_prove(struct catalog *c, struct lh_call *call, lh_str dataset, uint64_t version,
                      struct lh_error *err)
{
    LH_AUTO_ERROR(why);
    char text[CATALOG_KEY_TEXT], cached[CATALOG_SNAPSHOT_KEY];
    struct lh_object_info info;
    lh_status status =
        lh_object_head(c->bucket, call, catalog_manifest_key(dataset, version, text), &info, &why);

    if (status == LH_NOT_FOUND) {
        catalog_index_remove(c->index, dataset, version);
        lh_cache_drop(c->snapshots, catalog_snapshot_key(dataset, version, cached));
        return version_unknown(c, dataset, version, err);
    }
    if (status != LH_OK)
        lh_error_copy(err, &why);
    return status;
}

void
catalog_keep(struct catalog *c, struct catalog_snapshot *s)
{
    char key[CATALOG_SNAPSHOT_KEY];
    lh_str name = lh_str_of(s->shown.dataset);

    catalog_index_add(c->index, name, s->shown.version);
    catalog_index_read(c->index, s);
    lh_cache_put(c->snapshots, catalog_snapshot_key(name, s->shown.version, key), s,
                 s->arena.used_bytes + sizeof(*s));
}

lh_status
catalog_ready_check(struct catalog *c, struct lh_error *err)
{
    if (!atomic_load(&c->is_loaded))
        return lh_fail(err, LH_UNAVAILABLE, "catalog.not_ready",
                       "the bucket '%s' has not been listed yet", lh_bucket_name(c->bucket));
    return LH_OK;
}

/* A head that is not read yet is read here; one that cannot be does not hide its dataset. */
static lh_status
head_is_hidden(struct catalog *c, struct lh_call *call, lh_str dataset, uint64_t version,
               bool *is_hidden, struct lh_error *err)
{
    LH_AUTO(catalog_snapshot) *s = NULL;
    LH_AUTO_ERROR(why);
    lh_status status = catalog_version_load(c, call, dataset, version, &s, &why);

    if (status != LH_OK && status != LH_CORRUPT) {
        lh_error_copy(err, &why);
        return status;
    }
    *is_hidden = status == LH_OK && s->shown.is_deleted;
    return LH_OK;
}

lh_status
catalog_head(struct catalog *c, struct lh_call *call, lh_str dataset, uint64_t *version,
             bool *is_hidden, struct lh_error *err)
{
    struct catalog_head head;

    LH_TRY(catalog_ready_check(c, err));
    head = catalog_index_head(c->index, dataset);
    *version = head.version;
    *is_hidden = head.is_deleted;
    if (head.version == 0 || head.state == CATALOG_READ)
        return LH_OK;
    return head_is_hidden(c, call, dataset, *version, is_hidden, err);
}

/* Tombstones change how every version is read, so the view is kept under their number too. */
lh_status
catalog_version_erase(struct catalog *c, struct lh_call *call, struct catalog_snapshot *s,
                      struct catalog_snapshot **out, struct lh_error *err)
{
    LH_AUTO(catalog_tombstones) *t = NULL;
    lh_str dataset = lh_str_of(s->shown.dataset);
    struct catalog_head head = catalog_index_head(c->index, dataset);
    char text[CATALOG_SNAPSHOT_KEY];
    uint64_t erased = head.erased;
    lh_str key;

    if (head.state != CATALOG_READ || erased > 0)
        LH_TRY(catalog_tombstones_of(c, call, dataset, &t, &erased, err));
    if (t == NULL) {
        catalog_snapshot_ref(s);
        *out = s;
        return LH_OK;
    }
    key = catalog_snapshot_erased_key(dataset, s->shown.version, erased, text);
    *out = lh_cache_find(c->snapshots, key);
    if (*out != NULL)
        return LH_OK;
    *out = catalog_snapshot_erase(s, t, erased, lh_bucket_name(c->bucket));
    lh_cache_put(c->snapshots, key, *out, (*out)->arena.used_bytes + sizeof(**out));
    return LH_OK;
}

static lh_status
manifest_is_there(struct catalog *c, struct lh_call *call, lh_str dataset, uint64_t version,
                  bool *is_there, struct lh_error *err)
{
    char key[CATALOG_KEY_TEXT];
    struct lh_object_info info;
    LH_AUTO_ERROR(why);
    lh_status status =
        lh_object_head(c->bucket, call, catalog_manifest_key(dataset, version, key), &info, &why);

    *is_there = status == LH_OK;
    if (status == LH_OK || status == LH_NOT_FOUND)
        return LH_OK;
    lh_error_copy(err, &why);
    return status;
}

lh_status
catalog_head_check(struct catalog *c, struct lh_call *call, lh_str dataset, struct lh_error *err)
{
    struct catalog_head head = catalog_index_head(c->index, dataset);
    int64_t now_ms = lh_time_mono_ms();
    bool has_next, stands = false;

    if (head.version == 0 ||
        now_ms - head.seen_ms < lh_config_ms(c->env->config, "catalog.head_age_max"))
        return LH_OK;
    LH_TRY(manifest_is_there(c, call, dataset, head.version + 1, &has_next, err));
    if (!has_next)
        LH_TRY(manifest_is_there(c, call, dataset, head.version, &stands, err));
    if (has_next || !stands)
        LH_TRY(catalog_dataset_refresh(c, call, dataset, err));
    catalog_index_seen(c->index, dataset, now_ms);
    return LH_OK;
}

lh_status
catalog_version_true(struct catalog *c, struct lh_call *call, const struct catalog_snapshot *s,
                     struct lh_error *err)
{
    LH_AUTO(catalog_snapshot) *next = NULL;
    lh_str dataset = lh_str_of(s->shown.dataset);

    if (catalog_index_head(c->index, dataset).version <= s->shown.version)
        return LH_OK;
    if (catalog_version_load(c, call, dataset, s->shown.version + 1, &next, NULL) != LH_OK ||
        catalog_snapshot_follows(next, s))
        return LH_OK;
    return version_unknown(c, dataset, s->shown.version, err);
}

lh_status
catalog_load(struct catalog *c, struct lh_call *call, lh_str dataset, uint64_t version,
             struct catalog_snapshot **out, struct lh_error *err)
{
    LH_AUTO(catalog_snapshot) *s = NULL;
    uint64_t head;
    bool is_hidden;

    if (version == 0)
        LH_TRY(catalog_head_check(c, call, dataset, err));
    LH_TRY(catalog_head(c, call, dataset, &head, &is_hidden, err));
    if (head == 0 || version > head) {
        LH_TRY(catalog_dataset_refresh(c, call, dataset, err));
        LH_TRY(catalog_head(c, call, dataset, &head, &is_hidden, err));
    }
    if (head == 0 || is_hidden)
        return catalog_index_unknown(c->index, dataset, err);
    if (version == 0)
        version = head;
    if (!catalog_index_has(c->index, dataset, version))
        return version_unknown(c, dataset, version, err);
    LH_TRY(catalog_version_load(c, call, dataset, version, &s, err));
    LH_TRY(catalog_version_true(c, call, s, err));
    return catalog_version_erase(c, call, s, out, err);
}

lh_status
catalog_entry_read(struct catalog *c, struct lh_call *call, struct catalog_entry *entry,
                   struct lh_error *err)
{
    LH_AUTO(catalog_snapshot) *s = NULL;
    LH_AUTO_ERROR(why);
    lh_str name = lh_str_of(entry->name);
    lh_status status;

    if (entry->head.state != CATALOG_UNREAD)
        return LH_OK;
    status = catalog_version_load(c, call, name, entry->head.number, &s, &why);
    if (status != LH_OK && status != LH_CORRUPT && status != LH_NOT_FOUND) {
        lh_error_copy(err, &why);
        return status;
    }
    /* Gone meanwhile: then it is shown no more than a broken one. */
    if (!catalog_index_entry(c->index, name, &call->arena, entry))
        entry->head.state = CATALOG_BROKEN;
    return LH_OK;
}

bool
catalog_entry_is_shown(const struct catalog_entry *entry)
{
    return entry->head.state == CATALOG_READ && strcmp(entry->head.digest.mode, "delete") != 0;
}

/* ---- looking at the bucket ---- */

/* Numbers of the versions of one dataset, as they are walked. */
struct numbers {
    lh_str dataset;
    uint64_t *items;
    size_t count, cap;
};

static void
numbers_add(struct numbers *n, uint64_t number)
{
    if (n->count == n->cap) {
        n->cap = n->cap ? n->cap * 2 : 32;
        n->items = lh_realloc_array(n->items, n->cap, sizeof(*n->items));
    }
    n->items[n->count++] = number;
}

static void
numbers_fini(struct numbers *n)
{
    free(n->items);
}

static lh_status
number_visit(void *self, const struct lh_object_entry *entry, struct lh_error *err)
{
    struct numbers *n = self;
    lh_str dataset;
    uint64_t version;

    (void)err;
    if (catalog_manifest_key_parse(lh_str_of(entry->key), &dataset, &version) &&
        lh_str_eq(dataset, n->dataset))
        numbers_add(n, version);
    return LH_OK;
}

lh_status
catalog_versions_list(struct catalog *c, struct lh_call *call, lh_str dataset, uint64_t **out,
                      size_t *count, struct lh_error *err)
{
    struct numbers n __attribute__((cleanup(numbers_fini))) = {.dataset = dataset};
    const char *prefix =
        lh_arena_printf(&call->arena, CATALOG_DATASETS_PREFIX "%.*s/", LH_FMT(dataset));

    LH_TRY(lh_object_walk(c->bucket, call, lh_str_of(prefix), number_visit, &n, err));
    *out = lh_arena_array(&call->arena, n.count + 1, sizeof(**out));
    if (n.count > 0)
        memcpy(*out, n.items, n.count * sizeof(**out));
    *count = n.count;
    return LH_OK;
}

lh_status
catalog_dataset_refresh(struct catalog *c, struct lh_call *call, lh_str dataset,
                        struct lh_error *err)
{
    LH_AUTO(lh_object_list) *page = NULL;
    char text[CATALOG_KEY_TEXT];
    uint64_t version;
    lh_str key, name;

    if (lh_catalog_name_check(dataset, NULL) != LH_OK)
        return LH_OK;
    key = catalog_manifest_key(dataset, catalog_index_head(c->index, dataset).version, text);
    LH_TRY(lh_object_list(c->bucket, call,
                          lh_str_slice(key, 0, strlen(CATALOG_DATASETS_PREFIX) + dataset.len + 1),
                          key, LIST_PAGE, &page, err));
    for (size_t i = 0; i < page->count; i++)
        if (catalog_manifest_key_parse(lh_str_of(page->items[i].key), &name, &version))
            catalog_index_add(c->index, name, version);
    return LH_OK;
}

/* A dataset's versions come one after the other; when the next dataset begins, the one before is
 * known whole. */
struct walk {
    struct catalog *c;
    struct numbers seen;
    char name[CATALOG_KEY_TEXT];
};

/* Only what goes down from the head without a gap is history (gc_plan.c). */
static void
walk_flush(struct walk *w)
{
    size_t from = w->seen.count;

    while (from > 1 && w->seen.items[from - 2] == w->seen.items[from - 1] - 1)
        from--;
    if (from > 0)
        catalog_index_prune(w->c->index, lh_str_of(w->name), w->seen.items + from - 1,
                            w->seen.count - from + 1);
    w->seen.count = 0;
}

static lh_status
walk_visit(void *self, const struct lh_object_entry *entry, struct lh_error *err)
{
    struct walk *w = self;
    lh_str dataset;
    uint64_t version;

    (void)err;
    if (!catalog_manifest_key_parse(lh_str_of(entry->key), &dataset, &version))
        return LH_OK;
    if (!lh_str_eq(dataset, lh_str_of(w->name))) {
        walk_flush(w);
        lh_str_copy(w->name, sizeof(w->name), dataset);
    }
    numbers_add(&w->seen, version);
    catalog_index_add(w->c->index, dataset, version);
    return LH_OK;
}

static lh_status
refresh_whole(struct catalog *c, struct lh_call *call, struct lh_error *err)
{
    struct walk w = {.c = c};
    lh_status status =
        lh_object_walk(c->bucket, call, LH_STR(CATALOG_DATASETS_PREFIX), walk_visit, &w, err);

    if (status == LH_OK) {
        walk_flush(&w);
        atomic_store(&c->is_loaded, true);
    }
    numbers_fini(&w.seen);
    return status;
}

/* Where to look next after `key`: behind the head of its dataset, as far as it is known. */
static lh_str
next_place(struct catalog *c, lh_str key, char text[CATALOG_KEY_TEXT])
{
    lh_str dataset;
    uint64_t version, head;

    if (!catalog_manifest_key_parse(key, &dataset, &version)) {
        lh_str_copy(text, CATALOG_KEY_TEXT, key);
        return lh_str_of(text);
    }
    catalog_index_add(c->index, dataset, version);
    head = catalog_index_head(c->index, dataset).version;
    return catalog_manifest_key(dataset, head > version ? head : version, text);
}

/* One key at a time: from each dataset's known head straight to what stands behind it, which is its
 * new version or the next dataset. */
static lh_status
refresh_heads(struct catalog *c, struct lh_call *call, struct lh_error *err)
{
    char text[2][CATALOG_KEY_TEXT];
    lh_str after = LH_STR("");

    for (unsigned i = 0;; i++) {
        LH_AUTO(lh_object_list) *page = NULL;

        LH_TRY(
            lh_object_list(c->bucket, call, LH_STR(CATALOG_DATASETS_PREFIX), after, 1, &page, err));
        if (page->count == 0)
            return LH_OK;
        after = next_place(c, lh_str_of(page->items[0].key), text[i % 2]);
    }
}

lh_status
catalog_refresh(struct catalog *c, struct lh_call *call, bool is_whole, struct lh_error *err)
{
    if (is_whole || !atomic_load(&c->is_loaded))
        return refresh_whole(c, call, err);
    return refresh_heads(c, call, err);
}

/* ---- life ---- */

/* A bucket that is away now may be back in a minute: the keeper goes on trying. */
static void
start_list(struct catalog *c)
{
    LH_AUTO_ERROR(err);
    struct lh_call call;

    lh_call_init(&call);
    call.deadline_ms = lh_time_mono_ms() + START_WAIT_MS;
    if (catalog_refresh(c, &call, true, &err) != LH_OK)
        lh_log_error(LH_LOG_ERROR, "catalogd", "the catalog could not be listed", &err);
    lh_call_fini(&call);
}

lh_status
catalog_open(const struct lh_env *env, struct catalog **out, struct lh_error *err)
{
    struct catalog *c = LH_NEW(struct catalog);
    lh_status status;

    c->env = env;
    c->bucket = lh_store_primary(env->store);
    c->index = catalog_index_new();
    c->snapshots =
        lh_cache_new(&catalog_snapshot_kind, lh_config_size(env->config, "catalog.snapshot_cache"));
    c->tombstones = lh_cache_new(&catalog_tombstones_kind,
                                 lh_config_size(env->config, "catalog.snapshot_cache"));
    c->writers = catalog_writers_new(c->bucket, lh_config_ms(env->config, "catalog.writer_ttl"),
                                     lh_config_ms(env->config, "catalog.clock_skew_max"));
    c->metas = catalog_metas_new(c->bucket);
    c->distincts = catalog_distincts_new();
    start_list(c);
    status = catalog_keeper_start(c, &c->keeper, err);
    if (status == LH_OK)
        status = catalog_upkeep_start(c, &c->upkeep, err);
    if (status != LH_OK) {
        catalog_free(c);
        return status;
    }
    *out = c;
    return LH_OK;
}

void
catalog_drain(struct catalog *c)
{
    catalog_upkeep_stop(c->upkeep);
    c->upkeep = NULL;
    catalog_keeper_stop(c->keeper);
    c->keeper = NULL;
}

void
catalog_free(struct catalog *c)
{
    if (c == NULL)
        return;
    catalog_drain(c);
    catalog_distincts_free(c->distincts);
    catalog_metas_free(c->metas);
    catalog_writers_free(c->writers);
    lh_cache_free(c->tombstones);
    lh_cache_free(c->snapshots);
    catalog_index_free(c->index);
    free(c);
}
