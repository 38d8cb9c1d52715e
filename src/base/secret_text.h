/*
 * secret_text: reading entries out of a file or of what a command prints, for this folder.
 *
 * A reader of its own instead of toml.h and json.h, because those keep copies of every value on the
 * heap that nobody clears. It understands what a list of secrets needs: TOML tables of strings
 * (basic and literal, one line each, comments) and JSON objects of strings; anything else is
 * refused.
 *
 * Fails    CORRUPT "secret.syntax" with the line, without what stands there.
 */
#ifndef LH_BASE_SECRET_TEXT_H
#define LH_BASE_SECRET_TEXT_H

#include "base/secret_page.h"
#include "base/status.h"

/* Adds the fields of `entry` to `out`. TOML, or JSON when it begins with '{'. */
lh_status
secret_text_file(lh_str text, lh_str entry, struct secret_page *out, struct lh_error *err);
/* One JSON object of strings: the fields of one entry. */
lh_status secret_text_object(lh_str text, struct secret_page *out, struct lh_error *err);

#endif
