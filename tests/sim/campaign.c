#include "campaign.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "stand_in.h"

static bool
seeds_run(const struct campaign *c, uint64_t from)
{
    bool is_broken = false;

    stand_in_begin();
    for (uint64_t seed = from; seed < c->from + c->seeds; seed += (uint64_t)c->jobs) {
        const char *verdict = world_run(seed);

        if (verdict == NULL)
            continue;
        printf("seed %llu: %s\n", (unsigned long long)seed, verdict);
        fflush(stdout);
        is_broken = true;
        if (c->ends_at_the_first)
            break;
    }
    stand_in_end();
    return is_broken;
}

/* A process a core: seeds have nothing to do with each other. A run that fails leaves its memory
 * behind, and goes with its process. */
bool
campaign_run(const struct campaign *c)
{
    bool is_broken = false;
    int status;

    if (c->jobs <= 1)
        return seeds_run(&(struct campaign){c->from, c->seeds, 1, c->ends_at_the_first}, c->from);
    for (long i = 0; i < c->jobs; i++) {
        fflush(stdout);
        if (fork() == 0)
            _exit(seeds_run(c, c->from + (uint64_t)i));
    }
    while (wait(&status) > 0)
        is_broken |= !WIFEXITED(status) || WEXITSTATUS(status) != 0;
    return is_broken;
}
