/*
 * lake: the lake a verb works on, near or far.
 *
 * The same requests go either to a server over HTTP or to the gateway's routes in this process,
 * with no socket between. Which of them is decided once, at open:
 *
 *   --url given                 that server
 *   --data given                the server that says it serves this folder, else the folder opened
 * here neither                     the same for ./data; a server on 127.0.0.1:3100; ./data opened
 * here
 *
 * A server says so in `<data>/server.url`, which it writes when it listens and removes when it
 * stops; a stale file is recognised by nobody answering.
 */
#ifndef LH_APPS_CLI_LAKE_H
#define LH_APPS_CLI_LAKE_H

#include "apps/cli/cli.h"
#include "net/http.h"

struct cli_lake;

enum cli_lake_need { CLI_LAKE_READS, CLI_LAKE_MAY_CREATE };

lh_status cli_lake_open(const struct cli_common *common, enum cli_lake_need need,
                        struct cli_lake **out, struct lh_error *err);
void cli_lake_free(struct cli_lake *lake);
static inline void
cli_lake_auto(struct cli_lake **lake)
{
    cli_lake_free(*lake);
}
#define CLI_AUTO_LAKE __attribute__((cleanup(cli_lake_auto))) struct cli_lake *

const char *cli_lake_where(const struct cli_lake *lake); /* URL, or "folder (opened here)" */

struct cli_request {
    enum lh_method method;
    const char *path; /* with query */
    const char *accept;
    const char *content_type;
    lh_bytes body;
    struct lh_source *source; /* instead of body */
};

/* The answer's body goes to `body`; an error status comes back as its failure. */
lh_status cli_lake_send(struct cli_lake *lake, const struct cli_request *request,
                        struct lh_buf *body, struct lh_error *err);
/* The body goes to `sink` piece by piece instead. */
lh_status cli_lake_stream(struct cli_lake *lake, const struct cli_request *request,
                          lh_status (*sink)(void *self, lh_bytes bytes, struct lh_error *err),
                          void *self, struct lh_error *err);
/* GET or POST with a JSON answer. Caller json_decref. */
lh_status cli_lake_json(struct cli_lake *lake, enum lh_method method, const char *path,
                        const struct lh_buf *body, json_t **out, struct lh_error *err);

/* Ctrl-C while a request runs cancels it; cli_lake_send then fails with CANCELED. */
void cli_lake_interruptible(struct cli_lake *lake);
/* Waits between two requests of one that Ctrl-C is to end: CANCELED "cli.interrupted" then. */
lh_status cli_lake_pause(struct cli_lake *lake, int64_t ms, struct lh_error *err);

#endif
