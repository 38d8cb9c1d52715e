/* The Python sidecar: vectors come as base64 of floats, which is a fifth of their JSON and no work
 * to read. */
#include "aibridge/protocol.h"

static lh_status
embed_read(const json_t *answer, struct bridge_vectors *out, struct lh_error *err)
{
    int64_t count = bridge_member_i64(answer, "count");
    lh_str vectors = bridge_member_str(answer, "vectors");

    if (count <= 0 || vectors.len == 0)
        return bridge_bad_answer(err, "the answer has no \"count\" and \"vectors\"");
    out->prompt_tokens = bridge_member_i64(answer, "prompt_tokens");
    return bridge_vector_add_base64(out, vectors, (size_t)count, err);
}

static void
generate_write(const char *model, const struct lh_bridge_prompt *prompt, struct lh_buf *body)
{
    struct lh_json_writer w = lh_json_writer_over(body);

    lh_json_object_begin(&w);
    lh_json_set_cstr(&w, "model", model);
    bridge_messages_print(&w, prompt);
    bridge_options_print(&w, prompt, "max_tokens");
    lh_json_object_end(&w);
}

static lh_status
event_read(const json_t *event, struct bridge_piece *out, struct lh_error *err)
{
    lh_str failure = bridge_member_str(event, "error");

    if (failure.len > 0)
        return bridge_bad_answer(err, "the sidecar gave up: %.*s", LH_FMT(failure));
    out->text = bridge_member_str(event, "piece");
    out->is_end = json_is_true(json_object_get(event, "done"));
    out->finish_reason = bridge_member_str(event, "finish_reason");
    out->prompt_tokens = bridge_member_i64(event, "prompt_tokens");
    out->completion_tokens = bridge_member_i64(event, "completion_tokens");
    return LH_OK;
}

const struct bridge_protocol bridge_sidecar = {
    .kind = "sidecar",
    .embed_path = "/embed",
    .generate_path = "/generate",
    .texts_field = "texts",
    .embed_read = embed_read,
    .generate_write = generate_write,
    .event_read = event_read,
};
