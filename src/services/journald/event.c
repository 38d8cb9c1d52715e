#include "services/journald/event.h"

#include "base/time.h"

static const char *const fields[] = {"event_id", "entity_type", "entity_id", "action",
                                     "source",   "old",         "new",       NULL};

struct event {
    lh_str id, entity_type, entity_id, action, source;
};

static lh_status
text_check(const char *name, lh_str s, size_t max, struct lh_error *err)
{
    if (s.len == 0 || s.len > max)
        return lh_fail(err, LH_INVALID, "journal.event", "%s must have 1 to %zu bytes, not %zu",
                       name, max, s.len);
    return LH_OK;
}

static lh_status
event_read(const json_t *body, struct event *e, struct lh_error *err)
{
    lh_uuid id;

    LH_TRY(lh_json_only(body, fields, err));
    LH_TRY(lh_json_str(body, "event_id", &e->id, err));
    LH_TRY(lh_json_str(body, "entity_type", &e->entity_type, err));
    LH_TRY(lh_json_str(body, "entity_id", &e->entity_id, err));
    LH_TRY(lh_json_str(body, "action", &e->action, err));
    LH_TRY(lh_json_str_opt(body, "source", &e->source, err));
    if (!lh_uuid_parse(e->id, &id))
        return lh_fail(err, LH_INVALID, "journal.event", "event_id '%.*s' is not a UUID",
                       LH_FMT(lh_str_fit(e->id, 64)));
    LH_TRY(text_check("entity_type", e->entity_type, 64, err));
    LH_TRY(text_check("entity_id", e->entity_id, 1024, err));
    LH_TRY(text_check("action", e->action, 64, err));
    return LH_OK;
}

static void
value_print(struct lh_json_writer *w, const json_t *body, const char *key)
{
    const json_t *value = json_object_get(body, key);

    lh_json_key(w, key);
    if (value != NULL)
        lh_json_put_value(w, value);
    else
        lh_json_put_null(w);
}

lh_status
journal_event_encode(const json_t *body, const struct lh_call *call, struct lh_buf *line,
                     struct lh_error *err)
{
    struct event e = {.source = LH_STR("internal")};
    struct lh_json_writer w = lh_json_writer_over(line);

    LH_TRY(event_read(body, &e, err));
    lh_json_object_begin(&w);
    lh_json_set_str(&w, "event_id", e.id);
    lh_json_set_time(&w, "time", lh_time_now_us());
    lh_json_set_str(&w, "entity_type", e.entity_type);
    lh_json_set_str(&w, "entity_id", e.entity_id);
    lh_json_set_str(&w, "action", e.action);
    lh_json_set_cstr(&w, "actor", call->principal.name ? call->principal.name : "system");
    lh_json_set_str(&w, "source", e.source);
    value_print(&w, body, "old");
    value_print(&w, body, "new");
    lh_json_set_cstr(&w, "trace_id", call->trace.trace_id);
    lh_json_object_end(&w);
    return lh_buf_check(line, "the event", err);
}
