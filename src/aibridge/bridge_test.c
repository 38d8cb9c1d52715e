#include "aibridge/bridge.h"

#include <math.h>
#include "aibridge/parts.h"
#include "base/encoding.h"
#include "net/testing.h"
#include "text/hash_model.h"

/* A provider that speaks all three protocols and does what a test tells it to. */
struct peer {
    struct lab lab;
    atomic_int requests, failures_left, running, most_running;
    _Atomic(const char *) mode; /* "", "wrong", "nan", "few", "redirect", "garbage", "slow" … */
    atomic_bool may_go;
    char body[4096];
};

static struct peer peer;
static pthread_mutex_t peer_lock = PTHREAD_MUTEX_INITIALIZER; /* of body */

static bool
is_mode(const char *mode)
{
    return strcmp(atomic_load(&peer.mode), mode) == 0;
}

/* dim floats of a text: its length, its first byte, 1. */
static void
vector_of(const json_t *text, float v[3])
{
    v[0] = (float)json_string_length(text);
    v[1] = (float)json_string_value(text)[0];
    v[2] = 1;
}

static void
numbers_print(struct lh_json_writer *w, const json_t *text)
{
    float v[3];

    vector_of(text, v);
    lh_json_array_begin(w);
    for (int i = 0; i < (is_mode("wrong") ? 2 : 3); i++) {
        if (is_mode("nan"))
            lh_json_put_cstr(w, "NaN");
        else
            lh_json_put_f64(w, (double)v[i]);
    }
    lh_json_array_end(w);
}

static lh_status
misbehave(struct lh_response *res, bool *is_done, struct lh_error *err)
{
    *is_done = true;
    if (atomic_load(&peer.failures_left) > 0) {
        atomic_fetch_sub(&peer.failures_left, 1);
        return lh_fail(err, LH_UNAVAILABLE, "peer.down", "not now");
    }
    if (is_mode("redirect")) {
        lh_response_header(res, "Location", LH_STR("http://127.0.0.1:1/elsewhere"));
        return lh_response_empty(res, 302, err);
    }
    if (is_mode("garbage"))
        return lh_response_bytes(res, 200, "text/html", lh_str_bytes(LH_STR("<html>")), err);
    if (is_mode("denied"))
        return lh_fail(err, LH_DENIED, "auth.invalid", "who are you");
    if (is_mode("refused"))
        return lh_fail(err, LH_INVALID, "peer.wrong", "no such model");
    *is_done = false;
    return LH_OK;
}

static void
request_note(struct lh_request *req)
{
    int running = atomic_fetch_add(&peer.running, 1) + 1, most = atomic_load(&peer.most_running);

    atomic_fetch_add(&peer.requests, 1);
    while (running > most && !atomic_compare_exchange_weak(&peer.most_running, &most, running)) {
    }
    while (is_mode("slow") && !atomic_load(&peer.may_go))
        sched_yield();
    LH_AUTO_LOCK(&peer_lock);
    (void)lh_str_copy(peer.body, sizeof(peer.body),
                      lh_str_fit(lh_bytes_str(req->body_bytes), 4000));
}

typedef void (*print_fn)(struct lh_json_writer *w, const json_t *texts);

static lh_status
embed_answer(struct lh_request *req, struct lh_response *res, const char *key, print_fn print,
             struct lh_error *err)
{
    LH_AUTO_JSON body = NULL;
    LH_AUTO_BUF(out, 1 << 20);
    bool is_done;

    request_note(req);
    lh_status status = misbehave(res, &is_done, err);
    atomic_fetch_sub(&peer.running, 1);
    if (is_done)
        return status;
    LH_TRY(lh_request_json(req, false, &body, err));
    json_t *texts = json_object_get(body, key);
    if (is_mode("few"))
        json_array_remove(texts, 0);
    struct lh_json_writer w = lh_json_writer_over(&out);
    print(&w, texts);
    return lh_response_json(res, 200, &out, err);
}

static void
ollama_print(struct lh_json_writer *w, const json_t *texts)
{
    size_t i;
    const json_t *text;

    lh_json_object_begin(w);
    lh_json_key(w, "embeddings");
    lh_json_array_begin(w);
    json_array_foreach (texts, i, text)
        numbers_print(w, text);
    lh_json_array_end(w);
    lh_json_set_i64(w, "prompt_eval_count", 7);
    lh_json_object_end(w);
}

