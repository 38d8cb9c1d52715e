#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>

#include "services/vectord/names.h"

enum { SLOTS = 500, STEPS = 20000 };

static char texts[SLOTS][16];

static lh_str
text_of(const void *ctx, uint32_t slot)
{
    (void)ctx;
    return lh_str_of(texts[slot]);
}

/* Against an array that says which slots are in. */
static void
random_sets_and_removals_agree_with_a_list(void **state)
{
    struct vector_names n = {.id = text_of};
    bool is_in[SLOTS] = {false};
    size_t count = 0;
    uint32_t x = 1;

    (void)state;
    for (uint32_t i = 0; i < SLOTS; i++)
        (void)snprintf(texts[i], sizeof(texts[i]), "id-%u", i);
    for (int step = 0; step < STEPS; step++) {
        uint32_t slot;

        x = x * 1664525 + 1013904223;
        slot = (x >> 8) % SLOTS;
        if (x >> 31) {
            vector_names_set(&n, slot);
            count += !is_in[slot];
            is_in[slot] = true;
        } else {
            vector_names_remove(&n, text_of(NULL, slot));
            count -= is_in[slot];
            is_in[slot] = false;
        }
        assert_int_equal(n.count, count);
    }
    for (uint32_t i = 0; i < SLOTS; i++)
        assert_int_equal(vector_names_find(&n, text_of(NULL, i)), is_in[i] ? i : VECTOR_NO_SLOT);
    vector_names_fini(&n);
}

static void
nothing_is_found_in_nothing(void **state)
{
    struct vector_names n = {.id = text_of};

    (void)state;
    assert_int_equal(vector_names_find(&n, LH_STR("a")), VECTOR_NO_SLOT);
    vector_names_remove(&n, LH_STR("a"));
    vector_names_fini(&n);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_sets_and_removals_agree_with_a_list),
        cmocka_unit_test(nothing_is_found_in_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
