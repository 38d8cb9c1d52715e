#include "ann/file.h"

void
ann_file_layout(const struct ann_file_header *h, const size_t width[ANN_COLUMNS],
                struct ann_file_section section[ANN_FILE_SECTIONS], size_t *file_bytes)
{
    size_t at = ANN_FILE_PAGE;

    for (size_t i = 0; i < ANN_FILE_SECTIONS; i++) {
        size_t bytes;
        if (i == ANN_FILE_MEAN)
            bytes = h->dim * sizeof(float);
        else if (i == ANN_FILE_IDS)
            bytes = h->id_slots * sizeof(uint32_t);
        else if (i == ANN_FILE_COLUMN + ANN_COLUMN_UPPER_LINK)
            bytes = h->upper_lists * width[ANN_COLUMN_UPPER_LINK];
        else
            bytes = h->nodes * width[i - ANN_FILE_COLUMN];
        section[i] = (struct ann_file_section){at, bytes};
        at += (bytes + ANN_FILE_PAGE - 1) / ANN_FILE_PAGE * ANN_FILE_PAGE;
    }
    *file_bytes = at + ANN_FILE_PAGE;
}
