#include "base/testing.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "base/metrics.h"
#include "base/thread.h"

/* The lines of one family, its HELP and TYPE lines included; the caller frees them. */
static char *
family_text(const char *name)
{
    LH_AUTO_BUF(all, LH_BUF_UNLIMITED);
    LH_AUTO_BUF(mine, LH_BUF_UNLIMITED);
    LH_AUTO_CHARS help = lh_asprintf("# HELP %s ", name);
    bool is_mine = false;
    lh_str rest, line;

    lh_metrics_print(&all);
    rest = lh_buf_str(&all);
    while (lh_str_cut(&rest, '\n', &line)) {
        if (lh_str_starts(line, LH_STR("# HELP ")))
            is_mine = lh_str_starts(line, lh_str_of(help));
        if (is_mine)
            lh_buf_printf(&mine, "%.*s\n", LH_FMT(line));
    }
    return lh_buf_take_cstr(&mine);
}

static void
counters_print_a_line_for_each_series(void **state)
{
    (void)state;
    lh_metric_add(lh_counter("t_requests_total", "Requests\nanswered \\ \"all\".", "route,status",
                             "/a", "200", NULL),
                  2);
    lh_metric_add(lh_counter("t_requests_total", "", "route,status", "q\"\\\n", "500", NULL), 1);
    lh_metric_add(lh_counter("t_requests_total", "", "route,status", "/a", "200", NULL), 3);
    LH_AUTO_CHARS text = family_text("t_requests_total");
    assert_string_equal(text, "# HELP t_requests_total Requests\\nanswered \\\\ \"all\".\n"
                              "# TYPE t_requests_total counter\n"
                              "t_requests_total{route=\"/a\",status=\"200\"} 5\n"
                              "t_requests_total{route=\"q\\\"\\\\\\n\",status=\"500\"} 1\n");
}

static void
label_values_do_not_run_together(void **state)
{
    (void)state;
    struct lh_metric *a = lh_counter("t_pairs", "P.", "a,b", "x", "yz", NULL);
    struct lh_metric *b = lh_counter("t_pairs", "P.", "a,b", "xy", "z", NULL);
    assert_ptr_not_equal(a, b);
    assert_ptr_equal(a, lh_counter("t_pairs", "P.", "a,b", "x", "yz", NULL));
}

static void
gauges_go_both_ways(void **state)
{
    struct lh_metric *g = lh_gauge("t_open", "Open things.", "", NULL);

    (void)state;
    lh_metric_set(g, 10);
    lh_metric_add(g, -12);
    assert_int_equal(lh_metric_value(g), -2);
    LH_AUTO_CHARS text = family_text("t_open");
    assert_string_equal(text, "# HELP t_open Open things.\n# TYPE t_open gauge\nt_open -2\n");
}

static int64_t
read_number(void *arg)
{
    /* Registering from inside a callback would hang if it ran under the lock. */
    lh_metric_add(lh_counter("t_callbacks_total", "C.", "", NULL), 1);
    return *(int64_t *)arg;
}

static void
a_callback_is_read_when_printed(void **state)
{
    int64_t number = 42;

    (void)state;
    lh_gauge_callback("t_level", "Level.", read_number, &number);
    number = 43;
    LH_AUTO_CHARS text = family_text("t_level");
    assert_string_equal(text, "# HELP t_level Level.\n# TYPE t_level gauge\nt_level 43\n");
    lh_gauge_callback("t_level", "Level.", NULL, NULL);
    LH_AUTO_CHARS after = family_text("t_level");
    assert_string_equal(after, "# HELP t_level Level.\n# TYPE t_level gauge\nt_level 0\n");
}

static void
a_histogram_counts_cumulatively_in_seconds(void **state)
{
    struct lh_metric *h = lh_histogram("t_seconds", "Time.", "op", "get", NULL);

    (void)state;
    lh_metric_observe_ns(h, 0);
    lh_metric_observe_ns(h, 100000);              /* on the bound: belongs below it */
    lh_metric_observe_ns(h, 100001);              /* just above */
    lh_metric_observe_ns(h, INT64_C(2000000000)); /* 2 s */
    lh_metric_observe_ns(h, INT64_C(61000000000));
    assert_int_equal(lh_metric_value(h), 5);
    LH_AUTO_CHARS text = family_text("t_seconds");
    assert_string_equal(text, "# HELP t_seconds Time.\n"
                              "# TYPE t_seconds histogram\n"
                              "t_seconds_bucket{op=\"get\",le=\"0.0001\"} 2\n"
                              "t_seconds_bucket{op=\"get\",le=\"0.00025\"} 3\n"
                              "t_seconds_bucket{op=\"get\",le=\"0.0005\"} 3\n"
                              "t_seconds_bucket{op=\"get\",le=\"0.001\"} 3\n"
                              "t_seconds_bucket{op=\"get\",le=\"0.0025\"} 3\n"
                              "t_seconds_bucket{op=\"get\",le=\"0.005\"} 3\n"
                              "t_seconds_bucket{op=\"get\",le=\"0.01\"} 3\n"
                              "t_seconds_bucket{op=\"get\",le=\"0.025\"} 3\n"
                              "t_seconds_bucket{op=\"get\",le=\"0.05\"} 3\n"
                              "t_seconds_bucket{op=\"get\",le=\"0.1\"} 3\n"
                              "t_seconds_bucket{op=\"get\",le=\"0.25\"} 3\n"
                              "t_seconds_bucket{op=\"get\",le=\"0.5\"} 3\n"
                              "t_seconds_bucket{op=\"get\",le=\"1\"} 3\n"
                              "t_seconds_bucket{op=\"get\",le=\"2.5\"} 4\n"
                              "t_seconds_bucket{op=\"get\",le=\"5\"} 4\n"
                              "t_seconds_bucket{op=\"get\",le=\"10\"} 4\n"
                              "t_seconds_bucket{op=\"get\",le=\"30\"} 4\n"
                              "t_seconds_bucket{op=\"get\",le=\"60\"} 4\n"
                              "t_seconds_bucket{op=\"get\",le=\"+Inf\"} 5\n"
                              "t_seconds_sum{op=\"get\"} 63.000200001\n"
                              "t_seconds_count{op=\"get\"} 5\n");
}