/* Backwards: the index says which is which. */
static void
openai_print(struct lh_json_writer *w, const json_t *texts)
{
    lh_json_object_begin(w);
    lh_json_key(w, "data");
    lh_json_array_begin(w);
    for (size_t i = json_array_size(texts); i-- > 0;) {
        lh_json_object_begin(w);
        lh_json_set_u64(w, "index", i);
        lh_json_key(w, "embedding");
        numbers_print(w, json_array_get(texts, i));
        lh_json_object_end(w);
    }
    lh_json_array_end(w);
    lh_json_object_end(w);
}

static void
sidecar_print(struct lh_json_writer *w, const json_t *texts)
{
    LH_AUTO_BUF(floats, 1 << 16);
    LH_AUTO_BUF(base64, 1 << 16);
    size_t i;
    const json_t *text;

    json_array_foreach (texts, i, text) {
        float v[3];
        vector_of(text, v);
        v[0] = is_mode("nan") ? NAN : v[0];
        lh_buf_add(&floats, v, is_mode("wrong") ? 8 : 12);
    }
    lh_base64_encode(&base64, lh_buf_bytes(&floats));
    lh_json_object_begin(w);
    lh_json_set_u64(w, "count", json_array_size(texts));
    lh_json_set_str(w, "vectors", lh_buf_str(&base64));
    lh_json_object_end(w);
}

static lh_status
ollama_embed(void *self, struct lh_call *call, struct lh_request *req, struct lh_response *res,
             struct lh_error *err)
{
    (void)self;
    (void)call;
    return embed_answer(req, res, "input", ollama_print, err);
}

static lh_status
openai_embed(void *self, struct lh_call *call, struct lh_request *req, struct lh_response *res,
             struct lh_error *err)
{
    (void)self;
    (void)call;
    return embed_answer(req, res, "input", openai_print, err);
}

static lh_status
sidecar_embed(void *self, struct lh_call *call, struct lh_request *req, struct lh_response *res,
              struct lh_error *err)
{
    (void)self;
    (void)call;
    return embed_answer(req, res, "texts", sidecar_print, err);
}

/* What each protocol streams: "Hel", "lo" and an end, cut where it hurts. */
static const char openai_stream[] =
    ": a comment\n\ndata: {\"choices\":[{\"delta\":{\"role\":\"assistant\"}}]}\n\n"
    "data: {\"choices\":[{\"delta\":{\"content\":\"Hel\"}}]}\r\n\r\n"
    "data:{\"choices\":[{\"delta\":{\"content\":\"lo\"},\"finish_reason\":\"length\"}]}\n\n"
    "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":5,\"completion_tokens\":2}}\n\n"
    "data: [DONE]\n\n";
static const char ollama_stream[] =
    "{\"message\":{\"role\":\"assistant\",\"content\":\"Hel\"},\"done\":false}\n"
    "{\"message\":{\"content\":\"lo\"},\"done\":false}\n"
    "{\"message\":{\"content\":\"\"},\"done\":true,\"done_reason\":\"length\","
    "\"prompt_eval_count\":5,\"eval_count\":2}\n";
static const char sidecar_stream[] =
    "{\"piece\":\"Hel\"}\n{\"piece\":\"lo\"}\n"
    "{\"done\":true,\"finish_reason\":\"length\",\"prompt_tokens\":5,\"completion_tokens\":2}";

static lh_status
stream_answer(struct lh_request *req, struct lh_response *res, const char *text,
              struct lh_error *err)
{
    bool is_done;
    size_t len = strlen(text);

    request_note(req);
    lh_status status = misbehave(res, &is_done, err);
    atomic_fetch_sub(&peer.running, 1);
    if (is_done)
        return status;
    if (is_mode("cut"))
        len = len / 2;
    LH_TRY(lh_response_begin(res, 200, "text/event-stream", -1, err));
    for (size_t at = 0; at < len; at += 11)
        LH_TRY(lh_response_write(res, lh_bytes_of(text + at, len - at < 11 ? len - at : 11), err));
    return LH_OK;
}

static lh_status
openai_chat(void *self, struct lh_call *call, struct lh_request *req, struct lh_response *res,
            struct lh_error *err)
{
    (void)self;
    (void)call;
    return stream_answer(req, res, openai_stream, err);
}

