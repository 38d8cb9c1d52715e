/*
 * hybrid: one ranking out of meaning, words, and what worked before, under a filter of facts.
 *
 * Every index gives two legs: the nearest vectors and the best words (BM25), each LH_FUSE_DEPTH
 * deep, both under the same filters. Playbooks (playbook.h) multiply distances of the first leg,
 * which is then ranked anew, and bring in what worked for nearly the same question. Reciprocal
 * ranks are added up (text/fuse.h); of hits that a playbook moved the sum is divided by its factor,
 * since ranks alone would hide how far it moved.
 *
 * A leg that cannot be had (an index without a model, a question without known words, an index
 * without texts) is left out and named in `skipped`; without any leg the question fails as the last
 * one did.
 *
 * Fails    as search.h and playbook.h.
 */
#ifndef LH_SERVICES_VECTORD_HYBRID_H
#define LH_SERVICES_VECTORD_HYBRID_H

#include "services/vectord/question.h"
#include "services/vectord/vectord.h"

struct vector_hybrid_hit {
    lh_str index, id;
    lh_str text;     /* ptr NULL: none kept */
    lh_str metadata; /* JSON object */
    double score;
    uint32_t vector_rank, text_rank; /* 0: not in that leg */
    double distance;                 /* as it is; with vector_rank */
    double text_score;
    double factor; /* of the distance; 1: no playbook moved it */
    const lh_str *playbooks;
    size_t playbook_count;
    bool is_injected;
};

struct vector_hybrid_skip {
    lh_str index;
    const char *leg; /* "vector" or "text" */
    lh_str why;      /* reason code */
};

struct vector_hybrid {
    struct vector_hybrid_hit *hits; /* best first */
    size_t count;
    struct vector_hybrid_skip skips[2 * VECTOR_QUESTION_INDEXES_MAX];
    size_t skip_count;
    uint64_t generations[VECTOR_QUESTION_INDEXES_MAX];
    bool is_sql_verified; /* every hit stands in the rows that sql_filter allows */
};

/* Everything is in the call's arena. */
lh_status
vector_hybrid_run(struct vectord *v, struct lh_call *call, const struct vector_question *q,
                  struct vector_hybrid *out, struct lh_error *err);
/* The object of one hit, without or with its text. */
void vector_hybrid_hit_print(const struct vector_hybrid *h, const struct vector_hybrid_hit *hit,
                             struct lh_json_writer *w);

/* POST /v1/search. */
lh_status vector_hybrid_answer(struct vectord *v, struct lh_call *call, const json_t *body,
                               struct lh_buf *answer, struct lh_error *err);

#endif
