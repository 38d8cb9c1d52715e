#include "services/journald/page.h"

#include <stdio.h>

/* A cursor is "w<time_us>.<uuid>" inside the open windows, "b<batch key>.<line>" inside the log. */
struct cursor {
    bool is_window;
    int64_t time_us;
    lh_uuid id;
    struct journal_place place;
};

struct page {
    const struct journal_query *query;
    struct lh_json_writer *w;
    struct journal_ids windows;
    struct cursor last;
    size_t count;
    bool has_more;
};

static lh_status
cursor_refuse(lh_str text, struct lh_error *err)
{
    return lh_fail(err, LH_INVALID, "request.query", "cursor '%.*s' is not one of this list",
                   LH_FMT(lh_str_fit(text, 80)));
}

static bool
cursor_parts(lh_str text, struct cursor *c)
{
    lh_str head, rest = lh_str_slice(text, 1, text.len);
    uint64_t line;

    if (text.len > 0 && text.ptr[0] == 'w') {
        c->is_window = true;
        return lh_str_cut(&rest, '.', &head) && lh_str_i64(head, &c->time_us) &&
               lh_uuid_parse(rest, &c->id);
    }
    if (text.len < JOURNAL_PLACE_KEY || text.ptr[0] != 'b')
        return false;
    /* The key itself holds a '.', so the line stands after the last one. */
    head = lh_str_slice(rest, 0, JOURNAL_PLACE_KEY - 2);
    rest = lh_str_slice(rest, JOURNAL_PLACE_KEY - 2, rest.len);
    if (!lh_str_starts(rest, LH_STR(".")) || !lh_str_u64(lh_str_slice(rest, 1, rest.len), &line) ||
        line > UINT32_MAX)
        return false;
    c->place.line = (uint32_t)line;
    return lh_str_copy(c->place.key, sizeof(c->place.key), head);
}

static lh_status
cursor_decode(lh_str text, struct cursor *c, struct lh_error *err)
{
    if (text.len > 0 && !cursor_parts(text, c))
        return cursor_refuse(text, err);
    return LH_OK;
}

static void
cursor_print(const struct cursor *c, struct lh_buf *out)
{
    char id[LH_UUID_TEXT];

    if (c->is_window)
        lh_buf_printf(out, "w%lld.%s", (long long)c->time_us, lh_uuid_format(c->id, id));
    else
        lh_buf_printf(out, "b%s.%u", c->place.key, c->place.line);
}

static bool
row_matches(const struct journal_row *row, const struct journal_query *q)
{
    return (q->group.len == 0 || lh_str_eq(row->group, q->group)) &&
           (q->topic.len == 0 || lh_str_eq(row->topic, q->topic)) && row->time_us >= q->since_us;
}

/* False when the page is full already, and there is more. */
static bool
page_add(struct page *p, const struct journal_row *row, const struct cursor *at)
{
    if (p->count == p->query->limit) {
        p->has_more = true;
        return false;
    }
    lh_json_put_raw(p->w, row->line);
    p->last = *at;
    p->count++;
    return true;
}

static bool
window_is_past(const struct journal_row *row, const struct cursor *after)
{
    return row->time_us < after->time_us ||
           (row->time_us == after->time_us && memcmp(&row->id, &after->id, sizeof(row->id)) < 0);
}

/* A row that moved to the front since its page was given is given again, with its new count:
 * nothing is ever missed. */
static void
windows_add(struct page *p, struct journal_failures *failures, struct lh_arena *arena,
            const struct cursor *after)
{
    struct journal_row *rows;
    size_t count = failures ? journal_failures_rows(failures, arena, &rows) : 0;

    for (size_t i = 0; i < count; i++) {
        struct cursor at = {.is_window = true, .time_us = rows[i].time_us, .id = rows[i].id};

        journal_ids_add(&p->windows, rows[i].id);
        if (after->place.key[0] != '\0' || (after->is_window && !window_is_past(&rows[i], after)))
            continue;
        if (row_matches(&rows[i], p->query) && !page_add(p, &rows[i], &at))
            return;
    }
}

static lh_status
row_visit(void *self, const struct journal_row *row, const struct journal_place *place,
          bool is_past, bool *stop, struct lh_error *err)
{
    struct page *p = self;
    struct cursor at = {.place = *place};

    (void)err;
    if (is_past && row_matches(row, p->query) && !journal_ids_has(&p->windows, row->id))
        *stop = !page_add(p, row, &at);
    return LH_OK;
}

static lh_status
page_fill(struct page *p, struct journal_shelf *shelf, struct journal_failures *failures,
          struct lh_call *call, struct lh_error *err)
{
    struct cursor after = {0};

    LH_TRY(cursor_decode(p->query->cursor, &after, err));
    windows_add(p, failures, &call->arena, &after);
    if (p->has_more)
        return LH_OK;
    return journal_shelf_walk(
        shelf, call,
        &(struct journal_visitor){
            .visit = row_visit, .self = p, .after = after.place, .since_us = p->query->since_us},
        err);
}

lh_status
journal_page_print(struct journal_shelf *shelf, struct journal_failures *failures,
                   struct lh_call *call, const char *member, const struct journal_query *query,
                   struct lh_buf *out, struct lh_error *err)
{
    struct lh_json_writer w = lh_json_writer_over(out);
    struct page p = {.query = query, .w = &w};
    lh_status status;

    lh_json_object_begin(&w);
    lh_json_key(&w, member);
    lh_json_array_begin(&w);
    status = page_fill(&p, shelf, failures, call, err);
    journal_ids_fini(&p.windows);
    LH_TRY(status);
    lh_json_array_end(&w);
    if (p.has_more) {
        LH_AUTO_BUF(cursor, 128);

        cursor_print(&p.last, &cursor);
        lh_json_set_str(&w, "next_cursor", lh_buf_str(&cursor));
    }
    lh_json_object_end(&w);
    return lh_buf_check(out, "the page", err);
}
