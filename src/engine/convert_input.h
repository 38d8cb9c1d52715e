/*
 * convert_input: an uploaded file as UTF-8 text in memory: unpacked, transcoded, mapped.
 *
 * Work files are made beside the input and are unlinked as soon as they are open, so that nothing
 * is left after a crash but what the spool folder's own cleaning removes.
 *
 * Owns     the mapping and its descriptor; valid until convert_input_fini.
 */
#ifndef LH_ENGINE_CONVERT_INPUT_H
#define LH_ENGINE_CONVERT_INPUT_H

#include "engine/compression.h"
#include "engine/transcode.h"

struct convert_input {
    enum compression compression;
    enum encoding encoding;
    bool is_encoding_sure; /* by a mark, zero bytes or the caller */
    lh_str data;           /* mapped; UTF-8 when it is text */
    size_t bom;            /* bytes of data before the text */
    char *unpacked_path;   /* of a packed file: kept until fini, for Parquet inside; else NULL */
    void *map;
    size_t map_size;
};

struct convert_input_options {
    const char *path;
    lh_str charset; /* of the Content-Type, or "" */
    uint64_t unpacked_max;
};

lh_status convert_input_open(const struct convert_input_options *options, struct lh_call *call,
                             struct convert_input *out, struct lh_error *err);
/* What was taken for UTF-8 is Latin-1: maps it anew. */
lh_status
convert_input_reread(struct convert_input *in, const struct convert_input_options *options,
                     struct lh_call *call, struct lh_error *err);
void convert_input_fini(struct convert_input *in);

#endif
