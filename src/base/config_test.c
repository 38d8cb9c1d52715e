#include "base/testing.h"

#include <stdlib.h>
#include <unistd.h>

#include "base/config.h"
#include "base/file.h"

static const struct lh_config_key bucket_fields[] = {
    {.name = "name", .kind = LH_CONFIG_STR, .doc = "Its name."},
    {.name = "endpoint", .kind = LH_CONFIG_STR, .def = "", .doc = "A folder | an address."},
    {.name = "secret_key", .kind = LH_CONFIG_STR, .def = "", .doc = "Key.", .is_secret = true},
    {.name = "part_size",
     .kind = LH_CONFIG_SIZE,
     .def = "8MiB",
     .min = 1,
     .max = INT64_C(1) << 33,
     .doc = "Part."},
    {0},
};

static const struct lh_config_key query_keys[] = {
    {.name = "query.memory_limit",
     .kind = LH_CONFIG_SIZE,
     .def = "2GiB",
     .min = 1 << 20,
     .max = INT64_C(1) << 40,
     .doc = "Memory of one engine."},
    {.name = "query.threads",
     .kind = LH_CONFIG_I64,
     .def = "4",
     .min = 1,
     .max = 64,
     .doc = "Threads."},
    {.name = "query.timeout",
     .kind = LH_CONFIG_DURATION,
     .def = "30s",
     .min = 1,
     .max = 3600000,
     .doc = "Deadline."},
    {.name = "query.spill_folder", .kind = LH_CONFIG_STR, .doc = "Where to spill."},
    {0},
};

static const struct lh_config_key other_keys[] = {
    {.name = "hosts", .kind = LH_CONFIG_LIST, .def = "a, \"b\"", .doc = "Hosts."},
    {.name = "sampling", .kind = LH_CONFIG_F64, .def = "0.25", .min = 0, .max = 2, .doc = "Share."},
    {.name = "mesh.is_open", .kind = LH_CONFIG_BOOL, .def = "true", .doc = "Open."},
    {.name = "mesh.token", .kind = LH_CONFIG_STR, .def = "", .doc = "Token.", .is_secret = true},
    {.name = "mesh.count", .kind = LH_CONFIG_I64, .doc = "Any number."},
    {.name = "bucket", .kind = LH_CONFIG_TABLES, .doc = "Buckets.", .fields = bucket_fields},
    {0},
};

static const struct lh_config_key *const tables[] = {query_keys, other_keys, NULL};

static struct lh_config *
parsed(const char *toml)
{
    LH_AUTO_ERROR(err);
    struct lh_config *c = NULL;

    assert_ok(lh_config_parse(tables, lh_str_of(toml), "lake.toml", &c, &err), err);
    return c;
}

static void
assert_refused(const char *toml, const char *reason, const char *text)
{
    LH_AUTO_ERROR(err);
    LH_AUTO(lh_config) *c = NULL;

    assert_int_equal(lh_config_parse(tables, lh_str_of(toml), "lake.toml", &c, &err), LH_INVALID);
    assert_null(c);
    assert_string_equal(err.text, text);
    assert_string_equal(err.reason, reason);
}

static void
defaults_hold_when_nothing_is_said(void **state)
{
    LH_AUTO_ERROR(err);
    LH_AUTO(lh_config) *c = NULL;

    (void)state;
    assert_ok(lh_config_load(tables, NULL, &c, &err), err);
    assert_int_equal(lh_config_size(c, "query.memory_limit"), INT64_C(2) << 30);
    assert_int_equal(lh_config_i64(c, "query.threads"), 4);
    assert_int_equal(lh_config_ms(c, "query.timeout"), 30000);
    assert_string_equal(lh_config_str(c, "query.spill_folder"), "");
    assert_int_equal(lh_config_list_count(c, "hosts"), 2);
    assert_string_equal(lh_config_list_at(c, "hosts", 1), "b");
    assert_true(lh_config_f64(c, "sampling") == 0.25);
    assert_true(lh_config_bool(c, "mesh.is_open"));
    assert_int_equal(lh_config_i64(c, "mesh.count"), 0);
    assert_int_equal(lh_config_tables_count(c, "bucket"), 0);
    assert_false(lh_config_is_set(c, "query.threads"));
}

