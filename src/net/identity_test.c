#include "net/identity.h"

#include "base/testing.h"
#include "base/time.h"
#include "net/call.h"

static struct lh_header fields[NET_IDENTITY_FIELDS];

static struct lh_request
written(struct lh_call *call, const char *token, bool is_forwarded)
{
    return (struct lh_request){
        .headers = fields,
        .header_count = net_identity_write(call, token, is_forwarded, fields),
        .peer = LH_STR("10.0.0.9"),
    };
}

static void
a_principal_arrives_as_it_left(void **state)
{
    LH_AUTO_ERROR(err);
    struct lh_call from, to;
    struct lh_request req;

    (void)state;
    lh_call_init(&from);
    lh_call_init(&to);
    from.principal =
        (struct lh_principal){LH_PRINCIPAL_USER, "Ann & \xc3\x84=%2F", "staffing;1", false};
    from.deadline_ms = lh_time_mono_ms() + 5000;
    req = written(&from, "", false);
    assert_ok(net_identity_read(&req, &to, &err), err);
    assert_int_equal(to.principal.kind, LH_PRINCIPAL_USER);
    assert_string_equal(to.principal.name, from.principal.name);
    assert_string_equal(to.principal.profile, "staffing;1");
    assert_false(to.principal.may_write);
    assert_in_range(lh_call_remaining_ms(&to), 1, 5000);
    assert_false(net_identity_is_forwarded(&req));
    assert_null(lh_request_header(&req, "X-Lakehouse-Mesh-Token").ptr);
    lh_call_fini(&from);
    lh_call_fini(&to);
}

static void
the_trace_goes_along(void **state)
{
    struct lh_call call;
    struct lh_request req;
    struct lh_trace got;

    (void)state;
    lh_call_init(&call);
    req = written(&call, "secret", true);
    assert_true(lh_trace_parse(lh_request_header(&req, "traceparent"), &got));
    assert_string_equal(got.trace_id, call.trace.trace_id);
    assert_true(net_identity_is_forwarded(&req));
    assert_int_equal(req.header_count, 4);
    lh_call_fini(&call);
}

static void
malformed_fields_are_refused(void **state)
{
    static const struct lh_header bad[] = {
        {LH_STR("X-Lakehouse-Principal"), LH_STR("")},
        {LH_STR("X-Lakehouse-Principal"), LH_STR("kind=root")},
        {LH_STR("X-Lakehouse-Principal"), LH_STR("name=ann&write=1")},
        {LH_STR("X-Lakehouse-Principal"), LH_STR("kind=user&name")},
        {LH_STR("X-Lakehouse-Principal"), LH_STR("kind=user&name=%zz")},
        {LH_STR("X-Lakehouse-Deadline-Ms"), LH_STR("soon")},
        {LH_STR("X-Lakehouse-Deadline-Ms"), LH_STR("-1")},
        {LH_STR("X-Lakehouse-Deadline-Ms"), LH_STR("9223372036854775807")},
    };
    LH_AUTO_ERROR(err);
    struct lh_call call;

    (void)state;
    lh_call_init(&call);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct lh_request req = {.headers = &bad[i], .header_count = 1};

        assert_fails(net_identity_read(&req, &call, &err), LH_INVALID, "mesh.identity", err);
    }
    lh_call_fini(&call);
}

static void
a_caller_that_names_nobody_is_the_system(void **state)
{
    LH_AUTO_ERROR(err);
    struct lh_request req = {0};
    struct lh_call call;

    (void)state;
    lh_call_init(&call);
    call.principal = (struct lh_principal){.name = "", .profile = ""};
    assert_ok(net_identity_read(&req, &call, &err), err);
    assert_int_equal(call.principal.kind, LH_PRINCIPAL_SYSTEM);
    assert_int_equal(call.deadline_ms, INT64_MAX);
    lh_call_fini(&call);
}

static void
trust_needs_the_token_or_this_machine(void **state)
{
    struct lh_call call;
    struct lh_request req;

    (void)state;
    lh_call_init(&call);
    req = written(&call, "secret", false);
    assert_true(net_identity_is_trusted(&req, "secret"));
    assert_false(net_identity_is_trusted(&req, "secret2"));
    assert_false(net_identity_is_trusted(&req, "secre"));
    assert_false(net_identity_is_trusted(&req, ""));
    req = written(&call, "", false);
    assert_false(net_identity_is_trusted(&req, "secret"));
    req.peer = LH_STR("127.0.0.1");
    assert_true(net_identity_is_trusted(&req, ""));
    assert_false(net_identity_is_trusted(&req, "secret"));
    req.peer = LH_STR("::1");
    assert_true(net_identity_is_trusted(&req, ""));
    lh_call_fini(&call);
}

static void
own_fields_are_known(void **state)
{
    (void)state;
    assert_true(net_identity_owns(LH_STR("x-lakehouse-PRINCIPAL")));
    assert_true(net_identity_owns(LH_STR("X-Lakehouse-Mesh-Token")));
    assert_true(net_identity_owns(LH_STR("Traceparent")));
    assert_false(net_identity_owns(LH_STR("X-Lakehouse-Rescue-Used")));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_principal_arrives_as_it_left),
        cmocka_unit_test(the_trace_goes_along),
        cmocka_unit_test(malformed_fields_are_refused),
        cmocka_unit_test(a_caller_that_names_nobody_is_the_system),
        cmocka_unit_test(trust_needs_the_token_or_this_machine),
        cmocka_unit_test(own_fields_are_known),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
