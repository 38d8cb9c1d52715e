/*
 * lh-sim: runs seeds and tells which ones break a promise.
 *
 *     lh-sim [--from N] [--seeds N] [--jobs N] [--mutation NAME]
 *     lh-sim --seed N --trace [--mutation NAME]
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "campaign.h"

static int
usage(const char *name)
{
    fprintf(stderr, "%s [--seed N [--trace]] [--from N] [--seeds N] [--jobs N] [--mutation NAME]\n",
            name);
    for (int i = 0; i < MUTATION_COUNT; i++)
        fprintf(stderr, "  mutation %s\n", mutation_name((enum mutation)i));
    return 2;
}

int
main(int argc, char **argv)
{
    static const struct option options[] = {
        {"seed", required_argument, NULL, 's'},
        {"trace", no_argument, NULL, 't'},
        {"from", required_argument, NULL, 'f'},
        {"seeds", required_argument, NULL, 'n'},
        {"jobs", required_argument, NULL, 'j'},
        {"mutation", required_argument, NULL, 'm'},
        {NULL, 0, NULL, 0},
    };
    struct campaign c = {.from = 1, .seeds = 1000, .jobs = sysconf(_SC_NPROCESSORS_ONLN)};
    int option;
    bool is_broken;

    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (option == 's')
            c = (struct campaign){.from = strtoull(optarg, NULL, 10), .seeds = 1, .jobs = 1};
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
    is_broken = campaign_run(&c);
    printf("%llu seeds from %llu: %s\n", (unsigned long long)c.seeds, (unsigned long long)c.from,
           is_broken ? "BROKEN" : "no violation");
    return is_broken;
}
