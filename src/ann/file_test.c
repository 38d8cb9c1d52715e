#include "ann/file.h"

#include "ann/fixture.h"
#include "base/buf.h"
#include "base/hash.h"

enum { N = 1500, DIM = 100 };

static lh_status
buf_write(void *ctx, const void *ptr, size_t n, struct lh_error *err)
{
    lh_buf_add(ctx, ptr, n);
    return lh_buf_check(ctx, "the file", err);
}

/* An index with copies, updates and removals in it, as a file at a page boundary. */
static lh_bytes
file_make(struct model *m)
{
    struct lh_ann_options o = {.dim = DIM, .metric = LH_ANN_L2};
    struct dice dice = {51};
    float *v = malloc(N * DIM * sizeof(float));
    LH_AUTO(lh_ann) *ann = NULL;
    LH_AUTO_BUF(buf, LH_BUF_UNLIMITED);
    struct lh_ann_writer w = {buf_write, &buf};
    LH_AUTO_ERROR(err);

    *m = model_new(LH_ANN_L2, DIM, N);
    cluster_fill(&dice, v, N, DIM);
    for (size_t i = 0; i < 40; i++)
        memcpy(v + i * 3 * DIM, v, DIM * sizeof(float));
    struct lh_ann_batch b = {.vectors = v, .count = N, .dim = DIM, .threads = 2};
    assert_ok(lh_ann_new(&o, &ann, &err), err);
    assert_ok(lh_ann_add_many(ann, &b, &err), err);
    for (size_t i = 0; i < N; i++)
        model_put(m, i, v + i * DIM);
    for (size_t i = 0; i < N; i += 5) {
        assert_ok(lh_ann_remove(ann, i, &err), err);
        model_remove(m, i);
    }
    assert_ok(lh_ann_calibrate(ann, 20, &err), err);
    assert_ok(lh_ann_save(ann, &w, &err), err);
    uint8_t *copy = aligned_alloc(4096, buf.len);
    memcpy(copy, buf.data, buf.len);
    free(v);
    return lh_bytes_of(copy, buf.len);
}

static void
all_found(const struct lh_ann *ann, const struct model *m)
{
    struct lh_ann_query q = {.k = 10, .ef = 200};
    struct lh_ann_hit hits[10];
    struct lh_ann_report report;
    size_t near = 0;
    LH_AUTO_ERROR(err);

    assert_int_equal(lh_ann_count(ann), m->count);
    for (size_t i = 0; i < N; i++)
        assert_int_equal(lh_ann_contains(ann, i), m->has[i]);
    for (size_t i = 0; i < 100; i++) {
        const float *v = m->vector + i * DIM;
        double farthest;
        (void)model_search(m, v, 10, NULL, &farthest);
        assert_ok(lh_ann_search(ann, v, DIM, &q, hits, &report, &err), err);
        hits_check(m, v, NULL, hits, report.count);
        near += hits_near(hits, report.count, farthest);
    }
    print_message("%zu of 1000 found\n", near);
    assert_true(near >= 985);
}

static void
a_saved_index_opens_searches_and_grows(void **state)
{
    (void)state;
    struct model m;
    lh_bytes file = file_make(&m);
    LH_AUTO_ERROR(err);

    for (int copied = 0; copied < 2; copied++) {
        struct lh_ann_open_options o = {.is_copied = copied};
        struct lh_ann_stats stats;
        LH_AUTO(lh_ann) *ann = NULL;
        assert_ok(lh_ann_open(file, &o, &ann, &err), err);
        lh_ann_stats_get(ann, &stats);
        assert_int_equal(stats.is_mapped, !copied);
        assert_int_equal(stats.slots, m.count);
        all_found(ann, &m);
    }
    LH_AUTO(lh_ann) *ann = NULL;
    struct dice dice = {53};
    assert_ok(lh_ann_open(file, NULL, &ann, &err), err);
    for (size_t i = 0; i < N; i++) {
        float v[DIM];
        for (size_t j = 0; j < DIM; j++)
            v[j] = dice_normal(&dice);
        if (i % 3 == 0 && m.has[i]) {
            assert_ok(lh_ann_remove(ann, i, &err), err);
            model_remove(&m, i);
        } else if (i % 3 == 1) {
            assert_ok(lh_ann_add(ann, i, v, DIM, &err), err);
            model_put(&m, i, v);
        }
    }
    all_found(ann, &m);
    assert_ok(lh_ann_vacuum(ann, &err), err);
    all_found(ann, &m);
    model_free(&m);
    free((void *)(uintptr_t)file.ptr);
}

