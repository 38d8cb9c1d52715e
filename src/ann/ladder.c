#include "ann/ladder.h"

#include <stdlib.h>
#include "ann/search.h"
#include "ann/store.h"
#include "base/alloc.h"

#define RECALL_DEFAULT 0.95f
#define RECALL_MARGIN 0.3f /* of what is missing from 1: queries differ from stored vectors */

static const size_t WIDTHS[ANN_LADDER_STEPS] = {10, 14,  20,  28,  40,  56,
                                                80, 112, 160, 320, 640, 1280};
/* What those widths served at least on the measured sets. */
static const float USUAL[ANN_LADDER_STEPS] = {0.80f, 0.85f, 0.90f,  0.93f,  0.955f, 0.97f,
                                              0.98f, 0.99f, 0.994f, 0.998f, 0.999f, 0.9995f};

size_t
ann_ladder_width(size_t i)
{
    return WIDTHS[i];
}

size_t
ann_ladder_ef(const struct lh_ann *ann, float min_recall, size_t k)
{
    const struct ann_ladder *ladder = __atomic_load_n(&ann->ladder, __ATOMIC_ACQUIRE);
    const float *recall = ladder == NULL ? USUAL : ladder->recall;
    float wanted = min_recall > 0 ? min_recall : RECALL_DEFAULT;
    size_t step = 0;

    if (ladder != NULL)
        wanted += (1 - wanted) * RECALL_MARGIN;
    while (step + 1 < ANN_LADDER_STEPS && recall[step] < wanted)
        step++;
    /* Before it is measured: the longest vectors are everybody's neighbours, and walks crowd there.
     */
    if (ladder == NULL && ann->model.metric == LH_ANN_INNER_PRODUCT)
        step = step + 3 < ANN_LADDER_STEPS ? step + 3 : ANN_LADDER_STEPS - 1;
    /* Beyond the k it was measured with, each further neighbour asks for one more candidate. */
    return k > ANN_LADDER_K ? WIDTHS[step] + (k - ANN_LADDER_K) : WIDTHS[step];
}

/* ---- measuring ---- */

/* How many of the true nearest are among the hits; the query's own id counts in neither. */
static size_t
hits_agree(const struct lh_ann_hit *truth, size_t truth_count, const struct lh_ann_hit *hits,
           size_t count, uint64_t self)
{
    size_t agree = 0;

    for (size_t i = 0; i < truth_count; i++)
        for (size_t j = 0; j < count; j++)
            agree += truth[i].id != self && truth[i].id == hits[j].id;
    return agree;
}

/* The vector asks as one that is not in the index: a walk that may pass through the node itself
 * finds all its links at once, which no query of a user's does. */
static lh_status
query_measure(struct lh_ann *ann, uint32_t node, uint64_t id, const float *vector, size_t *agree,
              size_t *asked, struct lh_error *err)
{
    struct lh_ann_hit truth[ANN_LADDER_K + 1], hits[ANN_LADDER_K + 1];
    struct lh_ann_report report;
    struct lh_ann_query query = {.k = ANN_LADDER_K + 1, .is_exact = true};
    size_t dim = ann->model.dim;

    LH_TRY(lh_ann_search(ann, vector, dim, &query, truth, &report, err));
    size_t count = report.count;
    *asked += count > 0 ? count - 1 : 0;
    query = (struct lh_ann_query){.k = ANN_LADDER_K};
    for (size_t i = 0; i < ANN_LADDER_STEPS; i++) {
        query.ef = WIDTHS[i];
        LH_TRY(ann_search_avoiding(ann, node, vector, dim, &query, hits, &report, err));
        agree[i] += hits_agree(truth, count, hits, report.count, id);
    }
    return LH_OK;
}

static void
ladder_set(struct lh_ann *ann, const size_t *agree, size_t asked)
{
    struct ann_ladder *ladder = LH_NEW(struct ann_ladder);

    for (size_t i = 0; i < ANN_LADDER_STEPS; i++)
        ladder->recall[i] = asked == 0 ? 1.0f : (float)agree[i] / (float)asked;
    ann_retire(ann, __atomic_exchange_n(&ann->ladder, ladder, __ATOMIC_ACQ_REL));
}

lh_status
lh_ann_calibrate(struct lh_ann *ann, size_t count, struct lh_error *err)
{
    size_t agree[ANN_LADDER_STEPS] = {0}, asked = 0;
    size_t slots = __atomic_load_n(&ann->slots, __ATOMIC_ACQUIRE);
    size_t step = count == 0 ? slots + 1 : slots / count + 1;
    float *vector = lh_alloc_array(ann->model.dim, sizeof(float));
    lh_status status = LH_OK;

    for (size_t i = step / 2; i < slots && status == LH_OK; i += step) {
        const struct ann_view *v = ann_view_of(ann);
        uint64_t id = __atomic_load_n(&v->label[i], __ATOMIC_RELAXED);
        /* The node may have been removed meanwhile: then there is nothing to ask. */
        if (lh_ann_load(ann, id, vector, ann->model.dim, NULL) == LH_OK)
            status = query_measure(ann, (uint32_t)i, id, vector, agree, &asked, err);
    }
    free(vector);
    if (status == LH_OK)
        ladder_set(ann, agree, asked);
    return status;
}
