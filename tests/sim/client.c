/*
 * A client asks one node after the other, as users behind a balancer do: ingests, rollbacks,
 * deletions, collections, events and reads. What fails without a clear answer is sent again, to
 * whichever node, until it is answered: that is what the protocol promises to be harmless. What is
 * acknowledged is told to the oracle.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/hash.h"
#include "base/time.h"
#include "world.h"

#define ANSWER_WAIT_MS 60000
#define PAUSE_MAX_US (2 * SIM_SECOND)

enum { TRIES_MAX = 6, KEYS = 4, ROWS_BYTES = 1 << 20 };

struct client {
    unsigned number, sent;
};

/* ---- asking ---- */

lh_status
client_ask(struct node *n, enum lh_method method, const char *service, const char *path,
           lh_str body, const char *content_type, json_t **answer, struct lh_error *err)
{
    struct lh_call call;
    lh_status status;

    lh_call_init(&call);
    call.deadline_ms = lh_time_mono_ms() + ANSWER_WAIT_MS;
    status = lh_mesh_call_json(node_mesh(n), &call,
                               &(struct lh_mesh_request){.service = service,
                                                         .method = method,
                                                         .path = path,
                                                         .body = lh_str_bytes(body),
                                                         .content_type = content_type},
                               answer, err);
    lh_call_fini(&call);
    return status;
}

/* On any living node; what a node that has crashed meanwhile says, nobody hears. */
static lh_status
ask_somebody(enum lh_method method, const char *service, const char *path, lh_str body,
             const char *content_type, json_t **answer, struct lh_error *err)
{
    size_t place = (size_t)sim_draw_below(NODES);
    struct node *n;
    lh_status status;

    node_await(place);
    n = node_at(place);
    node_hold(n);
    sim_node_enter(n);
    status = client_ask(n, method, service, path, body, content_type, answer, err);
    sim_node_enter(NULL);
    if (node_is_dead(n)) {
        json_decref(*answer);
        *answer = NULL;
        status = lh_fail(err, LH_UNAVAILABLE, "sim.dead", "the connection broke");
    }
    node_let(n);
    return status;
}

/* What a client may send again: it does not know what came of it, or was asked to. */
static bool
is_worth_repeating(lh_status status)
{
    return status == LH_UNAVAILABLE || status == LH_TIMEOUT || status == LH_IO ||
           status == LH_BUSY || status == LH_CORRUPT || status == LH_CONFLICT ||
           status == LH_CANCELED;
}

static json_t *
ask_until_answered(enum lh_method method, const char *service, const char *path, lh_str body,
                   const char *content_type)
{
    for (int i = 0; i < TRIES_MAX; i++) {
        LH_AUTO_ERROR(err);
        json_t *answer = NULL;
        lh_status status = ask_somebody(method, service, path, body, content_type, &answer, &err);

        sim_say("%s %.*s: %s %s", path,
                LH_FMT(lh_str_slice(body, 0, body.len > 0 ? body.len - 1 : 0)),
                lh_status_name(status), status == LH_OK ? "" : err.reason);
        if (status == LH_OK)
            return answer ? answer : json_null();
        if (!is_worth_repeating(status))
            return NULL;
        sim_sleep_us((int64_t)sim_draw_below(PAUSE_MAX_US));
    }
    return NULL;
}

/* ---- what it does ---- */

static const char *
dataset_draw(void)
{
    return oracle_dataset((size_t)sim_draw_below(world_plan.datasets));
}

static void
ingest(struct client *c, const char *mode)
{
    const char *dataset = dataset_draw();
    char path[128], row[64], body[80];
    bool is_upsert = strcmp(mode, "upsert") == 0;
    LH_AUTO_JSON answer = NULL;

    if (is_upsert)
        (void)snprintf(row, sizeof(row), "k%u v%u-%u", (unsigned)sim_draw_below(KEYS), c->number,
                       c->sent++);
    else
        (void)snprintf(row, sizeof(row), "w%u-%u v", c->number, c->sent++);
    (void)snprintf(body, sizeof(body), "%s\n", row);
    (void)snprintf(path, sizeof(path), "/v1/ingest?dataset=%s&mode=%s&format=csv%s", dataset, mode,
                   is_upsert ? "&key=id" : "");
    oracle_row_sent(row);
    answer = ask_until_answered(LH_POST, "ingestd", path, lh_str_of(body), "text/csv");
    if (answer != NULL)
        oracle_acked(dataset, (uint64_t)json_integer_value(json_object_get(answer, "version")),
                     row);
}

static void
rollback(struct client *c)
{
    const char *dataset = dataset_draw();
    uint64_t newest = oracle_acked_version(dataset);
    char path[128], body[64];
    LH_AUTO_JSON answer = NULL;

    (void)c;
    if (newest < 2)
        return;
    (void)snprintf(path, sizeof(path), "/v1/catalog/datasets/%s/rollback", dataset);
    (void)snprintf(body, sizeof(body), "{\"version\":%llu}\n",
                   (unsigned long long)(newest - sim_draw_below(newest < 4 ? newest : 4)));
    answer = ask_until_answered(LH_POST, "catalogd", path, lh_str_of(body), NULL);
    if (answer != NULL)
        oracle_acked(dataset, (uint64_t)json_integer_value(json_object_get(answer, "version")),
                     NULL);
}

