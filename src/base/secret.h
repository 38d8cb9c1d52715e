/*
 * secret: keys and passwords by name, from outside the settings.
 *
 * An *entry* ("RESCUE", "S3_DOOR") has *fields* ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY",
 * "SESSION_TOKEN", "API_KEY"); both are written with capitals, digits and underscores. Three
 * sources are asked in this order, and the first that has the wanted field gives the whole entry:
 *
 *   environment  LAKEHOUSE_SECRET_<ENTRY>_<FIELD>
 *   file         `secrets.file`: TOML tables or JSON objects of strings, one an entry. Refused when
 *                it is not ours or when group or others may touch it; read anew at each load.
 *   command      `secrets.command` with the entry's name as last argument; prints a JSON object of
 *                strings. Bounded in time and output; its standard error is thrown away.
 *
 * Owns     values lie in memory of their own that is left out of core files, not inherited by
 *          children, locked when the system lets us, and cleared when it is given back. The
 *          variables are taken out of the environment at the first open or take, so that neither a
 *          core file nor a child process has them.
 * Values   never stand in an error, a log line or a metric; not even in part.
 * Fails    INVALID "secret.name"; NOT_FOUND "secret.no_entry"; DENIED "secret.file_mode"; CORRUPT
 *          "secret.syntax"; UNAVAILABLE "secret.command"; TOO_BIG "secret.too_big".
 * Threads  all functions from any thread, except that the first open or take, which changes the
 *          environment, comes before other threads read it.
 * Format   docs/formats/secrets.md
 */
#ifndef LH_BASE_SECRET_H
#define LH_BASE_SECRET_H

#include "base/config.h"

extern const struct lh_config_key lh_secret_config[]; /* "secrets.…" */

struct lh_secrets; /* the provider */
struct lh_secret;  /* one entry */

/* Moves LAKEHOUSE_SECRET_… out of the environment. Once for the process; later calls do nothing
 * unless there are new ones. */
void lh_secrets_take_environment(void);
/* Whether there is any source at all: what a process must not leave in a core file. */
bool lh_secrets_exist(const struct lh_config *config);

/* The settings outlive the provider. Nothing is read yet. */
struct lh_secrets *lh_secrets_open(const struct lh_config *config);
void lh_secrets_free(struct lh_secrets *s);
LH_AUTO_DEFINE(lh_secrets)

/* `field` is one that the entry must have. A NULL provider has no entries. */
lh_status lh_secrets_load(struct lh_secrets *s, lh_str entry, const char *field,
                          struct lh_secret **out, struct lh_error *err);
/* ptr NULL when the entry has no such field. Borrowed from the secret. */
lh_str lh_secret_field(const struct lh_secret *s, const char *field);
void lh_secret_free(struct lh_secret *s); /* clears */
LH_AUTO_DEFINE(lh_secret)

/* INVALID "secret.name". */
lh_status lh_secret_name_check(lh_str entry, struct lh_error *err);

#endif
