/*
 * vector_cache: embeddings by model and text, the least recently used first to go; for this folder.
 *
 * The key is SHA-256 over the model's name, a zero byte and the text; the text itself is not kept.
 *
 * Owns     copies of the vectors, up to a limit of bytes. A limit of 0 keeps nothing.
 * Threads  safe.
 */
#ifndef LH_AIBRIDGE_VECTOR_CACHE_H
#define LH_AIBRIDGE_VECTOR_CACHE_H

#include "base/hash.h"

struct bridge_vector_cache;

struct bridge_vector_key {
    uint8_t bytes[LH_SHA256_BYTES];
};

struct bridge_vector_cache *bridge_vector_cache_new(size_t bytes_max);
void bridge_vector_cache_free(struct bridge_vector_cache *c);

struct bridge_vector_key bridge_vector_key_of(lh_str model, lh_str text);
/* Copies `dim` floats; false when there is none of that dimension. */
bool bridge_vector_cache_get(struct bridge_vector_cache *c, const struct bridge_vector_key *key,
                             float *out, size_t dim);
void bridge_vector_cache_put(struct bridge_vector_cache *c, const struct bridge_vector_key *key,
                             const float *vector, size_t dim);

struct bridge_vector_cache_stats {
    size_t entries, bytes, bytes_max;
    uint64_t hits, misses, evictions;
};

void
bridge_vector_cache_stats_get(struct bridge_vector_cache *c, struct bridge_vector_cache_stats *out);

#endif
