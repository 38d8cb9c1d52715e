/*
 * Asking a provider. A call first gets through the gate: the breaker must let it pass and one of
 * the provider's places must be free, which it may wait for. Then it is sent, and sent again when
 * it failed in a way that may pass (not connected, broken, 429, 5xx), after a random time up to a
 * bound that doubles, or the time that the provider asked for. The breaker hears how every attempt
 * ended; what the caller did (leaving, its own deadline) and what it asked wrongly (4xx) say
 * nothing about the provider.
 */
#include "aibridge/parts.h"

#include <stdio.h>
#include <time.h>
#include "base/id.h"
#include "base/time.h"

#define BACKOFF_FIRST_MS 100
#define BACKOFF_LAST_MS 5000
#define RETRY_AFTER_MAX_MS 30000
#define STEP_MS 20
#define DETAIL_MAX 300
#define KEY_TEXT_MAX 8192

/* ---- the gate ---- */

static lh_status
gate_wait(struct lh_bridge *b, struct bridge_provider *p, struct lh_call *call,
          struct lh_error *err)
{
    if (p->gate.waiting >= b->waiting_max)
        return lh_fail(err, LH_BUSY, "bridge.busy", "%zu calls wait for provider '%s' already",
                       p->gate.waiting, p->name);
    p->gate.waiting++;
    while (p->gate.running >= p->concurrency && lh_call_check(call, err) == LH_OK)
        (void)lh_cond_wait_until(&p->gate.freed, &p->gate.lock, lh_time_mono_ms() + STEP_MS);
    p->gate.waiting--;
    return lh_call_check(call, err);
}

static lh_status
gate_enter(struct lh_bridge *b, struct bridge_provider *p, struct lh_call *call,
           struct lh_error *err)
{
    LH_AUTO_LOCK(&p->gate.lock);
    if (p->gate.running >= p->concurrency)
        LH_TRY(gate_wait(b, p, call, err));
    if (!bridge_breaker_pass(&p->gate.breaker, lh_time_mono_ms()))
        return lh_fail(err, LH_UNAVAILABLE, "bridge.circuit_open",
                       "provider '%s' failed %zu times in a row and is left alone for a while",
                       p->name, p->gate.breaker.failures);
    p->gate.running++;
    return LH_OK;
}

enum outcome { OUTCOME_OK, OUTCOME_FAILED, OUTCOME_SAYS_NOTHING };

static void
gate_leave(struct bridge_provider *p, enum outcome outcome)
{
    LH_AUTO_LOCK(&p->gate.lock);
    p->gate.running--;
    pthread_cond_signal(&p->gate.freed);
    if (outcome != OUTCOME_SAYS_NOTHING)
        bridge_breaker_report(&p->gate.breaker, outcome == OUTCOME_OK, lh_time_mono_ms());
    lh_metric_set(p->metrics.is_open, bridge_breaker_is_open(&p->gate.breaker));
}

/* ---- the key ---- */

static lh_status
key_load(struct lh_bridge *b, struct bridge_provider *p, struct lh_error *err)
{
    struct lh_secret *key = NULL;

    LH_TRY(lh_secrets_load(b->secrets, lh_str_of(p->credentials), "API_KEY", &key, err));
    LH_AUTO_LOCK(&p->gate.lock);
    lh_secret_free(p->gate.key);
    p->gate.key = key;
    return LH_OK;
}

/* "Bearer …", or nothing; `text` is the caller's, who wipes it. */
static lh_status
key_header(struct lh_bridge *b, struct bridge_provider *p, char text[KEY_TEXT_MAX], lh_str *out,
           struct lh_error *err)
{
    bool has_key;
    int n = 0;

    *out = LH_STR_NONE;
    if (p->credentials[0] == '\0')
        return LH_OK;
    pthread_mutex_lock(&p->gate.lock);
    has_key = p->gate.key != NULL;
    pthread_mutex_unlock(&p->gate.lock);
    if (!has_key)
        LH_TRY(key_load(b, p, err));
    LH_AUTO_LOCK(&p->gate.lock);
    if (p->gate.key)
        n = snprintf(text, KEY_TEXT_MAX, "Bearer %.*s",
                     LH_FMT(lh_secret_field(p->gate.key, "API_KEY")));
    if (n >= KEY_TEXT_MAX)
        return lh_fail(err, LH_TOO_BIG, "secret.too_big", "the key of provider '%s' is too long",
                       p->name);
    *out = (lh_str){text, (size_t)n};
    return LH_OK;
}

