#include "services/catalogd/index.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "base/thread.h"
#include "services/catalogd/name.h"

enum { NEAR_MAX = 5 };

struct version {
    uint64_t number;
    enum catalog_version_state state;
    struct catalog_digest *digest; /* heap; its texts too */
};

struct dataset {
    char name[CATALOG_NAME_MAX + 1];
    struct version *versions; /* ascending; never empty */
    size_t count, cap;
    uint64_t evented;
    int64_t seen_ms;
    uint64_t floor; /* versions below it are being collected */
};

struct catalog_index {
    pthread_mutex_t lock;
    struct {
        struct dataset **items; /* by name */
        size_t count, cap;
    } locked;
};

/* ---- places ---- */

static bool
dataset_place(const struct catalog_index *x, lh_str name, size_t *at)
{
    size_t from = 0, to = x->locked.count;

    while (from < to) {
        size_t middle = from + (to - from) / 2;
        int order = lh_str_cmp(lh_str_of(x->locked.items[middle]->name), name);

        if (order == 0) {
            *at = middle;
            return true;
        }
        if (order < 0)
            from = middle + 1;
        else
            to = middle;
    }
    *at = from;
    return false;
}

static struct dataset *
dataset_find(const struct catalog_index *x, lh_str name)
{
    size_t at;

    return dataset_place(x, name, &at) ? x->locked.items[at] : NULL;
}

static bool
version_place(const struct dataset *d, uint64_t number, size_t *at)
{
    size_t i = d->count;

    /* Nearly always the newest one or the one after it. */
    while (i > 0 && d->versions[i - 1].number > number)
        i--;
    *at = i > 0 && d->versions[i - 1].number == number ? i - 1 : i;
    return i > 0 && d->versions[i - 1].number == number;
}

static struct version *
version_find(const struct catalog_index *x, lh_str name, uint64_t number)
{
    struct dataset *d = dataset_find(x, name);
    size_t at;

    return d != NULL && version_place(d, number, &at) ? &d->versions[at] : NULL;
}

/* ---- digests ---- */

static void
digest_free(struct catalog_digest *g)
{
    if (g == NULL)
        return;
    free((char *)g->mode);
    free((char *)g->source);
    free((char *)g->content_sha256);
    free((char *)g->fingerprint);
    free((char *)g->actor);
    free(g);
}

struct catalog_digest
catalog_digest_of(const struct catalog_snapshot *s)
{
    const struct lh_snapshot *v = &s->shown;

    return (struct catalog_digest){.parent = v->parent,
                                   .rows = v->rows,
                                   .rows_rejected = v->rows_rejected,
                                   .size_bytes = v->size_bytes,
                                   .column_count = v->column_count,
                                   .file_count = v->file_count,
                                   .erased = s->tombstones[0] != '\0' ? v->erased : 0,
                                   .created_us = v->created_us,
                                   .mode = v->mode,
                                   .source = v->source,
                                   .content_sha256 = v->content_sha256,
                                   .fingerprint = v->fingerprint,
                                   .actor = s->actor};
}

static struct catalog_digest *
digest_new(const struct catalog_snapshot *s)
{
    struct catalog_digest *g = LH_NEW(struct catalog_digest);

    *g = catalog_digest_of(s);
    g->mode = lh_strdup(g->mode);
    g->source = lh_strdup(g->source);
    g->content_sha256 = lh_strdup(g->content_sha256);
    g->fingerprint = lh_strdup(g->fingerprint);
    g->actor = lh_strdup(g->actor);
    return g;
}

