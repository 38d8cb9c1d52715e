#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <ctype.h>
#include "services/gateway/gateway.h"
#include "services/gateway/openapi.h"

/* ---- flags ---- */

static void
internal_routes_are_not_public(void **state)
{
    const struct lh_route marked = {.pattern = "/v1/x", .flags = LH_ROUTE_INTERNAL};
    const struct lh_route unmarked = {.pattern = "/internal/x/{name}"};
    const struct lh_route open = {.pattern = "/v1/internal/x"};

    (void)state;
    assert_false(gateway_forward_is_public(&marked));
    assert_false(gateway_forward_is_public(&unmarked));
    assert_true(gateway_forward_is_public(&open));
}

static void
only_a_local_reader_may_run_on_a_network_thread(void **state)
{
    (void)state;
    assert_int_equal(gateway_forward_flags(LH_ROUTE_INLINE, true), LH_ROUTE_INLINE);
    assert_int_equal(gateway_forward_flags(LH_ROUTE_INLINE, false), 0);
    assert_int_equal(gateway_forward_flags(LH_ROUTE_INLINE | LH_ROUTE_WRITES, true),
                     LH_ROUTE_WRITES);
}

static void
nothing_that_is_forwarded_is_open(void **state)
{
    const unsigned kept = LH_ROUTE_LONG | LH_ROUTE_STREAMS_BODY | LH_ROUTE_WRITES;

    (void)state;
    assert_int_equal(gateway_forward_flags(kept | LH_ROUTE_OPEN, true), kept);
    assert_int_equal(gateway_forward_flags(kept | LH_ROUTE_OPEN, false), kept);
}

/* ---- the surface and its description ---- */

static json_t *
openapi_load(void)
{
    json_t *api = NULL;

    assert_int_equal(
        lh_json_parse(lh_bytes_str(lh_bytes_of(lh_openapi_json, lh_openapi_json_size)), &api, NULL),
        LH_OK);
    return api;
}

/* "{key...}" is "{key}" in OpenAPI. */
static void
path_of(const char *pattern, struct lh_buf *out)
{
    for (const char *c = pattern; *c; c++) {
        if (*c != '.' || (c[1] != '.' && c[-1] != '.'))
            lh_buf_add_char(out, *c);
    }
}

static const char *
method_of(enum lh_method method, char text[16])
{
    const char *name = lh_method_name(method);
    size_t i = 0;

    for (; name[i] && i < 15; i++)
        text[i] = (char)tolower((unsigned char)name[i]);
    text[i] = '\0';
    return text;
}

static bool
is_described(const json_t *api, const struct lh_route *route)
{
    LH_AUTO_BUF(path, 256);
    char method[16];

    path_of(route->pattern, &path);
    return json_object_get(json_object_get(json_object_get(api, "paths"), lh_buf_cstr(&path)),
                           method_of(route->method, method)) != NULL;
}

static void
every_public_route_is_described(void **state)
{
    LH_AUTO_JSON api = openapi_load();
    int missing = 0;

    (void)state;
    for (const struct lh_service *const *s = lh_host_all_services(); *s; s++) {
        for (const struct lh_route *r = (*s)->routes; r && r->pattern; r++) {
            if (!gateway_forward_is_public(r) || is_described(api, r))
                continue;
            print_error("%s %s of %s is not in api/openapi.yaml\n", lh_method_name(r->method),
                        r->pattern, (*s)->name);
            missing++;
        }
    }
    assert_int_equal(missing, 0);
}

static bool
is_routed(const char *path, const char *method)
{
    for (const struct lh_service *const *s = lh_host_all_services(); *s; s++) {
        for (const struct lh_route *r = (*s)->routes; r && r->pattern; r++) {
            LH_AUTO_BUF(pattern, 256);
            char text[16];

            path_of(r->pattern, &pattern);
            if (gateway_forward_is_public(r) && strcmp(lh_buf_cstr(&pattern), path) == 0 &&
                strcmp(method_of(r->method, text), method) == 0)
                return true;
        }
    }
    return false;
}

static bool
is_operation(const char *key)
{
    enum lh_method ignored;
    char upper[16] = "";

    for (size_t i = 0; key[i] && i < 15; i++)
        upper[i] = (char)toupper((unsigned char)key[i]);
    return lh_method_parse(lh_str_of(upper), &ignored);
}

/* HEAD is answered by the GET route; health is the host's. */
static bool
is_elsewhere(const char *path, const char *method)
{
    return strcmp(method, "head") == 0 || strcmp(path, "/healthz") == 0 ||
           strcmp(path, "/readyz") == 0 || strcmp(path, "/metrics") == 0;
}

static void
nothing_is_described_that_is_not_there(void **state)
{
    LH_AUTO_JSON api = openapi_load();
    const char *path, *method;
    json_t *operations, *operation;
    int extra = 0;

    (void)state;
    json_object_foreach (json_object_get(api, "paths"), path, operations) {
        json_object_foreach (operations, method, operation) {
            if (!is_operation(method) || is_elsewhere(path, method) || is_routed(path, method))
                continue;
            print_error("%s %s of api/openapi.yaml has no route\n", method, path);
            extra++;
        }
    }
    assert_int_equal(extra, 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(internal_routes_are_not_public),
        cmocka_unit_test(only_a_local_reader_may_run_on_a_network_thread),
        cmocka_unit_test(nothing_that_is_forwarded_is_open),
        cmocka_unit_test(every_public_route_is_described),
        cmocka_unit_test(nothing_is_described_that_is_not_there),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
