#include "services/catalogd/erase_scan.h"

#include <stdlib.h>

#include "services/catalogd/catalog.h"

/* ---- versions ---- */

lh_status
erase_scan_load(struct catalog *c, struct lh_call *call, lh_str dataset, struct erase_scan *out,
                struct lh_error *err)
{
    uint64_t *numbers;
    size_t count;

    LH_TRY(catalog_versions_list(c, call, dataset, &numbers, &count, err));
    out->versions = lh_arena_array(&call->arena, count + 1, sizeof(struct catalog_snapshot *));
    out->unreadable = lh_arena_array(&call->arena, count + 1, sizeof(*out->unreadable));
    for (size_t i = 0; i < count; i++) {
        LH_AUTO_ERROR(why);
        struct catalog_snapshot **s = &out->versions[out->version_count];
        lh_status status = catalog_version_load(c, call, dataset, numbers[i], s, &why);

        if (status == LH_OK) {
            out->version_count++;
        } else if (status == LH_CORRUPT || status == LH_NOT_FOUND) {
            out->unreadable[out->unreadable_count++] = numbers[i];
        } else {
            lh_error_copy(err, &why);
            return status;
        }
    }
    return LH_OK;
}

void
erase_scan_fini(struct erase_scan *s)
{
    for (size_t i = 0; i < s->version_count; i++)
        catalog_snapshot_unref(s->versions[i]);
    s->version_count = 0;
}

const char *
erase_scan_type(const struct erase_scan *s, const char *column)
{
    for (size_t i = s->version_count; i-- > 0;) {
        const struct lh_snapshot *v = &s->versions[i]->shown;

        for (size_t k = 0; k < v->column_count; k++)
            if (strcmp(v->columns[k].name, column) == 0)
                return v->columns[k].type;
    }
    return NULL;
}

/* ---- objects ---- */

static int
objects_order(const void *a, const void *b)
{
    const struct erase_object *x = a, *y = b;
    int order = catalog_object_order(x->file->key, x->file->bucket, y->file->key, y->file->bucket);

    return order != 0 ? order : (x->since > y->since) - (x->since < y->since);
}

void
erase_scan_gather(struct erase_scan *s, struct lh_arena *arena)
{
    size_t all = 0, kept = 0;

    for (size_t i = 0; i < s->version_count; i++)
        all += s->versions[i]->shown.file_count;
    s->objects = lh_arena_array(arena, all + 1, sizeof(*s->objects));
    all = 0;
    for (size_t i = 0; i < s->version_count; i++)
        for (size_t k = 0; k < s->versions[i]->shown.file_count; k++)
            s->objects[all++] =
                (struct erase_object){.file = &s->versions[i]->shown.files[k], .since = i};
    if (all > 0)
        qsort(s->objects, all, sizeof(*s->objects), objects_order);
    for (size_t i = 0; i < all; i++)
        if (kept == 0 ||
            catalog_object_order(s->objects[kept - 1].file->key, s->objects[kept - 1].file->bucket,
                                 s->objects[i].file->key, s->objects[i].file->bucket) != 0)
            s->objects[kept++] = s->objects[i];
    s->object_count = kept;
}

struct erase_count *
erase_scan_counts(const struct erase_scan *s, struct lh_arena *arena)
{
    struct erase_count *counts = lh_arena_array(arena, s->object_count + 1, sizeof(*counts));

    for (size_t i = 0; i < s->object_count; i++)
        counts[i] = (struct erase_count){
            .bucket = lh_arena_cstr(arena, lh_str_of(s->objects[i].file->bucket)),
            .key = lh_arena_cstr(arena, lh_str_of(s->objects[i].file->key)),
            .rows = s->objects[i].rows};
    return counts;
}

/* Both stand in the same order. */
void
erase_scan_recall(struct erase_scan *s, const struct erase_count *counts, size_t count)
{
    size_t at = 0;

    for (size_t i = 0; i < s->object_count; i++) {
        const struct lh_catalog_file *f = s->objects[i].file;

        while (at < count &&
               catalog_object_order(counts[at].key, counts[at].bucket, f->key, f->bucket) < 0)
            at++;
        if (at == count ||
            catalog_object_order(counts[at].key, counts[at].bucket, f->key, f->bucket) != 0)
            continue;
        s->objects[i].rows = counts[at].rows;
        s->objects[i].is_counted = true;
    }
}