/* The provider does not know it: the next call reads it anew, since it may have been changed. */
static void
key_drop(struct bridge_provider *p)
{
    LH_AUTO_LOCK(&p->gate.lock);
    lh_secret_free(p->gate.key);
    p->gate.key = NULL;
}

/* ---- one attempt ---- */

struct attempt {
    enum outcome outcome;
    bool may_repeat;
    int64_t wait_ms; /* that the provider asked for */
};

/* What the provider says of its failure, in one line. */
static const char *
detail_of(struct lh_call *call, const struct lh_buf *body)
{
    LH_AUTO_JSON answer = NULL;
    lh_str text = lh_str_trim(lh_str_fit(lh_buf_str(body), DETAIL_MAX));

    if (lh_json_parse(lh_buf_str(body), &answer, NULL) == LH_OK) {
        const json_t *error = json_object_get(answer, "error");
        lh_str said = json_is_object(error) ? bridge_member_str(error, "message")
                                            : bridge_member_str(answer, "error");
        if (said.len == 0)
            said = bridge_member_str(answer, "detail");
        if (said.len > 0)
            text = lh_str_fit(said, DETAIL_MAX);
    }
    return lh_arena_cstr(&call->arena, text);
}

static void
retry_after_read(const struct lh_client_answer *answer, struct attempt *a)
{
    uint64_t seconds;

    if (lh_str_u64(lh_client_answer_header(answer, "Retry-After"), &seconds))
        a->wait_ms =
            seconds < RETRY_AFTER_MAX_MS / 1000 ? (int64_t)seconds * 1000 : RETRY_AFTER_MAX_MS;
}

static lh_status
status_judge(const struct bridge_ask *ask, struct lh_call *call,
             const struct lh_client_answer *answer, struct attempt *a, struct lh_error *err)
{
    struct bridge_provider *p = ask->provider;
    int status = answer->status;
    const char *detail;

    a->outcome = OUTCOME_OK;
    if (status >= 200 && status < 300)
        return LH_OK;
    detail = detail_of(call, ask->refusal ? ask->refusal : &answer->body);
    if (status < 400)
        return bridge_bad_answer(err, "provider '%s' answered %d: redirects are not followed",
                                 p->name, status);
    if (status == 401 || status == 403) {
        key_drop(p);
        return lh_fail(err, LH_IO, "bridge.provider_denied", "provider '%s' answered %d: %s",
                       p->name, status, detail);
    }
    if (status < 500 && status != 429 && status != 408)
        return lh_fail(err, LH_INVALID, "bridge.refused", "provider '%s' answered %d: %s", p->name,
                       status, detail);
    a->outcome = OUTCOME_FAILED;
    a->may_repeat = status != 501 && status != 505;
    retry_after_read(answer, a);
    return lh_fail(err, LH_UNAVAILABLE, "bridge.provider", "provider '%s' answered %d: %s", p->name,
                   status, detail);
}

/* A transfer that failed: by the caller's doing, by its own sink's, or by the provider's. */
static lh_status
failure_judge(struct bridge_provider *p, int64_t deadline_ms, struct attempt *a,
              struct lh_error *err)
{
    LH_AUTO_ERROR(cause);
    bool is_net = lh_str_starts(lh_str_of(err->reason), LH_STR("net."));
    bool is_late = err->status == LH_TIMEOUT && lh_time_mono_ms() < deadline_ms;

    a->outcome = is_net || is_late ? OUTCOME_FAILED : OUTCOME_SAYS_NOTHING;
    a->may_repeat = is_net && err->status == LH_UNAVAILABLE;
    if (!is_net && !is_late)
        return err->status;
    lh_error_copy(&cause, err);
    if (is_late)
        return lh_fail(err, LH_UNAVAILABLE, "bridge.provider",
                       "provider '%s' did not answer within %lld ms", p->name,
                       (long long)p->timeout_ms);
    return lh_fail(err, cause.status == LH_TOO_BIG ? LH_IO : LH_UNAVAILABLE, "bridge.provider",
                   "provider '%s': %s", p->name, cause.text);
}