static lh_status
ollama_chat(void *self, struct lh_call *call, struct lh_request *req, struct lh_response *res,
            struct lh_error *err)
{
    (void)self;
    (void)call;
    return stream_answer(req, res, ollama_stream, err);
}

static lh_status
sidecar_generate(void *self, struct lh_call *call, struct lh_request *req, struct lh_response *res,
                 struct lh_error *err)
{
    (void)self;
    (void)call;
    return stream_answer(req, res, sidecar_stream, err);
}

static const struct lh_route peer_routes[] = {
    {LH_POST, "/api/embed", ollama_embed, 0, 0},
    {LH_POST, "/api/chat", ollama_chat, 0, 0},
    {LH_POST, "/v1/embeddings", openai_embed, 0, 0},
    {LH_POST, "/v1/chat/completions", openai_chat, 0, 0},
    {LH_POST, "/embed", sidecar_embed, 0, 0},
    {LH_POST, "/generate", sidecar_generate, 0, 0},
    {0},
};

/* ---- a bridge to it ---- */

struct fixture {
    struct lh_config *config;
    struct lh_bridge *bridge;
    struct lh_call call;
};

static const struct lh_config_key *const tables[] = {lh_bridge_config, NULL};

static void
bridge_open(struct fixture *f, const char *settings)
{
    static const char *const kinds[] = {"ollama", "openai", "sidecar"};
    LH_AUTO_BUF(toml, 1 << 16);
    LH_AUTO_ERROR(err);

    lh_buf_add_cstr(&toml, settings);
    for (int i = 0; i < 3; i++)
        lh_buf_printf(&toml,
                      "\n[[provider]]\nname = \"%s\"\nkind = \"%s\"\n"
                      "url = \"http://127.0.0.1:%d%s\"\nconcurrency = 2\ntimeout = \"2s\"\n"
                      "[[model]]\nname = \"e-%s\"\nprovider = \"%s\"\nkind = \"embed\"\ndim = 3\n"
                      "batch = 4\nremote_name = \"far\"\n"
                      "[[model]]\nname = \"g-%s\"\nprovider = \"%s\"\nkind = \"generate\"\n",
                      kinds[i], kinds[i], peer.lab.port, i == 1 ? "/v1/" : "", kinds[i], kinds[i],
                      kinds[i], kinds[i]);
    lh_buf_add_cstr(&toml, "[[model]]\nname = \"learns\"\nprovider = \"ollama\"\nkind = "
                           "\"embed\"\n");
    assert_ok(lh_config_parse(tables, lh_buf_str(&toml), "test", &f->config, &err), err);
    assert_ok(lh_bridge_new(f->config, NULL, &f->bridge, &err), err);
    lh_call_init(&f->call);
    f->call.deadline_ms = lh_time_mono_ms() + WAIT_MS;
    atomic_store(&peer.mode, "");
    atomic_store(&peer.requests, 0);
    atomic_store(&peer.failures_left, 0);
    atomic_store(&peer.most_running, 0);
    atomic_store(&peer.may_go, false);
}

static void
bridge_close(struct fixture *f)
{
    lh_bridge_free(f->bridge);
    lh_call_fini(&f->call);
    lh_config_free(f->config);
}

static lh_status
embed_one(struct fixture *f, const char *model, const char *text, float v[3], struct lh_error *err)
{
    lh_str texts[] = {lh_str_of(text)};

    return lh_bridge_embed(f->bridge, &f->call, lh_str_of(model), texts, 1, v, 3, NULL, err);
}

static const char *const embedders[] = {"e-ollama", "e-openai", "e-sidecar"};

static void
every_protocol_embeds_in_batches_in_order(void **state)
{
    (void)state;
    lh_str texts[10];
    char names[10][8];
    float v[30];
    struct lh_bridge_embedding report;
    struct fixture f;
    LH_AUTO_ERROR(err);

    bridge_open(&f, "");
    for (int i = 0; i < 10; i++) {
        snprintf(names[i], sizeof(names[i]), "%c%.*s", 'a' + i, i % 5, "xxxxx");
        texts[i] = lh_str_of(names[i]);
    }
    for (int m = 0; m < 3; m++) {
        atomic_store(&peer.requests, 0);
        assert_ok(lh_bridge_embed(f.bridge, &f.call, lh_str_of(embedders[m]), texts, 10, v, 3,
                                  &report, &err),
                  err);
        for (int i = 0; i < 10; i++)
            assert_true(v[3 * i] == (float)(1 + i % 5) && v[3 * i + 1] == (float)('a' + i));
        assert_int_equal(atomic_load(&peer.requests), 3);
        assert_int_equal(report.cached, 0);
        assert_true(report.prompt_tokens > 0);
        assert_non_null(strstr(peer.body, "\"model\":\"far\""));
    }
    bridge_close(&f);
}

