#include "services/catalogd/erase_plan.h"

#include <stdlib.h>

static int
object_order(const void *key, const void *element)
{
    const struct lh_catalog_file *f = key;
    const struct erase_object *o = element;

    return catalog_object_order(f->key, f->bucket, o->file->key, o->file->bucket);
}

/* Every object of a version is among those that were gathered from all of them. */
static const struct erase_object *
object_of(const struct erase_scan *s, const struct lh_catalog_file *file)
{
    return bsearch(file, s->objects, s->object_count, sizeof(*s->objects), object_order);
}

struct catalog_erase_outcome
erase_plan_outcome(const struct erase_scan *s, const struct catalog_tombstone *item)
{
    struct catalog_erase_outcome out = {.value_count = item->value_count,
                                        .unreadable = s->unreadable,
                                        .unreadable_count = s->unreadable_count};
    const struct lh_snapshot *head = &s->versions[s->version_count - 1]->shown;

    for (size_t i = 0; i < s->object_count; i++) {
        out.object_count += s->objects[i].rows > 0;
        out.hidden_rows += s->objects[i].rows;
    }
    for (size_t k = 0; k < head->file_count; k++)
        out.rows_removed += object_of(s, &head->files[k])->rows;
    return out;
}

/* ---- objects ---- */

/* The first tombstone that came after the version which brought the object. */
static uint64_t
first_after(const struct catalog_tombstones *before, uint64_t version, uint64_t number)
{
    for (size_t i = 0; before != NULL && i < before->count; i++)
        if (before->items[i].number > version)
            return before->items[i].number;
    return number;
}

static struct catalog_hidden
object_hide(const struct erase_scan *s, const struct erase_object *o,
            const struct catalog_tombstones *before, uint64_t number)
{
    const struct catalog_hidden *old = catalog_tombstones_find(before, o->file);
    uint64_t since = s->versions[o->since]->shown.version;

    return (struct catalog_hidden){.bucket = o->file->bucket,
                                   .key = o->file->key,
                                   .first = old ? old->first : first_after(before, since, number),
                                   .rows = o->rows + (old ? old->rows : 0)};
}

static void
objects_next(const struct erase_scan *s, const struct catalog_tombstones *before, uint64_t number,
             struct catalog_tombstones *out)
{
    struct catalog_hidden *objects =
        lh_arena_array(&out->arena, s->object_count + 1, sizeof(*objects));

    for (size_t i = 0; i < s->object_count; i++) {
        struct catalog_hidden o = object_hide(s, &s->objects[i], before, number);

        if (o.rows == 0)
            continue;
        o.bucket = lh_arena_cstr(&out->arena, lh_str_of(o.bucket));
        o.key = lh_arena_cstr(&out->arena, lh_str_of(o.key));
        objects[out->object_count++] = o;
    }
    out->objects = objects;
}

/* ---- tombstones ---- */

static struct catalog_tombstone
item_copy(const struct catalog_tombstone *from, struct lh_arena *a)
{
    const char **values = lh_arena_array(a, from->value_count + 1, sizeof(*values));
    struct catalog_tombstone to = *from;

    for (size_t i = 0; i < from->value_count; i++)
        values[i] = lh_arena_cstr(a, lh_str_of(from->values[i]));
    to.values = values;
    to.key_column = lh_arena_cstr(a, lh_str_of(from->key_column));
    to.type = lh_arena_cstr(a, lh_str_of(from->type));
    to.actor = lh_arena_cstr(a, lh_str_of(from->actor));
    to.reason = lh_arena_cstr(a, lh_str_of(from->reason));
    to.principal = lh_arena_cstr(a, lh_str_of(from->principal));
    to.trace_id = lh_arena_cstr(a, lh_str_of(from->trace_id));
    return to;
}

static uint64_t
first_needed(const struct catalog_tombstones *t)
{
    uint64_t first = UINT64_MAX;

    for (size_t i = 0; i < t->object_count; i++)
        if (t->objects[i].first < first)
            first = t->objects[i].first;
    return first;
}

struct catalog_tombstones *
erase_plan_next(const struct erase_scan *s, const struct catalog_tombstones *before,
                const struct catalog_tombstone *item, uint64_t rows)
{
    struct catalog_tombstones *out = catalog_tombstones_new();
    size_t old = before ? before->count : 0;
    struct catalog_tombstone *items = lh_arena_array(&out->arena, old + 2, sizeof(*items));
    uint64_t first;

    objects_next(s, before, item->number, out);
    first = first_needed(out);
    for (size_t i = 0; i < old; i++)
        if (before->items[i].number >= first)
            items[out->count++] = item_copy(&before->items[i], &out->arena);
    items[out->count] = item_copy(item, &out->arena);
    items[out->count++].rows = rows;
    out->items = items;
    return out;
}

bool
erase_plan_is_pending(const struct erase_scan *s, const struct catalog_tombstones *t)
{
    for (size_t i = 0; i < s->object_count; i++)
        if (catalog_tombstones_find(t, s->objects[i].file) != NULL)
            return true;
    return false;
}
