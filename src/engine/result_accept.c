/*
 * Content negotiation. The header is cut at commas into ranges; each has a type and parameters, of
 * which only q matters here. The format with the highest q wins, the one named first among equals.
 * A wildcard means JSON.
 */
#include "engine/result.h"

struct media {
    const char *type;
    enum lh_result_format format;
};

/* The first row of a format is what it is answered with. */
static const struct media medias[] = {
    {"application/json", LH_RESULT_JSON},
    {"application/x-ndjson", LH_RESULT_NDJSON},
    {"application/ndjson", LH_RESULT_NDJSON},
    {"application/jsonl", LH_RESULT_NDJSON},
    {"text/csv", LH_RESULT_CSV},
    {"application/vnd.apache.arrow.stream", LH_RESULT_ARROW},
    {"application/vnd.apache.parquet", LH_RESULT_PARQUET},
    {"*/*", LH_RESULT_JSON},
    {"application/*", LH_RESULT_JSON},
    {"text/*", LH_RESULT_JSON},
};

const char *
lh_result_content_type(enum lh_result_format format)
{
    for (size_t i = 0; i < sizeof(medias) / sizeof(medias[0]); i++)
        if (medias[i].format == format)
            return medias[i].type;
    return "application/octet-stream";
}

static bool
media_find(lh_str type, enum lh_result_format *out)
{
    for (size_t i = 0; i < sizeof(medias) / sizeof(medias[0]); i++) {
        if (lh_str_eq_nocase(type, lh_str_of(medias[i].type))) {
            *out = medias[i].format;
            return true;
        }
    }
    return false;
}

/* The q parameter; 1 when there is none, 0 when it is broken. */
static double
quality_of(lh_str parameters)
{
    lh_str one, name;
    double q = 0;

    while (lh_str_next(&parameters, ';', &one)) {
        lh_str value = one;

        if (!lh_str_cut(&value, '=', &name) || !lh_str_eq_nocase(lh_str_trim(name), LH_STR("q")))
            continue;
        return lh_str_f64(lh_str_trim(value), &q) && q >= 0 && q <= 1 ? q : 0;
    }
    return 1;
}

bool
lh_result_format_choose(lh_str accept, enum lh_result_format *out)
{
    enum lh_result_format best = LH_RESULT_JSON, format;
    double best_quality = 0;
    lh_str range;

    if (lh_str_trim(accept).len == 0) {
        *out = LH_RESULT_JSON;
        return true;
    }
    while (lh_str_next(&accept, ',', &range)) {
        lh_str parameters = range, type;
        double quality = lh_str_cut(&parameters, ';', &type) ? quality_of(parameters) : 1;

        if (quality > best_quality && media_find(lh_str_trim(type), &format)) {
            best = format;
            best_quality = quality;
        }
    }
    if (best_quality > 0)
        *out = best;
    return best_quality > 0;
}
