/*
 * canonical: is this text the one canonical spelling of a number, date, timestamp or boolean, and
 * of which value?
 *
 * The rule behind the conservative types (docs/decisions/conservative-types.md): a column may
 * change from text to a type only when each of its texts can be told back from the typed value,
 * trailing zeros of a fraction aside.
 *
 *   integer      -?[1-9][0-9]* or 0, within 64 bits; "-0" is not one
 *   fraction     integer, '.', digits; at most 15 significant digits, so that a double gives them
 * back boolean      true | True | TRUE and their opposites; a column keeps to one spelling date
 * YYYY-MM-DD, year 0001 to 9999, a real day timestamp    date, 'T' or one blank, HH:MM:SS, optional
 * fraction of at most six digits with zone    the same and 'Z', +HH:MM or +HH; a column keeps to
 * one zone
 *
 * Threads  pure functions.
 */
#ifndef LH_ENGINE_CANONICAL_H
#define LH_ENGINE_CANONICAL_H

#include "base/str.h"

/* The types a text is canonical for. Masks of several texts combine by AND. */
enum canonical_mask {
    CANONICAL_I64 = 1,
    CANONICAL_F64 = 2,
    CANONICAL_BOOL_LOWER = 4,
    CANONICAL_BOOL_TITLE = 8,
    CANONICAL_BOOL_UPPER = 16,
    CANONICAL_DATE = 32,
    CANONICAL_TIMESTAMP = 64,
    CANONICAL_TIMESTAMPTZ = 128,
    CANONICAL_BOOL = CANONICAL_BOOL_LOWER | CANONICAL_BOOL_TITLE | CANONICAL_BOOL_UPPER,
    CANONICAL_ANY = 255,
};

bool canonical_i64(lh_str s, int64_t *out);
/* Integers count as well, when they have at most 15 digits. */
bool canonical_f64(lh_str s, double *out);
/* The spelling comes back as one bit of CANONICAL_BOOL, 0 when it is no boolean. */
unsigned canonical_bool(lh_str s, bool *out);
bool canonical_date(lh_str s, int32_t *days); /* since 1970-01-01 */
bool canonical_timestamp(lh_str s, int64_t *us);
/* `zone` tells spellings apart: equal exactly when the zone is written the same. */
bool canonical_timestamptz(lh_str s, int64_t *us, int32_t *zone);

/* What a JSON number is beyond canonical: exponents are its own notation. At most 15 significant
 * digits. */
bool canonical_json_f64(lh_str s, double *out);

/* All types at once, for guessing. `zone` is set when the mask has CANONICAL_TIMESTAMPTZ. */
unsigned canonical_classify(lh_str s, int32_t *zone);

#endif
