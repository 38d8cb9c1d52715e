/*
 * Each step of a put and a removal made to fail, and the process killed there.
 */
#include "store/fixture.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/wait.h>
#include "base/fault.h"
#include "base/thread.h"
#include "store/append_log.h"

#ifdef LH_FAULTS

static const char *const put_points[] = {
    "store.put.before_write",
    "store.put.before_fsync",
    "store.put.before_rename",
    "store.put.after_rename",
};

#define PUT_POINTS (sizeof(put_points) / sizeof(put_points[0]))

static void
rule_set(const char *point, const char *action)
{
    LH_AUTO_CHARS rule = lh_asprintf("%s=%s@1", point, action);

    lh_fault_rules_set(rule);
}

static size_t
files_in_tmp(struct fixture *f)
{
    LH_AUTO_CHARS command = lh_asprintf("exit $(find %s/.lakehouse/tmp -type f | wc -l)", f->root);

    return (size_t)WEXITSTATUS(system(command));
}

static void
a_put_that_fails_at_any_step_leaves_the_old_object(void **state)
{
    struct fixture *f = *state;

    for (size_t i = 0; i < PUT_POINTS; i++) {
        bool is_after = strcmp(put_points[i], "store.put.after_rename") == 0;
        lh_fault_rules_set("");
        must(put_text(f, "a/k", "old", NULL, NULL, &err));
        rule_set(put_points[i], "error");
        must_fail(put_text(f, "a/k", "new", NULL, NULL, &err), LH_IO, "fault.injected");
        assert_object(f, "a/k", is_after ? "new" : "old");
        assert_int_equal(files_in_tmp(f), 0);
        rule_set(put_points[i], "nospace");
        must_fail(put_text(f, "b/new", "new", NULL, NULL, &err), LH_NO_SPACE, "fault.injected");
        must(put_text(f, "a/k", "newer", NULL, NULL, &err));
        assert_object(f, "a/k", "newer");
        assert_int_equal(atomic_load(&f->limits.puts_running), 0);
        (void)lh_object_delete(f->bucket, &f->call, LH_STR("b/new"), NULL, NULL);
    }
    lh_fault_rules_set("");
}

