/*
 * eval_run: rankings of a test collection by each leg of a search, and their measures.
 *
 * The legs are those of the lake: bm25 (text/bm25.h), lsa fitted on the documents (text/lsa.h),
 * hash (text/hash_model.h), hybrid, which fuses bm25 and lsa as /v1/search does (text/fuse.h), and
 * hybrid-hash, which does the same with hash.
 * Vectors are compared exactly, so that a measure speaks of the model and not of an index.
 *
 * Owns     what it built from the collection, which outlives it. One thread.
 */
#ifndef LH_APPS_CLI_EVAL_RUN_H
#define LH_APPS_CLI_EVAL_RUN_H

#include "base/json.h"
#include "text/collection.h"
#include "text/eval.h"

enum eval_leg { EVAL_BM25, EVAL_LSA, EVAL_HASH, EVAL_HYBRID, EVAL_HYBRID_HASH, EVAL_LEG_COUNT };

const char *eval_leg_name(enum eval_leg leg);

struct eval_run;

/* Builds what the wanted legs need (a bit for each). */
lh_status eval_run_new(const struct lh_collection *c, unsigned legs, struct eval_run **out,
                       struct lh_error *err);
void eval_run_free(struct eval_run *r);
LH_AUTO_DEFINE(eval_run)

/* The documents for a query, best first, at most `k`: numbers in the collection. */
lh_status eval_run_rank(struct eval_run *r, enum eval_leg leg, lh_str query, size_t k,
                        uint64_t *documents, size_t *count, struct lh_error *err);
/* Ranks all queries down to `k` and takes the means. */
lh_status eval_run_measure(struct eval_run *r, enum eval_leg leg, size_t k,
                           struct lh_eval_mean *out, struct lh_error *err);

#endif
