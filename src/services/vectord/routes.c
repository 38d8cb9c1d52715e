#include "services/jobs.h"
#include "services/vectord/build.h"
#include "services/vectord/catalogue.h"
#include "services/vectord/generations.h"
#include "services/vectord/items.h"
#include "services/vectord/openai.h"
#include "services/vectord/playbook.h"
#include "services/vectord/rag.h"
#include "services/vectord/search.h"
#include "services/vectord/trials.h"

enum { LIMIT_DEFAULT = 100, LIMIT_MAX = 1000 };
#define ANSWER_BYTES_MAX ((size_t)16 << 20)
#define SEARCH_BYTES_MAX ((size_t)256 << 20)
#define ITEMS_BODY_MAX ((uint64_t)256 << 20)
#define SEARCH_BODY_MAX ((uint64_t)8 << 20)
#define DEFINITION_BODY_MAX ((uint64_t)64 << 10)

/* A parameter that a route does not know is a mistake that should be told. */
static lh_status
query_none(const struct lh_request *req, struct lh_error *err)
{
    return lh_request_query_only(req, (const char *const[]){NULL}, err);
}

static lh_status
index_create(void *self, struct lh_call *call, struct lh_request *req, struct lh_response *res,
             struct lh_error *err)
{
    LH_AUTO_BUF(answer, ANSWER_BYTES_MAX);
    LH_AUTO_JSON body = NULL;

    LH_TRY(query_none(req, err));
    LH_TRY(lh_request_json(req, false, &body, err));
    LH_TRY(vector_index_create(self, call, body, &answer, err));
    return lh_response_json(res, 201, &answer, err);
}

static lh_status
index_list(void *self, struct lh_call *call, struct lh_request *req, struct lh_response *res,
           struct lh_error *err)
{
    static const char *const names[] = {"limit", "cursor", NULL};
    LH_AUTO_BUF(answer, ANSWER_BYTES_MAX);
    int64_t limit = LIMIT_DEFAULT;

    LH_TRY(lh_request_query_only(req, names, err));
    LH_TRY(lh_request_query_i64(req, "limit", 1, LIMIT_MAX, &limit, err));
    LH_TRY(vector_index_list(self, call, lh_request_query(req, "cursor"), (size_t)limit, &answer,
                             err));
    return lh_response_json(res, 200, &answer, err);
}

static lh_status
index_get(void *self, struct lh_call *call, struct lh_request *req, struct lh_response *res,
          struct lh_error *err)
{
    LH_AUTO_BUF(answer, ANSWER_BYTES_MAX);

    LH_TRY(query_none(req, err));
    LH_TRY(vector_index_describe(self, call, lh_request_param(req, "name"), &answer, err));
    return lh_response_json(res, 200, &answer, err);
}

static lh_status
index_delete(void *self, struct lh_call *call, struct lh_request *req, struct lh_response *res,
             struct lh_error *err)
{
    LH_TRY(query_none(req, err));
    LH_TRY(vector_index_delete(self, call, lh_request_param(req, "name"), err));
    return lh_response_empty(res, 204, err);
}

static lh_status
items_upsert(void *self, struct lh_call *call, struct lh_request *req, struct lh_response *res,
             struct lh_error *err)
{
    LH_AUTO_BUF(answer, ANSWER_BYTES_MAX);

    LH_TRY(query_none(req, err));
    LH_TRY(vector_items_upsert(self, call, lh_request_param(req, "name"),
                               lh_bytes_str(req->body_bytes), &answer, err));
    return lh_response_json(res, 200, &answer, err);
}

static lh_status
items_delete(void *self, struct lh_call *call, struct lh_request *req, struct lh_response *res,
             struct lh_error *err)
{
    LH_AUTO_BUF(answer, ANSWER_BYTES_MAX);
    LH_AUTO_JSON body = NULL;

    LH_TRY(query_none(req, err));
    LH_TRY(lh_request_json(req, false, &body, err));
    LH_TRY(vector_items_delete(self, call, lh_request_param(req, "name"), body, &answer, err));
    return lh_response_json(res, 200, &answer, err);
}

