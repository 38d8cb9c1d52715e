#include "services/vectord/openai.h"

#define STOPS_MAX 4 /* as OpenAI */

static lh_status
unsupported(struct lh_error *err, const char *field, const char *why)
{
    return lh_fail(err, LH_INVALID, "openai.unsupported", "%s: %s", field, why);
}

static lh_status
wrong_type(struct lh_error *err, const char *field, const char *wanted)
{
    return lh_fail(err, LH_INVALID, "request.field_type", "%s: %s is wanted", field, wanted);
}

static lh_str
str_of(const json_t *value)
{
    return (lh_str){json_string_value(value), json_string_length(value)};
}

static lh_status
body_parse(lh_str text, const char *const *fields, json_t **out, struct lh_error *err)
{
    LH_AUTO_JSON body = NULL;

    LH_TRY(lh_json_parse(text, &body, err));
    if (!json_is_object(body))
        return wrong_type(err, "body", "an object");
    LH_TRY(lh_json_only(body, fields, err));
    *out = lh_take(body);
    return LH_OK;
}

/* A string, or an array of strings, in the arena. */
static lh_status
strings_read(const json_t *value, const char *field, struct lh_arena *arena, lh_str **out,
             size_t *count, struct lh_error *err)
{
    size_t n = json_is_array(value) ? json_array_size(value) : 1;
    lh_str *list = lh_arena_array(arena, n + 1, sizeof(*list));

    for (size_t i = 0; i < n; i++) {
        const json_t *item = json_is_array(value) ? json_array_get(value, i) : value;
        if (json_is_integer(item) || json_is_array(item))
            return unsupported(err, field, "tokens are not taken, only texts");
        if (!json_is_string(item))
            return wrong_type(err, field, "a text or an array of texts");
        list[i] = str_of(item);
    }
    *out = list;
    *count = n;
    return LH_OK;
}

/* ---- embeddings ---- */

static lh_status
encoding_read(const json_t *body, bool *is_base64, struct lh_error *err)
{
    lh_str encoding = LH_STR("float");

    LH_TRY(lh_json_str_opt(body, "encoding_format", &encoding, err));
    *is_base64 = lh_str_eq(encoding, LH_STR("base64"));
    if (!*is_base64 && !lh_str_eq(encoding, LH_STR("float")))
        return unsupported(err, "encoding_format", "float and base64 are known");
    return LH_OK;
}

static lh_status
embeddings_fields(struct openai_embeddings_request *r, struct lh_arena *arena, struct lh_error *err)
{
    const json_t *input = json_object_get(r->body, "input");
    lh_str user;

    if (!input)
        return lh_fail(err, LH_INVALID, "request.field_missing", "input is missing");
    LH_TRY(strings_read(input, "input", arena, &r->texts, &r->count, err));
    if (r->count == 0)
        return wrong_type(err, "input", "at least one text");
    LH_TRY(lh_json_str_opt(r->body, "model", &r->model, err));
    LH_TRY(lh_json_str_opt(r->body, "user", &user, err));
    LH_TRY(lh_json_i64_opt(r->body, "dimensions", &r->dimensions, err));
    if (r->dimensions < 0)
        return wrong_type(err, "dimensions", "a positive integer");
    return encoding_read(r->body, &r->is_base64, err);
}

lh_status
openai_embeddings_read(lh_str text, struct lh_arena *arena, struct openai_embeddings_request *out,
                       struct lh_error *err)
{
    static const char *const fields[] = {"input",      "model", "encoding_format",
                                         "dimensions", "user",  NULL};
    struct openai_embeddings_request r = {.model = LH_STR("")};

    LH_TRY(body_parse(text, fields, &r.body, err));
    lh_status status = embeddings_fields(&r, arena, err);
    if (status != LH_OK) {
        openai_embeddings_fini(&r);
        return status;
    }
    *out = r;
    return LH_OK;
}

void
openai_embeddings_fini(struct openai_embeddings_request *r)
{
    json_decref(r->body);
    r->body = NULL;
}

/* ---- chat ---- */

/* A text, or an array of {"type":"text","text"} parts, which are joined. */
static lh_status
content_read(const json_t *content, struct lh_arena *arena, lh_str *out, struct lh_error *err)
{
    LH_AUTO_BUF(joined, (size_t)64 << 20);
    const json_t *part;
    size_t i;

    if (json_is_string(content)) {
        *out = str_of(content);
        return LH_OK;
    }
    if (!json_is_array(content))
        return wrong_type(err, "messages.content", "a text or an array of parts");
    json_array_foreach (content, i, part) {
        const json_t *type = json_object_get(part, "type"), *text = json_object_get(part, "text");
        if (!json_is_string(type) || strcmp(json_string_value(type), "text") != 0 ||
            !json_is_string(text))
            return unsupported(err, "messages.content", "parts are of type text");
        lh_buf_add_str(&joined, str_of(text));
    }
    LH_TRY(lh_buf_check(&joined, "the content of a message", err));
    *out = lh_arena_str(arena, lh_buf_str(&joined));
    return LH_OK;
}

static lh_status
message_read(const json_t *message, struct lh_arena *arena, struct lh_bridge_message *out,
             struct lh_error *err)
{
    static const char *const fields[] = {"role", "content", "name", NULL};

