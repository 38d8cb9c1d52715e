/*
 * origin: keeps web pages of other sites away from a lake that asks for no token, and lets the
 * configured ones in.
 *
 * A browser on this machine can reach 127.0.0.1 on behalf of any page. Two checks stop that: the
 * Host header must be a name of this machine (a page that re-points its own name at 127.0.0.1 sends
 * its own name), and a request that may change something must not carry another site's Origin.
 * Neither is needed once every request needs a token, which no page has.
 *
 * Threads  never changed after gateway_origin_new.
 * Fails    DENIED "request.host" | "request.origin".
 * Source   Fetch standard, "CORS protocol"; RFC 6454; Jackson et al., "Protecting Browsers from DNS
 * Rebinding Attacks" (2007).
 */
#ifndef LH_SERVICES_GATEWAY_ORIGIN_H
#define LH_SERVICES_GATEWAY_ORIGIN_H

#include "base/config.h"
#include "net/router.h"

struct gateway_origin;

struct gateway_origin *gateway_origin_new(const struct lh_config *config);
void gateway_origin_free(struct gateway_origin *o);
LH_AUTO_DEFINE(gateway_origin)

/* The checks of the mode without tokens. */
lh_status gateway_origin_check(const struct gateway_origin *o, const struct lh_request *req,
                               struct lh_error *err);

/* Any origin is configured at all. */
bool gateway_origin_has_cors(const struct gateway_origin *o);
/* Lets the page read the answer when its origin is a configured one. */
void gateway_origin_cors(const struct gateway_origin *o, const struct lh_request *req,
                         struct lh_response *res);
/* Answers OPTIONS; a handler whose service is the gateway_origin. */
lh_status gateway_origin_preflight(void *origin, struct lh_call *call, struct lh_request *req,
                                   struct lh_response *res, struct lh_error *err);

#endif
