/* rows_parts: rows as SQL, for files of this folder. */
#ifndef LH_ENGINE_ROWS_PARTS_H
#define LH_ENGINE_ROWS_PARTS_H

#include "engine/connection.h"
#include "engine/rows.h"

/* Appends a SELECT of every column, in order. `object_column` names one more that holds the uri of
 * each row's object, or is NULL. Objects without tombstones come first. */
void engine_rows_select(const struct lh_rows *rows, const char *object_column, struct lh_buf *sql);

#endif
