/*
 * The interactive form: lines are gathered until a ';' ends the statement, history is kept between
 * sessions, and Tab completes keywords, datasets and their columns. Ctrl-C stops a running
 * statement or drops the line; Ctrl-D leaves.
 */
#include <errno.h>
#include <histedit.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "apps/cli/sql.h"
#include "base/alloc.h"
#include "base/encoding.h"
#include "base/file.h"

#define HISTORY_LINES 2000

static const char *const keywords[] = {
    "SELECT",    "FROM",         "WHERE",    "GROUP BY", "ORDER BY",     "HAVING",      "LIMIT",
    "OFFSET",    "JOIN",         "LEFT",     "RIGHT",    "FULL",         "INNER",       "CROSS",
    "ASOF",      "LATERAL",      "USING",    "WITH",     "RECURSIVE",    "UNION",       "EXCEPT",
    "INTERSECT", "DISTINCT",     "CASE",     "WHEN",     "THEN",         "ELSE",        "BETWEEN",
    "LIKE",      "ILIKE",        "EXISTS",   "VALUES",   "PIVOT",        "UNPIVOT",     "QUALIFY",
    "WINDOW",    "PARTITION BY", "OVER",     "DESCRIBE", "SUMMARIZE",    "SHOW TABLES", "EXPLAIN",
    "COUNT",     "SUM",          "AVG",      "MIN",      "MAX",          "COALESCE",    "CAST",
    "DATE",      "TIMESTAMP",    "INTERVAL", "INTERVAL", "GROUP BY ALL",
};

struct repl {
    struct cli_lake *lake;
    struct cli_sql_options *options;
    EditLine *editor;
    History *history;
    char *history_path;
    struct lh_buf statement;
    char **names; /* datasets and columns, for completion */
    size_t name_count;
};

/* ---- completion ---- */

static void
name_add(struct repl *r, const char *name)
{
    for (size_t i = 0; i < r->name_count; i++)
        if (strcmp(r->names[i], name) == 0)
            return;
    r->names = lh_realloc_array(r->names, r->name_count + 1, sizeof(char *));
    r->names[r->name_count++] = lh_strdup(name);
}

static void
names_forget(struct repl *r)
{
    for (size_t i = 0; i < r->name_count; i++)
        free(r->names[i]);
    free(r->names);
    r->names = NULL;
    r->name_count = 0;
}

static void
columns_learn(struct repl *r, const char *dataset)
{
    LH_AUTO_ERROR(err);
    LH_AUTO_JSON answer = NULL;
    LH_AUTO_BUF(body, 4096);
    struct lh_json_writer w = lh_json_writer_over(&body);
    LH_AUTO_BUF(sql, 1024);
    lh_buf_printf(&sql, "DESCRIBE \"%s\"", dataset);
    lh_json_object_begin(&w);
    lh_json_set_str(&w, "sql", lh_buf_str(&sql));
    lh_json_object_end(&w);
    if (cli_lake_json(r->lake, LH_POST, "/v1/sql", &body, &answer, &err) != LH_OK)
        return;
    json_t *rows = json_object_get(answer, "rows");
    for (size_t i = 0; i < json_array_size(rows); i++) {
        const char *name = json_string_value(json_array_get(json_array_get(rows, i), 0));
        if (name)
            name_add(r, name);
    }
}

/* Asked once at start and after \d; a lake that cannot answer only means fewer completions. */
static void
names_learn(struct repl *r)
{
    LH_AUTO_ERROR(err);
    LH_AUTO_JSON answer = NULL;
    if (cli_lake_json(r->lake, LH_GET, "/v1/catalog/datasets?limit=200", NULL, &answer, &err) !=
        LH_OK)
        return;
    names_forget(r);
    json_t *datasets = json_object_get(answer, "datasets");
    for (size_t i = 0; i < json_array_size(datasets); i++) {
        const char *name = json_string_value(json_object_get(json_array_get(datasets, i), "name"));
        if (!name)
            continue;
        name_add(r, name);
        columns_learn(r, name);
    }
}

