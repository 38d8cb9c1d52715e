#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "services/gateway/auth.h"

static const struct lh_config_key table[] = {
    {.name = "token", .kind = LH_CONFIG_TABLES, .fields = gateway_token_fields},
    {0},
};
static const struct lh_config_key *const tables[] = {table, NULL};

/* sha256("read-only") */
#define READER                                                                                     \
    "[[token]]\nname = \"reader\"\nmay_write = false\nprofile = \"p1\"\n"                          \
    "sha256 = \"4fed3970dcc0d31dccddbf69ef55b00f32d2ca787f1757894914bc0365ea7aa5\"\n"
#define WRITER "[[token]]\nname = \"writer\"\nsecret = \"read-write\"\n"

static lh_status
auth_load(const char *toml, const char *admin, struct lh_config **config,
          struct gateway_auth **auth, struct lh_error *err)
{
    LH_TRY(lh_config_parse(tables, lh_str_of(toml), "test.toml", config, err));
    return gateway_auth_new(*config, admin, auth, err);
}

static lh_status
auth_ask(const struct gateway_auth *auth, const char *authorization, struct lh_principal *p,
         size_t *number, struct lh_error *err)
{
    struct lh_header header = {LH_STR("Authorization"), lh_str_of(authorization)};
    struct lh_request req = {.headers = &header, .header_count = authorization ? 1 : 0};

    return gateway_auth_check(auth, &req, p, number, err);
}

static void
without_tokens_everybody_is_local_and_writes(void **state)
{
    LH_AUTO_ERROR(err);
    LH_AUTO(lh_config) *config = NULL;
    LH_AUTO(gateway_auth) *auth = NULL;
    struct lh_principal p;
    size_t number = 9;

    (void)state;
    assert_int_equal(auth_load("", NULL, &config, &auth, &err), LH_OK);
    assert_int_equal(auth_ask(auth, NULL, &p, &number, &err), LH_OK);
    assert_string_equal(p.name, "local");
    assert_int_equal(p.kind, LH_PRINCIPAL_ANONYMOUS);
    assert_true(p.may_write);
    assert_int_equal(number, 0);
}

static void
a_known_token_gives_its_principal(void **state)
{
    LH_AUTO_ERROR(err);
    LH_AUTO(lh_config) *config = NULL;
    LH_AUTO(gateway_auth) *auth = NULL;
    struct lh_principal p;
    size_t number;

    (void)state;
    assert_int_equal(auth_load(WRITER, "root", &config, &auth, &err), LH_OK);
    assert_int_equal(gateway_auth_count(auth), 2);
    assert_int_equal(auth_ask(auth, "bearer  read-write", &p, &number, &err), LH_OK);
    assert_string_equal(p.name, "writer");
    assert_int_equal(p.kind, LH_PRINCIPAL_USER);
    assert_int_equal(number, 1);
    assert_int_equal(auth_ask(auth, "Bearer root", &p, &number, &err), LH_OK);
    assert_string_equal(p.name, "admin");
    assert_int_equal(number, 2);
}

static void
missing_wrong_and_foreign_credentials_are_refused(void **state)
{
    static const char *const bad[] = {NULL,
                                      "",
                                      "Bearer",
                                      "Bearer ",
                                      "read-write",
                                      "Basic read-write",
                                      "Bearer read-writ",
                                      "Bearer read-write2"};
    LH_AUTO_ERROR(err);
    LH_AUTO(lh_config) *config = NULL;
    LH_AUTO(gateway_auth) *auth = NULL;
    struct lh_principal p;
    size_t number;

    (void)state;
    assert_int_equal(auth_load(WRITER, NULL, &config, &auth, &err), LH_OK);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(auth_ask(auth, bad[i], &p, &number, &err), LH_DENIED);
        assert_string_equal(err.reason, "auth.required");
        assert_int_equal(lh_problem_status(&err), 401);
    }
}

static void
a_reader_may_not_call_a_route_that_writes(void **state)
{
    LH_AUTO_ERROR(err);
    LH_AUTO(lh_config) *config = NULL;
    LH_AUTO(gateway_auth) *auth = NULL;
    struct lh_principal p;
    size_t number;

    (void)state;
    assert_int_equal(auth_load(READER, NULL, &config, &auth, &err), LH_OK);
    assert_int_equal(auth_ask(auth, "Bearer read-only", &p, &number, &err), LH_OK);
    assert_string_equal(p.profile, "p1");
    assert_int_equal(gateway_auth_permit(&p, LH_ROUTE_LONG, &err), LH_OK);
    assert_int_equal(gateway_auth_permit(&p, LH_ROUTE_WRITES | LH_ROUTE_LONG, &err), LH_DENIED);
    assert_string_equal(err.reason, "auth.read_only");
    assert_int_equal(lh_problem_status(&err), 403);
}

static void
a_token_table_must_be_complete(void **state)
{
    static const char *const bad[] = {
        "[[token]]\nname = \"a\"\n",
        "[[token]]\nname = \"a\"\nsecret = \"x\"\nsha256 = \"00\"\n",
        "[[token]]\nname = \"a\"\nsha256 = \"00\"\n",
        "[[token]]\nname = \"a\"\nsha256 = \"zz\"\n",
        "[[token]]\nname = \"\"\nsecret = \"x\"\n",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        LH_AUTO_ERROR(err);
        LH_AUTO(lh_config) *config = NULL;
        LH_AUTO(gateway_auth) *auth = NULL;

        assert_int_equal(auth_load(bad[i], NULL, &config, &auth, &err), LH_INVALID);
        assert_string_equal(err.reason, "auth.token");
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_tokens_everybody_is_local_and_writes),
        cmocka_unit_test(a_known_token_gives_its_principal),
        cmocka_unit_test(missing_wrong_and_foreign_credentials_are_refused),
        cmocka_unit_test(a_reader_may_not_call_a_route_that_writes),
        cmocka_unit_test(a_token_table_must_be_complete),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
