#include "services/vectord/rag.h"

#include "base/time.h"
#include "services/vectord/rag_parts.h"
#include "text/extract.h"

#define REPLY_BYTES_MAX ((size_t)1 << 20)

/* ---- without a model ---- */

static void
sentences_join(struct lh_call *call, const struct lh_extract *x, const struct rag_passage *passages,
               struct rag_answer *out)
{
    LH_AUTO_BUF(text, LH_BUF_UNLIMITED);

    out->citations = lh_arena_array(&call->arena, x->count + 1, sizeof(*out->citations));
    for (size_t i = 0; i < x->count; i++) {
        const struct lh_extract_sentence *s = &x->sentences[i];

        if (i > 0)
            lh_buf_add_char(&text, ' ');
        lh_buf_add_str(&text, lh_str_slice(passages[s->passage].text, s->start, s->end));
        out->citations[out->count++] =
            (struct rag_citation){.passage = s->passage, .start = s->start, .end = s->end};
    }
    out->text = lh_arena_str(&call->arena, lh_buf_str(&text));
    out->is_found = true;
}

lh_status
rag_extract(struct lh_call *call, lh_str question, const struct rag_passage *passages, size_t count,
            double cover_min, struct rag_answer *out, struct lh_error *err)
{
    lh_str *texts = lh_arena_array(&call->arena, count + 1, sizeof(*texts));
    struct lh_extract x;

    for (size_t i = 0; i < count; i++)
        texts[i] = passages[i].text;
    LH_TRY(lh_extract(question, texts, count, NULL, &call->arena, &x, err));
    out->model = VECTOR_RAG_EXTRACTIVE;
    if (x.count > 0 && x.cover >= cover_min)
        sentences_join(call, &x, passages, out);
    return LH_OK;
}

/* ---- with a model ---- */

struct rag {
    struct vectord *v;
    struct lh_call *call;
    struct vector_question question;
    lh_str model; /* "": the default */
    bool may_generate;
    struct vector_hybrid hybrid;
    struct rag_passage *passages;
    size_t passage_count;
    struct rag_answer answer;
};

static lh_status
model_ask(struct rag *r, lh_str model, struct lh_bridge_completion *reply, struct lh_error *err)
{
    const struct lh_config *config = r->v->env->config;
    struct lh_bridge_message messages[2] = {{.role = LH_STR("system")}, {.role = LH_STR("user")}};
    const struct lh_bridge_prompt prompt = {
        .messages = messages,
        .count = 2,
        .tokens_max = lh_config_i64(config, "rag.answer_tokens"),
        .has_temperature = true,
    };

    rag_prompt_make(&r->call->arena, r->question.text, r->passages, r->passage_count,
                    (size_t)lh_config_i64(config, "rag.prompt_tokens"), &messages[0].content,
                    &messages[1].content);
    return lh_bridge_generate(r->v->bridge, r->call, model, &prompt, reply, err);
}

/* What the asker can mend is an error; what the provider does wrong is not the asker's. */
static bool
is_providers_fault(lh_status status)
{
    return status == LH_UNAVAILABLE || status == LH_IO || status == LH_BUSY || status == LH_DENIED;
}

static lh_status
generate(struct rag *r, struct lh_error *err)
{
    struct lh_bridge_completion reply = {.text.max = REPLY_BYTES_MAX};
    char model[LH_BRIDGE_NAME_MAX];
    LH_AUTO_ERROR(own);
    lh_status status;

    LH_TRY(lh_bridge_model_find(r->v->bridge, LH_BRIDGE_GENERATE, r->model, model, err));
    status = model_ask(r, lh_str_of(model), &reply, &own);
    if (status == LH_OK) {
        r->answer.model = lh_arena_cstr(&r->call->arena, lh_str_of(model));
        rag_reply_read(&r->call->arena, lh_buf_str(&reply.text), r->passages, r->passage_count,
                       &r->answer);
    } else if (is_providers_fault(status)) {
        r->answer.fallback = lh_arena_cstr(&r->call->arena, lh_str_of(own.reason));
        status = LH_OK;
    } else {
        lh_error_copy(err, &own);
    }
    lh_buf_fini(&reply.text);
    return status;
}

/* ---- passages ---- */

