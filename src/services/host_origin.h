/*
 * host origin: keeps web pages of other sites away from a door that asks for no token, and lets the
 * configured ones in.
 *
 * A browser on this machine can reach 127.0.0.1 on behalf of any page. Two checks stop that: the
 * Host header must be a name of this machine (a page that re-points its own name at 127.0.0.1 sends
 * its own name), and a request that may change something must not carry another site's Origin.
 * Neither is needed once every request needs a token, which no page has. The gateway asks for both
 * while it has no tokens, a daemon while there is no mesh token.
 *
 * Threads  never changed after lh_host_origin_new.
 * Fails    DENIED "request.host" | "request.origin".
 * Source   Fetch standard, "CORS protocol"; RFC 6454; Jackson et al., "Protecting Browsers from DNS
 *          Rebinding Attacks" (2007).
 */
#ifndef LH_SERVICES_HOST_ORIGIN_H
#define LH_SERVICES_HOST_ORIGIN_H

#include "base/config.h"
#include "net/router.h"

struct lh_host_origin;

/* `own_name` is one more host name that is ours, or "". Borrows both. */
struct lh_host_origin *lh_host_origin_new(const struct lh_config *config, lh_str own_name);
void lh_host_origin_free(struct lh_host_origin *o);
LH_AUTO_DEFINE(lh_host_origin)

lh_status lh_host_origin_check_host(const struct lh_host_origin *o, const struct lh_request *req,
                                    struct lh_error *err);
/* Both checks. */
lh_status lh_host_origin_check(const struct lh_host_origin *o, const struct lh_request *req,
                               struct lh_error *err);

/* Any origin is configured at all. */
bool lh_host_origin_has_cors(const struct lh_host_origin *o);
/* Lets the page read the answer when its origin is a configured one. */
void lh_host_origin_cors(const struct lh_host_origin *o, const struct lh_request *req,
                         struct lh_response *res);
/* Answers OPTIONS; a handler whose service is the lh_host_origin. */
lh_status lh_host_origin_preflight(void *origin, struct lh_call *call, struct lh_request *req,
                                   struct lh_response *res, struct lh_error *err);

#endif
