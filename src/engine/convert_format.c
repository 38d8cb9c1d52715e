#include "engine/convert_format.h"

#include "engine/json_records.h"

#define BINARY_SNIFF 4096

static const struct {
    lh_str name;
    enum lh_file_format format;
} formats[] = {{LH_STR("auto"), LH_FORMAT_AUTO},
               {LH_STR("csv"), LH_FORMAT_CSV},
               {LH_STR("json"), LH_FORMAT_JSON},
               {LH_STR("ndjson"), LH_FORMAT_NDJSON},
               {LH_STR("parquet"), LH_FORMAT_PARQUET}};

bool
lh_file_format_parse(lh_str name, enum lh_file_format *out)
{
    for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++) {
        if (lh_str_eq(name, formats[i].name)) {
            *out = formats[i].format;
            return true;
        }
    }
    return false;
}

const char *
lh_file_format_name(enum lh_file_format f)
{
    for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++)
        if (formats[i].format == f)
            return formats[i].name.ptr;
    return "auto";
}

/* ---- hints ---- */

static lh_str
media_type(const char *content_type)
{
    lh_str rest = lh_str_of(content_type), type;

    lh_str_cut(&rest, ';', &type);
    return lh_str_trim(type);
}

lh_str
convert_charset(const char *content_type)
{
    lh_str rest = lh_str_of(content_type), part, name;

    while (rest.len > 0 && lh_str_next(&rest, ';', &part)) {
        part = lh_str_trim(part);
        if (!lh_str_cut(&part, '=', &name) ||
            !lh_str_eq_nocase(lh_str_trim(name), LH_STR("charset")))
            continue;
        part = lh_str_trim(part);
        if (part.len >= 2 && part.ptr[0] == '"')
            part = lh_str_slice(part, 1, part.len - 1);
        return part;
    }
    return LH_STR("");
}

struct hint {
    lh_str text;
    enum lh_file_format format;
    bool is_tsv;
};

static const struct hint media_hints[] = {
    {LH_STR("text/csv"), LH_FORMAT_CSV, false},
    {LH_STR("application/csv"), LH_FORMAT_CSV, false},
    {LH_STR("text/tab-separated-values"), LH_FORMAT_CSV, true},
    {LH_STR("application/json"), LH_FORMAT_JSON, false},
    {LH_STR("application/x-ndjson"), LH_FORMAT_NDJSON, false},
    {LH_STR("application/ndjson"), LH_FORMAT_NDJSON, false},
    {LH_STR("application/jsonl"), LH_FORMAT_NDJSON, false},
    {LH_STR("application/vnd.apache.parquet"), LH_FORMAT_PARQUET, false},
    {LH_STR("application/x-parquet"), LH_FORMAT_PARQUET, false},
};

static const struct hint name_hints[] = {
    {LH_STR(".csv"), LH_FORMAT_CSV, false},         {LH_STR(".tsv"), LH_FORMAT_CSV, true},
    {LH_STR(".tab"), LH_FORMAT_CSV, true},          {LH_STR(".json"), LH_FORMAT_JSON, false},
    {LH_STR(".ndjson"), LH_FORMAT_NDJSON, false},   {LH_STR(".jsonl"), LH_FORMAT_NDJSON, false},
    {LH_STR(".parquet"), LH_FORMAT_PARQUET, false},
};

static lh_str
unpacked_name(lh_str name)
{
    static const lh_str packed[] = {LH_STR(".gz"), LH_STR(".zst")};

    for (size_t i = 0; i < 2; i++)
        if (name.len > packed[i].len &&
            lh_str_eq_nocase(lh_str_slice(name, name.len - packed[i].len, name.len), packed[i]))
            return lh_str_slice(name, 0, name.len - packed[i].len);
    return name;
}

