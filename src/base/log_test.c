#include "base/testing.h"

#include <pthread.h>
#include <pty.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/json.h"
#include "base/log.h"
#include "base/thread.h"
#include "base/time.h"

/* Runs `write_lines` in a child with standard error on `err_fd` and gathers what arrives at `from`.
 */
static void
gather(void (*write_lines)(void), int err_fd, int from, struct lh_buf *out)
{
    pid_t child = fork();
    int status;

    if (child == 0) {
        dup2(err_fd, STDERR_FILENO);
        write_lines();
        _exit(0);
    }
    close(err_fd);
    for (;;) {
        uint8_t *to = lh_buf_reserve(out, 4096);
        ssize_t got = read(from, to, 4096);
        if (got <= 0) /* a terminal whose other side is gone answers EIO */
            break;
        lh_buf_advance(out, (size_t)got);
    }
    close(from);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void
gather_by_pipe(void (*write_lines)(void), struct lh_buf *out)
{
    int ends[2];

    assert_int_equal(pipe(ends), 0);
    gather(write_lines, ends[1], ends[0], out);
}

static json_t *
next_line(lh_str *rest)
{
    LH_AUTO_ERROR(err);
    json_t *v = NULL;
    lh_str line;

    assert_true(lh_str_cut(rest, '\n', &line));
    assert_ok(lh_json_parse(line, &v, &err), err);
    return v;
}

static void
write_one(void)
{
    lh_log(LH_LOG_INFO, "queryd", "query done", LH_LOG_I("rows", 3),
           LH_LOG_S("sql", "SELECT \"x\""), LH_LOG_F("seconds", 0.5), LH_LOG_B("is_cached", true),
           LH_LOG_V("none", LH_STR_NONE));
}

static void
a_line_is_one_json_object(void **state)
{
    LH_AUTO_BUF(out, 100000);
    lh_str text;
    const char *field;
    int64_t us;

    (void)state;
    gather_by_pipe(write_one, &out);
    text = lh_buf_str(&out);
    LH_AUTO_JSON line = next_line(&text);
    assert_int_equal(text.len, 0);
    field = json_string_value(json_object_get(line, "time"));
    assert_true(lh_time_parse(lh_str_of(field), &us));
    assert_string_equal(json_string_value(json_object_get(line, "level")), "info");
    assert_string_equal(json_string_value(json_object_get(line, "service")), "queryd");
    assert_string_equal(json_string_value(json_object_get(line, "event")), "query done");
    assert_int_equal(json_integer_value(json_object_get(line, "rows")), 3);
    assert_string_equal(json_string_value(json_object_get(line, "sql")), "SELECT \"x\"");
    assert_true(json_real_value(json_object_get(line, "seconds")) == 0.5);
    assert_true(json_is_true(json_object_get(line, "is_cached")));
    assert_true(json_is_null(json_object_get(line, "none")));
}

static void
write_at_all_levels(void)
{
    lh_log_level_set(LH_LOG_WARN);
    lh_log(LH_LOG_DEBUG, "s", "debug");
    lh_log(LH_LOG_INFO, "s", "info");
    lh_log(LH_LOG_WARN, "s", "warn");
    lh_log(LH_LOG_ERROR, "s", "error");
    lh_log_level_set(LH_LOG_DEBUG);
    lh_log(LH_LOG_DEBUG, "s", "debug again");
}

static void
lines_below_the_level_are_not_written(void **state)
{
    static const char *const expected[] = {"warn", "error", "debug again"};
    LH_AUTO_BUF(out, 100000);

    (void)state;
    gather_by_pipe(write_at_all_levels, &out);
    lh_str text = lh_buf_str(&out);
    for (size_t i = 0; i < 3; i++) {
        LH_AUTO_JSON line = next_line(&text);
        assert_string_equal(json_string_value(json_object_get(line, "event")), expected[i]);
    }
    assert_int_equal(text.len, 0);
}

static void
write_error(void)
{
    LH_AUTO_ERROR(err);

    lh_fail(&err, LH_CONFLICT, "catalog.stale", "version 3 is old");
    lh_log_error(LH_LOG_ERROR, "catalogd", "commit failed", &err);
}

static void
an_error_is_logged_with_its_status_reason_and_text(void **state)
{
    LH_AUTO_BUF(out, 100000);

    (void)state;
    gather_by_pipe(write_error, &out);
    lh_str text = lh_buf_str(&out);
    LH_AUTO_JSON line = next_line(&text);
    assert_string_equal(json_string_value(json_object_get(line, "status")), "conflict");
    assert_string_equal(json_string_value(json_object_get(line, "reason")), "catalog.stale");
    assert_string_equal(json_string_value(json_object_get(line, "text")), "version 3 is old");
}

static void
write_long(void)
{
    size_t size = 100000;
    char *text = malloc(size);

    memset(text, 'x', size);
    lh_str s = {text, size};
    lh_log(LH_LOG_INFO, "s", "long", LH_LOG_V("a", s));
    memset(text, '\x01', size); /* six characters each when escaped */
    lh_log(LH_LOG_INFO, "s", "longer", LH_LOG_V("a", s), LH_LOG_V("b", s));
    free(text);
}

static void
long_fields_are_cut_and_longer_lines_lose_their_fields(void **state)
{
    LH_AUTO_BUF(out, 1000000);

    (void)state;
    gather_by_pipe(write_long, &out);
    lh_str text = lh_buf_str(&out);
    LH_AUTO_JSON long_line = next_line(&text);
    assert_int_equal(json_string_length(json_object_get(long_line, "a")), 8192);
    LH_AUTO_JSON longer_line = next_line(&text);
    assert_string_equal(json_string_value(json_object_get(longer_line, "event")), "longer");
    assert_true(json_is_true(json_object_get(longer_line, "is_cut")));
}

enum { THREADS = 4, LINES = 500 };

static void *
write_many(void *arg)
{
    for (int i = 0; i < LINES; i++)
        lh_log(LH_LOG_INFO, "s", "many", LH_LOG_S("filler", (const char *)arg));
    return NULL;
}

static void
write_from_threads(void)
{
    static char filler[1000];
    pthread_t threads[THREADS];

    memset(filler, 'f', sizeof(filler) - 1);
    for (int i = 0; i < THREADS; i++)
        lh_thread_start(&threads[i], "writer", write_many, filler, NULL);
    for (int i = 0; i < THREADS; i++)
        lh_thread_join(threads[i]);
}

static void
lines_of_many_threads_never_mix(void **state)
{
    LH_AUTO_BUF(out, 10000000);

    (void)state;
    gather_by_pipe(write_from_threads, &out);
    lh_str text = lh_buf_str(&out);
    for (int i = 0; i < THREADS * LINES; i++) {
        LH_AUTO_JSON line = next_line(&text);
        assert_int_equal(json_string_length(json_object_get(line, "filler")), 999);
    }
    assert_int_equal(text.len, 0);
}

static void
gather_by_terminal(struct lh_buf *out)
{
    int terminal, child_side;

    assert_int_equal(openpty(&terminal, &child_side, NULL, NULL, NULL), 0);
    gather(write_one, child_side, terminal, out);
}

static void
a_terminal_gets_short_text_unless_json_is_asked_for(void **state)
{
    LH_AUTO_BUF(text, 100000);
    LH_AUTO_BUF(json, 100000);

    (void)state;
    unsetenv("LAKEHOUSE_LOG");
    gather_by_terminal(&text);
    assert_str(lh_str_slice(lh_buf_str(&text), 12, text.len),
               " info  queryd: query done rows=3 sql=\"SELECT \\\"x\\\"\" seconds=0.5 "
               "is_cached=true none=null\r\n");
    setenv("LAKEHOUSE_LOG", "json", 1);
    gather_by_terminal(&json);
    unsetenv("LAKEHOUSE_LOG");
    assert_true(lh_str_starts(lh_buf_str(&json), LH_STR("{\"time\":")));
}

static void
levels_have_names(void **state)
{
    enum lh_log_level level = LH_LOG_INFO;

    (void)state;
    assert_true(lh_log_level_parse(LH_STR("warn"), &level));
    assert_int_equal(level, LH_LOG_WARN);
    assert_false(lh_log_level_parse(LH_STR("WARN"), &level));
    assert_false(lh_log_level_parse(LH_STR(""), &level));
    assert_int_equal(level, LH_LOG_WARN);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_is_one_json_object),
        cmocka_unit_test(lines_below_the_level_are_not_written),
        cmocka_unit_test(an_error_is_logged_with_its_status_reason_and_text),
        cmocka_unit_test(long_fields_are_cut_and_longer_lines_lose_their_fields),
        cmocka_unit_test(lines_of_many_threads_never_mix),
        cmocka_unit_test(a_terminal_gets_short_text_unless_json_is_asked_for),
        cmocka_unit_test(levels_have_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
