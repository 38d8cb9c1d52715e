/*
 * s3 xml: the XML of requests, read element by element.
 *
 * The documents are small and flat: an element holds text or elements. A visitor hears each element
 * when it ends, with its depth (the root has 0), its name without namespace prefix and the text
 * that stood directly in it. Comments, processing instructions, CDATA and character references are
 * understood; a document type is refused, and with it every entity but the five of XML.
 *
 * Limits   16 levels; text of one element 16 KiB.
 * Fails    INVALID "s3.MalformedXML", or as the visitor fails.
 * Source   XML 1.0 (fifth edition).
 */
#ifndef LH_SERVICES_STORAGED_S3_XML_H
#define LH_SERVICES_STORAGED_S3_XML_H

#include "base/buf.h"

#define S3_XML_DEPTH_MAX 16
#define S3_XML_TEXT_MAX ((size_t)16 << 10)

struct s3_xml_visitor {
    lh_status (*element)(void *self, int depth, lh_str name, lh_str text, struct lh_error *err);
    void *self;
};

lh_status
door_xml_read(lh_str document, const struct s3_xml_visitor *visitor, struct lh_error *err);

#endif
