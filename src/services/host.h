/*
 * host: one process and the services that live in it.
 *
 * Builds store, engines and mesh from the settings, starts the services in order, and opens the door: the gateway's
 * address when the gateway is among them, else the service's own mesh address behind lh_mesh_guard. Every operational
 * failure (UNAVAILABLE, CORRUPT, IO, NO_SPACE, BUG, TIMEOUT) that a handler returns is handed to journald here, in one place.
 */
#ifndef LH_SERVICES_HOST_H
#define LH_SERVICES_HOST_H

#include "services/service.h"

struct lh_host;

struct lh_host_options {
    const struct lh_service *const *services; /* NULL-ended, in start order */
    const struct lh_config *config;
    const char *data_dir;
    const char *listen; /* overrides the configured address; NULL: configured */
    bool is_embedded;   /* no socket at all: the command line opens the lake in its own process */
};

/* Ready to answer when it returns OK. */
lh_status lh_host_start(const struct lh_host_options *options, struct lh_host **out,
                        struct lh_error *err);
/* "http://127.0.0.1:3100"; "" when embedded. Borrowed. */
const char *lh_host_url(const struct lh_host *h);
struct lh_mesh *lh_host_mesh(struct lh_host *h);
/* Drains, then stops everything in reverse order. */
void lh_host_stop(struct lh_host *h);

/* Settings of every room and service, for lh_config_load. */
const struct lh_config_key *const *lh_host_config_tables(void);

/* For the gateway: what runs in this process. */
size_t lh_host_ready(struct lh_host *h, struct lh_call *call, struct lh_ready_check *checks, size_t max);
void lh_host_status(struct lh_host *h, struct lh_json_writer *w); /* members "services", "memory" … */

#endif
