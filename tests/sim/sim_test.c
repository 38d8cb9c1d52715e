/* What the simulation promises: the same seed is the same run; no seed breaks the protocol; and a
 * protocol with a part taken out is caught, or the simulation would prove nothing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <unistd.h>

#include "campaign.h"
#include "stand_in.h"

#if defined(__SANITIZE_ADDRESS__)
#define SEEDS 60
#else
#define SEEDS 1000
#endif
#define MUTATION_SEEDS 1500

static uint64_t
hash_of(uint64_t seed)
{
    assert_null(world_run(seed));
    return sim_trace.hash;
}

static void
a_seed_gives_the_same_run_every_time(void **state)
{
    uint64_t first, other;

    (void)state;
    stand_in_begin();
    first = hash_of(5);
    other = hash_of(6);
    assert_int_equal(hash_of(5), first);
    assert_int_equal(hash_of(6), other);
    assert_int_not_equal(first, other);
    stand_in_end();
}

/* Seeds that broke a promise once, and what they found:
 *   2    a number that had been collected was taken again, by a process with an old head
 *   38   an ingest removed its objects after its commit, because the event was refused
 *   23   the same, because the commit could not be read back
 * What a seed does changes with the simulation; these ran on its first form. */
static void
seeds_that_once_failed_hold(void **state)
{
    static const uint64_t seeds[] = {2, 23, 38, 42, 51, 56, 59, 95, 101};

    (void)state;
    stand_in_begin();
    for (size_t i = 0; i < sizeof(seeds) / sizeof(seeds[0]); i++)
        assert_null(world_run(seeds[i]));
    stand_in_end();
}

static void
no_seed_breaks_a_promise(void **state)
{
    const char *asked = getenv("LAKEHOUSE_SIM_SEEDS");
    const struct campaign c = {.from = 1,
                               .seeds = asked ? strtoull(asked, NULL, 10) : SEEDS,
                               .jobs = sysconf(_SC_NPROCESSORS_ONLN) + 1};

    (void)state;
    assert_false(campaign_run(&c));
}

static void
what_is_taken_out_of_the_protocol_is_missed(void **state)
{
    (void)state;
    for (int i = MUTATION_NONE + 1; i < MUTATION_COUNT; i++) {
        struct campaign c = {
            .from = 1, .seeds = MUTATION_SEEDS, .jobs = 2, .ends_at_the_first = true};

        world_mutation = (enum mutation)i;
        print_message("without %s: ", mutation_name(world_mutation));
        if (!campaign_run(&c))
            fail_msg("%s is not noticed in %d seeds", mutation_name(world_mutation),
                     MUTATION_SEEDS);
    }
    world_mutation = MUTATION_NONE;
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_seed_gives_the_same_run_every_time),
        cmocka_unit_test(seeds_that_once_failed_hold),
        cmocka_unit_test(no_seed_breaks_a_promise),
        cmocka_unit_test(what_is_taken_out_of_the_protocol_is_missed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
