#include "base/testing.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/secret.h"
#include "base/secret_text.h"

#define CANARY "canary-7fb1c2"

extern char **environ;

struct house {
    char folder[64], path[96];
    struct lh_config *config;
    struct lh_secrets *secrets;
};

static const struct lh_config_key *const tables[] = {lh_secret_config, NULL};

static int
house_open(void **state)
{
    struct house *h = calloc(1, sizeof(*h));

    strcpy(h->folder, "/tmp/secret_test_XXXXXX");
    assert_non_null(mkdtemp(h->folder));
    (void)snprintf(h->path, sizeof(h->path), "%s/secrets", h->folder);
    *state = h;
    return 0;
}

static int
house_close(void **state)
{
    struct house *h = *state;

    lh_secrets_free(h->secrets);
    lh_config_free(h->config);
    assert_int_equal(lh_dir_remove_tree(h->folder, NULL), LH_OK);
    free(h);
    return 0;
}

static void
configure(struct house *h, const char *toml)
{
    LH_AUTO_ERROR(err);

    assert_ok(lh_config_parse(tables, lh_str_of(toml), "test", &h->config, &err), err);
    h->secrets = lh_secrets_open(h->config);
}

static void
file_write(struct house *h, const char *text, mode_t mode)
{
    char toml[256];

    assert_int_equal(lh_file_write_atomic(h->path, lh_str_bytes(lh_str_of(text)), mode, NULL),
                     LH_OK);
    assert_int_equal(chmod(h->path, mode), 0);
    (void)snprintf(toml, sizeof(toml), "[secrets]\nfile = \"%s\"\n", h->path);
    configure(h, toml);
}

/* A script, since the command gets the name of the entry behind its own arguments. */
static void
command_write(struct house *h, const char *script, const char *more)
{
    char toml[512];

    assert_int_equal(lh_file_write_atomic(h->path, lh_str_bytes(lh_str_of(script)), 0700, NULL),
                     LH_OK);
    (void)snprintf(toml, sizeof(toml), "[secrets]\ncommand = [\"/bin/sh\", \"%s\"]\n%s", h->path,
                   more);
    configure(h, toml);
}

static lh_status
load(struct house *h, const char *entry, struct lh_secret **out, struct lh_error *err)
{
    return lh_secrets_load(h->secrets, lh_str_of(entry), "API_KEY", out, err);
}

static void
a_variable_is_found_and_gone_from_the_environment(void **state)
{
    struct house *h = *state;
    LH_AUTO(lh_secret) *secret = NULL;
    LH_AUTO_ERROR(err);
    char *where;

    assert_int_equal(setenv("LAKEHOUSE_SECRET_MODEL_API_KEY", CANARY, 1), 0);
    assert_int_equal(setenv("LAKEHOUSE_SECRET_MODEL_ORGANISATION", "acme", 1), 0);
    where = getenv("LAKEHOUSE_SECRET_MODEL_API_KEY");
    configure(h, "");
    assert_string_equal(where, "");
    assert_null(getenv("LAKEHOUSE_SECRET_MODEL_API_KEY"));
    assert_true(lh_secrets_exist(h->config));
    assert_ok(load(h, "MODEL", &secret, &err), err);
    assert_str(lh_secret_field(secret, "API_KEY"), CANARY);
    assert_str(lh_secret_field(secret, "ORGANISATION"), "acme");
    assert_null(lh_secret_field(secret, "SESSION_TOKEN").ptr);
}

static void
a_later_variable_takes_the_place_of_an_earlier_one(void **state)
{
    struct house *h = *state;
    LH_AUTO(lh_secret) *secret = NULL;
    LH_AUTO_ERROR(err);

    assert_int_equal(setenv("LAKEHOUSE_SECRET_TWICE_API_KEY", "old", 1), 0);
    lh_secrets_take_environment();
    assert_int_equal(setenv("LAKEHOUSE_SECRET_TWICE_API_KEY", "new", 1), 0);
    configure(h, "");
    assert_ok(load(h, "TWICE", &secret, &err), err);
    assert_str(lh_secret_field(secret, "API_KEY"), "new");
}

static void
an_entry_that_nobody_has_is_not_found(void **state)
{
    struct house *h = *state;
    LH_AUTO(lh_secret) *secret = NULL;
    LH_AUTO_ERROR(err);

    configure(h, "");
    assert_fails(load(h, "NOBODY", &secret, &err), LH_NOT_FOUND, "secret.no_entry", err);
    assert_fails(load(h, "lower", &secret, &err), LH_INVALID, "secret.name", err);
    assert_fails(load(h, "", &secret, &err), LH_INVALID, "secret.name", err);
}

