#include "world.h"

#include <stdio.h>
#include <stdlib.h>

#define WRITERS_EXPIRE_US                                                                          \
    (300 * SIM_SECOND) /* catalog.writer_ttl, catalog.clock_skew_max, and some */

enum { COLLECTIONS_MAX = 20 };

struct world_plan world_plan;
bool world_is_calm;

/* Processes that stand still until everybody takes them for dead, and then go on. */
static void
plan_sleepy(struct world_plan *p)
{
    p->is_sleepy = true;
    p->datasets = DATASETS_MAX;
    p->fault_per_mille /= 4;
    p->pause_max_us = 600 * SIM_SECOND;
    p->idle_max_us = 400 * SIM_SECOND;
}

static struct world_plan
plan_draw(void)
{
    struct world_plan p = {.datasets = 1 + (size_t)sim_draw_below(DATASETS_MAX),
                           .ops_per_client = 4 + (unsigned)sim_draw_below(5),
                           .latency_us = 1000 << sim_draw_below(6),
                           .idle_max_us = 30 * SIM_SECOND};

    if (sim_chance(850))
        p.fault_per_mille = 5 + (unsigned)sim_draw_below(60);
    if (sim_chance(700))
        p.crash_per_mille = 1 + (unsigned)sim_draw_below(3);
    if (sim_chance(700)) {
        p.pause_per_mille = 1 + (unsigned)sim_draw_below(4);
        p.pause_max_us = (sim_chance(500) ? 20 : 400) * SIM_SECOND;
    }
    if (sim_chance(150))
        plan_sleepy(&p);
    return p;
}

/* False while something is refused because of what is still going on. */
static bool
collect_with(struct node *n)
{
    LH_AUTO_JSON answer = NULL;
    LH_AUTO_ERROR(err);
    lh_status status;

    sim_node_enter(n);
    status = client_ask(n, LH_POST, "catalogd", "/v1/catalog/gc",
                        LH_STR("{\"dry_run\":false,\"older_than_s\":0}"), NULL, &answer, &err);
    sim_node_enter(NULL);
    if (status != LH_OK)
        sim_say("collection: %s", err.text);
    return status == LH_OK && json_array_size(json_object_get(answer, "refused")) == 0;
}

/* Collects what those who stand still have left. */
static void *
janitor_run(void *arg)
{
    (void)arg;
    while (!world_is_calm) {
        size_t place = (size_t)sim_draw_below(NODES);
        struct node *n;

        sim_sleep_us(50 * SIM_SECOND);
        n = node_at(place);
        if (n == NULL || node_paused_until_us(n) > sim_now_us())
            continue;
        node_hold(n);
        (void)collect_with(n);
        node_let(n);
    }
    return NULL;
}

static void
clients_run(void)
{
    struct task *clients[CLIENTS];

    if (world_plan.is_sleepy)
        sim_task_detach(sim_task_start(NULL, "janitor", janitor_run, NULL));

    for (size_t i = 0; i < CLIENTS; i++)
        clients[i] = sim_task_start(NULL, "client", client_run, (void *)(uintptr_t)i);
    for (size_t i = 0; i < CLIENTS; i++)
        (void)sim_task_join(clients[i]);
}

static void
come_to_rest(void)
{
    world_is_calm = true;
    sim_say("calm from here on");
    for (size_t i = 0; i < NODES; i++) {
        node_await(i);
        node_pause(node_at(i), 0);
    }
    sim_sleep_us(WRITERS_EXPIRE_US);
    for (int i = 0; !collect_with(node_at(0)); i++) {
        if (i == COLLECTIONS_MAX)
            sim_violation("collection is refused for ever");
        sim_sleep_us(WRITERS_EXPIRE_US / 4);
    }
    sim_sleep_us(60 * SIM_SECOND);
}

static void *
director_run(void *arg)
{
    (void)arg;
    world_plan = plan_draw();
    world_is_calm = false;
    sim_say(
        "%zu datasets, %u acts a client, faults %u, crashes %u, pauses %u of 1000, latency %lld us",
        world_plan.datasets, world_plan.ops_per_client, world_plan.fault_per_mille,
        world_plan.crash_per_mille, world_plan.pause_per_mille, (long long)world_plan.latency_us);
    nodes_begin();
    clients_run();
    come_to_rest();
    oracle_settle();
    nodes_end();
    return NULL;
}

const char *
world_run(uint64_t seed)
{
    shelf_clear();
    oracle_begin();
    sim_run(seed, director_run, NULL);
    oracle_end();
    return sim_verdict();
}
