#include "net/window.h"

#include "base/testing.h"

static void
bytes_come_out_as_they_went_in(void **state)
{
    struct net_window w;
    uint8_t in = 0, out = 0, step[7];

    (void)state;
    net_window_init(&w, 13);
    /* Steps of coprime sizes pass over the seam in every way. */
    for (int round = 0; round < 1000; round++) {
        size_t put = (size_t)round % 5 + 1, taken;

        for (size_t i = 0; i < put; i++)
            step[i] = (uint8_t)(in + i);
        in = (uint8_t)(in + net_window_put(&w, step, put));
        taken = net_window_take(&w, step, (size_t)round % 7 + 1);
        for (size_t i = 0; i < taken; i++)
            assert_int_equal(step[i], out++);
    }
    net_window_fini(&w);
}

static void
a_full_window_takes_what_fits(void **state)
{
    struct net_window w;
    char out[16];

    (void)state;
    net_window_init(&w, 8);
    assert_int_equal(net_window_put(&w, "0123456789", 10), 8);
    assert_int_equal(net_window_room(&w), 0);
    assert_int_equal(net_window_put(&w, "x", 1), 0);
    assert_int_equal(net_window_take(&w, out, sizeof(out)), 8);
    assert_memory_equal(out, "01234567", 8);
    assert_int_equal(net_window_take(&w, out, sizeof(out)), 0);
    net_window_fini(&w);
}

static void
memory_is_taken_at_the_first_byte(void **state)
{
    struct net_window w;

    (void)state;
    net_window_init(&w, 1 << 20);
    assert_null(w.data);
    assert_int_equal(net_window_put(&w, "", 0), 0);
    assert_null(w.data);
    net_window_put(&w, "x", 1);
    assert_non_null(w.data);
    net_window_fini(&w);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_come_out_as_they_went_in),
        cmocka_unit_test(a_full_window_takes_what_fits),
        cmocka_unit_test(memory_is_taken_at_the_first_byte),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