static void
what_was_embedded_before_comes_from_the_cache(void **state)
{
    (void)state;
    lh_str texts[] = {LH_STR("one"), LH_STR("two"), LH_STR("one")};
    float v[9];
    struct lh_bridge_embedding report;
    struct fixture f;
    LH_AUTO_ERROR(err);
    LH_AUTO_BUF(status, 1 << 16);

    bridge_open(&f, "");
    assert_ok(embed_one(&f, "e-ollama", "one", v, &err), err);
    assert_ok(lh_bridge_embed(f.bridge, &f.call, LH_STR("e-ollama"), texts, 3, v, 3, &report, &err),
              err);
    assert_int_equal(report.cached, 2);
    assert_int_equal(atomic_load(&peer.requests), 2);
    assert_true(v[1] == 'o' && v[4] == 't' && v[7] == 'o');
    assert_ok(embed_one(&f, "e-openai", "one", v, &err), err); /* another model */
    assert_int_equal(atomic_load(&peer.requests), 3);
    struct lh_json_writer w = lh_json_writer_over(&status);
    lh_bridge_status(f.bridge, &w);
    assert_non_null(strstr(lh_buf_cstr(&status), "\"hits\":2,\"misses\":3"));
    bridge_close(&f);
}

static void
bad_answers_are_noticed(void **state)
{
    (void)state;
    static const char *const modes[] = {"wrong", "nan", "few", "garbage", "redirect"};
    float v[3] = {7, 7, 7};
    struct fixture f;
    LH_AUTO_ERROR(err);

    for (int mode = 0; mode < 5; mode++) {
        bridge_open(&f, "");
        atomic_store(&peer.mode, modes[mode]);
        for (int m = 0; m < 3; m++) {
            assert_fails(embed_one(&f, embedders[m], "text", v, &err), LH_IO, "bridge.bad_answer",
                         err);
            assert_true(v[0] == 7);
        }
        assert_int_equal(atomic_load(&peer.requests), 3); /* asking again would not help */
        bridge_close(&f);
    }
}

static void
failures_are_repeated_and_refusals_are_not(void **state)
{
    (void)state;
    float v[3];
    struct fixture f;
    LH_AUTO_ERROR(err);

    bridge_open(&f, "");
    atomic_store(&peer.failures_left, 2);
    assert_ok(embed_one(&f, "e-ollama", "text", v, &err), err);
    assert_int_equal(atomic_load(&peer.requests), 3);
    atomic_store(&peer.mode, "refused");
    assert_fails(embed_one(&f, "e-ollama", "more", v, &err), LH_INVALID, "bridge.refused", err);
    atomic_store(&peer.mode, "denied");
    assert_fails(embed_one(&f, "e-ollama", "more", v, &err), LH_IO, "bridge.provider_denied", err);
    assert_int_equal(atomic_load(&peer.requests), 5);
    bridge_close(&f);
}

static void
a_provider_that_keeps_failing_is_left_alone_and_then_tried_once(void **state)
{
    (void)state;
    float v[3];
    struct fixture f;
    LH_AUTO_ERROR(err);

    bridge_open(&f, "bridge.retries = 0\nbridge.breaker_failures = 3\n"
                    "bridge.breaker_cooldown = \"300ms\"\n");
    atomic_store(&peer.failures_left, 3);
    for (int i = 0; i < 3; i++)
        assert_fails(embed_one(&f, "e-ollama", "text", v, &err), LH_UNAVAILABLE, "bridge.provider",
                     err);
    assert_fails(embed_one(&f, "e-ollama", "text", v, &err), LH_UNAVAILABLE, "bridge.circuit_open",
                 err);
    assert_int_equal(atomic_load(&peer.requests), 3);
    assert_ok(embed_one(&f, "e-openai", "text", v, &err), err); /* others are not */
    wait_for(embed_one(&f, "e-ollama", "text", v, &err) == LH_OK);
    assert_ok(embed_one(&f, "e-ollama", "text2", v, &err), err);
    bridge_close(&f);
}

