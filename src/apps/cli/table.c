#include "apps/cli/table.h"

#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <wchar.h>

#include "base/arena.h"

#define COLUMN_MIN 4
#define DIM "\033[2m"
#define BOLD "\033[1m"
#define PLAIN "\033[0m"

size_t
cli_terminal_width(void)
{
    struct winsize size;
    if (!isatty(STDOUT_FILENO) || ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0)
        return 0;
    return size.ws_col;
}

enum cli_output
cli_output_choose(const struct cli_common *common)
{
    if (common->has_output)
        return common->output;
    return isatty(STDOUT_FILENO) ? CLI_TABLE : CLI_CSV;
}

/* Reads one character at `s`: its bytes and cells. Bytes that are not text take one cell. */
static size_t
character_at(lh_str s, size_t *cells)
{
    wchar_t wide;
    mbstate_t state = {0};
    size_t n = mbrtowc(&wide, s.ptr, s.len, &state);
    *cells = 1;
    if (n == 0 || n == (size_t)-1 || n == (size_t)-2)
        return 1;
    int w = wcwidth(wide);
    *cells = w < 0 ? 1 : (size_t)w;
    return n;
}

static size_t
text_cells(lh_str s)
{
    size_t total = 0;
    while (s.len > 0) {
        size_t cells;
        s = lh_str_slice(s, character_at(s, &cells), s.len);
        total += cells;
    }
    return total;
}

/* The longest beginning that takes at most `max` cells. */
static lh_str
text_fit(lh_str s, size_t max)
{
    size_t used = 0, at = 0;
    while (at < s.len) {
        size_t cells;
        size_t n = character_at(lh_str_slice(s, at, s.len), &cells);
        if (used + cells > max)
            break;
        used += cells;
        at += n;
    }
    return lh_str_slice(s, 0, at);
}

/* A value as one line of text; control characters would break the table. */
static lh_str
cell_text(struct lh_arena *arena, const json_t *value)
{
    if (!value || json_is_null(value))
        return LH_STR("NULL");
    LH_AUTO_BUF(text, LH_BUF_UNLIMITED);
    if (json_is_string(value)) {
        lh_str s = {json_string_value(value), json_string_length(value)};
        for (size_t i = 0; i < s.len; i++) {
            char c = s.ptr[i];
            if (c == '\n')
                lh_buf_add_cstr(&text, "\\n");
            else
                lh_buf_add_char(&text, (unsigned char)c < 0x20 || c == 0x7f ? ' ' : c);
        }
    } else {
        struct lh_json_writer w = lh_json_writer_over(&text);
        lh_json_put_value(&w, value);
    }
    return lh_arena_str(arena, lh_buf_str(&text));
}

struct layout {
    const struct cli_column *columns;
    size_t count;
    size_t *widths;
    bool is_terminal;
    struct lh_buf *out;
};

/* Takes cells from the widest columns until a line fits. */
static void
widths_shrink(struct layout *l, size_t width)
{
    size_t total = 1;
    for (size_t i = 0; i < l->count; i++)
        total += l->widths[i] + 3;
    while (total > width) {
        size_t widest = 0;
        for (size_t i = 1; i < l->count; i++)
            if (l->widths[i] > l->widths[widest])
                widest = i;
        if (l->widths[widest] <= COLUMN_MIN)
            return;
        l->widths[widest]--;
        total--;
    }
}

static void
rule_print(struct layout *l, const char *left, const char *middle, const char *right)
{
    lh_buf_add_cstr(l->out, left);
    for (size_t i = 0; i < l->count; i++) {
        for (size_t n = 0; n < l->widths[i] + 2; n++)
            lh_buf_add_cstr(l->out, "─");
        lh_buf_add_cstr(l->out, i + 1 < l->count ? middle : right);
    }
    lh_buf_add_char(l->out, '\n');
}

static void
blanks_print(struct lh_buf *out, size_t n)
{
    while (n-- > 0)
        lh_buf_add_char(out, ' ');
}

static void
cell_print(struct layout *l, size_t column, lh_str text, bool right, const char *style)
{
    size_t cells = text_cells(text);
    bool is_cut = cells > l->widths[column];
    if (is_cut) {
        text = text_fit(text, l->widths[column] - 1);
        cells = text_cells(text) + 1;
    }
    size_t pad = l->widths[column] - cells;
    lh_buf_add_char(l->out, ' ');
    if (right)
        blanks_print(l->out, pad);
    if (style && l->is_terminal)
        lh_buf_add_cstr(l->out, style);
    lh_buf_add_str(l->out, text);
    if (is_cut)
        lh_buf_add_cstr(l->out, "…");
    if (style && l->is_terminal)
        lh_buf_add_cstr(l->out, PLAIN);
    if (!right)
        blanks_print(l->out, pad);
    lh_buf_add_cstr(l->out, " │");
}