/* ---- counting ---- */

struct counting {
    struct catalog *c;
    struct lh_call *call;
    struct lh_engine *work;
    const struct catalog_tombstones *before;
    const struct catalog_tombstone *item;
};

/* Objects as a version of their own, so that it can be seen what is hidden of them already. */
static lh_status
files_count(struct counting *n, const struct lh_snapshot *v, struct erase_object **objects,
            size_t count, struct lh_error *err)
{
    struct lh_catalog_file *files = lh_arena_array(&n->call->arena, count + 1, sizeof(*files));
    uint64_t *counts = lh_arena_array(&n->call->arena, count + 1, sizeof(*counts));
    LH_AUTO(catalog_snapshot) *base = catalog_snapshot_new();
    LH_AUTO(catalog_snapshot) *view = NULL;
    struct lh_rows_match match = {.key = n->item->key_column,
                                  .type = n->item->type,
                                  .values = n->item->values,
                                  .value_count = n->item->value_count};
    struct lh_rows rows;

    for (size_t i = 0; i < count; i++)
        files[i] = *objects[i]->file;
    base->shown.files = files;
    base->shown.file_count = count;
    base->shown.columns = v->columns;
    base->shown.column_count = v->column_count;
    LH_TRY(catalog_snapshot_seal(base, err));
    view = n->before ? catalog_snapshot_erase(base, n->before, 1, lh_bucket_name(n->c->bucket))
                     : lh_take(base);
    rows = lh_snapshot_rows(&view->shown, &n->call->arena);
    LH_TRY(lh_rows_match_count(n->work, n->call, &rows, &match, counts, err));
    for (size_t i = 0; i < count; i++)
        objects[i]->rows = counts[i];
    return LH_OK;
}

static lh_status
file_count_alone(struct counting *n, const struct lh_snapshot *v, struct erase_object *object,
                 struct lh_error *err)
{
    LH_AUTO_ERROR(why);
    lh_status status = files_count(n, v, &object, 1, &why);

    if (status == LH_OK || status == LH_NOT_FOUND)
        return LH_OK;
    lh_error_copy(err, &why);
    return status;
}

static bool
has_column(const struct lh_snapshot *v, const char *name)
{
    for (size_t i = 0; i < v->column_count; i++)
        if (strcmp(v->columns[i].name, name) == 0)
            return true;
    return false;
}

/* The objects that one version brought, in one statement; one by one when an object is gone. */
static lh_status
version_count(struct counting *n, struct erase_scan *s, size_t at, struct lh_error *err)
{
    const struct lh_snapshot *v = &s->versions[at]->shown;
    struct erase_object **own =
        lh_arena_array(&n->call->arena, s->object_count + 1, sizeof(struct erase_object *));
    LH_AUTO_ERROR(why);
    size_t count = 0;
    lh_status status;

    for (size_t i = 0; i < s->object_count; i++)
        if (s->objects[i].since == at && !s->objects[i].is_counted)
            own[count++] = &s->objects[i];
    if (count == 0 || !has_column(v, n->item->key_column))
        return LH_OK;
    status = files_count(n, v, own, count, &why);
    if (status != LH_NOT_FOUND) {
        if (status != LH_OK)
            lh_error_copy(err, &why);
        return status;
    }
    for (size_t i = 0; i < count; i++)
        LH_TRY(file_count_alone(n, v, own[i], err));
    return LH_OK;
}

lh_status
erase_scan_count(struct catalog *c, struct lh_call *call, struct erase_scan *s,
                 const struct catalog_tombstones *before, const struct catalog_tombstone *item,
                 struct lh_error *err)
{
    struct counting n = {.c = c, .call = call, .before = before, .item = item};

    LH_TRY(lh_env_work_engine(c->env, &n.work, err));
    for (size_t i = 0; i < s->version_count; i++) {
        LH_TRY(lh_call_check(call, err));
        LH_TRY(version_count(&n, s, i, err));
    }
    return LH_OK;
}
