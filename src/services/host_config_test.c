#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/file.h"
#include "services/host_parts.h"

static void
the_configuration_page_holds_the_reference_as_it_is(void **state)
{
    LH_AUTO_BUF(page, 1 << 20);
    LH_AUTO_BUF(reference, 1 << 20);
    size_t at;

    (void)state;
    assert_int_equal(lh_file_read("docs/configuration.md", 1 << 20, &page, NULL), LH_OK);
    lh_config_reference(lh_host_config_tables(), &reference);
    if (!lh_str_find(lh_buf_str(&page), lh_buf_str(&reference), &at))
        fail_msg("docs/configuration.md is out of date: replace its tables by the output of "
                 "`lakehouse config reference`");
}

static struct lh_config *
config_of(const char *toml)
{
    struct lh_config *config = NULL;

    assert_int_equal(
        lh_config_parse(lh_host_config_tables(), lh_str_of(toml), "test.toml", &config, NULL),
        LH_OK);
    return config;
}

static void
every_service_has_a_usual_address(void **state)
{
    LH_AUTO(lh_config) *config = config_of("[mesh]\ncatalogd = \"http://127.0.0.1:9/\"\n");

    (void)state;
    assert_int_equal(lh_host_mesh_defaults(config, NULL), LH_OK);
    for (const struct lh_service *const *s = lh_host_all_services(); *s; s++) {
        LH_AUTO_CHARS listen = host_listen_configured(config, *s);

        assert_int_equal(strncmp(listen, "127.0.0.1:", 10), 0);
        if (*s == &lh_catalogd)
            assert_string_equal(listen, "127.0.0.1:9");
        if (*s == &lh_gateway)
            assert_string_equal(listen, "127.0.0.1:3100");
    }
}

static void
a_retention_shorter_than_the_longest_statement_is_refused(void **state)
{
    LH_AUTO(lh_config) *good = config_of("");
    LH_AUTO(lh_config) *bad = config_of("[catalog]\nretention = \"10m\"\n");
    LH_AUTO_ERROR(err);

    (void)state;
    assert_int_equal(lh_host_config_check(good, NULL), LH_OK);
    assert_int_equal(lh_host_config_check(bad, &err), LH_INVALID);
    assert_true(lh_error_is(&err, "config.range"));
}

static void
secrets_are_noticed(void **state)
{
    LH_AUTO(lh_config) *none = config_of("");
    LH_AUTO(lh_config) *mesh = config_of("[mesh]\ntoken = \"x\"\n");
    LH_AUTO(lh_config) *token = config_of("[[token]]\nname = \"a\"\nsecret = \"b\"\n");

    (void)state;
    assert_false(lh_host_has_secrets(none));
    assert_true(lh_host_has_secrets(mesh));
    assert_true(lh_host_has_secrets(token));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_configuration_page_holds_the_reference_as_it_is),
        cmocka_unit_test(every_service_has_a_usual_address),
        cmocka_unit_test(a_retention_shorter_than_the_longest_statement_is_refused),
        cmocka_unit_test(secrets_are_noticed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
