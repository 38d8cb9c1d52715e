#include "aibridge/protocol.h"

static lh_status
embed_read(const json_t *answer, struct bridge_vectors *out, struct lh_error *err)
{
    const json_t *embeddings = json_object_get(answer, "embeddings"), *vector;
    size_t i;

    if (!json_is_array(embeddings))
        return bridge_bad_answer(err, "the answer has no list \"embeddings\"");
    json_array_foreach (embeddings, i, vector)
        LH_TRY(bridge_vector_add(out, vector, err));
    out->prompt_tokens = bridge_member_i64(answer, "prompt_eval_count");
    return LH_OK;
}

static void
generate_write(const char *model, const struct lh_bridge_prompt *prompt, struct lh_buf *body)
{
    struct lh_json_writer w = lh_json_writer_over(body);

    lh_json_object_begin(&w);
    lh_json_set_cstr(&w, "model", model);
    bridge_messages_print(&w, prompt);
    lh_json_set_bool(&w, "stream", true);
    lh_json_key(&w, "options");
    lh_json_object_begin(&w);
    bridge_options_print(&w, prompt, "num_predict");
    lh_json_object_end(&w);
    lh_json_object_end(&w);
}

static lh_status
event_read(const json_t *event, struct bridge_piece *out, struct lh_error *err)
{
    lh_str failure = bridge_member_str(event, "error");

    if (failure.len > 0)
        return bridge_bad_answer(err, "the provider gave up: %.*s", LH_FMT(failure));
    out->text = bridge_member_str(json_object_get(event, "message"), "content");
    out->is_end = json_is_true(json_object_get(event, "done"));
    out->finish_reason = bridge_member_str(event, "done_reason");
    out->prompt_tokens = bridge_member_i64(event, "prompt_eval_count");
    out->completion_tokens = bridge_member_i64(event, "eval_count");
    return LH_OK;
}

const struct bridge_protocol bridge_ollama = {
    .kind = "ollama",
    .embed_path = "/api/embed",
    .generate_path = "/api/chat",
    .texts_field = "input",
    .embed_read = embed_read,
    .generate_write = generate_write,
    .event_read = event_read,
};
