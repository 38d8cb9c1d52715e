/*
 * vectord client: what other services ask of vector indexes.
 *
 * Bodies and answers are those of the public routes (api/openapi.yaml), so this header only names
 * them. Every function speaks with the eyes of its call's principal, wherever vectord runs; what is
 * answered is the caller's to json_decref.
 *
 * Fails    as the routes do: NOT_FOUND "vectors.unknown_index", INVALID, NO_SPACE "vectors.memory",
 *          …
 * Threads  safe.
 */
#ifndef LH_SERVICES_VECTORD_CLIENT_H
#define LH_SERVICES_VECTORD_CLIENT_H

#include "net/mesh.h"

/* ---- indexes ---- */

/* GET /v1/vectors/indexes/{name}: length, dimension, metric, generation, model, parameters … */
lh_status lh_vector_index(struct lh_mesh *m, struct lh_call *call, lh_str index, json_t **out,
                          struct lh_error *err);
/* POST /v1/vectors/indexes. EXISTS "vectors.index_exists". */
lh_status lh_vector_index_create(struct lh_mesh *m, struct lh_call *call, const json_t *definition,
                                 json_t **out, struct lh_error *err);

/* How many indexes there are, and the state of vectord: "indexes", "jobs" (running), "models"
 * (cache, providers), memory. */
lh_status
lh_vector_status(struct lh_mesh *m, struct lh_call *call, json_t **out, struct lh_error *err);

/* ---- searching ---- */

/* POST …/search: {"vector" or "text", "k", "filter", …}; hits ascending by distance. `generation`
 * 0 is the one that answers. */
lh_status
lh_vector_search(struct lh_mesh *m, struct lh_call *call, lh_str index, uint64_t generation,
                 const json_t *query, json_t **out, struct lh_error *err);
/* Its BM25 twin: {"text", "k", "filter"?, "sql_filter"?, "exclude_ids"?}; hits descending by score,
 * their distance null, from items that have a text. */
lh_status lh_text_search(struct lh_mesh *m, struct lh_call *call, lh_str index, uint64_t generation,
                         const json_t *query, json_t **out, struct lh_error *err);

/* ---- items ---- */

/* POST …/items: {"items":[{"id","vector"?,"text"?,"metadata"?}]}. When it returns OK they are in
 * the bucket, and searches find them. */
lh_status lh_vector_items_upsert(struct lh_mesh *m, struct lh_call *call, lh_str index,
                                 const json_t *body, json_t **out, struct lh_error *err);
/* POST …/items/delete: {"ids":[…]}. */
lh_status lh_vector_items_delete(struct lh_mesh *m, struct lh_call *call, lh_str index,
                                 const json_t *body, json_t **out, struct lh_error *err);
/* GET …/items/{id}: id, vector, text, metadata. NOT_FOUND "vectors.unknown_item". */
lh_status lh_vector_item(struct lh_mesh *m, struct lh_call *call, lh_str index, lh_str id,
                         json_t **out, struct lh_error *err);

#endif
