#include <math.h>
#include <stdlib.h>
#include "aibridge/parts.h"
#include "base/alloc.h"
#include "text/hash_model.h"

#define ANSWER_BASE_MAX ((size_t)1 << 20)
#define FLOAT_TEXT_MAX 32 /* bytes of a float in JSON */
#define DIM_MAX 16384
#define BODY_MAX ((size_t)256 << 20)
#define TOKEN_BYTES 4 /* of English text, about; for providers that do not count */

struct job {
    struct lh_bridge *b;
    struct lh_call *call;
    struct bridge_model *model;
    const lh_str *texts;
    size_t count, dim;
    float *out;
    struct lh_bridge_embedding report;
};

static int64_t
tokens_guess(const lh_str *texts, size_t count)
{
    size_t bytes = 0;

    for (size_t i = 0; i < count; i++)
        bytes += texts[i].len;
    return (int64_t)((bytes + TOKEN_BYTES - 1) / TOKEN_BYTES);
}

/* ---- built-in ---- */

static lh_status
hash_run(struct job *j, struct lh_error *err)
{
    for (size_t i = 0; i < j->count; i++) {
        LH_TRY(lh_call_check(j->call, err));
        (void)lh_hash_embed(j->texts[i], j->out + i * j->dim);
    }
    j->report.prompt_tokens = (size_t)tokens_guess(j->texts, j->count);
    return LH_OK;
}

static lh_status
fitted_run(struct job *j, const struct lh_lsa *lsa, struct lh_error *err)
{
    double unknown_sum = 0;

    for (size_t i = 0; i < j->count; i++) {
        float unknown;
        LH_TRY(lh_call_check(j->call, err));
        (void)lh_lsa_embed(lsa, j->texts[i], j->out + i * j->dim, &unknown);
        unknown_sum += (double)unknown;
    }
    j->report.unknown_share = j->count ? unknown_sum / (double)j->count : 0;
    j->report.prompt_tokens = (size_t)tokens_guess(j->texts, j->count);
    return LH_OK;
}

/* ---- of a provider ---- */

/* Sends texts and reads as many vectors; `dim` 0 takes whatever dimension comes. */
static lh_status
batch_ask(struct lh_bridge *b, struct lh_call *call, const struct bridge_model *m,
          const lh_str *texts, size_t count, size_t dim, struct bridge_vectors *out,
          struct lh_error *err)
{
    size_t most = ANSWER_BASE_MAX + count * (dim ? dim : DIM_MAX) * FLOAT_TEXT_MAX;
    LH_AUTO_BUF(body, BODY_MAX);
    LH_AUTO_BUF(answer, most);
    LH_AUTO_JSON json = NULL;
    struct bridge_ask ask = {
        .provider = m->provider, .path = m->provider->protocol->embed_path, .answer_max = most};

    bridge_embed_write(m->provider->protocol, m->remote_name, texts, count, &body);
    LH_TRY(lh_buf_check(&body, "the texts to embed", err));
    ask.body = lh_buf_bytes(&body);
    LH_TRY(bridge_provider_ask(b, call, &ask, &answer, err));
    if (lh_json_parse(lh_buf_str(&answer), &json, NULL) != LH_OK)
        return bridge_bad_answer(err, "provider '%s' did not answer JSON", m->provider->name);
    if (m->provider->protocol->embed_read(json, out, err) != LH_OK)
        return lh_error_wrap(err, "provider '%s'", m->provider->name);
    if (out->count != count)
        return bridge_bad_answer(err, "provider '%s' answered %zu embeddings for %zu texts",
                                 m->provider->name, out->count, count);
    if (dim && out->dim != dim)
        return bridge_bad_answer(err,
                                 "model '%s' has %zu dimensions, but provider '%s' answered %zu",
                                 m->name, dim, m->provider->name, out->dim);
    return LH_OK;
}

static void
vectors_fini(struct bridge_vectors *v)
{
    lh_buf_fini(&v->floats);
}

#define AUTO_VECTORS __attribute__((cleanup(vectors_fini))) struct bridge_vectors

lh_status
bridge_dim_learn(struct lh_bridge *b, struct lh_call *call, struct bridge_model *m,
                 struct lh_error *err)
{
    static const lh_str word = {"dimension", 9};
    AUTO_VECTORS v = {.floats.max = DIM_MAX * sizeof(float)};

    LH_TRY(batch_ask(b, call, m, &word, 1, 0, &v, err));
    m->dim = v.dim;
    return LH_OK;
}

/* The texts of one batch that the cache did not have, and where their vectors go. */
struct missing {
    lh_str *texts;
    struct bridge_vector_key *keys;
    size_t *places;
    size_t count;
};

