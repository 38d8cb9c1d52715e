#include "apps/cli/lake.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/encoding.h"
#include "base/file.h"
#include "base/log.h"
#include "base/time.h"
#include "net/client.h"
#include "net/mesh.h"
#include "services/host.h"

#define DEFAULT_URL "http://127.0.0.1:3100"
#define DEFAULT_DATA "data"
#define PROBE_MS 1000
#define PAUSE_STEP_MS 20

struct cli_lake {
    struct lh_client *client; /* far */
    char *url;
    char *authorization;
    struct lh_config *config; /* near */
    struct lh_host *host;
    char *where;
};

/* The call that Ctrl-C ends. One request runs at a time in this program. */
static _Atomic(struct lh_call *) running_call;

static void
interrupt_handle(int signal_number)
{
    (void)signal_number;
    struct lh_call *call = atomic_load(&running_call);
    /* Only the flag: hooks take locks, which a signal handler must not. Both transports look at the
     * flag. */
    if (call)
        atomic_store(&call->is_canceled, true);
    else
        _exit(CLI_INTERRUPTED);
}

void
cli_lake_interruptible(struct cli_lake *lake)
{
    (void)lake;
    struct sigaction action = {.sa_handler = interrupt_handle};
    sigaction(SIGINT, &action, NULL);
}

lh_status
cli_lake_pause(struct cli_lake *lake, int64_t ms, struct lh_error *err)
{
    const struct timespec step = {.tv_nsec = PAUSE_STEP_MS * 1000000L};
    int64_t until_ms = lh_time_mono_ms() + ms;
    struct lh_call call;
    bool is_canceled;

    (void)lake;
    lh_call_init(&call);
    atomic_store(&running_call, &call);
    while (lh_time_mono_ms() < until_ms && !atomic_load(&call.is_canceled))
        nanosleep(&step, NULL);
    atomic_store(&running_call, NULL);
    is_canceled = atomic_load(&call.is_canceled);
    lh_call_fini(&call);
    return is_canceled ? lh_fail(err, LH_CANCELED, "cli.interrupted", "interrupted") : LH_OK;
}

/* ---- finding it ---- */

static bool
server_answers(const char *url)
{
    struct lh_client *client = lh_client_new(1);
    struct lh_call call;
    lh_call_init(&call);
    call.deadline_ms = lh_time_mono_ms() + PROBE_MS;
    char *health = lh_asprintf("%s/healthz", url);
    struct lh_client_request request = {.method = LH_GET, .url = health, .answer_max = 4096};
    struct lh_client_answer answer = {0};
    LH_AUTO_ERROR(err);
    bool ok = lh_client_send(client, &call, &request, &answer, &err) == LH_OK &&
              answer.status == 200 &&
              lh_str_find(lh_buf_str(&answer.body), LH_STR("\"status\""), &(size_t){0});
    lh_client_answer_fini(&answer);
    free(health);
    lh_call_fini(&call);
    lh_client_free(client);
    return ok;
}

/* The address in <data>/server.url when something answers there, else NULL. Heap. */
static char *
server_of_folder(const char *data)
{
    char *path = lh_asprintf("%s/server.url", data);
    LH_AUTO_BUF(text, 4096);
    LH_AUTO_ERROR(err);
    lh_status status = lh_file_read(path, text.max, &text, &err);
    free(path);
    if (status != LH_OK)
        return NULL;
    char *url = lh_str_dup(lh_str_trim(lh_buf_str(&text)));
    if (server_answers(url))
        return url;
    free(url);
    return NULL;
}

static void
far_open(struct cli_lake *lake, const char *url, const char *token)
{
    lh_str trimmed = lh_str_of(url);
    while (lh_str_ends(trimmed, LH_STR("/")))
        trimmed.len--;
    lake->client = lh_client_new(4);
    lake->url = lh_str_dup(trimmed);
    lake->where = lh_str_dup(trimmed);
    if (token && *token)
        lake->authorization = lh_asprintf("Bearer %s", token);
}

