/*
 * build: an index from a dataset, as a job: a new generation beside the one that answers, or the
 * current one brought up to date.
 *
 * A build reads one version of the dataset, cuts and embeds its texts, and writes them into a
 * generation of their own; when it is whole it becomes current (unless `promote` is false). Texts
 * that the current generation has with the same model keep their vectors. A model that is learned
 * from texts is fitted first. A build that fails or is cancelled leaves nothing.
 *
 * A refresh embeds only what is new or changed, and removes what the dataset no longer has. When
 * the words of the new texts have drifted from what the model was learned from
 * (`vectors.drift_max`), it becomes a build with a model fitted anew.
 *
 * Fails    as source.h, generations.h and embed.h; CONFLICT "vectors.no_source" for a refresh of
 *          what was not built from a dataset.
 */
#ifndef LH_SERVICES_VECTORD_BUILD_H
#define LH_SERVICES_VECTORD_BUILD_H

#include "services/vectord/source.h"
#include "services/vectord/vectord.h"

/* Both answer what lh_jobs_accepted_print prints. */
lh_status vector_build_start(struct vectord *v, struct lh_call *call, lh_str name,
                             const json_t *body, struct lh_buf *answer, struct lh_error *err);
lh_status vector_refresh_start(struct vectord *v, struct lh_call *call, lh_str name,
                               struct lh_buf *answer, struct lh_error *err);
/* Whether the dataset has a newer version than the generation was made from, or was deleted: 1 yes,
 * 0 no, -1 not known. `source` is the JSON of the generation, or NULL. */
int vector_source_is_stale(struct vectord *v, struct lh_call *call, const char *source);

#endif
