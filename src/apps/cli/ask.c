/* `search` and `ask`: questions in words, over vector indexes. */
#include <stdio.h>
#include <stdlib.h>

#include "apps/cli/lake.h"
#include "apps/cli/table.h"

enum { BODY_BYTES_MAX = 1 << 20 };

/* ---- what both verbs are asked with ---- */

struct question {
    struct cli_common common;
    const char *index, *k, *dataset, *id_column, *where, *role, *city, *model;
    bool no_playbooks, no_generate;
    const char *text;
};

static bool
question_take(const struct cli_verb *verb, int argc, char **argv, struct question *q)
{
    const struct cli_option own[] = {
        {"index", &q->index, NULL},
        {"k", &q->k, NULL},
        {"dataset", &q->dataset, NULL},
        {"id-column", &q->id_column, NULL},
        {"where", &q->where, NULL},
        {"role", &q->role, NULL},
        {"city", &q->city, NULL},
        {"no-playbooks", NULL, &q->no_playbooks},
        {"model", &q->model, NULL},
        {"no-generate", NULL, &q->no_generate},
        {NULL, NULL, NULL},
    };
    uint64_t k;

    if (!cli_options_take(verb, own, &argc, argv, &q->common))
        return false;
    if (argc != 1)
        cli_usage(verb, "give one question, in quotes");
    else if (!q->index)
        cli_usage(verb, "say which index: --index NAME");
    else if (q->k && !lh_str_u64(lh_str_of(q->k), &k))
        cli_usage(verb, "--k is a number, not \"%s\"", q->k);
    else if ((q->where || q->dataset || q->id_column) && (!q->dataset || !q->id_column))
        cli_usage(verb,
                  "--where, --dataset and --id-column go together: the latter two are needed");
    else {
        q->text = argv[1];
        return true;
    }
    return false;
}

static void
indexes_print(const char *names, struct lh_json_writer *w)
{
    lh_str rest = lh_str_of(names), name;

    lh_json_key(w, "indexes");
    lh_json_array_begin(w);
    while (rest.len > 0) {
        (void)lh_str_cut(&rest, ',', &name);
        lh_json_put_str(w, lh_str_trim(name));
    }
    lh_json_array_end(w);
}

static void
filter_print(const struct question *q, struct lh_json_writer *w)
{
    if (!q->dataset)
        return;
    lh_json_key(w, "sql_filter");
    lh_json_object_begin(w);
    lh_json_set_cstr(w, "dataset", q->dataset);
    lh_json_set_cstr(w, "id_column", q->id_column);
    if (q->where)
        lh_json_set_cstr(w, "where", q->where);
    lh_json_object_end(w);
}

static void
question_print(const struct question *q, bool is_ask, struct lh_buf *body)
{
    struct lh_json_writer w = lh_json_writer_over(body);

    lh_json_object_begin(&w);
    lh_json_set_cstr(&w, "question", q->text);
    indexes_print(q->index, &w);
    filter_print(q, &w);
    if (q->k)
        lh_json_set_u64(&w, "k", strtoull(q->k, NULL, 10));
    lh_json_set_bool(&w, "playbooks", !q->no_playbooks);
    if (q->role)
        lh_json_set_cstr(&w, "role", q->role);
    if (q->city)
        lh_json_set_cstr(&w, "city", q->city);
    if (is_ask)
        lh_json_set_bool(&w, "generate", !q->no_generate);
    if (is_ask && q->model)
        lh_json_set_cstr(&w, "model", q->model);
    lh_json_object_end(&w);
}

static int
question_send(const struct question *q, const char *path, bool is_ask, json_t **out)
{
    LH_AUTO_ERROR(err);
    CLI_AUTO_LAKE lake = NULL;
    LH_AUTO_BUF(body, BODY_BYTES_MAX);

    question_print(q, is_ask, &body);
    if (cli_lake_open(&q->common, CLI_LAKE_READS, &lake, &err) != LH_OK)
        return cli_fail(&err);
    cli_lake_interruptible(lake);
    if (cli_lake_json(lake, LH_POST, path, &body, out, &err) != LH_OK)
        return cli_fail(&err);
    return CLI_DONE;
}

/* ---- search ---- */

/* The members that a table shows, lifted out of the legs. */
static json_t *
hit_flatten(const json_t *hit, size_t rank)
{
    const json_t *legs = json_object_get(hit, "legs");
    const json_t *vector = json_object_get(legs, "vector"), *text = json_object_get(legs, "text");
    json_t *flat = json_object();

    json_object_set_new(flat, "rank", json_integer((json_int_t)rank));
    json_object_set(flat, "id", json_object_get(hit, "id"));
    json_object_set(flat, "score", json_object_get(hit, "score"));
    json_object_set(flat, "meaning", json_object_get(vector, "rank"));
    json_object_set(flat, "words", json_object_get(text, "rank"));
    json_object_set(flat, "text", json_object_get(hit, "text"));
    return flat;
}