static struct catalog_version
version_copy(const struct version *v, struct lh_arena *arena)
{
    struct catalog_version out = {.number = v->number, .state = v->state};

    if (v->digest == NULL)
        return out;
    out.digest = *v->digest;
    out.digest.mode = lh_arena_cstr(arena, lh_str_of(v->digest->mode));
    out.digest.source = lh_arena_cstr(arena, lh_str_of(v->digest->source));
    out.digest.content_sha256 = lh_arena_cstr(arena, lh_str_of(v->digest->content_sha256));
    out.digest.fingerprint = lh_arena_cstr(arena, lh_str_of(v->digest->fingerprint));
    out.digest.actor = lh_arena_cstr(arena, lh_str_of(v->digest->actor));
    return out;
}

static bool
version_hides(const struct version *v)
{
    return v->digest != NULL && strcmp(v->digest->mode, "delete") == 0;
}

/* ---- changes ---- */

static void
dataset_free(struct dataset *d)
{
    for (size_t i = 0; i < d->count; i++)
        digest_free(d->versions[i].digest);
    free(d->versions);
    free(d);
}

static struct dataset *
dataset_insert(struct catalog_index *x, size_t at, lh_str name)
{
    struct dataset *d = LH_NEW(struct dataset);

    lh_str_copy(d->name, sizeof(d->name), name);
    if (x->locked.count == x->locked.cap) {
        x->locked.cap = x->locked.cap ? x->locked.cap * 2 : 64;
        x->locked.items =
            lh_realloc_array(x->locked.items, x->locked.cap, sizeof(*x->locked.items));
    }
    memmove(&x->locked.items[at + 1], &x->locked.items[at],
            (x->locked.count - at) * sizeof(*x->locked.items));
    x->locked.items[at] = d;
    x->locked.count++;
    return d;
}

static void
version_insert(struct dataset *d, size_t at, uint64_t number)
{
    if (d->count == d->cap) {
        d->cap = d->cap ? d->cap * 2 : 8;
        d->versions = lh_realloc_array(d->versions, d->cap, sizeof(*d->versions));
    }
    memmove(&d->versions[at + 1], &d->versions[at], (d->count - at) * sizeof(*d->versions));
    d->versions[at] = (struct version){.number = number};
    d->count++;
}

static void
version_remove(struct dataset *d, size_t at)
{
    digest_free(d->versions[at].digest);
    memmove(&d->versions[at], &d->versions[at + 1], (d->count - at - 1) * sizeof(*d->versions));
    d->count--;
}

void
catalog_index_floor_set(struct catalog_index *x, lh_str dataset, uint64_t floor)
{
    LH_AUTO_LOCK(&x->lock);
    struct dataset *d = dataset_find(x, dataset);

    if (d != NULL)
        d->floor = floor;
}

bool
catalog_index_add(struct catalog_index *x, lh_str dataset, uint64_t version)
{
    LH_AUTO_LOCK(&x->lock);
    struct dataset *d;
    size_t at;

    d = dataset_place(x, dataset, &at) ? x->locked.items[at] : dataset_insert(x, at, dataset);
    if (version < d->floor || version_place(d, version, &at))
        return false;
    version_insert(d, at, version);
    return true;
}

void
catalog_index_remove(struct catalog_index *x, lh_str dataset, uint64_t version)
{
    LH_AUTO_LOCK(&x->lock);
    struct dataset *d = dataset_find(x, dataset);
    size_t at;

    if (d == NULL || !version_place(d, version, &at))
        return;
    version_remove(d, at);
    if (d->count > 0)
        return;
    dataset_place(x, dataset, &at);
    dataset_free(d);
    memmove(&x->locked.items[at], &x->locked.items[at + 1],
            (x->locked.count - at - 1) * sizeof(*x->locked.items));
    x->locked.count--;
}

static bool
number_is_in(const uint64_t *sorted, size_t count, uint64_t number)
{
    size_t from = 0, to = count;

    while (from < to) {
        size_t middle = from + (to - from) / 2;

        if (sorted[middle] == number)
            return true;
        if (sorted[middle] < number)
            from = middle + 1;
        else
            to = middle;
    }
    return false;
}

