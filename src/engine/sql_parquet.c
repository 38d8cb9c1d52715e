/*
 * The footer of a Parquet file stands at its end, and a failure may come before it. So the file is
 * written aside, into the spool folder under no name, and is sent when it is whole: the client gets
 * a valid file or a problem document, and a slow client holds disk, not threads of the engine.
 *
 * The query engine may write nowhere but to the mem:// name of its own statement, and a user cannot
 * write COPY.
 */
#include <errno.h>
#include <inttypes.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "engine/statement.h"

enum { PIECE_BYTES = 256 * 1024 };

static lh_status
spool_open(struct lh_engine *e, int *fd, struct lh_error *err)
{
    char path[4096];

    LH_TRY(lh_store_spool_file(e->store, ".parquet", path, sizeof(path), fd, err));
    unlink(path);
    return LH_OK;
}

static void
copy_text(const struct lh_statement *s, const char *to, uint64_t rows_max, struct lh_buf *sql)
{
    lh_buf_printf(sql, "COPY (SELECT * FROM (\n%.*s\n)", LH_FMT(s->sql));
    if (rows_max < INT64_MAX)
        lh_buf_printf(sql, " LIMIT %" PRIu64, rows_max);
    lh_buf_printf(sql, ") TO '%s' (FORMAT parquet, CODEC zstd)", to);
}

/* Runs the COPY; *rows is what it counted. */
static lh_status
copy_run(struct lh_statement *s, const char *to, uint64_t rows_max, uint64_t *rows,
         struct lh_error *err)
{
    LH_AUTO_BUF(sql, LH_BUF_UNLIMITED);
    duckdb_result r;

    copy_text(s, to, rows_max, &sql);
    (void)lh_buf_cstr(&sql);
    LH_TRY(engine_statement_execute(s, lh_buf_str(&sql), false, &r, err));
    *rows = duckdb_value_uint64(&r, 0, 0);
    duckdb_destroy_result(&r);
    return LH_OK;
}

static lh_status
spool_send(int fd, const struct lh_result_sink *sink, struct lh_error *err)
{
    LH_AUTO_BUF(piece, PIECE_BYTES);
    struct stat st;

    if (fstat(fd, &st) != 0)
        return lh_fail_errno(err, errno, "look at the answer");
    for (uint64_t at = 0, size = (uint64_t)st.st_size; at < size; at += PIECE_BYTES) {
        size_t n = size - at < PIECE_BYTES ? (size_t)(size - at) : PIECE_BYTES;
        uint8_t *to = lh_buf_reserve(&piece, n);

        LH_TRY(lh_file_pread_all(fd, to, n, at, err));
        LH_TRY(sink->write(sink->self, lh_bytes_of(to, n), err));
    }
    return LH_OK;
}

lh_status
engine_statement_parquet(struct lh_statement *s, const struct lh_statement_limits *limits,
                         const struct lh_result_sink *sink, struct lh_statement_outcome *out,
                         struct lh_error *err)
{
    struct engine_reads *reads = &s->connection->reads;
    char name[ENGINE_MEM_NAME];
    LH_AUTO_FD fd = -1;
    lh_status status;

    if (s->verdict.is_explain)
        return lh_fail(err, LH_INVALID, "sql.format", "a plan cannot be sent as Parquet");
    LH_TRY(spool_open(s->engine, &fd, err));
    engine_mem_begin(reads, name);
    reads->mem.write_fd = fd;
    reads->mem.write_max = limits->bytes_max;
    status = copy_run(s, name, limits->rows_max, &out->row_count, err);
    engine_mem_end(reads);
    return status == LH_OK ? spool_send(fd, sink, err) : status;
}
