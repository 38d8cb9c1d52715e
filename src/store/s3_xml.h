/*
 * s3_xml: reading the small XML documents of the S3 protocol.
 *
 * Walks a document and tells of every element when it ends, by the names of the elements around it:
 * "ListBucketResult/Contents/Key". Text is what stands directly inside, with entities resolved.
 * Attributes are passed over, and so is the prefix of a name. What the protocol does not need is
 * refused: document types, entities other than the five of XML and numbers, CDATA, processing
 * instructions behind the first line, more than S3_XML_DEPTH levels.
 *
 * Fails    CORRUPT "s3.xml"; or as the visitor does.
 * Source   https://www.w3.org/TR/xml/
 */
#ifndef LH_STORE_S3_XML_H
#define LH_STORE_S3_XML_H

#include "base/buf.h"
#include "base/status.h"

#define S3_XML_DEPTH 8
#define S3_XML_PATH_MAX 256
#define S3_XML_TEXT_MAX ((size_t)64 << 10)

/* `path` and `text` are valid during the call only. */
typedef lh_status s3_xml_visit(void *self, const char *path, lh_str text, struct lh_error *err);

lh_status s3_xml_walk(lh_str document, s3_xml_visit *visit, void *self, struct lh_error *err);

/* Appends `s` as text of an element. */
void s3_xml_escape(struct lh_buf *out, lh_str s);

#endif
