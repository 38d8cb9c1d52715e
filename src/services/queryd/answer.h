/*
 * answer: the bytes of a result on their way to the client.
 *
 * A short answer is kept until it is whole, so that a failure before its end still becomes a
 * problem document and its length is known. A long one begins to stream when the first buffer is
 * full; a failure after that cuts the connection.
 */
#ifndef LH_SERVICES_QUERYD_ANSWER_H
#define LH_SERVICES_QUERYD_ANSWER_H

#include "engine/result.h"
#include "net/http.h"

struct query_answer {
    struct lh_response *res;
    const char *content_type;
    struct lh_buf held;
    bool has_begun;
    void (*begins)(void *self); /* the last chance to set headers; may be NULL */
    void *self;
};

void
query_answer_init(struct query_answer *a, struct lh_response *res, enum lh_result_format format);
void query_answer_fini(struct query_answer *a);
struct lh_result_sink query_answer_sink(struct query_answer *a);
/* Sends what is held. */
lh_status query_answer_end(struct query_answer *a, struct lh_error *err);

#endif
