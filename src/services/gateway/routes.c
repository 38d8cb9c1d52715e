#include "services/gateway/gateway.h"
#include "services/gateway/openapi.h"
#include "services/vectord/client.h"

#define STATUS_MAX ((size_t)4 << 20)

static lh_status
openapi_handle(void *gateway, struct lh_call *call, struct lh_request *req, struct lh_response *res,
               struct lh_error *err)
{
    (void)gateway;
    (void)call;
    (void)req;
    return lh_response_bytes(res, 200, "application/json",
                             lh_bytes_of(lh_openapi_json, lh_openapi_json_size), err);
}

/* A status page answers with what it can learn: null where the catalog is not to be had. */
static void
datasets_print(struct gateway *g, struct lh_call *call, struct lh_json_writer *w)
{
    LH_AUTO_JSON names = NULL;
    LH_AUTO_ERROR(err);

    lh_json_key(w, "datasets");
    if (lh_catalog_names(g->catalog, call, &names, &err) == LH_OK)
        lh_json_put_u64(w, json_array_size(names));
    else
        lh_json_put_null(w);
}

/* Null where vectord is not to be had. */
static void
vectors_print(struct gateway *g, struct lh_call *call, struct lh_json_writer *w)
{
    static const char *const members[] = {"indexes", "jobs", "models"};
    LH_AUTO_JSON status = NULL;
    LH_AUTO_ERROR(err);

    (void)lh_vector_status(g->env.mesh, call, &status, &err);
    for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++) {
        const json_t *value = json_object_get(status, members[i]);

        lh_json_key(w, members[i]);
        if (value)
            lh_json_put_value(w, value);
        else
            lh_json_put_null(w);
    }
}

static void
bucket_print(void *writer, struct lh_bucket *b, const struct lh_bucket_spec *spec)
{
    struct lh_json_writer *w = writer;

    lh_json_object_begin(w);
    lh_json_set_cstr(w, "name", lh_bucket_name(b));
    lh_json_set_cstr(w, "backend", spec ? spec->backend : NULL);
    lh_json_object_end(w);
}

static void
buckets_print(struct gateway *g, struct lh_call *call, struct lh_json_writer *w)
{
    LH_AUTO_ERROR(err);

    lh_json_key(w, "buckets");
    lh_json_array_begin(w);
    (void)lh_store_buckets(g->env.store, call, bucket_print, w, &err);
    lh_json_array_end(w);
}

static lh_status
status_handle(void *gateway, struct lh_call *call, struct lh_request *req, struct lh_response *res,
              struct lh_error *err)
{
    struct gateway *g = gateway;
    LH_AUTO_BUF(body, STATUS_MAX);
    struct lh_json_writer w = lh_json_writer_over(&body);

    (void)req;
    lh_json_object_begin(&w);
    lh_host_status(g->env.host, &w);
    datasets_print(g, call, &w);
    vectors_print(g, call, &w);
    buckets_print(g, call, &w);
    lh_json_object_end(&w);
    return lh_response_json(res, 200, &body, err);
}

const struct lh_route gateway_routes[] = {
    {LH_GET, "/v1/status", status_handle, 0, 0},
    {LH_GET, "/v1/openapi.json", openapi_handle, LH_ROUTE_INLINE, 0},
    {0},
};
