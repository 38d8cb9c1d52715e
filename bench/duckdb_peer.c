/*
 * DuckDB used directly from C: the peer that our figures stand beside. Times are printed as nanoseconds, one a line.
 *
 *   bench_duckdb copy CSV PARQUET             COPY of the file to zstd Parquet, with DuckDB's own type detection
 *   bench_duckdb query PARQUET RUNS SQL       RUNS executions on one open connection; the Parquet is the view `t`
 *   bench_duckdb read PARQUET RUNS SQL        the same, every chunk fetched and every value's bytes touched
 *   bench_duckdb value PARQUET 1 SQL          prints the first value of the answer instead of a time
 */
#include <duckdb.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static int64_t
now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void
fail(const char *what, const char *why)
{
    fprintf(stderr, "bench_duckdb: %s: %s\n", what, why ? why : "");
    exit(1);
}

static void
run(duckdb_connection c, const char *sql)
{
    duckdb_result result;
    if (duckdb_query(c, sql, &result) != DuckDBSuccess)
        fail(sql, duckdb_result_error(&result));
    duckdb_destroy_result(&result);
}

/* Reads what a consumer must read: validity and data of every column, and the bytes of every string. */
static uint64_t
chunk_touch(duckdb_data_chunk chunk)
{
    uint64_t sum = 0;
    idx_t rows = duckdb_data_chunk_get_size(chunk);
    for (idx_t c = 0; c < duckdb_data_chunk_get_column_count(chunk); c++) {
        duckdb_vector v = duckdb_data_chunk_get_vector(chunk, c);
        duckdb_logical_type type = duckdb_vector_get_column_type(v);
        duckdb_type id = duckdb_get_type_id(type);
        duckdb_destroy_logical_type(&type);
        uint64_t *valid = duckdb_vector_get_validity(v);
        void *data = duckdb_vector_get_data(v);
        for (idx_t r = 0; r < rows; r++) {
            if (valid && !duckdb_validity_row_is_valid(valid, r))
                continue;
            if (id == DUCKDB_TYPE_VARCHAR) {
                duckdb_string_t *s = (duckdb_string_t *)data + r;
                const char *p = duckdb_string_t_data(s);
                for (uint32_t i = 0, n = duckdb_string_t_length(*s); i < n; i++)
                    sum += (unsigned char)p[i];
            } else if (id == DUCKDB_TYPE_BOOLEAN)
                sum += ((uint8_t *)data)[r];
            else if (id == DUCKDB_TYPE_DATE || id == DUCKDB_TYPE_INTEGER)
                sum += ((uint32_t *)data)[r];
            else
                sum += ((uint64_t *)data)[r];
        }
    }
    return sum;
}

static void
queries_run(duckdb_connection c, const char *sql, int runs, int touches)
{
    volatile uint64_t sink = 0;
    for (int i = 0; i < runs; i++) {
        int64_t start = now_ns();
        duckdb_prepared_statement statement = NULL;
        duckdb_pending_result pending = NULL;
        duckdb_result result = {0};
        if (duckdb_prepare(c, sql, &statement) != DuckDBSuccess)
            fail(sql, duckdb_prepare_error(statement));
        if (duckdb_pending_prepared_streaming(statement, &pending) != DuckDBSuccess ||
            duckdb_execute_pending(pending, &result) != DuckDBSuccess)
            fail(sql, duckdb_pending_error(pending));
        duckdb_data_chunk chunk;
        while ((chunk = duckdb_fetch_chunk(result))) {
            if (touches)
                sink += chunk_touch(chunk);
            duckdb_destroy_data_chunk(&chunk);
        }
        duckdb_destroy_result(&result);
        duckdb_destroy_pending(&pending);
        duckdb_destroy_prepare(&statement);
        printf("%lld\n", (long long)(now_ns() - start));
    }
    (void)sink;
}

static void
value_print(duckdb_connection c, const char *sql)
{
    duckdb_result result;
    if (duckdb_query(c, sql, &result) != DuckDBSuccess)
        fail(sql, duckdb_result_error(&result));
    char *text = duckdb_value_varchar(&result, 0, 0);
    printf("%s\n", text ? text : "");
    duckdb_free(text);
    duckdb_destroy_result(&result);
}

int
main(int argc, char **argv)
{
    duckdb_database db;
    duckdb_connection c;
    char sql[8192];
    if (argc < 4)
        fail("usage", "copy CSV PARQUET | query | read | value PARQUET RUNS SQL");
    if (duckdb_open(NULL, &db) != DuckDBSuccess || duckdb_connect(db, &c) != DuckDBSuccess)
        fail("open", NULL);
    if (strcmp(argv[1], "copy") == 0) {
        int64_t start = now_ns();
        snprintf(sql, sizeof(sql), "COPY (FROM read_csv('%s')) TO '%s' (FORMAT parquet, COMPRESSION zstd)",
                 argv[2], argv[3]);
        run(c, sql);
        printf("%lld\n", (long long)(now_ns() - start));
    } else if (argc == 5) {
        /* The same footer cache as ours, so that the statement is what is compared. */
        run(c, "SET parquet_metadata_cache = true");
        snprintf(sql, sizeof(sql), "CREATE VIEW t AS FROM read_parquet('%s')", argv[2]);
        run(c, sql);
        if (strcmp(argv[1], "value") == 0)
            value_print(c, argv[4]);
        else
            queries_run(c, argv[4], atoi(argv[3]), strcmp(argv[1], "read") == 0);
    } else
        fail("usage", argv[1]);
    duckdb_disconnect(&c);
    duckdb_close(&db);
    return 0;
}
