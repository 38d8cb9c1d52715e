#include "store/fixture.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>

struct claims {
    char folder[64];
    int fd;
};

static int
setup(void **state)
{
    struct claims *c = LH_NEW(struct claims);

    fixture_folder(c->folder);
    c->fd = open(c->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    *state = c;
    return 0;
}

static int
teardown(void **state)
{
    struct claims *c = *state;

    close(c->fd);
    (void)lh_dir_remove_tree(c->folder, NULL);
    free(c);
    return 0;
}

static size_t
entries(const struct claims *c)
{
    DIR *dir = opendir(c->folder);
    size_t n = 0;

    for (struct dirent *e; (e = readdir(dir));)
        n += e->d_name[0] != '.';
    closedir(dir);
    return n;
}

static void
a_claim_that_is_dropped_leaves_nothing(void **state)
{
    struct claims *c = *state;
    struct store_claim claim;
    char name[STORE_CLAIM_NAME_MAX];
    int fd;

    must(store_claim_take(c->fd, &claim, &err));
    must(store_claim_file(&claim, ".x", 0600, name, &fd, &err));
    close(fd);
    assert_int_equal(mkdirat(claim.fd, "deep", 0700), 0);
    assert_int_equal(mkdirat(claim.fd, "deep/er", 0700), 0);
    assert_int_equal(symlinkat("/etc", claim.fd, "deep/link"), 0);
    store_claim_drop(&claim);
    store_claim_drop(&claim);
    assert_int_equal(entries(c), 0);
    assert_int_equal(access("/etc/passwd", F_OK), 0);
}

static void
living_processes_keep_their_claims(void **state)
{
    struct claims *c = *state;
    struct store_claim first, second;
    char name[STORE_CLAIM_NAME_MAX];
    struct stat st;
    int fd;

    must(store_claim_take(c->fd, &first, &err));
    must(store_claim_file(&first, "", 0600, name, &fd, &err));
    close(fd);
    must(store_claim_take(c->fd, &second, &err));
    assert_int_equal(fstatat(first.fd, name, &st, 0), 0);
    assert_int_equal(entries(c), 2);
    store_claim_drop(&first);
    store_claim_drop(&second);
}

static void
what_a_dead_process_left_is_cleared_away(void **state)
{
    struct claims *c = *state;
    struct store_claim claim;
    char name[STORE_CLAIM_NAME_MAX];
    int fd, status;
    pid_t child = fork();

    if (child == 0) {
        if (store_claim_take(c->fd, &claim, NULL) != LH_OK ||
            store_claim_file(&claim, "", 0600, name, &fd, NULL) != LH_OK)
            _exit(1);
        _exit(0); /* like a kill: nothing is dropped */
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    assert_int_equal(entries(c), 1);
    must(store_claim_take(c->fd, &claim, &err));
    assert_int_equal(entries(c), 1);
    store_claim_drop(&claim);
    assert_int_equal(entries(c), 0);
}

static void
folders_that_are_no_claims_are_left_alone(void **state)
{
    struct claims *c = *state;
    struct store_claim claim;

    assert_int_equal(mkdirat(c->fd, "somebody", 0700), 0);
    must(store_claim_take(c->fd, &claim, &err));
    store_claim_drop(&claim);
    assert_int_equal(entries(c), 1);
}

/* Many start at once: each gets a folder of its own, and nobody clears away another's. */
static void
processes_that_start_together_do_not_take_from_each_other(void **state)
{
    struct claims *c = *state;
    int failures = 0, status;

    for (int i = 0; i < 16; i++) {
        if (fork() != 0)
            continue;
        for (int k = 0; k < 20; k++) {
            struct store_claim claim;
            char name[STORE_CLAIM_NAME_MAX];
            int fd = -1;
            if (store_claim_take(c->fd, &claim, NULL) != LH_OK ||
                store_claim_file(&claim, "", 0600, name, &fd, NULL) != LH_OK ||
                unlinkat(claim.fd, name, 0) != 0)
                _exit(1);
            close(fd);
            store_claim_drop(&claim);
        }
        _exit(0);
    }
    while (wait(&status) > 0)
        failures += status != 0;
    assert_int_equal(failures, 0);
    assert_int_equal(entries(c), 0);
}

int
main(void)
{
#define claim_test(t) cmocka_unit_test_setup_teardown(t, setup, teardown)
    const struct CMUnitTest tests[] = {
        claim_test(a_claim_that_is_dropped_leaves_nothing),
        claim_test(living_processes_keep_their_claims),
        claim_test(what_a_dead_process_left_is_cleared_away),
        claim_test(folders_that_are_no_claims_are_left_alone),
        claim_test(processes_that_start_together_do_not_take_from_each_other),
    };

    return cmocka_run_group_tests_name("claim", tests, NULL, NULL);
}
