/* What a process tells about itself: alive, ready, status, metrics. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "base/alloc.h"
#include "base/json.h"
#include "base/metrics.h"
#include "base/time.h"
#include "services/host_parts.h"

#define CHECKS_MAX 64
#define METRICS_MAX ((size_t)16 << 20)
#define ANSWER_MAX ((size_t)1 << 20)

static const char metrics_type[] = "text/plain; version=0.0.4; charset=utf-8";

/* ---- memory ---- */

/* proc(5): the second number of statm is resident pages. */
static int64_t
rss_bytes(void *unused)
{
    long long pages = 0;
    FILE *f = fopen("/proc/self/statm", "re");

    (void)unused;
    if (!f)
        return 0;
    if (fscanf(f, "%*s %lld", &pages) != 1)
        pages = 0;
    fclose(f);
    return pages * sysconf(_SC_PAGESIZE);
}

static int64_t
uptime_s(const struct lh_host *h)
{
    return (lh_time_mono_ms() - h->started_ms) / 1000;
}

static void
memory_print(struct lh_host *h, struct lh_json_writer *w)
{
    static const char *const names[] = {"work_engine", "query_engine"};

    lh_json_key(w, "memory");
    lh_json_object_begin(w);
    lh_json_set_i64(w, "rss_bytes", rss_bytes(NULL));
    for (size_t i = 0; i < 2; i++) {
        struct lh_engine *e = host_engine_find(h, (enum lh_engine_kind)i);
        struct lh_engine_stats stats;

        if (!e)
            continue;
        stats = lh_engine_stats_get(e);
        lh_json_key(w, names[i]);
        lh_json_object_begin(w);
        lh_json_set_u64(w, "memory_bytes", stats.memory_bytes);
        lh_json_set_u64(w, "memory_limit_bytes", stats.memory_limit_bytes);
        lh_json_set_u64(w, "spill_bytes", stats.spill_bytes);
        lh_json_set_u64(w, "running", stats.running);
        lh_json_object_end(w);
    }
    lh_json_object_end(w);
}

/* ---- readiness ---- */

static size_t
slot_ready(struct host_slot *slot, struct lh_call *call, struct lh_ready_check *checks, size_t max)
{
    bool is_running = host_slot_is_running(slot);
    size_t n = 0;

    if (max == 0)
        return 0;
    if (is_running && slot->service->ready)
        n = slot->service->ready(slot->self, call, checks, max);
    if (n == 0)
        checks[n++] = (struct lh_ready_check){.name = "running", .is_ok = is_running};
    for (size_t i = 0; i < n; i++) {
        if (!checks[i].service)
            checks[i].service = slot->service->name;
    }
    return n;
}

size_t
lh_host_ready(struct lh_host *h, struct lh_call *call, struct lh_ready_check *checks, size_t max)
{
    size_t n = 0;

    for (size_t i = 0; i < h->slot_count; i++)
        n += slot_ready(&h->slots[i], call, checks + n, max - n);
    return n;
}

static void
checks_print(const struct lh_ready_check *checks, size_t n, struct lh_json_writer *w)
{
    lh_json_key(w, "checks");
    lh_json_array_begin(w);
    for (size_t i = 0; i < n; i++) {
        lh_json_object_begin(w);
        lh_json_set_cstr(w, "service", checks[i].service);
        lh_json_set_cstr(w, "name", checks[i].name);
        lh_json_set_bool(w, "ok", checks[i].is_ok);
        lh_json_set_cstr(w, "detail", checks[i].detail);
        lh_json_object_end(w);
    }
    lh_json_array_end(w);
}

static const struct lh_ready_check *
check_failed(const struct lh_ready_check *checks, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (!checks[i].is_ok)
            return &checks[i];
    }
    return NULL;
}

static lh_status
ready_handle(void *host, struct lh_call *call, struct lh_request *req, struct lh_response *res,
             struct lh_error *err)
{
    struct lh_ready_check checks[CHECKS_MAX] = {0};
    size_t n = lh_host_ready(host, call, checks, CHECKS_MAX);
    const struct lh_ready_check *failed = check_failed(checks, n);
    LH_AUTO_BUF(body, ANSWER_MAX);
    struct lh_json_writer w = lh_json_writer_over(&body);

