/*
 * proof: what a bucket was proven to do, as written down in primary, `_storage/proofs/<name>.json`.
 *
 * A proof holds for the place that it was made in: the same name somewhere else is proven anew.
 *
 * Fails    CORRUPT "store.proof" for what this system would not have written.
 * Format   docs/formats/layout.md
 */
#ifndef LH_STORE_PROOF_H
#define LH_STORE_PROOF_H

#include "base/json.h"
#include "store/store.h"

#define STORE_PROOF_BYTES_MAX ((size_t)64 << 10)

char *store_proof_key(const char *name, char key[LH_KEY_MAX + 1]);
void store_proof_encode(const struct lh_bucket_spec *spec, const struct lh_bucket_proof *proof,
                        struct lh_buf *out);
/* NOT_FOUND "store.no_proof" when it is of another place. */
lh_status store_proof_decode(const struct lh_bucket_spec *spec, lh_str json,
                             struct lh_bucket_proof *out, struct lh_error *err);

#endif
