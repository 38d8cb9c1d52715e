/*
 * convert_format: what kind of file this is, by what the caller says, by its first bytes, and by
 * its name, in that order of trust.
 *
 * Threads  pure.
 */
#ifndef LH_ENGINE_CONVERT_FORMAT_H
#define LH_ENGINE_CONVERT_FORMAT_H

#include "engine/convert.h"
#include "engine/convert_input.h"

struct convert_format {
    enum lh_file_format format; /* never AUTO */
    bool is_tsv;
};

/* UNSUPPORTED "ingest.unknown_format", or INVALID "ingest.unreadable" when the declared format
 * cannot be right. */
lh_status
convert_format_choose(const struct lh_convert_options *options, const struct convert_input *in,
                      struct convert_format *out, struct lh_error *err);

/* The charset parameter of a Content-Type, or "". */
lh_str convert_charset(const char *content_type);

#endif