static void
a_toml_file_has_one_table_for_each_entry(void **state)
{
    struct house *h = *state;
    LH_AUTO(lh_secret) *secret = NULL;
    LH_AUTO_ERROR(err);

    file_write(h,
               "# keys\n[OTHER]\napi_key = \"wrong\"\n\n[ RESCUE ] # mine\napi_key = "
               "\"a\\\"\\u00e9\\ud83d\\ude00#\" # quoted\nsession_token='raw\\n'\n",
               0600);
    assert_ok(load(h, "RESCUE", &secret, &err), err);
    assert_str(lh_secret_field(secret, "API_KEY"), "a\"\xC3\xA9\xF0\x9F\x98\x80#");
    assert_str(lh_secret_field(secret, "SESSION_TOKEN"), "raw\\n");
}

static void
a_json_file_has_one_object_for_each_entry(void **state)
{
    struct house *h = *state;
    LH_AUTO(lh_secret) *secret = NULL;
    LH_AUTO_ERROR(err);

    file_write(h, "{\"OTHER\": {\"API_KEY\":\"wrong\"},\n \"RESCUE\":{\"API_KEY\" : \"right\"}}\n",
               0400);
    assert_ok(load(h, "RESCUE", &secret, &err), err);
    assert_str(lh_secret_field(secret, "API_KEY"), "right");
}

static void
a_file_that_others_may_read_is_refused(void **state)
{
    struct house *h = *state;
    LH_AUTO(lh_secret) *secret = NULL;
    LH_AUTO_ERROR(err);

    file_write(h, "[RESCUE]\napi_key = \"x\"\n", 0600);
    static const mode_t modes[] = {0640, 0604, 0660, 0602, 0644};
    for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
        assert_int_equal(chmod(h->path, modes[i]), 0);
        assert_fails(load(h, "RESCUE", &secret, &err), LH_DENIED, "secret.file_mode", err);
    }
    assert_int_equal(chmod(h->path, 0600), 0);
    assert_ok(load(h, "RESCUE", &secret, &err), err);
}

static void
a_file_of_somebody_else_is_refused(void **state)
{
    struct house *h = *state;
    LH_AUTO(lh_secret) *secret = NULL;
    LH_AUTO_ERROR(err);

    if (geteuid() != 0)
        skip();
    file_write(h, "[RESCUE]\napi_key = \"x\"\n", 0600);
    assert_int_equal(chown(h->path, 12345, (gid_t)-1), 0);
    assert_fails(load(h, "RESCUE", &secret, &err), LH_DENIED, "secret.file_mode", err);
}

static void
a_file_that_is_missing_or_too_big_is_told_of(void **state)
{
    struct house *h = *state;
    LH_AUTO(lh_secret) *secret = NULL;
    LH_AUTO_ERROR(err);
    char *big = malloc(70000);

    memset(big, '\n', 69999);
    big[69999] = '\0';
    file_write(h, big, 0600);
    free(big);
    assert_fails(load(h, "RESCUE", &secret, &err), LH_TOO_BIG, "secret.too_big", err);
    assert_int_equal(unlink(h->path), 0);
    assert_fails(load(h, "RESCUE", &secret, &err), LH_NOT_FOUND, "os.enoent", err);
}

static void
bad_text_is_refused_without_being_shown(void **state)
{
    static const char *const bad[] = {
        "api_key = \"" CANARY "\"",         "[A]\napi_key = " CANARY,
        "[A]\napi_key = \"" CANARY,         "[A]\napi_key \"" CANARY "\"",
        "[A\napi_key = \"" CANARY "\"",     "[A]\nk = \"" CANARY "\" " CANARY,
        "[A.B]\nk = \"" CANARY "\"",        "[A]\nk = \"" CANARY "\\x\"",
        "[A]\nk = \"" CANARY "\\u0000\"",   "[A]\nk = \"" CANARY "\\ud800\"",
        "{\"A\":{\"k\":\"" CANARY "\"}",    "{\"A\":\"" CANARY "\"}",
        "{\"A\":{\"k\":\"" CANARY "\"}} x", "{\"A\":{\"k\":[\"" CANARY "\"]}}",
        "{\"A\":{\"k\" \"" CANARY "\"}}",   "{,}",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct secret_page page = {0};
        LH_AUTO_ERROR(err);

        assert_int_equal(secret_text_file(lh_str_of(bad[i]), LH_STR("A"), &page, &err), LH_CORRUPT);
        assert_null(strstr(err.text, CANARY));
        secret_page_fini(&page);
    }
}

static void
a_command_prints_the_entry_it_is_asked_for(void **state)
{
    struct house *h = *state;
    LH_AUTO(lh_secret) *secret = NULL;
    LH_AUTO_ERROR(err);

    command_write(h, "printf '{\"api_key\":\"key of %s\"}' \"$1\"\n", "");
    assert_ok(load(h, "MODEL_B", &secret, &err), err);
    assert_str(lh_secret_field(secret, "API_KEY"), "key of MODEL_B");
}

