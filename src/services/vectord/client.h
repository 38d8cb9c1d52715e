/*
 * vectord client: what other services ask of vector indexes.
 *
 * Every function speaks with the eyes of its call's principal, wherever vectord runs.
 *
 * Fails    as the routes do: NOT_FOUND "vectors.unknown_index", INVALID, …
 * Threads  safe.
 */
#ifndef LH_SERVICES_VECTORD_CLIENT_H
#define LH_SERVICES_VECTORD_CLIENT_H

#include "net/mesh.h"

/* What GET /v1/vectors/indexes/{name} answers. Caller json_decref. */
lh_status lh_vector_index(struct lh_mesh *m, struct lh_call *call, lh_str index, json_t **out,
                          struct lh_error *err);

#endif
