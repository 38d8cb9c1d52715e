/*
 * Newest first, in a store that only lists forwards. The scan goes back in windows of time: it
 * lists the names from the window's beginning to its end, visits them from the last to the first,
 * and takes the next window before it. A window is a minute at first and doubles while little is
 * found, so that reading the last few records of a long log lists little more than these.
 *
 * Where a window is empty the scan does not creep: whether any batch lies in [t, end) takes one
 * listing of one key, so the last one before `end` is found by halving the time between the log's
 * first batch and `end`.
 */
#include "store/append_log_scan.h"

#include <stdlib.h>
#include "base/alloc.h"
#include "base/time.h"
#include "store/append_log_name.h"

#define WINDOW_FIRST_MS ((int64_t)60 * 1000)
#define WINDOW_MAX_MS (32 * APPEND_LOG_DAY_MS)
#define WINDOW_SMALL 64   /* batches; fewer make the next window twice as long */
#define WINDOW_LARGE 2048 /* batches; more make it half */
#define PAGE 1000
#define PEEK                                                                                       \
    8 /* names looked at to find the first batch: nearly always it is the first of them            \
       */

/* Another process may write larger batches than we are set to. */
#define BATCH_READ_MAX ((size_t)1 << 30)

/* ---- one batch ---- */

static lh_status
lines_visit(struct append_log_scan *s, lh_str text, struct lh_error *err)
{
    while (text.len > 0 && !s->is_over) {
        size_t begin;
        if (text.ptr[text.len - 1] == '\n')
            text.len--;
        begin = text.len;
        while (begin > 0 && text.ptr[begin - 1] != '\n')
            begin--;
        if (begin < text.len)
            LH_TRY(s->visitor->visit(s->visitor->self, lh_str_slice(text, begin, text.len),
                                     &s->is_over, err));
        text.len = begin;
    }
    return LH_OK;
}

/* A batch that is gone was taken by a compaction meanwhile, which has its records elsewhere. Our
 * own end is not the batch's fault. */
static lh_status
batch_visit(struct append_log_scan *s, const char *key, struct lh_error *err)
{
    LH_AUTO_BUF(bytes, BATCH_READ_MAX);
    LH_AUTO_ERROR(why);

    LH_TRY(lh_call_check(s->call, err));
    if (lh_object_get(s->bucket, s->call, lh_str_of(key), &bytes, NULL, &why) == LH_OK)
        return lines_visit(s, lh_buf_str(&bytes), err);
    LH_TRY(lh_call_check(s->call, err));
    if (why.status != LH_NOT_FOUND && s->visitor->broken)
        s->visitor->broken(s->visitor->self, key, &why);
    return LH_OK;
}

/* ---- one window ---- */

struct names {
    struct lh_arena arena;
    const char **keys;
    size_t count, allocated;
};

static void
names_add(struct names *n, const char *key)
{
    if (n->count == n->allocated) {
        n->allocated = n->allocated == 0 ? 64 : n->allocated * 2;
        n->keys = lh_realloc_array(n->keys, n->allocated, sizeof(n->keys[0]));
    }
    n->keys[n->count++] = lh_arena_cstr(&n->arena, lh_str_of(key));
}

/* The batches of [from_ms, to_ms), oldest first. */
static lh_status
window_list(struct append_log_scan *s, int64_t from_ms, int64_t to_ms, struct names *out,
            struct lh_error *err)
{
    char after[LH_KEY_MAX + 1];
    bool is_more = true;

    append_log_name_from(s->prefix, from_ms, after);
    while (is_more) {
        LH_AUTO(lh_object_list) *page = NULL;
        int64_t time_ms;
        LH_TRY(lh_object_list(s->bucket, s->call, lh_str_of(s->prefix), lh_str_of(after), PAGE,
                              &page, err));
        is_more = page->has_more;
        for (size_t i = 0; i < page->count; i++) {
            lh_str key = lh_str_of(page->items[i].key);
            (void)lh_str_copy(after, sizeof(after), key);
            if (!append_log_name_parse(s->prefix, key, &time_ms))
                continue;
            if (time_ms >= to_ms) {
                is_more = false;
                break;
            }
            names_add(out, page->items[i].key);
        }
    }
    return LH_OK;
}

