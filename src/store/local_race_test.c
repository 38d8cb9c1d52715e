/*
 * Who wins when many want the same: threads of one process, and processes that share only the
 * folder.
 */
#include "store/fixture.h"

#include <sys/mman.h>
#include <sys/wait.h>
#include "base/thread.h"

#define RUNNERS 8

struct run {
    struct fixture *f;
    int number;
    atomic_int *wins, *failures; /* shared between processes too */
};

/* ---- the same work, run by threads or by processes ---- */

typedef void (*work)(struct run *r, struct lh_call *call);

struct thread {
    struct run run;
    work work;
};

static void *
thread_run(void *arg)
{
    struct thread *t = arg;
    struct lh_call call;

    lh_call_init(&call);
    t->work(&t->run, &call);
    lh_call_fini(&call);
    return NULL;
}

static void
in_threads(struct run run, work w)
{
    struct thread threads[RUNNERS];
    pthread_t ids[RUNNERS];

    for (int i = 0; i < RUNNERS; i++) {
        threads[i] = (struct thread){.run = run, .work = w};
        threads[i].run.number = i;
        must(lh_thread_start(&ids[i], "race", thread_run, &threads[i], &err));
    }
    for (int i = 0; i < RUNNERS; i++)
        lh_thread_join(ids[i]);
}

/* Each opens the bucket for itself, as a daemon of its own would. */
static void
in_processes(struct run run, work w)
{
    int status;

    for (int i = 0; i < RUNNERS; i++) {
        struct lh_call call;
        if (fork() != 0)
            continue;
        run.number = i;
        fixture_open_bucket(run.f);
        lh_call_init(&call);
        w(&run, &call);
        _exit(0);
    }
    while (wait(&status) > 0)
        if (status != 0)
            atomic_fetch_add(run.failures, 1);
}

static struct run
run_new(struct fixture *f)
{
    atomic_int *shared =
        mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    assert_true(shared != MAP_FAILED);
    return (struct run){.f = f, .wins = shared, .failures = shared + 1};
}

static void
run_end(struct run *r, int wins)
{
    assert_int_equal(atomic_load(r->failures), 0);
    assert_int_equal(atomic_load(r->wins), wins);
    munmap(r->wins, 4096);
}

/* ---- create if absent: one winner for each key ---- */

#define KEYS 40

static void
create_work(struct run *r, struct lh_call *call)
{
    const struct lh_put_options absent = {.if_absent = true};
    char key[40], text[20];

    (void)snprintf(text, sizeof(text), "%d", r->number);
    for (int i = 0; i < KEYS; i++) {
        lh_status status;
        (void)snprintf(key, sizeof(key), "versions/%d/%d", i % 3, i);
        status = lh_object_put(r->f->bucket, call, lh_str_of(key), lh_str_bytes(lh_str_of(text)),
                               &absent, NULL, NULL);
        if (status == LH_OK)
            atomic_fetch_add(r->wins, 1);
        else if (status != LH_CONFLICT)
            atomic_fetch_add(r->failures, 1);
    }
}

static void
of_many_threads_that_create_one_wins(void **state)
{
    struct run r = run_new(*state);

    in_threads(r, create_work);
    run_end(&r, KEYS);
}

static void
of_many_processes_that_create_one_wins(void **state)
{
    struct run r = run_new(*state);

    in_processes(r, create_work);
    run_end(&r, KEYS);
}

/* ---- compare and swap: a counter that loses no step ---- */

#define STEPS 15

static lh_status
counter_step(struct run *r, struct lh_call *call)
{
    LH_AUTO_BUF(bytes, 100);
    struct lh_object_info info;
    struct lh_put_options swap = {0};
    char text[20];

    if (lh_object_get(r->f->bucket, call, LH_STR("counter"), &bytes, &info, NULL) != LH_OK)
        return LH_IO;
    swap.if_match = info.etag;
    (void)snprintf(text, sizeof(text), "%d", atoi(lh_buf_cstr(&bytes)) + 1);
    return lh_object_put(r->f->bucket, call, LH_STR("counter"), lh_str_bytes(lh_str_of(text)),
                         &swap, NULL, NULL);
}

static void
counter_work(struct run *r, struct lh_call *call)
{
    for (int done = 0; done < STEPS;) {
        lh_status status = counter_step(r, call);
        if (status == LH_OK)
            done++;
        else if (status != LH_CONFLICT) {
            atomic_fetch_add(r->failures, 1);
            return;
        }
    }
    atomic_fetch_add(r->wins, 1);
}

static void
no_step_is_lost_between_threads(void **state)
{
    struct fixture *f = *state;
    struct run r = run_new(f);
    char expected[20];

    must(put_text(f, "counter", "0", NULL, NULL, &err));
    in_threads(r, counter_work);
    run_end(&r, RUNNERS);
    (void)snprintf(expected, sizeof(expected), "%d", RUNNERS * STEPS);
    assert_object(f, "counter", expected);
}

