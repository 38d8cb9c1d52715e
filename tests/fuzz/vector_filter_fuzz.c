/*
 * Any bytes as a filter expression and as a search body: what parses can be asked of any value, and
 * lifting vectors out of a body never overruns and never changes what the rest means.
 */
#include <stdlib.h>

#include "services/vectord/columns.h"
#include "services/vectord/lift.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
filter_try(const json_t *object)
{
    LH_AUTO_ARENA(arena);
    struct vector_columns *columns = vector_columns_new();
    struct vector_filter filter;
    uint64_t bits = 3;

    vector_columns_set(columns, 0, object);
    if (vector_filter_parse(object, &arena, &filter, NULL) == LH_OK)
        vector_plan_apply(vector_columns_plan(columns, &filter, &arena), 0, 2, &bits);
    if (bits > 3)
        abort();
    vector_columns_free(columns);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *copy = malloc(size ? size : 1); /* of its own, so that a read past the end is noticed */
    VECTOR_AUTO_LIFTED(lifted);
    LH_AUTO_JSON object = NULL;

    memcpy(copy, data, size);
    if (lh_json_parse((lh_str){copy, size}, &object, NULL) == LH_OK && json_is_object(object))
        filter_try(object);
    if (vector_lift((lh_str){copy, size}, 1, &lifted, NULL) == LH_OK) {
        for (size_t i = 0; i < vector_lifted_count(&lifted); i++) {
            size_t dim;
            const float *v = vector_lifted_at(&lifted, i, &dim);

            if (dim > 0 && (v[0] != v[0] || v[dim - 1] != v[dim - 1]))
                abort();
        }
    }
    free(copy);
    return 0;
}