static void
families_print_in_order_of_their_names(void **state)
{
    LH_AUTO_BUF(out, LH_BUF_UNLIMITED);
    size_t a, b, c;

    (void)state;
    lh_counter("t_order_b", "B.", "", NULL);
    lh_counter("t_order_c", "C.", "", NULL);
    lh_counter("t_order_a", "A.", "", NULL);
    lh_metrics_print(&out);
    assert_true(lh_str_find(lh_buf_str(&out), LH_STR("# HELP t_order_a"), &a));
    assert_true(lh_str_find(lh_buf_str(&out), LH_STR("# HELP t_order_b"), &b));
    assert_true(lh_str_find(lh_buf_str(&out), LH_STR("# HELP t_order_c"), &c));
    assert_true(a < b && b < c);
}

static void
labels_from_outside_cannot_fill_memory(void **state)
{
    size_t lines = 0;
    lh_str rest, line;

    (void)state;
    for (int i = 0; i < 3000; i++) {
        LH_AUTO_CHARS user = lh_asprintf("user-%d", i);
        lh_metric_add(lh_counter("t_users_total", "U.", "user", user, NULL), 1);
    }
    LH_AUTO_CHARS text = family_text("t_users_total");
    rest = lh_str_of(text);
    while (lh_str_cut(&rest, '\n', &line))
        lines++;
    assert_int_equal(lines, 2 + 1000);
    assert_int_equal(lh_metric_value(lh_counter("t_users_total", "U.", "user", "other", NULL)),
                     3000 - 999);
    assert_int_equal(lh_metric_value(lh_counter("t_users_total", "U.", "user", "user-7", NULL)), 1);
}

static void
long_and_broken_label_values_are_made_printable(void **state)
{
    char value[1000];

    (void)state;
    memset(value, 'v', sizeof(value) - 1);
    value[sizeof(value) - 1] = '\0';
    lh_counter("t_labels", "L.", "l", value, NULL);
    lh_counter("t_labels", "L.", "l", "\xFF", NULL);
    LH_AUTO_CHARS text = family_text("t_labels");
    value[128] = '\0';
    LH_AUTO_CHARS expected = lh_asprintf("# HELP t_labels L.\n# TYPE t_labels counter\n"
                                         "t_labels{l=\"%s\"} 0\nt_labels{l=\"invalid\"} 0\n",
                                         value);
    assert_string_equal(text, expected);
}

enum { THREADS = 4, ROUNDS = 20000 };

static void *
count_up(void *arg)
{
    struct lh_metric *own = arg;

    for (int i = 0; i < ROUNDS; i++) {
        LH_AUTO_CHARS label = lh_asprintf("%d", i % 50);
        lh_metric_add(lh_counter("t_shared_total", "S.", "n", label, NULL), 1);
        lh_metric_add(own, 1);
        lh_metric_observe_ns(lh_histogram("t_shared_seconds", "S.", "", NULL), i * 1000);
    }
    return NULL;
}

static void
no_count_is_lost_between_threads(void **state)
{
    struct lh_metric *own = lh_counter("t_own_total", "O.", "", NULL);
    pthread_t threads[THREADS];
    int64_t sum = 0;

    (void)state;
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(lh_thread_start(&threads[i], "count", count_up, own, NULL), LH_OK);
    for (int i = 0; i < 20; i++) {
        LH_AUTO_BUF(out, LH_BUF_UNLIMITED);
        lh_metrics_print(&out);
    }
    for (int i = 0; i < THREADS; i++)
        lh_thread_join(threads[i]);
    for (int i = 0; i < 50; i++) {
        LH_AUTO_CHARS label = lh_asprintf("%d", i);
        sum += lh_metric_value(lh_counter("t_shared_total", "S.", "n", label, NULL));
    }
    assert_int_equal(sum, THREADS * ROUNDS);
    assert_int_equal(lh_metric_value(own), THREADS * ROUNDS);
    assert_int_equal(lh_metric_value(lh_histogram("t_shared_seconds", "S.", "", NULL)),
                     THREADS * ROUNDS);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counters_print_a_line_for_each_series),
        cmocka_unit_test(label_values_do_not_run_together),
        cmocka_unit_test(gauges_go_both_ways),
        cmocka_unit_test(a_callback_is_read_when_printed),
        cmocka_unit_test(a_histogram_counts_cumulatively_in_seconds),
        cmocka_unit_test(families_print_in_order_of_their_names),
        cmocka_unit_test(labels_from_outside_cannot_fill_memory),
        cmocka_unit_test(long_and_broken_label_values_are_made_printable),
        cmocka_unit_test(no_count_is_lost_between_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
