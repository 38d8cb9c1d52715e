/*
 * world: one lake, several processes on it, and everything that may go wrong between them.
 *
 * A *node* is one process: a host with journald, catalogd and ingestd as `lakehouse serve` starts
 * them, with memory, threads and a clock of its own. All nodes see one *shelf* of objects through a
 * bucket that may fail. *Clients* ask nodes through the mesh, as the gateway does. The *oracle*
 * sees every change of the shelf at the moment it happens, and every answer that a client gets.
 */
#ifndef LH_SIM_WORLD_H
#define LH_SIM_WORLD_H

#include "base/json.h"
#include "net/mesh.h"
#include "services/host.h"
#include "store/bucket.h"
#include "task.h"

enum { NODES = 8, CLIENTS = 8, DATASETS_MAX = 3 };

/* How a run is set up; drawn from the seed. */
struct world_plan {
    size_t datasets;
    unsigned ops_per_client;
    unsigned fault_per_mille; /* of the requests to the bucket */
    unsigned crash_per_mille; /* of them, too: the process is gone at that step */
    unsigned pause_per_mille; /* the process stands still for up to pause_max_us */
    int64_t pause_max_us, latency_us;
    bool is_sleepy;      /* processes stand still just before a commit, and somebody collects */
    int64_t idle_max_us; /* between two acts of a client, now and then */
};
extern struct world_plan world_plan;

/* Faults on or off; at the end of a run the world comes to rest. */
extern bool world_is_calm;

/* ---- nodes (node.c) ---- */

void nodes_begin(void);
void nodes_end(void);               /* stops those that live */
struct node *node_at(size_t place); /* the living process of that place, or NULL */
void node_await(size_t place);      /* until it answers */
void node_crash(struct node *n);    /* nothing it does from now on has any effect */
bool node_is_dead(const struct node *n);
void node_hold(struct node *n); /* somebody is inside: its memory stays until… */
void node_let(struct node *n);  /* …he has left */
struct lh_mesh *node_mesh(struct node *n);
struct lh_bucket *node_bucket(struct node *n);
const char *node_name(const struct node *n);
size_t node_place(const struct node *n);
int64_t node_clock_us(const struct node *n); /* NULL: a clock that is right */
uint64_t node_tick_next(struct node *n);
int64_t node_paused_until_us(const struct node *n);
void node_pause(struct node *n, int64_t us);

/* ---- the shelf (shelf.c) ---- */

struct shelf_object {
    char *key;
    char *bytes;
    size_t len;
    uint64_t serial; /* of its put: the ETag */
    int64_t modified_us;
    unsigned refs;
};

void shelf_clear(void);
struct shelf_object *shelf_find(lh_str key);
/* The place of the first key that is not before `key`. */
size_t shelf_place(lh_str key);
struct shelf_object *shelf_at(size_t place); /* NULL at the end */
void shelf_object_unref(struct shelf_object *o);

/* The changes, as the store makes them: all or nothing, and seen by the oracle. */
enum shelf_outcome { SHELF_DONE, SHELF_REFUSED, SHELF_ABSENT };
struct shelf_put {
    lh_str key;
    lh_bytes bytes;
    bool if_absent;
    const char *if_match;
};
enum shelf_outcome shelf_put(const struct shelf_put *put, struct lh_object_info *info);
enum shelf_outcome shelf_remove(lh_str key, const char *if_match);
void shelf_info(const struct shelf_object *o, struct lh_object_info *info);

/* ---- the bucket of a node (bucket.c) ---- */

struct lh_bucket *sim_bucket_new(struct node *node);
void sim_bucket_free(struct lh_bucket *b);

/* ---- clients (client.c) ---- */

void *client_run(void *number);
/* One call as the system, on a node; the body is JSON or a file. */
lh_status client_ask(struct node *n, enum lh_method method, const char *service, const char *path,
                     lh_str body, const char *content_type, json_t **answer, struct lh_error *err);
/* The rows of the head of a dataset, as that node tells and reads it: sorted, one a line. False
 * when it does not answer; version 0 when there is no dataset. */
bool client_read(struct node *n, const char *dataset, uint64_t *version, struct lh_buf *rows);

/* ---- the oracle (oracle.c) ---- */

void oracle_begin(void);
void oracle_end(void);
const char *oracle_dataset(size_t number);
void oracle_row_sent(const char *row);

void oracle_put(const struct shelf_object *o);
void oracle_removed(const struct shelf_object *o);
void oracle_acked(const char *dataset, uint64_t version, const char *row);
void oracle_event_acked(const char *event_id);
/* What a read may answer at least: the newest version that was acknowledged to anybody. */
uint64_t oracle_acked_version(const char *dataset);
void oracle_read(const char *dataset, uint64_t version, uint64_t at_least, lh_str rows);
/* At rest: all is there, and nothing else. */
void oracle_settle(void);

/* ---- what the protocol is robbed of, to see that it is missed (mutation.c) ---- */

enum mutation {
    MUTATION_NONE,
    MUTATION_IGNORE_IF_ABSENT,
    MUTATION_COLLECT_BESIDE_WRITERS,
    MUTATION_NO_WRITER_RECORDS,
    MUTATION_ANSWER_BEFORE_PUT,
    MUTATION_NO_READ_BACK,
    MUTATION_NO_EVENT_RECOVERY,
    MUTATION_LOG_ANSWERS_EARLY,
    MUTATION_NO_FENCE,
    MUTATION_COUNT
};
extern enum mutation world_mutation;
const char *mutation_name(enum mutation m);
bool mutation_parse(const char *name, enum mutation *out);

/* ---- a run (world.c) ---- */

/* NULL: no violation. The text lives until the next run. */
const char *world_run(uint64_t seed);

#endif
