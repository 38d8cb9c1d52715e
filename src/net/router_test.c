#include "net/router.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/testing.h"
#include "net/target.h"

static lh_status
nothing(void *service, struct lh_call *call, struct lh_request *req, struct lh_response *res,
        struct lh_error *err)
{
    (void)service;
    (void)call;
    (void)req;
    (void)res;
    (void)err;
    return LH_OK;
}

static const struct lh_route routes[] = {
    {LH_GET, "/", nothing, 0, 0},
    {LH_GET, "/v1/things", nothing, 0, 0},
    {LH_POST, "/v1/things", nothing, 0, 0},
    {LH_GET, "/v1/things/{id}", nothing, 0, 0},
    {LH_DELETE, "/v1/things/{id}", nothing, 0, 0},
    {LH_GET, "/v1/things/special", nothing, 0, 0},
    {LH_GET, "/v1/things/{id}/parts/{part}", nothing, 0, 0},
    {LH_GET, "/v1/things/special/whole", nothing, 0, 0},
    {LH_GET, "/b/{bucket}/o/{key...}", nothing, 0, 0},
    {LH_PUT, "/b/{bucket}/o/{key...}", nothing, 0, 0},
    {LH_OPTIONS, "/{all...}", nothing, 0, 0},
    {0},
};

struct found {
    struct lh_router *router;
    struct lh_arena arena;
    struct lh_request req;
    struct lh_match match;
    lh_str allow;
    struct lh_error err;
    lh_status status;
};

static const char *
find(struct found *f, enum lh_method method, const char *target)
{
    lh_error_clear(&f->err);
    f->req = (struct lh_request){.method = method};
    f->allow = LH_STR_NONE;
    f->status = net_target_parse(&f->arena, lh_str_of(target), &f->req, &f->err);
    if (f->status == LH_OK)
        f->status = lh_router_find(f->router, &f->arena, &f->req, &f->match, &f->allow, &f->err);
    return f->status == LH_OK ? f->req.route : f->err.reason;
}

static int
setup(void **state)
{
    static struct found f;

    f = (struct found){.router = lh_router_new()};
    lh_router_add(f.router, routes, &f);
    *state = &f;
    return 0;
}

static int
teardown(void **state)
{
    struct found *f = *state;

    lh_router_free(f->router);
    lh_arena_fini(&f->arena);
    lh_error_clear(&f->err);
    return 0;
}

static void
literal_beats_parameter_and_parameter_beats_rest(void **state)
{
    struct found *f = *state;

    assert_string_equal(find(f, LH_GET, "/"), "/");
    assert_string_equal(find(f, LH_GET, "/v1/things"), "/v1/things");
    assert_string_equal(find(f, LH_GET, "/v1/things/special"), "/v1/things/special");
    assert_string_equal(find(f, LH_GET, "/v1/things/other"), "/v1/things/{id}");
    assert_string_equal(find(f, LH_OPTIONS, "/v1/things/other"), "/{all...}");
    assert_ptr_equal(f->match.service, f);
}

static void
a_walk_down_a_literal_comes_back_when_it_leads_nowhere(void **state)
{
    struct found *f = *state;

    assert_string_equal(find(f, LH_GET, "/v1/things/special/parts/7"),
                        "/v1/things/{id}/parts/{part}");
    assert_str(lh_request_param(&f->req, "id"), "special");
    assert_str(lh_request_param(&f->req, "part"), "7");
    assert_string_equal(find(f, LH_DELETE, "/v1/things/special"), "/v1/things/{id}");
}

static void
parameters_are_decoded_whole(void **state)
{
    struct found *f = *state;

    assert_string_equal(find(f, LH_GET, "/v1/things/a%2Fb%20c?x=1"), "/v1/things/{id}");
    assert_str(lh_request_param(&f->req, "id"), "a/b c");
    assert_string_equal(find(f, LH_GET, "/v1/things/a%252Fb"), "/v1/things/{id}");
    assert_str(lh_request_param(&f->req, "id"), "a%2Fb");
    assert_null(lh_request_param(&f->req, "other").ptr);
}