void
catalog_index_prune(struct catalog_index *x, lh_str dataset, const uint64_t *seen, size_t count)
{
    LH_AUTO_LOCK(&x->lock);
    struct dataset *d = dataset_find(x, dataset);

    if (d == NULL || count == 0)
        return;
    for (size_t i = d->count; i-- > 0;)
        if (d->versions[i].number < seen[count - 1] &&
            !number_is_in(seen, count, d->versions[i].number))
            version_remove(d, i);
}

bool
catalog_index_read(struct catalog_index *x, const struct catalog_snapshot *s)
{
    LH_AUTO_LOCK(&x->lock);
    struct version *v = version_find(x, lh_str_of(s->shown.dataset), s->shown.version);

    if (v == NULL || v->state == CATALOG_READ)
        return false;
    v->digest = digest_new(s);
    v->state = CATALOG_READ;
    return true;
}

bool
catalog_index_broken(struct catalog_index *x, lh_str dataset, uint64_t version)
{
    LH_AUTO_LOCK(&x->lock);
    struct version *v = version_find(x, dataset, version);

    if (v == NULL || v->state == CATALOG_BROKEN)
        return false;
    digest_free(lh_take(v->digest));
    v->state = CATALOG_BROKEN;
    return true;
}

void
catalog_index_evented(struct catalog_index *x, lh_str dataset, uint64_t version)
{
    LH_AUTO_LOCK(&x->lock);
    struct dataset *d = dataset_find(x, dataset);

    if (d != NULL && d->evented < version)
        d->evented = version;
}

void
catalog_index_seen(struct catalog_index *x, lh_str dataset, int64_t seen_ms)
{
    LH_AUTO_LOCK(&x->lock);
    struct dataset *d = dataset_find(x, dataset);

    if (d != NULL)
        d->seen_ms = seen_ms;
}

/* ---- questions ---- */

struct catalog_head
catalog_index_head(struct catalog_index *x, lh_str dataset)
{
    LH_AUTO_LOCK(&x->lock);
    const struct dataset *d = dataset_find(x, dataset);
    const struct version *head;

    if (d == NULL)
        return (struct catalog_head){0};
    head = &d->versions[d->count - 1];
    return (struct catalog_head){.version = head->number,
                                 .oldest = d->versions[0].number > d->floor ? d->versions[0].number
                                                                            : d->floor,
                                 .state = head->state,
                                 .erased = head->digest ? head->digest->erased : 0,
                                 .seen_ms = d->seen_ms,
                                 .is_deleted = version_hides(head)};
}

bool
catalog_index_has(struct catalog_index *x, lh_str dataset, uint64_t version)
{
    LH_AUTO_LOCK(&x->lock);
    const struct dataset *d = dataset_find(x, dataset);

    return d != NULL && version >= d->floor && version_find(x, dataset, version) != NULL;
}

static struct catalog_entry
entry_copy(const struct dataset *d, struct lh_arena *arena)
{
    return (struct catalog_entry){.name = lh_arena_cstr(arena, lh_str_of(d->name)),
                                  .head = version_copy(&d->versions[d->count - 1], arena),
                                  .evented = d->evented};
}

bool
catalog_index_entry(struct catalog_index *x, lh_str dataset, struct lh_arena *arena,
                    struct catalog_entry *out)
{
    LH_AUTO_LOCK(&x->lock);
    const struct dataset *d = dataset_find(x, dataset);

    if (d != NULL)
        *out = entry_copy(d, arena);
    return d != NULL;
}

size_t
catalog_index_entries(struct catalog_index *x, lh_str after, struct lh_arena *arena,
                      struct catalog_entry **out)
{
    LH_AUTO_LOCK(&x->lock);
    struct catalog_entry *entries;
    size_t from = 0, count;

    if (after.len > 0 && dataset_place(x, after, &from))
        from++;
    count = x->locked.count - from;
    entries = lh_arena_array(arena, count + 1, sizeof(*entries));
    for (size_t i = 0; i < count; i++)
        entries[i] = entry_copy(x->locked.items[from + i], arena);
    *out = entries;
    return count;
}

