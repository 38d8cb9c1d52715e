/*
 * bridge: embeddings and generated text, from whoever provides them.
 *
 * A *model* is a name that callers use. Its provider is one of four: built-in (`hash-512`, always
 * there; fitted `lsa` models, which a caller registers), the Python sidecar, Ollama, or an endpoint
 * that speaks OpenAI's protocol. The last three are `[[provider]]` tables of the configuration, and
 * their models `[[model]]` tables; nothing else is ever connected to, redirects included.
 *
 * Around every provider: texts are looked up in one cache (keyed by model and text), the missing
 * ones go out in batches, so many at a time for each provider; what may be repeated is, with
 * jittered back-off, within the deadline of the call; a provider that keeps failing is left alone
 * for a while (circuit breaker). Vectors are checked before anybody sees them: their number, the
 * model's dimension, no NaN or infinity. A text without words may embed to zeros; `zero_count`
 * tells.
 *
 * Owns     cache, breakers, registered models.
 * Threads  everything may be called from any thread; lh_bridge_free comes last.
 * Fails    NOT_FOUND "bridge.unknown_model"; UNSUPPORTED "bridge.wrong_kind" (asked to embed with a
 *          model that generates, or the other way round) and "bridge.no_model" (no generation model
 *          is configured); TOO_BIG "bridge.too_many" texts in one call; BUSY "bridge.busy" when too
 *          many calls wait; UNAVAILABLE "bridge.provider" (unreachable, 5xx, 429) and
 *          "bridge.circuit_open"; IO "bridge.bad_answer" for an answer that is not what the
 *          protocol or the model's dimension says, IO "bridge.provider_denied" (401, 403: our key);
 *          INVALID "bridge.refused" for other 4xx; TIMEOUT and CANCELED of the call.
 */
#ifndef LH_AIBRIDGE_BRIDGE_H
#define LH_AIBRIDGE_BRIDGE_H

#include "base/buf.h"
#include "base/config.h"
#include "base/json.h"
#include "base/secret.h"
#include "net/call.h"

struct lh_bridge;
struct lh_lsa;

/* "bridge.…", [[provider]], [[model]] */
extern const struct lh_config_key lh_bridge_config[];

/* Connects to nobody yet. INVALID "config.bridge" for providers and models that do not fit
 * together. `secrets` (may be NULL, outlives the bridge) has the keys of providers, field API_KEY.
 */
lh_status lh_bridge_new(const struct lh_config *config, struct lh_secrets *secrets,
                        struct lh_bridge **out, struct lh_error *err);
void lh_bridge_free(struct lh_bridge *b);
LH_AUTO_DEFINE(lh_bridge)

/* ---- models ---- */

enum lh_bridge_kind { LH_BRIDGE_EMBED, LH_BRIDGE_GENERATE };

#define LH_BRIDGE_NAME_MAX 128

struct lh_bridge_model {
    const char *name;
    const char *provider; /* "built-in", or the name of a [[provider]] */
    enum lh_bridge_kind kind;
    size_t dim; /* of EMBED; 0 while a remote model has not answered yet and none is configured */
};

/* Calls `see` for each model, built-in first, then as configured, then registered ones by name. The
 * strings are borrowed until `see` returns. */
void lh_bridge_models(struct lh_bridge *b,
                      void (*see)(void *ctx, const struct lh_bridge_model *model), void *ctx);

/* "" is the default model of a kind: bridge.embed_model, bridge.generate_model. Copies the name. */
lh_status lh_bridge_model_find(struct lh_bridge *b, enum lh_bridge_kind kind, lh_str name,
                               char found[LH_BRIDGE_NAME_MAX], struct lh_error *err);

/* Its dimension; a remote model without a configured one is asked to embed a word. */
lh_status lh_bridge_dim(struct lh_bridge *b, struct lh_call *call, lh_str model, size_t *dim,
                        struct lh_error *err);

/*
 * A fitted model under a name of the caller ("lsa-256:workers:3"), *taking* `m`, which is freed
 * when it is unregistered or replaced and the last embedding under way has ended. Its vectors are
 * not cached: folding in costs less than a look-up saves. A name of the configuration is EXISTS
 * "bridge.name_taken".
 */
lh_status
lh_bridge_lsa_register(struct lh_bridge *b, lh_str name, struct lh_lsa *m, struct lh_error *err);
void lh_bridge_unregister(struct lh_bridge *b, lh_str name); /* unknown names are harmless */

/* ---- embedding ---- */

struct lh_bridge_embedding {
    size_t zero_count;    /* texts whose vector is all zeros: no word, or none that is known */
    size_t cached;        /* texts that the cache answered */
    size_t prompt_tokens; /* as the provider counts, estimated where it does not */
    double unknown_share; /* of lsa: mean share of weight on unknown words, text/lsa.h */
};

/* Writes count × dim floats, in the order of `texts`. `dim` must be the model's (lh_bridge_dim):
 * anything else is INVALID "bridge.dimension". All or nothing. `report` may be NULL. */
lh_status lh_bridge_embed(struct lh_bridge *b, struct lh_call *call, lh_str model,
                          const lh_str *texts, size_t count, float *out, size_t dim,
                          struct lh_bridge_embedding *report, struct lh_error *err);

/* ---- generating ---- */

struct lh_bridge_message {
    lh_str role; /* "system", "user", "assistant" */
    lh_str content;
};

struct lh_bridge_prompt {
    const struct lh_bridge_message *messages;
    size_t count;
    int64_t tokens_max; /* of the answer; 0: the provider's own limit */
    double temperature; /* with has_temperature */
    double top_p;       /* with has_top_p */
    int64_t seed;       /* with has_seed */
    bool has_temperature, has_top_p, has_seed;
    const lh_str *stop;
    size_t stop_count;
    /* Pieces of the answer as they come, from the calling thread; a failure ends the generation and
     * is what lh_bridge_generate fails with. NULL: only the whole at the end. */
    lh_status (*see)(void *ctx, lh_str piece, struct lh_error *err);
    void *ctx;
};

struct lh_bridge_completion {
    struct lh_buf text;     /* initialised by the caller, whose limit is the limit of the answer */
    char finish_reason[24]; /* "stop", "length", … */
    int64_t prompt_tokens, completion_tokens; /* 0 where the provider does not say */
};

/* Repeated only as long as no piece has been seen. Not cached. */
lh_status lh_bridge_generate(struct lh_bridge *b, struct lh_call *call, lh_str model,
                             const struct lh_bridge_prompt *prompt,
                             struct lh_bridge_completion *out, struct lh_error *err);

/* Whether lh_bridge_generate has any model to ask. */
bool lh_bridge_can_generate(struct lh_bridge *b);

/* ---- watching ---- */

/* An object: cache statistics, and of each provider its address, breaker and calls. */
void lh_bridge_status(struct lh_bridge *b, struct lh_json_writer *w);

#endif
