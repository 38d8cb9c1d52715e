/*
 * multipart: a multipart/form-data body (RFC 7578, RFC 2046 5.1) taken apart as it streams by.
 *
 * Memory is constant: a part's bytes are handed on as they come, and only headers and a partly
 * matched boundary are kept. Pieces may be cut anywhere, down to single bytes.
 *
 * Fails    INVALID "request.multipart": no boundary, headers too long or malformed, a body that
 * ends too early; what the handlers return is passed on. Threads  one.
 */
#ifndef LH_SERVICES_INGESTD_MULTIPART_H
#define LH_SERVICES_INGESTD_MULTIPART_H

#include "base/status.h"
#include "base/str.h"

#define MULTIPART_BOUNDARY_MAX 70
#define MULTIPART_HEADERS_MAX 8192
#define MULTIPART_TEXT_MAX 256

struct multipart_part {
    char name[MULTIPART_TEXT_MAX];
    char file_name[MULTIPART_TEXT_MAX]; /* "" when there is none */
    char content_type[MULTIPART_TEXT_MAX];
};

struct multipart_handler {
    lh_status (*begin)(void *self, const struct multipart_part *part, struct lh_error *err);
    lh_status (*data)(void *self, lh_bytes bytes, struct lh_error *err);
    void *self;
};

struct multipart {
    struct multipart_handler handler;
    enum multipart_state {
        MULTIPART_PREAMBLE,
        MULTIPART_DATA,
        MULTIPART_BOUNDARY_END, /* after the boundary: "--", or blanks and a line end */
        MULTIPART_HEADERS,
        MULTIPART_END,
    } state;
    char delimiter[MULTIPART_BOUNDARY_MAX + 5]; /* CR LF "--" boundary */
    size_t delimiter_len, matched;
    char tail[2]; /* of the boundary's line */
    size_t tail_len;
    char headers[MULTIPART_HEADERS_MAX];
    size_t headers_len;
};

/* True when the type is multipart/form-data, with or without a usable boundary. */
bool multipart_is(lh_str content_type);
lh_status multipart_init(struct multipart *m, lh_str content_type,
                         const struct multipart_handler *handler, struct lh_error *err);
lh_status multipart_feed(struct multipart *m, lh_bytes bytes, struct lh_error *err);
lh_status multipart_finish(const struct multipart *m, struct lh_error *err);

#endif
