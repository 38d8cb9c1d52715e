/*
 * json_token: JSON text as tokens that keep their raw spelling (RFC 8259), strictly checked.
 *
 * A value library would turn numbers into doubles and forget how they were written; the canonical
 * rule needs the text.
 *
 * Threads  pure.
 */
#ifndef LH_ENGINE_JSON_TOKEN_H
#define LH_ENGINE_JSON_TOKEN_H

#include "engine/record_reader.h"

#define JSON_DEPTH_MAX 200

const char *json_blank_skip(const char *p, const char *end);

/* One value at `p` (no blanks before it). Returns its end and fills *out, or NULL when it is
 * malformed; *why then says how. */
const char *
json_value_read(const char *p, const char *end, struct record_field *out, const char **why);

/* The end of the value at `p` judged by brackets and quotes alone; NULL when the text ends before
 * it does. */
const char *json_value_span(const char *p, const char *end);

/* Members of an object or elements of an array, of a value that json_value_read has accepted. */
struct json_walk {
    const char *at, *end;
    bool is_object;
};
struct json_walk json_walk_over(const struct record_field *nested);
/* `key` is untouched for arrays. False after the last one. */
bool json_walk_next(struct json_walk *w, struct record_field *key, struct record_field *value);

/* The text of a string without its escapes; `to` has room for field->len bytes. Returns the length.
 */
size_t json_string_unescape(const struct record_field *field, char *to);

#endif