static void
an_unreachable_provider_is_unavailable(void **state)
{
    (void)state;
    static const char toml[] = "bridge.retries = 1\n[[provider]]\nname = \"gone\"\nkind = "
                               "\"ollama\"\nurl = \"http://127.0.0.1:1\"\n[[model]]\nname = \"m\"\n"
                               "provider = \"gone\"\nkind = \"embed\"\ndim = 3\n";
    struct fixture f;
    float v[3];
    LH_AUTO_ERROR(err);

    assert_ok(lh_config_parse(tables, lh_str_of(toml), "test", &f.config, &err), err);
    assert_ok(lh_bridge_new(f.config, NULL, &f.bridge, &err), err);
    lh_call_init(&f.call);
    f.call.deadline_ms = lh_time_mono_ms() + WAIT_MS;
    assert_fails(embed_one(&f, "m", "text", v, &err), LH_UNAVAILABLE, "bridge.provider", err);
    bridge_close(&f);
}

static void
a_slow_provider_ends_with_its_time_or_the_callers(void **state)
{
    (void)state;
    float v[3];
    struct fixture f;
    LH_AUTO_ERROR(err);

    bridge_open(&f, "");
    atomic_store(&peer.mode, "slow");
    f.call.deadline_ms = lh_time_mono_ms() + 50;
    assert_fails(embed_one(&f, "e-ollama", "text", v, &err), LH_TIMEOUT, "call.deadline", err);
    f.call.deadline_ms = lh_time_mono_ms() + WAIT_MS;
    assert_fails(embed_one(&f, "e-ollama", "text", v, &err), LH_UNAVAILABLE, "bridge.provider",
                 err);
    atomic_store(&peer.may_go, true);
    wait_for(atomic_load(&peer.running) == 0);
    bridge_close(&f);
}

struct caller {
    struct fixture *f;
    char text[16];
    lh_status status;
    char reason[LH_ERROR_REASON_MAX];
};

static void *
call_one(void *arg)
{
    struct caller *c = arg;
    lh_str texts[] = {lh_str_of(c->text)};
    float v[3];
    struct lh_call call;
    LH_AUTO_ERROR(err);

    lh_call_init(&call);
    call.deadline_ms = lh_time_mono_ms() + WAIT_MS;
    c->status =
        lh_bridge_embed(c->f->bridge, &call, LH_STR("e-ollama"), texts, 1, v, 3, NULL, &err);
    memcpy(c->reason, err.reason, sizeof(c->reason));
    lh_call_fini(&call);
    return NULL;
}

static void
no_more_go_out_at_once_than_the_provider_gets(void **state)
{
    (void)state;
    struct caller callers[9];
    pthread_t threads[9];
    struct fixture f;
    size_t ok = 0, busy = 0;
    LH_AUTO_ERROR(err);

    bridge_open(&f, "bridge.queue_length = 3\n");
    atomic_store(&peer.mode, "slow");
    for (int i = 0; i < 9; i++) {
        callers[i] = (struct caller){.f = &f};
        snprintf(callers[i].text, sizeof(callers[i].text), "text %d", i);
        assert_ok(lh_thread_start(&threads[i], "caller", call_one, &callers[i], &err), err);
    }
    wait_for(atomic_load(&peer.running) == 2);
    atomic_store(&peer.may_go, true);
    for (int i = 0; i < 9; i++) {
        lh_thread_join(threads[i]);
        ok += callers[i].status == LH_OK;
        busy += strcmp(callers[i].reason, "bridge.busy") == 0;
    }
    assert_int_equal(ok + busy, 9);
    assert_true(ok >= 2);
    assert_true(atomic_load(&peer.most_running) <= 2);
    bridge_close(&f);
}

