#include "text/hash_model.h"

#include <math.h>
#include "base/hash.h"
#include "base/testing.h"

#define assert_near(actual, expected, margin) assert_true(fabs((actual) - (expected)) < (margin))

static double
nearness(const char *a, const char *b)
{
    float x[LH_HASH_MODEL_DIM], y[LH_HASH_MODEL_DIM];
    double sum = 0;

    assert_true(lh_hash_embed(lh_str_of(a), x));
    assert_true(lh_hash_embed(lh_str_of(b), y));
    for (size_t i = 0; i < LH_HASH_MODEL_DIM; i++)
        sum += (double)x[i] * (double)y[i];
    return sum;
}

static void
texts_that_share_words_or_parts_of_words_are_near(void **state)
{
    (void)state;
    const char *text = "certified forklift operator in Illinois";

    assert_near(nearness(text, text), 1, 1e-6);
    assert_near(nearness("Café OPERATOR", "operator cafe"), 1, 1e-6);
    assert_true(nearness(text, "forklift operators") > 0.4);
    assert_true(nearness("operating", "operators") > 0.25);
    assert_true(fabs(nearness(text, "quarterly tax report")) < 0.2);
}

static void
a_text_without_words_embeds_to_zeros(void **state)
{
    (void)state;
    float out[LH_HASH_MODEL_DIM];

    memset(out, 1, sizeof(out));
    assert_false(lh_hash_embed(LH_STR("  — the ?! "), out));
    for (size_t i = 0; i < LH_HASH_MODEL_DIM; i++)
        assert_true(out[i] == 0);
}

/* The scheme is frozen under its name: indexes hold such vectors. */
static void
the_floats_are_those_of_every_release(void **state)
{
    (void)state;
    float out[LH_HASH_MODEL_DIM];

    assert_true(lh_hash_embed(LH_STR("Forklift operators, naïve and certified: 12 of them."), out));
    assert_int_equal(lh_crc32c(0, out, sizeof(out)), 0x589127a8);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts_that_share_words_or_parts_of_words_are_near),
        cmocka_unit_test(a_text_without_words_embeds_to_zeros),
        cmocka_unit_test(the_floats_are_those_of_every_release),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