static lh_status
missing_ask(struct job *j, const struct missing *missing, struct lh_error *err)
{
    AUTO_VECTORS v = {.floats.max = missing->count * j->dim * sizeof(float) * 2 + sizeof(float)};

    LH_TRY(batch_ask(j->b, j->call, j->model, missing->texts, missing->count, j->dim, &v, err));
    if (v.floats.data == NULL)
        return bridge_bad_answer(err, "model '%s' answered nothing", j->model->name);
    for (size_t i = 0; i < missing->count; i++) {
        const float *vector = (const float *)(const void *)v.floats.data + i * j->dim;
        memcpy(j->out + missing->places[i] * j->dim, vector, j->dim * sizeof(*vector));
        bridge_vector_cache_put(j->b->cache, &missing->keys[i], vector, j->dim);
    }
    int64_t guess = tokens_guess(missing->texts, missing->count);
    j->report.prompt_tokens += (size_t)(v.prompt_tokens > 0 ? v.prompt_tokens : guess);
    return LH_OK;
}

static void
missing_free(struct missing *m)
{
    free(m->texts);
    free(m->keys);
    free(m->places);
}

/* Gathers texts that the cache does not have until a batch is full, and asks. */
static lh_status
remote_run(struct job *j, struct lh_error *err)
{
    size_t batch = j->model->batch;
    __attribute__((cleanup(missing_free))) struct missing missing = {
        .texts = lh_alloc_array(batch, sizeof(*missing.texts)),
        .keys = lh_alloc_array(batch, sizeof(*missing.keys)),
        .places = lh_alloc_array(batch, sizeof(*missing.places)),
    };
    lh_str name = lh_str_of(j->model->name);

    for (size_t i = 0; i < j->count; i++) {
        struct bridge_vector_key key = bridge_vector_key_of(name, j->texts[i]);
        if (bridge_vector_cache_get(j->b->cache, &key, j->out + i * j->dim, j->dim)) {
            j->report.cached++;
        } else {
            missing.texts[missing.count] = j->texts[i];
            missing.keys[missing.count] = key;
            missing.places[missing.count++] = i;
        }
        if (missing.count == batch || (missing.count > 0 && i + 1 == j->count)) {
            LH_TRY(missing_ask(j, &missing, err));
            missing.count = 0;
        }
    }
    return LH_OK;
}

/* ---- in order ---- */

static bool
is_zero(const float *vector, size_t dim)
{
    for (size_t i = 0; i < dim; i++) {
        if (vector[i] != 0)
            return false;
    }
    return true;
}

static lh_status
job_run(struct job *j, lh_str name, struct lh_error *err)
{
    if (j->model && j->model->provider == NULL)
        return hash_run(j, err);
    if (j->model)
        return remote_run(j, err);
    struct bridge_fitted *fitted = bridge_fitted_find(j->b, name);
    if (!fitted)
        return bridge_unknown_model(name, err);
    struct lh_lsa_info info;
    lh_lsa_info_get(fitted->lsa, &info);
    lh_status status = info.dim == j->dim ? fitted_run(j, fitted->lsa, err)
                                          : lh_fail(err, LH_CONFLICT, "bridge.dimension",
                                                    "model '%.*s' was replaced by one of %zu "
                                                    "dimensions",
                                                    LH_FMT(name), info.dim);
    bridge_fitted_unref(j->b, fitted);
    return status;
}

lh_status
lh_bridge_embed(struct lh_bridge *b, struct lh_call *call, lh_str model, const lh_str *texts,
                size_t count, float *out, size_t dim, struct lh_bridge_embedding *report,
                struct lh_error *err)
{
    struct job j = {.b = b, .call = call, .texts = texts, .count = count, .dim = dim, .out = out};
    char name[LH_BRIDGE_NAME_MAX];
    size_t wanted;

    LH_TRY(lh_bridge_model_find(b, LH_BRIDGE_EMBED, model, name, err));
    LH_TRY(lh_bridge_dim(b, call, lh_str_of(name), &wanted, err));
    if (wanted != dim)
        return lh_fail(err, LH_INVALID, "bridge.dimension",
                       "model '%s' has %zu dimensions, not %zu", name, wanted, dim);
    if (count > b->texts_max)
        return lh_fail(err, LH_TOO_BIG, "bridge.too_many",
                       "%zu texts to embed at once; the limit is %zu (bridge.texts_max)", count,
                       b->texts_max);
    j.model = bridge_model_of(b, lh_str_of(name));
    LH_TRY(job_run(&j, lh_str_of(name), err));
    for (size_t i = 0; i < count; i++)
        j.report.zero_count += is_zero(out + i * dim, dim);
    if (report)
        *report = j.report;
    return LH_OK;
}
