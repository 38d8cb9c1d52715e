/*
 * What DuckDB moves from a remote bucket. The primary bucket of a scratch lake is made to say that
 * it is remote, and its reads are counted; the bytes are the same, so answers can be compared.
 */
#include "engine/fixture.h"

#include "store/backend.h"
#include "store/block_cache.h"

#define COLUMNS 40

static struct {
    struct bucket_ops ops;
    const struct bucket_ops *inner;
    struct block_cache *cache;
    atomic_uint_fast64_t opens, requests, bytes;
} far;

static lh_status
far_open(struct lh_bucket *b, struct lh_call *call, lh_str key, struct lh_reader_at **out,
         struct lh_error *err)
{
    atomic_fetch_add(&far.opens, 1);
    return far.inner->open(b, call, key, out, err);
}

static lh_status
far_read(struct lh_reader_at *r, struct lh_call *call, uint64_t offset, void *to, size_t n,
         struct lh_error *err)
{
    atomic_fetch_add(&far.requests, 1);
    atomic_fetch_add(&far.bytes, n);
    return far.inner->read(r, call, offset, to, n, err);
}

static int
setup(void **state)
{
    struct lake *l;
    struct lh_bucket *b;
    LH_AUTO_CHARS folder = NULL;
    struct block_cache_options o = {.memory_max = (uint64_t)64 << 20,
                                    .disk_max = (uint64_t)64 << 20,
                                    .threads_max = 4,
                                    .per_object = 4,
                                    .ahead_max = (uint64_t)8 << 20};

    assert_int_equal(lake_setup(state), 0);
    l = *state;
    b = lh_store_primary(l->store);
    folder = lh_asprintf("%s/cache/blocks", l->folder);
    o.folder = folder;
    far.cache = block_cache_new(&o);
    far.inner = b->ops;
    far.ops = *b->ops;
    far.ops.is_remote = true;
    far.ops.open = far_open;
    far.ops.read = far_read;
    b->ops = &far.ops;
    b->blocks = block_source_new(far.cache, "primary", LH_STR("far"));
    atomic_store(&far.opens, 0);
    atomic_store(&far.requests, 0);
    atomic_store(&far.bytes, 0);
    return 0;
}

/* The bucket goes with its store, and the cache after it. */
static int
teardown(void **state)
{
    int status = lake_teardown(state);

    block_cache_free(far.cache);
    return status;
}

/* ---- a wide object and questions about it ---- */

/* 40 columns of 8 random bytes a row, in row groups of 20,480 rows: chunks of 160 KiB that do not
 * compress, 10 row groups. */
static void
wide_put(struct lake *l)
{
    LH_AUTO_BUF(select, LH_BUF_UNLIMITED);
    LH_AUTO_CHARS path = lh_asprintf("%s/wide.parquet", l->folder);
    LH_AUTO_CHARS sql = NULL;
    struct lh_object_info info;

    lh_buf_add_cstr(&select, "SELECT i");
    for (int i = 1; i < COLUMNS; i++)
        lh_buf_printf(&select, ", hash(i * %d + %d) AS c%d", COLUMNS, i, i);
    lh_buf_add_cstr(&select, " FROM range(204800) r(i)");
    sql = lh_asprintf("COPY (%s) TO '%s' (FORMAT parquet, ROW_GROUP_SIZE 20480)",
                      lh_buf_cstr(&select), path);
    lake_run(l, sql);
    assert_ok(lh_object_put_file(lh_store_primary(l->store), &l->call, LH_STR("wide.parquet"), path,
                                 NULL, &info, &err));
}

static lh_status
discard(void *self, lh_bytes bytes, struct lh_error *err)
{
    struct lh_buf *to = self;

    (void)err;
    lh_buf_add(to, bytes.ptr, bytes.len);
    return LH_OK;
}

static struct lh_statement_outcome
ask(struct lake *l, const char *sql, struct lh_buf *answer)
{
    static const char *const uris[] = {"lake://primary/wide.parquet"};
    LH_AUTO(lh_statement) *s = NULL;
    const struct lh_statement_source source = {
        .as_written = LH_STR("wide"),
        .dataset = LH_STR("wide"),
        .version = 1,
        .uris = uris,
        .uri_count = 1,
    };
    const struct lh_statement_limits limits = {.rows_max = UINT64_MAX, .bytes_max = UINT64_MAX};
    const struct lh_result_sink sink = {.write = discard, .self = answer};
    struct lh_statement_outcome out;

    lh_buf_clear(answer);
    assert_ok(lh_statement_parse(l->query, &l->call, lh_str_of(sql), &s, &err));
    assert_ok(lh_statement_bind(s, &source, 1, NULL, &err));
    assert_ok(lh_statement_run(s, LH_RESULT_CSV, &limits, &sink, &out, &err));
    return out;
}

