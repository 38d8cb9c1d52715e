/*
 * answer: what POST /v1/ingest says (../../../api/openapi.yaml, "Ingest").
 */
#ifndef LH_SERVICES_INGESTD_ANSWER_H
#define LH_SERVICES_INGESTD_ANSWER_H

#include "services/ingestd/ingest.h"

void answer_print(const struct ingest *in, const struct ingest_outcome *o, struct lh_buf *out);
void
answer_preview_print(const struct ingest *in, const struct ingest_outcome *o, struct lh_buf *out);

#endif
