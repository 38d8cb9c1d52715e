/*
 * hash_model: `hash-512`, an embedding that knows nothing and needs nothing.
 *
 * Every word (weight by the root of its frequency, function words less) and every character n-gram
 * of a word is hashed to one of 512 places with a sign; the result is scaled to length 1. Texts
 * that share words, or parts of words, are near each other; synonyms are not. The same text gives
 * the same floats on every machine and in every release: a change of the scheme gets a new name.
 *
 * Threads  pure.
 * Source   Weinberger et al., Feature Hashing for Large Scale Multitask Learning, 2009; character
 *          n-grams as in Bojanowski et al., arXiv 1607.04606.
 */
#ifndef LH_TEXT_HASH_MODEL_H
#define LH_TEXT_HASH_MODEL_H

#include "base/str.h"

#define LH_HASH_MODEL_NAME "hash-512"
#define LH_HASH_MODEL_DIM 512

/* False, and all zeros, for a text without words. */
bool lh_hash_embed(lh_str text, float out[LH_HASH_MODEL_DIM]);

#endif
