/*
 * manifest: one version of a dataset as the bytes of one Parquet object, and where that object
 * stands.
 *
 * Rows are the data files; everything else is key-value metadata, so that any Parquet reader can
 * look into one. Decoding trusts nothing: what a manifest says must agree with its own key, with
 * itself, and with the rules of catalog_snapshot_check.
 *
 * Fails    CORRUPT "catalog.manifest" when decoding; as the engine when encoding.
 * Threads  pure but for the engine's connection.
 * Format   docs/formats/manifest.md
 */
#ifndef LH_SERVICES_CATALOGD_MANIFEST_H
#define LH_SERVICES_CATALOGD_MANIFEST_H

#include "engine/table.h"
#include "services/catalogd/snapshot.h"

#define CATALOG_DATASETS_PREFIX "_catalog/datasets/"
#define CATALOG_KEY_TEXT 128

lh_str catalog_manifest_key(lh_str dataset, uint64_t version, char key[CATALOG_KEY_TEXT]);
/* False for a key that is no manifest's; `dataset` is borrowed from the key. */
bool catalog_manifest_key_parse(lh_str key, lh_str *dataset, uint64_t *version);

/* The same without the Parquet around it. */
lh_status catalog_manifest_to_table(const struct catalog_snapshot *s, struct lh_table **out,
                                    struct lh_error *err);
lh_status catalog_manifest_from_table(const struct lh_table *t, lh_str dataset, uint64_t version,
                                      struct catalog_snapshot **out, struct lh_error *err);

lh_status
catalog_manifest_encode(struct lh_engine *work, struct lh_call *call,
                        const struct catalog_snapshot *s, struct lh_buf *out, struct lh_error *err);
/* `dataset` and `version` are what its key says. */
lh_status catalog_manifest_decode(struct lh_engine *work, struct lh_call *call, lh_bytes bytes,
                                  lh_str dataset, uint64_t version, struct catalog_snapshot **out,
                                  struct lh_error *err);

#endif
