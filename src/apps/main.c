/* lakehouse: `serve` runs the lake, every other verb is the command line's. */
#include <stdio.h>
#include <string.h>
#include "apps/cli/cli.h"
#include "apps/serve.h"

int
main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "serve") == 0)
        return lh_serve_main(argc - 1, argv + 1);
    if (argc > 1 && strcmp(argv[1], "--version") == 0) {
        printf("lakehouse " LH_VERSION "\n");
        return 0;
    }
    return lh_cli_main(argc, argv);
}