static void
hits_print(const json_t *answer, enum cli_output form)
{
    static const char *const columns[] = {"rank", "id", "score", "meaning", "words", "text", NULL};
    LH_AUTO_JSON flat = json_array();
    const json_t *hit;
    size_t i;

    json_array_foreach (json_object_get(answer, "results"), i, hit)
        json_array_append_new(flat, hit_flatten(hit, i + 1));
    cli_objects_print(columns, flat, form);
}

/* Half a search is worth a word: beside what was found, not in it. */
static void
skips_tell(const json_t *answer)
{
    const json_t *skip;
    size_t i;

    json_array_foreach (json_object_get(answer, "skipped"), i, skip) {
        const char *leg = json_string_value(json_object_get(skip, "leg"));

        fprintf(stderr, "lakehouse: %s was not searched by %s (%s)\n",
                json_string_value(json_object_get(skip, "index")),
                leg && strcmp(leg, "vector") == 0 ? "meaning" : "words",
                json_string_value(json_object_get(skip, "code")));
    }
}

static int
search_run(int argc, char **argv)
{
    struct question q = {0};
    LH_AUTO_JSON answer = NULL;
    enum cli_output form;
    int code;

    if (!question_take(&cli_verb_search, argc, argv, &q))
        return CLI_USAGE;
    code = question_send(&q, "/v1/search", false, &answer);
    if (code != CLI_DONE)
        return code;
    skips_tell(answer);
    form = cli_output_choose(&q.common);
    if (form == CLI_JSON)
        cli_objects_print(NULL, json_object_get(answer, "results"), form);
    else if (form == CLI_TABLE && json_array_size(json_object_get(answer, "results")) == 0)
        printf("nothing found\n");
    else
        hits_print(answer, form);
    return CLI_DONE;
}

const struct cli_verb cli_verb_search = {
    "search",
    "QUESTION --index NAME[,NAME] [--k N] [--dataset D --id-column C --where SQL] [--role R] "
    "[--city C] "
    "[--no-playbooks] [--output FORM]",
    "find by meaning and by words at once",
    "Ranks what indexes hold by how near it is to the question, in meaning and in words, and says\n"
    "which of the two ranked it where. With --where only what a dataset's rows allow is found.\n\n"
    "  lakehouse search 'forklift with night shift experience' --index workers\n"
    "  lakehouse search 'careful with customers' --index notes --k 20 --output json\n"
    "  lakehouse search 'OSHA papers' --index workers --dataset workers --id-column worker_id \\\n"
    "      --where \"state = 'IL' AND reliability > 0.8\"\n",
    search_run};

/* ---- ask ---- */

static void
citation_print(const json_t *citation, size_t number)
{
    const char *id = json_string_value(json_object_get(citation, "id"));
    const char *quote = json_string_value(json_object_get(citation, "quote"));

    printf("  [%zu] %s: \"%s\"\n", number, id ? id : "", quote ? quote : "");
}

static void
answer_print(const json_t *answer)
{
    const char *text = json_string_value(json_object_get(answer, "answer"));
    const json_t *citation;
    size_t i;

    if (!json_is_true(json_object_get(answer, "found"))) {
        printf("The lake does not say.\n");
        return;
    }
    printf("%s\n\n", text ? text : "");
    json_array_foreach (json_object_get(answer, "citations"), i, citation)
        citation_print(citation, i + 1);
}

static void
answer_print_json(const json_t *answer)
{
    LH_AUTO_BUF(text, LH_BUF_UNLIMITED);
    struct lh_json_writer w = lh_json_writer_over(&text);

    lh_json_put_value(&w, answer);
    printf("%.*s\n", LH_FMT(lh_buf_str(&text)));
}

static int
ask_run(int argc, char **argv)
{
    struct question q = {0};
    LH_AUTO_JSON answer = NULL;
    int code;

    if (!question_take(&cli_verb_ask, argc, argv, &q))
        return CLI_USAGE;
    if (q.common.has_output && (q.common.output == CLI_CSV || q.common.output == CLI_NDJSON))
        return cli_usage(&cli_verb_ask, "an answer is text, or --output json");
    code = question_send(&q, "/v1/rag", true, &answer);
    if (code != CLI_DONE)
        return code;
    if (q.common.has_output && q.common.output == CLI_JSON)
        answer_print_json(answer);
    else
        answer_print(answer);
    return CLI_DONE;
}

const struct cli_verb cli_verb_ask = {
    "ask",
    "QUESTION --index NAME[,NAME] [--k N] [--dataset D --id-column C --where SQL] [--model M] "
    "[--no-generate] "
    "[--output FORM]",
    "answer a question from what indexes hold, with quotes",
    "Finds passages, answers from them and from nothing else, and quotes them word for word. "
    "Without a\n"
    "model, or with --no-generate, the answer is made of the best sentences themselves. When the\n"
    "passages do not answer, it says so.\n\n"
    "  lakehouse ask 'who needs a new forklift licence?' --index notes\n"
    "  lakehouse ask 'what did Acme complain about?' --index calls --output json | jq .citations\n",
    ask_run};
