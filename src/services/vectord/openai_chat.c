/*
 * A streamed answer begins with the first piece that the model gives, so that a model that cannot
 * be asked is still a proper failure with its own status. After that a failure is told as an event
 * and the connection is cut.
 */
#include <stdio.h>

#include "base/time.h"
#include "services/vectord/openai.h"

#define TEXT_MAX ((size_t)16 << 20)
#define EVENT_MAX ((size_t)2 << 20)
#define ID_MAX 48

struct chat {
    struct lh_response *res;
    const struct openai_chat_request *request;
    char model[LH_BRIDGE_NAME_MAX], id[ID_MAX];
    int64_t created_s;
    struct lh_buf event;
    bool is_begun;
};

/* ---- what whole and streamed answers share ---- */

static void
head_print(const struct chat *c, struct lh_json_writer *w, const char *object)
{
    lh_json_set_cstr(w, "id", c->id);
    lh_json_set_cstr(w, "object", object);
    lh_json_set_i64(w, "created", c->created_s);
    lh_json_set_cstr(w, "model", c->model);
}

static void
usage_print(struct lh_json_writer *w, const struct lh_bridge_completion *done)
{
    lh_json_key(w, "usage");
    lh_json_object_begin(w);
    lh_json_set_i64(w, "prompt_tokens", done->prompt_tokens);
    lh_json_set_i64(w, "completion_tokens", done->completion_tokens);
    lh_json_set_i64(w, "total_tokens", done->prompt_tokens + done->completion_tokens);
    lh_json_object_end(w);
}

/* ---- streamed ---- */

static lh_status
event_send(struct chat *c, struct lh_error *err)
{
    lh_buf_add_cstr(&c->event, "\n\n");
    LH_TRY(lh_buf_check(&c->event, "an event of the answer", err));
    return lh_response_write(c->res, lh_buf_bytes(&c->event), err);
}

static struct lh_json_writer
event_begin(struct chat *c)
{
    lh_buf_clear(&c->event);
    lh_buf_add_cstr(&c->event, "data: ");
    return lh_json_writer_over(&c->event);
}

/* One chunk: a delta with a role, a text, or nothing, and why it ended or null. */
static lh_status
chunk_send(struct chat *c, bool has_role, lh_str text, const char *finish_reason,
           struct lh_error *err)
{
    struct lh_json_writer w = event_begin(c);

    lh_json_object_begin(&w);
    head_print(c, &w, "chat.completion.chunk");
    lh_json_key(&w, "choices");
    lh_json_array_begin(&w);
    lh_json_object_begin(&w);
    lh_json_set_i64(&w, "index", 0);
    lh_json_key(&w, "delta");
    lh_json_object_begin(&w);
    if (has_role)
        lh_json_set_cstr(&w, "role", "assistant");
    if (!finish_reason)
        lh_json_set_str(&w, "content", text);
    lh_json_object_end(&w);
    lh_json_set_cstr(&w, "finish_reason", finish_reason);
    lh_json_object_end(&w);
    lh_json_array_end(&w);
    lh_json_object_end(&w);
    return event_send(c, err);
}

static lh_status
stream_begin(struct chat *c, struct lh_error *err)
{
    if (c->is_begun)
        return LH_OK;
    lh_response_header(c->res, "Cache-Control", LH_STR("no-cache"));
    LH_TRY(lh_response_begin(c->res, 200, "text/event-stream", -1, err));
    c->is_begun = true;
    return chunk_send(c, true, LH_STR(""), NULL, err);
}

static lh_status
piece_see(void *ctx, lh_str piece, struct lh_error *err)
{
    struct chat *c = ctx;

    LH_TRY(stream_begin(c, err));
    return chunk_send(c, false, piece, NULL, err);
}

static lh_status
usage_send(struct chat *c, const struct lh_bridge_completion *done, struct lh_error *err)
{
    struct lh_json_writer w = event_begin(c);

    lh_json_object_begin(&w);
    head_print(c, &w, "chat.completion.chunk");
    lh_json_key(&w, "choices");
    lh_json_array_begin(&w);
    lh_json_array_end(&w);
    usage_print(&w, done);
    lh_json_object_end(&w);
    return event_send(c, err);
}