static void
a_file_overrides_the_defaults(void **state)
{
    LH_AUTO(lh_config) *c = parsed("hosts = [\"x\", \"y\", \"z\"]\n"
                                   "sampling = 1\n"
                                   "[query]\n"
                                   "memory_limit = \"512 mib\"\n"
                                   "threads = 8\n"
                                   "timeout = 1500\n"
                                   "spill_folder = \"/spill\"\n"
                                   "[mesh]\n"
                                   "is_open = false\n"
                                   "count = -9223372036854775808\n");

    (void)state;
    assert_int_equal(lh_config_size(c, "query.memory_limit"), 512 << 20);
    assert_int_equal(lh_config_i64(c, "query.threads"), 8);
    assert_int_equal(lh_config_ms(c, "query.timeout"), 1500);
    assert_string_equal(lh_config_str(c, "query.spill_folder"), "/spill");
    assert_int_equal(lh_config_list_count(c, "hosts"), 3);
    assert_true(lh_config_f64(c, "sampling") == 1);
    assert_false(lh_config_bool(c, "mesh.is_open"));
    assert_true(lh_config_i64(c, "mesh.count") == INT64_MIN);
    assert_true(lh_config_is_set(c, "query.threads"));
    assert_false(lh_config_is_set(c, "mesh.token"));
}

static void
sizes_have_binary_and_decimal_units(void **state)
{
    static const struct {
        const char *toml;
        uint64_t bytes;
    } sizes[] = {
        {"query.memory_limit = 1048576", 1048576},
        {"query.memory_limit = \"1048577\"", 1048577},
        {"query.memory_limit = \"1048577B\"", 1048577},
        {"query.memory_limit = \"2048KiB\"", 2 << 20},
        {"query.memory_limit = \"3MB\"", 3000000},
        {"query.memory_limit = \"2GB\"", 2000000000},
        {"query.memory_limit = \"1TiB\"", UINT64_C(1) << 40},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        LH_AUTO(lh_config) *c = parsed(sizes[i].toml);
        assert_int_equal(lh_config_size(c, "query.memory_limit"), sizes[i].bytes);
    }
    assert_refused("query.memory_limit = \"2 apples\"", "config.type",
                   "lake.toml:1:22: query.memory_limit must be a size such as 64MiB, "
                   "not \"2 apples\"");
    assert_refused("query.memory_limit = \"99999999999TiB\"", "config.type",
                   "lake.toml:1:22: query.memory_limit must be a size such as 64MiB, "
                   "not \"99999999999TiB\"");
}

static void
an_unknown_key_is_placed_and_near_names_are_offered(void **state)
{
    (void)state;
    assert_refused("[query]\n  memory_limt = \"1GiB\"\n", "config.unknown_key",
                   "lake.toml:2:3: unknown key \"query.memory_limt\"; "
                   "did you mean \"query.memory_limit\"?");
    assert_refused("threads = 2\n", "config.unknown_key",
                   "lake.toml:1:1: unknown key \"threads\"; did you mean \"query.threads\"?");
    assert_refused("[weather]\nsunshine = 1\n", "config.unknown_key",
                   "lake.toml:2:1: unknown key \"weather.sunshine\"");
    assert_refused("[[bucket]]\nname = \"x\"\nendpont = \"y\"\n", "config.unknown_key",
                   "lake.toml:3:1: unknown key \"endpont\"; did you mean \"endpoint\"?");
    assert_refused("[bucket]\nname = \"x\"\n", "config.unknown_key",
                   "lake.toml:2:1: unknown key \"bucket.name\"; "
                   "an array of tables is written [[bucket]]");
}