static void
dimensions_are_checked_and_learned(void **state)
{
    (void)state;
    float v[512];
    size_t dim = 0;
    lh_str texts[] = {LH_STR("forklift"), LH_STR("?!")};
    struct lh_bridge_embedding report;
    struct fixture f;
    LH_AUTO_ERROR(err);

    bridge_open(&f, "bridge.texts_max = 2\n");
    assert_fails(lh_bridge_embed(f.bridge, &f.call, LH_STR("e-ollama"), texts, 1, v, 4, NULL, &err),
                 LH_INVALID, "bridge.dimension", err);
    assert_ok(lh_bridge_dim(f.bridge, &f.call, LH_STR("learns"), &dim, &err), err);
    assert_int_equal(dim, 3);
    assert_ok(lh_bridge_dim(f.bridge, &f.call, LH_STR(""), &dim, &err), err);
    assert_int_equal(dim, LH_HASH_MODEL_DIM);
    float two[2 * LH_HASH_MODEL_DIM];
    assert_ok(lh_bridge_embed(f.bridge, &f.call, LH_STR(""), texts, 2, two, LH_HASH_MODEL_DIM,
                              &report, &err),
              err);
    assert_int_equal(report.zero_count, 1);
    assert_fails(lh_bridge_embed(f.bridge, &f.call, LH_STR(""), texts, 3, two, LH_HASH_MODEL_DIM,
                                 NULL, &err),
                 LH_TOO_BIG, "bridge.too_many", err);
    assert_fails(lh_bridge_dim(f.bridge, &f.call, LH_STR("nobody"), &dim, &err), LH_NOT_FOUND,
                 "bridge.unknown_model", err);
    assert_fails(lh_bridge_dim(f.bridge, &f.call, LH_STR("g-ollama"), &dim, &err), LH_UNSUPPORTED,
                 "bridge.wrong_kind", err);
    bridge_close(&f);
}

static struct lh_lsa *
lsa_fit(size_t dim)
{
    static const lh_str texts[] = {LH_STR("red green blue"), LH_STR("green blue"),
                                   LH_STR("one two")};
    struct lh_lsa_options o = {.dim = dim};
    struct lh_lsa *m = NULL;
    LH_AUTO_ERROR(err);

    assert_ok(lh_lsa_fit(texts, 3, &o, &m, &err), err);
    return m;
}

static void
name_count(void *ctx, const struct lh_bridge_model *model)
{
    size_t *count = ctx;

    *count += strncmp(model->name, "lsa:", 4) == 0 && model->dim == 2;
}

static void
built_in_models_stop_when_the_caller_leaves(void **state)
{
    (void)state;
    float v[LH_HASH_MODEL_DIM], w[2];
    lh_str texts[] = {LH_STR("green")};
    struct fixture f;
    LH_AUTO_ERROR(err);

    bridge_open(&f, "");
    assert_ok(lh_bridge_lsa_register(f.bridge, LH_STR("lsa:a"), lsa_fit(2), &err), err);
    lh_call_cancel(&f.call);
    assert_fails(lh_bridge_embed(f.bridge, &f.call, LH_STR("hash-512"), texts, 1, v,
                                 LH_HASH_MODEL_DIM, NULL, &err),
                 LH_CANCELED, "call.canceled", err);
    assert_fails(lh_bridge_embed(f.bridge, &f.call, LH_STR("lsa:a"), texts, 1, w, 2, NULL, &err),
                 LH_CANCELED, "call.canceled", err);
    bridge_close(&f);
}

static void
fitted_models_come_and_go_by_name(void **state)
{
    (void)state;
    float v[4];
    size_t dim, count = 0;
    lh_str texts[] = {LH_STR("green"), LH_STR("magenta")};
    struct lh_bridge_embedding report;
    struct fixture f;
    LH_AUTO_ERROR(err);

    bridge_open(&f, "");
    assert_ok(lh_bridge_lsa_register(f.bridge, LH_STR("lsa:b"), lsa_fit(2), &err), err);
    assert_ok(lh_bridge_lsa_register(f.bridge, LH_STR("lsa:a"), lsa_fit(3), &err), err);
    assert_ok(lh_bridge_lsa_register(f.bridge, LH_STR("lsa:a"), lsa_fit(2), &err), err);
    assert_fails(lh_bridge_lsa_register(f.bridge, LH_STR("hash-512"), lsa_fit(2), &err), LH_EXISTS,
                 "bridge.name_taken", err);
    assert_ok(lh_bridge_dim(f.bridge, &f.call, LH_STR("lsa:a"), &dim, &err), err);
    assert_int_equal(dim, 2);
    assert_ok(lh_bridge_embed(f.bridge, &f.call, LH_STR("lsa:b"), texts, 2, v, 2, &report, &err),
              err);
    assert_int_equal(report.zero_count, 1);
    assert_true(fabs(report.unknown_share - 0.5) < 1e-6);
    lh_bridge_models(f.bridge, name_count, &count);
    assert_int_equal(count, 2);
    lh_bridge_unregister(f.bridge, LH_STR("lsa:b"));
    lh_bridge_unregister(f.bridge, LH_STR("lsa:b"));
    assert_fails(lh_bridge_dim(f.bridge, &f.call, LH_STR("lsa:b"), &dim, &err), LH_NOT_FOUND,
                 "bridge.unknown_model", err);
    bridge_close(&f);
}

