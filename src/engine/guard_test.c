/*
 * The corpora: tests/guard/refused.sql and accepted.sql, one statement behind each line that begins
 * with "--# ". Such a line says which trick is tried; a refused one may begin with the reason it
 * expects, "[sql.syntax] …", an accepted one ends with the datasets it reads, "… -> workers,
 * jobs@3". Accepted statements also run, over tables of these names.
 */
#include "engine/fixture.h"

#include "engine/guard.h"
#include "engine/guard_lex.h"

/* ---- a corpus ---- */

struct entry {
    lh_str title, sql;
};

/* Takes the next entry off the text. */
static bool
entry_next(lh_str *rest, struct entry *out)
{
    size_t end;

    if (rest->len == 0)
        return false;
    assert_true(lh_str_starts(*rest, LH_STR("--# ")));
    *rest = lh_str_slice(*rest, 4, rest->len);
    assert_true(lh_str_cut(rest, '\n', &out->title));
    if (!lh_str_find(*rest, LH_STR("\n--# "), &end))
        end = rest->len - 1;
    out->sql = lh_str_slice(*rest, 0, end);
    *rest = lh_str_slice(*rest, end + 1, rest->len);
    return true;
}

static void
corpus_read(const char *path, struct lh_buf *out)
{
    assert_ok(lh_file_read(path, (size_t)1 << 20, out, &err));
}

/* ---- refused ---- */

static lh_str
expected_reason(lh_str title)
{
    size_t end;

    if (title.ptr[0] != '[' || !lh_str_find_char(title, ']', &end))
        return LH_STR("sql.not_allowed");
    return lh_str_slice(title, 1, end);
}

static bool
is_refused_as(struct engine_connection *c, lh_str sql, lh_str reason, struct lh_error *err)
{
    struct lh_call call;
    struct guard_verdict v;
    lh_status status;

    lh_call_init(&call);
    status = guard_check(c, &call, sql, &v, err);
    lh_call_fini(&call);
    return status != LH_OK && lh_str_eq(lh_str_of(err->reason), reason);
}

static void
every_escape_is_refused(void **state)
{
    struct lake *l = *state;
    LH_AUTO(engine_connection) *c = NULL;
    LH_AUTO_BUF(text, LH_BUF_UNLIMITED);
    struct entry e;
    lh_str rest;
    size_t count = 0, wrong = 0;

    assert_ok(engine_connection_take(l->query, NULL, &c, &err));
    corpus_read("tests/guard/refused.sql", &text);
    for (rest = lh_buf_str(&text); entry_next(&rest, &e); count++) {
        LH_AUTO_ERROR(err);

        if (is_refused_as(c, e.sql, expected_reason(e.title), &err))
            continue;
        wrong++;
        print_error("%.*s\n  %.*s\n  %s: %s\n", LH_FMT(e.title), LH_FMT(e.sql),
                    err.status == LH_OK ? "accepted" : err.reason, err.text);
    }
    assert_int_equal(wrong, 0);
    assert_true(count >= 180);
}

/* ---- accepted ---- */

static void
tables_list(const struct guard_verdict *v, struct lh_buf *out)
{
    for (size_t i = 0; i < v->table_count; i++) {
        lh_buf_add_cstr(out, i > 0 ? ", " : "");
        lh_buf_add_str(out, v->tables[i].as_written);
    }
}

static void
expected_tables(lh_str title, struct lh_buf *out)
{
    size_t at;

    assert_true(lh_str_find(title, LH_STR("->"), &at));
    lh_buf_add_str(out, lh_str_trim(lh_str_slice(title, at + 2, title.len)));
}

static const char *const corpus_tables[] = {
    "CREATE TABLE workers AS SELECT i AS id, ['Rome', 'Bonn', 'Chicago'][i % 3 + 1] AS city, "
    "'IL' AS state, 10.5 + i AS pay, ['forklift', 'welder'] AS skills, DATE '2024-01-01' + i::INT "
    "AS hired, CASE WHEN i > 0 THEN i - 1 END AS boss, {'level': i} AS profile FROM range(9) r(i)",
    "CREATE TABLE \"workers@3\" AS SELECT * FROM workers",
    "CREATE TABLE jobs AS SELECT i AS worker, 'job ' || (i % 2) AS title, 12.5 AS rate FROM "
    "range(4) r(i)",
    "CREATE TABLE calls AS SELECT i AS worker, 'yes' AS outcome FROM range(3) r(i)",
    "CREATE TABLE trades AS SELECT 'a' AS sym, TIMESTAMP '2024-01-01' + INTERVAL (i) HOUR AS ts, i "
    "AS qty FROM range(5) r(i)",
    "CREATE TABLE prices AS SELECT 'a' AS sym, TIMESTAMP '2024-01-01' + INTERVAL (i) HOUR AS ts, i "
    "* 1.5 AS price FROM range(5) r(i)",
    "CREATE TABLE cities AS SELECT ['NL', 'US'][i % 2 + 1] AS country, 'city ' || (i % 3) AS name, "
    "2000 + 10 * (i % 3) AS year, i * 100 AS population FROM range(12) r(i)",
    "CREATE TABLE monthly AS SELECT i AS id, 1 AS jan, 2 AS feb, 3 AS mar FROM range(3) r(i)",
    "CREATE TABLE events AS SELECT i % 2 AS k, TIMESTAMP '2024-01-01' + INTERVAL (i) DAY AS ts, "
    "MAP "
    "{'a': i} AS m FROM range(9) r(i)",
};

