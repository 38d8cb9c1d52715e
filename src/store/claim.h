/*
 * claim: a folder that belongs to one living process, and is cleared away when that process has
 * died.
 *
 * The owner holds a lock (flock) on the folder itself. The kernel drops it when the process ends,
 * however it ends, so whoever finds such a folder unlocked knows that nobody will come back for it.
 * Process numbers are not used: they repeat, and mean nothing across containers that share a disk.
 *
 * Threads  a claim may be used by all threads after it is taken.
 */
#ifndef LH_STORE_CLAIM_H
#define LH_STORE_CLAIM_H

#include <sys/types.h>
#include "base/id.h"
#include "base/status.h"

struct store_claim {
    int fd; /* of the folder; -1: none */
    int parent_fd;
    char name[LH_UUID_TEXT];
};

#define STORE_CLAIM_NONE ((struct store_claim){.fd = -1, .parent_fd = -1})

/* Removes what dead processes left in the folder `parent_fd` and takes a fresh folder in it.
 * `parent_fd` is borrowed. */
lh_status store_claim_take(int parent_fd, struct store_claim *out, struct lh_error *err);
/* Removes the folder with all it holds. */
void store_claim_drop(struct store_claim *c);

/* A new file of the folder, open for reading and writing; `name` gets what it is called there. */
#define STORE_CLAIM_NAME_MAX 80
lh_status store_claim_file(const struct store_claim *c, const char *suffix, mode_t mode,
                           char name[STORE_CLAIM_NAME_MAX], int *fd, struct lh_error *err);

#endif