static void
the_rest_takes_what_is_left(void **state)
{
    struct found *f = *state;

    assert_string_equal(find(f, LH_PUT, "/b/main/o/x//y/%C3%A4%2Fz/"), "/b/{bucket}/o/{key...}");
    assert_str(lh_request_param(&f->req, "bucket"), "main");
    assert_str(lh_request_param(&f->req, "key"), "x//y/\xc3\xa4/z/");
    assert_string_equal(find(f, LH_GET, "/b/main/o/"), "/b/{bucket}/o/{key...}");
    assert_str(lh_request_param(&f->req, "key"), "");
    assert_string_equal(find(f, LH_GET, "/b/main/o"), "request.method");
}

static void
what_no_pattern_fits_is_not_found(void **state)
{
    LH_AUTO(lh_router) *bare = lh_router_new();
    struct found *f = *state;
    struct lh_router *kept = f->router;

    lh_router_add(bare, routes + 1, NULL);
    f->router = bare;
    assert_string_equal(find(f, LH_GET, "/v2"), "request.method"); /* OPTIONS takes every path */
    f->router = kept;
    static const struct lh_route few[] = {
        {LH_GET, "/v1/things/{id}", nothing, 0, 0},
        {0},
    };
    LH_AUTO(lh_router) *small = lh_router_new();
    lh_router_add(small, few, NULL);
    f->router = small;
    assert_string_equal(find(f, LH_GET, "/v2"), "request.route");
    assert_int_equal(f->status, LH_NOT_FOUND);
    assert_null(f->allow.ptr);
    assert_string_equal(find(f, LH_GET, "/v1/things"), "request.route");
    assert_string_equal(find(f, LH_GET, "/v1/things/"), "request.route");
    assert_string_equal(find(f, LH_GET, "/v1/things/a/b"), "request.route");
    assert_string_equal(find(f, LH_GET, "//v1/things/a"), "request.route");
    f->router = kept;
}

static void
a_wrong_method_names_the_right_ones(void **state)
{
    struct found *f = *state;

    assert_string_equal(find(f, LH_PATCH, "/v1/things"), "request.method");
    assert_int_equal(f->status, LH_INVALID);
    assert_str(f->allow, "GET, HEAD, POST, OPTIONS");
    assert_string_equal(find(f, LH_METHOD_COUNT, "/v1/things/1"), "request.method");
    assert_str(f->allow, "GET, HEAD, DELETE, OPTIONS");
}

static void
head_is_answered_by_get(void **state)
{
    struct found *f = *state;

    assert_string_equal(find(f, LH_HEAD, "/v1/things"), "/v1/things");
    assert_int_equal(f->match.route->method, LH_GET);
    assert_string_equal(find(f, LH_HEAD, "/b/x/o/k"), "/b/{bucket}/o/{key...}");
}

static void
every_route_has_an_index_of_its_own(void **state)
{
    struct found *f = *state;

    assert_int_equal(lh_router_count(f->router), 11);
    find(f, LH_GET, "/");
    assert_int_equal(f->match.index, 0);
    find(f, LH_OPTIONS, "/x");
    assert_int_equal(f->match.index, 10);
}

static void
a_route_added_twice_aborts(void **state)
{
    struct found *f = *state;
    pid_t child = fork();
    int status;

    if (child == 0) {
        /* The line it dies with is not for the log of the tests. */
        fclose(stderr);
        lh_router_add(f->router, routes, NULL);
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(literal_beats_parameter_and_parameter_beats_rest, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_walk_down_a_literal_comes_back_when_it_leads_nowhere,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(parameters_are_decoded_whole, setup, teardown),
        cmocka_unit_test_setup_teardown(the_rest_takes_what_is_left, setup, teardown),
        cmocka_unit_test_setup_teardown(what_no_pattern_fits_is_not_found, setup, teardown),
        cmocka_unit_test_setup_teardown(a_wrong_method_names_the_right_ones, setup, teardown),
        cmocka_unit_test_setup_teardown(head_is_answered_by_get, setup, teardown),
        cmocka_unit_test_setup_teardown(every_route_has_an_index_of_its_own, setup, teardown),
        cmocka_unit_test_setup_teardown(a_route_added_twice_aborts, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