    (void)req;
    lh_json_object_begin(&w);
    if (!failed)
        lh_json_set_cstr(&w, "status", "ready");
    checks_print(checks, n, &w);
    lh_json_object_end(&w);
    if (!failed)
        return lh_response_json(res, 200, &body, err);
    lh_fail(err, LH_UNAVAILABLE, "service.not_ready", "%s: %s: %s", failed->service, failed->name,
            failed->detail);
    lh_error_extra_set(err, lh_buf_cstr(&body));
    return LH_UNAVAILABLE;
}

/* ---- the rest ---- */

static lh_status
health_handle(void *host, struct lh_call *call, struct lh_request *req, struct lh_response *res,
              struct lh_error *err)
{
    const struct lh_host *h = host;

    (void)call;
    (void)req;
    return lh_response_bytes(res, 200, "application/json", lh_str_bytes(lh_str_of(h->health_body)),
                             err);
}

static lh_status
metrics_handle(void *host, struct lh_call *call, struct lh_request *req, struct lh_response *res,
               struct lh_error *err)
{
    LH_AUTO_BUF(body, METRICS_MAX);

    (void)host;
    (void)call;
    (void)req;
    lh_metrics_print(&body);
    LH_TRY(lh_buf_check(&body, "the metrics page", err));
    return lh_response_bytes(res, 200, metrics_type, lh_buf_bytes(&body), err);
}

static void
service_print(struct host_slot *slot, struct lh_json_writer *w)
{
    bool is_running = host_slot_is_running(slot);

    lh_json_object_begin(w);
    lh_json_set_cstr(w, "name", slot->service->name);
    lh_json_set_cstr(w, "where", "in process");
    lh_json_set_bool(w, "ok", is_running);
    if (is_running && slot->service->status)
        slot->service->status(slot->self, w);
    host_side_print(slot, w);
    lh_json_object_end(w);
}

/* A service elsewhere is named with its address; its own /v1/status tells more. */
static void
services_print(struct lh_host *h, struct lh_json_writer *w)
{
    lh_json_key(w, "services");
    lh_json_array_begin(w);
    for (size_t i = 0; i < h->slot_count; i++)
        service_print(&h->slots[i], w);
    for (const struct lh_service *const *s = lh_host_all_services(); *s; s++) {
        if ((*s)->door || lh_mesh_is_local(h->env.mesh, (*s)->name))
            continue;
        lh_json_object_begin(w);
        lh_json_set_cstr(w, "name", (*s)->name);
        lh_json_set_cstr(w, "where", lh_mesh_where(h->env.mesh, (*s)->name));
        lh_json_object_end(w);
    }
    lh_json_array_end(w);
}

void
lh_host_status(struct lh_host *h, struct lh_json_writer *w)
{
    lh_json_set_cstr(w, "version", LH_VERSION);
    lh_json_set_i64(w, "uptime_s", uptime_s(h));
    lh_json_set_cstr(w, "engine", lh_engine_version());
    services_print(h, w);
    memory_print(h, w);
}

static lh_status
status_handle(void *host, struct lh_call *call, struct lh_request *req, struct lh_response *res,
              struct lh_error *err)
{
    LH_AUTO_BUF(body, ANSWER_MAX);
    struct lh_json_writer w = lh_json_writer_over(&body);

    (void)call;
    (void)req;
    lh_json_object_begin(&w);
    lh_host_status(host, &w);
    lh_json_object_end(&w);
    return lh_response_json(res, 200, &body, err);
}

static const struct lh_route health_routes[] = {
    {LH_GET, "/healthz", health_handle, LH_ROUTE_INLINE | LH_ROUTE_OPEN, 0},
    {LH_GET, "/readyz", ready_handle, LH_ROUTE_OPEN, 0},
    {LH_GET, "/metrics", metrics_handle, 0, 0},
    {0},
};

static const struct lh_route status_routes[] = {
    {LH_GET, "/v1/status", status_handle, 0, 0},
    {0},
};

void
host_health_routes_add(struct lh_host *h, struct lh_router *r)
{
    if (!h->health_body)
        h->health_body =
            lh_asprintf("{\"status\":\"ok\",\"service\":\"%s\"}", host_door_slot(h)->service->name);
    lh_gauge_callback("lakehouse_resident_bytes", "Resident memory of the process.", rss_bytes,
                      NULL);
    lh_router_add(r, health_routes, h);
}

void
host_status_route_add(struct lh_host *h, struct lh_router *r)
{
    lh_router_add(r, status_routes, h);
}
