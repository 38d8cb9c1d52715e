/*
 * A walk visits three stretches of keys, newest first: the tail (yesterday and later, known in
 * memory), then each older day down to the first day of the log, listed when the walk gets there.
 *
 * The tail is kept up to date by listing only what stands after its newest key, less a margin: a
 * batch is named before it is put, so one of another process may appear behind a key that is known
 * already. Once a minute the tail is listed whole, which catches a batch whose put took longer than
 * the margin, or whose writer has a slow clock, and forgets days gone by.
 */
#include "services/journald/shelf.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/thread.h"
#include "base/time.h"
#include "services/cache.h"

enum {
    DAY_LEN = 10,          /* 2026-01-31 */
    UUID_AT = 11,          /* after the slash */
    KEY_LEN = 11 + 36 + 7, /* 2026-01-31/<uuid>.ndjson */
    LIST_PAGE = 1000,
    BROKEN_MAX = 10000,
};

#define MARGIN_MS (10 * 60 * INT64_C(1000))
#define RELIST_MS (60 * INT64_C(1000))
#define DAY_US (INT64_C(86400) * 1000000)
#define BATCH_BYTES_MAX ((size_t)256 << 20)

/* Batch keys without the prefix, ascending. */
struct keys {
    char (*items)[JOURNAL_PLACE_KEY];
    size_t count, cap;
};

struct batch {
    atomic_uint refs;
    struct lh_arena arena;
    struct journal_row *rows; /* in line order */
    size_t count;
};

struct journal_shelf {
    struct journal_shelf_options options;
    char *prefix;
    struct lh_cache *batches;
    atomic_uint_fast64_t written;
    pthread_mutex_t lock;
    struct {
        struct keys tail;
        struct keys broken;     /* reported already */
        char from[DAY_LEN + 1]; /* the tail's first day */
        int64_t listed_ms, relisted_ms;
        uint64_t written; /* the batch count that the tail has seen */
    } locked;
};

/* ---- keys ---- */

static bool
key_is_batch(lh_str suffix)
{
    lh_uuid id;

    return suffix.len == KEY_LEN && suffix.ptr[DAY_LEN] == '/' &&
           lh_str_ends(suffix, LH_STR(".ndjson")) &&
           lh_uuid_parse(lh_str_slice(suffix, UUID_AT, UUID_AT + 36), &id);
}

/* UUIDv7: the first 48 bits are milliseconds since 1970 (RFC 9562, 5.7). */
static int64_t
key_time_ms(const char *key)
{
    lh_uuid id = {{0}};
    int64_t ms = 0;

    lh_uuid_parse((lh_str){key + UUID_AT, 36}, &id);
    for (int i = 0; i < 6; i++)
        ms = ms << 8 | id.bytes[i];
    return ms;
}

