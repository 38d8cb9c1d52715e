#include <stdio.h>
#include <stdlib.h>

#include "apps/cli/cli.h"
#include "base/config.h"
#include "services/host.h"

static int
config_run(int argc, char **argv)
{
    struct cli_common common;
    if (!cli_options_take(&cli_verb_config, NULL, &argc, argv, &common))
        return CLI_USAGE;
    const char *what = argc >= 1 ? argv[1] : "show";
    if (argc > 1)
        return cli_usage(&cli_verb_config, "unexpected \"%s\"", argv[2]);
    LH_AUTO_BUF(out, 4 << 20);
    if (strcmp(what, "reference") == 0) {
        lh_config_reference(lh_host_config_tables(), &out);
        fwrite(out.data, 1, out.len, stdout);
        return CLI_DONE;
    }
    if (strcmp(what, "check") != 0 && strcmp(what, "show") != 0)
        return cli_usage(&cli_verb_config, "\"%s\" is none of check, show, reference", what);
    LH_AUTO_ERROR(err);
    LH_AUTO(lh_config) *config = NULL;
    if (lh_config_load(lh_host_config_tables(), common.config, &config, &err) != LH_OK ||
        (strcmp(what, "check") == 0 && lh_host_config_check(config, &err) != LH_OK))
        return cli_fail(&err);
    if (strcmp(what, "check") == 0) {
        printf("%s is fine\n", common.config ? common.config : "the environment");
        return CLI_DONE;
    }
    lh_config_print(config, &out);
    fwrite(out.data, 1, out.len, stdout);
    return CLI_DONE;
}

const struct cli_verb cli_verb_config = {
    "config", "[show|check|reference] [--config FILE]", "show, check or explain the settings",
    "  show         every setting as it is in force, and where it comes from (secrets are masked)\n"
    "  check        say whether the file is fine; name line and column of the first mistake "
    "otherwise\n"
    "  reference    every setting there is, as Markdown\n\n"
    "  lakehouse config check --config /etc/lakehouse.toml\n",
    config_run};
