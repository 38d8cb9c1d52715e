#include "services/vectord/batches.h"

#include <stdlib.h>

#include "base/fault.h"

#define SUFFIX ".parquet"

enum { NUMBER_DIGITS = 12, REWRITE_DIGITS = 3, LIST_MAX = 100000 };

struct vector_log
vector_log_of(struct lh_bucket *b, const struct vector_definition *d,
              const struct vector_generation_spec *spec)
{
    struct vector_log log = {.bucket = b, .number = spec->log};

    lh_str_copy(log.index, sizeof(log.index), lh_str_of(d->name));
    /* NOLINTNEXTLINE(clang-analyzer-core.NonNullParamChecker): a definition has a uid */
    memcpy(log.uid, d->uid, 8);
    return log;
}

static const char *
prefix_of(const struct vector_log *log, struct lh_arena *arena)
{
    return lh_arena_printf(arena, "_vectors/%s/embeddings/%s-%010llu-", log->index, log->uid,
                           (unsigned long long)log->number);
}

const char *
vector_batch_key(const struct vector_log *log, const struct vector_batch *b, struct lh_arena *arena)
{
    return lh_arena_printf(arena, "%s%012llu-%012llu-%03u" SUFFIX, prefix_of(log, arena),
                           (unsigned long long)b->to, (unsigned long long)b->from, b->rewrite);
}

/* ---- listing ---- */

static bool
number_take(lh_str *s, size_t digits, char end, uint64_t *out)
{
    if (s->len < digits + 1 || s->ptr[digits] != end ||
        !lh_str_u64(lh_str_slice(*s, 0, digits), out))
        return false;
    *s = lh_str_slice(*s, digits + 1, s->len);
    return true;
}

static bool
name_parse(lh_str rest, struct vector_batch *b)
{
    uint64_t rewrite;

    if (!number_take(&rest, NUMBER_DIGITS, '-', &b->to) ||
        !number_take(&rest, NUMBER_DIGITS, '-', &b->from) ||
        !number_take(&rest, REWRITE_DIGITS, '.', &rewrite) || !lh_str_eq(rest, LH_STR("parquet")))
        return false;
    b->rewrite = (unsigned)rewrite;
    return b->from >= 1 && b->from <= b->to;
}

struct listing {
    struct lh_arena *arena;
    size_t prefix_len;
    struct vector_batch *items;
    size_t count, capacity;
};

static void
listing_add(struct listing *l, const struct vector_batch *b)
{
    if (l->count == l->capacity) {
        size_t capacity = l->capacity ? 2 * l->capacity : 64;
        struct vector_batch *items = lh_arena_array(l->arena, capacity, sizeof(*items));

        if (l->count > 0)
            memcpy(items, l->items, l->count * sizeof(*items));
        l->items = items;
        l->capacity = capacity;
    }
    l->items[l->count++] = *b;
}

static lh_status
pages_list(const struct vector_log *log, struct lh_call *call, uint64_t after, struct listing *l,
           struct lh_error *err)
{
    lh_str prefix = lh_str_of(prefix_of(log, &call->arena));
    lh_str from = lh_str_of(
        lh_arena_printf(&call->arena, "%s%012llu~", prefix.ptr, (unsigned long long)after));
    bool has_more = true;

    while (has_more) {
        LH_AUTO(lh_object_list) *page = NULL;

        LH_TRY(lh_object_list(log->bucket, call, prefix, from, LIST_MAX, &page, err));
        for (size_t i = 0; i < page->count; i++) {
            lh_str key = lh_str_of(page->items[i].key);
            struct vector_batch b = {.size_bytes = page->items[i].info.size_bytes};

            if (name_parse(lh_str_slice(key, prefix.len, key.len), &b))
                listing_add(l, &b);
            from = lh_arena_str(&call->arena, key);
        }
        has_more = page->has_more;
    }
    return LH_OK;
}

/* The latest first; of those that end together the widest, then the last rewritten, first. */
static int
batch_cmp(const void *a, const void *b)
{
    const struct vector_batch *x = a, *y = b;

    if (x->to != y->to)
        return x->to > y->to ? -1 : 1;
    if (x->from != y->from)
        return x->from < y->from ? -1 : 1;
    return x->rewrite > y->rewrite ? -1 : x->rewrite < y->rewrite;
}

/* Ranges are nested or apart, because a merge covers whole batches: what is not wholly before the
 * last one kept is inside it. */