static lh_status
stream_end(struct chat *c, const struct lh_bridge_completion *done, struct lh_error *err)
{
    LH_TRY(stream_begin(c, err));
    LH_TRY(chunk_send(c, false, LH_STR(""), done->finish_reason, err));
    if (c->request->wants_usage)
        LH_TRY(usage_send(c, done, err));
    return lh_response_write(c->res, lh_str_bytes(LH_STR("data: [DONE]\n\n")), err);
}

/* The last that a client hears before the connection is cut. */
static void
failure_send(struct chat *c, const struct lh_error *err)
{
    struct lh_json_writer w = event_begin(c);
    LH_AUTO_ERROR(ignored);

    lh_json_object_begin(&w);
    lh_json_key(&w, "error");
    openai_error_print(&w, err);
    lh_json_object_end(&w);
    (void)event_send(c, &ignored);
}

/* ---- whole ---- */

static lh_status
whole_send(struct chat *c, const struct lh_bridge_completion *done, struct lh_error *err)
{
    LH_AUTO_BUF(out, TEXT_MAX * 6 + 4096);
    struct lh_json_writer w = lh_json_writer_over(&out);

    lh_json_object_begin(&w);
    head_print(c, &w, "chat.completion");
    lh_json_key(&w, "choices");
    lh_json_array_begin(&w);
    lh_json_object_begin(&w);
    lh_json_set_i64(&w, "index", 0);
    lh_json_key(&w, "message");
    lh_json_object_begin(&w);
    lh_json_set_cstr(&w, "role", "assistant");
    lh_json_set_str(&w, "content", lh_buf_str(&done->text));
    lh_json_set_null(&w, "refusal");
    lh_json_object_end(&w);
    lh_json_set_cstr(&w, "finish_reason", done->finish_reason);
    lh_json_set_null(&w, "logprobs");
    lh_json_object_end(&w);
    lh_json_array_end(&w);
    usage_print(&w, done);
    lh_json_object_end(&w);
    return lh_response_json(c->res, 200, &out, err);
}

/* ---- in order ---- */

static lh_status
chat_run(struct vectord *v, struct lh_call *call, struct chat *c, struct lh_error *err)
{
    struct lh_bridge_prompt prompt = c->request->prompt;
    struct lh_bridge_completion done = {0};

    LH_TRY(lh_bridge_model_find(v->bridge, LH_BRIDGE_GENERATE, c->request->model, c->model, err));
    if (c->request->is_stream) {
        prompt.see = piece_see;
        prompt.ctx = c;
    }
    lh_buf_init(&done.text, TEXT_MAX);
    lh_status status =
        lh_bridge_generate(v->bridge, call, lh_str_of(c->model), &prompt, &done, err);
    if (status == LH_OK)
        status = c->request->is_stream ? stream_end(c, &done, err) : whole_send(c, &done, err);
    else if (c->is_begun)
        failure_send(c, err);
    lh_buf_fini(&done.text);
    return status;
}

lh_status
openai_chat(void *self, struct lh_call *call, struct lh_request *req, struct lh_response *res,
            struct lh_error *err)
{
    struct openai_chat_request request;
    struct chat c = {.res = res, .request = &request, .created_s = lh_time_now_us() / 1000000};
    lh_status status = openai_chat_read(lh_bytes_str(req->body_bytes), &call->arena, &request, err);

    if (status != LH_OK)
        return openai_fail(status, err);
    lh_buf_init(&c.event, EVENT_MAX);
    (void)snprintf(c.id, sizeof(c.id), "chatcmpl-%016llx", (unsigned long long)lh_random_u64());
    status = chat_run(self, call, &c, err);
    lh_buf_fini(&c.event);
    openai_chat_fini(&request);
    return openai_fail(status, err);
}
