#include "services/vectord/lift.h"

#include "base/testing.h"

static void
a_vector_becomes_the_index_of_its_floats(void **state)
{
    VECTOR_AUTO_LIFTED(l);
    LH_AUTO_ERROR(err);
    const float *v;
    size_t dim;

    (void)state;
    assert_ok(vector_lift(LH_STR("{\"a\": [7], \"vector\" : [1, -2.5e1],\"k\":3}"), 1, &l, &err),
              err);
    assert_str(lh_buf_str(&l.json), "{\"a\": [7], \"vector\":[0],\"k\":3}");
    assert_int_equal(vector_lifted_count(&l), 1);
    v = vector_lifted_at(&l, 0, &dim);
    assert_int_equal(dim, 2);
    assert_true(v[0] == 1.0f && v[1] == -25.0f);
}

static void
only_objects_of_the_asked_depth_have_vectors(void **state)
{
    VECTOR_AUTO_LIFTED(l);
    LH_AUTO_ERROR(err);
    lh_str body = LH_STR("{\"vector\":[1],\"items\":[{\"vector\":[2],\"m\":{\"vector\":[3]}}]}");

    (void)state;
    assert_ok(vector_lift(body, 3, &l, &err), err);
    assert_str(lh_buf_str(&l.json),
               "{\"vector\":[1],\"items\":[{\"vector\":[0],\"m\":{\"vector\":[3]}}]}");
}

static void
an_empty_vector_is_there_and_has_no_numbers(void **state)
{
    VECTOR_AUTO_LIFTED(l);
    LH_AUTO_ERROR(err);
    size_t dim = 1;

    (void)state;
    assert_ok(vector_lift(LH_STR("{\"vector\":[]}"), 1, &l, &err), err);
    assert_int_equal(vector_lifted_count(&l), 1);
    assert_null(vector_lifted_at(&l, 0, &dim));
    assert_int_equal(dim, 0);
}

static void
a_key_with_escapes_does_not_reach_beyond_the_floats(void **state)
{
    static const char *const texts[] = {"{\"v\\u0065ctor\":[9999999]}", "{\"v\\u0065ctor\":[-1]}",
                                        "{\"v\\u0065ctor\":[0.5,1]}", "{\"v\\u0065ctor\":[]}",
                                        "{\"v\\u0065ctor\":7}"};

    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        VECTOR_AUTO_LIFTED(l);
        LH_AUTO_JSON object = NULL;
        LH_AUTO_ERROR(err);
        const float *v;
        size_t dim;

        assert_ok(vector_lift(lh_str_of(texts[i]), 1, &l, &err), err);
        assert_ok(lh_json_parse(lh_buf_str(&l.json), &object, &err), err);
        assert_false(vector_lifted_of(&l, json_object_get(object, "vector"), &v, &dim));
    }
}

static void
a_text_that_closes_more_than_it_opens_is_left_to_the_parser(void **state)
{
    static const char *const texts[] = {"]]}[", "}}}{\"vector\":[1]}", "]]]{{\"vector\":[1]}}"};

    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        VECTOR_AUTO_LIFTED(l);
        LH_AUTO_ERROR(err);

        assert_ok(vector_lift(lh_str_of(texts[i]), 1, &l, &err), err);
        assert_str(lh_buf_str(&l.json), texts[i]);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_vector_becomes_the_index_of_its_floats),
        cmocka_unit_test(only_objects_of_the_asked_depth_have_vectors),
        cmocka_unit_test(an_empty_vector_is_there_and_has_no_numbers),
        cmocka_unit_test(a_key_with_escapes_does_not_reach_beyond_the_floats),
        cmocka_unit_test(a_text_that_closes_more_than_it_opens_is_left_to_the_parser),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