/* Bytes of the chunks of those columns, as the footer says. */
static uint64_t
chunk_bytes(struct lake *l, const char *columns)
{
    LH_AUTO(engine_connection) *c = NULL;
    LH_AUTO_CHARS sql =
        lh_asprintf("SELECT sum(total_compressed_size)::UBIGINT FROM "
                    "parquet_metadata('%s/primary/wide.parquet') WHERE path_in_schema IN (%s)",
                    l->folder, columns);
    duckdb_result r;
    uint64_t bytes;

    assert_ok(engine_connection_take(l->work, NULL, &c, &err));
    assert_ok(engine_run(c, sql, &r, &err));
    bytes = duckdb_value_uint64(&r, 0, 0);
    duckdb_destroy_result(&r);
    return bytes;
}

static void
three_of_forty_columns_move_little_more_than_their_chunks(void **state)
{
    struct lake *l = *state;
    struct lh_statement_outcome out;
    LH_AUTO_BUF(answer, LH_BUF_UNLIMITED);

    wide_put(l);
    out = ask(l, "SELECT sum(i), max(c9), min(c30) FROM wide", &answer);
    assert_int_equal(out.remote_bytes, atomic_load(&far.bytes));
    assert_int_equal(out.remote_requests, atomic_load(&far.requests) + atomic_load(&far.opens));
    assert_true((double)out.remote_bytes <= 1.3 * (double)chunk_bytes(l, "'i', 'c9', 'c30'"));
    /* Three chunks in each of ten row groups, the footer, the open. */
    assert_true(out.remote_requests <= 3 * 10 + 4);
}

static void
the_object_is_opened_once_for_a_statement(void **state)
{
    struct lake *l = *state;
    LH_AUTO_BUF(answer, LH_BUF_UNLIMITED);

    wide_put(l);
    (void)ask(l, "SELECT sum(c5) FROM wide WHERE c7 % 2 = 0", &answer);
    assert_int_equal(atomic_load(&far.opens), 1);
}

static void
asked_again_nothing_moves(void **state)
{
    struct lake *l = *state;
    struct lh_statement_outcome out;
    LH_AUTO_BUF(cold, LH_BUF_UNLIMITED);
    LH_AUTO_BUF(warm, LH_BUF_UNLIMITED);

    wide_put(l);
    out = ask(l, "SELECT sum(i), max(c9) FROM wide", &cold);
    assert_true(out.remote_bytes > 0);
    out = ask(l, "SELECT sum(i), max(c9) FROM wide", &warm);
    assert_int_equal(out.remote_bytes, 0);
    assert_int_equal(out.remote_requests, 1); /* the open */
    assert_true(out.memory_bytes > 0);
    assert_string_equal(lh_buf_cstr(&cold), lh_buf_cstr(&warm));
}

static void
a_filter_reads_the_other_columns_only_where_rows_are_left(void **state)
{
    struct lake *l = *state;
    struct lh_statement_outcome out;
    LH_AUTO_BUF(answer, LH_BUF_UNLIMITED);

    wide_put(l);
    out = ask(l, "SELECT c1, c20 FROM wide WHERE i = 100000", &answer);
    assert_true((double)out.remote_bytes <=
                1.3 * (double)chunk_bytes(l, "'i', 'c1', 'c20'") / 10 + 256 * 1024);
}

static void
every_column_is_fetched_by_whole_row_groups(void **state)
{
    struct lake *l = *state;
    struct lh_statement_outcome out;
    struct lh_object_info info;
    LH_AUTO_BUF(answer, LH_BUF_UNLIMITED);

    wide_put(l);
    out = ask(l, "SELECT * FROM wide", &answer);
    assert_ok(
        lh_object_head(lh_store_primary(l->store), &l->call, LH_STR("wide.parquet"), &info, &err));
    assert_true(out.remote_bytes <= info.size_bytes + info.size_bytes / 50);
    assert_true(out.remote_requests <= 10 * 8);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(three_of_forty_columns_move_little_more_than_their_chunks),
        CASE(the_object_is_opened_once_for_a_statement),
        CASE(asked_again_nothing_moves),
        CASE(a_filter_reads_the_other_columns_only_where_rows_are_left),
        CASE(every_column_is_fetched_by_whole_row_groups),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
