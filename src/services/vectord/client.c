#include "services/vectord/client.h"

lh_status
lh_vector_index(struct lh_mesh *m, struct lh_call *call, lh_str index, json_t **out,
                struct lh_error *err)
{
    struct lh_mesh_request request = {
        .service = "vectord",
        .method = LH_GET,
        .path = lh_arena_printf(&call->arena, "/v1/vectors/indexes/%.*s", LH_FMT(index)),
    };

    return lh_mesh_call_json(m, call, &request, out, err);
}
