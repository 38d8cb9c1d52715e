/*
 * The order of decisions: line end, comment prefix, delimiter (for each comment candidate), quote,
 * escape, number of columns, header. A candidate is judged by reading the sample with the reader
 * that will read the file, so a verdict here is a promise kept there.
 */
#include "engine/csv_dialect.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "engine/canonical.h"
#include "engine/csv_records.h"

#define RECORDS_MAX 2000
#define COUNTS_MAX 64

/* Longer ones first: "||" reads as "|" too, but not the other way round. */
static const char *const delimiters[] = {"|~|", "~|~", "||", "::", ";;", "^^", "##",   "\t\t",
                                         "\t",  "|",   ";",  ",",  "^",  "~",  "\x1f", "\x01"};
#define DELIMITER_COUNT (sizeof(delimiters) / sizeof(delimiters[0]))

static const char *const comments[] = {"#", "//", "--", "%"};

struct sample {
    lh_str text;
    bool is_whole;
};

struct score {
    double agreement; /* share of records with `columns` fields, less the broken ones */
    size_t columns, records, first, broken, quoted;
};

/* ---- judging one dialect ---- */

static void
delimiter_set(struct csv_dialect *d, lh_str delimiter)
{
    d->delimiter_len = delimiter.len < CSV_DELIMITER_MAX ? delimiter.len : CSV_DELIMITER_MAX;
    memcpy(d->delimiter, delimiter.ptr, d->delimiter_len);
    d->delimiter[d->delimiter_len] = '\0';
}

struct tally {
    size_t counts[RECORDS_MAX];
    size_t records, broken, quoted;
};

static void
tally_read(const struct sample *s, const struct csv_dialect *d, struct tally *t)
{
    struct record_field fields[COUNTS_MAX];
    const char *end = s->text.ptr + s->text.len;
    struct record_cursor c = {
        .at = s->text.ptr, .end = end, .line = 1, .fields = fields, .column_count = COUNTS_MAX};

    *t = (struct tally){0};
    while (t->records + t->broken < RECORDS_MAX) {
        size_t count = 0;
        enum record_verdict v = csv_record_read(d, &c, end, &count);
        if (v == RECORD_NONE || (!s->is_whole && c.at >= end))
            break;
        if (v == RECORD_REJECTED) {
            t->broken++;
            continue;
        }
        for (size_t i = 0; i < count && i < COUNTS_MAX; i++)
            t->quoted += fields[i].kind != FIELD_TEXT;
        t->counts[t->records++] = count;
    }
}

static size_t
matches(const struct tally *t, size_t columns)
{
    size_t n = 0;

    for (size_t i = 0; i < t->records; i++)
        n += t->counts[i] == columns;
    return n;
}

/* The header says how many columns there are, unless nearly every record below says more. */
static size_t
columns_choose(const struct tally *t)
{
    size_t first = t->counts[0], best = first, best_matches = matches(t, first);

    for (size_t i = 1; i < t->records && i < COUNTS_MAX; i++) {
        size_t n = t->counts[i] == best ? 0 : matches(t, t->counts[i]);
        bool is_wider = t->counts[i] > first && n * 10 >= (t->records - 1) * 9 && n >= 2;
        if (n > best_matches && (is_wider || first < 2)) {
            best = t->counts[i];
            best_matches = n;
        }
    }
    return best;
}

static struct score
dialect_score(const struct sample *s, const struct csv_dialect *d)
{
    struct tally *t = LH_NEW(struct tally);
    struct score score = {0};

    tally_read(s, d, t);
    if (t->records > 0) {
        size_t all = t->records + t->broken;
        score.columns = columns_choose(t);
        score.first = t->counts[0];
        score.records = t->records;
        score.broken = t->broken;
        score.quoted = t->quoted;
        score.agreement = (double)matches(t, score.columns) / (double)all;
    }
    free(t);
    return score;
}

/* ---- delimiter ---- */

/* "1,5;2,5": a comma that only ever stands between digits is a decimal comma. */
static bool
is_decimal_comma(lh_str text)
{
    size_t n = 0;

    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] != ',')
            continue;
        n++;
        if (i == 0 || i + 1 == text.len || (unsigned char)(text.ptr[i - 1] - '0') > 9 ||
            (unsigned char)(text.ptr[i + 1] - '0') > 9)
            return false;
    }
    return n > 0;
}

static bool
is_better(const struct sample *s, const char *delimiter, struct score a, const char *than,
          struct score b)
{
    if (a.columns < 2)
        return false;
    if (than == NULL || a.agreement > b.agreement + 0.1)
        return true;
    if (a.agreement < b.agreement - 0.1 || strlen(than) > 1)
        return false; /* a part of the longer delimiter found before */
    if (strcmp(delimiter, ",") == 0 && strcmp(than, ";") == 0 && is_decimal_comma(s->text))
        return false;
    return a.columns > b.columns;
}

