#include "engine/convert_rejects.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/thread.h"

#define RAW_MAX ((size_t)1 << 20)
#define FLUSH_BYTES ((size_t)8 << 20)

struct convert_rejects {
    struct engine_connection *connection;
    char table[40];
    struct {
        pthread_mutex_t lock;
        duckdb_appender appender; /* NULL until the first reject */
        size_t waiting_bytes;
        bool is_failed;
    } add;
};

lh_status
convert_rejects_new(struct lh_engine *e, struct lh_call *call, struct convert_rejects **out,
                    struct lh_error *err)
{
    static atomic_uint_fast64_t last;
    LH_AUTO(convert_rejects) *r = LH_NEW(struct convert_rejects);

    pthread_mutex_init(&r->add.lock, NULL);
    snprintf(r->table, sizeof(r->table), "rejects_%" PRIuFAST64, atomic_fetch_add(&last, 1));
    LH_TRY(engine_connection_take(e, call, &r->connection, err));
    LH_TRY(engine_runf(r->connection, err,
                       "CREATE TABLE %s (line BIGINT, byte_offset BIGINT, column_name VARCHAR, "
                       "reason VARCHAR, raw VARCHAR)",
                       r->table));
    *out = lh_take(r);
    return LH_OK;
}

static void
appender_close(struct convert_rejects *r)
{
    if (r->add.appender && duckdb_appender_destroy(&r->add.appender) != DuckDBSuccess)
        r->add.is_failed = true;
    r->add.appender = NULL;
    r->add.waiting_bytes = 0;
}

void
convert_rejects_free(struct convert_rejects *r)
{
    LH_AUTO_ERROR(ignored);

    if (!r)
        return;
    appender_close(r);
    if (r->connection)
        engine_runf(r->connection, &ignored, "DROP TABLE IF EXISTS %s", r->table);
    engine_connection_free(r->connection);
    pthread_mutex_destroy(&r->add.lock);
    free(r);
}

static size_t
utf8_length(const char *p, size_t len)
{
    for (size_t n = 1; n <= 4 && n <= len; n++)
        if (lh_str_is_utf8((lh_str){p, n}))
            return n;
    return 0;
}

static void
text_append(duckdb_appender a, lh_str text)
{
    LH_AUTO_BUF(clean, LH_BUF_UNLIMITED);

    if (lh_str_is_utf8(text)) {
        duckdb_append_varchar_length(a, text.ptr, text.len);
        return;
    }
    for (size_t i = 0; i < text.len;) {
        size_t n = utf8_length(text.ptr + i, text.len - i);
        if (n > 0)
            lh_buf_add(&clean, text.ptr + i, n);
        else
            lh_buf_add_cstr(&clean, "\xEF\xBF\xBD");
        i += n > 0 ? n : 1;
    }
    duckdb_append_varchar_length(a, lh_buf_cstr(&clean), clean.len);
}

void
convert_rejects_add(struct convert_rejects *r, const struct convert_reject *reject)
{
    LH_AUTO_LOCK(&r->add.lock);
    duckdb_connection handle = engine_connection_handle(r->connection);
    lh_str raw = lh_str_slice(reject->raw, 0, RAW_MAX);
    duckdb_appender a;

    if (!r->add.appender &&
        duckdb_appender_create(handle, NULL, r->table, &r->add.appender) != DuckDBSuccess)
        r->add.is_failed = true;
    if (r->add.is_failed)
        return;
    a = r->add.appender;
    duckdb_append_int64(a, (int64_t)reject->line);
    duckdb_append_int64(a, (int64_t)reject->offset);
    if (reject->column)
        duckdb_append_varchar(a, reject->column);
    else
        duckdb_append_null(a);
    duckdb_append_varchar(a, reject->reason);
    text_append(a, raw);
    if (duckdb_appender_end_row(a) != DuckDBSuccess)
        r->add.is_failed = true;
    r->add.waiting_bytes += raw.len;
    if (r->add.waiting_bytes > FLUSH_BYTES) {
        if (duckdb_appender_flush(a) != DuckDBSuccess)
            r->add.is_failed = true;
        r->add.waiting_bytes = 0;
    }
}

static lh_status
settle(struct convert_rejects *r, struct lh_error *err)
{
    appender_close(r);
    if (r->add.is_failed)
        return lh_fail(err, LH_IO, "ingest.rejects", "the refused rows could not be kept");
    return LH_OK;
}

lh_status
convert_rejects_clear(struct convert_rejects *r, struct lh_error *err)
{
    LH_TRY(settle(r, err));
    return engine_runf(r->connection, err, "TRUNCATE %s", r->table);
}

lh_status
convert_rejects_write(struct convert_rejects *r, const char *path, struct lh_error *err)
{
    LH_AUTO_BUF(sql, 64 * 1024);

    LH_TRY(settle(r, err));
    lh_buf_printf(&sql, "COPY (FROM %s ORDER BY byte_offset) TO ", r->table);
    engine_quote_literal(&sql, lh_str_of(path));
    lh_buf_add_cstr(&sql, " (FORMAT parquet, COMPRESSION zstd)");
    LH_TRY(lh_buf_check(&sql, "the statement", err));
    return engine_run(r->connection, lh_buf_cstr(&sql), NULL, err);
}