static void
a_wrong_type_is_placed_at_its_value(void **state)
{
    (void)state;
    assert_refused("query.threads = \"4\"", "config.type",
                   "lake.toml:1:17: query.threads must be an integer, not a string");
    assert_refused("[query]\nspill_folder = 5", "config.type",
                   "lake.toml:2:16: query.spill_folder must be a string, not an integer");
    assert_refused("mesh.is_open = 1", "config.type",
                   "lake.toml:1:16: mesh.is_open must be true or false, not an integer");
    assert_refused("query.threads = true", "config.type",
                   "lake.toml:1:17: query.threads must be an integer, not a boolean");
    assert_refused("sampling = inf", "config.type",
                   "lake.toml:1:12: sampling must be a finite number, "
                   "not a floating-point number");
    assert_refused("sampling = 2020-01-01", "config.type",
                   "lake.toml:1:12: sampling must be a finite number, not a date or time");
    assert_refused("query.timeout = \"soon\"", "config.type",
                   "lake.toml:1:17: query.timeout must be a duration such as 30s, not \"soon\"");
    assert_refused("query.timeout = -1", "config.type",
                   "lake.toml:1:17: query.timeout must be a duration such as 30s, not an integer");
    assert_refused("hosts = \"a\"", "config.type",
                   "lake.toml:1:9: hosts must be a list of strings, not a string");
    assert_refused("hosts = [\"a\", 4]", "config.type",
                   "lake.toml:1:15: hosts must hold strings, not an integer");
    assert_refused("hosts = [[\"a\"]]", "config.type",
                   "lake.toml:1:10: hosts must hold strings, not a list");
    assert_refused("hosts = [{a=1}]", "config.type",
                   "lake.toml:1:10: hosts must be a list of strings, not a table");
    assert_refused("query.threads = [4]", "config.type",
                   "lake.toml:1:17: query.threads must be an integer, not a list");
    assert_refused("bucket = [\"a\"]", "config.type",
                   "lake.toml:1:11: bucket must be an array of tables, not a list");
    assert_refused("bucket = 3", "config.type",
                   "lake.toml:1:10: bucket must be an array of tables, not an integer");
}

static void
a_value_out_of_range_is_refused_with_the_range(void **state)
{
    (void)state;
    assert_refused("query.threads = 65", "config.range",
                   "lake.toml:1:17: query.threads is 65, but must be from 1 to 64");
    assert_refused("query.memory_limit = \"1KiB\"", "config.range",
                   "lake.toml:1:22: query.memory_limit is 1KiB, but must be from 1MiB to 1TiB");
    assert_refused("sampling = 2.5", "config.range",
                   "lake.toml:1:12: sampling is 2.5, but must be from 0 to 2");
    assert_refused("sampling = -0.01", "config.range",
                   "lake.toml:1:12: sampling is -0.01, but must be from 0 to 2");
    assert_refused("sampling = 95", "config.range",
                   "lake.toml:1:12: sampling is 95, but must be from 0 to 2");
    assert_refused("query.timeout = \"2h\"", "config.range",
                   "lake.toml:1:17: query.timeout is 2h, but must be from 1ms to 1h");
}

static void
a_syntax_error_is_placed(void **state)
{
    LH_AUTO_ERROR(err);
    struct lh_config *c = NULL;

    (void)state;
    assert_int_equal(lh_config_parse(tables, LH_STR("a = 1\nb = \n"), "lake.toml", &c, &err),
                     LH_INVALID);
    assert_string_equal(err.reason, "config.syntax");
    assert_true(lh_str_starts(lh_str_of(err.text), LH_STR("lake.toml:2:")));
}

static void
arrays_of_tables_are_read_in_order(void **state)
{
    LH_AUTO(lh_config) *c = parsed("[[bucket]]\n"
                                   "name = \"one\"\n"
                                   "part_size = \"16MiB\"\n"
                                   "[[bucket]]\n"
                                   "name = \"two\"\n"
                                   "endpoint = \"./data\"\n");

    (void)state;
    assert_int_equal(lh_config_tables_count(c, "bucket"), 2);
    const struct lh_config *one = lh_config_tables_at(c, "bucket", 0);
    const struct lh_config *two = lh_config_tables_at(c, "bucket", 1);
    assert_string_equal(lh_config_str(one, "name"), "one");
    assert_int_equal(lh_config_size(one, "part_size"), 16 << 20);
    assert_string_equal(lh_config_str(one, "endpoint"), "");
    assert_string_equal(lh_config_str(two, "endpoint"), "./data");
    assert_int_equal(lh_config_size(two, "part_size"), 8 << 20);
    assert_true(lh_config_is_set(two, "endpoint"));
    LH_AUTO(lh_config) *inline_tables = parsed("bucket = [{name = \"i\"}]");
    assert_int_equal(lh_config_tables_count(inline_tables, "bucket"), 1);
    LH_AUTO(lh_config) *none = parsed("bucket = []");
    assert_int_equal(lh_config_tables_count(none, "bucket"), 0);
}

static void
a_table_without_a_required_key_is_refused(void **state)
{
    (void)state;
    assert_refused("[[bucket]]\nname = \"x\"\n\n[[bucket]]\nendpoint = \"y\"\n", "config.missing",
                   "lake.toml:4:1: this [[bucket]] needs \"name\"");
}