static bool
is_credible(const char *delimiter, struct score score)
{
    bool is_usual = strchr("\t|;,", delimiter[0]) != NULL && delimiter[1] == '\0';

    if (score.columns < 2 || score.first < 2)
        return score.columns >= 2 && score.agreement >= 0.9;
    if (!is_usual)
        return score.agreement >= 0.9;
    return score.agreement >= 0.5 || (score.columns >= 3 && score.agreement >= 0.25);
}

static struct score
delimiter_find(const struct sample *s, const struct csv_hints *hints, struct csv_dialect *d)
{
    struct csv_dialect trial = *d;
    struct score best = {0}, score;
    const char *found = NULL;

    if (hints->delimiter.len > 0) {
        delimiter_set(d, hints->delimiter);
        return dialect_score(s, d);
    }
    for (size_t i = 0; i < DELIMITER_COUNT; i++) {
        if (!lh_str_find(s->text, lh_str_of(delimiters[i]), &(size_t){0}))
            continue;
        delimiter_set(&trial, lh_str_of(delimiters[i]));
        score = dialect_score(s, &trial);
        if (hints->is_tsv && !found && strcmp(delimiters[i], "\t") == 0 && score.columns >= 2) {
            best = score;
            found = delimiters[i];
            break;
        }
        if (is_credible(delimiters[i], score) && is_better(s, delimiters[i], score, found, best)) {
            best = score;
            found = delimiters[i];
        }
    }
    delimiter_set(d, lh_str_of(found ? found : hints->is_tsv ? "\t" : ","));
    return found ? best : dialect_score(s, d);
}

/* ---- comments, quotes, escapes ---- */

struct comment_use {
    size_t lines;   /* that begin with the prefix */
    bool is_first;  /* the first line does */
    bool has_blank; /* a blank follows the prefix */
};

static struct comment_use
comment_use(const struct sample *s, lh_str prefix, char newline)
{
    struct comment_use use = {0};
    lh_str rest = s->text, line;

    for (size_t i = 0; i < RECORDS_MAX && lh_str_next(&rest, newline, &line); i++) {
        if (!lh_str_starts(line, prefix))
            continue;
        use.lines++;
        use.is_first |= i == 0;
        use.has_blank |= line.len > prefix.len && line.ptr[prefix.len] == ' ';
    }
    return use;
}

/* A prefix is a comment when leaving its lines out makes the rest agree better, or when it looks
 * like prose in front. */
static struct score
comment_find(const struct sample *s, const struct csv_hints *hints, struct csv_dialect *d)
{
    struct score best = delimiter_find(s, hints, d);
    struct csv_dialect chosen = *d;

    for (size_t i = 0; i < sizeof(comments) / sizeof(comments[0]); i++) {
        struct comment_use use = comment_use(s, lh_str_of(comments[i]), d->newline);
        struct csv_dialect trial = *d;
        struct score score;
        bool is_prose = use.is_first && (use.has_blank || use.lines > 1);

        if (use.lines == 0)
            continue;
        lh_str_copy(trial.comment, sizeof(trial.comment), lh_str_of(comments[i]));
        score = delimiter_find(s, hints, &trial);
        if (score.records == 0 || score.columns < best.columns)
            continue;
        if (score.agreement > best.agreement || score.columns > best.columns ||
            (is_prose && score.agreement >= best.agreement && comments[i][0] != '-')) {
            best = score;
            chosen = trial;
        }
    }
    *d = chosen;
    return best;
}

static void
quote_find(const struct sample *s, struct csv_dialect *d, struct score *score)
{
    struct csv_dialect trial = *d;
    struct score other;

    if (score->quoted == 0 && score->broken == 0 && memchr(s->text.ptr, '\'', s->text.len)) {
        trial.quote = trial.escape = '\'';
        other = dialect_score(s, &trial);
        if (other.quoted >= 2 && other.broken == 0 && other.agreement >= score->agreement) {
            *d = trial;
            *score = other;
        }
    }
    if (lh_str_find(s->text, LH_STR("\\\""), &(size_t){0}) && d->quote == '"') {
        trial = *d;
        trial.escape = '\\';
        other = dialect_score(s, &trial);
        if (other.broken < score->broken || other.agreement > score->agreement) {
            *d = trial;
            *score = other;
        }
    }
}

/* ---- header ---- */

struct header_column {
    lh_str first;
    unsigned first_mask, data_mask;
    size_t data_count;
    bool is_repeated; /* the first value occurs again below */
};