size_t
catalog_index_versions(struct catalog_index *x, lh_str dataset, struct lh_arena *arena,
                       struct catalog_version **out)
{
    LH_AUTO_LOCK(&x->lock);
    const struct dataset *d = dataset_find(x, dataset);
    size_t count = d != NULL ? d->count : 0;
    struct catalog_version *versions = lh_arena_array(arena, count + 1, sizeof(*versions));

    for (size_t i = 0; i < count; i++)
        versions[i] = version_copy(&d->versions[count - 1 - i], arena);
    *out = versions;
    return count;
}

struct catalog_index_stats
catalog_index_stats_get(struct catalog_index *x)
{
    LH_AUTO_LOCK(&x->lock);
    struct catalog_index_stats stats = {0};

    for (size_t i = 0; i < x->locked.count; i++) {
        const struct dataset *d = x->locked.items[i];

        stats.datasets += !version_hides(&d->versions[d->count - 1]);
        stats.versions += d->count;
        for (size_t j = 0; j < d->count; j++)
            stats.broken += d->versions[j].state == CATALOG_BROKEN;
    }
    return stats;
}

/* ---- near names ---- */

struct near {
    const char *name;
    size_t distance;
};

static void
near_add(struct near *list, size_t *count, const char *name, size_t distance)
{
    size_t at = *count;

    while (at > 0 && list[at - 1].distance > distance)
        at--;
    if (at == NEAR_MAX)
        return;
    if (*count < NEAR_MAX)
        (*count)++;
    memmove(&list[at + 1], &list[at], (*count - 1 - at) * sizeof(*list));
    list[at] = (struct near){.name = name, .distance = distance};
}

static void
near_print(const struct near *list, size_t count, struct lh_buf *out)
{
    struct lh_json_writer w = lh_json_writer_over(out);

    lh_json_object_begin(&w);
    lh_json_key(&w, "near");
    lh_json_array_begin(&w);
    for (size_t i = 0; i < count; i++)
        lh_json_put_cstr(&w, list[i].name);
    lh_json_array_end(&w);
    lh_json_object_end(&w);
}

static void
near_collect(const struct catalog_index *x, lh_str dataset, struct lh_buf *out)
{
    struct near list[NEAR_MAX] = {0};
    size_t count = 0, limit = catalog_name_near_limit(dataset);

    for (size_t i = 0; i < x->locked.count; i++) {
        const struct dataset *d = x->locked.items[i];
        size_t distance = catalog_name_distance(lh_str_of(d->name), dataset, limit);

        if (distance <= limit && !version_hides(&d->versions[d->count - 1]))
            near_add(list, &count, d->name, distance);
    }
    near_print(list, count, out);
}

lh_status
catalog_index_unknown(struct catalog_index *x, lh_str dataset, struct lh_error *err)
{
    LH_AUTO_BUF(extra, 4096);

    {
        LH_AUTO_LOCK(&x->lock);
        near_collect(x, dataset, &extra);
    }
    lh_fail(err, LH_NOT_FOUND, "catalog.unknown_dataset", "there is no dataset '%.*s'",
            LH_FMT(lh_str_fit(dataset, 128)));
    lh_error_extra_set(err, lh_buf_cstr(&extra));
    return LH_NOT_FOUND;
}

struct catalog_index *
catalog_index_new(void)
{
    struct catalog_index *x = LH_NEW(struct catalog_index);

    pthread_mutex_init(&x->lock, NULL);
    return x;
}

void
catalog_index_free(struct catalog_index *x)
{
    if (x == NULL)
        return;
    for (size_t i = 0; i < x->locked.count; i++)
        dataset_free(x->locked.items[i]);
    free(x->locked.items);
    pthread_mutex_destroy(&x->lock);
    free(x);
}
