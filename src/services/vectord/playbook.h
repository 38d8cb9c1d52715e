/*
 * playbook: what worked for a question, recorded, found again, and taken back.
 *
 * Playbooks are items of an ordinary index, `playbooks`, made at the first record: the question is
 * the text, everything else metadata. So they are Parquet in the bucket, searched, kept and backed
 * up like the rest. Their index always embeds with `hash-512`, which needs no fitting, so that
 * distances of questions mean the same whatever model the answers were found with.
 *
 * Nothing is ever counted up in place: a failure is a record of its own, and how often an answer
 * failed is counted when a question is asked. How they move hits is playbook_rank.h.
 *
 * Fails    INVALID "vectors.playbook" for nonsense; NOT_FOUND "vectors.unknown_index" |
 *          "vectors.unknown_playbook"; as items.h and search.h.
 */
#ifndef LH_SERVICES_VECTORD_PLAYBOOK_H
#define LH_SERVICES_VECTORD_PLAYBOOK_H

#include "services/vectord/playbook_rank.h"
#include "services/vectord/vectord.h"

#define VECTOR_PLAYBOOK_INDEX "playbooks"

enum { VECTOR_PLAYBOOK_ANSWERS_MAX = 100, VECTOR_PLAYBOOK_TAGS_MAX = 32 };

/* POST /v1/playbooks */
lh_status vector_playbook_record(struct vectord *v, struct lh_call *call, const json_t *body,
                                 struct lh_buf *answer, struct lh_error *err);
/* GET and DELETE /v1/playbooks/{id} */
lh_status vector_playbook_read(struct vectord *v, struct lh_call *call, lh_str id,
                               struct lh_buf *answer, struct lh_error *err);
lh_status
vector_playbook_retract(struct vectord *v, struct lh_call *call, lh_str id, struct lh_error *err);

/* What the playbooks of `index` move for a question; in the call's arena, none when there are no
 * playbooks. */
lh_status
vector_playbooks_moves(struct vectord *v, struct lh_call *call, lh_str index, lh_str question,
                       const struct vector_playbook_asker *asker,
                       struct vector_playbook_move **moves, size_t *count, struct lh_error *err);

#endif
