/*
 * parquet_input: an uploaded Parquet file, proven readable, taken as it is where that is safe.
 *
 * Every page is decoded once; encrypted or damaged files are refused. The file itself becomes the
 * object when the names of its columns are usable as they are and nobody asked for other types;
 * else its rows are written anew.
 */
#ifndef LH_ENGINE_PARQUET_INPUT_H
#define LH_ENGINE_PARQUET_INPUT_H

#include "engine/connection.h"
#include "engine/convert_input.h"
#include "engine/convert.h"

lh_status parquet_input_convert(struct engine_connection *c, const struct convert_input *in,
                                const struct lh_convert_options *options,
                                struct lh_convert_result *out, struct lh_error *err);

#endif
