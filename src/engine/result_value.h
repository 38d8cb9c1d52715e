/*
 * result_value: one value of a result as JSON or as a CSV field. The rules are those of
 * engine/result.h.
 */
#ifndef LH_ENGINE_RESULT_VALUE_H
#define LH_ENGINE_RESULT_VALUE_H

#include "base/buf.h"
#include "engine/result_type.h"

/* How to write the values of one column, chosen once for its type. */
struct result_format {
    void (*json)(const struct result_cells *c, size_t row, struct lh_buf *out);
    void (*csv)(const struct result_cells *c, size_t row, struct lh_buf *out);
};

struct result_format result_format_of(const struct result_type *type);

/* Any value, NULL included. */
void result_json_value(const struct result_cells *c, size_t row, struct lh_buf *out);
/* The text of a value that is not NULL, as in a CSV field without quotes. */
void result_plain_text(const struct result_cells *c, size_t row, struct lh_buf *out);

#endif
