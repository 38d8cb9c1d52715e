/*
 * file: the layout of an index file, as docs/formats/ann-file.md describes it.
 *
 * A header page, sections that are the columns themselves, each at a page boundary, and a trailer
 * page with their checksums. Places follow from the counts in the header, so a file has no offsets
 * that could lie. Numbers are little-endian; a machine of the other kind refuses the file.
 */
#ifndef LH_ANN_FILE_H
#define LH_ANN_FILE_H

#include "ann/ladder.h"
#include "ann/parts.h"

#define ANN_FILE_MAGIC "lh-ann\r\n"
#define ANN_FILE_VERSION 1
#define ANN_FILE_ORDER 0x01020304u
#define ANN_FILE_BYTES 0 /* codes of a header */
#define ANN_FILE_NIBBLES 1
#define ANN_FILE_FLOATS 2
#define ANN_FILE_PAGE ((size_t)4096)

/* Sections: the mean, the columns up to ANN_COLUMN_FLOATS, the table of ids. */
#define ANN_FILE_MEAN 0
#define ANN_FILE_COLUMN 1
#define ANN_FILE_COLUMNS (ANN_COLUMN_FLOATS + 1)
#define ANN_FILE_IDS (ANN_FILE_COLUMN + ANN_FILE_COLUMNS)
#define ANN_FILE_SECTIONS (ANN_FILE_IDS + 1)

struct ann_file_header {
    char magic[8];
    uint32_t version, byte_order;
    uint32_t dim, metric, code, degree, ef_construction, nodes, entry, upper_lists;
    uint64_t seed, sequence, id_slots;
    float radius;
    uint32_t has_ladder;
    struct ann_ladder ladder;
    uint32_t crc; /* CRC-32C of all before it */
};

struct ann_file_trailer {
    char magic[8];
    uint32_t crc[ANN_FILE_SECTIONS];
    uint32_t own_crc;
};

struct ann_file_section {
    size_t at, bytes;
};

/* Where everything lies, from the counts of the header and the widths of the columns. */
void ann_file_layout(const struct ann_file_header *h, const size_t width[ANN_COLUMNS],
                     struct ann_file_section section[ANN_FILE_SECTIONS], size_t *file_bytes);

#endif
