/*
 * forward: the public routes of every service, at the gateway's door.
 *
 * The table is made from the services' own descriptors, whether they live in this process or
 * elsewhere: a route has the same limits, the same flags and the same 404 and 405 in either
 * topology. Routes marked LH_ROUTE_INTERNAL, and everything under /internal/, are not in it.
 *
 * Owns     the routes it adds to the router, which must not outlive it.
 */
#ifndef LH_SERVICES_GATEWAY_FORWARD_H
#define LH_SERVICES_GATEWAY_FORWARD_H

#include "services/gateway/idempotency.h"
#include "services/service.h"

struct gateway_forward;

/* `backends` is NULL-ended; doors among them are passed over. */
struct gateway_forward *
gateway_forward_new(const struct lh_env *env, struct gateway_idempotency *idempotency,
                    const struct lh_service *const *backends);
void gateway_forward_free(struct gateway_forward *f);

/* Adds all of them; with `preflight`, also an OPTIONS route for each pattern, whose service is
 * `preflight_service`. */
void gateway_forward_routes_add(struct gateway_forward *f, struct lh_router *router,
                                lh_handler preflight, void *preflight_service);
size_t gateway_forward_count(const struct gateway_forward *f);

/* What of a service's route flags holds at the door. */
unsigned gateway_forward_flags(unsigned flags, bool is_local);
bool gateway_forward_is_public(const struct lh_route *route);

#endif
