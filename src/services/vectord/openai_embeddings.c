#include <stdio.h>
#include <stdlib.h>

#include "base/encoding.h"
#include "services/vectord/openai.h"
#include "text/lsa.h"

#define ANSWER_MAX ((size_t)512 << 20)
#define FLOATS_MAX ((size_t)256 << 20) /* bytes of all vectors of one answer */

/* ---- failures ---- */

static const char *
type_of(const struct lh_error *err)
{
    switch (lh_problem_status(err) / 100) {
    case 4:
        return err->status == LH_NOT_FOUND ? "not_found_error" : "invalid_request_error";
    default:
        return "server_error";
    }
}

void
openai_error_print(struct lh_json_writer *w, const struct lh_error *err)
{
    lh_json_object_begin(w);
    lh_json_set_cstr(w, "message", err->text);
    lh_json_set_cstr(w, "type", type_of(err));
    lh_json_set_cstr(w, "code", err->reason);
    lh_json_set_null(w, "param");
    lh_json_object_end(w);
}

lh_status
openai_fail(lh_status status, struct lh_error *err)
{
    LH_AUTO_BUF(extra, 16 << 10);
    struct lh_json_writer w = lh_json_writer_over(&extra);

    if (status == LH_OK || !err || err->extra)
        return status;
    lh_json_object_begin(&w);
    lh_json_key(&w, "error");
    openai_error_print(&w, err);
    lh_json_object_end(&w);
    if (!extra.is_failed)
        lh_error_extra_set(err, lh_buf_cstr(&extra));
    return status;
}

/* ---- models of indexes ---- */

/* A model that was learned from the texts of an index tells which words stand in them. Whoever is
 * held to a profile is told of none. */
static bool
is_visible(const struct lh_call *call, lh_str model)
{
    const char *profile = call->principal.profile;

    return !profile || !*profile || !lh_str_starts(model, LH_STR(LH_LSA_NAME ":"));
}

static lh_status
unknown_model(lh_str name, struct lh_error *err)
{
    return lh_fail(err, LH_NOT_FOUND, "bridge.unknown_model", "there is no model '%.*s'",
                   LH_FMT(lh_str_fit(name, LH_BRIDGE_NAME_MAX)));
}

/* ---- the answer ---- */

/* Nine digits bring every float back. */
static void
vector_print(struct lh_json_writer *w, const float *vector, size_t dim)
{
    char text[32];

    lh_json_array_begin(w);
    for (size_t i = 0; i < dim; i++) {
        int n = snprintf(text, sizeof(text), "%.9g", (double)vector[i]);
        lh_json_put_raw(w, (lh_str){text, (size_t)n});
    }
    lh_json_array_end(w);
}

/* Little-endian floats, which is what this machine has. */
static void
vector_print_base64(struct lh_json_writer *w, const float *vector, size_t dim, struct lh_buf *room)
{
    lh_buf_clear(room);
    lh_base64_encode(room, lh_bytes_of(vector, dim * sizeof(*vector)));
    lh_json_put_str(w, lh_buf_str(room));
}

static void
answer_print(const struct openai_embeddings_request *r, const char *model, const float *vectors,
             size_t dim, const struct lh_bridge_embedding *report, struct lh_buf *out)
{
    struct lh_json_writer w = lh_json_writer_over(out);
    LH_AUTO_BUF(room, 1 << 20);

    lh_json_object_begin(&w);
    lh_json_set_cstr(&w, "object", "list");
    lh_json_key(&w, "data");
    lh_json_array_begin(&w);
    for (size_t i = 0; i < r->count; i++) {
        lh_json_object_begin(&w);
        lh_json_set_cstr(&w, "object", "embedding");
        lh_json_set_u64(&w, "index", i);
        lh_json_key(&w, "embedding");
        if (r->is_base64)
            vector_print_base64(&w, vectors + i * dim, dim, &room);
        else
            vector_print(&w, vectors + i * dim, dim);
        lh_json_object_end(&w);
    }
    lh_json_array_end(&w);
    lh_json_set_cstr(&w, "model", model);
    lh_json_key(&w, "usage");
    lh_json_object_begin(&w);
    lh_json_set_u64(&w, "prompt_tokens", report->prompt_tokens);
    lh_json_set_u64(&w, "total_tokens", report->prompt_tokens);
    lh_json_object_end(&w);
    lh_json_object_end(&w);
}

static lh_status
vectors_make(struct vectord *v, struct lh_call *call, const struct openai_embeddings_request *r,
             const char *model, float **out, size_t *dim, struct lh_bridge_embedding *report,
             struct lh_error *err)
{
    lh_str name = lh_str_of(model);

