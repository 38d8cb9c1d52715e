/*
 * host: one process and the services that live in it.
 *
 * Builds store, engines and mesh from the settings, starts the services in order, and opens the
 * door: the gateway's address when the gateway is among them, else the service's own mesh address
 * behind lh_mesh_guard. Every operational failure (lh_host_report) that a handler returns is handed
 * to journald here, in one place.
 *
 * Owns     everything a `struct lh_env` points to, except the settings.
 * Threads  start and stop belong to one thread; the rest may be called by all.
 * Fails    as the first part that does not start; DENIED "host.insecure" for an address that others
 * reach without a token.
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
lh_status
lh_host_start(const struct lh_host_options *options, struct lh_host **out, struct lh_error *err);
/* "http://127.0.0.1:3100"; "" when embedded. Borrowed. */
const char *lh_host_url(const struct lh_host *h);
struct lh_mesh *lh_host_mesh(struct lh_host *h);
/* Drains for up to http.drain_timeout, then stops everything in reverse order. */
void lh_host_stop(struct lh_host *h);

/* The services of `lakehouse serve`, NULL-ended, in start order. */
const struct lh_service *const *lh_host_all_services(void);
/* Settings of every room and service, for lh_config_load. */
const struct lh_config_key *const *lh_host_config_tables(void);
/* Settings that must agree with each other, whoever reads them; INVALID "config.range". */
lh_status lh_host_config_check(const struct lh_config *config, struct lh_error *err);
/* Gives every service without a mesh address its usual port on this machine; for a process that
 * does not host all of them. */
lh_status lh_host_mesh_defaults(struct lh_config *config, struct lh_error *err);
/* Whether the settings hold anything that must not end in a core file. */
bool lh_host_has_secrets(const struct lh_config *config);

/* ---- for the gateway ---- */

/* The address to listen on, before it is bound; "" when embedded. */
const char *lh_host_listen(const struct lh_host *h);
/* "0.0.0.0:3100", "lake.lan:80": other machines can connect. */
bool lh_host_is_exposed(lh_str listen);

/* Of every service in this process; the host itself adds GET /healthz, /readyz and /metrics to each
 * door. */
size_t
lh_host_ready(struct lh_host *h, struct lh_call *call, struct lh_ready_check *checks, size_t max);
/* Members "version", "uptime_s", "services", "memory" and "engine". */
void lh_host_status(struct lh_host *h, struct lh_json_writer *w);

/* Hands `err` to journald when it is an operational failure: something an operator must look at,
 * rather than a caller who is wrong, slow or gone. One failure is reported once however many
 * handlers and processes it passes on its way out: it then bears the member "reported_by". */
void lh_host_report(struct lh_host *h, struct lh_call *call, const char *service,
                    const struct lh_request *req, struct lh_error *err);

#endif