static lh_status
item_get(void *self, struct lh_call *call, struct lh_request *req, struct lh_response *res,
         struct lh_error *err)
{
    LH_AUTO_BUF(answer, ANSWER_BYTES_MAX);

    LH_TRY(query_none(req, err));
    LH_TRY(vector_item_get(self, call, lh_request_param(req, "name"), lh_request_param(req, "id"),
                           &answer, err));
    return lh_response_json(res, 200, &answer, err);
}

static lh_status
item_delete(void *self, struct lh_call *call, struct lh_request *req, struct lh_response *res,
            struct lh_error *err)
{
    LH_TRY(query_none(req, err));
    LH_TRY(vector_item_delete(self, call, lh_request_param(req, "name"),
                              lh_request_param(req, "id"), err));
    return lh_response_empty(res, 204, err);
}

/* ?generation=N, 0 when it is not said. */
static lh_status
searched_find(struct vectord *v, struct lh_call *call, struct lh_request *req,
              struct vector_generation **out, struct lh_error *err)
{
    static const char *const names[] = {"generation", NULL};
    int64_t number = 0;

    LH_TRY(lh_request_query_only(req, names, err));
    LH_TRY(lh_request_query_i64(req, "generation", 1, INT64_MAX, &number, err));
    return vector_searched(v, call, lh_request_param(req, "name"), (uint64_t)number, out, err);
}

static lh_status
search(void *self, struct lh_call *call, struct lh_request *req, struct lh_response *res,
       struct lh_error *err)
{
    LH_AUTO_BUF(answer, SEARCH_BYTES_MAX);
    LH_AUTO(vector_generation) *g = NULL;

    LH_TRY(searched_find(self, call, req, &g, err));
    LH_TRY(vector_search_in(g, call, lh_bytes_str(req->body_bytes), &answer, err));
    return lh_response_json(res, 200, &answer, err);
}

static lh_status
generations_list(void *self, struct lh_call *call, struct lh_request *req, struct lh_response *res,
                 struct lh_error *err)
{
    LH_AUTO_BUF(answer, ANSWER_BYTES_MAX);

    LH_TRY(query_none(req, err));
    LH_TRY(vector_generations_list(self, call, lh_request_param(req, "name"), &answer, err));
    return lh_response_json(res, 200, &answer, err);
}

static lh_status
promote(void *self, struct lh_call *call, struct lh_request *req, struct lh_response *res,
        struct lh_error *err)
{
    static const char *const fields[] = {"generation", NULL};
    LH_AUTO_BUF(answer, ANSWER_BYTES_MAX);
    LH_AUTO_JSON body = NULL;
    int64_t generation;

    LH_TRY(query_none(req, err));
    LH_TRY(lh_request_json(req, false, &body, err));
    LH_TRY(lh_json_only(body, fields, err));
    LH_TRY(lh_json_i64(body, "generation", &generation, err));
    if (generation < 1)
        return lh_fail(err, LH_INVALID, "vectors.generation", "generation is a number from 1");
    LH_TRY(vector_promote(self, call, lh_request_param(req, "name"), (uint64_t)generation, &answer,
                          err));
    return lh_response_json(res, 200, &answer, err);
}

static lh_status
rollback(void *self, struct lh_call *call, struct lh_request *req, struct lh_response *res,
         struct lh_error *err)
{
    LH_AUTO_BUF(answer, ANSWER_BYTES_MAX);
    LH_AUTO_JSON body = NULL;

    LH_TRY(query_none(req, err));
    LH_TRY(lh_request_json(req, true, &body, err));
    LH_TRY(lh_json_only(body, (const char *const[]){NULL}, err));
    LH_TRY(vector_rollback(self, call, lh_request_param(req, "name"), &answer, err));
    return lh_response_json(res, 200, &answer, err);
}

static lh_status
merge(void *self, struct lh_call *call, struct lh_request *req, struct lh_response *res,
      struct lh_error *err)
{
    LH_AUTO_BUF(answer, ANSWER_BYTES_MAX);
    LH_AUTO_JSON body = NULL;

