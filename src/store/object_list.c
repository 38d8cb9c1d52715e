#include <stdlib.h>
#include "base/alloc.h"
#include "base/time.h"
#include "store/backend.h"

#define PAGE_DEFAULT 1000
#define PAGE_MAX 100000

/* ---- a page ---- */

void
lh_object_list_free(struct lh_object_list *l)
{
    if (!l)
        return;
    free(l->items);
    lh_arena_fini(&l->arena);
    free(l);
}

bool
object_lister_has_room(struct object_lister *l)
{
    if (l->list->count < l->limit)
        return true;
    l->list->has_more = true;
    return false;
}

void
object_lister_add(struct object_lister *l, lh_str key, const struct lh_object_info *info)
{
    struct lh_object_list *list = l->list;

    if (list->count == l->capacity) {
        l->capacity = l->capacity == 0 ? 64 : l->capacity * 2;
        list->items = lh_realloc_array(list->items, l->capacity, sizeof(list->items[0]));
    }
    list->items[list->count++] =
        (struct lh_object_entry){.key = lh_arena_cstr(&list->arena, key), .info = *info};
}

static lh_status
page_fill(struct lh_bucket *b, struct lh_call *call, struct object_lister *l, struct lh_error *err)
{
    LH_AUTO(lh_object_list) *list = LH_NEW(struct lh_object_list);

    l->list = list;
    LH_TRY(b->ops->list(b, call, l, err));
    l->list = lh_take(list);
    return LH_OK;
}

static void
listing_measured(struct lh_bucket *b, int64_t began_ns, lh_status status)
{
    lh_metric_add(b->metrics.count[BUCKET_LIST], 1);
    if (status == LH_IO || status == LH_UNAVAILABLE)
        lh_metric_add(b->metrics.failures[BUCKET_LIST], 1);
    lh_metric_observe_ns(b->metrics.seconds[BUCKET_LIST], lh_time_mono_ns() - began_ns);
}

lh_status
lh_object_list(struct lh_bucket *b, struct lh_call *call, lh_str prefix, lh_str after, size_t limit,
               struct lh_object_list **out, struct lh_error *err)
{
    struct object_lister l = {.prefix = prefix, .after = after, .limit = limit};
    int64_t began_ns = lh_time_mono_ns();
    lh_status status;

    if (l.limit == 0)
        l.limit = PAGE_DEFAULT;
    if (l.limit > PAGE_MAX)
        l.limit = PAGE_MAX;
    LH_TRY(lh_call_check(call, err));
    status = page_fill(b, call, &l, err);
    listing_measured(b, began_ns, status);
    LH_TRY(status);
    *out = l.list;
    return LH_OK;
}

/* ---- page after page ---- */

/* Few and large: a page of a flat folder costs a reading of that folder. */
#define WALK_PAGE 10000

static lh_status
page_visit(const struct lh_object_list *page,
           lh_status (*visit)(void *self, const struct lh_object_entry *entry,
                              struct lh_error *err),
           void *self, struct lh_error *err)
{
    for (size_t i = 0; i < page->count; i++)
        LH_TRY(visit(self, &page->items[i], err));
    return LH_OK;
}

lh_status
lh_object_walk(struct lh_bucket *b, struct lh_call *call, lh_str prefix,
               lh_status (*visit)(void *self, const struct lh_object_entry *entry,
                                  struct lh_error *err),
               void *self, struct lh_error *err)
{
    LH_AUTO(lh_object_list) *page = NULL;
    lh_str after = LH_STR("");

    do {
        LH_AUTO(lh_object_list) *next = NULL;
        LH_TRY(lh_object_list(b, call, prefix, after, WALK_PAGE, &next, err));
        LH_TRY(page_visit(next, visit, self, err));
        lh_object_list_free(page);
        page = lh_take(next);
        after = page->count > 0 ? lh_str_of(page->items[page->count - 1].key) : LH_STR("");
    } while (page->has_more);
    return LH_OK;
}
