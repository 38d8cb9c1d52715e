/*
 * gateway: what its files share.
 *
 * Owns     everything here; built at start, then only the parts with a lock of their own change.
 */
#ifndef LH_SERVICES_GATEWAY_GATEWAY_H
#define LH_SERVICES_GATEWAY_GATEWAY_H

#include "services/catalogd/client.h"
#include "services/gateway/auth.h"
#include "services/gateway/forward.h"
#include "services/gateway/idempotency.h"
#include "services/host_origin.h"
#include "services/rate.h"
#include "services/host.h"

struct gateway {
    struct lh_env env;
    struct gateway_auth *auth;
    struct lh_host_origin *origin;
    struct lh_rate *rate;
    struct gateway_idempotency *idempotency;
    struct gateway_forward *forward;
    struct lh_catalog_client *catalog;
    bool has_access_log;
};

/* guard.c: before and after every request. */
lh_status
gateway_guard(void *gateway, struct lh_call *call, struct lh_request *req,
              const struct lh_match *match, struct lh_response *res, struct lh_error *err);
void gateway_done(void *gateway, const struct lh_call *call, const struct lh_request *req,
                  const struct lh_response *res, int64_t elapsed_ns);

/* routes.c: what the gateway answers itself. */
extern const struct lh_route gateway_routes[];
/* unbuilt.c: routes of the surface that this build does not have. */
extern const struct lh_route gateway_unbuilt_routes[];
/* remote.c: one check for each service that lives elsewhere. */
size_t gateway_remote_ready(void *gateway, struct lh_call *call, struct lh_ready_check *checks,
                            size_t max);

#endif