static void
corpus_tables_make(struct engine_connection *c)
{
    for (size_t i = 0; i < sizeof(corpus_tables) / sizeof(corpus_tables[0]); i++)
        assert_ok(engine_run(c, corpus_tables[i], NULL, &err));
}

/* As sql.c does it: the values are found by the verdict's own statements. */
static lh_status
pivot_fill(struct engine_connection *c, struct lh_call *call, struct guard_verdict *v,
           struct lh_error *err)
{
    struct guard_pivot_values values[16];

    for (size_t i = 0; i < v->pivot_count; i++) {
        duckdb_result r;
        lh_str *items;

        LH_TRY(engine_run(c, v->pivot_sql[i].ptr, &r, err));
        values[i].count = duckdb_row_count(&r);
        items = lh_arena_array(&call->arena, values[i].count + 1, sizeof(*items));
        for (size_t row = 0; row < values[i].count; row++) {
            char *text = duckdb_value_varchar(&r, 0, row);

            items[row] = lh_arena_str(&call->arena, lh_str_of(text));
            duckdb_free(text);
        }
        values[i].items = items;
        duckdb_destroy_result(&r);
    }
    return guard_pivot_complete(c, call, v, values, err);
}

static lh_status
verdict_run(struct engine_connection *c, const struct guard_verdict *v, struct lh_error *err)
{
    duckdb_prepared_statement p = NULL;
    duckdb_result r = {0};
    lh_status status = LH_OK;

    if (duckdb_prepare(c->handle, v->sql.ptr, &p) != DuckDBSuccess)
        status = lh_fail(err, LH_BUG, "prepare", "%s", duckdb_prepare_error(p));
    for (idx_t i = 1; status == LH_OK && i <= duckdb_nparams(p); i++)
        (void)duckdb_bind_null(p, i);
    if (status == LH_OK && duckdb_execute_prepared(p, &r) != DuckDBSuccess)
        status = lh_fail(err, LH_BUG, "execute", "%s", duckdb_result_error(&r));
    duckdb_destroy_result(&r);
    duckdb_destroy_prepare(&p);
    return status;
}

static lh_status
accepted_check(struct engine_connection *c, struct lh_call *call, const struct entry *e,
               struct lh_error *err)
{
    LH_AUTO_BUF(want, LH_BUF_UNLIMITED);
    LH_AUTO_BUF(have, LH_BUF_UNLIMITED);
    struct guard_verdict v;

    LH_TRY(guard_check(c, call, e->sql, &v, err));
    expected_tables(e->title, &want);
    tables_list(&v, &have);
    if (!lh_str_eq(lh_buf_str(&want), lh_buf_str(&have)))
        return lh_fail(err, LH_BUG, "tables", "reads %s", lh_buf_cstr(&have));
    if (v.pivot_count > 0)
        LH_TRY(pivot_fill(c, call, &v, err));
    return v.lists_tables ? LH_OK : verdict_run(c, &v, err);
}

static void
every_analytical_statement_is_accepted_and_runs(void **state)
{
    struct lake *l = *state;
    LH_AUTO(engine_connection) *c = NULL;
    LH_AUTO_BUF(text, LH_BUF_UNLIMITED);
    struct entry e;
    lh_str rest;
    size_t count = 0, wrong = 0;

    assert_ok(engine_connection_take(l->query, NULL, &c, &err));
    corpus_tables_make(c);
    corpus_read("tests/guard/accepted.sql", &text);
    for (rest = lh_buf_str(&text); entry_next(&rest, &e); count++) {
        LH_AUTO_ERROR(err);
        struct lh_call call;

        lh_call_init(&call);
        if (accepted_check(c, &call, &e, &err) != LH_OK) {
            wrong++;
            print_error("%.*s\n  %.*s\n  %s: %s\n", LH_FMT(e.title), LH_FMT(e.sql), err.reason,
                        err.text);
        }
        lh_call_fini(&call);
    }
    assert_int_equal(wrong, 0);
    assert_true(count >= 120);
}

