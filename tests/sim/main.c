/*
 * lh-sim: runs seeds and tells which ones break a promise.
 *
 *     lh-sim [--from N] [--seeds N] [--jobs N] [--mutation NAME]
 *     lh-sim --seed N --trace [--mutation NAME]
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "stand_in.h"
#include "world.h"

struct choice {
    uint64_t from, seeds;
    long jobs;
};

static int
seeds_run(uint64_t from, uint64_t to, uint64_t step)
{
    int failed = 0;

    stand_in_begin();
    for (uint64_t seed = from; seed < to; seed += step) {
        const char *verdict = world_run(seed);

        if (verdict == NULL)
            continue;
        printf("seed %llu: %s\n", (unsigned long long)seed, verdict);
        fflush(stdout);
        failed = 1;
    }
    stand_in_end();
    return failed;
}

/* A process a core: seeds have nothing to do with each other. */
static int
jobs_run(const struct choice *c)
{
    int failed = 0, status;

    for (long i = 0; i < c->jobs; i++) {
        fflush(stdout);
        if (fork() == 0)
            exit(seeds_run(c->from + (uint64_t)i, c->from + c->seeds, (uint64_t)c->jobs));
    }
    while (wait(&status) > 0)
        failed |= !WIFEXITED(status) || WEXITSTATUS(status) != 0;
    return failed;
}

static int
usage(const char *name)
{
    fprintf(stderr,
            "%s [--seed N [--trace]] [--from N] [--seeds N] [--jobs N] [--mutation NAME]\n", name);
    for (int i = 0; i < MUTATION_COUNT; i++)
        fprintf(stderr, "  mutation %s\n", mutation_name((enum mutation)i));
    return 2;
}

int
main(int argc, char **argv)
{
    static const struct option options[] = {
        {"seed", required_argument, NULL, 's'},     {"trace", no_argument, NULL, 't'},
        {"from", required_argument, NULL, 'f'},     {"seeds", required_argument, NULL, 'n'},
        {"jobs", required_argument, NULL, 'j'},     {"mutation", required_argument, NULL, 'm'},
        {NULL, 0, NULL, 0},
    };
    struct choice c = {.from = 1, .seeds = 1000, .jobs = sysconf(_SC_NPROCESSORS_ONLN)};
    int option, failed;

    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (option == 's')
            c = (struct choice){.from = strtoull(optarg, NULL, 10), .seeds = 1, .jobs = 1};
        else if (option == 't')
            sim_trace.is_printed = true;
        else if (option == 'f')
            c.from = strtoull(optarg, NULL, 10);
        else if (option == 'n')
            c.seeds = strtoull(optarg, NULL, 10);
        else if (option == 'j')
            c.jobs = strtol(optarg, NULL, 10);
        else if (option != 'm' || !mutation_parse(optarg, &world_mutation))
            return usage(argv[0]);
    }
    failed = c.jobs > 1 ? jobs_run(&c) : seeds_run(c.from, c.from + c.seeds, 1);
    printf("%llu seeds from %llu: %s\n", (unsigned long long)c.seeds, (unsigned long long)c.from,
           failed ? "BROKEN" : "no violation");
    return failed;
}
