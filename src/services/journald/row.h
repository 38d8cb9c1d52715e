/*
 * row: one line of the journal or of the errors, with the few members that reading looks at.
 *
 * The line is kept as the JSON text that was written, since that is also what is answered.
 */
#ifndef LH_SERVICES_JOURNALD_ROW_H
#define LH_SERVICES_JOURNALD_ROW_H

#include "base/id.h"
#include "base/json.h"

/* Which members of a line mean what. */
struct journal_row_shape {
    const char *id;    /* "event_id", "error_id" */
    const char *group; /* "entity_type", "service" */
    const char *topic; /* "entity_id", "code" */
};

struct journal_row {
    lh_uuid id;
    int64_t time_us;
    lh_str line;
    lh_str group, topic;
};

/* Texts are copied into the arena. CORRUPT "journal.row". */
lh_status journal_row_decode(const struct journal_row_shape *shape, lh_str line,
                             struct lh_arena *arena, struct journal_row *out, struct lh_error *err);

/* A set of ids, for leaving repeats out. Zeroed is empty. */
struct journal_ids {
    lh_uuid *slots;
    size_t slot_count, count;
};
/* False when it was there already. */
bool journal_ids_add(struct journal_ids *ids, lh_uuid id);
bool journal_ids_has(const struct journal_ids *ids, lh_uuid id);
void journal_ids_fini(struct journal_ids *ids);

#endif
