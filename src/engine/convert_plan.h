/*
 * convert_plan: names and types of the columns of a scan: from the file, from the caller, from the
 * dataset the rows go to.
 */
#ifndef LH_ENGINE_CONVERT_PLAN_H
#define LH_ENGINE_CONVERT_PLAN_H

#include "engine/convert.h"
#include "engine/convert_scan.h"

#define CONVERT_NAME_MAX 255

/* Names as written, trimmed; an empty one becomes column_N, a repeated one (ignoring case) gets _2,
 * _3 …; over-long ones are cut. */
void
convert_names_fix(const lh_str *written, size_t count, struct lh_arena *arena, const char **out);

/* INVALID "ingest.types" when it is no type that a column can have. */
lh_status convert_type_name_check(struct engine_connection *c, lh_str type, struct lh_error *err);

/* `types` of the caller: INVALID "ingest.types" for unknown columns and types. */
lh_status convert_plan_force(struct convert_scan *s, struct engine_connection *c,
                             const json_t *types, struct lh_error *err);
/* Types of all other columns from their guesses, keeping to the target's schema where every value
 * fits. */
lh_status convert_plan_resolve(struct convert_scan *s, struct engine_connection *c,
                               const struct lh_convert_options *options, struct lh_error *err);
/* The columns that surprised a run, in words, appended to a JSON array; those that refused a wanted
 * type do so from now on. */
void convert_plan_note(struct convert_scan *s, struct lh_json_writer *w);

#endif
