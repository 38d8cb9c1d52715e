/*
 * store: where nodes come from and go to — slots, lists of upper levels, memory and its limit.
 */
#ifndef LH_ANN_STORE_H
#define LH_ANN_STORE_H

#include "ann/parts.h"

/* Checks the options, fills in what they leave open, and reserves the columns. */
lh_status
ann_store_new(const struct lh_ann_options *options, struct lh_ann **out, struct lh_error *err);

/* Makes an index that was opened from a file writable: copies its columns and publishes them. The
 * gate is held exclusively. Floats stay where they are. */
lh_status ann_store_thaw(struct lh_ann *ann, struct lh_error *err);

/* A slot for a vector whose highest level is `*level`, which is lowered to 0 when there is no room
 * above. TOO_BIG past max_bytes. */
lh_status ann_slot_take(struct lh_ann *ann, unsigned *level, bool has_floats, uint32_t *node,
                        struct lh_error *err);
/* Nobody may see the node any more. */
void ann_slot_give(struct lh_ann *ann, uint32_t node);

/* Room for exactly `count` more vectors; TOO_BIG unless they fit in max_bytes. */
lh_status
ann_store_room_make(struct lh_ann *ann, size_t count, bool has_floats, struct lh_error *err);

/* Frees `ptr` once every call under way has ended. */
void ann_retire(struct lh_ann *ann, void *ptr);
/* Frees what is due; cheap. */
void ann_retired_free(struct lh_ann *ann);

void ann_free_list_push(struct ann_free_list *list, uint32_t node);

size_t ann_store_bytes(struct lh_ann *ann);

#endif
