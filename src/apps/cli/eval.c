/* `lakehouse eval`: how good each leg of a search is on a test collection. Needs no lake. */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "apps/cli/eval_run.h"
#include "apps/cli/table.h"
#include "base/file.h"

#define FILE_MAX ((size_t)1 << 30)
#define DEPTH_DEFAULT 1000
#define DEPTH_MAX 10000

struct eval_arguments {
    const char *documents, *queries, *judgements, *legs, *depth, *run;
};

typedef lh_status (*read_fn)(struct lh_collection *c, lh_str bytes, struct lh_error *err);

static lh_status
file_take(struct lh_collection *c, const char *path, read_fn read, struct lh_error *err)
{
    LH_AUTO_BUF(bytes, FILE_MAX);

    LH_TRY(lh_file_read(path, FILE_MAX, &bytes, err));
    if (read(c, lh_buf_str(&bytes), err) != LH_OK)
        return lh_error_wrap(err, "%s", path);
    return LH_OK;
}

static lh_status
collection_load(const struct eval_arguments *a, struct lh_collection *c, struct lh_error *err)
{
    LH_TRY(file_take(c, a->documents, lh_collection_documents_read, err));
    LH_TRY(file_take(c, a->queries, lh_collection_queries_read, err));
    return file_take(c, a->judgements, lh_collection_judgements_read, err);
}

/* "bm25,lsa" as bits; 0 for a name that is none. */
static unsigned
legs_parse(lh_str text)
{
    unsigned legs = 0;
    lh_str name;

    while (lh_str_next(&text, ',', &name)) {
        unsigned leg = 0;
        while (leg < EVAL_LEG_COUNT &&
               !lh_str_eq(lh_str_of(eval_leg_name((enum eval_leg)leg)), name))
            leg++;
        if (leg == EVAL_LEG_COUNT)
            return 0;
        legs |= 1U << leg;
    }
    return legs;
}

/* Six digits say all there is to say. */
static void
measure_print(struct lh_json_writer *w, const char *name, double value)
{
    lh_json_set_f64(w, name, round(value * 1e6) / 1e6);
}

static void
leg_print(struct lh_json_writer *w, enum eval_leg leg, const struct lh_eval_mean *mean)
{
    lh_json_object_begin(w);
    lh_json_set_cstr(w, "leg", eval_leg_name(leg));
    lh_json_set_u64(w, "queries", mean->queries);
    measure_print(w, "ndcg_cut_10", mean->ndcg_10);
    measure_print(w, "recall_100", mean->recall_100);
    measure_print(w, "recip_rank", mean->mrr);
    measure_print(w, "map", mean->map);
    lh_json_object_end(w);
}

/* One line of a TREC run: query Q0 document rank score tag. The score only says the order. */
static lh_status
run_write(struct eval_run *r, const struct lh_collection *c, enum eval_leg leg, size_t depth,
          FILE *to, struct lh_error *err)
{
    uint64_t *documents = calloc(depth, sizeof(*documents));
    lh_status status = LH_OK;
    size_t count = 0;

    for (size_t i = 0; documents && status == LH_OK && i < c->queries.count; i++) {
        const struct lh_collection_text *q = &c->queries.list[i];
        status = eval_run_rank(r, leg, q->text, depth, documents, &count, err);
        for (size_t n = 0; status == LH_OK && n < count; n++)
            fprintf(to, "%.*s Q0 %.*s %zu %zu %s\n", LH_FMT(q->name),
                    LH_FMT(c->documents.list[documents[n]].name), n + 1, depth - n,
                    eval_leg_name(leg));
    }
    free(documents);
    return status;
}

static lh_status
runs_write(struct eval_run *r, const struct lh_collection *c, unsigned legs, size_t depth,
           const char *path, struct lh_error *err)
{
    FILE *to = fopen(path, "we");
    lh_status status = LH_OK;

    if (!to)
        return lh_fail_errno(err, errno, "%s", path);
    for (unsigned leg = 0; status == LH_OK && leg < EVAL_LEG_COUNT; leg++) {
        if (legs & 1U << leg)
            status = run_write(r, c, (enum eval_leg)leg, depth, to, err);
    }
    if (fclose(to) != 0 && status == LH_OK)
        status = lh_fail_errno(err, errno, "%s", path);
    return status;
}

