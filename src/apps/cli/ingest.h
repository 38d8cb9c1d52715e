/*
 * ingest: sending one body to POST /v1/ingest; shared by the verb and the demo.
 */
#ifndef LH_APPS_CLI_INGEST_H
#define LH_APPS_CLI_INGEST_H

#include "apps/cli/lake.h"

struct cli_ingest {
    const char *dataset;
    const char *mode, *key, *format, *types; /* NULL: left to the server */
    const char *file_name;                   /* kept as the version's source; may be NULL */
    bool evolve, preview, allow_duplicate;
    struct lh_source source;
};

/* The answer's JSON; caller json_decref. */
lh_status cli_ingest_send(struct cli_lake *lake, const struct cli_ingest *ingest, json_t **out,
                          struct lh_error *err);
/* "workers: version 3, 500,000 rows" on standard output. */
void cli_ingest_report(const json_t *answer);

/* A dataset name from a file name: "dir/My file-2.csv.gz" gives "My_file_2". Heap. */
char *cli_dataset_name_from(const char *path);

#endif