static lh_status
near_open(struct cli_lake *lake, const struct cli_common *common, const char *data,
          enum cli_lake_need need, struct lh_error *err)
{
    if (need == CLI_LAKE_READS && access(data, F_OK) != 0)
        return lh_fail(err, LH_UNAVAILABLE, "cli.no_lake",
                       "no server answers and there is no lake in \"%s\": start one with "
                       "`lakehouse serve`, or make "
                       "one with `lakehouse ingest FILE`",
                       data);
    static const struct lh_service *const services[] = {&lh_journald, &lh_storaged, &lh_catalogd,
                                                        &lh_ingestd,  &lh_queryd,   &lh_vectord,
                                                        &lh_gateway,  NULL};
    lh_log_level_set(LH_LOG_ERROR);
    LH_TRY(lh_config_load(lh_host_config_tables(), common->config, &lake->config, err));
    struct lh_host_options options = {
        .services = services, .config = lake->config, .data_dir = data, .is_embedded = true};
    LH_TRY(lh_host_start(&options, &lake->host, err));
    lake->where = lh_asprintf("%s (opened here)", data);
    return LH_OK;
}

static lh_status
choose(struct cli_lake *lake, const struct cli_common *common, enum cli_lake_need need,
       struct lh_error *err)
{
    if (common->url && *common->url) {
        far_open(lake, common->url, common->token);
        return LH_OK;
    }
    const char *data = common->data ? common->data : DEFAULT_DATA;
    char *url = server_of_folder(data);
    if (url) {
        far_open(lake, url, common->token);
        free(url);
        return LH_OK;
    }
    if (!common->data && server_answers(DEFAULT_URL)) {
        far_open(lake, DEFAULT_URL, common->token);
        return LH_OK;
    }
    return near_open(lake, common, data, need, err);
}

lh_status
cli_lake_open(const struct cli_common *common, enum cli_lake_need need, struct cli_lake **out,
              struct lh_error *err)
{
    CLI_AUTO_LAKE lake = LH_NEW(struct cli_lake);
    LH_TRY(choose(lake, common, need, err));
    *out = lh_take(lake);
    return LH_OK;
}

void
cli_lake_free(struct cli_lake *lake)
{
    if (!lake)
        return;
    if (lake->host)
        lh_host_stop(lake->host);
    lh_config_free(lake->config);
    if (lake->client)
        lh_client_free(lake->client);
    free(lake->url);
    free(lake->authorization);
    free(lake->where);
    free(lake);
}

const char *
cli_lake_where(const struct cli_lake *lake)
{
    return lake->where;
}

/* ---- one request ---- */

/* Collects the status and hands the bytes on, or keeps them when they are a problem document. */
struct answer_sink {
    lh_status (*write)(void *self, lh_bytes bytes, struct lh_error *err);
    void *self;
    int status;
    struct lh_buf problem;
};

static lh_status
answer_begin(void *self, int status, const struct lh_header *headers, size_t count, int64_t length,
             struct lh_error *err)
{
    (void)headers, (void)count, (void)length, (void)err;
    ((struct answer_sink *)self)->status = status;
    return LH_OK;
}

static lh_status
answer_write(void *self, lh_bytes bytes, struct lh_error *err)
{
    struct answer_sink *sink = self;
    if (sink->status >= 400) {
        lh_buf_add(&sink->problem, bytes.ptr, bytes.len);
        return LH_OK;
    }
    return sink->write(sink->self, bytes, err);
}

static void
answer_end(void *self, bool complete)
{
    (void)self, (void)complete;
}

static size_t
headers_fill(const struct cli_lake *lake, const struct cli_request *request, struct lh_header *to)
{
    size_t n = 0;
    to[n++] = (struct lh_header){LH_STR("Accept"),
                                 lh_str_of(request->accept ? request->accept : "application/json")};
    if (request->content_type || request->body.len > 0)
        to[n++] = (struct lh_header){
            LH_STR("Content-Type"),
            lh_str_of(request->content_type ? request->content_type : "application/json")};
    if (lake->authorization)
        to[n++] = (struct lh_header){LH_STR("Authorization"), lh_str_of(lake->authorization)};
    return n;
}

static lh_status
far_send(struct cli_lake *lake, struct lh_call *call, const struct cli_request *request,
         struct answer_sink *answer, struct lh_error *err)
{
    struct lh_header headers[4];
    char *url = lh_arena_printf(&call->arena, "%s%s", lake->url, request->path);
    struct lh_sink sink = {answer_begin, answer_write, NULL, answer_end, answer};
    struct lh_client_request sent = {
        .method = request->method,
        .url = url,
        .headers = headers,
        .header_count = headers_fill(lake, request, headers),
        .body = request->body,
        .body_source = request->source,
        .answer_sink = &sink,
    };
    struct lh_client_answer got = {0};
    lh_status status = lh_client_send(lake->client, call, &sent, &got, err);
    lh_client_answer_fini(&got);
    if (status == LH_OK && answer->status >= 400)
        return lh_problem_decode(answer->status, lh_buf_bytes(&answer->problem), err);
    return status;
}

