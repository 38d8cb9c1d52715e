/*
 * openai: embeddings, chat and models in the shape of OpenAI's API, over the bridge.
 *
 * A client written for OpenAI works unchanged when its base URL is this lake's /v1. Failures are
 * problem documents like all others, with OpenAI's member `error` beside, so that such a client
 * finds message and code where it looks. Fields of OpenAI that change nothing here (`user`) are
 * taken and ignored; fields that would (`tools`, `n` above 1) are 400, because an answer that
 * silently leaves them out would be wrong.
 *
 * Fails    as aibridge/bridge.h; INVALID "request.field_type" | "request.field_missing" |
 *          "request.field_unknown" | "openai.unsupported" names the field.
 * Source   platform.openai.com/docs/api-reference, as openai 6 for node speaks it.
 */
#ifndef LH_SERVICES_VECTORD_OPENAI_H
#define LH_SERVICES_VECTORD_OPENAI_H

#include "services/vectord/vectord.h"

lh_status openai_embeddings(void *self, struct lh_call *call, struct lh_request *req,
                            struct lh_response *res, struct lh_error *err);
lh_status openai_chat(void *self, struct lh_call *call, struct lh_request *req,
                      struct lh_response *res, struct lh_error *err);
lh_status openai_models(void *self, struct lh_call *call, struct lh_request *req,
                        struct lh_response *res, struct lh_error *err);
lh_status openai_model(void *self, struct lh_call *call, struct lh_request *req,
                       struct lh_response *res, struct lh_error *err);

/* Adds OpenAI's `error` member to a failure and returns its status. */
lh_status openai_fail(lh_status status, struct lh_error *err);
/* {"message","type","code","param"} */
void openai_error_print(struct lh_json_writer *w, const struct lh_error *err);

/* The body of an embeddings request, for the fuzzer too. Texts are borrowed from `body`. */
struct openai_embeddings_request {
    json_t *body;
    lh_str model;
    lh_str *texts; /* in the arena */
    size_t count;
    int64_t dimensions; /* 0: the model's */
    bool is_base64;
};

lh_status openai_embeddings_read(lh_str text, struct lh_arena *arena,
                                 struct openai_embeddings_request *out, struct lh_error *err);
void openai_embeddings_fini(struct openai_embeddings_request *r);

/* The body of a chat request. */
struct openai_chat_request {
    json_t *body;
    lh_str model;
    struct lh_bridge_prompt prompt; /* messages and stops in the arena */
    bool is_stream, wants_usage;
};

lh_status openai_chat_read(lh_str text, struct lh_arena *arena, struct openai_chat_request *out,
                           struct lh_error *err);
void openai_chat_fini(struct openai_chat_request *r);

#endif