static void
no_step_is_lost_between_processes(void **state)
{
    struct fixture *f = *state;
    struct run r = run_new(f);
    char expected[20];

    must(put_text(f, "counter", "0", NULL, NULL, &err));
    in_processes(r, counter_work);
    run_end(&r, RUNNERS);
    (void)snprintf(expected, sizeof(expected), "%d", RUNNERS * STEPS);
    assert_object(f, "counter", expected);
}

/* ---- swaps beside plain replacements: no version is swapped away twice ---- */

static void
swap_once(struct run *r, struct lh_call *call)
{
    const struct lh_put_options once = {.if_absent = true};
    struct lh_put_options swap = {0};
    struct lh_object_info seen;
    char mark[LH_ETAG_MAX + 10];
    lh_status status;

    if (lh_object_head(r->f->bucket, call, LH_STR("chain"), &seen, NULL) != LH_OK)
        atomic_fetch_add(r->failures, 1);
    swap.if_match = seen.etag;
    status = lh_object_put(r->f->bucket, call, LH_STR("chain"), lh_bytes_of("swap", 4), &swap, NULL,
                           NULL);
    if (status == LH_CONFLICT)
        return;
    (void)snprintf(mark, sizeof(mark), "swapped/%s", seen.etag);
    if (status != LH_OK || lh_object_put(r->f->bucket, call, lh_str_of(mark), lh_bytes_of("", 0),
                                         &once, NULL, NULL) != LH_OK)
        atomic_fetch_add(r->failures, 1);
}

static void
chain_work(struct run *r, struct lh_call *call)
{
    for (int i = 0; i < 30; i++) {
        if (r->number % 2)
            swap_once(r, call);
        else if (lh_object_put(r->f->bucket, call, LH_STR("chain"), lh_bytes_of("put", 3), NULL,
                               NULL, NULL) != LH_OK)
            atomic_fetch_add(r->failures, 1);
    }
}

static void
each_version_is_swapped_away_at_most_once(void **state)
{
    struct fixture *f = *state;
    struct run r = run_new(f);

    must(put_text(f, "chain", "0", NULL, NULL, &err));
    in_processes(r, chain_work);
    run_end(&r, 0);
}

/* ---- folders that come and go ---- */

static void
folder_work(struct run *r, struct lh_call *call)
{
    char key[40];

    for (int i = 0; i < 40; i++) {
        (void)snprintf(key, sizeof(key), "busy/%d/%d", i % 2, r->number);
        if (lh_object_put(r->f->bucket, call, lh_str_of(key), lh_str_bytes(LH_STR("x")), NULL, NULL,
                          NULL) != LH_OK ||
            lh_object_delete(r->f->bucket, call, lh_str_of(key), NULL, NULL) != LH_OK)
            atomic_fetch_add(r->failures, 1);
    }
    atomic_fetch_add(r->wins, 1);
}

static void
puts_survive_that_their_folder_is_removed(void **state)
{
    struct fixture *f = *state;
    struct run r = run_new(f);
    LH_AUTO_BUF(keys, 1000);

    in_threads(r, folder_work);
    run_end(&r, RUNNERS);
    assert_null(keys_of(f, "", 100, &keys));
}

/* ---- readers beside a writer ---- */

static void
whole_work(struct run *r, struct lh_call *call)
{
    char text[3000];

    for (int i = 0; i < 60; i++) {
        LH_AUTO_BUF(out, 10000);
        if (r->number == 0) {
            memset(text, 'a' + i % 26, sizeof(text));
            if (lh_object_put(r->f->bucket, call, LH_STR("whole"),
                              lh_bytes_of(text, 100 + (size_t)i * 40), NULL, NULL, NULL) != LH_OK)
                atomic_fetch_add(r->failures, 1);
            continue;
        }
        if (lh_object_get(r->f->bucket, call, LH_STR("whole"), &out, NULL, NULL) != LH_OK)
            atomic_fetch_add(r->failures, 1);
        for (size_t k = 1; k < out.len; k++)
            if (out.data[k] != out.data[0])
                atomic_fetch_add(r->failures, 1);
    }
    atomic_fetch_add(r->wins, 1);
}

static void
readers_see_the_old_object_or_the_new_one(void **state)
{
    struct fixture *f = *state;
    struct run r = run_new(f);

    must(put_text(f, "whole", "aaaa", NULL, NULL, &err));
    in_threads(r, whole_work);
    run_end(&r, RUNNERS);
}

int
main(void)
{
#define race_test(t) cmocka_unit_test_setup_teardown(t, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        race_test(of_many_threads_that_create_one_wins),
        race_test(of_many_processes_that_create_one_wins),
        race_test(no_step_is_lost_between_threads),
        race_test(no_step_is_lost_between_processes),
        race_test(each_version_is_swapped_away_at_most_once),
        race_test(puts_survive_that_their_folder_is_removed),
        race_test(readers_see_the_old_object_or_the_new_one),
    };

    return cmocka_run_group_tests_name("local_race", tests, NULL, NULL);
}