static void
killed_in(struct fixture *f, const char *point, void (*act)(struct fixture *f))
{
    int status;
    pid_t child = fork();

    if (child == 0) {
        fixture_open_bucket(f);
        rule_set(point, "kill");
        act(f);
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

static void
act_replace(struct fixture *f)
{
    (void)put_text(f, "a/k", "new", NULL, NULL, NULL);
}

static void
act_create(struct fixture *f)
{
    const struct lh_put_options absent = {.if_absent = true};

    (void)put_text(f, "fresh/deep/k", "new", &absent, NULL, NULL);
}

static void
act_remove(struct fixture *f)
{
    (void)lh_object_delete(f->bucket, &f->call, LH_STR("a/k"), NULL, NULL);
}

static void
reopen(struct fixture *f)
{
    bucket_free(f->bucket);
    fixture_open_bucket(f);
    assert_int_equal(files_in_tmp(f), 0);
}

static void
a_put_that_is_killed_leaves_the_old_object_or_the_new_one(void **state)
{
    struct fixture *f = *state;

    for (size_t i = 0; i < PUT_POINTS; i++) {
        bool is_after = strcmp(put_points[i], "store.put.after_rename") == 0;
        must(put_text(f, "a/k", "old", NULL, NULL, &err));
        killed_in(f, put_points[i], act_replace);
        reopen(f);
        assert_object(f, "a/k", is_after ? "new" : "old");
    }
}

static void
a_creation_that_is_killed_can_be_repeated(void **state)
{
    struct fixture *f = *state;
    const struct lh_put_options absent = {.if_absent = true};
    LH_AUTO_BUF(keys, 1000);

    for (size_t i = 0; i < PUT_POINTS; i++) {
        bool is_after = strcmp(put_points[i], "store.put.after_rename") == 0;
        killed_in(f, put_points[i], act_create);
        reopen(f);
        if (is_after)
            must_fail(put_text(f, "fresh/deep/k", "new", &absent, NULL, &err), LH_CONFLICT,
                      "store.precondition");
        else
            must(put_text(f, "fresh/deep/k", "new", &absent, NULL, &err));
        assert_object(f, "fresh/deep/k", "new");
        must(lh_object_delete(f->bucket, &f->call, LH_STR("fresh/deep/k"), NULL, &err));
        lh_buf_clear(&keys);
        (void)keys_of(f, "", 10, &keys);
        assert_int_equal(keys.len, 0);
    }
}

static void
a_removal_that_fails_or_is_killed_removes_all_or_nothing(void **state)
{
    struct fixture *f = *state;
    static const char *const points[] = {"store.delete.before", "store.delete.before_unlink",
                                         "store.delete.after_unlink"};
    struct lh_object_info info;

    for (size_t i = 0; i < 3; i++) {
        must(put_text(f, "a/k", "old", NULL, NULL, &err));
        killed_in(f, points[i], act_remove);
        reopen(f);
        if (i < 2)
            assert_object(f, "a/k", "old");
        else
            must_fail(head_of(f, "a/k", &info, &err), LH_NOT_FOUND, "store.no_object");
        must(put_text(f, "a/k", "old", NULL, NULL, &err));
        rule_set(points[i], "error");
        must_fail(lh_object_delete(f->bucket, &f->call, LH_STR("a/k"), NULL, &err), LH_IO,
                  "fault.injected");
        lh_fault_rules_set("");
    }
}

/* ---- what takes the lock of a key waits for a comparison under way ---- */

static bool
is_key_locked(struct fixture *f, const char *key)
{
    LH_AUTO_FD fd = -1;
    char name[8];

    (void)snprintf(name, sizeof(name), "%02x", (unsigned)(lh_xxh64(key, strlen(key), 0) % 256));
    fd = openat(local_of(f->bucket)->locks_fd, name, O_RDWR);
    return fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) != 0;
}

struct swap {
    struct fixture *f;
    struct lh_object_info seen;
    lh_status status;
};

static void *
swap_run(void *arg)
{
    struct swap *s = arg;
    const struct lh_put_options match = {.if_match = s->seen.etag};
    struct lh_call call;

    lh_call_init(&call);
    s->status = lh_object_put(s->f->bucket, &call, LH_STR("k"), lh_str_bytes(LH_STR("swapped")),
                              &match, NULL, NULL);
    lh_call_fini(&call);
    return NULL;
}

/* A swap that has compared and has not yet renamed; `meanwhile` must come after it. */
static void
during_a_swap(struct fixture *f, lh_status (*meanwhile)(struct fixture *f, struct lh_error *err))
{
    struct swap s = {.f = f};
    pthread_t thread;

    lh_fault_rules_set("");
    must(put_text(f, "k", "first", NULL, &s.seen, &err));
    lh_fault_rules_set("store.put.before_rename=delay:200ms@1");
    must(lh_thread_start(&thread, "swap", swap_run, &s, &err));
    while (!is_key_locked(f, "k"))
        usleep(100);
    must(meanwhile(f, &err));
    lh_thread_join(thread);
    assert_int_equal(s.status, LH_OK);
    lh_fault_rules_set("");
}

static lh_status
replace_plainly(struct fixture *f, struct lh_error *err)
{
    return put_text(f, "k", "plain", NULL, NULL, err);
}

static lh_status
remove_plainly(struct fixture *f, struct lh_error *err)
{
    return lh_object_delete(f->bucket, &f->call, LH_STR("k"), NULL, err);
}

static void
replacing_or_removing_does_not_slip_into_a_swap(void **state)
{
    struct fixture *f = *state;
    struct lh_object_info info;

    during_a_swap(f, replace_plainly);
    assert_object(f, "k", "plain");
    during_a_swap(f, remove_plainly);
    must_fail(head_of(f, "k", &info, &err), LH_NOT_FOUND, "store.no_object");
}

static void
a_file_stays_where_it_was_when_taking_it_over_fails(void **state)
{
    struct fixture *f = *state;
    char path[PATH_MAX];

    (void)snprintf(path, sizeof(path), "%s/in", f->folder);
    must(lh_file_write_atomic(path, lh_str_bytes(LH_STR("new")), 0600, &err));
    rule_set("store.put.before_fsync", "nospace");
    must_fail(lh_object_put_file(f->bucket, &f->call, LH_STR("k"), path, NULL, NULL, &err),
              LH_NO_SPACE, "fault.injected");
    rule_set("store.put.before_rename", "error");
    must_fail(lh_object_put_file(f->bucket, &f->call, LH_STR("k"), path, NULL, NULL, &err), LH_IO,
              "fault.injected");
    lh_fault_rules_set("");
    must(lh_object_put_file(f->bucket, &f->call, LH_STR("k"), path, NULL, NULL, &err));
    assert_object(f, "k", "new");
}

static void
a_log_tells_its_waiters_and_goes_on(void **state)
{
    struct fixture *f = *state;
    const struct lh_append_log_options o = {.bucket = f->bucket, .prefix = "_journal/events/"};
    struct lh_append_log *log;

    must(lh_append_log_open(&o, &log, &err));
    rule_set("log.put.before", "nospace");
    must_fail(lh_append_log_add(log, &f->call, LH_STR("x"), &err), LH_NO_SPACE, "fault.injected");
    must(lh_append_log_add(log, &f->call, LH_STR("y"), &err));
    assert_int_equal(lh_append_log_stats_get(log).failed_puts, 1);
    assert_int_equal(lh_append_log_stats_get(log).records, 1);
    lh_append_log_free(log);
    lh_fault_rules_set("");
}

#define fault_test(t) cmocka_unit_test_setup_teardown(t, fixture_setup, fixture_teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        fault_test(a_put_that_fails_at_any_step_leaves_the_old_object),
        fault_test(a_put_that_is_killed_leaves_the_old_object_or_the_new_one),
        fault_test(a_creation_that_is_killed_can_be_repeated),
        fault_test(a_removal_that_fails_or_is_killed_removes_all_or_nothing),
        fault_test(replacing_or_removing_does_not_slip_into_a_swap),
        fault_test(a_file_stays_where_it_was_when_taking_it_over_fails),
        fault_test(a_log_tells_its_waiters_and_goes_on),
    };

    return cmocka_run_group_tests_name("local_fault", tests, NULL, NULL);
}

#else

int
main(void)
{
    print_message("skipped: built without LH_FAULTS\n");
    return 0;
}

#endif