static lh_status
window_visit(struct append_log_scan *s, int64_t from_ms, int64_t to_ms, size_t *count,
             struct lh_error *err)
{
    struct names names = {0};
    lh_status status;

    lh_arena_init(&names.arena);
    status = window_list(s, from_ms, to_ms, &names, err);
    *count = names.count;
    for (size_t i = names.count; status == LH_OK && i > 0 && !s->is_over; i--)
        status = batch_visit(s, names.keys[i - 1], err);
    free(names.keys);
    lh_arena_fini(&names.arena);
    return status;
}

/* ---- across gaps ---- */

/* Keys that a compaction or a person left beside the days sort behind them all. */
static bool
is_past_days(const struct append_log_scan *s, lh_str key)
{
    return key.ptr[strlen(s->prefix)] > '9';
}

static bool
page_first(const struct append_log_scan *s, const struct lh_object_list *page, int64_t *time_ms)
{
    for (size_t i = 0; i < page->count; i++) {
        lh_str key = lh_str_of(page->items[i].key);
        if (is_past_days(s, key))
            break;
        if (append_log_name_parse(s->prefix, key, time_ms))
            return true;
    }
    *time_ms = INT64_MAX;
    return false;
}

/* The first batch at or after that time; INT64_MAX when there is none. */
static lh_status
first_from(struct append_log_scan *s, int64_t from_ms, int64_t *time_ms, struct lh_error *err)
{
    char after[LH_KEY_MAX + 1];
    bool is_more = true;

    append_log_name_from(s->prefix, from_ms, after);
    while (is_more) {
        LH_AUTO(lh_object_list) *page = NULL;
        lh_str last;
        LH_TRY(lh_object_list(s->bucket, s->call, lh_str_of(s->prefix), lh_str_of(after), PEEK,
                              &page, err));
        if (page_first(s, page, time_ms) || page->count == 0)
            return LH_OK;
        last = lh_str_of(page->items[page->count - 1].key);
        is_more = page->has_more && !is_past_days(s, last);
        (void)lh_str_copy(after, sizeof(after), last);
    }
    return LH_OK;
}

/* A time behind the last batch before `end_ms`, and near to it. There is a batch at `first_ms`. */
static lh_status
end_of_last_before(struct append_log_scan *s, int64_t first_ms, int64_t end_ms, int64_t *out,
                   struct lh_error *err)
{
    int64_t low = first_ms, high = end_ms; /* a batch at low; none in [high, end_ms) */

    while (high - low > WINDOW_FIRST_MS) {
        int64_t middle = low + (high - low) / 2, found;
        LH_TRY(first_from(s, middle, &found, err));
        if (found < high)
            low = found;
        else
            high = middle;
    }
    *out = high;
    return LH_OK;
}

static int64_t
next_length(int64_t length, size_t count)
{
    if (count < WINDOW_SMALL && length < WINDOW_MAX_MS)
        return length * 2;
    if (count > WINDOW_LARGE && length > WINDOW_FIRST_MS)
        return length / 2;
    return length;
}

static lh_status
windows_visit(struct append_log_scan *s, int64_t first_ms, int64_t end_ms, struct lh_error *err)
{
    int64_t length = WINDOW_FIRST_MS;

    while (end_ms > first_ms && !s->is_over) {
        int64_t from = end_ms - first_ms > length ? end_ms - length : first_ms;
        size_t count;
        LH_TRY(window_visit(s, from, end_ms, &count, err));
        end_ms = from;
        length = next_length(length, count);
        if (count == 0 && from > first_ms) {
            LH_TRY(end_of_last_before(s, first_ms, from, &end_ms, err));
            length = WINDOW_FIRST_MS;
        }
    }
    return LH_OK;
}

lh_status
append_log_scan_run(struct append_log_scan *s, struct lh_error *err)
{
    int64_t now_ms = lh_time_now_us() / 1000, first_ms, ahead_ms;

    LH_TRY(first_from(s, 0, &first_ms, err));
    if (first_ms == INT64_MAX)
        return LH_OK;
    /* A clock that runs ahead somewhere must not hide its batches. */
    LH_TRY(first_from(s, now_ms + 1, &ahead_ms, err));
    return windows_visit(s, first_ms, ahead_ms == INT64_MAX ? now_ms + 1 : APPEND_LOG_TIME_MS_MAX,
                         err);
}