    if (!json_is_object(message))
        return wrong_type(err, "messages", "an array of objects");
    LH_TRY(lh_json_only(message, fields, err));
    LH_TRY(lh_json_str(message, "role", &out->role, err));
    if (lh_str_eq(out->role, LH_STR("developer")))
        out->role = LH_STR("system");
    if (!lh_str_eq(out->role, LH_STR("system")) && !lh_str_eq(out->role, LH_STR("user")) &&
        !lh_str_eq(out->role, LH_STR("assistant")))
        return unsupported(err, "messages.role", "system, developer, user and assistant are known");
    return content_read(json_object_get(message, "content"), arena, &out->content, err);
}

static lh_status
messages_read(const json_t *body, struct lh_arena *arena, struct lh_bridge_prompt *prompt,
              struct lh_error *err)
{
    json_t *messages = NULL;
    struct lh_bridge_message *list;

    LH_TRY(lh_json_array_opt(body, "messages", &messages, err));
    prompt->count = json_array_size(messages);
    if (prompt->count == 0)
        return lh_fail(err, LH_INVALID, "request.field_missing", "messages is missing or empty");
    list = lh_arena_array(arena, prompt->count, sizeof(*list));
    for (size_t i = 0; i < prompt->count; i++)
        LH_TRY(message_read(json_array_get(messages, i), arena, &list[i], err));
    prompt->messages = list;
    return LH_OK;
}

/* A number between bounds; *has says whether it is there. */
static lh_status
number_read(const json_t *body, const char *field, double most, double *out, bool *has,
            struct lh_error *err)
{
    double v = -1;

    LH_TRY(lh_json_f64_opt(body, field, &v, err));
    *has = json_is_number(json_object_get(body, field));
    if (*has && !(v >= 0 && v <= most))
        return lh_fail(err, LH_INVALID, "request.field_type", "%s is from 0 to %g", field, most);
    *out = v;
    return LH_OK;
}

static lh_status
tokens_max_read(const json_t *body, int64_t *out, struct lh_error *err)
{
    int64_t older = 0;

    LH_TRY(lh_json_i64_opt(body, "max_tokens", &older, err));
    *out = older;
    LH_TRY(lh_json_i64_opt(body, "max_completion_tokens", out, err));
    return *out < 0 || older < 0 ? wrong_type(err, "max_tokens", "a positive integer") : LH_OK;
}

static lh_status
stop_read(const json_t *body, struct lh_arena *arena, struct lh_bridge_prompt *prompt,
          struct lh_error *err)
{
    const json_t *stop = json_object_get(body, "stop");
    lh_str *list = NULL;

    if (!stop || json_is_null(stop))
        return LH_OK;
    LH_TRY(strings_read(stop, "stop", arena, &list, &prompt->stop_count, err));
    prompt->stop = list;
    return prompt->stop_count > STOPS_MAX ? unsupported(err, "stop", "at most 4") : LH_OK;
}

static lh_status
sampling_read(const json_t *body, struct lh_arena *arena, struct lh_bridge_prompt *prompt,
              struct lh_error *err)
{
    int64_t n = 1;

    LH_TRY(
        number_read(body, "temperature", 2, &prompt->temperature, &prompt->has_temperature, err));
    LH_TRY(number_read(body, "top_p", 1, &prompt->top_p, &prompt->has_top_p, err));
    LH_TRY(lh_json_i64_opt(body, "seed", &prompt->seed, err));
    prompt->has_seed = json_is_integer(json_object_get(body, "seed"));
    LH_TRY(tokens_max_read(body, &prompt->tokens_max, err));
    LH_TRY(stop_read(body, arena, prompt, err));
    LH_TRY(lh_json_i64_opt(body, "n", &n, err));
    return n == 1 ? LH_OK : unsupported(err, "n", "one answer is given");
}

static lh_status
stream_read(struct openai_chat_request *r, struct lh_error *err)
{
    static const char *const fields[] = {"include_usage", "include_obfuscation", NULL};
    json_t *options = NULL;

    LH_TRY(lh_json_bool_opt(r->body, "stream", &r->is_stream, err));
    LH_TRY(lh_json_object_opt(r->body, "stream_options", &options, err));
    if (!options)
        return LH_OK;
    LH_TRY(lh_json_only(options, fields, err));
    return lh_json_bool_opt(options, "include_usage", &r->wants_usage, err);
}

static lh_status
chat_fields(struct openai_chat_request *r, struct lh_arena *arena, struct lh_error *err)
{
    lh_str user;

    LH_TRY(lh_json_str_opt(r->body, "model", &r->model, err));
    LH_TRY(lh_json_str_opt(r->body, "user", &user, err));
    LH_TRY(messages_read(r->body, arena, &r->prompt, err));
    LH_TRY(sampling_read(r->body, arena, &r->prompt, err));
    return stream_read(r, err);
}

lh_status
openai_chat_read(lh_str text, struct lh_arena *arena, struct openai_chat_request *out,
                 struct lh_error *err)
{
    static const char *const fields[] = {
        "messages", "model", "stream",      "stream_options", "max_tokens", "max_completion_tokens",
        "seed",     "stop",  "temperature", "top_p",          "n",          "user",
        NULL};
    struct openai_chat_request r = {.model = LH_STR("")};

    LH_TRY(body_parse(text, fields, &r.body, err));
    lh_status status = chat_fields(&r, arena, err);
    if (status != LH_OK) {
        openai_chat_fini(&r);
        return status;
    }
    *out = r;
    return LH_OK;
}

void
openai_chat_fini(struct openai_chat_request *r)
{
    json_decref(r->body);
    r->body = NULL;
}
