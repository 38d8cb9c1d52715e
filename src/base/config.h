/*
 * config: settings from a TOML file, the environment and the command line, by a table in code.
 *
 * Every room lists its keys in a `struct lh_config_key` table: name, kind, default, bounds and one
 * sentence. There is no setting without a row, so docs/configuration.md and `lakehouse config` are
 * printed from the same tables, and an unknown key or a wrong type stops the start with file, line
 * and column.
 *
 * Order    default < file < environment < lh_config_set. The variable for query.memory_limit is
 *          LAKEHOUSE_QUERY_MEMORY_LIMIT; lists are written there with commas.
 * Tables   arrays of tables (`[[bucket]]`) are keys of kind LH_CONFIG_TABLES with a table of their
 *          own; they stand in files only.
 * Threads  loaded by one thread, then never changed: shared without a lock.
 * Fails    INVALID "config.syntax", "config.unknown_key" (with near names), "config.type",
 *          "config.range", "config.missing"; the text begins with "file:line:column: ", or with
 *          the name of the environment variable, or with "command line: ".
 */
#ifndef LH_BASE_CONFIG_H
#define LH_BASE_CONFIG_H

#include "base/buf.h"

enum lh_config_kind {
    LH_CONFIG_STR,
    LH_CONFIG_I64,
    LH_CONFIG_F64,
    LH_CONFIG_BOOL,
    LH_CONFIG_SIZE,     /* bytes: 1048576, "64MiB", "2GB" */
    LH_CONFIG_DURATION, /* milliseconds: "30s" (base/time.h) */
    LH_CONFIG_LIST,     /* of strings */
    LH_CONFIG_TABLES,   /* array of tables */
};

struct lh_config_key {
    const char *name; /* "query.memory_limit"; inside TABLES: "endpoint" */
    enum lh_config_kind kind;
    const char *def; /* as one would write it in TOML, without quotes; NULL: required inside TABLES,
                        else empty/0 */
    int64_t min, max;                   /* of I64, SIZE and DURATION; both 0 means unbounded */
    const char *doc;                    /* one sentence */
    const struct lh_config_key *fields; /* of TABLES, ended by a zero row */
    bool is_secret;                     /* shown as "***" everywhere */
};

struct lh_config;

/* `tables` is a NULL-ended list of key tables, each ended by a zero row; both must outlive the
 * config. `path` NULL reads no file. Environment variables that start with LAKEHOUSE_ and name no
 * key are ignored. */
lh_status lh_config_load(const struct lh_config_key *const *tables, const char *path,
                         struct lh_config **out, struct lh_error *err);
/* The same from text; `name` stands for the file in errors. */
lh_status lh_config_parse(const struct lh_config_key *const *tables, lh_str toml, const char *name,
                          struct lh_config **out, struct lh_error *err);
void lh_config_free(struct lh_config *c);
LH_AUTO_DEFINE(lh_config)

/* From the command line: checked as if it stood in the file. Before sharing only. */
lh_status lh_config_set(struct lh_config *c, const char *name, lh_str value, struct lh_error *err);

/* `name` must be a key of that kind: anything else is a bug and aborts. */
const char *lh_config_str(const struct lh_config *c, const char *name);
int64_t lh_config_i64(const struct lh_config *c, const char *name);
double lh_config_f64(const struct lh_config *c, const char *name);
bool lh_config_bool(const struct lh_config *c, const char *name);
uint64_t lh_config_size(const struct lh_config *c, const char *name);
int64_t lh_config_ms(const struct lh_config *c, const char *name);
size_t lh_config_list_count(const struct lh_config *c, const char *name);
const char *lh_config_list_at(const struct lh_config *c, const char *name, size_t i);
bool
lh_config_is_set(const struct lh_config *c, const char *name); /* by anything but its default */

size_t lh_config_tables_count(const struct lh_config *c, const char *name);
/* A view of one table of the array; lh_config_str(view, "endpoint") and so on. Borrowed from c. */
const struct lh_config *lh_config_tables_at(const struct lh_config *c, const char *name, size_t i);

/* Effective settings as TOML with sources as comments, secrets masked; and the reference as
 * Markdown. */
void lh_config_print(const struct lh_config *c, struct lh_buf *out);
void lh_config_reference(const struct lh_config_key *const *tables, struct lh_buf *out);

#endif
