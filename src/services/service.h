/*
 * service: what every service of the house looks like from outside, and what it is given.
 *
 * A service is a descriptor: a name, its settings, its routes, and how to start, ask and stop it. A
 * *host* (services/host.h) builds the shared parts once for a process — settings, store, engines,
 * mesh — starts the services that live in it, and puts their routes behind one server. Whether one
 * process hosts all of them or one each, they are the same code.
 *
 * Start order is the order of the list the host is given; stop is the reverse.
 */
#ifndef LH_SERVICES_SERVICE_H
#define LH_SERVICES_SERVICE_H

#include "base/config.h"
#include "base/json.h"
#include "base/secret.h"
#include "net/mesh.h"
#include "net/router.h"
#include "net/server.h"
#include "store/store.h"

struct lh_engine;

/* Shared by all services of a process; borrowed, outlives them. */
struct lh_env {
    const struct lh_config *config;
    struct lh_secrets *secrets;
    struct lh_store *store;
    struct lh_mesh *mesh;
    const char *data_dir;
    struct lh_host *host;
};

/* The trusted engine: converts files, writes and reads small Parquet tables. Opened at the first
 * use. */
lh_status
lh_env_work_engine(const struct lh_env *env, struct lh_engine **out, struct lh_error *err);
/* The locked engine that runs SQL of users over lake:// only. */
lh_status
lh_env_query_engine(const struct lh_env *env, struct lh_engine **out, struct lh_error *err);

/* One line of /readyz. */
struct lh_ready_check {
    const char *name;
    bool is_ok;
    char detail[256];
    const char *service; /* filled in by the host when the service leaves it NULL */
};

/* What stands between the network and the routes of a service that is a door of its own: the
 * gateway. */
struct lh_door {
    lh_server_guard guard;
    lh_server_done done;
    void *self; /* for both */
};

/* A further address of a service, with a protocol and a guard of its own: the S3 door of storaged.
 */
struct lh_side_door {
    const char *name;   /* of its server, in logs, metrics and /v1/status: "s3" */
    const char *listen; /* HOST:PORT; NULL: it stays shut */
    const struct lh_route *routes;
    lh_server_guard guard;
    lh_server_done done;
    lh_server_refuse refuse;
    void *self; /* for all three; handlers get the service */
};

struct lh_service {
    const char *name;                   /* "catalogd" */
    const char *what;                   /* one line for people */
    const struct lh_config_key *config; /* NULL: none */
    const struct lh_route *routes;
    lh_status (*start)(const struct lh_env *env, void **self, struct lh_error *err);
    void (*drain)(void *self); /* no new background work; may be NULL */
    void (*stop)(void *self);
    /* Fills at most `max` checks, returns how many; may be NULL. Must be quick. */
    size_t (*ready)(void *self, struct lh_call *call, struct lh_ready_check *checks, size_t max);
    /* Members of its object in /v1/status; may be NULL. */
    void (*status)(void *self, struct lh_json_writer *w);
    /* Adds what outsiders may call, `routes` included, to the router of the process, once after
     * start. NULL: its routes are called through the mesh, and behind lh_mesh_guard when it has a
     * process of its own. */
    void (*door)(void *self, struct lh_router *router, struct lh_door *out);
    /* Asked once after start, unless the process has no sockets at all; may be NULL. */
    lh_status (*side_door)(void *self, struct lh_side_door *out, struct lh_error *err);
};

extern const struct lh_service lh_storaged, lh_catalogd, lh_ingestd, lh_queryd, lh_vectord,
    lh_journald, lh_gateway;

#endif
