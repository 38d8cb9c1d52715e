/*
 * stand_in: what takes the place of the disk and of DuckDB.
 *
 * The store's list of buckets is one bucket over the shelf. A file of rows is its lines, "key
 * value", with nothing around them: converting copies, merging works on lines, and a table (a
 * manifest) is JSON. Everything between these and the routes is the real code.
 */
#ifndef LH_SIM_STAND_IN_H
#define LH_SIM_STAND_IN_H

#include "engine/convert.h"
#include "engine/table.h"
#include "seams.h"
#include "services/queryd/client.h"
#include "services/service.h"

SEAM(lh_status, lh_store_open, const struct lh_config *config, const char *data_dir,
     struct lh_secrets *secrets, struct lh_store **out, struct lh_error *err);
SEAM(void, lh_store_free, struct lh_store *s);
SEAM(void, lh_store_on_rescue, struct lh_store *s, lh_rescue_listener listener, void *self);
SEAM(struct lh_bucket *, lh_store_primary, struct lh_store *s);
SEAM(lh_status, lh_store_bucket, struct lh_store *s, struct lh_call *call, lh_str name,
     struct lh_bucket **out, struct lh_error *err);
SEAM(const char *, lh_store_spool_dir, struct lh_store *s);
SEAM(lh_status, lh_store_spool_file, struct lh_store *s, const char *suffix, char *path,
     size_t path_size, int *fd, struct lh_error *err);
SEAM(lh_status, lh_env_work_engine, const struct lh_env *env, struct lh_engine **out,
     struct lh_error *err);
SEAM(lh_status, lh_table_encode, struct lh_engine *work, struct lh_call *call,
     const struct lh_table *t, struct lh_buf *parquet, struct lh_error *err);
SEAM(lh_status, lh_table_decode, struct lh_engine *work, struct lh_call *call, lh_bytes parquet,
     struct lh_table **out, struct lh_error *err);
SEAM(lh_status, lh_convert_file, struct lh_engine *work, struct lh_call *call,
     const struct lh_convert_options *options, struct lh_convert_result *out, struct lh_error *err);
SEAM(lh_status, lh_merge_files, struct lh_engine *work, struct lh_call *call,
     const struct lh_merge_options *options, struct lh_convert_result *out, struct lh_error *err);

SEAM(lh_status, lh_query_reading, struct lh_mesh *m, struct lh_call *call, int64_t before_us,
     json_t **out, struct lh_error *err);

SEAM(lh_status, lh_rows_write, struct lh_engine *work, struct lh_call *call,
     const struct lh_rows *rows, const char *path, struct lh_error *err);
SEAM(lh_status, lh_rows_digest, struct lh_engine *work, struct lh_call *call,
     const struct lh_rows *rows, struct lh_rows_digest *out, struct lh_error *err);
SEAM(lh_status, lh_footer_statistics, struct lh_engine *work, struct lh_call *call,
     const char *const *uris, size_t count, struct lh_convert_result *out, struct lh_error *err);

/* Where spooled files of this program are. */
void stand_in_begin(void);
void stand_in_end(void);

#endif
