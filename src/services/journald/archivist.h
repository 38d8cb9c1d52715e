/*
 * archivist: the thread that archives the days of both logs (archive.h), every
 * journal.archive_interval; 0 switches it off.
 */
#ifndef LH_SERVICES_JOURNALD_ARCHIVIST_H
#define LH_SERVICES_JOURNALD_ARCHIVIST_H

#include "services/journald/journal.h"

struct journal_archivist;

lh_status
journal_archivist_start(struct journal *j, struct journal_archivist **out, struct lh_error *err);
void journal_archivist_stop(struct journal_archivist *a);

#endif
