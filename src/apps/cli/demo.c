/* The demo verb: real files of the vega-datasets package and the made-up staffing company, into the
 * lake or into a folder. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "apps/cli/ingest.h"
#include "apps/cli/progress.h"
#include "apps/cli/staffing.h"
#include "base/alloc.h"
#include "base/file.h"

#define SAMPLE_FILE_MAX ((size_t)64 << 20)

/* Files of vega-datasets 3.2.1 (BSD-3-Clause), each with its sources named in that package. */
static const struct sample {
    const char *dataset, *file;
} samples[] = {
    {"airports", "airports.csv"},
    {"flights", "flights-20k.json"},
    {"movies", "movies.json"},
    {"zipcodes", "zipcodes.csv"},
    {"seattle_weather", "seattle-weather.csv"},
    {"cars", "cars.json"},
    {"stocks", "stocks.csv"},
    {"birdstrikes", "birdstrikes.csv"},
};

/* Where `npm` put the package: beside the build folder this program stands in, or
 * LAKEHOUSE_SAMPLES. Heap, NULL when nowhere. */
static char *
samples_folder(void)
{
    const char *set = getenv("LAKEHOUSE_SAMPLES");
    if (set && *set)
        return lh_strdup(set);
    char self[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
    if (n <= 0)
        return NULL;
    self[n] = 0;
    char *folder = lh_asprintf("%s/../../node_modules/vega-datasets/data", dirname(self));
    if (access(folder, R_OK) == 0)
        return folder;
    free(folder);
    return NULL;
}

struct buffer_source {
    lh_bytes rest;
};

static lh_status
buffer_read(void *self, void *to, size_t size, size_t *got, struct lh_error *err)
{
    (void)err;
    struct buffer_source *b = self;
    *got = b->rest.len < size ? b->rest.len : size;
    memcpy(to, b->rest.ptr, *got);
    b->rest = lh_bytes_of(b->rest.ptr + *got, b->rest.len - *got);
    return LH_OK;
}

static lh_status
sample_send(struct cli_lake *lake, const char *folder, const struct sample *sample,
            struct lh_error *err)
{
    LH_AUTO_BUF(content, SAMPLE_FILE_MAX);
    LH_AUTO_JSON answer = NULL;
    LH_AUTO_CHARS path = lh_asprintf("%s/%s", folder, sample->file);
    LH_TRY(lh_file_read(path, content.max, &content, err));
    struct buffer_source source = {lh_buf_bytes(&content)};
    struct cli_ingest ingest = {.dataset = sample->dataset,
                                .file_name = sample->file,
                                .source = {buffer_read, &source, (int64_t)content.len}};
    LH_TRY(cli_ingest_send(lake, &ingest, &answer, err));
    cli_ingest_report(answer);
    return LH_OK;
}

/* Counts what the generator hands out. */
struct shown_source {
    struct staffing_source rows;
    struct cli_progress progress;
};

static lh_status
shown_read(void *self, void *to, size_t size, size_t *got, struct lh_error *err)
{
    struct shown_source *s = self;
    LH_TRY(staffing_source_read(&s->rows, to, size, got, err));
    cli_progress_add(&s->progress, *got);
    return LH_OK;
}

static lh_status
staffing_send(struct cli_lake *lake, const struct staffing_table *table,
              const struct staffing_scale *scale, struct lh_error *err)
{
    LH_AUTO_JSON answer = NULL;
    struct shown_source source;
    staffing_source_init(&source.rows, table, scale);
    cli_progress_begin(&source.progress, table->name, 0);
    struct cli_ingest ingest = {.dataset = table->name,
                                .format = "csv",
                                .file_name = "staffing sample",
                                .source = {shown_read, &source, -1}};
    lh_status status = cli_ingest_send(lake, &ingest, &answer, err);
    cli_progress_end(&source.progress);
    staffing_source_fini(&source.rows);
    if (status == LH_OK)
        cli_ingest_report(answer);
    return status;
}

static lh_status
staffing_write(const char *folder, const struct staffing_table *table,
               const struct staffing_scale *scale, struct lh_error *err)
{
    static char block[256 << 10];
    LH_AUTO_CHARS path = lh_asprintf("%s/%s.csv", folder, table->name);
    LH_AUTO_FD fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd < 0)
        return lh_fail_errno(err, errno, "creating \"%s\"", path);
    struct staffing_source source;
    staffing_source_init(&source, table, scale);
    lh_status status;
    size_t got = 0;
    do {
        status = staffing_source_read(&source, block, sizeof(block), &got, err);
        if (status == LH_OK)
            status = lh_file_write_all(fd, lh_bytes_of(block, got), err);
    } while (status == LH_OK && got > 0);
    staffing_source_fini(&source);
    if (status == LH_OK)
        printf("%s: %llu rows\n", path, (unsigned long long)staffing_rows(scale, table));
    return status;
}

