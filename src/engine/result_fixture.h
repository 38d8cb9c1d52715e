/*
 * result_fixture: a plain DuckDB and what a writer makes of its answers, for the tests of this room
 * only.
 */
#ifndef LH_ENGINE_RESULT_FIXTURE_H
#define LH_ENGINE_RESULT_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include "engine/result.h"

struct plain {
    duckdb_database db;
    duckdb_connection connection;
};

static inline int
plain_setup(void **state)
{
    static struct plain p;
    duckdb_config config;

    assert_int_equal(duckdb_create_config(&config), DuckDBSuccess);
    assert_int_equal(duckdb_set_config(config, "threads", "1"), DuckDBSuccess);
    assert_int_equal(duckdb_open_ext(NULL, &p.db, config, NULL), DuckDBSuccess);
    duckdb_destroy_config(&config);
    assert_int_equal(duckdb_connect(p.db, &p.connection), DuckDBSuccess);
    *state = &p;
    return 0;
}

static inline int
plain_teardown(void **state)
{
    struct plain *p = *state;

    duckdb_disconnect(&p->connection);
    duckdb_close(&p->db);
    return 0;
}

static inline lh_status
bytes_collect(void *self, lh_bytes bytes, struct lh_error *err)
{
    struct lh_buf *out = self;

    lh_buf_add(out, bytes.ptr, bytes.len);
    return lh_buf_check(out, "the answer", err);
}

static inline lh_status
chunks_write(struct result_writer *w, duckdb_result r, struct lh_error *err)
{
    duckdb_data_chunk chunk;
    lh_status status = result_writer_begin(w, err);

    while (status == LH_OK && (chunk = duckdb_fetch_chunk(r)) != NULL) {
        status = result_writer_chunk(w, chunk, duckdb_data_chunk_get_size(chunk), err);
        duckdb_destroy_data_chunk(&chunk);
    }
    return status == LH_OK ? result_writer_end(w, err) : status;
}

static inline lh_status
answer_make(struct plain *p, const char *sql, enum lh_result_format format, struct lh_buf *out,
            struct lh_error *err)
{
    const struct lh_result_sink sink = {bytes_collect, out};
    struct result_writer *w = NULL;
    duckdb_result r;
    lh_status status;

    if (duckdb_query(p->connection, sql, &r) != DuckDBSuccess)
        fail_msg("%s: %s", sql, duckdb_result_error(&r));
    status = result_writer_new(format, &r, p->connection, &sink, &w, err);
    if (status == LH_OK)
        status = chunks_write(w, r, err);
    result_writer_free(w);
    duckdb_destroy_result(&r);
    return status;
}

#endif
