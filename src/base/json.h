/*
 * json: reading JSON values (jansson) and writing JSON text straight into a buffer.
 *
 * Reading  lh_json_parse refuses duplicate keys, trailing bytes, NUL characters and more than 64
 *          levels: INVALID "request.json". The typed getters borrow from the value and name the
 *          field when it is absent or of another type: INVALID "request.field_missing" or
 *          "request.field_type". lh_json_only refuses unknown fields, so that a misspelt option is
 *          an error and not silence: "request.field_unknown".
 * Writing  a `struct lh_json_writer` inserts commas and escapes; objects and arrays must be
 *          balanced (asserted at the end), at most 63 deep. Floats print as the shortest text that
 *          reads back the same; NaN and infinities as null; integers beyond 2^53 as strings
 *          (../../api/openapi.yaml, "Numbers").
 */
#ifndef LH_BASE_JSON_H
#define LH_BASE_JSON_H

#include <jansson.h>
#include "base/arena.h"
#include "base/buf.h"

/* ---- reading ---- */

lh_status lh_json_parse(lh_str text, json_t **out, struct lh_error *err); /* caller json_decref */
void lh_json_auto_decref(json_t **v);
#define LH_AUTO_JSON __attribute__((cleanup(lh_json_auto_decref))) json_t *

lh_status lh_json_only(const json_t *object, const char *const *fields,
                       struct lh_error *err); /* NULL-ended list */
lh_status lh_json_str(const json_t *object, const char *field, lh_str *out, struct lh_error *err);
lh_status lh_json_i64(const json_t *object, const char *field, int64_t *out, struct lh_error *err);
/* Optional fields: absent or null leaves *out as it was; *is_set may be NULL. */
lh_status
lh_json_str_opt(const json_t *object, const char *field, lh_str *out, struct lh_error *err);
lh_status
lh_json_i64_opt(const json_t *object, const char *field, int64_t *out, struct lh_error *err);
lh_status
lh_json_f64_opt(const json_t *object, const char *field, double *out, struct lh_error *err);
lh_status
lh_json_bool_opt(const json_t *object, const char *field, bool *out, struct lh_error *err);
lh_status
lh_json_object_opt(const json_t *object, const char *field, json_t **out, struct lh_error *err);
lh_status
lh_json_array_opt(const json_t *object, const char *field, json_t **out, struct lh_error *err);

/* Reads an integer that may be a number or, beyond 2^53, a decimal string. */
bool lh_json_int_value(const json_t *value, int64_t *out);

/* ---- writing ---- */

struct lh_json_writer {
    struct lh_buf *out;
    int depth;
    uint64_t has_item; /* a bit for each depth */
    bool after_key;
};

struct lh_json_writer lh_json_writer_over(struct lh_buf *out);
void lh_json_object_begin(struct lh_json_writer *w);
void lh_json_object_end(struct lh_json_writer *w);
void lh_json_array_begin(struct lh_json_writer *w);
void lh_json_array_end(struct lh_json_writer *w);
void lh_json_key(struct lh_json_writer *w, const char *key);
void lh_json_key_str(struct lh_json_writer *w, lh_str key);
void lh_json_put_str(struct lh_json_writer *w, lh_str s);
void lh_json_put_cstr(struct lh_json_writer *w, const char *s); /* NULL becomes null */
void lh_json_put_i64(struct lh_json_writer *w, int64_t v);
void lh_json_put_u64(struct lh_json_writer *w, uint64_t v);
void lh_json_put_f64(struct lh_json_writer *w, double v);
void lh_json_put_bool(struct lh_json_writer *w, bool v);
void lh_json_put_null(struct lh_json_writer *w);
void lh_json_put_raw(struct lh_json_writer *w, lh_str json); /* already valid JSON */
void lh_json_put_value(struct lh_json_writer *w, const json_t *v);
void lh_json_put_time(struct lh_json_writer *w, int64_t us);

/* key and value in one */
void lh_json_set_str(struct lh_json_writer *w, const char *key, lh_str s);
void lh_json_set_cstr(struct lh_json_writer *w, const char *key, const char *s);
void lh_json_set_i64(struct lh_json_writer *w, const char *key, int64_t v);
void lh_json_set_u64(struct lh_json_writer *w, const char *key, uint64_t v);
void lh_json_set_f64(struct lh_json_writer *w, const char *key, double v);
void lh_json_set_bool(struct lh_json_writer *w, const char *key, bool v);
void lh_json_set_null(struct lh_json_writer *w, const char *key);
void lh_json_set_raw(struct lh_json_writer *w, const char *key, lh_str json);
void lh_json_set_time(struct lh_json_writer *w, const char *key, int64_t us);

/* The escaped, quoted string alone; bytes that are not UTF-8 become U+FFFD. */
void lh_json_escape(struct lh_buf *out, lh_str s);
/* Shortest round-trip decimal of a finite double, without quotes; "null" otherwise. */
void lh_json_f64_text(struct lh_buf *out, double v);

#endif