static lh_status
legs_measure(struct eval_run *r, unsigned legs, size_t depth, struct lh_buf *out,
             struct lh_error *err)
{
    struct lh_json_writer w = lh_json_writer_over(out);

    lh_json_array_begin(&w);
    for (unsigned leg = 0; leg < EVAL_LEG_COUNT; leg++) {
        struct lh_eval_mean mean;
        if (!(legs & 1U << leg))
            continue;
        LH_TRY(eval_run_measure(r, (enum eval_leg)leg, depth, &mean, err));
        leg_print(&w, (enum eval_leg)leg, &mean);
    }
    lh_json_array_end(&w);
    return LH_OK;
}

static lh_status
eval_all(const struct eval_arguments *a, unsigned legs, size_t depth, json_t **out,
         struct lh_error *err)
{
    __attribute__((cleanup(lh_collection_fini))) struct lh_collection c = {0};
    LH_AUTO(eval_run) *r = NULL;
    LH_AUTO_BUF(text, 64 << 10);

    LH_TRY(collection_load(a, &c, err));
    LH_TRY(eval_run_new(&c, legs, &r, err));
    LH_TRY(legs_measure(r, legs, depth, &text, err));
    if (a->run)
        LH_TRY(runs_write(r, &c, legs, depth, a->run, err));
    return lh_json_parse(lh_buf_str(&text), out, err);
}

static int
eval_run_verb(int argc, char **argv)
{
    struct eval_arguments a = {.legs = "bm25,lsa,hash,hybrid,hybrid-hash"};
    const struct cli_option options[] = {
        {"documents", &a.documents, NULL},
        {"queries", &a.queries, NULL},
        {"judgements", &a.judgements, NULL},
        {"legs", &a.legs, NULL},
        {"depth", &a.depth, NULL},
        {"run", &a.run, NULL},
        {0},
    };
    static const char *const columns[] = {"leg",        "queries", "ndcg_cut_10", "recall_100",
                                          "recip_rank", "map",     NULL};
    struct cli_common common;
    uint64_t depth = DEPTH_DEFAULT;
    LH_AUTO_JSON rows = NULL;
    LH_AUTO_ERROR(err);

    if (!cli_options_take(&cli_verb_eval, options, &argc, argv, &common))
        return CLI_USAGE;
    if (argc > 0)
        return cli_usage(&cli_verb_eval, "unexpected \"%s\"", argv[1]);
    if (!a.documents || !a.queries || !a.judgements)
        return cli_usage(&cli_verb_eval, "--documents, --queries and --judgements are needed");
    unsigned legs = legs_parse(lh_str_of(a.legs));
    if (legs == 0)
        return cli_usage(&cli_verb_eval, "--legs are of bm25, lsa, hash, hybrid, hybrid-hash");
    if (a.depth && (!lh_str_u64(lh_str_of(a.depth), &depth) || depth == 0 || depth > DEPTH_MAX))
        return cli_usage(&cli_verb_eval, "--depth is from 1 to %d", DEPTH_MAX);
    if (eval_all(&a, legs, depth, &rows, &err) != LH_OK)
        return cli_fail(&err);
    cli_objects_print(columns, rows, cli_output_choose(&common));
    return CLI_DONE;
}

const struct cli_verb cli_verb_eval = {
    "eval", "--documents FILE --queries FILE --judgements FILE [options]",
    "measure the legs of a search on a test collection",
    "  --documents FILE   SMART (\".I\", \".T\", \".W\") or TREC (\"<DOC>\") documents\n"
    "  --queries FILE     SMART queries (numbered by position), TREC topics, or number<TAB>text\n"
    "  --judgements FILE  lines \"query document grade\", or with TREC's iteration column\n"
    "  --legs LIST        of bm25, lsa, hash, hybrid, hybrid-hash; all unless told\n"
    "  --depth N          documents that are ranked for a query (1000)\n"
    "  --run FILE         also write the rankings, as trec_eval reads them\n\n"
    "Measures are trec_eval's ndcg_cut_10, recall_100, recip_rank and map with binary relevance:\n"
    "every grade above 0 counts. No lake is needed.\n",
    eval_run_verb};
