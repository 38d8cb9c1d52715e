#include "engine/fixture.h"

#include <math.h>
#include "engine/search.h"

/* ---- a provider that remembers what it was asked ---- */

struct shelf {
    struct lh_statement_search asked;
    size_t runs;
    size_t count; /* hits that it gives */
    lh_status fails;
};

static lh_status
shelf_run(void *self, struct lh_call *call, const struct lh_statement_search *search,
          const struct lh_statement_hit **hits, size_t *count, struct lh_error *err)
{
    struct shelf *s = self;
    struct lh_statement_hit *made = lh_arena_array(&call->arena, s->count + 1, sizeof(*made));

    s->asked = *search;
    s->runs++;
    if (s->fails != LH_OK)
        return lh_fail(err, s->fails, "vectors.unknown_index", "no index %.*s",
                       LH_FMT(search->index));
    for (size_t i = 0; i < s->count; i++)
        made[i] = (struct lh_statement_hit){
            .id = lh_arena_str(&call->arena, i % 2 == 0 ? LH_STR("even") : LH_STR("odd")),
            .score = 1.0 / (double)(i + 1),
            .distance = search->is_words ? NAN : (double)i,
            .text = i == 0 ? LH_STR("Łódź") : LH_STR_NONE,
            .metadata = LH_STR("{\"a\":1}"),
        };
    *hits = made;
    *count = s->count;
    return LH_OK;
}

static lh_status
collect(void *self, lh_bytes bytes, struct lh_error *err)
{
    (void)err;
    lh_buf_add(self, bytes.ptr, bytes.len);
    return LH_OK;
}

static lh_status
ask(struct lake *l, struct shelf *shelf, const char *sql, const char *params, struct lh_buf *out,
    struct lh_error *err)
{
    LH_AUTO(lh_statement) *s = NULL;
    LH_AUTO_JSON given = params ? json_loads(params, JSON_DECODE_ANY, NULL) : NULL;
    const struct lh_search_provider provider = {.run = shelf_run, .self = shelf};
    const struct lh_statement_limits limits = {.rows_max = UINT64_MAX, .bytes_max = UINT64_MAX};
    const struct lh_result_sink sink = {.write = collect, .self = out};
    struct lh_statement_outcome outcome;

    LH_TRY(lh_statement_parse(l->query, &l->call, lh_str_of(sql), &s, err));
    if (shelf)
        lh_statement_searches_set(s, &provider);
    LH_TRY(lh_statement_bind(s, NULL, 0, given, err));
    return lh_statement_run(s, LH_RESULT_CSV, &limits, &sink, &outcome, err);
}

static void
assert_csv(struct lake *l, struct shelf *shelf, const char *sql, const char *params,
           const char *expected)
{
    LH_AUTO_BUF(out, LH_BUF_UNLIMITED);

    assert_ok(ask(l, shelf, sql, params, &out, &err));
    assert_string_equal(lh_buf_cstr(&out), expected);
}

#define assert_search_fails(l, shelf, sql, params, status, reason)                                 \
    do {                                                                                           \
        LH_AUTO_BUF(out_, LH_BUF_UNLIMITED);                                                       \
        assert_fails(ask(l, shelf, sql, params, &out_, &err), status, reason);                     \
    } while (0)

/* ---- rows ---- */

static void
hits_are_rows_nearest_first(void **state)
{
    struct shelf shelf = {.count = 2};

    assert_csv(*state, &shelf, "SELECT * FROM vector_search('people', 'forklift', 2)", NULL,
               "id,score,distance,text,metadata\n"
               "even,1,0,Łódź,\"{\"\"a\"\":1}\"\n"
               "odd,0.5,1,,\"{\"\"a\"\":1}\"\n");
    assert_true(lh_str_eq(shelf.asked.index, LH_STR("people")));
    assert_true(lh_str_eq(shelf.asked.text, LH_STR("forklift")));
    assert_int_equal(shelf.asked.k, 2);
    assert_false(shelf.asked.is_words);
}

static void
words_have_a_score_and_no_distance(void **state)
{
    struct shelf shelf = {.count = 1};

    assert_csv(*state, &shelf, "SELECT id, distance IS NULL AS n FROM text_search('p', 'osha', 1)",
               NULL, "id,n\neven,true\n");
    assert_true(shelf.asked.is_words);
}

static void
no_hits_are_no_rows(void **state)
{
    struct shelf shelf = {0};

    assert_csv(*state, &shelf, "SELECT count(*) AS n FROM vector_search('p', 'x', 5)", NULL,
               "n\n0\n");
}

static void
more_hits_than_a_chunk_holds_all_come(void **state)
{
    struct shelf shelf = {.count = 5000};

    assert_csv(*state, &shelf,
               "SELECT count(*) AS n, max(distance) AS d FROM vector_search('p', 'x', 5000)", NULL,
               "n,d\n5000,4999\n");
}

static void
searches_join_like_tables(void **state)
{
    struct shelf shelf = {.count = 4};

    assert_csv(*state, &shelf,
               "WITH v AS (SELECT id, min(distance) AS d FROM vector_search('p', 'x', 4) GROUP BY "
               "id), t AS (SELECT DISTINCT id FROM text_search('p', 'y', 4)) "
               "SELECT v.id, d FROM v JOIN t USING (id) ORDER BY d",
               NULL, "id,d\neven,0\nodd,1\n");
    assert_int_equal(shelf.runs, 2);
}