    LH_TRY(query_none(req, err));
    LH_TRY(lh_request_json(req, false, &body, err));
    LH_TRY(vector_merge_indexes(self, call, lh_request_param(req, "name"), body, &answer, err));
    return lh_response_json(res, 200, &answer, err);
}

static lh_status
build(void *self, struct lh_call *call, struct lh_request *req, struct lh_response *res,
      struct lh_error *err)
{
    LH_AUTO_BUF(answer, ANSWER_BYTES_MAX);
    LH_AUTO_JSON body = NULL;

    LH_TRY(query_none(req, err));
    LH_TRY(lh_request_json(req, false, &body, err));
    LH_TRY(vector_build_start(self, call, lh_request_param(req, "name"), body, &answer, err));
    return lh_response_json(res, 202, &answer, err);
}

static lh_status
refresh(void *self, struct lh_call *call, struct lh_request *req, struct lh_response *res,
        struct lh_error *err)
{
    LH_AUTO_BUF(answer, ANSWER_BYTES_MAX);
    LH_AUTO_JSON body = NULL;

    LH_TRY(query_none(req, err));
    LH_TRY(lh_request_json(req, true, &body, err));
    LH_TRY(lh_json_only(body, (const char *const[]){NULL}, err));
    LH_TRY(vector_refresh_start(self, call, lh_request_param(req, "name"), &answer, err));
    return lh_response_json(res, 202, &answer, err);
}

static lh_status
trials_start(void *self, struct lh_call *call, struct lh_request *req, struct lh_response *res,
             struct lh_error *err)
{
    LH_AUTO_BUF(answer, ANSWER_BYTES_MAX);
    LH_AUTO_JSON body = NULL;

    LH_TRY(query_none(req, err));
    LH_TRY(lh_request_json(req, false, &body, err));
    LH_TRY(vector_trials_start(self, call, lh_request_param(req, "name"), body, &answer, err));
    return lh_response_json(res, 202, &answer, err);
}

static lh_status
autotune_start(void *self, struct lh_call *call, struct lh_request *req, struct lh_response *res,
               struct lh_error *err)
{
    LH_AUTO_BUF(answer, ANSWER_BYTES_MAX);
    LH_AUTO_JSON body = NULL;

    LH_TRY(query_none(req, err));
    LH_TRY(lh_request_json(req, true, &body, err));
    LH_TRY(vector_autotune_start(self, call, lh_request_param(req, "name"), body, &answer, err));
    return lh_response_json(res, 202, &answer, err);
}

static lh_status
trials_list(void *self, struct lh_call *call, struct lh_request *req, struct lh_response *res,
            struct lh_error *err)
{
    static const char *const names[] = {"limit", "cursor", NULL};
    LH_AUTO_BUF(answer, ANSWER_BYTES_MAX);
    int64_t limit = LIMIT_DEFAULT;

    LH_TRY(lh_request_query_only(req, names, err));
    LH_TRY(lh_request_query_i64(req, "limit", 1, LIMIT_MAX, &limit, err));
    LH_TRY(vector_trials_list(self, call, lh_request_param(req, "name"),
                              lh_request_query(req, "cursor"), (size_t)limit, &answer, err));
    return lh_response_json(res, 200, &answer, err);
}

static lh_status
trials_best(void *self, struct lh_call *call, struct lh_request *req, struct lh_response *res,
            struct lh_error *err)
{
    LH_AUTO_BUF(answer, ANSWER_BYTES_MAX);

    LH_TRY(query_none(req, err));
    LH_TRY(vector_trials_best(self, call, lh_request_param(req, "name"), &answer, err));
    return lh_response_json(res, 200, &answer, err);
}

static lh_status
jobs_list(void *self, struct lh_call *call, struct lh_request *req, struct lh_response *res,
          struct lh_error *err)
{
    static const char *const names[] = {"limit", "cursor", NULL};
    struct vectord *v = self;
    LH_AUTO_BUF(answer, ANSWER_BYTES_MAX);
    int64_t limit = LIMIT_DEFAULT;