static const struct hint *
hint_find(const struct lh_convert_options *o)
{
    lh_str type = media_type(o->content_type), name = unpacked_name(lh_str_of(o->file_name));

    for (size_t i = 0; i < sizeof(media_hints) / sizeof(media_hints[0]); i++)
        if (lh_str_eq_nocase(type, media_hints[i].text))
            return &media_hints[i];
    for (size_t i = 0; i < sizeof(name_hints) / sizeof(name_hints[0]); i++) {
        lh_str end = name_hints[i].text;
        if (name.len > end.len &&
            lh_str_eq_nocase(lh_str_slice(name, name.len - end.len, name.len), end))
            return &name_hints[i];
    }
    return NULL;
}

/* ---- contents ---- */

static bool
is_parquet(lh_str data)
{
    return data.len >= 4 && (memcmp(data.ptr, "PAR1", 4) == 0 || memcmp(data.ptr, "PARE", 4) == 0);
}

/* What else a file may well be, and what no table of text begins with. */
static const char *
foreign_name(lh_str data)
{
    static const struct {
        lh_str magic;
        const char *name;
    } table[] = {{LH_STR("%PDF"), "a PDF"},
                 {LH_STR("PK\x03\x04"), "a ZIP archive or an office document"},
                 {LH_STR("\x89PNG"), "a PNG image"},
                 {LH_STR("GIF8"), "a GIF image"},
                 {LH_STR("\xFF\xD8\xFF"), "a JPEG image"},
                 {LH_STR("SQLite format 3"), "a SQLite database"},
                 {LH_STR("ARROW1"), "an Arrow file"},
                 {LH_STR("Obj\x01"), "an Avro file"},
                 {LH_STR("\xD0\xCF\x11\xE0"), "an old office document"},
                 {LH_STR("BZh"), "a bzip2 archive"},
                 {LH_STR("\xFD"
                         "7zXZ"),
                  "an xz archive"},
                 {LH_STR("<?xml"), "XML"},
                 {LH_STR("<!DOCTYPE"), "HTML"},
                 {LH_STR("<html"), "HTML"}};

    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
        if (lh_str_starts(data, table[i].magic))
            return table[i].name;
    if (memchr(data.ptr, '\0', data.len < BINARY_SNIFF ? data.len : BINARY_SNIFF))
        return "binary";
    return NULL;
}

static enum lh_file_format
text_format(const struct convert_input *in)
{
    enum json_layout layout;

    if (!json_layout_sniff(in->data, in->bom, false, &layout))
        return LH_FORMAT_CSV;
    return layout == JSON_LINES ? LH_FORMAT_NDJSON : LH_FORMAT_JSON;
}

lh_status
convert_format_choose(const struct lh_convert_options *options, const struct convert_input *in,
                      struct convert_format *out, struct lh_error *err)
{
    const struct hint *hint = hint_find(options);
    const char *foreign = foreign_name(in->data);
    enum lh_file_format format = options->format;
    bool is_asked = format != LH_FORMAT_AUTO;

    if (is_parquet(in->data) && !is_asked)
        format = LH_FORMAT_PARQUET;
    if (format == LH_FORMAT_AUTO && foreign)
        return lh_fail(err, LH_UNSUPPORTED, "ingest.unknown_format",
                       "the file is %s; csv, json, ndjson and parquet are read", foreign);
    if (format == LH_FORMAT_AUTO && hint && hint->format != LH_FORMAT_PARQUET)
        format = hint->format;
    if (format == LH_FORMAT_AUTO)
        format = text_format(in);
    if ((format == LH_FORMAT_PARQUET) != is_parquet(in->data) ||
        (foreign && format != LH_FORMAT_PARQUET))
        return lh_fail(err, LH_INVALID, "ingest.unreadable", "the file is %s, not %s",
                       foreign                ? foreign
                       : is_parquet(in->data) ? "Parquet"
                                              : "something else",
                       lh_file_format_name(format));
    *out = (struct convert_format){.format = format, .is_tsv = hint && hint->is_tsv};
    return LH_OK;
}
