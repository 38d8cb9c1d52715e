/*
 * auth: who is asking, by bearer token.
 *
 * Tokens come from `[[token]]` tables and from LAKEHOUSE_TOKEN. Only their SHA-256 is kept, and a
 * presented token is compared with every one of them in constant time, so that neither a core file
 * nor a stopwatch tells anything about them.
 *
 * Without any token the gateway trusts whoever can reach its loopback address: the principal is
 * "local" and may write (services/host_origin.h keeps web pages out).
 *
 * Owns     copies of names and digests. Never changed after gateway_auth_new, so shared without a
 * lock. Fails    DENIED "auth.required" without a known token, DENIED "auth.read_only"; at start
 * INVALID "auth.token". Source   RFC 6750 (bearer tokens), RFC 9110 section 11.
 */
#ifndef LH_SERVICES_GATEWAY_AUTH_H
#define LH_SERVICES_GATEWAY_AUTH_H

#include "base/config.h"
#include "net/router.h"

extern const struct lh_config_key gateway_token_fields[];

struct gateway_auth;

/* `admin_token` is LAKEHOUSE_TOKEN, or NULL. */
lh_status gateway_auth_new(const struct lh_config *config, const char *admin_token,
                           struct gateway_auth **out, struct lh_error *err);
void gateway_auth_free(struct gateway_auth *a);
LH_AUTO_DEFINE(gateway_auth)

/* How many tokens there are; 0 is the open loopback mode. */
size_t gateway_auth_count(const struct gateway_auth *a);

/* Fills in the principal and its number: 0 for "local", else 1 to gateway_auth_count. */
lh_status gateway_auth_check(const struct gateway_auth *a, const struct lh_request *req,
                             struct lh_principal *out, size_t *number, struct lh_error *err);
/* Whether this principal may call a route with these flags. */
lh_status
gateway_auth_permit(const struct lh_principal *p, unsigned route_flags, struct lh_error *err);

#endif
