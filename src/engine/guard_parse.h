/*
 * guard_parse: a SQL text as DuckDB's parse tree in JSON.
 *
 * The text goes in as a parameter of json_serialize_sql, so parsing it runs nothing of it.
 *
 * Fails    INVALID "sql.syntax" with the place in extra; TOO_BIG "sql.too_complex".
 */
#ifndef LH_ENGINE_GUARD_PARSE_H
#define LH_ENGINE_GUARD_PARSE_H

#include "base/json.h"
#include "engine/connection.h"

struct guard_parsed {
    json_t *statements; /* borrowed from root; NULL when some statement is not a SELECT */
    json_t *root;
};

lh_status guard_parse(struct engine_connection *c, lh_str sql, struct guard_parsed *out,
                      struct lh_error *err);
void guard_parsed_fini(struct guard_parsed *p);
#define GUARD_AUTO_PARSED(name)                                                                    \
    __attribute__((cleanup(guard_parsed_fini))) struct guard_parsed name = {0}

/* The SQL of a tree: the way back, json_deserialize_sql. Allocated in `arena`. */
lh_status guard_unparse(struct engine_connection *c, const json_t *tree, struct lh_arena *arena,
                        lh_str *out, struct lh_error *err);

/* Puts {"position","line","column"} into err; `character` counts from 0. */
void guard_place_set(struct lh_error *err, lh_str sql, size_t character);
/* Characters before a byte offset. */
size_t guard_place_character(lh_str sql, size_t byte);

#endif