/* The place of `key`, or where it belongs. */
static bool
keys_find(const struct keys *k, const char *key, size_t *at)
{
    size_t from = 0, to = k->count;

    while (from < to) {
        size_t middle = from + (to - from) / 2;
        int order = strcmp(k->items[middle], key);

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

static void
keys_add(struct keys *k, lh_str suffix)
{
    char key[JOURNAL_PLACE_KEY];
    size_t at;

    lh_str_copy(key, sizeof(key), suffix);
    if (keys_find(k, key, &at))
        return;
    if (k->count == k->cap) {
        k->cap = k->cap ? k->cap * 2 : 64;
        k->items = lh_realloc_array(k->items, k->cap, sizeof(*k->items));
    }
    memmove(&k->items[at + 1], &k->items[at], (k->count - at) * sizeof(*k->items));
    memcpy(k->items[at], key, sizeof(key));
    k->count++;
}

static void
keys_copy(struct keys *to, const struct keys *from)
{
    to->count = to->cap = from->count;
    to->items = lh_realloc_array(NULL, from->count + 1, sizeof(*to->items));
    if (from->count > 0)
        memcpy(to->items, from->items, from->count * sizeof(*to->items));
}

static void
keys_fini(struct keys *k)
{
    free(k->items);
    *k = (struct keys){0};
}

/* Adds every batch key under prefix + `within` that stands after prefix + `after`. */
static lh_status
keys_list(struct journal_shelf *s, struct lh_call *call, const char *within, const char *after,
          struct keys *out, struct lh_error *err)
{
    LH_AUTO_CHARS prefix = lh_asprintf("%s%s", s->prefix, within);
    LH_AUTO_CHARS from = after ? lh_asprintf("%s%s", s->prefix, after) : lh_strdup("");
    bool has_more = true;

    while (has_more) {
        LH_AUTO(lh_object_list) *page = NULL;

        LH_TRY(lh_object_list(s->options.bucket, call, lh_str_of(prefix), lh_str_of(from),
                              LIST_PAGE, &page, err));
        for (size_t i = 0; i < page->count; i++) {
            lh_str suffix = lh_str_of(page->items[i].key + strlen(s->prefix));

            if (key_is_batch(suffix))
                keys_add(out, suffix);
        }
        has_more = page->has_more && page->count > 0;
        if (has_more) {
            free(from);
            from = lh_strdup(page->items[page->count - 1].key);
        }
    }
    return LH_OK;
}

static void
day_format(int64_t us, char day[DAY_LEN + 1])
{
    char text[LH_TIME_TEXT_MAX];

    lh_time_format(us, text);
    memcpy(day, text, DAY_LEN);
    day[DAY_LEN] = '\0';
}

/* ---- the tail ---- */

static bool
tail_is_fresh(struct journal_shelf *s, int64_t now_ms)
{
    return s->locked.listed_ms != 0 && s->locked.written == atomic_load(&s->written) &&
           now_ms - s->locked.listed_ms < s->options.refresh_ms;
}

/* What to list: after the newest key less the margin, or, when it is time, from the start of
 * yesterday. */
static bool
tail_plan(struct journal_shelf *s, int64_t now_ms, char after[JOURNAL_PLACE_KEY])
{
    const struct keys *tail = &s->locked.tail;
    int64_t ms;
    char day[DAY_LEN + 1];

    day_format(lh_time_now_us() - DAY_US, day);
    if (s->locked.relisted_ms == 0 || now_ms - s->locked.relisted_ms >= RELIST_MS ||
        tail->count == 0 || strcmp(day, s->locked.from) != 0) {
        snprintf(after, JOURNAL_PLACE_KEY, "%s", day);
        return true;
    }
    ms = key_time_ms(tail->items[tail->count - 1]) - MARGIN_MS;
    day_format(ms * 1000, day);
    /* The first 48 bits of a UUIDv7 in hex; a prefix sorts before every key that continues it. */
    snprintf(after, JOURNAL_PLACE_KEY, "%s/%08x-%04x", day, (unsigned)(ms >> 16),
             (unsigned)(ms & 0xffff));
    return false;
}

static void
keys_drop_before(struct keys *k, const char *key)
{
    size_t at;

    keys_find(k, key, &at);
    memmove(k->items, k->items + at, (k->count - at) * sizeof(*k->items));
    k->count -= at;
}

/* A union, also after a whole listing: two listings may overlap, and the one that ends last may
 * have seen less. */
static void
tail_merge(struct journal_shelf *s, const struct keys *found, bool is_whole, const char *after,
           uint64_t written)
{
    int64_t now_ms = lh_time_mono_ms();
    LH_AUTO_LOCK(&s->lock);

    for (size_t i = 0; i < found->count; i++)
        keys_add(&s->locked.tail, lh_str_of(found->items[i]));
    if (is_whole) {
        if (s->locked.tail.count > 0)
            keys_drop_before(&s->locked.tail, after);
        snprintf(s->locked.from, sizeof(s->locked.from), "%.*s", DAY_LEN, after);
        s->locked.relisted_ms = now_ms;
    }
    s->locked.listed_ms = now_ms;
    if (written > s->locked.written)
        s->locked.written = written;
}

static lh_status
tail_refresh(struct journal_shelf *s, struct lh_call *call, struct lh_error *err)
{
    struct keys found __attribute__((cleanup(keys_fini))) = {0};
    char after[JOURNAL_PLACE_KEY];
    uint64_t written = atomic_load(&s->written);
    bool is_whole;

    {
        LH_AUTO_LOCK(&s->lock);
        if (tail_is_fresh(s, lh_time_mono_ms()))
            return LH_OK;
        is_whole = tail_plan(s, lh_time_mono_ms(), after);
    }
    LH_TRY(keys_list(s, call, "", after, &found, err));
    tail_merge(s, &found, is_whole, after, written);
    return LH_OK;
}

static lh_status
tail_get(struct journal_shelf *s, struct lh_call *call, struct keys *out, char from[DAY_LEN + 1],
         struct lh_error *err)
{
    LH_TRY(tail_refresh(s, call, err));
    LH_AUTO_LOCK(&s->lock);
    keys_copy(out, &s->locked.tail);
    snprintf(from, DAY_LEN + 1, "%s", s->locked.from);
    return LH_OK;
}

/* ---- batches ---- */

static void
batch_ref(void *value)
{
    atomic_fetch_add_explicit(&((struct batch *)value)->refs, 1, memory_order_relaxed);
}

static void
batch_unref(void *value)
{
    struct batch *b = value;

    if (b == NULL || atomic_fetch_sub_explicit(&b->refs, 1, memory_order_acq_rel) != 1)
        return;
    lh_arena_fini(&b->arena);
    free(b);
}

static void
batch_free(struct batch *b)
{
    batch_unref(b);
}
LH_AUTO_DEFINE(batch)

static void
broken_report(struct journal_shelf *s, const char *key, const struct lh_error *why)
{
    LH_AUTO_CHARS whole = lh_asprintf("%s%s", s->prefix, key);
    size_t at;

    {
        LH_AUTO_LOCK(&s->lock);
        if (keys_find(&s->locked.broken, key, &at))
            return;
        if (s->locked.broken.count == BROKEN_MAX)
            keys_fini(&s->locked.broken);
        keys_add(&s->locked.broken, lh_str_of(key));
    }
    if (s->options.broken != NULL)
        s->options.broken(s->options.self, whole, why);
}

static size_t
lines_count(lh_str text)
{
    size_t count = 1;

    for (size_t i = 0; i < text.len; i++)
        count += text.ptr[i] == '\n';
    return count;
}

static struct batch *
batch_decode(struct journal_shelf *s, const char *key, lh_str text)
{
    struct batch *b = LH_NEW(struct batch);
    lh_str line;

    atomic_init(&b->refs, 1);
    b->rows = lh_arena_array(&b->arena, lines_count(text), sizeof(*b->rows));
    while (lh_str_next(&text, '\n', &line)) {
        LH_AUTO_ERROR(why);

        if (line.len == 0)
            continue;
        if (journal_row_decode(&s->options.shape, line, &b->arena, &b->rows[b->count], &why) ==
            LH_OK)
            b->count++;
        else
            broken_report(s, key, &why);
    }
    return b;
}

static struct batch *
batch_keep(struct journal_shelf *s, const char *key, lh_str text)
{
    struct batch *b = batch_decode(s, key, text);

    lh_cache_put(s->batches, lh_str_of(key), b, b->arena.used_bytes + sizeof(*b));
    return b;
}

/* NULL in *out when the batch is broken or has just gone. `archive` may have it; it may be NULL. */
static lh_status
batch_load(struct journal_shelf *s, struct lh_call *call, const char *key,
           const struct journal_archive *archive, struct batch **out, struct lh_error *err)
{
    LH_AUTO_CHARS whole = lh_asprintf("%s%s", s->prefix, key);
    lh_str archived = archive ? journal_archive_find(archive, key) : LH_STR_NONE;
    LH_AUTO_BUF(text, BATCH_BYTES_MAX);
    LH_AUTO_ERROR(why);
    lh_status status;

    *out = lh_cache_find(s->batches, lh_str_of(key));
    if (*out != NULL)
        return LH_OK;
    if (archived.ptr != NULL) {
        *out = batch_keep(s, key, archived);
        return LH_OK;
    }
    status = lh_object_get(s->options.bucket, call, lh_str_of(whole), &text, NULL, &why);
    if (status == LH_NOT_FOUND)
        return LH_OK;
    if (status == LH_CORRUPT || status == LH_TOO_BIG || status == LH_IO) {
        broken_report(s, key, &why);
        return LH_OK;
    }
    if (status != LH_OK) {
        lh_error_copy(err, &why);
        return status;
    }
    *out = batch_keep(s, key, lh_buf_str(&text));
    return LH_OK;
}

/* ---- the walk ---- */

struct walk {
    struct journal_shelf *shelf;
    struct lh_call *call;
    const struct journal_visitor *visitor;
    struct journal_ids seen;
    bool is_over;
};

/* Newest first: a place is past another when its key is smaller, or its line in the same batch. */
static bool
place_is_past(const struct journal_place *place, const struct journal_place *after)
{
    int order;

    if (after->key[0] == '\0')
        return true;
    order = strcmp(place->key, after->key);
    return order < 0 || (order == 0 && place->line < after->line);
}

static lh_status
batch_visit(struct walk *w, const char *key, const struct batch *b, struct lh_error *err)
{
    struct journal_place place = {0};

    snprintf(place.key, sizeof(place.key), "%s", key);
    for (size_t i = b->count; i-- > 0 && !w->is_over;) {
        place.line = (uint32_t)i;
        if (!journal_ids_add(&w->seen, b->rows[i].id))
            continue;
        LH_TRY(w->visitor->visit(w->visitor->self, &b->rows[i], &place,
                                 place_is_past(&place, &w->visitor->after), &w->is_over, err));
    }
    return LH_OK;
}

static lh_status
keys_visit(struct walk *w, const struct keys *keys, const struct journal_archive *archive,
           struct lh_error *err)
{
    for (size_t i = keys->count; i-- > 0 && !w->is_over;) {
        LH_AUTO(batch) *b = NULL;

        if (key_time_ms(keys->items[i]) < w->visitor->since_us / 1000) {
            w->is_over = true;
            break;
        }
        LH_TRY(lh_call_check(w->call, err));
        LH_TRY(batch_load(w->shelf, w->call, keys->items[i], archive, &b, err));
        if (b != NULL)
            LH_TRY(batch_visit(w, keys->items[i], b, err));
    }
    return LH_OK;
}

static void
archive_broken(void *self, const char *key, const struct lh_error *why)
{
    struct journal_shelf *s = self;

    broken_report(s, key + strlen(s->prefix), why);
}

static struct journal_archive_log
archive_log(struct journal_shelf *s)
{
    return (struct journal_archive_log){.env = s->options.env,
                                        .bucket = s->options.bucket,
                                        .prefix = s->prefix,
                                        .broken = archive_broken,
                                        .self = s};
}

/* A batch is removed long after its archive was put: what is no longer listed as a batch is in an
 * archive that is listed after it. */
static lh_status
day_visit(struct walk *w, const char *day, struct lh_error *err)
{
    struct journal_archive archive __attribute__((cleanup(journal_archive_fini))) = {0};
    struct keys keys __attribute__((cleanup(keys_fini))) = {0};
    struct journal_archive_log log = archive_log(w->shelf);
    char within[DAY_LEN + 2];

    snprintf(within, sizeof(within), "%s/", day);
    LH_TRY(keys_list(w->shelf, w->call, within, NULL, &keys, err));
    LH_TRY(journal_archive_load(&log, w->call, day, &archive, err));
    for (size_t i = 0; i < archive.count; i++)
        keys_add(&keys, lh_str_of(archive.batches[i].key));
    return keys_visit(w, &keys, &archive, err);
}

/* The day of the log's first batch or archive; "" when there is none. */
static lh_status
first_day(struct walk *w, char day[DAY_LEN + 1], struct lh_error *err)
{
    struct journal_archive_log log = archive_log(w->shelf);
    LH_AUTO(lh_object_list) *page = NULL;
    lh_str key;

    LH_TRY(journal_archive_first(&log, w->call, day, err));
    LH_TRY(lh_object_list(w->shelf->options.bucket, w->call, lh_str_of(w->shelf->prefix),
                          LH_STR(""), 1, &page, err));
    key = page->count > 0 ? lh_str_of(page->items[0].key + strlen(w->shelf->prefix)) : LH_STR("");
    if (key.len > DAY_LEN && key.ptr[0] <= '9' &&
        (day[0] == '\0' || strncmp(key.ptr, day, DAY_LEN) < 0))
        snprintf(day, DAY_LEN + 1, "%.*s", DAY_LEN, key.ptr);
    return LH_OK;
}

static lh_status
older_days_visit(struct walk *w, const char *from, struct lh_error *err)
{
    char first[DAY_LEN + 1], day[DAY_LEN + 1];
    int64_t us;

    LH_TRY(first_day(w, first, err));
    if (first[0] == '\0' || !lh_time_parse(lh_str_of(from), &us))
        return LH_OK;
    for (us -= DAY_US; !w->is_over && us + DAY_US > w->visitor->since_us; us -= DAY_US) {
        day_format(us, day);
        if (strcmp(day, first) < 0)
            break;
        LH_TRY(day_visit(w, day, err));
    }
    return LH_OK;
}

lh_status
journal_shelf_walk(struct journal_shelf *s, struct lh_call *call,
                   const struct journal_visitor *visitor, struct lh_error *err)
{
    struct walk w = {.shelf = s, .call = call, .visitor = visitor};
    struct keys tail __attribute__((cleanup(keys_fini))) = {0};
    char from[DAY_LEN + 1];
    lh_status status;

    LH_TRY(tail_get(s, call, &tail, from, err));
    status = keys_visit(&w, &tail, NULL, err);
    if (status == LH_OK && !w.is_over)
        status = older_days_visit(&w, from, err);
    journal_ids_fini(&w.seen);
    return status;
}

void
journal_shelf_written(struct journal_shelf *s, uint64_t batches)
{
    uint_fast64_t known = atomic_load(&s->written);

    while (known < batches && !atomic_compare_exchange_weak(&s->written, &known, batches))
        ;
}

struct journal_shelf *
journal_shelf_new(const struct journal_shelf_options *options)
{
    static const struct lh_cache_kind kind = {.ref = batch_ref, .unref = batch_unref};
    struct journal_shelf *s = LH_NEW(struct journal_shelf);

    s->options = *options;
    s->prefix = lh_strdup(options->prefix);
    s->batches = lh_cache_new(&kind, options->cache_bytes);
    pthread_mutex_init(&s->lock, NULL);
    return s;
}

void
journal_shelf_free(struct journal_shelf *s)
{
    if (s == NULL)
        return;
    lh_cache_free(s->batches);
    keys_fini(&s->locked.tail);
    keys_fini(&s->locked.broken);
    pthread_mutex_destroy(&s->lock);
    free(s->prefix);
    free(s);
}
