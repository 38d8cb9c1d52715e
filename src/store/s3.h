/*
 * s3: buckets in a store that speaks the S3 protocol.
 *
 * What differs from a local bucket, and what bucket.h therefore promises less here:
 *
 * ETags        are the store's own. The same bytes put again have the same one, so if_match cannot
 *              tell a change there and back from none.
 * Checksums    SHA-256 of an object goes with it as metadata (x-amz-meta-lakehouse-sha256) when it
 *              is known before the first byte leaves: always but for uploads without a condition
 *              that grow past one part. Reads of a whole object are checked against it; parts of
 *              one are what the store says, pinned to the ETag of the reader.
 * Conditions   are decided by the store at each put; the probe proves that it does so. A put with a
 *              condition that is too big for one part goes as one request all the same, unless the
 *              store was seen to honour conditions when an upload in parts is completed.
 * Removal      S3 has no removal on condition everywhere, so if_match is compared first, and what
 *              was put in between is removed unseen. Two who remove at once may both be told that
 *              they did.
 * Readers      hold an ETag, not the bytes: when the object was replaced, reading on is CONFLICT
 *              "store.object_changed", and NOT_FOUND when it was removed.
 *
 * An answer that got lost is found out: every put carries an id (x-amz-meta-lakehouse-put), and the
 * object is asked for whose it is. Where even that cannot tell (a condition on an ETag, and a third
 * one's object in its place) the failure is UNAVAILABLE "store.outcome_unknown".
 *
 * Fails    beside what bucket.h says: UNAVAILABLE "s3.no_such_bucket" | "s3.credentials" |
 *          "s3.access_denied" | "s3.expired_token" | "s3.clock_skew" | "s3.wrong_region" |
 *          "s3.unavailable" | "store.outcome_unknown" | "net.…"; BUSY "s3.slow_down"; NO_SPACE
 *          "store.no_space"; CORRUPT "s3.xml" | "store.checksum"; UNSUPPORTED
 *          "s3.not_implemented"; IO "s3.refused" for what has no better name. Reasons follow from
 *          the <Code> of the store and the status, never from a message.
 * Format   ../../docs/formats/layout.md
 * Why      ../../docs/decisions/s3-backend.md
 */
#ifndef LH_STORE_S3_H
#define LH_STORE_S3_H

#include "store/claim.h"
#include "store/limits.h"
#include "store/store.h"

/* What the buckets of one store have in common: connections and settings. */
struct s3_shared;

/* `secrets` may be NULL: no bucket can be used then. `spool` takes large uploads in progress. All
 * are borrowed. */
struct s3_shared *s3_shared_new(const struct lh_config *config, struct lh_secrets *secrets,
                                struct store_claim *spool);
void s3_shared_free(struct s3_shared *s); /* NULL is fine */

/* Nothing is sent yet. The description is copied. */
struct lh_bucket *s3_bucket_new(struct s3_shared *shared, const struct lh_bucket_spec *spec,
                                struct store_limits *limits);

#endif
