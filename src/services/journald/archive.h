/*
 * archive: days of a log that are long over, as Parquet.
 *
 * A log grows by a small object every few milliseconds of writing. What is older than
 * journal.archive_after is put together: one object holds the records of many batches, each with
 * the batch and the line where it stood, so places and cursors stay what they are. Order:
 *
 *     1  the archive is put, read back and compared
 *     2  not before journal.archive_grace later, each batch is read again, compared with what the
 *        archive has of it, and removed
 *
 * Both steps may be repeated and may stop anywhere: in between, a batch stands in both places and
 * is read once. A batch that appears late (a slow clock) is read where it stands and is archived
 * the next time. A batch that cannot be read stays.
 *
 * Owns     an archive owns its texts.
 * Fails    as bucket and engine do; CORRUPT "journal.archive".
 * Format   docs/formats/append-log.md
 */
#ifndef LH_SERVICES_JOURNALD_ARCHIVE_H
#define LH_SERVICES_JOURNALD_ARCHIVE_H

#include "services/service.h"

#define JOURNAL_ARCHIVE_FOLDER "parquet/"

/* A log, as both sides see it. */
struct journal_archive_log {
    const struct lh_env *env;
    struct lh_bucket *bucket;
    const char *prefix;
    /* Is told of an archive that cannot be read, which is then passed over; NULL: it is a failure.
     */
    void (*broken)(void *self, const char *key, const struct lh_error *why);
    void *self;
};

/* Batches out of the archives of one day; keys without the prefix. */
struct journal_archive_batch {
    const char *key;
    lh_str text; /* lines, each with its end */
};

struct journal_archive {
    struct journal_archive_batch *batches; /* ascending by key, each once */
    size_t count, cap;
    int64_t newest_us; /* when the newest of its objects was put; 0: there are none */
    struct lh_arena arena;
};

/* `day` is YYYY-MM-DD. */
lh_status journal_archive_load(const struct journal_archive_log *log, struct lh_call *call,
                               const char *day, struct journal_archive *out, struct lh_error *err);
void journal_archive_fini(struct journal_archive *a);
/* ptr NULL when it has no such batch. */
lh_str journal_archive_find(const struct journal_archive *a, const char *key);
/* The first day with an archive; "" when there is none. */
lh_status journal_archive_first(const struct journal_archive_log *log, struct lh_call *call,
                                char day[11], struct lh_error *err);

/* One step of one day: archives what is not archived yet, removes what has been long enough. */
struct journal_archive_done {
    uint64_t archived, removed; /* batches */
};
lh_status
journal_archive_day(const struct journal_archive_log *log, struct lh_call *call, const char *day,
                    int64_t grace_us, struct journal_archive_done *done, struct lh_error *err);

#endif
