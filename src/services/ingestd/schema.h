/*
 * schema: what a new file's columns mean for a dataset that has columns already.
 *
 * All files of one version have one schema, so that readers need not look for differences. A file
 * whose columns fit but stand in another order is rewritten in the dataset's order; a change of the
 * schema itself rewrites the old rows too, and happens only when the request says evolve=true.
 */
#ifndef LH_SERVICES_INGESTD_SCHEMA_H
#define LH_SERVICES_INGESTD_SCHEMA_H

#include "base/json.h"
#include "services/catalogd/client.h"
#include "services/ingestd/request.h"

enum schema_shape {
    SCHEMA_AS_IS,   /* the file goes in as it was converted */
    SCHEMA_ARRANGE, /* its columns must be put in the outcome's order, or filled up with NULL */
    SCHEMA_MERGE,   /* old rows and new rows become one new file */
};

struct schema_plan {
    enum schema_shape shape;
    bool has_drift;     /* something is added, removed or retyped */
    const char **names; /* of the outcome */
    const char **types;
    size_t count;
};

/* `head` NULL: a new dataset. Never fails: whether drift is allowed is for schema_gate. */
void schema_plan_make(const struct lh_snapshot *head, const struct lh_convert_result *file,
                      const struct ingest_request *request, struct lh_arena *arena,
                      struct schema_plan *out);
/* CONFLICT "catalog.schema_drift" with added, removed and retyped in extra, unless the request may
 * evolve. */
lh_status schema_gate(const struct lh_snapshot *head, const struct lh_convert_result *file,
                      const struct ingest_request *request, const struct schema_plan *plan,
                      struct lh_error *err);
/* {"added":[{name,type}],"removed":[…],"retyped":[{name,from,to}]} */
void schema_drift_print(const struct lh_snapshot *head, const struct lh_convert_result *file,
                        struct lh_json_writer *w);

/* Statistics of the old rows and the new ones together. */
void schema_columns_join(const struct lh_snapshot *head, const struct lh_convert_result *file,
                         struct lh_catalog_column *out);

#endif
