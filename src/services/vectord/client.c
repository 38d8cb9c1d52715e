#include "services/vectord/client.h"

#include "base/encoding.h"

#define BODY_BYTES_MAX ((size_t)256 << 20)
#define INDEXES "/v1/vectors/indexes"
#define INTERNAL "/internal/vectors/indexes"

/* A name is refused by vectord when it has anything that would have to be encoded; here it only
 * must not leave its segment. */
static lh_status
index_check(lh_str index, struct lh_error *err)
{
    for (size_t i = 0; i < index.len; i++) {
        char c = index.ptr[i];

        if ((c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '_')
            index.len = 0;
    }
    if (index.len == 0)
        return lh_fail(err, LH_NOT_FOUND, "vectors.unknown_index", "there is no such index");
    return LH_OK;
}

static lh_status
ask(struct lh_mesh *m, struct lh_call *call, struct lh_mesh_request *request, const json_t *body,
    json_t **out, struct lh_error *err)
{
    LH_AUTO_BUF(text, BODY_BYTES_MAX);
    struct lh_json_writer w = lh_json_writer_over(&text);

    request->service = "vectord";
    if (body) {
        lh_json_put_value(&w, body);
        LH_TRY(lh_buf_check(&text, "the request to vectord", err));
        request->body = lh_buf_bytes(&text);
    }
    return lh_mesh_call_json(m, call, request, out, err);
}

static lh_status
index_ask(struct lh_mesh *m, struct lh_call *call, lh_str index, const char *root, const char *what,
          const json_t *body, bool is_idempotent, json_t **out, struct lh_error *err)
{
    struct lh_mesh_request request = {
        .method = body ? LH_POST : LH_GET,
        .path = lh_arena_printf(&call->arena, "%s/%.*s%s", root, LH_FMT(index), what),
        .is_idempotent = is_idempotent,
    };

    LH_TRY(index_check(index, err));
    return ask(m, call, &request, body, out, err);
}

lh_status
lh_vector_index(struct lh_mesh *m, struct lh_call *call, lh_str index, json_t **out,
                struct lh_error *err)
{
    return index_ask(m, call, index, INDEXES, "", NULL, true, out, err);
}

lh_status
lh_vector_index_create(struct lh_mesh *m, struct lh_call *call, const json_t *definition,
                       json_t **out, struct lh_error *err)
{
    struct lh_mesh_request request = {.method = LH_POST, .path = INDEXES};

    return ask(m, call, &request, definition, out, err);
}

lh_status
lh_vector_status(struct lh_mesh *m, struct lh_call *call, json_t **out, struct lh_error *err)
{
    struct lh_mesh_request request = {
        .method = LH_GET, .path = "/internal/vectors/status", .is_idempotent = true};

    return ask(m, call, &request, NULL, out, err);
}

static const char *
search_path(struct lh_call *call, const char *what, uint64_t generation)
{
    if (generation == 0)
        return what;
    return lh_arena_printf(&call->arena, "%s?generation=%llu", what,
                           (unsigned long long)generation);
}

lh_status
lh_vector_search(struct lh_mesh *m, struct lh_call *call, lh_str index, uint64_t generation,
                 const json_t *query, json_t **out, struct lh_error *err)
{
    return index_ask(m, call, index, INDEXES, search_path(call, "/search", generation), query, true,
                     out, err);
}

lh_status
lh_text_search(struct lh_mesh *m, struct lh_call *call, lh_str index, uint64_t generation,
               const json_t *query, json_t **out, struct lh_error *err)
{
    return index_ask(m, call, index, INTERNAL, search_path(call, "/words", generation), query, true,
                     out, err);
}

lh_status
lh_vector_items_upsert(struct lh_mesh *m, struct lh_call *call, lh_str index, const json_t *body,
                       json_t **out, struct lh_error *err)
{
    return index_ask(m, call, index, INDEXES, "/items", body, true, out, err);
}

lh_status
lh_vector_items_delete(struct lh_mesh *m, struct lh_call *call, lh_str index, const json_t *body,
                       json_t **out, struct lh_error *err)
{
    return index_ask(m, call, index, INDEXES, "/items/delete", body, true, out, err);
}

lh_status
lh_vector_item(struct lh_mesh *m, struct lh_call *call, lh_str index, lh_str id, json_t **out,
               struct lh_error *err)
{
    LH_AUTO_BUF(what, 4096);

    lh_buf_add_cstr(&what, "/items/");
    lh_percent_encode(&what, id, false);
    LH_TRY(lh_buf_check(&what, "the id", err));
    return index_ask(m, call, index, INDEXES, lh_buf_cstr(&what), NULL, true, out, err);
}