/* ---- arguments ---- */

static void
a_vector_comes_as_a_list_of_any_numbers(void **state)
{
    struct shelf shelf = {.count = 1};

    assert_csv(*state, &shelf, "SELECT id FROM vector_search('p', [1, 2.5, -3], 1)", NULL,
               "id\neven\n");
    assert_int_equal(shelf.asked.dim, 3);
    assert_true(shelf.asked.vector[1] == 2.5f && shelf.asked.vector[2] == -3.0f);
    assert_null(shelf.asked.text.ptr);
}

static void
arguments_may_be_parameters(void **state)
{
    struct shelf shelf = {.count = 1};

    assert_csv(*state, &shelf, "SELECT id FROM vector_search($1, $2, $3)", "[\"p\", \"what\", 1]",
               "id\neven\n");
    assert_true(lh_str_eq(shelf.asked.text, LH_STR("what")));
    assert_csv(*state, &shelf, "SELECT id FROM vector_search('p', $1, 1)", "[[0.25, 0.5]]",
               "id\neven\n");
    assert_int_equal(shelf.asked.dim, 2);
}

static void
named_arguments_reach_the_provider(void **state)
{
    struct shelf shelf = {.count = 1};

    assert_csv(*state, &shelf,
               "SELECT id FROM vector_search('p', 'x', 1, filter := '{\"city\":\"Rome\"}', "
               "ef := 77, min_recall := 0.5, exact := true)",
               NULL, "id\neven\n");
    assert_true(lh_str_eq(shelf.asked.filter, LH_STR("{\"city\":\"Rome\"}")));
    assert_int_equal(shelf.asked.ef, 77);
    assert_true(shelf.asked.min_recall == 0.5 && shelf.asked.is_exact);
}

static void
nonsense_is_refused(void **state)
{
    static const char *const wrong[] = {
        "FROM vector_search(NULL, 'x', 1)",         "FROM vector_search('p', NULL, 1)",
        "FROM vector_search('p', 'x', NULL)",       "FROM vector_search('p', 'x', 0)",
        "FROM vector_search('p', 'x', 10001)",      "FROM vector_search('p', [1, NULL], 1)",
        "FROM vector_search('p', ['a'], 1)",        "FROM text_search('p', NULL, 1)",
        "FROM vector_search('p', 'x', 1, ef := 0)",
    };
    struct shelf shelf = {.count = 1};

    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        assert_search_fails(*state, &shelf, wrong[i], NULL, LH_INVALID, "sql.search");
    assert_int_equal(shelf.runs, 0);
}

/* ---- failures and limits ---- */

static void
a_failure_leaves_as_the_provider_said_it(void **state)
{
    struct shelf shelf = {.fails = LH_NOT_FOUND};

    assert_search_fails(*state, &shelf, "FROM vector_search('p', 'x', 1)", NULL, LH_NOT_FOUND,
                        "vectors.unknown_index");
}

static void
without_a_provider_nothing_is_searched(void **state)
{
    assert_search_fails(*state, NULL, "FROM vector_search('p', 'x', 1)", NULL, LH_UNSUPPORTED,
                        "sql.search");
}

static void
a_statement_searches_only_so_often(void **state)
{
    LH_AUTO_BUF(sql, LH_BUF_UNLIMITED);
    struct shelf shelf = {.count = 1};

    lh_buf_add_cstr(&sql, "SELECT 1 AS n");
    for (size_t i = 0; i <= LH_STATEMENT_SEARCHES_MAX; i++)
        lh_buf_add_cstr(&sql, " UNION ALL SELECT 1 FROM text_search('p', 'x', 1)");
    assert_search_fails(*state, &shelf, lh_buf_cstr(&sql), NULL, LH_TOO_BIG, "sql.too_complex");
    assert_int_equal(shelf.runs, LH_STATEMENT_SEARCHES_MAX);
}

static void
the_next_statement_knows_nothing_of_the_last_provider(void **state)
{
    struct shelf shelf = {.count = 1};

    assert_csv(*state, &shelf, "SELECT id FROM vector_search('p', 'x', 1)", NULL, "id\neven\n");
    assert_search_fails(*state, NULL, "FROM vector_search('p', 'x', 1)", NULL, LH_UNSUPPORTED,
                        "sql.search");
    assert_int_equal(shelf.runs, 1);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hits_are_rows_nearest_first),
        cmocka_unit_test(words_have_a_score_and_no_distance),
        cmocka_unit_test(no_hits_are_no_rows),
        cmocka_unit_test(more_hits_than_a_chunk_holds_all_come),
        cmocka_unit_test(searches_join_like_tables),
        cmocka_unit_test(a_vector_comes_as_a_list_of_any_numbers),
        cmocka_unit_test(arguments_may_be_parameters),
        cmocka_unit_test(named_arguments_reach_the_provider),
        cmocka_unit_test(nonsense_is_refused),
        cmocka_unit_test(a_failure_leaves_as_the_provider_said_it),
        cmocka_unit_test(without_a_provider_nothing_is_searched),
        cmocka_unit_test(a_statement_searches_only_so_often),
        cmocka_unit_test(the_next_statement_knows_nothing_of_the_last_provider),
    };

    return cmocka_run_group_tests(tests, lake_setup, lake_teardown);
}
