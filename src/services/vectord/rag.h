/*
 * rag: an answer made of what indexes hold, with quotes that stand there byte for byte.
 *
 * The question is searched as hybrid.h does; the hits that have a text are the passages. With a
 * model, it is told to answer from the passages alone and to quote them; each quote is looked for
 * in its passage, and in the others, and one that stands in none is dropped. An answer without a
 * quote that stands is no answer. Without a model, or when it cannot be reached, the answer is made
 * of the sentences that hold the question's words (text/extract.h), and is none when they hold less
 * than `rag.cover_min` of its weight. So what is answered has been read in the lake, or `found` is
 * false.
 *
 * Fails    as hybrid.h; INVALID "bridge…" for a model that is named and not there. A provider that
 *          fails is no failure: the answer is extractive and says why.
 */
#ifndef LH_SERVICES_VECTORD_RAG_H
#define LH_SERVICES_VECTORD_RAG_H

#include "services/vectord/hybrid.h"

#define VECTOR_RAG_EXTRACTIVE "extractive" /* the model of an answer that no model made */

/* POST /v1/rag */
lh_status vector_rag_answer(struct vectord *v, struct lh_call *call, const json_t *body,
                            struct lh_buf *answer, struct lh_error *err);

#endif
