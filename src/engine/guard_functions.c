/*
 * The list is kept by subject, so that it can be read. What all allowed functions have in common:
 * their value follows from their arguments, the clock or chance; they read no file, no setting, no
 * catalog, no other query's data, and change nothing that outlives the statement. Macros were
 * followed to the functions they call.
 *
 * Names that DuckDB's parser makes of syntax (count_star, ~~, row …) are functions like the others.
 */
#include "engine/guard_functions.h"

#include <pthread.h>
#include <stdlib.h>
#include <strings.h>

struct group {
    unsigned use;
    const char *why;
    const char *names;
};

enum {
    S = GUARD_USE_SCALAR,
    A = GUARD_USE_AGGREGATE,
    W = GUARD_USE_WINDOW,
    T = GUARD_USE_TABLE,
};

#define FILES "it reads or writes files"
#define SETTINGS "it shows or changes settings of the engine"
#define CATALOG "it shows the engine's own catalog"
#define SESSION "it shows or changes the state of the session"
#define ANY_SQL "it runs SQL given as text"
#define INTERNAL "it is internal to DuckDB"
#define TESTING "it exists for DuckDB's own tests"
#define LOGGING "it reads or writes DuckDB's log"

static const struct group groups[] = {
    /* operators */
    {S, NULL, "+ - * / // % ** ^ @ & && | ~ << >> || -> ->> <-> <=> <@ @> ^@ ! !__postfix"},
    {S, NULL, "~~ !~~ ~~* !~~* ~~~ ilike_escape not_ilike_escape like_escape not_like_escape"},
    /* numbers */
    {S, NULL,
     "abs acos acosh add asin asinh atan atan2 atanh cbrt ceil ceiling cos cosh cot degrees divide "
     "even exp factorial fdiv floor fmod gamma gcd greatest greatest_common_divisor isfinite isinf "
     "isnan lcm least least_common_multiple lgamma ln log log10 log2 mod multiply nextafter pi pow "
     "power radians random round round_even roundbankers sign signbit sin sinh sqrt subtract tan "
     "tanh trunc xor bit_count bit_position bitstring get_bit set_bit equi_width_bins "
     "is_histogram_other_bin width_bucket"},
    /* text */
    {S, NULL,
     "array_to_string array_to_string_comma_default ascii bar base64 bin bit_length char_length "
     "character_length chr concat concat_ws contains damerau_levenshtein editdist3 ends_with "
     "format "
     "formatReadableDecimalSize formatReadableSize format_bytes from_base64 from_binary from_hex "
     "hamming hex instr jaccard jaro_similarity jaro_winkler_similarity lcase left left_grapheme "
     "len length length_grapheme levenshtein lower lpad ltrim md5 md5_number md5_number_lower "
     "md5_number_upper mismatches nfc_normalize octet_length ord parse_dirname parse_dirpath "
     "parse_filename parse_path position prefix printf regexp_escape regexp_extract "
     "regexp_extract_all regexp_full_match regexp_matches regexp_replace regexp_split_to_array "
     "regexp_split_to_table repeat replace reverse right right_grapheme rpad rtrim sha1 sha256 "
     "split split_part starts_with str_split str_split_regex string_split string_split_regex "
     "string_to_array strip_accents strlen strpos substr substring substring_grapheme suffix "
     "to_base to_base64 to_binary to_hex translate trim ucase unbin unhex unicode upper url_decode "
     "url_encode encode decode pg_size_pretty"},
    /* dates and times */
    {S, NULL,
     "age century current_date current_localtime current_localtimestamp date_add date_diff "
     "date_part date_sub date_trunc datediff datepart datesub datetrunc day dayname dayofmonth "
     "dayofweek dayofyear decade epoch epoch_ms epoch_ns epoch_us era get_current_time "
     "get_current_timestamp hour isodow isoyear julian last_day make_date make_time make_timestamp "
     "make_timestamp_ms make_timestamp_ns make_timestamptz microsecond millennium millisecond "
     "minute month monthname nanosecond normalized_interval now quarter second strftime strptime "
     "time_bucket timetz_byte_comparable timezone timezone_hour timezone_minute to_centuries "
     "to_days to_decades to_hours to_microseconds to_millennia to_milliseconds to_minutes "
     "to_months "
     "to_quarters to_seconds to_timestamp to_weeks to_years today transaction_timestamp "
     "try_strptime week weekday weekofyear year yearweek"},
    /* lists and arrays */
    {S, NULL,
     "aggregate apply array_aggr array_aggregate array_append array_apply array_cat array_concat "
     "array_contains array_cosine_distance array_cosine_similarity array_cross_product "
     "array_distance array_distinct array_dot_product array_extract array_filter array_grade_up "
     "array_has array_has_all array_has_any array_indexof array_inner_product array_intersect "
     "array_length array_negative_dot_product array_negative_inner_product array_pop_back "
     "array_pop_front array_position array_prepend array_push_back array_push_front array_reduce "
     "array_resize array_reverse array_reverse_sort array_select array_slice array_sort "
     "array_transform array_unique array_value array_where array_zip filter flatten "
     "generate_subscripts grade_up list_aggr list_aggregate list_any_value list_append list_apply "
     "list_approx_count_distinct list_avg list_bit_and list_bit_or list_bit_xor list_bool_and "
     "list_bool_or list_cat list_concat list_contains list_cosine_distance list_cosine_similarity "
     "list_count list_distance list_distinct list_dot_product list_element list_entropy "
     "list_extract list_filter list_first list_grade_up list_has list_has_all list_has_any "
     "list_histogram list_indexof list_inner_product list_intersect list_kurtosis "
     "list_kurtosis_pop list_last list_mad list_max list_median list_min list_mode "
     "list_negative_dot_product list_negative_inner_product list_pack list_position list_prepend "
     "list_product list_reduce list_resize list_reverse list_reverse_sort list_select list_sem "
     "list_skewness list_slice list_sort list_stddev_pop list_stddev_samp list_string_agg list_sum "
     "list_transform list_unique list_value list_var_pop list_var_samp list_where list_zip reduce "
     "unpivot_list"},
    /* structs, maps, unions, enums */
    {S, NULL,
     "cardinality element_at enum_code enum_first enum_last enum_range enum_range_boundary map "
     "map_concat map_contains map_contains_entry map_contains_value map_entries map_extract "
     "map_extract_value map_from_entries map_keys map_values row struct_concat struct_contains "
     "struct_extract struct_extract_at struct_has struct_indexof struct_insert struct_pack "
     "struct_position struct_update union_extract union_tag union_value"},
    /* JSON */
    {S, NULL,
     "array_to_json from_json from_json_strict json json_array json_array_length json_contains "
     "json_exists json_extract json_extract_path json_extract_path_text json_extract_string "
     "json_keys json_merge_patch json_object json_pretty json_quote json_structure json_transform "
     "json_transform_strict json_type json_valid json_value row_to_json to_json"},
    {A, NULL, "json_group_array json_group_object json_group_structure"},
    /* the rest */
    {S, NULL,
     "alias can_cast_implicitly cast_to_type error gen_random_uuid hash nullif pg_typeof "
     "typeof uuid uuid_extract_timestamp uuid_extract_version uuidv4 uuidv7 constant_or_null"},
    {S, NULL,
     "current_catalog current_database current_role current_schema current_user session_user user "
     "version"},
    {S, NULL, "icu_sort_key"}, /* and icu_collate_*, see guard_function_find */
    /* aggregates */
    {A, NULL,
     "any_value approx_count_distinct approx_quantile approx_top_k arbitrary arg_max arg_max_null "
     "arg_min arg_min_null argmax argmin array_agg avg bit_and bit_or bit_xor bitstring_agg "
     "bool_and bool_or corr count count_if count_star countif covar_pop covar_samp entropy favg "
     "first fsum geomean geometric_mean group_concat histogram histogram_exact kahan_sum kurtosis "
     "kurtosis_pop last list listagg mad max max_by mean median min min_by mode product quantile "
     "quantile_cont quantile_disc regr_avgx regr_avgy regr_count regr_intercept regr_r2 regr_slope "
     "regr_sxx regr_sxy regr_syy reservoir_quantile sem skewness stddev stddev_pop stddev_samp "
     "string_agg sum sum_no_overflow sumkahan var_pop var_samp variance wavg weighted_avg"},
    /* windows */
    {W, NULL,
     "row_number rank rank_dense dense_rank percent_rank cume_dist ntile lead lag first_value "
     "last_value nth_value fill"},
    /* tables */
    {T | S, NULL, "generate_series range repeat unnest unlist"},
    {T, NULL, "vector_search text_search"}, /* ours: engine/search.h */
    {T, NULL, "repeat_row json_each json_tree pg_timezone_names icu_calendar_names"},

    /* ---- not allowed ---- */
    {0, FILES,
     "add_parquet_key copy_database glob import_database metadata_info parquet_bloom_probe "
     "parquet_file_metadata parquet_full_metadata parquet_kv_metadata parquet_metadata "
     "parquet_scan "
     "parquet_schema read_blob read_csv read_csv_auto read_json read_json_auto read_json_objects "
     "read_json_objects_auto read_ndjson read_ndjson_auto read_ndjson_objects read_parquet "
     "read_text sniff_csv checkpoint force_checkpoint duckdb_temporary_files "
     "duckdb_external_file_cache"},
    {0, "it reads the environment of the process", "getenv"},
    {0, ANY_SQL, "query query_table json_execute_serialized_sql histogram_values"},
    {0, "it takes statements apart",
     "json_deserialize_sql json_serialize_plan json_serialize_sql check_peg_parser "
     "sql_auto_complete"},
    {0, SETTINGS,
     "current_setting duckdb_settings duckdb_optimizers duckdb_secret_types duckdb_secrets "
     "which_secret disable_checkpoint_on_shutdown disable_object_cache disable_optimizer "
     "disable_print_progress_bar disable_profile disable_profiling disable_progress_bar "
     "disable_verification disable_verify_external disable_verify_fetch_row "
     "disable_verify_parallelism disable_verify_serializer enable_checkpoint_on_shutdown "
     "enable_object_cache enable_optimizer enable_print_progress_bar enable_profile "
     "enable_profiling enable_progress_bar enable_verification verify_external verify_fetch_row "
     "verify_parallelism verify_serializer all_profiling_output platform pragma_platform "
     "user_agent pragma_user_agent pragma_version extension_versions"},
    {0, CATALOG,
     "collations database_list database_size duckdb_approx_database_count duckdb_columns "
     "duckdb_connection_count duckdb_constraints duckdb_databases duckdb_dependencies "
     "duckdb_extensions duckdb_functions duckdb_indexes duckdb_keywords duckdb_memory "
     "duckdb_prepared_statements duckdb_schemas duckdb_sequences duckdb_table_sample duckdb_tables "
     "duckdb_types duckdb_views functions get_block_size in_search_path pragma_collations "
     "pragma_database_size pragma_metadata_info pragma_show pragma_storage_info pragma_table_info "
     "show show_databases show_tables show_tables_expanded storage_info table_info "
     "current_schemas stats"},
    {0, "it answers for PostgreSQL's catalog, which is not here",
     "col_description format_pg_type format_type has_any_column_privilege has_column_privilege "
     "has_database_privilege has_foreign_data_wrapper_privilege has_function_privilege "
     "has_language_privilege has_schema_privilege has_sequence_privilege has_server_privilege "
     "has_table_privilege has_tablespace_privilege inet_client_addr inet_client_port "
     "inet_server_addr inet_server_port map_to_pg_oid obj_description pg_collation_is_visible "
     "pg_conf_load_time pg_conversion_is_visible pg_function_is_visible pg_get_constraintdef "
     "pg_get_expr pg_get_viewdef pg_has_role pg_is_other_temp_schema pg_my_temp_schema "
     "pg_opclass_is_visible pg_operator_is_visible pg_opfamily_is_visible "
     "pg_postmaster_start_time pg_table_is_visible pg_ts_config_is_visible pg_ts_dict_is_visible "
     "pg_ts_parser_is_visible pg_ts_template_is_visible pg_type_is_visible shobj_description"},
    {0, SESSION,
     "current_connection_id current_query current_query_id current_transaction_id currval "
     "duckdb_variables getvariable nextval setseed txid_current"},
    {0, LOGGING,
     "disable_logging duckdb_log_contexts duckdb_logs duckdb_logs_parsed enable_logging "
     "parse_duckdb_log_message truncate_duckdb_logs write_log"},
    {0, TESTING, "summary test_all_types test_vector_types"},
    {0, "it works on bytes that DuckDB trusts", "combine finalize"},
    {0, INTERNAL,
     "arrow_scan arrow_scan_dumb create_sort_key index_scan pandas_scan remap_struct replace_type "
     "seq_scan variant_extract variant_typeof vector_type"},
};

