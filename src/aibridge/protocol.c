#include "aibridge/protocol.h"

#include <math.h>
#include <stdio.h>
#include "base/encoding.h"

const struct bridge_protocol *
bridge_protocol_find(lh_str kind)
{
    static const struct bridge_protocol *const all[] = {&bridge_sidecar, &bridge_ollama,
                                                        &bridge_openai};

    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        if (lh_str_eq(kind, lh_str_of(all[i]->kind)))
            return all[i];
    }
    return NULL;
}

lh_status
bridge_bad_answer(struct lh_error *err, const char *fmt, ...)
{
    char text[LH_ERROR_TEXT_MAX];
    va_list args;

    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    return lh_fail(err, LH_IO, "bridge.bad_answer", "%s", text);
}

/* A vector of `dim` floats is there behind the others. */
static lh_status
vector_took(struct bridge_vectors *v, size_t dim, struct lh_error *err)
{
    LH_TRY(lh_buf_check(&v->floats, "the embeddings of a provider", err));
    if (dim == 0 || (v->count > 0 && dim != v->dim))
        return bridge_bad_answer(err, "embedding %zu has %zu dimensions, the one before %zu",
                                 v->count, dim, v->dim);
    v->dim = dim;
    v->count++;
    return LH_OK;
}

lh_status
bridge_vector_add(struct bridge_vectors *v, const json_t *numbers, struct lh_error *err)
{
    size_t i;
    const json_t *number;

    if (!json_is_array(numbers))
        return bridge_bad_answer(err, "embedding %zu is not an array of numbers", v->count);
    json_array_foreach (numbers, i, number) {
        float f = (float)json_number_value(number);
        if (!json_is_number(number) || !isfinite(f))
            return bridge_bad_answer(err, "embedding %zu holds something that is no number",
                                     v->count);
        lh_buf_add(&v->floats, &f, sizeof(f));
    }
    return vector_took(v, json_array_size(numbers), err);
}

lh_status
bridge_vector_add_base64(struct bridge_vectors *v, lh_str text, size_t count, struct lh_error *err)
{
    size_t before = v->floats.len;

    if (count == 0 || !lh_base64_decode(&v->floats, text) ||
        (v->floats.len - before) % (sizeof(float) * count) != 0)
        return bridge_bad_answer(err, "embedding %zu is not base64 of floats", v->count);
    size_t dim = (v->floats.len - before) / sizeof(float) / count;
    for (size_t i = 0; i < dim * count; i++) {
        float f;
        memcpy(&f, v->floats.data + before + i * sizeof(f), sizeof(f));
        if (!isfinite(f))
            return bridge_bad_answer(err, "embedding %zu holds a value that is not finite",
                                     v->count + i / dim);
    }
    for (size_t i = 0; i < count; i++)
        LH_TRY(vector_took(v, dim, err));
    return LH_OK;
}

static void
texts_print(struct lh_json_writer *w, const char *key, const lh_str *texts, size_t count)
{
    lh_json_key(w, key);
    lh_json_array_begin(w);
    for (size_t i = 0; i < count; i++)
        lh_json_put_str(w, texts[i]);
    lh_json_array_end(w);
}

void
bridge_embed_write(const struct bridge_protocol *p, const char *model, const lh_str *texts,
                   size_t count, struct lh_buf *body)
{
    struct lh_json_writer w = lh_json_writer_over(body);

    lh_json_object_begin(&w);
    lh_json_set_cstr(&w, "model", model);
    texts_print(&w, p->texts_field, texts, count);
    lh_json_object_end(&w);
}

void
bridge_messages_print(struct lh_json_writer *w, const struct lh_bridge_prompt *prompt)
{
    lh_json_key(w, "messages");
    lh_json_array_begin(w);
    for (size_t i = 0; i < prompt->count; i++) {
        lh_json_object_begin(w);
        lh_json_set_str(w, "role", prompt->messages[i].role);
        lh_json_set_str(w, "content", prompt->messages[i].content);
        lh_json_object_end(w);
    }
    lh_json_array_end(w);
}

void
bridge_options_print(struct lh_json_writer *w, const struct lh_bridge_prompt *prompt,
                     const char *tokens_max)
{
    if (prompt->tokens_max > 0)
        lh_json_set_i64(w, tokens_max, prompt->tokens_max);
    if (prompt->has_temperature)
        lh_json_set_f64(w, "temperature", prompt->temperature);
    if (prompt->has_top_p)
        lh_json_set_f64(w, "top_p", prompt->top_p);
    if (prompt->has_seed)
        lh_json_set_i64(w, "seed", prompt->seed);
    if (prompt->stop_count > 0)
        texts_print(w, "stop", prompt->stop, prompt->stop_count);
}

lh_str
bridge_member_str(const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);

    return json_is_string(value) ? (lh_str){json_string_value(value), json_string_length(value)}
                                 : LH_STR("");
}

int64_t
bridge_member_i64(const json_t *object, const char *key)
{
    return (int64_t)json_integer_value(json_object_get(object, key));
}
