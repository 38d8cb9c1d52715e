/*
 * result: rows of a DuckDB result as JSON, NDJSON, CSV, Arrow IPC or Parquet bytes, streamed chunk by chunk.
 *
 * Numbers   integers up to 2^53 in size are JSON numbers and strings beyond; decimals are numbers when a double keeps their digits, strings
 *           otherwise; floats print shortest round-trip; NaN and infinities are null; timestamps ISO 8601; blobs base64;
 *           lists, structs and maps are JSON arrays and objects (in CSV: their JSON text).
 * CSV       RFC 4180 with "\n" line ends: header line, quotes where needed, NULL is an empty field and an empty string is "".
 * Arrow     IPC streaming format, https://arrow.apache.org/docs/format/Columnar.html (metadata version V5), schema, record
 *           batches and the end-of-stream marker; FlatBuffers written by hand in arrow_*.c, buffers from duckdb_data_chunk_to_arrow.
 */
#ifndef LH_ENGINE_RESULT_H
#define LH_ENGINE_RESULT_H

#include <duckdb.h>
#include "engine/engine.h"

enum lh_result_format { LH_RESULT_JSON, LH_RESULT_NDJSON, LH_RESULT_CSV, LH_RESULT_ARROW, LH_RESULT_PARQUET };

/* The media type to answer with. */
const char *lh_result_content_type(enum lh_result_format format);
/* Chooses by an Accept header (RFC 9110 12.5.1, q-values); "" and anything with a wildcard is JSON. False: none fits, 406. */
bool lh_result_format_choose(lh_str accept, enum lh_result_format *out);

/* Where the bytes go. */
struct lh_result_sink {
    lh_status (*write)(void *self, lh_bytes bytes, struct lh_error *err);
    void *self;
};

/*
 * A writer for one result: begin, a call for each chunk, end. JSON writes only `"columns":[…],"rows":[…]` without the braces around, so that the caller
 * can put members before and after. Parquet is not written here (see engine/sql.h).
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

/* "DECIMAL(10,2)", "STRUCT(a BIGINT, b VARCHAR[])": DuckDB's own spelling of a logical type, appended. */
void result_type_name(duckdb_logical_type type, struct lh_buf *out);

#endif
