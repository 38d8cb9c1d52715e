#include "services/journald/client.h"
#include "services/storaged/storage.h"

#define EVENT_BYTES_MAX ((size_t)64 << 10)
#define ENTITY_ID_MAX                                                                              \
    1024 /* of the journal; a longer one is cut, and stands whole in the event's values */

static void
object_print(struct lh_buf *out, const struct storage_event *e, const struct lh_object_info *info)
{
    struct lh_json_writer w = lh_json_writer_over(out);

    lh_json_object_begin(&w);
    lh_json_set_str(&w, "bucket", e->bucket);
    lh_json_set_str(&w, "key", e->key);
    lh_json_set_u64(&w, "size_bytes", info->size_bytes);
    lh_json_set_cstr(&w, "etag", info->etag);
    if (info->sha256[0])
        lh_json_set_cstr(&w, "sha256", info->sha256);
    lh_json_object_end(&w);
}

static lh_str
value_of(struct lh_buf *out, const struct storage_event *e, const struct lh_object_info *info)
{
    if (!info)
        return LH_STR_NONE;
    object_print(out, e, info);
    return lh_buf_str(out);
}

static char *
entity_id(struct lh_arena *arena, const struct storage_event *e)
{
    char *whole = lh_arena_printf(arena, "%.*s%s%.*s", LH_FMT(e->bucket), e->key.len > 0 ? "/" : "",
                                  LH_FMT(e->key));

    return lh_arena_cstr(arena, lh_str_fit(lh_str_of(whole), ENTITY_ID_MAX));
}

lh_status
storage_event_add(struct storage *s, struct lh_call *call, const struct storage_event *e,
                  struct lh_error *err)
{
    LH_AUTO_BUF(old_value, EVENT_BYTES_MAX);
    LH_AUTO_BUF(new_value, EVENT_BYTES_MAX);
    const struct lh_journal_event event = {
        .entity_type = e->entity_type,
        .entity_id = entity_id(&call->arena, e),
        .action = e->action,
        .old_json = value_of(&old_value, e, e->old_info),
        .new_json = value_of(&new_value, e, e->new_info),
    };

    return lh_journal_event(s->env->mesh, call, &event, err);
}
