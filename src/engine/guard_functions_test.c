#include "engine/fixture.h"

#include "engine/guard_functions.h"

/* ---- the library's own lists ---- */

/* Calls `use` with each text of a query's first column. */
static void
each_name(struct lake *l, const char *sql, void (*use)(lh_str name, size_t *wrong), size_t *wrong)
{
    LH_AUTO(engine_connection) *c = NULL;
    duckdb_result r;

    assert_ok(engine_connection_take(l->query, NULL, &c, &err));
    assert_ok(engine_run(c, sql, &r, &err));
    assert_true(duckdb_row_count(&r) > 0);
    for (idx_t row = 0; row < duckdb_row_count(&r); row++) {
        char *name = duckdb_value_varchar(&r, 0, row);

        use(lh_str_of(name), wrong);
        duckdb_free(name);
    }
    duckdb_destroy_result(&r);
}

static void
must_be_listed(lh_str name, size_t *wrong)
{
    if (guard_function_find(name))
        return;
    print_error("not looked at: %.*s\n", LH_FMT(name));
    (*wrong)++;
}

static void
every_function_of_the_library_was_looked_at(void **state)
{
    size_t wrong = 0;

    each_name(*state, "SELECT DISTINCT function_name FROM duckdb_functions() ORDER BY 1",
              must_be_listed, &wrong);
    assert_int_equal(wrong, 0);
}

static void
must_be_a_known_view(lh_str name, size_t *wrong)
{
    if (guard_name_is_catalog_view(name))
        return;
    print_error("a dataset of this name would be DuckDB's: %.*s\n", LH_FMT(name));
    (*wrong)++;
}

static void
every_view_on_the_search_path_is_known(void **state)
{
    size_t wrong = 0;

    each_name(*state,
              "SELECT DISTINCT view_name FROM duckdb_views() WHERE internal AND schema_name <> "
              "'information_schema'",
              must_be_a_known_view, &wrong);
    assert_int_equal(wrong, 0);
}

static void
the_list_is_of_this_version(void **state)
{
    (void)state;
    assert_string_equal(duckdb_library_version(), GUARD_FUNCTIONS_VERSION);
}

/* ---- kinds ---- */

static void
must_not_be_a_table(lh_str name, size_t *wrong)
{
    const struct guard_function *f = guard_function_find(name);

    if (f && (f->use & GUARD_USE_TABLE) == 0)
        return;
    print_error("allowed as a table: %.*s\n", LH_FMT(name));
    (*wrong)++;
}

/* What reads files or the catalog does so as a table; these few are all that may stand in FROM. */
static void
few_table_functions_are_allowed(void **state)
{
    size_t wrong = 0;

    each_name(*state,
              "SELECT DISTINCT function_name FROM duckdb_functions() WHERE function_type IN "
              "('table', 'table_macro', 'pragma') AND function_name NOT IN ('range', "
              "'generate_series', 'unnest', 'repeat', 'repeat_row', 'json_each', 'json_tree', "
              "'pg_timezone_names', 'icu_calendar_names', 'vector_search', 'text_search')",
              must_not_be_a_table, &wrong);
    assert_int_equal(wrong, 0);
}

static void
a_name_is_found_whatever_its_case(void **state)
{
    const struct guard_function *upper = guard_function_find(LH_STR("GetEnv"));

    (void)state;
    assert_non_null(upper);
    assert_int_equal(upper->use, 0);
    assert_non_null(upper->why);
    assert_ptr_equal(upper, guard_function_find(LH_STR("getenv")));
    assert_null(guard_function_find(LH_STR("get")));
    assert_null(guard_function_find(LH_STR("")));
    assert_null(guard_function_find(LH_STR("getenv2")));
}

static void
a_name_of_two_kinds_may_be_used_as_both(void **state)
{
    const struct guard_function *range = guard_function_find(LH_STR("range"));
    const struct guard_function *histogram = guard_function_find(LH_STR("histogram"));

    (void)state;
    assert_int_equal(range->use, GUARD_USE_SCALAR | GUARD_USE_TABLE);
    assert_int_equal(histogram->use, GUARD_USE_AGGREGATE);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_function_of_the_library_was_looked_at),
        cmocka_unit_test(every_view_on_the_search_path_is_known),
        cmocka_unit_test(the_list_is_of_this_version),
        cmocka_unit_test(few_table_functions_are_allowed),
        cmocka_unit_test(a_name_is_found_whatever_its_case),
        cmocka_unit_test(a_name_of_two_kinds_may_be_used_as_both),
    };

    return cmocka_run_group_tests(tests, lake_setup, lake_teardown);
}