/* Views on the search path: main and pg_catalog. Those of information_schema need their schema,
 * which is refused. */
static const char catalog_views[] =
    "duckdb_columns duckdb_constraints duckdb_databases duckdb_indexes duckdb_logs duckdb_schemas "
    "duckdb_tables duckdb_types duckdb_views pragma_database_list sqlite_master sqlite_schema "
    "sqlite_temp_master sqlite_temp_schema pg_am pg_attrdef pg_attribute pg_class pg_constraint "
    "pg_database pg_depend pg_description pg_enum pg_index pg_indexes pg_namespace "
    "pg_prepared_statements pg_proc pg_sequence pg_sequences pg_settings pg_tables pg_tablespace "
    "pg_type pg_views";

/* ---- the table ---- */

enum { TABLE_MAX = 1024 };

static struct guard_function table[TABLE_MAX];
static size_t table_count;

static int
function_cmp(const void *a, const void *b)
{
    lh_str x = ((const struct guard_function *)a)->name,
           y = ((const struct guard_function *)b)->name;
    int order = strncasecmp(x.ptr, y.ptr, x.len < y.len ? x.len : y.len);

    return order != 0 ? order : (x.len > y.len) - (x.len < y.len);
}

/* A name in several groups may be used as each of them says. */
static void
table_merge(void)
{
    size_t kept = 0;

    for (size_t i = 1; i < table_count; i++) {
        if (function_cmp(&table[kept], &table[i]) == 0)
            table[kept].use |= table[i].use;
        else
            table[++kept] = table[i];
    }
    table_count = kept + 1;
}

