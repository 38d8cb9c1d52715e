#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "services/host_origin.h"

static const struct lh_config_key keys[] = {
    {.name = "gateway.host_names", .kind = LH_CONFIG_LIST},
    {.name = "gateway.cors_origins", .kind = LH_CONFIG_LIST},
    {0},
};
static const struct lh_config_key *const tables[] = {keys, NULL};

struct fixture {
    struct lh_config *config;
    struct lh_host_origin *origin;
};

static struct fixture
fixture_new(const char *toml)
{
    struct fixture f = {0};

    assert_int_equal(lh_config_parse(tables, lh_str_of(toml), "test.toml", &f.config, NULL), LH_OK);
    f.origin = lh_host_origin_new(f.config, LH_STR("own.name"));
    return f;
}

static void
fixture_fini(struct fixture *f)
{
    lh_host_origin_free(f->origin);
    lh_config_free(f->config);
}

/* The reason of the refusal, or "" when it may pass. */
static const char *
refusal(struct fixture *f, enum lh_method method, const char *host, const char *origin)
{
    static char reason[LH_ERROR_REASON_MAX];
    LH_AUTO_ERROR(err);
    struct lh_header headers[2];
    struct lh_request req = {.method = method, .headers = headers};

    if (host)
        headers[req.header_count++] = (struct lh_header){LH_STR("Host"), lh_str_of(host)};
    if (origin)
        headers[req.header_count++] = (struct lh_header){LH_STR("Origin"), lh_str_of(origin)};
    (void)lh_host_origin_check(f->origin, &req, &err);
    memcpy(reason, err.reason, sizeof(reason));
    return reason;
}

static void
only_names_of_this_machine_are_hosts(void **state)
{
    static const char *const good[] = {"localhost",     "LocalHost:3100", "127.0.0.1:80",
                                       "127.9.9.9",     "[::1]",          "[::1]:3100",
                                       "lake.lan:3100", "OWN.name:1"};
    static const char *const bad[] = {"evil.example",
                                      "127.evil.example",
                                      "localhost.evil.example",
                                      "evil.example:80",
                                      "[::2]",
                                      "10.0.0.1",
                                      "[::1].evil",
                                      "0.0.0.0:3100"};
    struct fixture f = fixture_new("[gateway]\nhost_names = [\"lake.lan\"]\n");

    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
        assert_string_equal(refusal(&f, LH_GET, good[i], NULL), "");
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_string_equal(refusal(&f, LH_GET, bad[i], NULL), "request.host");
    assert_string_equal(refusal(&f, LH_GET, NULL, NULL), "");
    fixture_fini(&f);
}

static void
a_foreign_page_may_not_change_anything(void **state)
{
    struct fixture f = fixture_new("[gateway]\ncors_origins = [\"https://app.example\"]\n");

    (void)state;
    assert_string_equal(refusal(&f, LH_POST, "localhost:1", NULL), "");
    assert_string_equal(refusal(&f, LH_POST, "localhost:1", "http://localhost:1"), "");
    assert_string_equal(refusal(&f, LH_POST, "localhost:1", "https://app.example"), "");
    assert_string_equal(refusal(&f, LH_POST, "localhost:1", "https://evil.example"),
                        "request.origin");
    assert_string_equal(refusal(&f, LH_DELETE, "localhost:1", "http://localhost:2"),
                        "request.origin");
    assert_string_equal(refusal(&f, LH_PUT, "localhost:1", "null"), "request.origin");
    assert_string_equal(refusal(&f, LH_PATCH, "localhost:1", ""), "request.origin");
    assert_string_equal(refusal(&f, LH_GET, "localhost:1", "https://evil.example"), "");
    fixture_fini(&f);
}

static lh_str
header_of(const struct lh_response *res, const char *name)
{
    for (size_t i = 0; i < res->header_count; i++) {
        if (lh_str_eq_nocase(res->headers[i].name, lh_str_of(name)))
            return res->headers[i].value;
    }
    return LH_STR_NONE;
}

static void
cors_names_exactly_the_configured_origin(void **state)
{
    struct fixture f = fixture_new("[gateway]\ncors_origins = [\"https://app.example\"]\n");
    LH_AUTO_ARENA(arena);
    struct lh_header header = {LH_STR("Origin"), LH_STR("https://app.example")};
    struct lh_request req = {.headers = &header, .header_count = 1};
    struct lh_response good = {.arena = &arena}, bad = {.arena = &arena};

    (void)state;
    lh_host_origin_cors(f.origin, &req, &good);
    assert_true(lh_str_eq(header_of(&good, "Access-Control-Allow-Origin"), header.value));
    header.value = LH_STR("https://app.example.evil");
    lh_host_origin_cors(f.origin, &req, &bad);
    assert_null(header_of(&bad, "Access-Control-Allow-Origin").ptr);
    assert_true(lh_str_eq(header_of(&bad, "Vary"), LH_STR("Origin")));
    fixture_fini(&f);
}

static void
cors_is_off_by_default(void **state)
{
    struct fixture f = fixture_new("");
    LH_AUTO_ARENA(arena);
    struct lh_header header = {LH_STR("Origin"), LH_STR("https://app.example")};
    struct lh_request req = {.headers = &header, .header_count = 1};
    struct lh_response res = {.arena = &arena};

    (void)state;
    assert_false(lh_host_origin_has_cors(f.origin));
    lh_host_origin_cors(f.origin, &req, &res);
    assert_int_equal(res.header_count, 0);
    fixture_fini(&f);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_names_of_this_machine_are_hosts),
        cmocka_unit_test(a_foreign_page_may_not_change_anything),
        cmocka_unit_test(cors_names_exactly_the_configured_origin),
        cmocka_unit_test(cors_is_off_by_default),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
