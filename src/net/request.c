#include "net/http.h"

#include "net/header.h"

static const char *const method_names[LH_METHOD_COUNT] = {
    [LH_GET] = "GET",     [LH_HEAD] = "HEAD",     [LH_POST] = "POST",       [LH_PUT] = "PUT",
    [LH_PATCH] = "PATCH", [LH_DELETE] = "DELETE", [LH_OPTIONS] = "OPTIONS",
};

const char *
lh_method_name(enum lh_method m)
{
    return (unsigned)m < LH_METHOD_COUNT ? method_names[m] : "OTHER";
}

bool
lh_method_parse(lh_str s, enum lh_method *out)
{
    for (int m = 0; m < LH_METHOD_COUNT; m++) {
        if (lh_str_eq(s, lh_str_of(method_names[m]))) {
            *out = (enum lh_method)m;
            return true;
        }
    }
    return false;
}

static const struct lh_header *
named_find(const struct lh_header *list, size_t count, const char *name)
{
    lh_str want = lh_str_of(name);

    for (size_t i = 0; i < count; i++) {
        if (lh_str_eq(list[i].name, want))
            return &list[i];
    }
    return NULL;
}

static lh_str
named_value(const struct lh_header *found)
{
    return found ? found->value : LH_STR_NONE;
}

lh_str
lh_request_header(const struct lh_request *r, const char *name)
{
    return net_header_find(r->headers, r->header_count, name);
}

lh_str
lh_request_param(const struct lh_request *r, const char *name)
{
    return named_value(named_find(r->params, r->param_count, name));
}

lh_str
lh_request_query(const struct lh_request *r, const char *name)
{
    return named_value(named_find(r->query, r->query_count, name));
}

bool
lh_request_has_query(const struct lh_request *r, const char *name)
{
    return named_find(r->query, r->query_count, name) != NULL;
}

lh_status
lh_request_query_i64(const struct lh_request *r, const char *name, int64_t min, int64_t max,
                     int64_t *out, struct lh_error *err)
{
    const struct lh_header *found = named_find(r->query, r->query_count, name);
    int64_t value;

    if (!found)
        return LH_OK;
    if (!lh_str_i64(found->value, &value))
        return lh_fail(err, LH_INVALID, "request.query", "%s must be a whole number, not \"%.*s\"",
                       name, LH_FMT(lh_str_fit(found->value, 64)));
    if (value < min || value > max)
        return lh_fail(err, LH_INVALID, "request.query", "%s must lie from %lld to %lld, not %lld",
                       name, (long long)min, (long long)max, (long long)value);
    *out = value;
    return LH_OK;
}

lh_status
lh_request_query_bool(const struct lh_request *r, const char *name, bool *out, struct lh_error *err)
{
    const struct lh_header *found = named_find(r->query, r->query_count, name);

    if (!found)
        return LH_OK;
    /* "?preview" alone says yes, as people write it. */
    if (found->value.len == 0 || lh_str_eq(found->value, LH_STR("true")) ||
        lh_str_eq(found->value, LH_STR("1")))
        *out = true;
    else if (lh_str_eq(found->value, LH_STR("false")) || lh_str_eq(found->value, LH_STR("0")))
        *out = false;
    else
        return lh_fail(err, LH_INVALID, "request.query", "%s must be true or false, not \"%.*s\"",
                       name, LH_FMT(lh_str_fit(found->value, 64)));
    return LH_OK;
}

lh_status
lh_request_query_only(const struct lh_request *r, const char *const *names, struct lh_error *err)
{
    for (size_t i = 0; i < r->query_count; i++) {
        size_t n = 0;

        while (names[n] && !lh_str_eq(r->query[i].name, lh_str_of(names[n])))
            n++;
        if (!names[n])
            return lh_fail(err, LH_INVALID, "request.query_unknown",
                           "\"%.*s\" is not a parameter of this call",
                           LH_FMT(lh_str_fit(r->query[i].name, 64)));
    }
    return LH_OK;
}

lh_status
lh_request_json(const struct lh_request *r, bool may_be_empty, json_t **out, struct lh_error *err)
{
    LH_AUTO_JSON value = NULL;
    lh_str text = lh_bytes_str(r->body_bytes);

    if (lh_str_trim(text).len == 0) {
        if (!may_be_empty)
            return lh_fail(err, LH_INVALID, "request.body_missing",
                           "the body must be a JSON object; it is empty");
        *out = json_object();
        return LH_OK;
    }
    LH_TRY(lh_json_parse(text, &value, err));
    if (!json_is_object(value))
        return lh_fail(err, LH_INVALID, "request.body_type", "the body must be a JSON object");
    *out = lh_take(value);
    return LH_OK;
}

lh_status
lh_request_read(struct lh_request *r, void *to, size_t size, size_t *got, struct lh_error *err)
{
    if (!r->body.read) {
        *got = 0;
        return LH_OK;
    }
    return r->body.read(r->body.self, to, size, got, err);
}