    LH_TRY(lh_request_query_only(req, names, err));
    LH_TRY(lh_request_query_i64(req, "limit", 1, LIMIT_MAX, &limit, err));
    LH_TRY(lh_jobs_list_print(v->jobs, call, lh_request_query(req, "cursor"), (size_t)limit,
                              &answer, err));
    return lh_response_json(res, 200, &answer, err);
}

static lh_status
job_get(void *self, struct lh_call *call, struct lh_request *req, struct lh_response *res,
        struct lh_error *err)
{
    struct vectord *v = self;
    LH_AUTO_BUF(answer, ANSWER_BYTES_MAX);

    LH_TRY(query_none(req, err));
    LH_TRY(lh_jobs_print(v->jobs, call, lh_request_param(req, "id"), &answer, err));
    return lh_response_json(res, 200, &answer, err);
}

static lh_status
job_cancel(void *self, struct lh_call *call, struct lh_request *req, struct lh_response *res,
           struct lh_error *err)
{
    struct vectord *v = self;

    LH_TRY(query_none(req, err));
    LH_TRY(lh_jobs_cancel(v->jobs, call, lh_request_param(req, "id"), err));
    return lh_response_empty(res, 204, err);
}

static lh_status
words_search(void *self, struct lh_call *call, struct lh_request *req, struct lh_response *res,
             struct lh_error *err)
{
    LH_AUTO_BUF(answer, SEARCH_BYTES_MAX);
    LH_AUTO(vector_generation) *g = NULL;

    LH_TRY(searched_find(self, call, req, &g, err));
    LH_TRY(vector_words_search_in(g, call, lh_bytes_str(req->body_bytes), &answer, err));
    return lh_response_json(res, 200, &answer, err);
}

/* ---- questions ---- */

static lh_status
hybrid(void *self, struct lh_call *call, struct lh_request *req, struct lh_response *res,
       struct lh_error *err)
{
    LH_AUTO_BUF(answer, SEARCH_BYTES_MAX);
    LH_AUTO_JSON body = NULL;

    LH_TRY(query_none(req, err));
    LH_TRY(lh_request_json(req, false, &body, err));
    LH_TRY(vector_hybrid_answer(self, call, body, &answer, err));
    return lh_response_json(res, 200, &answer, err);
}

static lh_status
rag(void *self, struct lh_call *call, struct lh_request *req, struct lh_response *res,
    struct lh_error *err)
{
    LH_AUTO_BUF(answer, SEARCH_BYTES_MAX);
    LH_AUTO_JSON body = NULL;

    LH_TRY(query_none(req, err));
    LH_TRY(lh_request_json(req, false, &body, err));
    LH_TRY(vector_rag_answer(self, call, body, &answer, err));
    return lh_response_json(res, 200, &answer, err);
}

static lh_status
playbook_record(void *self, struct lh_call *call, struct lh_request *req, struct lh_response *res,
                struct lh_error *err)
{
    LH_AUTO_BUF(answer, ANSWER_BYTES_MAX);
    LH_AUTO_JSON body = NULL;

    LH_TRY(query_none(req, err));
    LH_TRY(lh_request_json(req, false, &body, err));
    LH_TRY(vector_playbook_record(self, call, body, &answer, err));
    return lh_response_json(res, 201, &answer, err);
}

static lh_status
playbook_get(void *self, struct lh_call *call, struct lh_request *req, struct lh_response *res,
             struct lh_error *err)
{
    LH_AUTO_BUF(answer, ANSWER_BYTES_MAX);

    LH_TRY(query_none(req, err));
    LH_TRY(vector_playbook_read(self, call, lh_request_param(req, "id"), &answer, err));
    return lh_response_json(res, 200, &answer, err);
}

static lh_status
playbook_delete(void *self, struct lh_call *call, struct lh_request *req, struct lh_response *res,
                struct lh_error *err)
{
    LH_TRY(query_none(req, err));
    LH_TRY(vector_playbook_retract(self, call, lh_request_param(req, "id"), err));
    return lh_response_empty(res, 204, err);
}

/* ---- for other services ---- */

static lh_status
status_get(void *self, struct lh_call *call, struct lh_request *req, struct lh_response *res,
           struct lh_error *err)
{
    LH_AUTO_BUF(answer, ANSWER_BYTES_MAX);
    struct lh_json_writer w = lh_json_writer_over(&answer);
    size_t count = 0;

