#include "base/testing.h"

#include "base/toml.h"

static const char *const kind_marks[] = {"str", "i64", "f64", "bool", "date", "[", "]", "{", "}"};

/* Writes every item as "path kind value @key/value" so that a walk can be compared as text. */
static lh_status
item_note(void *arg, const struct base_toml_item *item, struct lh_error *err)
{
    struct lh_buf *out = arg;

    (void)err;
    lh_buf_printf(out, "%.*s %s", LH_FMT(item->path), kind_marks[item->kind]);
    if (item->kind == BASE_TOML_STR)
        lh_buf_printf(out, " \"%.*s\"", LH_FMT(item->str));
    else if (item->kind == BASE_TOML_I64 || item->kind == BASE_TOML_BOOL)
        lh_buf_printf(out, " %d", (int)item->i64);
    else if (item->kind == BASE_TOML_F64)
        lh_buf_printf(out, " %.2f", item->f64);
    lh_buf_printf(out, " @%u:%u/%u:%u\n", item->key.line, item->key.column, item->value.line,
                  item->value.column);
    return LH_OK;
}

static void
assert_walk(const char *toml, const char *expected)
{
    LH_AUTO_BUF(out, 10000);
    LH_AUTO_ERROR(err);

    assert_ok(base_toml_walk(lh_str_of(toml), "t.toml", item_note, &out, &err), err);
    assert_str(lh_buf_str(&out), expected);
}

static void
values_come_with_kind_path_and_place(void **state)
{
    (void)state;
    assert_walk("a = \"text\"\nb = -5\n[c]\nd = 1.5\n  e = true\nf.g = 2020-01-02\n",
                "a str \"text\" @1:1/1:5\n"
                "b i64 -5 @2:1/2:5\n"
                "c.d f64 1.50 @4:1/4:5\n"
                "c.e bool 1 @5:3/5:7\n"
                "c.f.g date @6:3/6:7\n");
    assert_walk("", "");
}

static void
lists_are_bracketed(void **state)
{
    (void)state;
    assert_walk("a = [\"x\", 2]\nb = []\n", "a [ @1:1/1:5\n"
                                            "a str \"x\" @1:1/1:6\n"
                                            "a i64 2 @1:1/1:11\n"
                                            "a ] @1:1/1:5\n"
                                            "b [ @2:1/2:5\n"
                                            "b ] @2:1/2:5\n");
}

static void
tables_of_an_array_have_paths_of_their_own(void **state)
{
    (void)state;
    assert_walk("[[s.b]]\nn = 1\n[[s.b]]\nn = 2\no.p = 3\n", "s.b { @1:5/1:1\n"
                                                             "n i64 1 @2:1/2:5\n"
                                                             "s.b } @1:5/1:1\n"
                                                             "s.b { @1:5/3:1\n"
                                                             "n i64 2 @4:1/4:5\n"
                                                             "o.p i64 3 @5:3/5:7\n"
                                                             "s.b } @1:5/3:1\n");
}

static void
a_syntax_error_begins_with_its_place(void **state)
{
    LH_AUTO_BUF(out, 10000);
    LH_AUTO_ERROR(err);

    (void)state;
    assert_int_equal(base_toml_walk(LH_STR("a = 1\nb = = 2\n"), "t.toml", item_note, &out, &err),
                     LH_INVALID);
    assert_string_equal(err.reason, "config.syntax");
    assert_true(lh_str_starts(lh_str_of(err.text), LH_STR("t.toml:2:5: ")));
    assert_int_equal(out.len, 0);
}

static lh_status
item_refuse(void *arg, const struct base_toml_item *item, struct lh_error *err)
{
    int *count = arg;

    (void)item;
    return ++*count == 2 ? lh_fail(err, LH_BUSY, "test.stop", "enough") : LH_OK;
}

static void
a_failing_callback_ends_the_walk(void **state)
{
    LH_AUTO_ERROR(err);
    int count = 0;

    (void)state;
    assert_fails(base_toml_walk(LH_STR("a=1\nb=2\nc=3"), "t", item_refuse, &count, &err), LH_BUSY,
                 "test.stop", err);
    assert_int_equal(count, 2);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_come_with_kind_path_and_place),
        cmocka_unit_test(lists_are_bracketed),
        cmocka_unit_test(tables_of_an_array_have_paths_of_their_own),
        cmocka_unit_test(a_syntax_error_begins_with_its_place),
        cmocka_unit_test(a_failing_callback_ends_the_walk),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