static void
covered_split(struct listing *l, struct lh_arena *arena, struct vector_batch_list *out)
{
    uint64_t reach = UINT64_MAX;

    out->items = lh_arena_array(arena, l->count + 1, sizeof(*out->items));
    out->stale = lh_arena_array(arena, l->count + 1, sizeof(*out->stale));
    if (l->count > 0)
        qsort(l->items, l->count, sizeof(*l->items), batch_cmp);
    for (size_t i = 0; i < l->count; i++) {
        if (l->items[i].to < reach) {
            out->items[out->count++] = l->items[i];
            reach = l->items[i].from;
        } else {
            out->stale[out->stale_count++] = l->items[i];
        }
    }
    for (size_t i = 0; i < out->count / 2; i++) {
        struct vector_batch other = out->items[i];

        out->items[i] = out->items[out->count - 1 - i];
        out->items[out->count - 1 - i] = other;
    }
}

static lh_status
holes_check(const struct vector_log *log, const struct vector_batch_list *list, uint64_t after,
            struct lh_error *err)
{
    uint64_t next = after + 1;

    for (size_t i = 0; i < list->count; i++) {
        if (list->items[i].from > next)
            return lh_fail(err, LH_CORRUPT, "vectors.batch_missing",
                           "batch %llu of index '%s' is not in the bucket",
                           (unsigned long long)next, log->index);
        next = list->items[i].to + 1;
    }
    return LH_OK;
}

lh_status
vector_batches_list(const struct vector_log *log, struct lh_call *call, uint64_t after,
                    struct vector_batch_list *out, struct lh_error *err)
{
    struct listing l = {.arena = &call->arena};

    *out = (struct vector_batch_list){0};
    LH_TRY(pages_list(log, call, after, &l, err));
    covered_split(&l, &call->arena, out);
    return holes_check(log, out, after, err);
}

/* ---- objects ---- */

static lh_status
batch_put(const struct vector_log *log, struct lh_call *call, const struct vector_batch *b,
          lh_bytes parquet, struct lh_error *err)
{
    LH_AUTO_ERROR(why);
    struct lh_object_info info;
    lh_status status =
        lh_object_put(log->bucket, call, lh_str_of(vector_batch_key(log, b, &call->arena)), parquet,
                      &(struct lh_put_options){.if_absent = true,
                                               .content_type = "application/vnd.apache.parquet"},
                      &info, &why);

    if (status == LH_CONFLICT)
        return lh_fail(err, LH_CONFLICT, "vectors.batch_taken",
                       "batch %llu of index '%s' was written by somebody else",
                       (unsigned long long)b->to, log->index);
    lh_error_copy(err, &why);
    return status;
}

static bool
is_covered(const struct vector_batch_list *list, uint64_t number)
{
    for (size_t i = 0; i < list->count; i++) {
        const struct vector_batch *b = &list->items[i];

        if (b->from <= number && b->to >= number)
            return b->from != number || b->to != number || b->rewrite > 0;
    }
    return false;
}

lh_status
vector_batch_put(const struct vector_log *log, struct lh_call *call, uint64_t number,
                 lh_bytes parquet, struct lh_error *err)
{
    const struct vector_batch b = {.from = number, .to = number};
    struct vector_batch_list list;

    LH_FAULT("vectors.before_put", err);
    LH_TRY(batch_put(log, call, &b, parquet, err));
    LH_FAULT("vectors.after_put", err);
    LH_TRY(vector_batches_list(log, call, number - 1, &list, err));
    if (!is_covered(&list, number))
        return LH_OK;
    LH_TRY(vector_batch_remove(log, call, &b, err));
    return lh_fail(err, LH_CONFLICT, "vectors.batch_taken",
                   "batch %llu of index '%s' was written and merged by somebody else",
                   (unsigned long long)number, log->index);
}

lh_status
vector_batch_put_merged(const struct vector_log *log, struct lh_call *call,
                        const struct vector_batch *b, lh_bytes parquet, struct lh_error *err)
{
    return batch_put(log, call, b, parquet, err);
}

lh_status
vector_batch_get(const struct vector_log *log, struct lh_call *call, const struct vector_batch *b,
                 struct lh_buf *out, struct lh_error *err)
{
    return lh_object_get(log->bucket, call, lh_str_of(vector_batch_key(log, b, &call->arena)), out,
                         NULL, err);
}

lh_status
vector_batch_remove(const struct vector_log *log, struct lh_call *call,
                    const struct vector_batch *b, struct lh_error *err)
{
    LH_AUTO_ERROR(why);
    lh_status status = lh_object_delete(
        log->bucket, call, lh_str_of(vector_batch_key(log, b, &call->arena)), NULL, &why);

    if (status == LH_OK || status == LH_NOT_FOUND)
        return LH_OK;
    lh_error_copy(err, &why);
    return status;
}
