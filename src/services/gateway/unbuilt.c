/*
 * Parts of the surface that this build does not have. They answer 501 rather than 404, so that a
 * client can tell a lake without vectors from a mistyped path; a service that brings one of them
 * takes its rows out of here.
 */
#include "services/gateway/gateway.h"

static lh_status
unbuilt_handle(void *gateway, struct lh_call *call, struct lh_request *req, struct lh_response *res,
               struct lh_error *err)
{
    (void)gateway;
    (void)call;
    (void)res;
    return lh_fail(err, LH_UNSUPPORTED, "not_implemented", "%s %.*s is not part of this build",
                   lh_method_name(req->method), LH_FMT(req->path));
}

#define UNBUILT(method, pattern)                                                                   \
    {                                                                                              \
        method, pattern, unbuilt_handle, 0, 0                                                      \
    }

const struct lh_route gateway_unbuilt_routes[] = {
    UNBUILT(LH_GET, "/v1/profiles"),
    UNBUILT(LH_POST, "/v1/profiles"),
    UNBUILT(LH_GET, "/v1/profiles/{id}"),
    UNBUILT(LH_PUT, "/v1/profiles/{id}"),
    UNBUILT(LH_DELETE, "/v1/profiles/{id}"),
    UNBUILT(LH_POST, "/v1/profiles/{id}/activate"),
    {0},
};