static void
hide(struct client *c)
{
    const char *dataset = dataset_draw();
    char path[128];
    LH_AUTO_JSON answer = NULL;

    (void)c;
    (void)snprintf(path, sizeof(path), "/v1/catalog/datasets/%s", dataset);
    answer = ask_until_answered(LH_DELETE, "catalogd", path, LH_STR(""), NULL);
}

static void
collect(struct client *c)
{
    char body[128];
    LH_AUTO_JSON answer = NULL;

    (void)c;
    (void)snprintf(body, sizeof(body),
                   "{\"dry_run\":false,\"keep_versions\":%u,\"older_than_s\":%u}\n",
                   (unsigned)(1 + sim_draw_below(3)), sim_chance(800) ? 0U : 10U);
    answer = ask_until_answered(LH_POST, "catalogd", "/v1/catalog/gc", lh_str_of(body), NULL);
}

static void
compact(struct client *c)
{
    char path[128];
    LH_AUTO_JSON answer = NULL;

    (void)c;
    (void)snprintf(path, sizeof(path), "/v1/catalog/datasets/%s/compact", dataset_draw());
    answer = ask_until_answered(LH_POST, "catalogd", path, LH_STR("{}\n"), NULL);
}

static void
note(struct client *c)
{
    char id[LH_UUID_TEXT], body[256];
    LH_AUTO_JSON answer = NULL;

    lh_uuid_format(lh_uuid_v4(), id);
    (void)snprintf(body, sizeof(body),
                   "{\"event_id\":\"%s\",\"entity_type\":\"note\",\"entity_id\":\"w%u\","
                   "\"action\":\"noted\"}\n",
                   id, c->number);
    answer =
        ask_until_answered(LH_POST, "journald", "/internal/journal/events", lh_str_of(body), NULL);
    if (answer != NULL)
        oracle_event_acked(id);
}

/* ---- reading ---- */

static int
lines_order(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void
lines_sort(struct lh_buf *text)
{
    LH_AUTO_CHARS copy = lh_str_dup(lh_buf_str(text));
    char **lines = lh_alloc_array(text->len + 1, sizeof(*lines));
    size_t count = 0;

    for (char *at = strtok(copy, "\n"); at != NULL; at = strtok(NULL, "\n"))
        lines[count++] = at;
    if (count > 0)
        qsort(lines, count, sizeof(*lines), lines_order);
    lh_buf_clear(text);
    for (size_t i = 0; i < count; i++)
        lh_buf_printf(text, "%s\n", lines[i]);
    free(lines);
}

static bool
files_read(struct node *n, const json_t *snapshot, struct lh_buf *rows)
{
    const json_t *file;
    struct lh_call call;
    lh_status status = LH_OK;
    size_t i;

    lh_call_init(&call);
    call.deadline_ms = lh_time_mono_ms() + ANSWER_WAIT_MS;
    json_array_foreach (json_object_get(snapshot, "files"), i, file) {
        const char *key = json_string_value(json_object_get(file, "key"));
        LH_AUTO_ERROR(err);

        status = lh_object_get(node_bucket(n), &call, lh_str_of(key), rows, NULL, &err);
        if (status != LH_OK)
            break;
    }
    lh_call_fini(&call);
    lines_sort(rows);
    return status == LH_OK;
}

bool
client_read(struct node *n, const char *dataset, uint64_t *version, struct lh_buf *rows)
{
    char path[128];
    LH_AUTO_ERROR(err);
    LH_AUTO_JSON snapshot = NULL;
    lh_status status;

    (void)snprintf(path, sizeof(path), "/internal/catalog/snapshot?dataset=%s", dataset);
    status = client_ask(n, LH_GET, "catalogd", path, LH_STR(""), NULL, &snapshot, &err);
    *version = 0;
    if (status == LH_NOT_FOUND)
        return true;
    if (status != LH_OK)
        return false;
    *version = (uint64_t)json_integer_value(json_object_get(snapshot, "version"));
    return files_read(n, snapshot, rows);
}

static void
look(struct client *c)
{
    const char *dataset = dataset_draw();
    uint64_t at_least = oracle_acked_version(dataset), version;
    size_t place = (size_t)sim_draw_below(NODES);
    LH_AUTO_BUF(rows, ROWS_BYTES);
    struct node *n;
    bool has_answered;

    (void)c;
    node_await(place);
    n = node_at(place);
    node_hold(n);
    sim_node_enter(n);
    has_answered = client_read(n, dataset, &version, &rows);
    sim_node_enter(NULL);
    if (has_answered && !node_is_dead(n))
        oracle_read(dataset, version, at_least, lh_buf_str(&rows));
    node_let(n);
}

/* ---- its life ---- */

static void
act(struct client *c)
{
    uint64_t lot = sim_draw_below(100);

    if (lot < 42)
        ingest(c, "append");
    else if (lot < 52)
        ingest(c, "replace");
    else if (lot < 62)
        ingest(c, "upsert");
    else if (lot < 70)
        rollback(c);
    else if (lot < 73)
        hide(c);
    else if (lot < 80)
        collect(c);
    else if (lot < 83)
        compact(c);
    else if (lot < 86)
        note(c);
    else
        look(c);
}

void *
client_run(void *arg)
{
    struct client c = {.number = (unsigned)(uintptr_t)arg};

    for (unsigned i = 0; i < world_plan.ops_per_client; i++) {
        act(&c);
        sim_sleep_us((int64_t)sim_draw_below(
            (uint64_t)(sim_chance(100) ? world_plan.idle_max_us : SIM_SECOND)));
    }
    return NULL;
}
