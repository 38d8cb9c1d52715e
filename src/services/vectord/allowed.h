/*
 * allowed: which slots of a generation a search may answer, as a bitmap.
 *
 * Starts with every record that the search's epoch sees; filters, excluded ids and SQL only take
 * away. Slots are looked at in blocks, so that a writer is never kept waiting long.
 */
#ifndef LH_SERVICES_VECTORD_ALLOWED_H
#define LH_SERVICES_VECTORD_ALLOWED_H

#include "services/vectord/generation.h"

struct vector_allowed {
    uint64_t *bits; /* in the call's arena */
    size_t slot_count, count;
};

struct vector_sql_filter {
    lh_str dataset, id_column, where;
};

struct vector_wanted {
    const struct vector_filter *filter;  /* or NULL */
    const struct vector_sql_filter *sql; /* or NULL */
    const lh_str *only;                  /* NULL: all */
    size_t only_count;
    const lh_str *excluded;
    size_t excluded_count;
};

lh_status vector_allowed_make(const struct vector_reader *r, struct lh_call *call,
                              const struct vector_wanted *wanted, struct vector_allowed *out,
                              struct lh_error *err);

#endif
