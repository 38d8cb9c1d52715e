/*
 * result_writer: the insides of a writer, shared by result.c (JSON, NDJSON, CSV) and
 * result_arrow.c.
 */
#ifndef LH_ENGINE_RESULT_WRITER_H
#define LH_ENGINE_RESULT_WRITER_H

#include "engine/result.h"
#include "engine/result_value.h"

#define RESULT_BLOCK_BYTES ((size_t)128 << 10) /* what is collected before the sink is called */

struct result_column {
    lh_str name;      /* as the result has it */
    lh_str type_name; /* "DECIMAL(10,2)" */
    lh_str key;       /* of NDJSON: `{"name":` or `,"name":` */
    struct result_type type;
    struct result_cells cells;
    struct result_format format;
};

struct arrow_stream;

struct result_writer {
    const struct result_form *form;
    struct lh_result_sink sink;
    struct result_column *columns;
    size_t column_count;
    bool has_rows;
    struct lh_buf out;
    struct lh_arena arena;
    struct arrow_stream *arrow;
};

/* What differs between the forms of an answer. */
struct result_form {
    lh_status (*begin)(struct result_writer *w, struct lh_error *err);
    lh_status (*rows)(struct result_writer *w, size_t count, struct lh_error *err);
    lh_status (*end)(struct result_writer *w, struct lh_error *err);
};

extern const struct result_form result_form_arrow;
void result_arrow_free(struct result_writer *w);

/* Gives the collected bytes to the sink. */
lh_status result_flush(struct result_writer *w, struct lh_error *err);

#endif