static void
the_environment_overrides_the_file(void **state)
{
    LH_AUTO_ERROR(err);
    struct lh_config *bad = NULL;

    (void)state;
    setenv("LAKEHOUSE_QUERY_THREADS", "16", 1);
    setenv("LAKEHOUSE_HOSTS", "p, q", 1);
    setenv("LAKEHOUSE_NO_SUCH_KEY", "ignored", 1);
    setenv("LAKEHOUSE_BUCKET", "ignored", 1);
    LH_AUTO(lh_config) *c = parsed("query.threads = 8\nhosts = [\"x\"]\n");
    assert_int_equal(lh_config_i64(c, "query.threads"), 16);
    assert_int_equal(lh_config_list_count(c, "hosts"), 2);
    assert_string_equal(lh_config_list_at(c, "hosts", 0), "p");
    setenv("LAKEHOUSE_QUERY_THREADS", "many", 1);
    assert_int_equal(lh_config_parse(tables, LH_STR(""), "lake.toml", &bad, &err), LH_INVALID);
    assert_string_equal(err.text,
                        "LAKEHOUSE_QUERY_THREADS: query.threads must be an integer, not \"many\"");
    unsetenv("LAKEHOUSE_QUERY_THREADS");
    unsetenv("LAKEHOUSE_HOSTS");
    unsetenv("LAKEHOUSE_NO_SUCH_KEY");
    unsetenv("LAKEHOUSE_BUCKET");
}

static void
the_command_line_overrides_everything_and_is_checked(void **state)
{
    LH_AUTO(lh_config) *c = parsed("query.threads = 8");
    LH_AUTO_ERROR(err);

    (void)state;
    assert_ok(lh_config_set(c, "query.threads", LH_STR("32"), &err), err);
    assert_int_equal(lh_config_i64(c, "query.threads"), 32);
    assert_ok(lh_config_set(c, "hosts", LH_STR("[\"m\", n]"), &err), err);
    assert_string_equal(lh_config_list_at(c, "hosts", 0), "m");
    assert_ok(lh_config_set(c, "hosts", LH_STR(""), &err), err);
    assert_int_equal(lh_config_list_count(c, "hosts"), 0);
    assert_fails(lh_config_set(c, "query.threads", LH_STR("0"), &err), LH_INVALID, "config.range",
                 err);
    assert_fails(lh_config_set(c, "bucket", LH_STR("x"), &err), LH_INVALID, "config.type", err);
    assert_int_equal(lh_config_set(c, "query.thread", LH_STR("1"), &err), LH_INVALID);
    assert_string_equal(err.text, "command line: unknown key \"query.thread\"; "
                                  "did you mean \"query.threads\"?");
    assert_int_equal(lh_config_i64(c, "query.threads"), 32);
}

static void
a_file_is_loaded_by_its_path(void **state)
{
    char path[] = "/tmp/lakehouse-config-test-XXXXXX";
    LH_AUTO_FD fd = mkstemp(path);
    LH_AUTO_ERROR(err);
    LH_AUTO(lh_config) *c = NULL;
    struct lh_config *bad = NULL;

    (void)state;
    assert_ok(lh_file_write_all(fd, lh_str_bytes(LH_STR("query.threads = 2\n")), &err), err);
    assert_ok(lh_config_load(tables, path, &c, &err), err);
    assert_int_equal(lh_config_i64(c, "query.threads"), 2);
    unlink(path);
    assert_fails(lh_config_load(tables, path, &bad, &err), LH_NOT_FOUND, "os.enoent", err);
}

static const char full_toml[] = "sampling = 2\n"
                                "[mesh]\n"
                                "token = \"hush\"\n"
                                "[query]\n"
                                "spill_folder = \"/a \\\"b\\\"\"\n"
                                "[[bucket]]\n"
                                "name = \"one\"\n"
                                "secret_key = \"hush\"\n";

