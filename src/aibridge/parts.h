/*
 * parts: what a bridge is made of; for this folder.
 */
#ifndef LH_AIBRIDGE_PARTS_H
#define LH_AIBRIDGE_PARTS_H

#include <stdatomic.h>
#include "aibridge/breaker.h"
#include "aibridge/bridge.h"
#include "aibridge/protocol.h"
#include "aibridge/vector_cache.h"
#include "base/metrics.h"
#include "base/thread.h"
#include "net/client.h"
#include "text/lsa.h"

#define BRIDGE_BUILT_IN "built-in"

struct bridge_provider {
    const char *name, *url, *credentials; /* of the configuration */
    const struct bridge_protocol *protocol;
    int64_t timeout_ms;
    size_t concurrency;
    struct {
        pthread_mutex_t lock;
        pthread_cond_t freed;
        size_t running, waiting;
        struct bridge_breaker breaker;
        struct lh_secret *key; /* as last loaded; dropped when the provider refuses it */
    } gate;
    struct {
        struct lh_metric *ok, *failed, *retries, *seconds, *is_open;
    } metrics;
};

/* Of the configuration; never changes, but for a dimension that is learned. */
struct bridge_model {
    const char *name, *remote_name;
    struct bridge_provider *provider; /* NULL: hash-512 */
    enum lh_bridge_kind kind;
    _Atomic size_t dim;
    size_t batch;
};

/* A fitted model that a caller registered. */
struct bridge_fitted {
    char name[LH_BRIDGE_NAME_MAX];
    struct lh_lsa *lsa;
    size_t refs; /* of the list and of embeddings under way; under fitted.lock */
};

struct lh_bridge {
    struct lh_client *client;
    struct lh_secrets *secrets;
    struct bridge_provider *providers;
    size_t provider_count;
    struct bridge_model *models;
    size_t model_count;
    const char *embed_model, *generate_model; /* "": the first */
    struct bridge_vector_cache *cache;
    size_t texts_max, waiting_max;
    int64_t retries;
    struct {
        pthread_mutex_t lock;
        struct bridge_fitted **list; /* by name */
        size_t count;
    } fitted;
};

/* ---- provider.c ---- */

struct bridge_ask {
    struct bridge_provider *provider;
    const char *path;
    lh_bytes body;
    size_t answer_max;
    struct lh_sink *sink;         /* of a streamed answer, or NULL */
    const struct lh_buf *refusal; /* where the sink keeps the body of an answer that is not 2xx */
    /* With a sink: whether something of the answer has been passed on, so that it cannot be asked
     * for again. */
    const bool *is_begun;
};

/* Sends, as often as it takes and is allowed. On OK the status of the answer is 2xx; its body is in
 * *answer (initialised by the caller) unless there is a sink. */
lh_status
bridge_provider_ask(struct lh_bridge *b, struct lh_call *call, const struct bridge_ask *ask,
                    struct lh_buf *answer, struct lh_error *err);

/* ---- fitted.c ---- */

/* A reference, or NULL. */
struct bridge_fitted *bridge_fitted_find(struct lh_bridge *b, lh_str name);
void bridge_fitted_unref(struct lh_bridge *b, struct bridge_fitted *f);
void bridge_fitted_clear(struct lh_bridge *b);
void bridge_fitted_see(struct lh_bridge *b,
                       void (*see)(void *ctx, const struct lh_bridge_model *model), void *ctx);

/* ---- bridge.c ---- */

/* By its exact name; NULL for one that the configuration does not have. */
struct bridge_model *bridge_model_of(struct lh_bridge *b, lh_str name);
lh_status bridge_unknown_model(lh_str name, struct lh_error *err);

/* ---- embed.c ---- */

lh_status bridge_dim_learn(struct lh_bridge *b, struct lh_call *call, struct bridge_model *m,
                           struct lh_error *err);

#endif