static lh_status
folder_fill(const char *folder, const struct staffing_scale *scale, struct lh_error *err)
{
    LH_TRY(lh_dir_make(folder, 0755, err));
    for (const struct staffing_table *t = staffing_tables; t->name; t++)
        LH_TRY(staffing_write(folder, t, scale, err));
    return LH_OK;
}

static lh_status
lake_fill(struct cli_lake *lake, const struct staffing_scale *scale, bool only_staffing,
          struct lh_error *err)
{
    LH_AUTO_CHARS folder = only_staffing ? NULL : samples_folder();
    for (size_t i = 0; folder && i < sizeof(samples) / sizeof(samples[0]); i++)
        LH_TRY(sample_send(lake, folder, &samples[i], err));
    if (!folder && !only_staffing)
        puts("(the vega-datasets package is not there; set LAKEHOUSE_SAMPLES to its data folder)");
    for (const struct staffing_table *t = staffing_tables; t->name; t++)
        LH_TRY(staffing_send(lake, t, scale, err));
    return LH_OK;
}

static int
demo_run(int argc, char **argv)
{
    struct cli_common common;
    const char *scale_text = "0.1", *out = NULL;
    bool only_staffing = false;
    const struct cli_option own[] = {{"scale", &scale_text, NULL},
                                     {"out", &out, NULL},
                                     {"only-staffing", NULL, &only_staffing},
                                     {0}};
    if (!cli_options_take(&cli_verb_demo, own, &argc, argv, &common))
        return CLI_USAGE;
    double factor;
    if (!lh_str_f64(lh_str_of(scale_text), &factor) || !(factor > 0 && factor <= 100))
        return cli_usage(&cli_verb_demo, "--scale is a number above 0 and up to 100");
    struct staffing_scale scale = staffing_scale_of(factor);
    LH_AUTO_ERROR(err);
    if (out)
        return folder_fill(out, &scale, &err) == LH_OK ? CLI_DONE : cli_fail(&err);
    CLI_AUTO_LAKE lake = NULL;
    if (cli_lake_open(&common, CLI_LAKE_MAY_CREATE, &lake, &err) != LH_OK)
        return cli_fail(&err);
    cli_lake_interruptible(lake);
    return lake_fill(lake, &scale, only_staffing, &err) == LH_OK ? CLI_DONE : cli_fail(&err);
}

const struct cli_verb cli_verb_demo = {
    "demo", "[--scale N] [--only-staffing] [--out DIR]", "fill the lake with sample data",
    "Real tables (airports, flights, movies, zipcodes, weather …) and a made-up staffing company: "
    "workers, clients,\n"
    "job_orders, placements, timesheets, call_log, interviews.\n\n"
    "  --scale N          1 is 500,000 workers and 2.4 million rows in all; 0.1 unless told\n"
    "  --only-staffing    leave the real tables out\n"
    "  --out DIR          write the staffing tables as CSV files instead\n",
    demo_run};