static void
effective_settings_print_with_sources_and_without_secrets(void **state)
{
    LH_AUTO(lh_config) *c = parsed(full_toml);
    LH_AUTO_BUF(out, 10000);

    (void)state;
    assert_int_equal(lh_config_set(c, "query.threads", LH_STR("2"), NULL), LH_OK);
    lh_config_print(c, &out);
    assert_str(lh_buf_str(&out), "query.memory_limit = \"2GiB\"  # default\n"
                                 "query.threads = 2  # command line\n"
                                 "query.timeout = \"30s\"  # default\n"
                                 "query.spill_folder = \"/a \\\"b\\\"\"  # lake.toml:5:16\n"
                                 "hosts = [\"a\", \"b\"]  # default\n"
                                 "sampling = 2  # lake.toml:1:12\n"
                                 "mesh.is_open = true  # default\n"
                                 "mesh.token = \"***\"  # lake.toml:3:9\n"
                                 "mesh.count = 0  # default\n"
                                 "\n"
                                 "[[bucket]]\n"
                                 "name = \"one\"  # lake.toml:7:8\n"
                                 "endpoint = \"\"  # default\n"
                                 "secret_key = \"***\"  # lake.toml:8:14\n"
                                 "part_size = \"8MiB\"  # default\n");
}

static void
what_is_printed_reads_back(void **state)
{
    LH_AUTO(lh_config) *c = parsed(full_toml);
    LH_AUTO_BUF(out, 10000);

    (void)state;
    lh_config_print(c, &out);
    LH_AUTO(lh_config) *again = parsed(lh_buf_cstr(&out));
    assert_string_equal(lh_config_str(again, "query.spill_folder"), "/a \"b\"");
    assert_int_equal(lh_config_ms(again, "query.timeout"), 30000);
    assert_string_equal(lh_config_str(lh_config_tables_at(again, "bucket", 0), "name"), "one");
}

static void
a_wrong_secret_is_not_repeated(void **state)
{
    static const struct lh_config_key keys[] = {
        {.name = "pin", .kind = LH_CONFIG_I64, .def = "0", .doc = "Pin.", .is_secret = true}, {0}};
    const struct lh_config_key *const list[] = {keys, NULL};
    LH_AUTO_ERROR(err);
    LH_AUTO(lh_config) *c = NULL;

    (void)state;
    assert_ok(lh_config_load(list, NULL, &c, &err), err);
    assert_int_equal(lh_config_set(c, "pin", LH_STR("hush"), &err), LH_INVALID);
    assert_string_equal(err.text, "command line: pin must be an integer, not \"***\"");
}

static void
the_reference_has_a_row_for_every_key(void **state)
{
    LH_AUTO_BUF(out, 10000);
    size_t at;

    (void)state;
    lh_config_reference(tables, &out);
    assert_true(lh_str_starts(lh_buf_str(&out), LH_STR("| Key | Value | Default | Range | ")));
    static const char *const rows[] = {
        "\n| `query.memory_limit` | a size such as 64MiB | `2GiB` | 1MiB to 1TiB | "
        "Memory of one engine. | `LAKEHOUSE_QUERY_MEMORY_LIMIT` |\n",
        "\n| `mesh.token` | a string |  |  | Token. Secret: never shown. | "
        "`LAKEHOUSE_MESH_TOKEN` |\n",
        "\n| `bucket` | an array of tables |  |  | Buckets. | |\n",
        "\n### Each `[[bucket]]`\n\n| Key | Value |",
        "\n| `name` | a string | required |  | Its name. |\n",
        "\n| `endpoint` | a string |  |  | A folder \\| an address. |\n",
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        if (!lh_str_find(lh_buf_str(&out), lh_str_of(rows[i]), &at))
            fail_msg("no %s in\n%s", rows[i], lh_buf_cstr(&out));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults_hold_when_nothing_is_said),
        cmocka_unit_test(a_file_overrides_the_defaults),
        cmocka_unit_test(sizes_have_binary_and_decimal_units),
        cmocka_unit_test(an_unknown_key_is_placed_and_near_names_are_offered),
        cmocka_unit_test(a_wrong_type_is_placed_at_its_value),
        cmocka_unit_test(a_value_out_of_range_is_refused_with_the_range),
        cmocka_unit_test(a_syntax_error_is_placed),
        cmocka_unit_test(arrays_of_tables_are_read_in_order),
        cmocka_unit_test(a_table_without_a_required_key_is_refused),
        cmocka_unit_test(the_environment_overrides_the_file),
        cmocka_unit_test(the_command_line_overrides_everything_and_is_checked),
        cmocka_unit_test(a_file_is_loaded_by_its_path),
        cmocka_unit_test(effective_settings_print_with_sources_and_without_secrets),
        cmocka_unit_test(what_is_printed_reads_back),
        cmocka_unit_test(a_wrong_secret_is_not_repeated),
        cmocka_unit_test(the_reference_has_a_row_for_every_key),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