static void
table_build(void)
{
    for (size_t i = 0; i < sizeof(groups) / sizeof(groups[0]); i++) {
        lh_str rest = lh_str_of(groups[i].names), name;

        while (table_count < TABLE_MAX && lh_str_next(&rest, ' ', &name))
            table[table_count++] = (struct guard_function){name, groups[i].use, groups[i].why};
    }
    qsort(table, table_count, sizeof(table[0]), function_cmp);
    table_merge();
}

/* ICU has a collation function for each of some 150 locales; they differ in nothing else. */
static const struct guard_function *
by_prefix(lh_str name)
{
    static const struct guard_function collate = {.name = {"icu_collate_", 12}, .use = S};
    static const struct guard_function internal = {.name = {"__internal_", 11}, .why = INTERNAL};

    if (lh_str_eq_nocase(lh_str_slice(name, 0, collate.name.len), collate.name))
        return &collate;
    if (lh_str_eq_nocase(lh_str_slice(name, 0, internal.name.len), internal.name))
        return &internal;
    return NULL;
}

const struct guard_function *
guard_function_find(lh_str name)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    struct guard_function wanted = {.name = name};
    const struct guard_function *found;

    pthread_once(&once, table_build);
    found = bsearch(&wanted, table, table_count, sizeof(table[0]), function_cmp);
    return found ? found : by_prefix(name);
}

bool
guard_name_is_catalog_view(lh_str name)
{
    lh_str rest = lh_str_of(catalog_views), view;

    while (lh_str_next(&rest, ' ', &view))
        if (lh_str_eq_nocase(view, name))
            return true;
    return false;
}
