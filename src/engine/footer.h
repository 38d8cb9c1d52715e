/*
 * footer: names, types and statistics out of Parquet footers, as text.
 *
 * The functions are declared in engine/convert.h. This header has what the files of this folder
 * share.
 */
#ifndef LH_ENGINE_FOOTER_H
#define LH_ENGINE_FOOTER_H

#include "engine/connection.h"
#include "engine/convert.h"

/* Appends ['a', 'b'] for read_parquet and its kin. */
void footer_list_print(struct lh_buf *sql, const char *const *uris, size_t count);
/* Names, types, counts and bounds into out->columns and out->rows. */
lh_status footer_read(struct engine_connection *c, const char *const *uris, size_t count,
                      struct lh_convert_result *out, struct lh_error *err);

/* Whether bounds of this type are told as text that casts back. */
bool footer_type_has_bounds(const char *type);

#endif
