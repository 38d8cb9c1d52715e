#include "net/target.h"

#include "base/testing.h"

static lh_status
parse(struct lh_arena *arena, const char *text, struct lh_request *req, struct lh_error *err)
{
    *req = (struct lh_request){0};
    return net_target_parse(arena, lh_str_of(text), req, err);
}

static void
a_path_is_decoded_but_keeps_its_escaped_slashes(void **state)
{
    LH_AUTO_ARENA(arena);
    LH_AUTO_ERROR(err);
    struct lh_request req;

    (void)state;
    assert_ok(parse(&arena, "/a%20b/%C3%A4%2fc/+/..", &req, &err), err);
    assert_str(req.path, "/a b/\xc3\xa4%2Fc/+/..");
    assert_str(req.target, "/a%20b/%C3%A4%2fc/+/..");
    assert_int_equal(req.query_count, 0);
}

static void
a_query_is_decoded_in_order(void **state)
{
    LH_AUTO_ARENA(arena);
    LH_AUTO_ERROR(err);
    struct lh_request req;

    (void)state;
    assert_ok(parse(&arena, "/p?a=1+2&b=%26%3d=&&flag&a=x%2Fy&=v?", &req, &err), err);
    assert_str(req.path, "/p");
    assert_int_equal(req.query_count, 5);
    assert_str(req.query[0].name, "a");
    assert_str(req.query[0].value, "1 2");
    assert_str(req.query[1].value, "&==");
    assert_str(req.query[2].name, "flag");
    assert_non_null(req.query[2].value.ptr);
    assert_str(req.query[2].value, "");
    assert_str(req.query[3].value, "x/y");
    assert_str(req.query[4].name, "");
    assert_str(req.query[4].value, "v?");
    assert_ok(parse(&arena, "/p?", &req, &err), err);
    assert_int_equal(req.query_count, 0);
}

static void
bad_escapes_are_refused(void **state)
{
    static const char *const bad[] = {"/%", "/%4", "/%zz", "/%4g", "/a%00", "/?a=%", "/?%q=1"};
    LH_AUTO_ARENA(arena);
    LH_AUTO_ERROR(err);
    struct lh_request req;

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_fails(parse(&arena, bad[i], &req, &err), LH_INVALID, "request.target", err);
}

static void
only_paths_are_targets(void **state)
{
    LH_AUTO_ARENA(arena);
    LH_AUTO_ERROR(err);
    struct lh_request req;

    (void)state;
    assert_ok(parse(&arena, "http://host:80/a?b=c", &req, &err), err);
    assert_str(req.path, "/a");
    assert_str(req.target, "/a?b=c");
    assert_ok(parse(&arena, "https://host", &req, &err), err);
    assert_str(req.path, "/");
    assert_fails(parse(&arena, "*", &req, &err), LH_INVALID, "request.target", err);
    assert_fails(parse(&arena, "", &req, &err), LH_INVALID, "request.target", err);
    assert_fails(parse(&arena, "host:80", &req, &err), LH_INVALID, "request.target", err);
    assert_fails(parse(&arena, "/a b", &req, &err), LH_INVALID, "request.target", err);
    assert_fails(parse(&arena, "/a?\x01", &req, &err), LH_INVALID, "request.target", err);
}

static void
a_query_has_a_limit(void **state)
{
    LH_AUTO_ARENA(arena);
    LH_AUTO_ERROR(err);
    LH_AUTO_BUF(text, 4096);
    struct lh_request req;

    (void)state;
    lh_buf_add_cstr(&text, "/?a");
    for (int i = 1; i < NET_TARGET_QUERY_MAX; i++)
        lh_buf_add_cstr(&text, "&a");
    assert_ok(parse(&arena, lh_buf_cstr(&text), &req, &err), err);
    assert_int_equal(req.query_count, NET_TARGET_QUERY_MAX);
    lh_buf_add_cstr(&text, "&a");
    assert_fails(parse(&arena, lh_buf_cstr(&text), &req, &err), LH_INVALID, "request.target", err);
}

static void
what_needs_no_decoding_is_not_copied(void **state)
{
    LH_AUTO_ARENA(arena);
    LH_AUTO_ERROR(err);
    lh_str in = LH_STR("plain+"), out;

    (void)state;
    assert_ok(net_target_decode(&arena, in, NET_TARGET_ALL, &out, &err), err);
    assert_ptr_equal(out.ptr, in.ptr);
    assert_ok(net_target_decode(&arena, in, NET_TARGET_QUERY, &out, &err), err);
    assert_str(out, "plain ");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_path_is_decoded_but_keeps_its_escaped_slashes),
        cmocka_unit_test(a_query_is_decoded_in_order),
        cmocka_unit_test(bad_escapes_are_refused),
        cmocka_unit_test(only_paths_are_targets),
        cmocka_unit_test(a_query_has_a_limit),
        cmocka_unit_test(what_needs_no_decoding_is_not_copied),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