/* ---- one at a time ---- */

struct checked {
    struct lh_call call;
    struct engine_connection *c;
    struct guard_verdict v;
    struct lh_error err;
    lh_status status;
};

static void
checked_fini(struct checked *k)
{
    lh_error_clear(&k->err);
    engine_connection_free(k->c);
    lh_call_fini(&k->call);
}
#define AUTO_CHECKED(name)                                                                         \
    __attribute__((cleanup(checked_fini))) struct checked name = {.status = LH_OK}

static void
check(struct lake *l, lh_str sql, struct checked *k)
{
    lh_call_init(&k->call);
    assert_ok(engine_connection_take(l->query, NULL, &k->c, &err));
    k->status = guard_check(k->c, &k->call, sql, &k->v, &k->err);
}

static void
a_verdict_tells_name_and_version(void **state)
{
    AUTO_CHECKED(k);

    check(*state, LH_STR("SELECT * FROM \"workers@12\""), &k);
    assert_int_equal(k.status, LH_OK);
    assert_int_equal(k.v.table_count, 1);
    assert_true(lh_str_eq(k.v.tables[0].dataset, LH_STR("workers")));
    assert_int_equal(k.v.tables[0].version, 12);
    assert_true(lh_str_eq(k.v.tables[0].as_written, LH_STR("workers@12")));
    assert_false(k.v.is_explain);
}

static void
a_verdict_tells_what_is_described(void **state)
{
    AUTO_CHECKED(k);

    check(*state, LH_STR("describe \"workers@2\";"), &k);
    assert_true(lh_str_eq(k.v.describes, LH_STR("workers")));
}

static void
explain_is_written_anew(void **state)
{
    AUTO_CHECKED(k);

    check(*state, LH_STR(" explain /* x */ (format 'json', analyze) select 1 ; -- y"), &k);
    assert_true(k.v.is_explain);
    assert_string_equal(k.v.sql.ptr, "EXPLAIN (ANALYZE, FORMAT json)  select 1");
}

static void
show_tables_is_left_to_the_caller(void **state)
{
    AUTO_CHECKED(k);

    check(*state, LH_STR("show tables"), &k);
    assert_true(k.v.lists_tables);
    assert_int_equal(k.v.table_count, 0);
}

static void
a_syntax_error_tells_its_place_in_characters(void **state)
{
    AUTO_CHECKED(k);

    check(*state, LH_STR("SELECT 'äöü',\n  x FRM y z"), &k);
    assert_int_equal(k.status, LH_INVALID);
    assert_string_equal(k.err.reason, "sql.syntax");
    assert_string_equal(k.err.extra, "{\"position\":22,\"line\":2,\"column\":9}");
}

static void
a_refusal_tells_its_place_and_what(void **state)
{
    AUTO_CHECKED(k);

    check(*state, LH_STR("EXPLAIN SELECT 'ä',\n getenv('HOME')"), &k);
    assert_int_equal(k.status, LH_DENIED);
    assert_non_null(strstr(k.err.text, "\"getenv\""));
    assert_string_equal(k.err.extra, "{\"position\":21,\"line\":2,\"column\":2}");
}

static void
a_text_past_the_limit_is_too_big(void **state)
{
    AUTO_CHECKED(k);
    LH_AUTO_BUF(sql, LH_BUF_UNLIMITED);

    lh_buf_add_cstr(&sql, "SELECT 1 -- ");
    while (sql.len <= GUARD_SQL_MAX)
        lh_buf_add_cstr(&sql, "0123456789");
    check(*state, lh_buf_str(&sql), &k);
    assert_int_equal(k.status, LH_TOO_BIG);
    assert_string_equal(k.err.reason, "sql.too_complex");
}

static void
text_that_is_no_text_is_refused(void **state)
{
    AUTO_CHECKED(nul);
    AUTO_CHECKED(broken);

    check(*state, LH_STR("SELECT 1\0; DROP TABLE x"), &nul);
    assert_string_equal(nul.err.reason, "sql.syntax");
    check(*state, LH_STR("SELECT '\xC3\x28'"), &broken);
    assert_string_equal(broken.err.reason, "sql.syntax");
}

/* repeat(open, n) middle repeat(close, n) */
static void
nested_text(struct lh_buf *out, const char *open, size_t n, const char *middle, const char *close)
{
    for (size_t i = 0; i < n; i++)
        lh_buf_add_cstr(out, open);
    lh_buf_add_cstr(out, middle);
    for (size_t i = 0; i < n; i++)
        lh_buf_add_cstr(out, close);
}