static void
a_command_that_fails_is_told_of_without_what_it_printed(void **state)
{
    struct house *h = *state;
    LH_AUTO(lh_secret) *secret = NULL;
    LH_AUTO_ERROR(err);

    command_write(h, "echo " CANARY "; echo " CANARY " >&2; exit 3\n", "");
    assert_int_equal(load(h, "MODEL_B", &secret, &err), LH_UNAVAILABLE);
    assert_string_equal(err.reason, "secret.command");
    assert_non_null(strstr(err.text, "code 3"));
    assert_null(strstr(err.text, CANARY));
}

static void
a_command_that_hangs_is_killed_with_its_children(void **state)
{
    struct house *h = *state;
    LH_AUTO(lh_secret) *secret = NULL;
    LH_AUTO_ERROR(err);

    command_write(h, "sleep 1000 & sleep 1000\n", "command_timeout = \"50ms\"\n");
    assert_fails(load(h, "MODEL_B", &secret, &err), LH_UNAVAILABLE, "secret.command", err);
}

static void
a_command_that_closes_its_output_and_stays_is_killed(void **state)
{
    struct house *h = *state;
    LH_AUTO(lh_secret) *secret = NULL;
    LH_AUTO_ERROR(err);

    command_write(h, "exec >&-; sleep 1000\n", "command_timeout = \"50ms\"\n");
    assert_fails(load(h, "MODEL_B", &secret, &err), LH_UNAVAILABLE, "secret.command", err);
}

static void
a_command_that_prints_without_end_is_stopped(void **state)
{
    struct house *h = *state;
    LH_AUTO(lh_secret) *secret = NULL;
    LH_AUTO_ERROR(err);

    command_write(h, "yes\n", "size_max = \"10KiB\"\n");
    assert_fails(load(h, "MODEL_B", &secret, &err), LH_TOO_BIG, "secret.too_big", err);
}

static void
a_command_that_is_not_there_is_told_of(void **state)
{
    struct house *h = *state;
    LH_AUTO(lh_secret) *secret = NULL;
    LH_AUTO_ERROR(err);

    configure(h, "[secrets]\ncommand = [\"/nonexistent/program\"]\n");
    assert_fails(load(h, "MODEL_B", &secret, &err), LH_UNAVAILABLE, "secret.command", err);
}

/* "dd" is do-not-dump and "wf" wipe-on-fork in VmFlags of proc(5). */
static bool
is_kept_out(const void *where)
{
    FILE *maps = fopen("/proc/self/smaps", "r");
    unsigned long from, to, at = (unsigned long)(uintptr_t)where;
    bool is_here = false, is_out = false;
    char line[512];

    assert_non_null(maps);
    while (fgets(line, sizeof(line), maps)) {
        if (sscanf(line, "%lx-%lx ", &from, &to) == 2)
            is_here = from <= at && at < to;
        else if (is_here && strncmp(line, "VmFlags:", 8) == 0)
            is_out = strstr(line, " dd") && strstr(line, " wf");
    }
    fclose(maps);
    return is_out;
}

static void
values_are_kept_out_of_core_files_and_children(void **state)
{
    struct house *h = *state;
    LH_AUTO(lh_secret) *secret = NULL;
    LH_AUTO_ERROR(err);

    file_write(h, "[RESCUE]\napi_key = \"x\"\n", 0600);
    assert_ok(load(h, "RESCUE", &secret, &err), err);
    assert_true(is_kept_out(lh_secret_field(secret, "API_KEY").ptr));
}

int
main(void)
{
#define IN_HOUSE(test) cmocka_unit_test_setup_teardown(test, house_open, house_close)
    const struct CMUnitTest tests[] = {
        IN_HOUSE(a_variable_is_found_and_gone_from_the_environment),
        IN_HOUSE(a_later_variable_takes_the_place_of_an_earlier_one),
        IN_HOUSE(an_entry_that_nobody_has_is_not_found),
        IN_HOUSE(a_toml_file_has_one_table_for_each_entry),
        IN_HOUSE(a_json_file_has_one_object_for_each_entry),
        IN_HOUSE(a_file_that_others_may_read_is_refused),
        IN_HOUSE(a_file_of_somebody_else_is_refused),
        IN_HOUSE(a_file_that_is_missing_or_too_big_is_told_of),
        cmocka_unit_test(bad_text_is_refused_without_being_shown),
        IN_HOUSE(a_command_prints_the_entry_it_is_asked_for),
        IN_HOUSE(a_command_that_fails_is_told_of_without_what_it_printed),
        IN_HOUSE(a_command_that_hangs_is_killed_with_its_children),
        IN_HOUSE(a_command_that_closes_its_output_and_stays_is_killed),
        IN_HOUSE(a_command_that_prints_without_end_is_stopped),
        IN_HOUSE(a_command_that_is_not_there_is_told_of),
        IN_HOUSE(values_are_kept_out_of_core_files_and_children),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