void
cli_table_print(const struct cli_column *columns, size_t count, const json_t *rows, size_t width,
                bool is_terminal, struct lh_buf *out)
{
    LH_AUTO_ARENA(arena);
    size_t row_count = json_array_size(rows);
    lh_str *cells = lh_arena_array(&arena, row_count * count + 1, sizeof(*cells));
    struct layout l = {columns, count, lh_arena_array(&arena, count + 1, sizeof(size_t)),
                       is_terminal, out};
    for (size_t c = 0; c < count; c++)
        l.widths[c] = text_cells(columns[c].name);
    for (size_t r = 0; r < row_count; r++) {
        for (size_t c = 0; c < count; c++) {
            lh_str text = cell_text(&arena, json_array_get(json_array_get(rows, r), c));
            size_t w = text_cells(text);
            cells[r * count + c] = text;
            if (w > l.widths[c])
                l.widths[c] = w;
        }
    }
    if (width > 0)
        widths_shrink(&l, width);
    rule_print(&l, "┌", "┬", "┐");
    lh_buf_add_cstr(out, "│");
    for (size_t c = 0; c < count; c++)
        cell_print(&l, c, columns[c].name, columns[c].is_number, BOLD);
    lh_buf_add_char(out, '\n');
    rule_print(&l, "├", "┼", "┤");
    for (size_t r = 0; r < row_count; r++) {
        lh_buf_add_cstr(out, "│");
        for (size_t c = 0; c < count; c++) {
            const json_t *value = json_array_get(json_array_get(rows, r), c);
            cell_print(&l, c, cells[r * count + c], columns[c].is_number,
                       json_is_null(value) ? DIM : NULL);
        }
        lh_buf_add_char(out, '\n');
    }
    rule_print(&l, "└", "┴", "┘");
}

/* ---- lists of objects ---- */

static void
csv_field_print(struct lh_buf *out, const json_t *value)
{
    if (!value || json_is_null(value))
        return;
    LH_AUTO_BUF(text, LH_BUF_UNLIMITED);
    if (json_is_string(value)) {
        lh_buf_add(&text, json_string_value(value), json_string_length(value));
    } else {
        struct lh_json_writer w = lh_json_writer_over(&text);
        lh_json_put_value(&w, value);
    }
    lh_str s = lh_buf_str(&text);
    size_t at;
    bool quoted = s.len == 0 || lh_str_find_char(s, ',', &at) || lh_str_find_char(s, '"', &at) ||
                  lh_str_find_char(s, '\n', &at) || lh_str_find_char(s, '\r', &at);
    if (!quoted) {
        lh_buf_add_str(out, s);
        return;
    }
    lh_buf_add_char(out, '"');
    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] == '"')
            lh_buf_add_char(out, '"');
        lh_buf_add_char(out, s.ptr[i]);
    }
    lh_buf_add_char(out, '"');
}

static void
objects_as_csv(const char *const *columns, const json_t *objects, struct lh_buf *out)
{
    for (size_t c = 0; columns[c]; c++)
        lh_buf_printf(out, "%s%s", c ? "," : "", columns[c]);
    lh_buf_add_char(out, '\n');
    for (size_t r = 0; r < json_array_size(objects); r++) {
        for (size_t c = 0; columns[c]; c++) {
            if (c)
                lh_buf_add_char(out, ',');
            csv_field_print(out, json_object_get(json_array_get(objects, r), columns[c]));
        }
        lh_buf_add_char(out, '\n');
    }
}

static void
objects_as_json(const json_t *objects, bool lines, struct lh_buf *out)
{
    if (!lines) {
        struct lh_json_writer w = lh_json_writer_over(out);
        lh_json_put_value(&w, objects);
        lh_buf_add_char(out, '\n');
        return;
    }
    for (size_t r = 0; r < json_array_size(objects); r++) {
        struct lh_json_writer w = lh_json_writer_over(out);
        lh_json_put_value(&w, json_array_get(objects, r));
        lh_buf_add_char(out, '\n');
    }
}

static void
objects_as_table(const char *const *columns, const json_t *objects, struct lh_buf *out)
{
    LH_AUTO_ARENA(arena);
    size_t count = 0;
    while (columns[count])
        count++;
    struct cli_column *heads = lh_arena_array(&arena, count + 1, sizeof(*heads));
    LH_AUTO_JSON rows = json_array();
    for (size_t c = 0; c < count; c++)
        heads[c].name = lh_str_of(columns[c]);
    for (size_t r = 0; r < json_array_size(objects); r++) {
        json_t *row = json_array();
        for (size_t c = 0; c < count; c++) {
            json_t *value = json_object_get(json_array_get(objects, r), columns[c]);
            heads[c].is_number |= json_is_number(value);
            json_array_append(row, value ? value : json_null());
        }
        json_array_append_new(rows, row);
    }
    size_t width = cli_terminal_width();
    cli_table_print(heads, count, rows, width, width > 0, out);
}

void
cli_objects_print(const char *const *columns, const json_t *objects, enum cli_output form)
{
    LH_AUTO_BUF(out, LH_BUF_UNLIMITED);
    if (form == CLI_CSV)
        objects_as_csv(columns, objects, &out);
    else if (form == CLI_TABLE)
        objects_as_table(columns, objects, &out);
    else
        objects_as_json(objects, form == CLI_NDJSON, &out);
    fwrite(out.data, 1, out.len, stdout);
}