    LH_TRY(query_none(req, err));
    LH_TRY(vector_index_count(self, call, &count, err));
    lh_json_object_begin(&w);
    lh_json_set_u64(&w, "indexes", count);
    vectord_status_print(self, &w);
    lh_json_object_end(&w);
    return lh_response_json(res, 200, &answer, err);
}

#define INDEX "/v1/vectors/indexes/{name}"

const struct lh_route vectord_routes[] = {
    {LH_POST, "/v1/vectors/indexes", index_create, LH_ROUTE_WRITES, DEFINITION_BODY_MAX},
    {LH_GET, "/v1/vectors/indexes", index_list, 0, 0},
    {LH_GET, INDEX, index_get, 0, 0},
    {LH_DELETE, INDEX, index_delete, LH_ROUTE_WRITES, 0},
    {LH_POST, INDEX "/items", items_upsert, LH_ROUTE_WRITES, ITEMS_BODY_MAX},
    {LH_POST, INDEX "/items/delete", items_delete, LH_ROUTE_WRITES, ITEMS_BODY_MAX},
    {LH_GET, INDEX "/items/{id}", item_get, 0, 0},
    {LH_DELETE, INDEX "/items/{id}", item_delete, LH_ROUTE_WRITES, 0},
    {LH_POST, INDEX "/search", search, 0, SEARCH_BODY_MAX},
    {LH_POST, "/v1/embeddings", openai_embeddings, 0, 0},
    {LH_POST, "/v1/chat/completions", openai_chat, LH_ROUTE_LONG, 0},
    {LH_GET, "/v1/models", openai_models, 0, 0},
    {LH_GET, "/v1/models/{model}", openai_model, 0, 0},
    {LH_POST, INDEX "/build", build, LH_ROUTE_WRITES, DEFINITION_BODY_MAX},
    {LH_POST, INDEX "/refresh", refresh, LH_ROUTE_WRITES, DEFINITION_BODY_MAX},
    {LH_GET, INDEX "/generations", generations_list, 0, 0},
    {LH_POST, INDEX "/promote", promote, LH_ROUTE_WRITES, DEFINITION_BODY_MAX},
    {LH_POST, INDEX "/rollback", rollback, LH_ROUTE_WRITES, DEFINITION_BODY_MAX},
    {LH_POST, INDEX "/merge", merge, LH_ROUTE_WRITES | LH_ROUTE_LONG, DEFINITION_BODY_MAX},
    {LH_POST, "/v1/search", hybrid, 0, SEARCH_BODY_MAX},
    {LH_POST, "/v1/rag", rag, LH_ROUTE_LONG, SEARCH_BODY_MAX},
    {LH_POST, "/v1/playbooks", playbook_record, LH_ROUTE_WRITES, DEFINITION_BODY_MAX},
    {LH_GET, "/v1/playbooks/{id}", playbook_get, 0, 0},
    {LH_DELETE, "/v1/playbooks/{id}", playbook_delete, LH_ROUTE_WRITES, 0},
    {LH_POST, INDEX "/trials", trials_start, LH_ROUTE_WRITES, DEFINITION_BODY_MAX},
    {LH_GET, INDEX "/trials", trials_list, 0, 0},
    {LH_GET, INDEX "/trials/best", trials_best, 0, 0},
    {LH_POST, INDEX "/autotune", autotune_start, LH_ROUTE_WRITES, DEFINITION_BODY_MAX},
    {LH_GET, "/v1/jobs", jobs_list, 0, 0},
    {LH_GET, "/v1/jobs/{id}", job_get, 0, 0},
    {LH_DELETE, "/v1/jobs/{id}", job_cancel, LH_ROUTE_WRITES, 0},
    {LH_POST, "/internal/vectors/indexes/{name}/words", words_search, LH_ROUTE_INTERNAL,
     SEARCH_BODY_MAX},
    {LH_GET, "/internal/vectors/status", status_get, LH_ROUTE_INTERNAL, 0},
    {0},
};
