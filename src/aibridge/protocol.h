/*
 * protocol: how each kind of provider is spoken to; for this folder.
 *
 * A protocol writes the body of a request and reads the answer. Sending, repeating and checking is
 * the same for all (provider.c, embed.c, generate.c).
 *
 * Threads  pure.
 * Fails    IO "bridge.bad_answer".
 * Sources  OpenAI: platform.openai.com/docs/api-reference (embeddings, chat). Ollama:
 *          github.com/ollama/ollama/blob/main/docs/api.md (/api/embed, /api/chat). The sidecar:
 *          sidecar/README.md.
 */
#ifndef LH_AIBRIDGE_PROTOCOL_H
#define LH_AIBRIDGE_PROTOCOL_H

#include "aibridge/bridge.h"

struct bridge_vectors {
    struct lh_buf floats; /* count × dim of them; initialised by the caller */
    size_t count, dim;
    int64_t prompt_tokens; /* 0 where the provider does not say */
};

/* One event of a streamed answer. */
struct bridge_piece {
    lh_str text; /* borrowed from the event */
    bool is_end;
    lh_str finish_reason; /* "" unless it says so */
    int64_t prompt_tokens, completion_tokens;
};

struct bridge_protocol {
    const char *kind;                       /* as in the configuration */
    const char *embed_path, *generate_path; /* behind the provider's url */
    bool is_sse;             /* events are "data: …" lines; else every line is one */
    const char *texts_field; /* of texts to embed, beside "model" */
    lh_status (*embed_read)(const json_t *answer, struct bridge_vectors *out, struct lh_error *err);
    void (*generate_write)(const char *model, const struct lh_bridge_prompt *prompt,
                           struct lh_buf *body);
    /* *out is zeroed before. */
    lh_status (*event_read)(const json_t *event, struct bridge_piece *out, struct lh_error *err);
};

extern const struct bridge_protocol bridge_openai, bridge_ollama, bridge_sidecar;

/* By its kind; NULL for an unknown one. */
const struct bridge_protocol *bridge_protocol_find(lh_str kind);

/* ---- what protocols share ---- */

lh_status
bridge_bad_answer(struct lh_error *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Appends a JSON array of numbers as one vector; all vectors must be of one length. */
lh_status bridge_vector_add(struct bridge_vectors *v, const json_t *numbers, struct lh_error *err);
/* The same from base64 of little-endian floats: one vector, or `count` of them. */
lh_status
bridge_vector_add_base64(struct bridge_vectors *v, lh_str text, size_t count, struct lh_error *err);
/* The question for vectors of texts. */
void bridge_embed_write(const struct bridge_protocol *p, const char *model, const lh_str *texts,
                        size_t count, struct lh_buf *body);
void bridge_messages_print(struct lh_json_writer *w, const struct lh_bridge_prompt *prompt);
/* temperature, top_p, seed and stop where they are set, and the limit of tokens under that name. */
void bridge_options_print(struct lh_json_writer *w, const struct lh_bridge_prompt *prompt,
                          const char *tokens_max);
/* A member of an object as text or number; "" and 0 for anything else. */
lh_str bridge_member_str(const json_t *object, const char *key);
int64_t bridge_member_i64(const json_t *object, const char *key);

#endif