static void
an_empty_index_is_a_file_too(void **state)
{
    (void)state;
    struct lh_ann_options o = {.dim = 3};
    LH_AUTO(lh_ann) *ann = NULL;
    LH_AUTO(lh_ann) *again = NULL;
    LH_AUTO_BUF(buf, LH_BUF_UNLIMITED);
    struct lh_ann_writer w = {buf_write, &buf};
    float v[3] = {1, 2, 3};
    LH_AUTO_ERROR(err);

    assert_ok(lh_ann_new(&o, &ann, &err), err);
    assert_ok(lh_ann_save(ann, &w, &err), err);
    uint8_t *copy = aligned_alloc(4096, buf.len);
    memcpy(copy, buf.data, buf.len);
    assert_ok(lh_ann_open(lh_bytes_of(copy, buf.len), NULL, &again, &err), err);
    assert_int_equal(lh_ann_count(again), 0);
    assert_ok(lh_ann_add(again, 1, v, 3, &err), err);
    assert_int_equal(lh_ann_count(again), 1);
    lh_ann_free(lh_take(again));
    free(copy);
}

static void
a_damaged_file_is_refused(void **state)
{
    (void)state;
    struct model m;
    lh_bytes file = file_make(&m);
    uint8_t *bytes = (uint8_t *)(uintptr_t)file.ptr;
    struct dice dice = {57};
    struct lh_ann *ann = NULL;
    LH_AUTO_ERROR(err);

    for (size_t cut = 0; cut < file.len; cut += 4096)
        assert_fails(lh_ann_open(lh_bytes_of(bytes, cut), NULL, &ann, &err), LH_CORRUPT, "ann.file",
                     err);
    assert_fails(lh_ann_open(lh_bytes_of(bytes + 1, file.len - 1), NULL, &ann, &err), LH_INVALID,
                 "ann.alignment", err);
    for (int i = 0; i < 300; i++) {
        /* Zeros between sections belong to nobody; a flip there is not damage. */
        size_t at =
            dice_below(&dice, i < 40 ? offsetof(struct ann_file_header, crc) + 4 : file.len);
        bytes[at] ^= 0x55;
        lh_status status = lh_ann_open(file, NULL, &ann, &err);
        assert_true(status == LH_CORRUPT || status == LH_UNSUPPORTED ||
                    (status == LH_OK && at % 4096 != 0));
        if (i < 40)
            assert_true(status != LH_OK);
        lh_ann_free(lh_take(ann));
        lh_error_clear(&err);
        bytes[at] ^= 0x55;
    }
    model_free(&m);
    free(bytes);
}

/* Whatever the arrays hold: with sound checksums the index opens or is refused, and nothing is read
 * or written outside of them. The sanitizers watch. */
static void
a_crafted_file_harms_nobody(void **state)
{
    (void)state;
    struct model m;
    lh_bytes file = file_make(&m);
    uint8_t *bytes = (uint8_t *)(uintptr_t)file.ptr;
    uint8_t *crafted = aligned_alloc(4096, file.len);
    struct lh_ann_open_options trusted = {.is_trusted = true};
    struct lh_ann_query q = {.k = 10};
    struct lh_ann_hit hits[10];
    struct dice dice = {59};
    size_t opened = 0;

    for (int i = 0; i < 200; i++) {
        LH_AUTO(lh_ann) *ann = NULL;
        LH_AUTO_ERROR(err);
        memcpy(crafted, bytes, file.len);
        size_t from = 4096 + dice_below(&dice, file.len - 3 * 4096), n = dice_below(&dice, 20000);
        for (size_t j = from; j < from + n && j < file.len - 4096; j++)
            crafted[j] = (uint8_t)(dice_below(&dice, 4) == 0 ? 0xff : dice_roll(&dice));
        if (lh_ann_open(lh_bytes_of(crafted, file.len), &trusted, &ann, &err) != LH_OK)
            continue;
        opened++;
        for (size_t j = 0; j < 10; j++)
            assert_ok(lh_ann_search(ann, m.vector + j * 7 * DIM, DIM, &q, hits, NULL, &err), err);
        for (size_t j = 0; j < 100; j++) {
            (void)lh_ann_remove(ann, j * 3, NULL);
            assert_ok(lh_ann_add(ann, j, m.vector + (j + 1) * DIM, DIM, &err), err);
        }
        assert_ok(lh_ann_vacuum(ann, &err), err);
    }
    assert_true(opened > 50);
    free(crafted);
    free(bytes);
    model_free(&m);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_saved_index_opens_searches_and_grows),
        cmocka_unit_test(an_empty_index_is_a_file_too),
        cmocka_unit_test(a_damaged_file_is_refused),
        cmocka_unit_test(a_crafted_file_harms_nobody),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
