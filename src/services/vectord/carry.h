/*
 * carry: what was put in by hand goes along into a generation with a model of its own.
 *
 * A refresh that learns a model anew reads the rows of the dataset again; items that no row makes
 * are only in the generation before. Those with a text are embedded by the new model. An item
 * without a text, or with one that the new model has no word of, cannot go along and is counted.
 *
 * Threads  any.
 * Fails    as embed.h and commit.h.
 */
#ifndef LH_SERVICES_VECTORD_CARRY_H
#define LH_SERVICES_VECTORD_CARRY_H

#include "services/vectord/generation.h"

struct vector_carried {
    uint64_t items, left_out;
    uint64_t epoch; /* of `from`, up to which everything is carried */
};

/* `dataset`: whose items stay behind. `done` is all zeros at first, when an id that `to` has
 * already stays as it is there; given again, what came into `from` since then follows. */
lh_status vector_carry(struct vector_generation *from, struct vector_generation *to, lh_str dataset,
                       struct lh_call *call, struct vector_carried *done, struct lh_error *err);

#endif
