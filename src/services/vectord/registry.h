/*
 * registry: the generations that are open in this process.
 *
 * An index is opened when somebody asks for it. Its definition is looked at again every
 * `vectors.refresh` (keeper.h), so that what other processes do shows here within that time.
 * Whoever gets a generation holds a reference: promoting another one swaps a pointer, and searches
 * under way end on the one they began with. The last few generations of an index stay open, so that
 * going back is as quick.
 *
 * Threads  all functions from any thread.
 */
#ifndef LH_SERVICES_VECTORD_REGISTRY_H
#define LH_SERVICES_VECTORD_REGISTRY_H

#include "services/vectord/generation.h"

struct vector_registry *vector_registry_new(struct vectord *v);
/* Saves caches of what has changed, then closes everything. */
void vector_registry_free(struct vector_registry *r);

/* The generation that answers now, without items whose rows were deleted (tombstoned.h); the caller
 * unrefs it. */
lh_status vector_current(struct vectord *v, struct lh_call *call, lh_str name,
                         struct vector_generation **out, struct lh_error *err);
/* Removes what deletions of rows hide. */
lh_status vector_registry_follow(struct vectord *v, struct lh_call *call,
                                 struct vector_generation *g, struct lh_error *err);
/* Any ready generation of the index. */
lh_status
vector_generation_get(struct vectord *v, struct lh_call *call, lh_str name, uint64_t number,
                      struct vector_generation **out, struct lh_error *err);
/* The definition as this process knows it, at most `vectors.refresh` old; a copy. */
lh_status vector_known(struct vectord *v, struct lh_call *call, lh_str name,
                       struct vector_definition **out, struct lh_error *err);

/* The model of the generation that answers now; "" when vectors come from outside. */
lh_status vector_model_name(struct vectord *v, struct lh_call *call, lh_str name,
                            char model[VECTOR_MODEL_MAX], struct lh_error *err);

/* Takes over a definition that was just stored or read: opens what it says is current and swaps.
 * Takes `d`. */
lh_status vector_registry_adopt(struct vectord *v, struct lh_call *call,
                                struct vector_definition *d, struct lh_error *err);
/* Forgets everything about the name. */
void vector_registry_drop(struct vectord *v, lh_str name);
/* Forgets one generation, so that it is opened anew; references stay good. */
void vector_registry_close(struct vectord *v, struct vector_generation *g);

/* Calls `see` for every open generation, each with a reference of its own while it runs. */
void vector_registry_each(struct vectord *v,
                          void (*see)(void *ctx, struct vector_generation *g, bool is_current),
                          void *ctx);
/* Looks at all definitions again. */
void vector_registry_refresh(struct vectord *v, struct lh_call *call);

struct vector_registry_stats {
    size_t indexes, generations, items, bytes;
};
struct vector_registry_stats vector_registry_stats_get(struct vectord *v);

#endif