static bool
is_word_char(char c)
{
    return c == '_' || (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           c == '\\';
}

/* Collects what begins with `stem` and the longest beginning they share. */
struct candidates {
    lh_str stem;
    const char *common;
    size_t common_len;
    size_t count;
    struct lh_buf shown;
};

static void
candidate_add(struct candidates *c, const char *word)
{
    lh_str text = lh_str_of(word);
    if (text.len < c->stem.len || !lh_str_eq_nocase(lh_str_slice(text, 0, c->stem.len), c->stem))
        return;
    if (c->count++ == 0) {
        c->common = word;
        c->common_len = text.len;
    } else {
        size_t n = 0;
        while (n < c->common_len && n < text.len && (c->common[n] | 32) == (word[n] | 32))
            n++;
        c->common_len = n;
    }
    lh_buf_printf(&c->shown, "%s%s", c->count > 1 ? "  " : "", word);
}

static unsigned char
complete(EditLine *editor, int key)
{
    (void)key;
    struct repl *r;
    el_get(editor, EL_CLIENTDATA, &r);
    const LineInfo *line = el_line(editor);
    const char *start = line->cursor;
    while (start > line->buffer && is_word_char(start[-1]))
        start--;
    struct candidates c = {.stem = {start, (size_t)(line->cursor - start)}};
    if (c.stem.len == 0)
        return CC_ERROR;
    lh_buf_init(&c.shown, 64 << 10);
    for (size_t i = 0; i < r->name_count; i++)
        candidate_add(&c, r->names[i]);
    for (size_t i = 0; i < sizeof(keywords) / sizeof(keywords[0]); i++)
        candidate_add(&c, keywords[i]);
    unsigned char what = CC_ERROR;
    if (c.count > 0 && (c.common_len > c.stem.len || c.count == 1)) {
        LH_AUTO_BUF(insert, 4096);
        lh_buf_add(&insert, c.common, c.common_len);
        if (c.count == 1)
            lh_buf_add_char(&insert, ' ');
        el_deletestr(editor, (int)c.stem.len);
        el_insertstr(editor, lh_buf_cstr(&insert));
        what = CC_REFRESH;
    } else if (c.count > 1) {
        printf("\n%s\n", lh_buf_cstr(&c.shown));
        what = CC_REDISPLAY;
    }
    lh_buf_fini(&c.shown);
    return what;
}

/* ---- history ---- */

static char *
history_path_make(void)
{
    const char *state = getenv("XDG_STATE_HOME");
    const char *home = getenv("HOME");
    if ((!state || !*state) && (!home || !*home))
        return NULL;
    char *folder = state && *state ? lh_asprintf("%s/lakehouse", state)
                                   : lh_asprintf("%s/.local/state/lakehouse", home);
    LH_AUTO_ERROR(err);
    char *path =
        lh_dir_make(folder, 0700, &err) == LH_OK ? lh_asprintf("%s/history", folder) : NULL;
    free(folder);
    return path;
}

static char *
prompt_show(EditLine *editor)
{
    struct repl *r;
    static char first[] = "lake> ", more[] = " ...> ";
    el_get(editor, EL_CLIENTDATA, &r);
    return r->statement.len == 0 ? first : more;
}

static void
editor_open(struct repl *r)
{
    HistEvent event;
    r->history = history_init();
    history(r->history, &event, H_SETSIZE, HISTORY_LINES);
    history(r->history, &event, H_SETUNIQUE, 1);
    r->history_path = history_path_make();
    if (r->history_path)
        history(r->history, &event, H_LOAD, r->history_path);
    r->editor = el_init("lakehouse", stdin, stdout, stderr);
    el_set(r->editor, EL_CLIENTDATA, r);
    el_set(r->editor, EL_PROMPT, prompt_show);
    el_set(r->editor, EL_EDITOR, "emacs");
    el_set(r->editor, EL_SIGNAL, 1);
    el_set(r->editor, EL_HIST, history, r->history);
    el_set(r->editor, EL_ADDFN, "lh-complete", "complete names", complete);
    el_set(r->editor, EL_BIND, "^I", "lh-complete", NULL);
    el_source(r->editor, NULL);
}

static void
editor_close(struct repl *r)
{
    HistEvent event;
    if (r->history_path) {
        mode_t old = umask(077);
        history(r->history, &event, H_SAVE, r->history_path);
        umask(old);
    }
    el_end(r->editor);
    history_end(r->history);
    free(r->history_path);
}

/* ---- lines ---- */

static const char backslash_help[] =
    "  statements end with ;     Tab completes, Ctrl-C stops, Ctrl-D leaves\n"
    "  \\d             the datasets\n"
    "  \\d NAME        the columns of one\n"
    "  \\o FORM        table, json, csv or ndjson\n"
    "  \\limit N       rows shown\n"
    "  \\timing        switch timing on or off\n"
    "  \\q             leave\n";

static void
statement_run(struct repl *r, lh_str sql)
{
    LH_AUTO_ERROR(err);
    if (cli_sql_run(r->lake, sql, r->options, &err) != LH_OK)
        cli_sql_error_print(sql, &err);
    fflush(stdout);
}

static void
form_set(struct repl *r, lh_str name)
{
    static const char *const names[] = {"table", "json", "csv", "ndjson"};
    for (int i = 0; i < 4; i++) {
        if (lh_str_eq(name, lh_str_of(names[i]))) {
            r->options->form = (enum cli_output)i;
            return;
        }
    }
    puts("forms: table, json, csv, ndjson");
}

/* False: leave. */
static bool
backslash_run(struct repl *r, lh_str line)
{
    lh_str verb, rest = line;
    lh_str_cut(&rest, ' ', &verb);
    rest = verb.len < line.len ? lh_str_trim(rest) : LH_STR("");
    if (lh_str_eq(verb, LH_STR("\\q")))
        return false;
    if (lh_str_eq(verb, LH_STR("\\d")) && rest.len == 0) {
        statement_run(r, LH_STR("SHOW TABLES"));
        names_learn(r);
    } else if (lh_str_eq(verb, LH_STR("\\d"))) {
        LH_AUTO_BUF(sql, 4096);
        lh_buf_printf(&sql, "DESCRIBE \"%.*s\"", LH_FMT(rest));
        statement_run(r, lh_buf_str(&sql));
    } else if (lh_str_eq(verb, LH_STR("\\o")))
        form_set(r, rest);
    else if (lh_str_eq(verb, LH_STR("\\limit"))) {
        static char limit[24];
        if (lh_str_copy(limit, sizeof(limit), rest))
            r->options->limit = rest.len ? limit : NULL;
    } else if (lh_str_eq(verb, LH_STR("\\timing"))) {
        r->options->shows_timing = !r->options->shows_timing;
        printf("timing is %s\n", r->options->shows_timing ? "on" : "off");
    } else
        fputs(backslash_help, stdout);
    return true;
}

/* A ';' that is not inside quotes or a comment ends the statement. */
static bool
statement_is_whole(lh_str s)
{
    char quote = 0;
    bool whole = false;
    for (size_t i = 0; i < s.len; i++) {
        char c = s.ptr[i];
        if (quote) {
            quote = c == quote ? 0 : quote;
        } else if (c == '\'' || c == '"') {
            quote = c;
            whole = false;
        } else if (c == '-' && i + 1 < s.len && s.ptr[i + 1] == '-') {
            while (i < s.len && s.ptr[i] != '\n')
                i++;
        } else if (c == ';')
            whole = true;
        else if (c != ' ' && c != '\t' && c != '\n' && c != '\r')
            whole = false;
    }
    return whole && !quote;
}

static void
history_add(struct repl *r, lh_str text)
{
    HistEvent event;
    char *line = lh_str_dup(text);
    for (char *c = line; *c; c++)
        if (*c == '\n')
            *c = ' ';
    history(r->history, &event, H_ENTER, line);
    free(line);
}

/* False: leave. */
static bool
line_take(struct repl *r, lh_str line)
{
    lh_str trimmed = lh_str_trim(line);
    if (r->statement.len == 0) {
        if (trimmed.len == 0)
            return true;
        if (trimmed.ptr[0] == '\\') {
            history_add(r, trimmed);
            return backslash_run(r, trimmed);
        }
        if (lh_str_eq_nocase(trimmed, LH_STR("exit")) || lh_str_eq_nocase(trimmed, LH_STR("quit")))
            return false;
    }
    lh_buf_add_str(&r->statement, line);
    if (!statement_is_whole(lh_buf_str(&r->statement)))
        return true;
    lh_str sql = lh_str_trim(lh_buf_str(&r->statement));
    history_add(r, sql);
    statement_run(r, sql);
    lh_buf_clear(&r->statement);
    return true;
}

int
cli_repl_run(struct cli_lake *lake, struct cli_sql_options *options)
{
    struct repl r = {.lake = lake, .options = options};
    lh_buf_init(&r.statement, 1 << 20);
    printf("Lakehouse at %s; \\? for help\n", cli_lake_where(lake));
    names_learn(&r);
    editor_open(&r);
    for (bool stays = true; stays;) {
        int length = 0;
        errno = 0;
        const char *line = el_gets(r.editor, &length);
        if (line && length > 0)
            stays = line_take(&r, (lh_str){line, (size_t)length});
        else if (errno == EINTR)
            lh_buf_clear(&r.statement);
        else
            stays = false;
    }
    putchar('\n');
    editor_close(&r);
    names_forget(&r);
    lh_buf_fini(&r.statement);
    return CLI_DONE;
}
