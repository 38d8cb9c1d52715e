/* Any endpoint that speaks as OpenAI's does: vLLM, llama.cpp, LM Studio, LiteLLM and the like. */
#include "aibridge/protocol.h"

/* Items may come in any order: each says its index. */
static const json_t *
item_of(const json_t *data, size_t index)
{
    const json_t *item = json_array_get(data, index);
    size_t i;

    if (bridge_member_i64(item, "index") == (int64_t)index)
        return item;
    json_array_foreach (data, i, item) {
        if (bridge_member_i64(item, "index") == (int64_t)index)
            return item;
    }
    return NULL;
}

static lh_status
embed_read(const json_t *answer, struct bridge_vectors *out, struct lh_error *err)
{
    const json_t *data = json_object_get(answer, "data");

    if (!json_is_array(data))
        return bridge_bad_answer(err, "the answer has no list \"data\"");
    for (size_t i = 0; i < json_array_size(data); i++) {
        const json_t *vector = json_object_get(item_of(data, i), "embedding");
        if (json_is_string(vector))
            LH_TRY(bridge_vector_add_base64(
                out, (lh_str){json_string_value(vector), json_string_length(vector)}, 1, err));
        else
            LH_TRY(bridge_vector_add(out, vector, err));
    }
    out->prompt_tokens = bridge_member_i64(json_object_get(answer, "usage"), "prompt_tokens");
    return LH_OK;
}

static void
generate_write(const char *model, const struct lh_bridge_prompt *prompt, struct lh_buf *body)
{
    struct lh_json_writer w = lh_json_writer_over(body);

    lh_json_object_begin(&w);
    lh_json_set_cstr(&w, "model", model);
    bridge_messages_print(&w, prompt);
    bridge_options_print(&w, prompt, "max_tokens");
    lh_json_set_bool(&w, "stream", true);
    lh_json_set_raw(&w, "stream_options", LH_STR("{\"include_usage\":true}"));
    lh_json_object_end(&w);
}

static lh_status
event_read(const json_t *event, struct bridge_piece *out, struct lh_error *err)
{
    const json_t *failure = json_object_get(event, "error");
    const json_t *choice = json_array_get(json_object_get(event, "choices"), 0);
    const json_t *usage = json_object_get(event, "usage");

    if (json_is_object(failure))
        return bridge_bad_answer(err, "the provider gave up: %.*s",
                                 LH_FMT(bridge_member_str(failure, "message")));
    out->text = bridge_member_str(json_object_get(choice, "delta"), "content");
    out->finish_reason = bridge_member_str(choice, "finish_reason");
    out->prompt_tokens = bridge_member_i64(usage, "prompt_tokens");
    out->completion_tokens = bridge_member_i64(usage, "completion_tokens");
    return LH_OK;
}

const struct bridge_protocol bridge_openai = {
    .kind = "openai",
    .embed_path = "/embeddings",
    .generate_path = "/chat/completions",
    .is_sse = true,
    .texts_field = "input",
    .embed_read = embed_read,
    .generate_write = generate_write,
    .event_read = event_read,
};