    LH_TRY(lh_bridge_dim(v->bridge, call, name, dim, err));
    if (r->dimensions && (size_t)r->dimensions != *dim)
        return lh_fail(err, LH_INVALID, "openai.unsupported",
                       "dimensions: model '%s' has %zu, and vectors are not shortened", model,
                       *dim);
    if (r->count > FLOATS_MAX / sizeof(float) / *dim)
        return lh_fail(err, LH_TOO_BIG, "bridge.too_many", "%zu texts of %zu dimensions at once",
                       r->count, *dim);
    float *vectors = malloc(r->count * *dim * sizeof(*vectors));
    if (!vectors)
        return lh_fail(err, LH_BUSY, "openai.memory", "no memory for %zu vectors", r->count);
    lh_status status =
        lh_bridge_embed(v->bridge, call, name, r->texts, r->count, vectors, *dim, report, err);
    if (status != LH_OK) {
        free(vectors);
        return status;
    }
    *out = vectors;
    return LH_OK;
}

static lh_status
embeddings_answer(struct vectord *v, struct lh_call *call,
                  const struct openai_embeddings_request *r, struct lh_response *res,
                  struct lh_error *err)
{
    char model[LH_BRIDGE_NAME_MAX];
    struct lh_bridge_embedding report;
    LH_AUTO_BUF(out, ANSWER_MAX);
    float *vectors = NULL;
    size_t dim = 0;

    LH_TRY(lh_bridge_model_find(v->bridge, LH_BRIDGE_EMBED, r->model, model, err));
    if (!is_visible(call, lh_str_of(model)))
        return unknown_model(r->model, err);
    LH_TRY(vectors_make(v, call, r, model, &vectors, &dim, &report, err));
    answer_print(r, model, vectors, dim, &report, &out);
    free(vectors);
    return lh_response_json(res, 200, &out, err);
}

lh_status
openai_embeddings(void *self, struct lh_call *call, struct lh_request *req, struct lh_response *res,
                  struct lh_error *err)
{
    struct openai_embeddings_request r;
    lh_status status = openai_embeddings_read(lh_bytes_str(req->body_bytes), &call->arena, &r, err);

    if (status != LH_OK)
        return openai_fail(status, err);
    status = embeddings_answer(self, call, &r, res, err);
    openai_embeddings_fini(&r);
    return openai_fail(status, err);
}

/* ---- models ---- */

static void
model_print(struct lh_json_writer *w, const struct lh_bridge_model *m)
{
    lh_json_object_begin(w);
    lh_json_set_cstr(w, "id", m->name);
    lh_json_set_cstr(w, "object", "model");
    lh_json_set_i64(w, "created", 0);
    lh_json_set_cstr(w, "owned_by", m->provider);
    lh_json_set_cstr(w, "kind", m->kind == LH_BRIDGE_EMBED ? "embed" : "generate");
    if (m->kind == LH_BRIDGE_EMBED && m->dim)
        lh_json_set_u64(w, "dimension", m->dim);
    lh_json_object_end(w);
}

/* One of the list, or all. */
struct listing {
    const struct lh_call *call;
    lh_str wanted; /* ptr NULL: all */
    struct lh_json_writer w;
    size_t count;
};

static void
model_see(void *ctx, const struct lh_bridge_model *m)
{
    struct listing *l = ctx;
    lh_str name = lh_str_of(m->name);

    if (!is_visible(l->call, name) || (l->wanted.ptr && !lh_str_eq(name, l->wanted)))
        return;
    if (l->wanted.ptr && l->count > 0)
        return;
    model_print(&l->w, m);
    l->count++;
}

lh_status
openai_models(void *self, struct lh_call *call, struct lh_request *req, struct lh_response *res,
              struct lh_error *err)
{
    struct vectord *v = self;
    LH_AUTO_BUF(out, 16 << 20);
    struct listing l = {.call = call, .w = lh_json_writer_over(&out)};

    LH_TRY(lh_request_query_only(req, (const char *const[]){NULL}, err));
    lh_json_object_begin(&l.w);
    lh_json_set_cstr(&l.w, "object", "list");
    lh_json_key(&l.w, "data");
    lh_json_array_begin(&l.w);
    lh_bridge_models(v->bridge, model_see, &l);
    lh_json_array_end(&l.w);
    lh_json_object_end(&l.w);
    return lh_response_json(res, 200, &out, err);
}

lh_status
openai_model(void *self, struct lh_call *call, struct lh_request *req, struct lh_response *res,
             struct lh_error *err)
{
    struct vectord *v = self;
    LH_AUTO_BUF(out, 64 << 10);
    struct listing l = {
        .call = call, .wanted = lh_request_param(req, "model"), .w = lh_json_writer_over(&out)};

    LH_TRY(lh_request_query_only(req, (const char *const[]){NULL}, err));
    lh_bridge_models(v->bridge, model_see, &l);
    if (l.count == 0)
        return openai_fail(unknown_model(l.wanted, err), err);
    return lh_response_json(res, 200, &out, err);
}
