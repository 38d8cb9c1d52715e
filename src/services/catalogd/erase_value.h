/*
 * erase_value: values of a deletion, from JSON to the texts that DuckDB writes for them.
 *
 * Each must be what the column holds: a number for numbers (or a text of digits for integers and
 * decimals that a double cannot keep), true or false, and text for everything else. NULL is no key.
 */
#ifndef LH_SERVICES_CATALOGD_ERASE_VALUE_H
#define LH_SERVICES_CATALOGD_ERASE_VALUE_H

#include "services/catalogd/catalog.h"
#include "services/catalogd/tombstones.h"

enum erase_kind { ERASE_TEXT, ERASE_INTEGER, ERASE_DECIMAL, ERASE_FLOAT, ERASE_BOOL, ERASE_NONE };

/* What a column of this type is deleted by; ERASE_NONE: objects and lists are no keys. */
enum erase_kind erase_kind_of(const char *type);
/* The text of one value; false when it is not of this kind. */
bool erase_value_text(const json_t *value, enum erase_kind kind, struct lh_arena *arena,
                      const char **out);

/* Fills in the values of `item`, each once, for its type. */
lh_status erase_values_read(struct catalog *c, struct lh_call *call, const json_t *values,
                            struct catalog_tombstone *item, struct lh_error *err);

#endif