static void
nesting_past_the_limit_is_refused_quickly(void **state)
{
    static const struct {
        const char *open, *middle, *close;
        size_t n;
    } cases[] = {
        {"WITH a AS (", "SELECT 1", ") SELECT * FROM a", 24},
        {"WITH a AS MATERIALIZED (", "SELECT 1", ") SELECT * FROM a", 24},
        {"SELECT * FROM (", "SELECT 1", ")", 900},
        {"SELECT (", "1", ")", 20000},
        {"SELECT list_transform([1], lambda x: ", "x", ")", 700},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        AUTO_CHECKED(k);
        LH_AUTO_BUF(sql, LH_BUF_UNLIMITED);
        int64_t before = lh_time_mono_ms();

        nested_text(&sql, cases[i].open, cases[i].n, cases[i].middle, cases[i].close);
        check(*state, lh_buf_str(&sql), &k);
        assert_int_not_equal(k.status, LH_OK);
        assert_true(lh_time_mono_ms() - before < 5000);
    }
}

static void
a_pivot_waits_for_its_values(void **state)
{
    AUTO_CHECKED(k);
    const lh_str years[] = {LH_STR("2000"), LH_STR("it's")};
    const struct guard_pivot_values values = {years, 2}, none = {years, 0};

    check(*state, LH_STR("EXPLAIN PIVOT cities ON year USING sum(n);"), &k);
    assert_int_equal(k.status, LH_OK);
    assert_int_equal(k.v.pivot_count, 1);
    assert_int_equal(k.v.sql.len, 0);
    assert_fails(guard_pivot_complete(k.c, &k.call, &k.v, &none, &err), LH_INVALID, "sql.pivot");
    assert_ok(guard_pivot_complete(k.c, &k.call, &k.v, &values, &err));
    assert_string_equal(k.v.sql.ptr,
                        "EXPLAIN   PIVOT cities ON year IN ('2000', 'it''s') USING sum(n)");
}

/* ---- the lexer ---- */

static void
tokens_are_cut_as_duckdb_cuts_them(void **state)
{
    static const char sql[] = "a/*/**/x*/$1 $x$;'$x$e'\\'\"q\"\"w\"1.5--z\n;\xC2\xA0)";
    static const struct {
        enum guard_token_kind kind;
        const char *text;
    } want[] = {
        {GUARD_TOKEN_WORD, "a"},
        {GUARD_TOKEN_MARK, "$"},
        {GUARD_TOKEN_NUMBER, "1"},
        {GUARD_TOKEN_STRING, "$x$;'$x$"},
        {GUARD_TOKEN_STRING, "e'\\'\"q\"\"w\"1.5--z\n;\xC2\xA0)"},
        {GUARD_TOKEN_END, ""},
    };
    struct guard_lexer l = {lh_str_of(sql), 0};

    (void)state;
    for (size_t i = 0; i < sizeof(want) / sizeof(want[0]); i++) {
        struct guard_token t = guard_lex_next(&l);

        assert_int_equal(t.kind, want[i].kind);
        assert_true(lh_str_eq(t.text, lh_str_of(want[i].text)));
    }
}

static void
the_cost_of_with_grows_with_nesting(void **state)
{
    const lh_str flat = LH_STR("WITH a AS (SELECT 1), b AS (SELECT 2) SELECT 3");
    const lh_str deep = LH_STR("WITH a AS (WITH b AS NOT MATERIALIZED (SELECT 1) SELECT 2) SELECT");

    (void)state;
    assert_int_equal(guard_lex_with_cost(LH_STR("SELECT (1)")), 10);
    assert_int_equal(guard_lex_with_cost(flat), 4 * flat.len);
    assert_int_equal(guard_lex_with_cost(deep), 4 * deep.len);
    assert_int_equal(guard_lex_with_cost(LH_STR("SELECT 'WITH a AS ('")), 20);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_escape_is_refused),
        cmocka_unit_test(every_analytical_statement_is_accepted_and_runs),
        cmocka_unit_test(a_verdict_tells_name_and_version),
        cmocka_unit_test(a_verdict_tells_what_is_described),
        cmocka_unit_test(explain_is_written_anew),
        cmocka_unit_test(show_tables_is_left_to_the_caller),
        cmocka_unit_test(a_syntax_error_tells_its_place_in_characters),
        cmocka_unit_test(a_refusal_tells_its_place_and_what),
        cmocka_unit_test(a_text_past_the_limit_is_too_big),
        cmocka_unit_test(text_that_is_no_text_is_refused),
        cmocka_unit_test(nesting_past_the_limit_is_refused_quickly),
        cmocka_unit_test(a_pivot_waits_for_its_values),
        cmocka_unit_test(tokens_are_cut_as_duckdb_cuts_them),
        cmocka_unit_test(the_cost_of_with_grows_with_nesting),
    };

    return cmocka_run_group_tests(tests, lake_setup, lake_teardown);
}
