/*
 * result: rows of a DuckDB result as JSON, NDJSON, CSV, Arrow IPC or Parquet bytes, streamed chunk
 * by chunk.
 *
 * Numbers   integers up to 2^53 in size are JSON numbers and strings beyond; decimals are numbers
 * when a double keeps their digits (up to 15 significant ones), strings otherwise; floats print
 * shortest round-trip; NaN and infinities are null. Text      dates, times and timestamps ISO 8601
 * (TIMESTAMP WITH TIME ZONE in UTC with 'Z'; years outside 0 to 9999 with a sign; infinite ones
 * "infinity" and "-infinity"), intervals as ISO 8601 durations whose parts carry their own sign
 * ("P1Y-3DT0.5S"), blobs base64, bit strings as digits. A value of type JSON is put in as it is.
 * Nested    lists, arrays, structs and maps are JSON arrays and objects (a map's keys as text; a
 * struct without names is an array), a union is an object of its one member. In CSV: their JSON
 * text. NDJSON    an object for each line; a repeated column name gets "_1", "_2" … behind it. CSV
 * RFC 4180 with "\n" line ends: header line, quotes where needed, NULL is an empty field and an
 * empty string is "". Arrow     IPC streaming format,
 * https://arrow.apache.org/docs/format/Columnar.html (metadata version V5): schema, dictionaries of
 * ENUM columns, record batches, end-of-stream marker; written by hand in arrow_*.c.
 */
#ifndef LH_ENGINE_RESULT_H
#define LH_ENGINE_RESULT_H

#include <duckdb.h>
#include "engine/engine.h"

enum lh_result_format {
    LH_RESULT_JSON,
    LH_RESULT_NDJSON,
    LH_RESULT_CSV,
    LH_RESULT_ARROW,
    LH_RESULT_PARQUET
};

/* The media type to answer with. */
const char *lh_result_content_type(enum lh_result_format format);
/* Chooses by an Accept header (RFC 9110 12.5.1, q-values); "" and anything with a wildcard is JSON.
 * False: none fits, 406. */
bool lh_result_format_choose(lh_str accept, enum lh_result_format *out);

/* Where the bytes go. */
struct lh_result_sink {
    lh_status (*write)(void *self, lh_bytes bytes, struct lh_error *err);
    void *self;
};

/*
 * A writer for one result: begin, a call for each chunk, end. JSON writes only
 * `"columns":[…],"rows":[…]` without the braces around, so that the caller can put members before
 * and after. Parquet is not written here (see engine/sql.h). Bytes reach the sink in blocks of some
 * 128 KiB; the sink may be called from any of the four. Chunks are those of duckdb_fetch_chunk,
 * flat.
 *
 * Fails    UNSUPPORTED "sql.type" for a column whose type has no form in the answer; what the sink
 * fails with.
 */
struct result_writer;
lh_status result_writer_new(enum lh_result_format format, duckdb_result *result,
                            duckdb_connection connection, const struct lh_result_sink *sink,
                            struct result_writer **out, struct lh_error *err);
lh_status result_writer_begin(struct result_writer *w, struct lh_error *err);
lh_status result_writer_chunk(struct result_writer *w, duckdb_data_chunk chunk, size_t rows,
                              struct lh_error *err); /* the first `rows` rows of it */
lh_status result_writer_end(struct result_writer *w, struct lh_error *err);
void result_writer_free(struct result_writer *w);
LH_AUTO_DEFINE(result_writer)

/* "DECIMAL(10,2)", "STRUCT(a BIGINT, b VARCHAR[])": DuckDB's own spelling of a logical type,
 * appended. */
void result_type_name(duckdb_logical_type type, struct lh_buf *out);

#endif
