#include "apps/serve.h"

int
main(int argc, char **argv)
{
    return lh_daemon_main(&lh_vectord, argc, argv);
}
