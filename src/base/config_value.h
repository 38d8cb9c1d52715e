/*
 * config_value: one setting, and how text becomes it and it becomes text again; for this folder.
 *
 * A value is read twice over: from TOML, where its type is written down, and from plain text
 * (defaults, environment, command line). Both end in the same check of bounds.
 *
 * Owns     everything it points to.
 * Fails    INVALID "config.type" or "config.range"; the caller's `where` begins the text.
 */
#ifndef LH_BASE_CONFIG_VALUE_H
#define LH_BASE_CONFIG_VALUE_H

#include "base/config.h"

struct config_value {
    char *source; /* "lakehouse.toml:3:1", "LAKEHOUSE_…", "command line"; NULL for the default */
    char *str;
    int64_t i64; /* of I64, SIZE, DURATION and BOOL */
    double f64;
    char **list;
    size_t list_count;
    struct lh_config **tables;
    size_t table_count;
};

void config_value_fini(struct config_value *v);
void config_value_list_add(struct config_value *v, lh_str element);

/* `v` is empty before; its `source` is left alone. */
lh_status config_value_read(const struct lh_config_key *key, lh_str text, const char *where,
                            struct config_value *v, struct lh_error *err);
lh_status config_value_check(const struct lh_config_key *key, const char *where,
                             const struct config_value *v, struct lh_error *err);

/* For people: "an integer". */
const char *config_kind_name(enum lh_config_kind kind);
/* As TOML, secrets masked. */
void config_value_print(const struct lh_config_key *key, const struct config_value *v,
                        struct lh_buf *out);
/* A bound or value of an I64, SIZE or DURATION key in its largest whole unit, without quotes. */
void config_number_print(enum lh_config_kind kind, int64_t v, struct lh_buf *out);

#endif
