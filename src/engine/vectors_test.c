#include "engine/fixture.h"

#include "engine/vectors.h"

enum { DIM = 3, ROWS = 5000 };

struct seen {
    size_t count, removals;
    float sum;
    char last_id[32];
    lh_str last_metadata;
};

static lh_status
rows_see(void *ctx, const struct lh_vector_row *rows, size_t count, struct lh_error *err)
{
    struct seen *seen = ctx;

    (void)err;
    for (size_t i = 0; i < count; i++) {
        size_t at = seen->count++;

        assert_int_equal(rows[i].sequence, (int64_t)at + 7);
        assert_int_equal(rows[i].is_removal, at % 5 == 4);
        assert_int_equal(rows[i].text.ptr == NULL, at % 2 == 1);
        seen->removals += rows[i].is_removal;
        if (rows[i].vector)
            assert_true(rows[i].vector[0] == (float)at && rows[i].vector[2] == -0.5F);
        lh_str_copy(seen->last_id, sizeof(seen->last_id), rows[i].id);
    }
    return LH_OK;
}

static void
sample_encode(struct lake *l, struct lh_buf *bytes)
{
    LH_AUTO_ARENA(arena);
    struct lh_vector_row *rows = lh_arena_array(&arena, ROWS, sizeof(*rows));
    float *floats = lh_arena_array(&arena, (size_t)ROWS * DIM, sizeof(*floats));

    for (size_t i = 0; i < ROWS; i++) {
        float *v = floats + i * DIM;

        v[0] = (float)i;
        v[2] = -0.5F;
        rows[i] = (struct lh_vector_row){
            .id = lh_str_of(lh_arena_printf(&arena, "żółw-%zu", i)),
            .vector = i % 5 == 4 ? NULL : v,
            .text = i % 2 == 1 ? LH_STR_NONE : LH_STR("it's \"a\" text"),
            .metadata = LH_STR("{\"a\":1}"),
            .sequence = (int64_t)i + 7,
            .is_removal = i % 5 == 4,
        };
    }
    assert_ok(
        lh_vectors_encode(l->work, &l->call, rows, ROWS, DIM, LH_STR("{\"it's\":1}"), bytes, &err));
}

static void
rows_come_back_as_they_were(void **state)
{
    struct lake *l = *state;
    struct seen seen = {0};
    LH_AUTO_BUF(bytes, 1 << 22);
    LH_AUTO_BUF(meta, 1 << 10);

    sample_encode(l, &bytes);
    assert_ok(lh_vectors_decode(l->work, &l->call, lh_buf_bytes(&bytes), DIM,
                                &(struct lh_vector_visitor){rows_see, &seen}, &meta, &err));
    assert_int_equal(seen.count, ROWS);
    assert_int_equal(seen.removals, ROWS / 5);
    assert_string_equal(seen.last_id, "żółw-4999");
    assert_true(lh_str_eq(lh_buf_str(&meta), LH_STR("{\"it's\":1}")));
}

static void
another_dimension_is_corrupt(void **state)
{
    struct lake *l = *state;
    struct seen seen = {0};
    LH_AUTO_BUF(bytes, 1 << 22);

    sample_encode(l, &bytes);
    assert_fails(lh_vectors_decode(l->work, &l->call, lh_buf_bytes(&bytes), DIM + 1,
                                   &(struct lh_vector_visitor){rows_see, &seen}, NULL, &err),
                 LH_CORRUPT, "vectors.parquet");
    assert_int_equal(seen.count, 0);
}

static void
damaged_bytes_are_corrupt(void **state)
{
    struct lake *l = *state;
    struct seen seen = {0};
    LH_AUTO_BUF(bytes, 1 << 22);

    sample_encode(l, &bytes);
    for (size_t i = 4; i < bytes.len; i += 97)
        bytes.data[i] ^= 0x55;
    assert_fails(lh_vectors_decode(l->work, &l->call, lh_buf_bytes(&bytes), DIM,
                                   &(struct lh_vector_visitor){rows_see, &seen}, NULL, &err),
                 LH_CORRUPT, "vectors.parquet");
}

static lh_status
rows_refuse(void *ctx, const struct lh_vector_row *rows, size_t count, struct lh_error *err)
{
    (void)ctx;
    (void)rows;
    (void)count;
    return lh_fail(err, LH_TOO_BIG, "test.enough", "enough");
}

static void
what_the_visitor_says_ends_it(void **state)
{
    struct lake *l = *state;
    LH_AUTO_BUF(bytes, 1 << 22);

    sample_encode(l, &bytes);
    assert_fails(lh_vectors_decode(l->work, &l->call, lh_buf_bytes(&bytes), DIM,
                                   &(struct lh_vector_visitor){rows_refuse, NULL}, NULL, &err),
                 LH_TOO_BIG, "test.enough");
}

int
main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, lake_setup, lake_teardown)
    const struct CMUnitTest tests[] = {
        TEST(rows_come_back_as_they_were),
        TEST(another_dimension_is_corrupt),
        TEST(damaged_bytes_are_corrupt),
        TEST(what_the_visitor_says_ends_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