static lh_status
send_once(struct lh_bridge *b, struct lh_call *call, const struct bridge_ask *ask,
          struct lh_client_answer *answer, struct lh_error *err)
{
    struct lh_header fields[3] = {{LH_STR("Content-Type"), LH_STR("application/json")}};
    struct lh_client_request request = {
        .method = LH_POST,
        .url = lh_arena_printf(&call->arena, "%s%s", ask->provider->url, ask->path),
        .headers = fields,
        .header_count = 1,
        .body = ask->body,
        .answer_max = ask->answer_max,
        .answer_sink = ask->sink,
    };
    char text[KEY_TEXT_MAX];
    lh_str key;

    LH_TRY(key_header(b, ask->provider, text, &key, err));
    if (key.len > 0)
        fields[request.header_count++] = (struct lh_header){LH_STR("Authorization"), key};
    lh_status status = lh_client_send(b->client, call, &request, answer, err);
    explicit_bzero(text, sizeof(text));
    return status;
}

static lh_status
attempt_run(struct lh_bridge *b, struct lh_call *call, const struct bridge_ask *ask,
            struct lh_buf *out, struct attempt *a, struct lh_error *err)
{
    struct bridge_provider *p = ask->provider;
    struct lh_client_answer answer = {0};
    int64_t deadline_ms = call->deadline_ms, mine = lh_time_mono_ms() + p->timeout_ms;

    /* The call's own thread is here, and nobody else looks at its deadline. */
    call->deadline_ms = mine < deadline_ms ? mine : deadline_ms;
    lh_status status = send_once(b, call, ask, &answer, err);
    call->deadline_ms = deadline_ms;
    status = status == LH_OK ? status_judge(ask, call, &answer, a, err)
                             : failure_judge(p, deadline_ms, a, err);
    if (status == LH_OK && out) {
        lh_buf_fini(out);
        *out = answer.body;
        answer.body = (struct lh_buf){0};
    }
    lh_client_answer_fini(&answer);
    return status;
}

/* ---- repeating ---- */

static lh_status
back_off(struct lh_call *call, int64_t number, const struct attempt *a, struct lh_error *err)
{
    int64_t bound = (int64_t)BACKOFF_FIRST_MS << (number < 8 ? number : 8);
    struct timespec step = {.tv_nsec = STEP_MS * 1000000L};

    bound = bound < BACKOFF_LAST_MS ? bound : BACKOFF_LAST_MS;
    int64_t wait = a->wait_ms + (int64_t)(lh_random_u64() % (uint64_t)bound);
    if (wait > lh_call_remaining_ms(call))
        return err->status; /* waiting would only turn this failure into a late one */
    for (int64_t until = lh_time_mono_ms() + wait; lh_time_mono_ms() < until;) {
        if (lh_call_check(call, err) != LH_OK)
            return err->status;
        nanosleep(&step, NULL);
    }
    return LH_OK;
}

static lh_status
attempt_count(struct lh_bridge *b, struct lh_call *call, const struct bridge_ask *ask,
              struct lh_buf *out, struct attempt *a, struct lh_error *err)
{
    struct bridge_provider *p = ask->provider;
    int64_t start = lh_time_mono_ns();

    LH_TRY(gate_enter(b, p, call, err));
    lh_status status = attempt_run(b, call, ask, out, a, err);
    gate_leave(p, a->outcome);
    lh_metric_observe_ns(p->metrics.seconds, lh_time_mono_ns() - start);
    lh_metric_add(status == LH_OK ? p->metrics.ok : p->metrics.failed, 1);
    return status;
}

lh_status
bridge_provider_ask(struct lh_bridge *b, struct lh_call *call, const struct bridge_ask *ask,
                    struct lh_buf *answer, struct lh_error *err)
{
    for (int64_t number = 0;; number++) {
        struct attempt a = {.outcome = OUTCOME_SAYS_NOTHING};
        lh_status status = attempt_count(b, call, ask, answer, &a, err);
        bool is_begun = ask->is_begun && *ask->is_begun;
        if (status == LH_OK || !a.may_repeat || is_begun || number >= b->retries)
            return status;
        LH_TRY(back_off(call, number, &a, err));
        lh_metric_add(ask->provider->metrics.retries, 1);
        lh_error_clear(err);
    }
}
