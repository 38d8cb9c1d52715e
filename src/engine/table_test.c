#include "engine/fixture.h"

#include "engine/table.h"

static const struct lh_table_column columns[] = {
    {"text", LH_CELL_TEXT}, {"i64", LH_CELL_I64},   {"f64", LH_CELL_F64},
    {"flag", LH_CELL_BOOL}, {"time", LH_CELL_TIME}, {"Ünïcode \"name\"", LH_CELL_TEXT},
};

static struct lh_table *
sample_new(size_t rows)
{
    struct lh_table *t = lh_table_new(columns, 6);

    for (size_t i = 0; i < rows; i++) {
        size_t row = lh_table_row_add(t);

        if (i % 3 == 2)
            continue; /* all NULL */
        lh_table_set_text(t, row, 0, i == 0 ? LH_STR("") : LH_STR("żółw 🐢 it's \"x\"\n"));
        lh_table_set_i64(t, row, 1, i == 0 ? INT64_MIN : INT64_MAX);
        lh_table_set_f64(t, row, 2, 0.1 + (double)i);
        lh_table_set_i64(t, row, 3, i == 0);
        lh_table_set_i64(t, row, 4, 1769860800123456);
    }
    lh_table_meta_set(t, "schema", LH_STR("[{\"name\":\"it's\",\"type\":\"VARCHAR\"}]"));
    lh_table_meta_set(t, "ключ", LH_STR("значение"));
    lh_table_meta_set(t, "empty", LH_STR(""));
    return t;
}

static void
assert_same(const struct lh_table *a, const struct lh_table *b)
{
    assert_int_equal(lh_table_rows(a), lh_table_rows(b));
    assert_int_equal(lh_table_columns(a), lh_table_columns(b));
    for (size_t row = 0; row < lh_table_rows(a); row++) {
        for (size_t column = 0; column < lh_table_columns(a); column++) {
            assert_int_equal(lh_table_is_null(a, row, column), lh_table_is_null(b, row, column));
            if (columns[column].type == LH_CELL_TEXT)
                assert_true(
                    lh_str_eq(lh_table_text(a, row, column), lh_table_text(b, row, column)));
            else
                assert_int_equal(lh_table_i64(a, row, column), lh_table_i64(b, row, column));
        }
    }
}

static void
a_table_comes_back_as_it_was(void **state)
{
    struct lake *l = *state;
    LH_AUTO(lh_table) *in = sample_new(10), *out = NULL;
    LH_AUTO_BUF(bytes, 1 << 20);
    size_t column;

    assert_ok(lh_table_encode(l->work, &l->call, in, &bytes, &err));
    assert_ok(lh_table_decode(l->work, &l->call, lh_buf_bytes(&bytes), &out, &err));
    assert_same(in, out);
    assert_true(lh_str_eq(lh_table_meta(out, "schema"), lh_table_meta(in, "schema")));
    assert_true(lh_str_eq(lh_table_meta(out, "ключ"), LH_STR("значение")));
    assert_int_equal(lh_table_meta(out, "empty").len, 0);
    assert_null(lh_table_meta(out, "nothing").ptr);
    assert_true(lh_table_column_find(out, "Ünïcode \"name\"", LH_CELL_TEXT, &column));
    assert_int_equal(column, 5);
    assert_true(lh_table_column_find(out, "time", LH_CELL_TIME, &column));
    assert_false(lh_table_column_find(out, "time", LH_CELL_I64, &column));
    assert_false(lh_table_column_find(out, "absent", LH_CELL_I64, &column));
}

static void
empty_and_long_tables_come_back_too(void **state)
{
    static const size_t sizes[] = {0, 1, 2048, 2049, 10000};
    struct lake *l = *state;

    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        LH_AUTO(lh_table) *in = sample_new(sizes[i]), *out = NULL;
        LH_AUTO_BUF(bytes, 8 << 20);

        assert_ok(lh_table_encode(l->work, &l->call, in, &bytes, &err));
        assert_ok(lh_table_decode(l->work, &l->call, lh_buf_bytes(&bytes), &out, &err));
        assert_same(in, out);
    }
}

static void
the_same_table_gives_the_same_bytes(void **state)
{
    struct lake *l = *state;
    LH_AUTO(lh_table) *t = sample_new(5000);
    LH_AUTO_BUF(first, 8 << 20);
    LH_AUTO_BUF(second, 8 << 20);

    assert_ok(lh_table_encode(l->work, &l->call, t, &first, &err));
    assert_ok(lh_table_encode(l->work, &l->call, t, &second, &err));
    assert_true(lh_str_eq(lh_buf_str(&first), lh_buf_str(&second)));
}

static void
what_is_no_such_table_is_corrupt(void **state)
{
    struct lake *l = *state;
    LH_AUTO(lh_table) *t = sample_new(3), *out = NULL;
    LH_AUTO_BUF(bytes, 1 << 20);

    assert_fails(lh_table_decode(l->work, &l->call, lh_str_bytes(LH_STR("")), &out, &err),
                 LH_CORRUPT, "table.parquet");
    assert_fails(
        lh_table_decode(l->work, &l->call, lh_str_bytes(LH_STR("PAR1 no PAR1")), &out, &err),
        LH_CORRUPT, "table.parquet");
    assert_ok(lh_table_encode(l->work, &l->call, t, &bytes, &err));
    for (size_t cut = 1; cut < bytes.len; cut += 97) {
        LH_AUTO(lh_table) *none = NULL;

        assert_fails(lh_table_decode(l->work, &l->call, lh_bytes_of(bytes.data, bytes.len - cut),
                                     &none, &err),
                     LH_CORRUPT, "table.parquet");
    }
}

static void
a_parquet_of_other_types_is_corrupt(void **state)
{
    struct lake *l = *state;
    LH_AUTO(lh_table) *out = NULL;
    LH_AUTO_BUF(bytes, 1 << 20);

    lake_put(l, "other.parquet", "SELECT [1, 2] AS list");
    assert_ok(lh_object_get(lh_store_primary(l->store), &l->call, LH_STR("other.parquet"), &bytes,
                            NULL, &err));
    assert_fails(lh_table_decode(l->work, &l->call, lh_buf_bytes(&bytes), &out, &err), LH_CORRUPT,
                 "table.parquet");
}

static void
a_table_too_big_for_its_buffer_is_told(void **state)
{
    struct lake *l = *state;
    LH_AUTO(lh_table) *t = sample_new(3);
    LH_AUTO_BUF(bytes, 100);
    LH_AUTO_ERROR(err);

    assert_int_equal(lh_table_encode(l->work, &l->call, t, &bytes, &err), LH_TOO_BIG);
}

int
main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, lake_setup, lake_teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_table_comes_back_as_it_was),        TEST(empty_and_long_tables_come_back_too),
        TEST(the_same_table_gives_the_same_bytes), TEST(what_is_no_such_table_is_corrupt),
        TEST(a_parquet_of_other_types_is_corrupt), TEST(a_table_too_big_for_its_buffer_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
