/*
 * lift: takes arrays of numbers under "vector" out of a JSON text before it is parsed.
 *
 * A vector of 768 numbers costs 265 µs as JSON values and 30 µs read straight into floats (measured
 * on a busy machine). So a body is copied without them: each becomes `[i]`, the index of its
 * floats. Nothing else is judged here; the rest of the text is parsed as JSON afterwards.
 *
 * Fails    INVALID "vectors.vector" for an array that holds anything but numbers, or a number that
 *          is not finite as a float.
 */
#ifndef LH_SERVICES_VECTORD_LIFT_H
#define LH_SERVICES_VECTORD_LIFT_H

#include "base/json.h"

struct vector_lifted {
    struct lh_buf json;   /* the text without the vectors */
    struct lh_buf floats; /* of all vectors, one after the other */
    struct lh_buf ends;   /* size_t: where each ends, in floats */
};

void vector_lifted_fini(struct vector_lifted *l);
#define VECTOR_AUTO_LIFTED(name)                                                                   \
    __attribute__((cleanup(vector_lifted_fini))) struct vector_lifted name = {0}

/* `depth` is that of the objects whose "vector" is meant: 1 for the outermost, 3 for objects of an
 * array in it. */
lh_status vector_lift(lh_str body, int depth, struct vector_lifted *out, struct lh_error *err);

size_t vector_lifted_count(const struct vector_lifted *l);
const float *vector_lifted_at(const struct vector_lifted *l, size_t i, size_t *dim);
/* The floats of a value of the parsed text. False when none were taken from there: it is no array,
 * or its key was written with escapes, so that what it holds is the caller's own. */
bool vector_lifted_of(const struct vector_lifted *l, const json_t *value, const float **floats,
                      size_t *dim);

/* A JSON number at the start of `*s`, taken off it; false when there is none. */
bool vector_number_take(lh_str *s, double *out);

/* The shortest decimal that reads back as the same float. */
void vector_float_put(struct lh_json_writer *w, float v);

#endif
