/*
 * A node that crashes is cut off: its bucket fails everything and does nothing, and no answer of it
 * counts. Its threads then find their way out by their own error paths, and its memory is given
 * back by the services' own stop functions, so that a run leaks nothing; meanwhile the next process
 * at that place starts with nothing but the bucket.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "world.h"

/* Half of what clocks of two machines may differ by, less the longest time a request is under way
 * (catalog.clock_skew_max). */
#define SKEW_MAX_US (25 * SIM_SECOND)
#define JUMP_MAX_US (2 * SIM_SECOND)
#define DOWN_MAX_US (3 * SIM_SECOND)

struct node {
    struct node *next; /* all of this run */
    size_t place;
    unsigned life;
    char name[16];
    struct lh_bucket *bucket;
    struct lh_host *host;
    int64_t skew_us, paused_until_us;
    uint64_t last_tick;
    unsigned inside;
    bool is_dead;
};

static struct {
    struct node *places[NODES];
    struct node *all;
    unsigned lives;
    unsigned ending; /* reapers under way */
} nodes;

static const char config_text[] = "catalog.refresh_interval = \"15s\"\n"
                                  "catalog.writer_ttl = \"2m\"\n"
                                  "catalog.compact_interval = \"0\"\ncatalog.gc_interval = \"0\"\n"
                                  "journal.refresh_interval = \"0\"\n"
                                  "journal.failure_window = \"1m\"\n";

/* The same for all nodes of all runs: it never changes. */
static const struct lh_config *
config_of_all(void)
{
    static struct lh_config *config;
    LH_AUTO_ERROR(err);

    if (config == NULL && lh_config_parse(lh_host_config_tables(), lh_str_of(config_text),
                                          "sim.toml", &config, &err) != LH_OK) {
        fprintf(stderr, "%s\n", err.text);
        abort();
    }
    return config;
}

/* ---- one node ---- */

struct lh_mesh *
node_mesh(struct node *n)
{
    return lh_host_mesh(n->host);
}

struct lh_bucket *
node_bucket(struct node *n)
{
    return n->bucket;
}

const char *
node_name(const struct node *n)
{
    return n->name;
}

size_t
node_place(const struct node *n)
{
    return n->place;
}

bool
node_is_dead(const struct node *n)
{
    return n != NULL && n->is_dead;
}

int64_t
node_paused_until_us(const struct node *n)
{
    return n->paused_until_us;
}

void
node_pause(struct node *n, int64_t us)
{
    sim_say("%s stands still for %.1f s", n->name, (double)us / 1e6);
    n->paused_until_us = sim_now_us() + us;
}

int64_t
node_clock_us(const struct node *n)
{
    return sim_now_us() + (n != NULL ? n->skew_us : 0);
}

uint64_t
node_tick_next(struct node *n)
{
    uint64_t now_us = (uint64_t)node_clock_us(n);
    uint64_t now = now_us / 1000 << 12 | now_us % 1000 * 4096 / 1000;

    n->last_tick = now > n->last_tick ? now : n->last_tick + 1;
    return n->last_tick;
}

void
node_hold(struct node *n)
{
    n->inside++;
}

void
node_let(struct node *n)
{
    if (--n->inside == 0)
        sim_wake(n, true);
}

struct node *
node_at(size_t place)
{
    return nodes.places[place];
}

void
node_await(size_t place)
{
    while (nodes.places[place] == NULL)
        sim_sleep_us(SIM_SECOND / 10);
}

/* ---- from start to crash ---- */

static int64_t
skew_draw(void)
{
    return (int64_t)sim_draw_below(2 * SKEW_MAX_US) - SKEW_MAX_US;
}

static void *
node_boot(void *arg)
{
    static const struct lh_service *const services[] = {&lh_journald, &lh_catalogd, &lh_ingestd,
                                                        NULL};
    struct node *n = arg;
    const struct lh_host_options options = {.services = services,
                                            .config = config_of_all(),
                                            .data_dir = "/nowhere",
                                            .is_embedded = true};
    LH_AUTO_ERROR(err);

    sim_say("starts");
    node_hold(n);
    if (lh_host_start(&options, &n->host, &err) != LH_OK && !n->is_dead)
        sim_violation("%s does not start: %s", n->name, err.text);
    if (!n->is_dead)
        nodes.places[n->place] = n;
    node_let(n);
    return NULL;
}

static void
node_start(size_t place)
{
    struct node *n = LH_NEW(struct node);

    n->place = place;
    n->life = ++nodes.lives;
    (void)snprintf(n->name, sizeof(n->name), "n%zu.%u", place, n->life);
    n->bucket = sim_bucket_new(n);
    n->skew_us = skew_draw();
    n->next = nodes.all;
    nodes.all = n;
    sim_task_detach(sim_task_start(n, "boot", node_boot, n));
}

static void
node_stop(struct node *n)
{
    while (n->inside > 0)
        (void)sim_wait(n, SIM_NEVER);
    if (n->host != NULL)
        lh_host_stop(lh_take(n->host));
}

static void *
reaper_run(void *arg)
{
    struct node *n = arg;

    sim_sleep_us((int64_t)sim_draw_below(DOWN_MAX_US));
    node_start(n->place);
    sim_node_enter(n);
    node_stop(n);
    nodes.ending--;
    return NULL;
}

void
node_crash(struct node *n)
{
    if (n->is_dead)
        return;
    sim_say("%s CRASHES", n->name);
    n->is_dead = true;
    n->paused_until_us = 0;
    if (nodes.places[n->place] == n)
        nodes.places[n->place] = NULL;
    nodes.ending++;
    sim_task_detach(sim_task_start(NULL, "reaper", reaper_run, n));
}

/* ---- all of them ---- */

/* Clocks are set right now and then, a little and within what they may differ by. */
static void *
clocks_run(void *arg)
{
    (void)arg;
    while (!world_is_calm) {
        size_t place = (size_t)sim_draw_below(NODES);
        struct node *n = nodes.places[place];
        int64_t to_us;

        sim_sleep_us((int64_t)sim_draw_below(20 * SIM_SECOND));
        if (n == NULL || n->is_dead)
            continue;
        to_us = n->skew_us + (int64_t)sim_draw_below(2 * JUMP_MAX_US) - JUMP_MAX_US;
        if (to_us > -SKEW_MAX_US && to_us < SKEW_MAX_US)
            n->skew_us = to_us;
    }
    return NULL;
}

void
nodes_begin(void)
{
    nodes.lives = 0;
    nodes.ending = 0;
    nodes.all = NULL;
    for (size_t i = 0; i < NODES; i++) {
        nodes.places[i] = NULL;
        node_start(i);
    }
    sim_task_detach(sim_task_start(NULL, "clocks", clocks_run, NULL));
}

void
nodes_end(void)
{
    for (size_t i = 0; i < NODES; i++) {
        node_await(i);
        sim_node_enter(nodes.places[i]);
        node_stop(nodes.places[i]);
        sim_node_enter(NULL);
    }
    while (nodes.ending > 0)
        sim_sleep_us(SIM_SECOND);
    while (nodes.all != NULL) {
        struct node *n = nodes.all;

        nodes.all = n->next;
        sim_bucket_free(n->bucket);
        free(n);
    }
}
