/*
 * vectord: what its files share.
 */
#ifndef LH_SERVICES_VECTORD_VECTORD_H
#define LH_SERVICES_VECTORD_VECTORD_H

#include "aibridge/bridge.h"
#include "base/metrics.h"
#include "services/service.h"
#include "services/vectord/budget.h"
#include "services/vectord/definition.h"

#define VECTOR_BATCH_BYTES_MAX ((size_t)1 << 30)

struct vector_generation;
struct vector_registry;
struct vector_keeper;
struct lh_jobs;
struct lh_catalog_client;

struct vectord {
    const struct lh_env *env;
    struct lh_bucket *bucket; /* primary: all of vectord's objects are there */
    struct lh_bridge *bridge;
    struct vector_budget budget;
    struct vector_registry *registry;
    struct vector_keeper *keeper;
    struct lh_jobs *jobs;
    struct lh_catalog_client *catalog;
    unsigned build_threads;
    size_t items_max, text_max, metadata_max;
    int64_t commit_timeout_ms;
    struct {
        struct lh_metric *searches, *search_seconds, *items, *batches, *failures, *swaps;
    } metrics;
};

extern const struct lh_config_key vectord_config[];
extern const struct lh_route vectord_routes[];

/* An event about an index; values as JSON or none. */
lh_status vectord_event(const struct vectord *v, struct lh_call *call, const char *index,
                        const char *action, lh_str old_json, lh_str new_json, struct lh_error *err);

/* Members of the object that is open: what is in memory, jobs under way, models and their cache. */
void vectord_status_print(struct vectord *v, struct lh_json_writer *w);

/* Closes what has not been asked for longest until `more` bytes fit or nothing is left to close;
 * never `except`. */
void vectord_room_make(struct vectord *v, size_t more, const struct vector_generation *except);

#endif
