/*
 * toml: a small C door over toml++, for this folder.
 *
 * Walks a document table by table, keys by name, and calls back for every value with its dotted
 * path and place. Plain tables only lengthen the path; a table of an array of tables is a pair of
 * events, and the paths between them are relative to it.
 *
 * Fails    INVALID "config.syntax" with "name:line:column: " before the text; or as the callback
 *          fails. No C++ exception leaves.
 * Format   https://toml.io/en/v1.0.0
 */
#ifndef LH_BASE_TOML_H
#define LH_BASE_TOML_H

#include "base/status.h"
#include "base/str.h"

#ifdef __cplusplus
extern "C" {
#endif

enum base_toml_kind {
    BASE_TOML_STR,
    BASE_TOML_I64,
    BASE_TOML_F64,
    BASE_TOML_BOOL,
    BASE_TOML_DATE,       /* any of the date and time types; without a value */
    BASE_TOML_LIST_BEGIN, /* elements follow with the list's path */
    BASE_TOML_LIST_END,
    BASE_TOML_TABLE_BEGIN, /* one table of an array of tables */
    BASE_TOML_TABLE_END,
};

struct base_toml_place {
    unsigned line, column; /* from 1 */
};

struct base_toml_item {
    lh_str path;
    enum base_toml_kind kind;
    lh_str str;
    int64_t i64; /* of I64; of BOOL 0 or 1 */
    double f64;
    struct base_toml_place key;
    struct base_toml_place value;
};

typedef lh_status
base_toml_visit(void *arg, const struct base_toml_item *item, struct lh_error *err);

/* Views in the item are valid during the callback only. */
lh_status base_toml_walk(lh_str text, const char *name, base_toml_visit *visit, void *arg,
                         struct lh_error *err);

#ifdef __cplusplus
}
#endif

#endif
