/*
 * chunk: cutting a long text into overlapping pieces that end where sentences end.
 *
 * Sizes are in characters (code points; a byte that is not UTF-8 counts as one), offsets in bytes.
 * Every chunk is a slice of the text, byte for byte, and no cut lies inside a UTF-8 sequence. A
 * chunk ends at the last sentence end that fits, else at the last line end, else at the last blank,
 * else where it is full. The next one begins with the first sentence, else word, else
 * character, that starts within `overlap` characters of that end. Blanks between chunks belong to
 * none; everything else lies in at least one.
 *
 * Threads  pure; an iterator belongs to one thread. Nothing is allocated, nothing fails: a size of
 *          0 and an overlap that leaves no progress are put right (lh_chunker_over).
 */
#ifndef LH_TEXT_CHUNK_H
#define LH_TEXT_CHUNK_H

#include "base/str.h"

#define LH_CHUNK_SIZE_DEFAULT 1000
#define LH_CHUNK_OVERLAP_DEFAULT 150

struct lh_chunk {
    lh_str text;  /* of the input: text.ptr == input.ptr + start */
    size_t start; /* bytes */
    size_t end;
};

struct lh_chunker {
    lh_str text;
    size_t size, overlap; /* characters */
    size_t at;            /* where the next chunk begins */
    size_t covered;       /* what lies before is in a chunk already */
};

/* A size of 0 is the default (with its overlap, when that is 0 too); an overlap of more than half
 * of the size is half of it. */
struct lh_chunker lh_chunker_over(lh_str text, size_t size, size_t overlap);
bool lh_chunker_next(struct lh_chunker *c, struct lh_chunk *out);

#endif
