/*
 * identity: who asks, until when, as header fields between the services of one installation.
 *
 *     X-Lakehouse-Principal    kind=user&name=ann&profile=staffing&write=1 (values percent-encoded)
 *     X-Lakehouse-Deadline-Ms  what is left of the caller's time
 *     X-Lakehouse-Mesh-Token   the shared secret that makes the others believed
 *     X-Lakehouse-Forwarded    1 when the gateway hands on what came from outside
 *     traceparent              W3C Trace Context
 *
 * None of them is handed on when it comes from outside; the trace goes on as a span of its own.
 */
#ifndef LH_NET_IDENTITY_H
#define LH_NET_IDENTITY_H

#include "net/http.h"

#define NET_IDENTITY_FIELDS 5

bool net_identity_owns(lh_str field);
/* Writes up to NET_IDENTITY_FIELDS fields, in the call's arena. Returns how many. */
size_t net_identity_write(struct lh_call *call, const char *token, bool is_forwarded,
                          struct lh_header *out);
/* Takes principal and deadline over. INVALID "mesh.identity". */
lh_status
net_identity_read(const struct lh_request *req, struct lh_call *call, struct lh_error *err);
bool net_identity_is_forwarded(const struct lh_request *req);
/* The token is configured and shown, or none is configured and the peer is this machine. */
bool net_identity_is_trusted(const struct lh_request *req, const char *token);

#endif
