/* The objects of the one bucket, as the store itself has them: by key, each change at once. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "world.h"

static struct {
    struct shelf_object **items;
    size_t count, cap;
    uint64_t serial;
} shelf;

void
shelf_object_unref(struct shelf_object *o)
{
    if (o == NULL || --o->refs > 0)
        return;
    free(o->key);
    free(o->bytes);
    free(o);
}

void
shelf_clear(void)
{
    for (size_t i = 0; i < shelf.count; i++)
        shelf_object_unref(shelf.items[i]);
    shelf.count = 0;
    shelf.serial = 0;
}

size_t
shelf_place(lh_str key)
{
    size_t from = 0, to = shelf.count;

    while (from < to) {
        size_t middle = from + (to - from) / 2;

        if (lh_str_cmp(lh_str_of(shelf.items[middle]->key), key) < 0)
            from = middle + 1;
        else
            to = middle;
    }
    return from;
}

struct shelf_object *
shelf_at(size_t place)
{
    return place < shelf.count ? shelf.items[place] : NULL;
}

struct shelf_object *
shelf_find(lh_str key)
{
    struct shelf_object *o = shelf_at(shelf_place(key));

    return o != NULL && lh_str_eq(lh_str_of(o->key), key) ? o : NULL;
}

void
shelf_info(const struct shelf_object *o, struct lh_object_info *info)
{
    *info = (struct lh_object_info){.size_bytes = o->len, .modified_us = o->modified_us};
    (void)snprintf(info->etag, sizeof(info->etag), "%llu", (unsigned long long)o->serial);
    (void)snprintf(info->sha256, sizeof(info->sha256), "%064llx", (unsigned long long)o->serial);
}

static bool
condition_holds(const struct shelf_object *there, const char *if_match)
{
    struct lh_object_info info;

    if (if_match == NULL)
        return true;
    if (there == NULL)
        return false;
    shelf_info(there, &info);
    return strcmp(if_match, "*") == 0 || strcmp(if_match, info.etag) == 0;
}

static struct shelf_object *
object_new(const struct shelf_put *put)
{
    struct shelf_object *o = LH_NEW(struct shelf_object);

    o->key = lh_str_dup(put->key);
    o->bytes = lh_alloc_array(put->bytes.len + 1, 1);
    if (put->bytes.len > 0)
        memcpy(o->bytes, put->bytes.ptr, put->bytes.len);
    o->len = put->bytes.len;
    o->serial = ++shelf.serial;
    o->modified_us = sim_now_us();
    o->refs = 1;
    return o;
}

static void
object_insert(size_t at, struct shelf_object *o)
{
    if (shelf.count == shelf.cap) {
        shelf.cap = shelf.cap ? shelf.cap * 2 : 1024;
        shelf.items = lh_realloc_array(shelf.items, shelf.cap, sizeof(*shelf.items));
    }
    memmove(&shelf.items[at + 1], &shelf.items[at], (shelf.count - at) * sizeof(*shelf.items));
    shelf.items[at] = o;
    shelf.count++;
}

enum shelf_outcome
shelf_put(const struct shelf_put *put, struct lh_object_info *info)
{
    size_t at = shelf_place(put->key);
    struct shelf_object *there = shelf_find(put->key), *o;

    if (put->if_absent && there != NULL && world_mutation != MUTATION_IGNORE_IF_ABSENT)
        return SHELF_REFUSED;
    if (!condition_holds(there, put->if_match))
        return SHELF_REFUSED;
    o = object_new(put);
    if (there != NULL) {
        shelf.items[at] = o;
        shelf_object_unref(there);
    } else {
        object_insert(at, o);
    }
    shelf_info(o, info);
    oracle_put(o);
    return SHELF_DONE;
}

enum shelf_outcome
shelf_remove(lh_str key, const char *if_match)
{
    size_t at = shelf_place(key);
    struct shelf_object *there = shelf_find(key);

    if (there == NULL)
        return SHELF_ABSENT;
    if (!condition_holds(there, if_match))
        return SHELF_REFUSED;
    memmove(&shelf.items[at], &shelf.items[at + 1], (shelf.count - at - 1) * sizeof(*shelf.items));
    shelf.count--;
    oracle_removed(there);
    shelf_object_unref(there);
    return SHELF_DONE;
}