/* ---- generating ---- */

static lh_status
piece_join(void *ctx, lh_str piece, struct lh_error *err)
{
    struct lh_buf *all = ctx;

    (void)err;
    lh_buf_add_str(all, piece);
    lh_buf_add_char(all, '|');
    return LH_OK;
}

static lh_status
piece_refuse(void *ctx, lh_str piece, struct lh_error *err)
{
    (void)ctx;
    (void)piece;
    return lh_fail(err, LH_CANCELED, "test.enough", "enough");
}

static lh_status
generate(struct fixture *f, const char *model, lh_status (*see)(void *, lh_str, struct lh_error *),
         void *ctx, struct lh_bridge_completion *out, struct lh_error *err)
{
    static const struct lh_bridge_message messages[] = {{{"user", 4}, {"say hello", 9}}};
    struct lh_bridge_prompt prompt = {.messages = messages,
                                      .count = 1,
                                      .tokens_max = 2,
                                      .temperature = 0.5,
                                      .has_temperature = true,
                                      .see = see,
                                      .ctx = ctx};

    return lh_bridge_generate(f->bridge, &f->call, lh_str_of(model), &prompt, out, err);
}

static const char *const generators[] = {"g-ollama", "g-openai", "g-sidecar"};

static void
every_protocol_streams_what_it_generates(void **state)
{
    (void)state;
    struct fixture f;
    LH_AUTO_ERROR(err);

    bridge_open(&f, "");
    for (int m = 0; m < 3; m++) {
        LH_AUTO_BUF(pieces, 100);
        struct lh_bridge_completion c = {.text = {.max = 100}};
        atomic_store(&peer.failures_left, 1); /* nothing was seen yet: repeated */
        assert_ok(generate(&f, generators[m], piece_join, &pieces, &c, &err), err);
        assert_str(lh_buf_str(&pieces), "Hel|lo|");
        assert_str(lh_buf_str(&c.text), "Hello");
        assert_string_equal(c.finish_reason, "length");
        assert_int_equal(c.prompt_tokens, 5);
        assert_int_equal(c.completion_tokens, 2);
        assert_non_null(strstr(peer.body, "\"content\":\"say hello\""));
        assert_non_null(strstr(peer.body, "\"temperature\":0.5"));
        lh_buf_fini(&c.text);
    }
    assert_true(lh_bridge_can_generate(f.bridge));
    bridge_close(&f);
}

static void
an_answer_that_breaks_off_is_no_answer(void **state)
{
    (void)state;
    struct fixture f;
    LH_AUTO_ERROR(err);

    bridge_open(&f, "");
    atomic_store(&peer.mode, "cut");
    for (int m = 0; m < 3; m++) {
        struct lh_bridge_completion c = {.text = {.max = 100}};
        assert_fails(generate(&f, generators[m], NULL, NULL, &c, &err), LH_IO, "bridge.bad_answer",
                     err);
        lh_buf_fini(&c.text);
    }
    assert_int_equal(atomic_load(&peer.requests), 3);
    bridge_close(&f);
}

static void
the_callers_failure_ends_a_generation_and_limits_hold(void **state)
{
    (void)state;
    struct lh_bridge_completion c = {.text = {.max = 100}}, small = {.text = {.max = 3}};
    struct fixture f;
    LH_AUTO_ERROR(err);

    bridge_open(&f, "");
    assert_fails(generate(&f, "", piece_refuse, NULL, &c, &err), LH_CANCELED, "test.enough", err);
    assert_int_equal(generate(&f, "", NULL, NULL, &small, &err), LH_TOO_BIG);
    assert_int_equal(atomic_load(&peer.requests), 2);
    lh_error_clear(&err);
    atomic_store(&peer.mode, "refused");
    assert_fails(generate(&f, "", NULL, NULL, &c, &err), LH_INVALID, "bridge.refused", err);
    lh_buf_fini(&c.text);
    lh_buf_fini(&small.text);
    bridge_close(&f);
}

