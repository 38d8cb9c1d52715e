/*
 * host parts: what the files of the host share. Nobody else includes this.
 *
 * A *slot* is one service's place in the process. Its router is registered with the mesh before any
 * service starts, so that the mesh never changes once threads run; the router's routes lead to the
 * slot, and the slot to the service once that has started.
 */
#ifndef LH_SERVICES_HOST_PARTS_H
#define LH_SERVICES_HOST_PARTS_H

#include <pthread.h>
#include <stdatomic.h>
#include "engine/engine.h"
#include "services/host.h"
#include "services/host_origin.h"

/* ---- slots ---- */

struct host_route;

/* A door beside the main one. */
struct host_side {
    struct lh_side_door door; /* name NULL: there is none */
    struct host_route *routes;
    struct lh_router *router;
    struct lh_server *server;
    char *url;
};

struct host_slot {
    struct lh_host *host;
    const struct lh_service *service;
    struct lh_router *router; /* its routes; of a service that is a door, those of the process */
    struct host_route *routes;
    struct lh_door door;
    struct host_side side;
    void *self;             /* what start gave; read only while is_running */
    atomic_bool is_running; /* from the end of start to the beginning of stop */
};

void host_slot_init(struct host_slot *slot, struct lh_host *host, const struct lh_service *service);
void host_slot_fini(struct host_slot *slot);
/* A table of routes that lead to the slot; ends with a row without a target. Caller frees. */
struct host_route *host_routes_new(struct host_slot *slot, const struct lh_route *routes);
void host_routes_add(struct host_route *routes, struct lh_router *r);
/* The same routes behind another door. */
void host_slot_routes_add(const struct host_slot *slot, struct lh_router *r);
lh_status host_slot_start(struct host_slot *slot, const struct lh_env *env, struct lh_error *err);
void host_slot_drain(struct host_slot *slot);
void host_slot_stop(struct host_slot *slot);
bool host_slot_is_running(const struct host_slot *slot);

/* ---- failures already reported ---- */

#define HOST_REPORTED_MAX 256

/* A ring of (trace, reason) hashes; the oldest makes room. */
struct host_reported {
    pthread_mutex_t lock;
    uint64_t seen[HOST_REPORTED_MAX];
    size_t next;
};

/* True the first time. */
bool host_reported_add(struct host_reported *r, const char *trace_id, const char *reason);
bool host_failure_is_operational(const struct lh_error *err);

/* A read that the rescue bucket answered is a failure too, though nobody was failed. */
void host_rescue_tell(void *host, struct lh_call *call, const struct lh_rescue *told);

/* ---- the host ---- */

struct host_engines {
    pthread_mutex_t lock;
    struct lh_engine *engine[2]; /* by enum lh_engine_kind */
};

struct lh_host {
    struct lh_env env;
    struct host_slot *slots;
    size_t slot_count;
    struct host_engines engines;
    struct host_reported reported;
    struct lh_router *door_router; /* of a process without a gateway */
    struct lh_host_origin *origin; /* likewise */
    struct lh_server *server;
    char *data_dir;
    char *listen;
    char *url;
    char *health_body; /* of /healthz: the same bytes every time */
    int64_t started_ms;
};

extern const struct lh_config_key host_config[];

/* HOST:PORT that the settings give this service. Caller frees. */
char *host_listen_configured(const struct lh_config *config, const struct lh_service *service);
/* Binds the address; the last step of a start. */
lh_status host_door_open(struct lh_host *h, struct lh_error *err);
/* The service that faces the network: the one with a door, else the only or last one. */
const struct host_slot *host_door_slot(const struct lh_host *h);
/* Binds the side door of the service, if it wants one. */
lh_status host_side_open(struct host_slot *slot, struct lh_error *err);
void host_side_drain(struct host_slot *slot);
void host_side_close(struct host_slot *slot);
void host_side_fini(struct host_slot *slot);
/* Member "doors" of the service in /v1/status. */
void host_side_print(const struct host_slot *slot, struct lh_json_writer *w);
/* GET /healthz, /readyz and /metrics; and /v1/status for a process without a gateway. */
void host_health_routes_add(struct lh_host *h, struct lh_router *r);
void host_status_route_add(struct lh_host *h, struct lh_router *r);

/* NULL while nobody has asked for it. */
struct lh_engine *host_engine_find(struct lh_host *h, enum lh_engine_kind kind);
void host_engines_fini(struct host_engines *e);

#endif
