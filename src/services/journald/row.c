#include "services/journald/row.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "base/hash.h"
#include "base/time.h"

enum { SLOTS_MIN = 256 };

static bool
uuid_is_nil(const lh_uuid *id)
{
    static const lh_uuid nil;

    return memcmp(id, &nil, sizeof(nil)) == 0;
}

static lh_status
fields_read(const json_t *value, const struct journal_row_shape *shape, struct lh_arena *arena,
            struct journal_row *row, struct lh_error *err)
{
    lh_str id, time, group, topic;

    LH_TRY(lh_json_str(value, shape->id, &id, err));
    LH_TRY(lh_json_str(value, "time", &time, err));
    LH_TRY(lh_json_str(value, shape->group, &group, err));
    LH_TRY(lh_json_str(value, shape->topic, &topic, err));
    if (!lh_uuid_parse(id, &row->id) || uuid_is_nil(&row->id))
        return lh_fail(err, LH_INVALID, "journal.row", "%s is not a UUID", shape->id);
    if (!lh_time_parse(time, &row->time_us))
        return lh_fail(err, LH_INVALID, "journal.row", "time is not ISO 8601");
    row->group = lh_arena_str(arena, group);
    row->topic = lh_arena_str(arena, topic);
    return LH_OK;
}

lh_status
journal_row_decode(const struct journal_row_shape *shape, lh_str line, struct lh_arena *arena,
                   struct journal_row *out, struct lh_error *err)
{
    LH_AUTO_ERROR(why);
    LH_AUTO_JSON value = NULL;
    struct journal_row row = {0};

    if (lh_json_parse(line, &value, &why) != LH_OK ||
        fields_read(value, shape, arena, &row, &why) != LH_OK)
        return lh_fail(err, LH_CORRUPT, "journal.row", "a line of the log is no record: %s",
                       why.text);
    row.line = lh_arena_str(arena, line);
    *out = row;
    return LH_OK;
}

/* ---- ids ---- */

/* The place of `id`, or the free one (the nil UUID marks free; it is never an id of a row). */
static lh_uuid *
slot_find(const struct journal_ids *ids, const lh_uuid *id)
{
    size_t mask = ids->slot_count - 1;
    size_t i = lh_xxh64(id, sizeof(*id), 0) & mask;

    while (!uuid_is_nil(&ids->slots[i]) && memcmp(&ids->slots[i], id, sizeof(*id)) != 0)
        i = (i + 1) & mask;
    return &ids->slots[i];
}

static void
ids_grow(struct journal_ids *ids)
{
    struct journal_ids larger = {.slot_count = ids->slot_count ? ids->slot_count * 2 : SLOTS_MIN,
                                 .count = ids->count};

    larger.slots = lh_alloc_array(larger.slot_count, sizeof(*larger.slots));
    for (size_t i = 0; i < ids->slot_count; i++)
        if (!uuid_is_nil(&ids->slots[i]))
            *slot_find(&larger, &ids->slots[i]) = ids->slots[i];
    free(ids->slots);
    *ids = larger;
}

bool
journal_ids_add(struct journal_ids *ids, lh_uuid id)
{
    lh_uuid *slot;

    if ((ids->count + 1) * 2 > ids->slot_count)
        ids_grow(ids);
    slot = slot_find(ids, &id);
    if (!uuid_is_nil(slot))
        return false;
    *slot = id;
    ids->count++;
    return true;
}

bool
journal_ids_has(const struct journal_ids *ids, lh_uuid id)
{
    return ids->slot_count > 0 && !uuid_is_nil(slot_find(ids, &id));
}

void
journal_ids_fini(struct journal_ids *ids)
{
    free(ids->slots);
    *ids = (struct journal_ids){0};
}
