/*
 * Run: chunks go from DuckDB to the writer one at a time, so memory does not depend on the size of
 * the answer. The writer begins when the first chunk is there: whatever fails before it reaches the
 * caller before any byte of the answer does.
 */
#include "engine/sql.h"

#include "engine/result.h"
#include "engine/statement.h"

/* Counts what passes and stops at the limit. */
struct meter {
    const struct lh_result_sink *to;
    uint64_t bytes, bytes_max;
};

static lh_status
meter_write(void *self, lh_bytes bytes, struct lh_error *err)
{
    struct meter *m = self;

    if (bytes.len > m->bytes_max - m->bytes)
        return lh_fail(err, LH_TOO_BIG, "sql.too_many_bytes",
                       "the answer is larger than %llu bytes", (unsigned long long)m->bytes_max);
    m->bytes += bytes.len;
    return m->to->write(m->to->self, bytes, err);
}

/* NULL in *out at the end. */
static lh_status
chunk_fetch(struct lh_statement *s, duckdb_result *r, duckdb_data_chunk *out, struct lh_error *err)
{
    const char *text;

    *out = duckdb_fetch_chunk(*r);
    if (*out)
        return LH_OK;
    text = duckdb_result_error(r);
    return text ? engine_error(s->connection, duckdb_result_error_type(r), text, err) : LH_OK;
}

/* Writes as much of the chunk as the limit leaves. */
static lh_status
chunk_write(struct result_writer *w, duckdb_data_chunk chunk, uint64_t rows_max,
            struct lh_statement_outcome *out, struct lh_error *err)
{
    size_t rows = duckdb_data_chunk_get_size(chunk);
    uint64_t left = rows_max - out->row_count;

    if (rows > left) {
        out->is_truncated = true;
        rows = (size_t)left;
    }
    if (rows > 0)
        LH_TRY(result_writer_chunk(w, chunk, rows, err));
    out->row_count += rows;
    return LH_OK;
}

static lh_status
rows_write(struct lh_statement *s, duckdb_result *r, struct result_writer *w, uint64_t rows_max,
           struct lh_statement_outcome *out, struct lh_error *err)
{
    duckdb_data_chunk chunk;
    bool has_begun = false;

    do {
        LH_TRY(chunk_fetch(s, r, &chunk, err));
        lh_status status = has_begun ? LH_OK : result_writer_begin(w, err);

        has_begun = true;
        if (status == LH_OK && chunk)
            status = chunk_write(w, chunk, rows_max, out, err);
        if (!chunk)
            break;
        duckdb_destroy_data_chunk(&chunk);
        LH_TRY(status);
    } while (!out->is_truncated);
    return result_writer_end(w, err);
}

static lh_status
stream(struct lh_statement *s, enum lh_result_format format, uint64_t rows_max,
       const struct lh_result_sink *sink, struct lh_statement_outcome *out, struct lh_error *err)
{
    LH_AUTO(result_writer) *w = NULL;
    duckdb_result r;
    lh_status status;

    LH_TRY(engine_statement_execute(s, s->sql, true, &r, err));
    status = result_writer_new(format, &r, s->connection->handle, sink, &w, err);
    if (status == LH_OK)
        status = rows_write(s, &r, w, rows_max, out, err);
    duckdb_destroy_result(&r);
    return status;
}

const char *
lh_statement_rescued_by(const struct lh_statement *s)
{
    return s->connection ? atomic_load(&s->connection->reads.rescued_by) : NULL;
}

static void
reads_count(const struct engine_reads *r, struct lh_statement_outcome *out)
{
    out->lake_bytes = atomic_load(&r->bytes);
    out->lake_requests = atomic_load(&r->requests);
    out->remote_bytes = atomic_load(&r->tally.remote_bytes);
    out->remote_requests = atomic_load(&r->tally.remote_requests);
    out->memory_bytes = atomic_load(&r->tally.memory_bytes);
    out->disk_bytes = atomic_load(&r->tally.disk_bytes);
}

lh_status
lh_statement_run(struct lh_statement *s, enum lh_result_format format,
                 const struct lh_statement_limits *limits, const struct lh_result_sink *sink,
                 struct lh_statement_outcome *out, struct lh_error *err)
{
    struct meter meter = {.to = sink, .bytes_max = limits->bytes_max};
    const struct lh_result_sink metered = {.write = meter_write, .self = &meter};
    struct lh_statement_outcome outcome = {0};

    if (format == LH_RESULT_PARQUET)
        LH_TRY(engine_statement_parquet(s, limits, &metered, &outcome, err));
    else
        LH_TRY(stream(s, format, limits->rows_max, &metered, &outcome, err));
    outcome.bytes = meter.bytes;
    reads_count(&s->connection->reads, &outcome);
    *out = outcome;
    return LH_OK;
}
