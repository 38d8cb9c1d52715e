/* Services that live elsewhere are asked for their own /readyz, with little patience: a check that
 * hangs is a check that failed. */
#include "base/time.h"
#include "services/gateway/gateway.h"

static void
remote_check(struct gateway *g, const struct lh_call *asker, const char *service,
             struct lh_ready_check *check)
{
    struct lh_mesh_request request = {.service = service, .method = LH_GET, .path = "/readyz"};
    LH_AUTO_ERROR(err);
    LH_AUTO_JSON body = NULL;
    struct lh_call call;

    lh_call_init(&call);
    call.trace = asker->trace;
    call.deadline_ms = lh_time_mono_ms() + lh_config_ms(g->env.config, "gateway.ready_timeout");
    *check = (struct lh_ready_check){.service = service, .name = "ready"};
    check->is_ok = lh_mesh_call_json(g->env.mesh, &call, &request, &body, &err) == LH_OK;
    lh_str_copy(check->detail, sizeof(check->detail),
                lh_str_of(check->is_ok ? lh_mesh_where(g->env.mesh, service) : err.text));
    lh_call_fini(&call);
}

size_t
gateway_remote_ready(void *gateway, struct lh_call *call, struct lh_ready_check *checks, size_t max)
{
    struct gateway *g = gateway;
    size_t n = 0;

    for (const struct lh_service *const *s = lh_host_all_services(); *s; s++) {
        if (!(*s)->door && !lh_mesh_is_local(g->env.mesh, (*s)->name) && n < max)
            remote_check(g, call, (*s)->name, &checks[n++]);
    }
    return n;
}
