/*
 * tombstoned: items whose rows were deleted by key go before anybody is answered from them.
 *
 * A deletion of rows hides them in every version of their dataset, in the one too that a
 * generation was built from. So whoever asks for the generation that answers has the head of the
 * dataset looked at first: one question to catalogd. When it knows of tombstones that this
 * generation has not followed yet, the rows of its source are read again, and items that no row
 * there makes any more, id, text and metadata alike, are removed as by any other change: durably.
 * An item that the head makes stays too: a refresh brings such before its version is the source's.
 *
 * Items without the mark of the dataset (source.h) were put in by hand and are left alone. So is a
 * generation whose dataset is hidden or unknown.
 *
 * Threads  any; of one generation one thread follows and the others wait for it.
 * Fails    BUSY "vectors.source_changing" when deletion follows upon deletion; as
 *          lh_catalog_snapshot, vector_source_page and vector_commit: then nothing may be
 *          answered.
 */
#ifndef LH_SERVICES_VECTORD_TOMBSTONED_H
#define LH_SERVICES_VECTORD_TOMBSTONED_H

#include "services/vectord/generation.h"

/* `source`: JSON as the definition has it now; NULL: not from a dataset. */
lh_status vector_tombstones_follow(struct vector_generation *g, struct lh_call *call,
                                   const char *source, struct lh_error *err);

#endif