/* ---- settings ---- */

static void
without_a_model_that_generates_that_is_said(void **state)
{
    (void)state;
    struct fixture f;
    struct lh_bridge_completion c = {.text = {.max = 100}};
    LH_AUTO_ERROR(err);

    assert_ok(lh_config_parse(tables, LH_STR(""), "test", &f.config, &err), err);
    assert_ok(lh_bridge_new(f.config, NULL, &f.bridge, &err), err);
    lh_call_init(&f.call);
    assert_fails(generate(&f, "", NULL, NULL, &c, &err), LH_UNSUPPORTED, "bridge.no_model", err);
    assert_fails(generate(&f, "hash-512", NULL, NULL, &c, &err), LH_UNSUPPORTED,
                 "bridge.wrong_kind", err);
    assert_false(lh_bridge_can_generate(f.bridge));
    bridge_close(&f);
}

static void
settings_that_do_not_fit_together_are_refused(void **state)
{
    (void)state;
    static const char *const wrong[] = {
        "bridge.embed_model = \"nobody\"",
        "bridge.generate_model = \"hash-512\"",
        "[[provider]]\nname = \"a\"\nkind = \"fax\"\nurl = \"http://x\"",
        "[[provider]]\nname = \"a\"\nkind = \"ollama\"\nurl = \"file:///etc/passwd\"",
        "[[provider]]\nname = \"built-in\"\nkind = \"ollama\"\nurl = \"http://x\"",
        "[[model]]\nname = \"m\"\nprovider = \"nobody\"\nkind = \"embed\"",
        "[[provider]]\nname = \"a\"\nkind = \"ollama\"\nurl = \"http://x\"\n"
        "[[model]]\nname = \"m\"\nprovider = \"a\"\nkind = \"sing\"",
        "[[provider]]\nname = \"a\"\nkind = \"ollama\"\nurl = \"http://x\"\n"
        "[[model]]\nname = \"hash-512\"\nprovider = \"a\"\nkind = \"embed\"",
    };
    struct lh_bridge *b = NULL;
    LH_AUTO_ERROR(err);

    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        LH_AUTO(lh_config) *config = NULL;
        assert_ok(lh_config_parse(tables, lh_str_of(wrong[i]), "test", &config, &err), err);
        assert_fails(lh_bridge_new(config, NULL, &b, &err), LH_INVALID, "config.bridge", err);
    }
    assert_null(b);
}

static int
peer_start(void **state)
{
    (void)state;
    atomic_store(&peer.mode, "");
    lab_start(&peer.lab, peer_routes, NULL, NULL);
    return 0;
}

static int
peer_stop(void **state)
{
    (void)state;
    lab_stop(&peer.lab);
    return 0;
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_protocol_embeds_in_batches_in_order),
        cmocka_unit_test(what_was_embedded_before_comes_from_the_cache),
        cmocka_unit_test(bad_answers_are_noticed),
        cmocka_unit_test(failures_are_repeated_and_refusals_are_not),
        cmocka_unit_test(a_provider_that_keeps_failing_is_left_alone_and_then_tried_once),
        cmocka_unit_test(an_unreachable_provider_is_unavailable),
        cmocka_unit_test(a_slow_provider_ends_with_its_time_or_the_callers),
        cmocka_unit_test(no_more_go_out_at_once_than_the_provider_gets),
        cmocka_unit_test(dimensions_are_checked_and_learned),
        cmocka_unit_test(built_in_models_stop_when_the_caller_leaves),
        cmocka_unit_test(fitted_models_come_and_go_by_name),
        cmocka_unit_test(every_protocol_streams_what_it_generates),
        cmocka_unit_test(an_answer_that_breaks_off_is_no_answer),
        cmocka_unit_test(the_callers_failure_ends_a_generation_and_limits_hold),
        cmocka_unit_test(without_a_model_that_generates_that_is_said),
        cmocka_unit_test(settings_that_do_not_fit_together_are_refused),
    };
    return cmocka_run_group_tests(tests, peer_start, peer_stop);
}
