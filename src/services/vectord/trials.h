/*
 * trials: measuring many candidates as a job, and what was measured as data.
 *
 * Every trial is a row of the dataset `index_trials`, written through ingestd when it has been
 * measured, so that `SELECT … FROM index_trials` reads it. The best is the one of highest recall,
 * then of lowest p50, among those whose recall reaches the gate (`vectors.recall_gate`).
 *
 * Autotune tries a grid of its own and, when asked to or configured to
 * (`vectors.autotune_promote`), makes a generation with the best parameters over the same items
 * and promotes it; rollback goes back.
 */
#ifndef LH_SERVICES_VECTORD_TRIALS_H
#define LH_SERVICES_VECTORD_TRIALS_H

#include "services/vectord/trial.h"

#define VECTOR_TRIALS_DATASET "index_trials"

enum { VECTOR_GRID_MAX = 100 };

/* {"grid":[{…}],"k"?,"queries"?} */
lh_status vector_trials_start(struct vectord *v, struct lh_call *call, lh_str name,
                              const json_t *body, struct lh_buf *answer, struct lh_error *err);
/* {"k"?,"queries"?,"promote"?} */
lh_status vector_autotune_start(struct vectord *v, struct lh_call *call, lh_str name,
                                const json_t *body, struct lh_buf *answer, struct lh_error *err);
/* Newest first. */
lh_status vector_trials_list(struct vectord *v, struct lh_call *call, lh_str name, lh_str cursor,
                             size_t limit, struct lh_buf *answer, struct lh_error *err);
/* NOT_FOUND "vectors.no_trial". */
lh_status vector_trials_best(struct vectord *v, struct lh_call *call, lh_str name,
                             struct lh_buf *answer, struct lh_error *err);

#endif