static lh_str
field_text(const struct record_field *f)
{
    return (lh_str){f->ptr, f->len};
}

static void
header_column_add(struct header_column *h, lh_str value)
{
    int32_t zone;

    if (value.len == 0)
        return;
    h->data_mask =
        (h->data_count == 0 ? CANONICAL_ANY : h->data_mask) & canonical_classify(value, &zone);
    h->data_count++;
    h->is_repeated |= lh_str_eq(value, h->first);
}

static size_t
header_columns_read(const struct sample *s, const struct csv_dialect *d, size_t columns,
                    struct header_column *out)
{
    struct record_field *fields = lh_alloc_array(columns, sizeof(*fields));
    const char *end = s->text.ptr + s->text.len;
    struct record_cursor c = {
        .at = s->text.ptr, .end = end, .line = 1, .fields = fields, .column_count = columns};
    size_t records = 0, count;
    int32_t zone;

    for (; records < RECORDS_MAX; records++) {
        enum record_verdict v;
        memset(fields, 0, columns * sizeof(*fields));
        v = csv_record_read(d, &c, end, &count);
        if (v == RECORD_NONE || (records > 0 && !s->is_whole && c.at >= end))
            break;
        for (size_t i = 0; v == RECORD_ROW && i < columns; i++) {
            if (records > 0) {
                header_column_add(&out[i], field_text(&fields[i]));
            } else {
                out[i].first = field_text(&fields[i]);
                out[i].first_mask = canonical_classify(lh_str_trim(out[i].first), &zone);
            }
        }
    }
    free(fields);
    return records;
}

/* Years in a row are names of columns: "country,2001,2002,2003". */
static bool
are_years(const struct header_column *h, size_t columns)
{
    int64_t last = 0, v;
    size_t years = 0;

    for (size_t i = 0; i < columns; i++) {
        if (!(h[i].first_mask & CANONICAL_I64))
            continue;
        if (!canonical_i64(lh_str_trim(h[i].first), &v) || v < 1500 || v > 2200 ||
            (years > 0 && v != last + 1))
            return false;
        last = v;
        years++;
    }
    return years >= 2;
}

/* "1,5" or "+1-312" has no canonical type, and is no name either. */
static bool
has_letter(lh_str text)
{
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        if ((unsigned)(c | 32) - 'a' < 26 || c == '_' || c >= 0x80)
            return true;
    }
    return false;
}

static bool
header_decide(const struct header_column *h, size_t columns, size_t records)
{
    size_t differs = 0, same = 0, typed = 0, texts = 0, repeated = 0;

    for (size_t i = 0; i < columns; i++) {
        bool is_typed_below = h[i].data_count > 0 && h[i].data_mask != 0;
        bool is_name = h[i].first_mask == 0 && has_letter(h[i].first);
        typed += h[i].first.len > 0 && !is_name;
        texts += is_name;
        repeated += h[i].is_repeated;
        if (is_typed_below && h[i].first.len > 0) {
            differs += (h[i].first_mask & h[i].data_mask) == 0;
            same += (h[i].first_mask & h[i].data_mask) != 0;
        }
    }
    if (texts == 0)
        return false;
    if (typed > 0 && are_years(h, columns))
        return true;
    if (differs > 0)
        return differs >= same;
    if (records == 1 || same > 0 || typed > 0)
        return typed == 0;
    return repeated == 0;
}

static bool
header_find(const struct sample *s, const struct csv_dialect *d, size_t columns)
{
    struct header_column *h = lh_alloc_array(columns, sizeof(*h));
    size_t records = header_columns_read(s, d, columns, h);
    bool has_header = records > 0 && header_decide(h, columns, records);

    free(h);
    return has_header;
}

void
csv_dialect_sniff(lh_str sample, bool is_whole, const struct csv_hints *hints,
                  struct csv_dialect *out)
{
    struct sample s = {.text = sample, .is_whole = is_whole};
    struct csv_dialect d = {.quote = '"', .escape = '"', .newline = '\n'};
    struct score score;

    if (sample.len > 0 && !memchr(sample.ptr, '\n', sample.len) &&
        memchr(sample.ptr, '\r', sample.len))
        d.newline = '\r';
    score = comment_find(&s, hints, &d);
    quote_find(&s, &d, &score);
    d.column_count = score.columns < CSV_COLUMNS_MAX ? score.columns : CSV_COLUMNS_MAX;
    if (d.column_count == 0)
        d.column_count = 1;
    d.has_header = hints->header == 0 ? header_find(&s, &d, d.column_count) : hints->header > 0;
    *out = d;
}
