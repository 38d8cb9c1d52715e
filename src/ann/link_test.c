#include "ann/fixture.h"
#include "ann/parts.h"

#define COUNT 2000
#define DIM 32

/* A dense ball and rays that leave it: on a ray the next vector inwards stands before all others,
 * so that pruning alone leaves its vectors a single link. */
static void
rays_fill(struct dice *d, float *out)
{
    for (size_t i = 0; i < COUNT; i++)
        for (size_t j = 0; j < DIM; j++)
            out[i * DIM + j] = dice_normal(d);
    for (size_t ray = 0; ray < 20; ray++)
        for (size_t step = 1; step < 10; step++)
            for (size_t j = 0; j < DIM; j++)
                out[(ray * 10 + step) * DIM + j] = out[ray * 10 * DIM + j] * (1 + 2 * (float)step);
}

static struct lh_ann *
index_of(const float *vectors, unsigned threads)
{
    struct lh_ann_options o = {.dim = DIM, .metric = LH_ANN_L2};
    struct lh_ann_batch b = {.vectors = vectors, .count = COUNT, .dim = DIM, .threads = threads};
    struct lh_ann *ann;
    LH_AUTO_ERROR(err);

    assert_ok(lh_ann_new(&o, &ann, &err), err);
    assert_ok(lh_ann_add_many(ann, &b, &err), err);
    return ann;
}

static size_t
links_count(const struct lh_ann *ann, uint32_t node)
{
    struct ann_list list = ann_list_of(ann, ann_view_of(ann), node, 0);
    size_t count = 0;

    while (count < list.max && ann_link_get(list, count) != ANN_NODE_NONE)
        count++;
    return count;
}

static void
no_vector_has_fewer_than_half_its_links(void **state)
{
    struct dice dice = {11};
    float *v = malloc(COUNT * DIM * sizeof(float));

    (void)state;
    rays_fill(&dice, v);
    LH_AUTO(lh_ann) *ann = index_of(v, 1);
    /* What came before there were so many candidates got links from those that followed. */
    for (uint32_t node = 0; node < COUNT; node++)
        assert_true(links_count(ann, node) >= ann->degree / 2);
    free(v);
}

static void
nearly_every_vector_is_found_by_its_own_values(void **state)
{
    struct dice dice = {12};
    float *v = malloc(COUNT * DIM * sizeof(float));
    struct lh_ann_query q = {.k = 1, .ef = 100};
    struct lh_ann_hit hit;
    LH_AUTO_ERROR(err);
    size_t found = 0;

    (void)state;
    rays_fill(&dice, v);
    LH_AUTO(lh_ann) *ann = index_of(v, 2);
    for (size_t i = 0; i < COUNT; i++) {
        assert_ok(lh_ann_search(ann, v + i * DIM, DIM, &q, &hit, NULL, &err), err);
        found += hit.id == i;
    }
    /* 1,998 to 2,000 of them; without the rule, at most 1,983 at twice the width. */
    assert_true(found >= COUNT - 8);
    free(v);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_vector_has_fewer_than_half_its_links),
        cmocka_unit_test(nearly_every_vector_is_found_by_its_own_values),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
