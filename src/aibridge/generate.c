/*
 * A generated answer comes as a stream of lines. They are cut out of whatever pieces the network
 * delivers, each is read by the provider's protocol, and its text goes to the caller at once. What
 * the caller's function fails with ends the transfer and is the failure of the whole.
 */
#include "aibridge/parts.h"

#include <stdio.h>

#define BODY_MAX ((size_t)64 << 20)
#define LINE_MAX_BYTES ((size_t)1 << 20)
#define REFUSAL_MAX ((size_t)16 << 10)

struct stream {
    const struct bridge_provider *provider;
    const struct lh_bridge_prompt *prompt;
    struct lh_bridge_completion *out;
    struct lh_buf line;    /* not ended yet */
    struct lh_buf refusal; /* body of an answer that is not 2xx */
    bool is_refused, is_ended, is_begun;
};

static lh_status
piece_pass(struct stream *s, const struct bridge_piece *piece, struct lh_error *err)
{
    if (piece->finish_reason.len > 0)
        (void)lh_str_copy(s->out->finish_reason, sizeof(s->out->finish_reason),
                          lh_str_fit(piece->finish_reason, sizeof(s->out->finish_reason) - 1));
    if (piece->prompt_tokens > 0)
        s->out->prompt_tokens = piece->prompt_tokens;
    if (piece->completion_tokens > 0)
        s->out->completion_tokens = piece->completion_tokens;
    s->is_ended |= piece->is_end;
    if (piece->text.len == 0)
        return LH_OK;
    s->is_begun = true;
    lh_buf_add_str(&s->out->text, piece->text);
    LH_TRY(lh_buf_check(&s->out->text, "the generated text", err));
    return s->prompt->see ? s->prompt->see(s->prompt->ctx, piece->text, err) : LH_OK;
}

static lh_status
event_pass(struct stream *s, lh_str text, struct lh_error *err)
{
    LH_AUTO_JSON event = NULL;
    struct bridge_piece piece = {.text = LH_STR(""), .finish_reason = LH_STR("")};

    if (lh_json_parse(text, &event, NULL) != LH_OK)
        return bridge_bad_answer(err, "provider '%s' sent a line that is no JSON",
                                 s->provider->name);
    if (s->provider->protocol->event_read(event, &piece, err) != LH_OK)
        return lh_error_wrap(err, "provider '%s'", s->provider->name);
    return piece_pass(s, &piece, err);
}

/* Of server-sent events only "data:" counts; comments and other fields are passed over. */
static lh_status
line_pass(struct stream *s, lh_str line, struct lh_error *err)
{
    line = lh_str_trim(line);
    if (s->provider->protocol->is_sse) {
        if (!lh_str_starts(line, LH_STR("data:")))
            return LH_OK;
        line = lh_str_trim(lh_str_slice(line, 5, line.len));
        if (lh_str_eq(line, LH_STR("[DONE]"))) {
            s->is_ended = true;
            return LH_OK;
        }
    }
    return line.len == 0 ? LH_OK : event_pass(s, line, err);
}

static lh_status
stream_begin(void *self, int status, const struct lh_header *headers, size_t count, int64_t length,
             struct lh_error *err)
{
    struct stream *s = self;

    (void)headers;
    (void)count;
    (void)length;
    (void)err;
    s->is_refused = status < 200 || status >= 300;
    lh_buf_clear(&s->line);
    lh_buf_clear(&s->refusal);
    return LH_OK;
}

static lh_status
stream_write(void *self, lh_bytes bytes, struct lh_error *err)
{
    struct stream *s = self;
    lh_str rest = lh_bytes_str(bytes), head;

    if (s->is_refused) {
        lh_buf_add_str(&s->refusal, lh_str_slice(rest, 0, REFUSAL_MAX - s->refusal.len));
        return LH_OK;
    }
    while (lh_str_cut(&rest, '\n', &head)) {
        lh_buf_add_str(&s->line, head);
        LH_TRY(lh_buf_check(&s->line, "a line of the generated answer", err));
        LH_TRY(line_pass(s, lh_buf_str(&s->line), err));
        lh_buf_clear(&s->line);
    }
    lh_buf_add_str(&s->line, head);
    return lh_buf_check(&s->line, "a line of the generated answer", err);
}

static void
stream_end(void *self, bool complete)
{
    (void)self;
    (void)complete;
}

static lh_status
stream_finish(struct stream *s, struct lh_error *err)
{
    if (s->line.len > 0)
        LH_TRY(line_pass(s, lh_buf_str(&s->line), err));
    /* SSE of some servers just ends; but something must have said that it was the end. */
    if (!s->is_ended && s->out->finish_reason[0] == '\0')
        return bridge_bad_answer(err, "the answer of provider '%s' broke off", s->provider->name);
    if (s->out->finish_reason[0] == '\0')
        (void)lh_str_copy(s->out->finish_reason, sizeof(s->out->finish_reason), LH_STR("stop"));
    return LH_OK;
}

static lh_status
stream_run(struct lh_bridge *b, struct lh_call *call, const struct bridge_model *m,
           struct stream *s, struct lh_error *err)
{
    const struct bridge_protocol *protocol = m->provider->protocol;
    LH_AUTO_BUF(body, BODY_MAX);
    struct lh_sink sink = {
        .begin = stream_begin, .write = stream_write, .end = stream_end, .self = s};
    struct bridge_ask ask = {.provider = m->provider,
                             .path = protocol->generate_path,
                             .sink = &sink,
                             .refusal = &s->refusal,
                             .is_begun = &s->is_begun};

    protocol->generate_write(m->remote_name, s->prompt, &body);
    LH_TRY(lh_buf_check(&body, "the prompt", err));
    ask.body = lh_buf_bytes(&body);
    LH_TRY(bridge_provider_ask(b, call, &ask, NULL, err));
    return stream_finish(s, err);
}

lh_status
lh_bridge_generate(struct lh_bridge *b, struct lh_call *call, lh_str model,
                   const struct lh_bridge_prompt *prompt, struct lh_bridge_completion *out,
                   struct lh_error *err)
{
    char name[LH_BRIDGE_NAME_MAX];
    struct stream s = {.prompt = prompt, .out = out};

    LH_TRY(lh_bridge_model_find(b, LH_BRIDGE_GENERATE, model, name, err));
    const struct bridge_model *m = bridge_model_of(b, lh_str_of(name));
    s.provider = m->provider;
    out->finish_reason[0] = '\0';
    out->prompt_tokens = out->completion_tokens = 0;
    lh_buf_init(&s.line, LINE_MAX_BYTES);
    lh_buf_init(&s.refusal, REFUSAL_MAX);
    lh_status status = stream_run(b, call, m, &s, err);
    lh_buf_fini(&s.line);
    lh_buf_fini(&s.refusal);
    return status;
}