static void
passages_take(struct rag *r)
{
    r->passages = lh_arena_array(&r->call->arena, r->hybrid.count + 1, sizeof(*r->passages));
    for (size_t i = 0; i < r->hybrid.count; i++)
        if (r->hybrid.hits[i].text.len > 0)
            r->passages[r->passage_count++] =
                (struct rag_passage){.hit = &r->hybrid.hits[i], .text = r->hybrid.hits[i].text};
}

/* ---- answer ---- */

/* What the metadata knows of where a passage comes from: the dataset, or null for an item that was
 * put in by hand; the page, or nothing. */
static void
origin_print(const struct vector_hybrid_hit *hit, struct lh_json_writer *w)
{
    LH_AUTO_JSON metadata = NULL;
    const json_t *dataset, *page;

    (void)lh_json_parse(hit->metadata, &metadata, NULL);
    dataset = json_object_get(metadata, "_dataset");
    page = json_object_get(metadata, "page");
    lh_json_set_cstr(w, "dataset", json_string_value(dataset));
    if (json_is_integer(page))
        lh_json_set_i64(w, "page", json_integer_value(page));
}

static void
citation_print(const struct rag *r, const struct rag_citation *c, struct lh_json_writer *w)
{
    const struct rag_passage *p = &r->passages[c->passage];

    lh_json_object_begin(w);
    lh_json_set_str(w, "id", p->hit->id);
    lh_json_set_str(w, "index", p->hit->index);
    lh_json_set_str(w, "quote", lh_str_slice(p->text, c->start, c->end));
    lh_json_set_u64(w, "start", c->start);
    lh_json_set_u64(w, "end", c->end);
    origin_print(p->hit, w);
    lh_json_object_end(w);
}

static void
answer_print(const struct rag *r, int64_t started_ns, struct lh_buf *out)
{
    const struct rag_answer *a = &r->answer;
    struct lh_json_writer w = lh_json_writer_over(out);

    lh_json_object_begin(&w);
    lh_json_set_bool(&w, "found", a->is_found);
    lh_json_set_str(&w, "answer", a->is_found ? a->text : LH_STR(""));
    lh_json_key(&w, "citations");
    lh_json_array_begin(&w);
    for (size_t i = 0; a->is_found && i < a->count; i++)
        citation_print(r, &a->citations[i], &w);
    lh_json_array_end(&w);
    lh_json_set_u64(&w, "quotes_dropped", a->dropped);
    lh_json_set_cstr(&w, "model", a->model);
    if (a->fallback)
        lh_json_set_cstr(&w, "fallback", a->fallback);
    lh_json_key(&w, "passages");
    lh_json_array_begin(&w);
    for (size_t i = 0; i < r->passage_count; i++)
        vector_hybrid_hit_print(&r->hybrid, r->passages[i].hit, &w);
    lh_json_array_end(&w);
    lh_json_set_f64(&w, "elapsed_ms", (double)((lh_time_mono_ns() - started_ns) / 1000) / 1000);
    lh_json_object_end(&w);
}

static lh_status
request_read(const json_t *body, struct rag *r, struct lh_error *err)
{
    static const char *const more[] = {"generate", "model", NULL};

    r->may_generate = true;
    LH_TRY(vector_question_read(body, more, &r->question, err));
    LH_TRY(lh_json_bool_opt(body, "generate", &r->may_generate, err));
    return lh_json_str_opt(body, "model", &r->model, err);
}

static lh_status
rag_run(struct rag *r, struct lh_error *err)
{
    bool has_model = r->model.len > 0 || lh_bridge_can_generate(r->v->bridge);

    LH_TRY(vector_hybrid_run(r->v, r->call, &r->question, &r->hybrid, err));
    passages_take(r);
    if (r->may_generate && has_model && r->passage_count > 0)
        LH_TRY(generate(r, err));
    if (r->answer.model)
        return LH_OK;
    return rag_extract(r->call, r->question.text, r->passages, r->passage_count,
                       lh_config_f64(r->v->env->config, "rag.cover_min"), &r->answer, err);
}

lh_status
vector_rag_answer(struct vectord *v, struct lh_call *call, const json_t *body,
                  struct lh_buf *answer, struct lh_error *err)
{
    int64_t started_ns = lh_time_mono_ns();
    struct rag r = {.v = v, .call = call};

    LH_TRY(request_read(body, &r, err));
    LH_TRY(rag_run(&r, err));
    answer_print(&r, started_ns, answer);
    return lh_buf_check(answer, "the answer", err);
}
