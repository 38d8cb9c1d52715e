/*
 * items: adding, reading and removing what an index holds.
 *
 * Fails    INVALID "vectors.items" | "vectors.id" | "vectors.vector" | "vectors.dimension" |
 *          "vectors.zero_vector" | "vectors.metadata", each naming the item; TOO_BIG
 *          "vectors.too_many_items" | "vectors.text_too_big" | "vectors.metadata_too_big";
 *          NOT_FOUND "vectors.unknown_item"; as commit.h and embed.h.
 */
#ifndef LH_SERVICES_VECTORD_ITEMS_H
#define LH_SERVICES_VECTORD_ITEMS_H

#include "services/vectord/registry.h"

enum { VECTOR_ID_MAX = 512, VECTOR_METADATA_KEYS_MAX = 64 };

/* `body` as it came: {"items":[…]}. */
lh_status vector_items_upsert(struct vectord *v, struct lh_call *call, lh_str name, lh_str body,
                              struct lh_buf *answer, struct lh_error *err);
lh_status vector_items_delete(struct vectord *v, struct lh_call *call, lh_str name,
                              const json_t *body, struct lh_buf *answer, struct lh_error *err);
lh_status vector_item_get(struct vectord *v, struct lh_call *call, lh_str name, lh_str id,
                          struct lh_buf *answer, struct lh_error *err);
lh_status vector_item_delete(struct vectord *v, struct lh_call *call, lh_str name, lh_str id,
                             struct lh_error *err);

/* Commits to a generation that must still be current then. CONFLICT "vectors.generation_changed" |
 * "vectors.reload". */
lh_status vector_rows_commit(struct vectord *v, struct lh_call *call, struct vector_generation *g,
                             struct vector_change *change, struct lh_error *err);

#endif
