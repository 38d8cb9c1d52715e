#include "services/storaged/storage.h"

#define BUCKETS_BYTES_MAX ((size_t)16 << 20)

static lh_status
buckets_list(void *self, struct lh_call *call, struct lh_request *req, struct lh_response *res,
             struct lh_error *err)
{
    LH_AUTO_BUF(body, BUCKETS_BYTES_MAX);

    LH_TRY(lh_request_query_only(req, (const char *const[]){NULL}, err));
    LH_TRY(storage_buckets_list(self, call, &body, err));
    return lh_response_json(res, 200, &body, err);
}

static lh_status
bucket_add(void *self, struct lh_call *call, struct lh_request *req, struct lh_response *res,
           struct lh_error *err)
{
    LH_AUTO_BUF(answer, BUCKETS_BYTES_MAX);
    LH_AUTO_JSON body = NULL;

    LH_TRY(lh_request_json(req, false, &body, err));
    LH_TRY(storage_bucket_add(self, call, body, &answer, err));
    return lh_response_json(res, 201, &answer, err);
}

static lh_status
bucket_remove(void *self, struct lh_call *call, struct lh_request *req, struct lh_response *res,
              struct lh_error *err)
{
    bool is_forced = false;

    LH_TRY(lh_request_query_only(req, (const char *const[]){"force", NULL}, err));
    LH_TRY(lh_request_query_bool(req, "force", &is_forced, err));
    LH_TRY(storage_bucket_remove(self, call, lh_request_param(req, "bucket"), is_forced, err));
    return lh_response_empty(res, 204, err);
}

static lh_status
objects_list(void *self, struct lh_call *call, struct lh_request *req, struct lh_response *res,
             struct lh_error *err)
{
    return storage_objects_list(self, call, req, res, err);
}

static lh_status
object_get(void *self, struct lh_call *call, struct lh_request *req, struct lh_response *res,
           struct lh_error *err)
{
    return storage_object_get(self, call, req, res, err);
}

static lh_status
object_put(void *self, struct lh_call *call, struct lh_request *req, struct lh_response *res,
           struct lh_error *err)
{
    return storage_object_put(self, call, req, res, err);
}

static lh_status
object_delete(void *self, struct lh_call *call, struct lh_request *req, struct lh_response *res,
              struct lh_error *err)
{
    return storage_object_delete(self, call, req, res, err);
}

static lh_status
health_get(void *self, struct lh_call *call, struct lh_request *req, struct lh_response *res,
           struct lh_error *err)
{
    LH_AUTO_BUF(body, BUCKETS_BYTES_MAX);

    bool anew = false;

    LH_TRY(lh_request_query_only(req, (const char *const[]){"prove", NULL}, err));
    LH_TRY(lh_request_query_bool(req, "prove", &anew, err));
    LH_TRY(storage_health_print(self, call, anew, &body, err));
    return lh_response_json(res, 200, &body, err);
}

static lh_status
verify(void *self, struct lh_call *call, struct lh_request *req, struct lh_response *res,
       struct lh_error *err)
{
    return storage_verify(self, call, req, res, err);
}

static lh_status
replicate(void *self, struct lh_call *call, struct lh_request *req, struct lh_response *res,
          struct lh_error *err)
{
    return storage_replicate(self, call, req, res, err);
}

#define OBJECT "/v1/storage/buckets/{bucket}/objects/{key...}"

const struct lh_route storage_routes[] = {
    {LH_GET, "/v1/storage/buckets", buckets_list, 0, 0},
    {LH_POST, "/v1/storage/buckets", bucket_add, LH_ROUTE_WRITES, (uint64_t)64 << 10},
    {LH_DELETE, "/v1/storage/buckets/{bucket}", bucket_remove, LH_ROUTE_WRITES, 0},
    {LH_GET, "/v1/storage/buckets/{bucket}/objects", objects_list, 0, 0},
    {LH_GET, OBJECT, object_get, LH_ROUTE_LONG, 0},
    {LH_PUT, OBJECT, object_put, LH_ROUTE_WRITES | LH_ROUTE_STREAMS_BODY | LH_ROUTE_LONG, 0},
    {LH_DELETE, OBJECT, object_delete, LH_ROUTE_WRITES, 0},
    {LH_GET, "/v1/storage/health", health_get, 0, 0},
    {LH_POST, "/v1/storage/verify", verify, LH_ROUTE_LONG, 65536},
    {LH_POST, "/v1/storage/replicate", replicate, LH_ROUTE_WRITES | LH_ROUTE_LONG, 65536},
    {0},
};
