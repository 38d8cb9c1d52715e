/*
 * encoding: hex, base64 (RFC 4648), percent-encoding (RFC 3986) between bytes and text.
 *
 * Encoders append to a buffer. Decoders append too, and are strict: a wrong digit, wrong padding or
 * a stray byte is false, and the buffer keeps what it had.
 */
#ifndef LH_BASE_ENCODING_H
#define LH_BASE_ENCODING_H

#include "base/buf.h"

/* 0 to 15 in either case, or -1. */
int lh_hex_value(char c);
void lh_hex_encode(struct lh_buf *out, lh_bytes in); /* lower case */
bool lh_hex_decode(struct lh_buf *out, lh_str in);
void lh_base64_encode(struct lh_buf *out, lh_bytes in);
bool lh_base64_decode(struct lh_buf *out, lh_str in);
/* Everything but unreserved characters becomes %XX; `keep_slash` leaves '/' as it is. */
void lh_percent_encode(struct lh_buf *out, lh_str in, bool keep_slash);
/* `plus_is_blank` for query strings. */
bool lh_percent_decode(struct lh_buf *out, lh_str in, bool plus_is_blank);

#endif
