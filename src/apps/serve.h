/*
 * serve: the life of a server process, from the command line to the exit code.
 *
 *     lakehouse serve [--config FILE] [--data DIR] [--listen HOST:PORT]
 *     catalogd        [--config FILE] [--data DIR] [--listen HOST:PORT]
 *
 * Prints `listening on http://HOST:PORT` on standard output, and nothing else there, once it is
 * bound and ready. SIGTERM or SIGINT ends it in order; a second one ends it at once.
 *
 * Exit     0 stopped in order, 1 could not start, 2 the command line or the settings are wrong, 3
 * the address would be open to other machines without a token.
 */
#ifndef LH_APPS_SERVE_H
#define LH_APPS_SERVE_H

#include "services/service.h"

enum lh_serve_exit {
    LH_SERVE_STOPPED = 0,
    LH_SERVE_FAILED = 1,
    LH_SERVE_USAGE = 2,
    LH_SERVE_INSECURE = 3,
};

/* Every service in this process. argv[0] is the verb. */
int lh_serve_main(int argc, char **argv);
/* One service. argv[0] is the program. */
int lh_daemon_main(const struct lh_service *service, int argc, char **argv);

#endif