/* The body of an in-process request that is already in memory. */
struct memory_source {
    lh_bytes rest;
};

static lh_status
memory_read(void *self, void *to, size_t size, size_t *got, struct lh_error *err)
{
    (void)err;
    struct memory_source *m = self;
    *got = m->rest.len < size ? m->rest.len : size;
    if (*got)
        memcpy(to, m->rest.ptr, *got);
    m->rest = lh_bytes_of(m->rest.ptr + *got, m->rest.len - *got);
    return LH_OK;
}

static lh_status
query_decode(struct lh_arena *arena, lh_str text, struct lh_request *req, struct lh_error *err)
{
    struct lh_header *items = lh_arena_array(arena, text.len + 1, sizeof(*items));
    lh_str part;
    while (text.len > 0 && lh_str_next(&text, '&', &part)) {
        lh_str name;
        lh_str_cut(&part, '=', &name);
        LH_AUTO_BUF(n, 64 << 10);
        LH_AUTO_BUF(v, 1 << 20);
        if (!lh_percent_decode(&n, name, true) || !lh_percent_decode(&v, part, true))
            return lh_fail(err, LH_INVALID, "request.query", "bad percent-encoding in a query");
        items[req->query_count++] = (struct lh_header){lh_arena_str(arena, lh_buf_str(&n)),
                                                       lh_arena_str(arena, lh_buf_str(&v))};
    }
    req->query = items;
    return LH_OK;
}

static lh_status
near_send(struct cli_lake *lake, struct lh_call *call, const struct cli_request *request,
          struct answer_sink *answer, struct lh_error *err)
{
    struct lh_header headers[4];
    struct memory_source memory = {request->body};
    lh_str query = lh_str_of(request->path);
    lh_str path;
    lh_str_cut(&query, '?', &path);
    struct lh_request req = {
        .method = request->method,
        .path = path,
        .headers = headers,
        .header_count = headers_fill(lake, request, headers),
        .body = request->source
                    ? *request->source
                    : (struct lh_source){memory_read, &memory, (int64_t)request->body.len},
        .body_bytes = request->body,
    };
    if (path.len < strlen(request->path))
        LH_TRY(query_decode(&call->arena, query, &req, err));
    struct lh_response res = {
        .sink = {answer_begin, answer_write, NULL, answer_end, answer},
        .arena = &call->arena,
    };
    lh_status status = lh_mesh_forward(lh_host_mesh(lake->host), call, "gateway", &req, &res, err);
    if (status == LH_OK && answer->status >= 400)
        return lh_problem_decode(answer->status, lh_buf_bytes(&answer->problem), err);
    return status;
}

lh_status
cli_lake_stream(struct cli_lake *lake, const struct cli_request *request,
                lh_status (*sink)(void *self, lh_bytes bytes, struct lh_error *err), void *self,
                struct lh_error *err)
{
    struct lh_call call;
    lh_call_init(&call);
    call.source = "cli";
    call.principal = (struct lh_principal){LH_PRINCIPAL_USER, "local", "", true};
    struct answer_sink answer = {.write = sink, .self = self};
    lh_buf_init(&answer.problem, 1 << 20);
    atomic_store(&running_call, &call);
    lh_status status = lake->client ? far_send(lake, &call, request, &answer, err)
                                    : near_send(lake, &call, request, &answer, err);
    atomic_store(&running_call, NULL);
    lh_buf_fini(&answer.problem);
    lh_call_fini(&call);
    return status;
}

static lh_status
buffer_write(void *self, lh_bytes bytes, struct lh_error *err)
{
    struct lh_buf *b = self;
    lh_buf_add(b, bytes.ptr, bytes.len);
    return lh_buf_check(b, "the answer", err);
}

lh_status
cli_lake_send(struct cli_lake *lake, const struct cli_request *request, struct lh_buf *body,
              struct lh_error *err)
{
    return cli_lake_stream(lake, request, buffer_write, body, err);
}

lh_status
cli_lake_json(struct cli_lake *lake, enum lh_method method, const char *path,
              const struct lh_buf *body, json_t **out, struct lh_error *err)
{
    LH_AUTO_BUF(answer, (size_t)1 << 30);
    struct cli_request request = {.method = method, .path = path};
    if (body)
        request.body = lh_buf_bytes(body);
    LH_TRY(cli_lake_send(lake, &request, &answer, err));
    return lh_json_parse(lh_buf_str(&answer), out, err);
}
