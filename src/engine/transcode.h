/*
 * transcode: which encoding a text file is in, and the way from it to UTF-8.
 *
 * A byte order mark decides; without one, zero bytes at every second place mean UTF-16. Everything
 * else is taken for UTF-8 until the records show otherwise (engine/convert.c): Latin-1 cannot be
 * told from the first bytes of a file. Bytes 0x80 to 0x9F of "Latin-1" are read as Windows-1252, as
 * browsers do (https://encoding.spec.whatwg.org/#names-and-labels).
 *
 * Fails    INVALID "ingest.unreadable" with the offset of a lone surrogate or half a code unit.
 */
#ifndef LH_ENGINE_TRANSCODE_H
#define LH_ENGINE_TRANSCODE_H

#include "base/str.h"
#include "net/call.h"

enum encoding { ENCODING_UTF8, ENCODING_UTF16LE, ENCODING_UTF16BE, ENCODING_LATIN1 };

const char *encoding_name(enum encoding e); /* "utf-8", "utf-16le", "utf-16be", "latin-1" */
/* By the charset of a Content-Type; false for an unknown one. */
bool encoding_parse(lh_str charset, enum encoding *out);
/* *bom gets the length of the mark. */
enum encoding encoding_sniff(lh_bytes head, size_t *bom);

/* Text that is no UTF-8: do its other bytes stand where accented letters and signs stand in
 * Latin-1? Damage does not look like that. */
bool encoding_is_latin1(lh_bytes text);

lh_status transcode_to_utf8(enum encoding from, struct lh_call *call, lh_bytes in, int fd_to,
                            struct lh_error *err);

#endif
