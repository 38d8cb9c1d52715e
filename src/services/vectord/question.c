#include "services/vectord/question.h"

enum { FIELDS_MAX = 24 };

static const char *const fields[] = {"question", "index", "indexes", "sql_filter", "filter", "k",
                                     "weights",  "role",  "city",    "playbooks",  NULL};

static lh_status
fields_check(const json_t *body, const char *const *more, struct lh_error *err)
{
    const char *all[FIELDS_MAX] = {NULL};
    size_t count = 0;

    for (size_t i = 0; fields[i]; i++)
        all[count++] = fields[i];
    for (size_t i = 0; more && more[i] && count + 1 < FIELDS_MAX; i++)
        all[count++] = more[i];
    return lh_json_only(body, all, err);
}

static lh_status
index_add(struct vector_question *q, lh_str name, struct lh_error *err)
{
    for (size_t i = 0; i < q->index_count; i++)
        if (lh_str_eq(q->indexes[i], name))
            return lh_fail(err, LH_INVALID, "vectors.question", "index \"%.*s\" is named twice",
                           LH_FMT(lh_str_fit(name, 64)));
    if (q->index_count == VECTOR_QUESTION_INDEXES_MAX)
        return lh_fail(err, LH_INVALID, "vectors.question", "at most %d indexes at once",
                       VECTOR_QUESTION_INDEXES_MAX);
    q->indexes[q->index_count++] = name;
    return LH_OK;
}

static lh_status
indexes_read(const json_t *body, struct vector_question *q, struct lh_error *err)
{
    lh_str one = LH_STR_NONE;
    json_t *many = NULL, *item;
    size_t i;

    LH_TRY(lh_json_str_opt(body, "index", &one, err));
    LH_TRY(lh_json_array_opt(body, "indexes", &many, err));
    if ((one.ptr != NULL) == (many != NULL))
        return lh_fail(err, LH_INVALID, "vectors.question",
                       "give \"index\" or \"indexes\", one of the two");
    if (one.ptr)
        return index_add(q, one, err);
    json_array_foreach (many, i, item) {
        if (!json_is_string(item))
            return lh_fail(err, LH_INVALID, "request.field_type",
                           "field \"indexes\" holds names of indexes");
        LH_TRY(index_add(q, (lh_str){json_string_value(item), json_string_length(item)}, err));
    }
    if (q->index_count == 0)
        return lh_fail(err, LH_INVALID, "vectors.question", "\"indexes\" is empty");
    return LH_OK;
}

static lh_status
weight_read(const json_t *weights, const char *name, double *out, struct lh_error *err)
{
    LH_TRY(lh_json_f64_opt(weights, name, out, err));
    if (json_object_get(weights, name) && !(*out >= 0 && *out <= 1000))
        return lh_fail(err, LH_INVALID, "vectors.question", "weight \"%s\" is 0 to 1000", name);
    return LH_OK;
}

static lh_status
weights_read(const json_t *body, struct vector_question *q, struct lh_error *err)
{
    static const char *const names[] = {"vector", "text", NULL};
    json_t *weights = NULL;

    LH_TRY(lh_json_object_opt(body, "weights", &weights, err));
    if (!weights)
        return LH_OK;
    LH_TRY(lh_json_only(weights, names, err));
    LH_TRY(weight_read(weights, "vector", &q->weight_vector, err));
    LH_TRY(weight_read(weights, "text", &q->weight_text, err));
    if (q->weight_vector == 0 && q->weight_text == 0)
        return lh_fail(err, LH_INVALID, "vectors.question", "both weights are 0");
    return LH_OK;
}

static lh_status
text_read(const json_t *body, struct vector_question *q, struct lh_error *err)
{
    LH_TRY(lh_json_str(body, "question", &q->text, err));
    q->text = lh_str_trim(q->text);
    if (q->text.len == 0 || q->text.len > VECTOR_QUESTION_TEXT_MAX)
        return lh_fail(err, LH_INVALID, "vectors.question", "a question has 1 to %d bytes",
                       VECTOR_QUESTION_TEXT_MAX);
    return LH_OK;
}

static lh_status
k_read(const json_t *body, struct vector_question *q, struct lh_error *err)
{
    int64_t k = VECTOR_QUESTION_K_DEFAULT;

    LH_TRY(lh_json_i64_opt(body, "k", &k, err));
    if (k < 1 || k > VECTOR_QUESTION_K_MAX)
        return lh_fail(err, LH_INVALID, "request.field_value", "field \"k\" is 1 to %d",
                       VECTOR_QUESTION_K_MAX);
    q->k = (size_t)k;
    return LH_OK;
}

lh_status
vector_question_read(const json_t *body, const char *const *more, struct vector_question *out,
                     struct lh_error *err)
{
    struct vector_question q = {.weight_vector = -1, .weight_text = -1, .uses_playbooks = true};
    json_t *sql_filter = NULL, *filter = NULL;

    LH_TRY(fields_check(body, more, err));
    LH_TRY(text_read(body, &q, err));
    LH_TRY(indexes_read(body, &q, err));
    LH_TRY(lh_json_object_opt(body, "sql_filter", &sql_filter, err));
    LH_TRY(lh_json_object_opt(body, "filter", &filter, err));
    LH_TRY(k_read(body, &q, err));
    LH_TRY(weights_read(body, &q, err));
    LH_TRY(lh_json_bool_opt(body, "playbooks", &q.uses_playbooks, err));
    LH_TRY(lh_json_str_opt(body, "role", &q.role, err));
    LH_TRY(lh_json_str_opt(body, "city", &q.city, err));
    q.sql_filter = sql_filter;
    q.filter = filter;
    *out = q;
    return LH_OK;
}
