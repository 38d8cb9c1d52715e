#include "engine/footers.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/hash.h"
#include "base/thread.h"
#include "engine/lake_fs.h"

enum { PLACES = 4096 };

struct engine_footers {
    pthread_mutex_t lock;
    char *places[PLACES];
};

struct engine_footers *
engine_footers_new(void)
{
    struct engine_footers *f = LH_NEW(struct engine_footers);

    pthread_mutex_init(&f->lock, NULL);
    return f;
}

void
engine_footers_free(struct engine_footers *f)
{
    if (!f)
        return;
    for (size_t i = 0; i < PLACES; i++)
        free(f->places[i]);
    pthread_mutex_destroy(&f->lock);
    free(f);
}

/* The name that had the place before, NULL when it was free or the same. */
static char *
place_take(struct engine_footers *f, const char *uri)
{
    LH_AUTO_LOCK(&f->lock);
    char **place = &f->places[lh_xxh64(uri, strlen(uri), 0) % PLACES];
    char *before = *place;

    if (before && strcmp(before, uri) == 0)
        return NULL;
    *place = lh_strdup(uri);
    return before;
}

void
engine_footers_note(struct engine_footers *f, duckdb_connection connection, const char *uri)
{
    LH_AUTO_CHARS before = place_take(f, uri);

    if (before)
        engine_footer_forget(connection, before);
}
