--# COPY of a table to a file
COPY workers TO '/tmp/out.csv'
--# COPY of a query to a file
COPY (SELECT * FROM workers) TO '/tmp/out.parquet' (FORMAT parquet)
--# COPY from a file into a table
COPY workers FROM '/etc/passwd'
--# COPY to a shell-like device
COPY (SELECT 1) TO '/dev/stdout'
--# COPY of a whole database
COPY FROM DATABASE memory TO other
--# ATTACH of a file
ATTACH 'other.db' AS other
--# ATTACH of a file, read-only
ATTACH '/var/lib/secret.db' (READ_ONLY)
--# ATTACH OR REPLACE
ATTACH OR REPLACE 'x.db' AS memory
--# DETACH
DETACH memory
--# USE another schema
USE information_schema
--# INSTALL of an extension
INSTALL httpfs
--# INSTALL from a repository
INSTALL spatial FROM community
--# FORCE INSTALL from a URL
FORCE INSTALL x FROM 'http://localhost/repository'
--# LOAD of an extension by name
LOAD httpfs
--# LOAD of a shared library
LOAD '/tmp/evil.duckdb_extension'
--# UPDATE EXTENSIONS
UPDATE EXTENSIONS
--# PRAGMA call
PRAGMA database_list
--# PRAGMA assignment
PRAGMA memory_limit='100GB'
--# PRAGMA that shows a table
PRAGMA table_info('workers')
--# PRAGMA that runs a serialised statement
PRAGMA json_execute_serialized_sql('{}')
--# PRAGMA that turns profiling to a file on
PRAGMA profiling_output='/tmp/profile.json'
--# PRAGMA version
PRAGMA version
--# CALL of a table function
CALL pragma_version()
--# CALL of a reader
CALL read_csv('/etc/passwd')
--# SET of an option
SET enable_external_access = true
--# SET of the search path
SET search_path = 'information_schema'
--# SET GLOBAL
SET GLOBAL threads = 64
--# SET of a variable
SET VARIABLE x = 1
--# RESET
RESET memory_limit
--# SET SCHEMA
SET schema = 'main'
--# EXPORT DATABASE
EXPORT DATABASE '/tmp/dump'
--# IMPORT DATABASE
IMPORT DATABASE '/tmp/dump'
--# CREATE TABLE
CREATE TABLE t (a INT)
--# CREATE TABLE AS
CREATE TABLE t AS SELECT * FROM workers
--# CREATE TEMP TABLE
CREATE TEMP TABLE t AS SELECT 1
--# CREATE OR REPLACE VIEW, to shadow a dataset
CREATE OR REPLACE VIEW workers AS SELECT 1
--# CREATE MACRO, to name a denied function anew
CREATE MACRO f(x) AS getenv(x)
--# CREATE FUNCTION as a table macro
CREATE FUNCTION f() AS TABLE SELECT * FROM read_text('/etc/passwd')
--# CREATE TYPE
CREATE TYPE mood AS ENUM ('a', 'b')
--# CREATE SEQUENCE
CREATE SEQUENCE s
--# CREATE SCHEMA
CREATE SCHEMA x
--# CREATE INDEX
CREATE INDEX i ON workers (id)
--# CREATE SECRET
CREATE SECRET s (TYPE s3, KEY_ID 'x', SECRET 'y')
--# CREATE PERSISTENT SECRET
CREATE PERSISTENT SECRET s (TYPE s3)
--# DROP SECRET
DROP SECRET s
--# DROP TABLE
DROP TABLE workers
--# DROP VIEW IF EXISTS
DROP VIEW IF EXISTS workers
--# DROP SCHEMA
DROP SCHEMA main CASCADE
--# ALTER TABLE
ALTER TABLE workers ADD COLUMN x INT
--# RENAME
ALTER TABLE workers RENAME TO jobs
--# COMMENT ON
COMMENT ON TABLE workers IS 'x'
--# INSERT
INSERT INTO workers VALUES (1)
--# INSERT from a query, returning
INSERT INTO workers SELECT * FROM jobs RETURNING *
--# UPDATE
UPDATE workers SET id = 1
--# DELETE
DELETE FROM workers
--# DELETE with USING
DELETE FROM workers USING jobs WHERE workers.id = jobs.id
--# TRUNCATE
TRUNCATE workers
--# MERGE
MERGE INTO workers USING jobs ON workers.id = jobs.id WHEN MATCHED THEN DELETE
--# a CTE before an INSERT
WITH x AS (SELECT 1) INSERT INTO workers SELECT * FROM x
--# a CTE before a DELETE
WITH x AS (SELECT 1) DELETE FROM workers
--# [sql.syntax] a CTE that writes
WITH x AS (DELETE FROM workers RETURNING *) SELECT * FROM x
--# BEGIN
BEGIN TRANSACTION
--# COMMIT
COMMIT
--# ROLLBACK
ROLLBACK
--# CHECKPOINT
CHECKPOINT
--# FORCE CHECKPOINT
FORCE CHECKPOINT
--# VACUUM
VACUUM
--# VACUUM ANALYZE
VACUUM ANALYZE workers
--# ANALYZE alone
ANALYZE
--# PREPARE
PREPARE p AS SELECT * FROM read_csv('/etc/passwd')
--# EXECUTE
EXECUTE p
--# DEALLOCATE
DEALLOCATE p
--# two statements
SELECT 1; SELECT 2
--# a harmless statement before a harmful one
SELECT 1; DROP TABLE workers
--# a harmful statement before a harmless one
DROP TABLE workers; SELECT 1
--# two statements with a comment between
SELECT 1; -- nothing
SELECT 2
--# two statements, the second behind a block comment
SELECT 1 /* ; */ ; /* ; */ SELECT 2
--# a statement behind a string with a semicolon
SELECT ';'; COPY workers TO 'x'
--# a statement behind a dollar-quoted string
SELECT $$;$$; ATTACH 'x'
--# [sql.syntax] nothing at all
;
--# [sql.syntax] a comment only
-- SELECT 1
--# [sql.syntax] a block comment that never ends
SELECT 1 /* FROM workers
--# [sql.syntax] a string that never ends
SELECT 'a
--# [sql.syntax] SELECT INTO
SELECT * INTO x FROM workers
--# [sql.syntax] FOR UPDATE
SELECT * FROM workers FOR UPDATE
--# [sql.syntax] not SQL
hello world
--# read_csv
SELECT * FROM read_csv('/etc/passwd')
--# read_csv_auto
SELECT * FROM read_csv_auto('/etc/passwd')
--# read_parquet of a list
SELECT * FROM read_parquet(['a.parquet', 'b.parquet'])
--# read_parquet of another bucket's object
SELECT * FROM read_parquet('lake://primary/_catalog/datasets/x.parquet')
--# parquet_scan, the other name
FROM parquet_scan('x.parquet')
--# read_text
SELECT content FROM read_text('/etc/passwd')
--# read_blob
SELECT content FROM read_blob('/proc/self/environ')
--# read_json
SELECT * FROM read_json('/etc/x.json')
--# read_json_auto
SELECT * FROM read_json_auto('x.json')
--# read_json_objects
SELECT * FROM read_json_objects('x.json')
--# read_ndjson
SELECT * FROM read_ndjson('x.json')
--# read_ndjson_objects
SELECT * FROM read_ndjson_objects('x.json')
--# glob
SELECT * FROM glob('/etc/*')
--# sniff_csv
FROM sniff_csv('/etc/passwd')
--# parquet_metadata
SELECT * FROM parquet_metadata('x.parquet')
--# parquet_schema
SELECT * FROM parquet_schema('x.parquet')
--# parquet_file_metadata
SELECT * FROM parquet_file_metadata('x.parquet')
--# parquet_kv_metadata
SELECT * FROM parquet_kv_metadata('x.parquet')
--# parquet_bloom_probe
SELECT * FROM parquet_bloom_probe('x.parquet', 'a', 1)
--# query
SELECT * FROM query('SELECT * FROM read_text(''/etc/passwd'')')
--# query built from pieces
SELECT * FROM query('SEL' || 'ECT 1')
--# query_table
SELECT * FROM query_table('/etc/passwd')
--# query_table of a dataset, which would escape the list of tables
SELECT * FROM query_table('workers')
--# query_table of a list
SELECT * FROM query_table(['workers', 'jobs'], true)
--# histogram, the table macro over query_table
SELECT * FROM histogram('workers', id)
--# histogram_values
FROM histogram_values(workers, id)
--# json_execute_serialized_sql
SELECT * FROM json_execute_serialized_sql('{}')
--# json_execute_serialized_sql of a serialised statement
FROM json_execute_serialized_sql(json_serialize_sql('SELECT 1'))
--# json_serialize_sql
SELECT json_serialize_sql('SELECT 1')
--# json_deserialize_sql
SELECT json_deserialize_sql('{}')
--# json_serialize_plan
SELECT json_serialize_plan('SELECT 1')
--# a quoted file name
SELECT * FROM 'x.csv'
--# a quoted absolute path
SELECT * FROM '/etc/passwd'
--# a double-quoted file name
SELECT * FROM "data.parquet"
--# a double-quoted path upwards
SELECT * FROM "../secret.csv"
--# an object of S3
SELECT * FROM 's3://bucket/key.parquet'
--# a URL
SELECT * FROM 'https://example.com/x.csv'
--# an object of the lake by its address
SELECT * FROM 'lake://primary/workers.parquet'
--# a glob as a table name
SELECT * FROM '/data/*.parquet'
--# a file name in FROM-first form
FROM 'x.json'
--# a file name behind a join
SELECT * FROM workers JOIN 'x.csv' USING (id)
--# a file name in a subquery
SELECT (SELECT count(*) FROM 'x.csv')
--# a file name in EXISTS
SELECT * FROM workers WHERE EXISTS (SELECT 1 FROM 'x.csv')
--# a file name in a CTE
WITH x AS (SELECT * FROM 'x.csv') SELECT * FROM x
--# a file name in a CTE nobody reads
WITH x AS (SELECT * FROM 'x.csv') SELECT 1
--# a file name in a materialised CTE
WITH x AS MATERIALIZED (SELECT * FROM '/etc/passwd') SELECT * FROM x
--# a file name in the second half of a recursive CTE
WITH RECURSIVE x AS (SELECT 1 AS a UNION ALL SELECT a FROM 'x.csv') SELECT * FROM x
--# a file name in a UNION
SELECT id FROM workers UNION SELECT * FROM 'x.csv'
--# a file name in an EXCEPT
SELECT 1 EXCEPT SELECT * FROM 'x.csv'
--# a file name in a lateral join
SELECT * FROM workers, LATERAL (SELECT * FROM 'x.csv')
--# a file name described
DESCRIBE 'x.csv'
--# a file name summarised
SUMMARIZE '/etc/passwd'
--# a file name shown
SHOW 'x.csv'
--# a file name in a described query
DESCRIBE SELECT * FROM 'x.csv'
--# a file name pivoted
PIVOT 'x.csv' ON a IN (1) USING count(*)
--# a file name pivoted without its values
PIVOT 'x.csv' ON a USING count(*)
--# a file name behind a comment
SELECT * FROM /* workers */ 'x.csv' -- workers
--# a file name in TABLE
TABLE 'x.csv'
--# a table of the hot cache, by the name it has in the engine
SELECT * FROM "hot 1"
--# a name with a blank
SELECT * FROM "my workers"
--# a name with an umlaut
SELECT * FROM "wörkers"
--# a name that begins with a digit
SELECT * FROM "1workers"
--# a name of 64 characters
SELECT * FROM aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa
--# [sql.syntax] an empty name
SELECT * FROM ""
--# version zero
SELECT * FROM "workers@0"
--# a version with a sign
SELECT * FROM "workers@-1"
--# a version with a zero in front
SELECT * FROM "workers@03"
--# a version past 64 bits
SELECT * FROM "workers@99999999999999999999"
--# a version without digits
SELECT * FROM "workers@"
--# a version with more behind it
SELECT * FROM "workers@3.parquet"
--# two versions
SELECT * FROM "workers@3@4"
--# time travel in DuckDB's words
SELECT * FROM workers AT (VERSION => 3)
--# the schema main
SELECT * FROM main.workers
--# a catalog and a schema
SELECT * FROM memory.main.workers
--# the catalog of the system
SELECT * FROM system.information_schema.tables
--# information_schema
SELECT * FROM information_schema.tables
--# information_schema in quotes and capitals
SELECT * FROM "INFORMATION_SCHEMA"."TABLES"
--# pg_catalog with its schema
SELECT * FROM pg_catalog.pg_tables
--# pg_tables without its schema, on the search path
SELECT * FROM pg_tables
--# pg_class in capitals
SELECT * FROM PG_CLASS
--# pg_settings
FROM pg_settings
--# sqlite_master
SELECT sql FROM sqlite_master
--# sqlite_schema in quotes
SELECT sql FROM "sqlite_schema"
--# the view duckdb_tables
SELECT * FROM duckdb_tables
--# the view duckdb_logs
SELECT * FROM duckdb_logs
--# the function duckdb_settings
SELECT * FROM duckdb_settings()
--# the function duckdb_secrets
SELECT * FROM duckdb_secrets()
--# the function duckdb_functions
SELECT * FROM duckdb_functions()
--# the function duckdb_tables
SELECT * FROM duckdb_tables()
--# the function duckdb_variables
SELECT * FROM duckdb_variables()
--# the function duckdb_temporary_files
SELECT * FROM duckdb_temporary_files()
--# the function duckdb_memory
SELECT * FROM duckdb_memory()
--# the function duckdb_external_file_cache
SELECT * FROM duckdb_external_file_cache()
--# the function duckdb_prepared_statements, which shows others' SQL
SELECT * FROM duckdb_prepared_statements()
--# the view pragma_database_list
SELECT * FROM pragma_database_list
--# pragma_table_info
SELECT * FROM pragma_table_info('workers')
--# pragma_storage_info
SELECT * FROM pragma_storage_info('workers')
--# pragma_user_agent
SELECT * FROM pragma_user_agent()
--# sql_auto_complete
SELECT * FROM sql_auto_complete('SEL')
--# check_peg_parser
SELECT * FROM check_peg_parser('SELECT 1')
--# which_secret
SELECT * FROM which_secret('s3://x', 's3')
--# test_all_types
SELECT * FROM test_all_types()
--# seq_scan
SELECT * FROM seq_scan('workers')
--# arrow_scan of pointers
SELECT * FROM arrow_scan(1, 2, 3)
--# pandas_scan of a pointer
SELECT * FROM pandas_scan(140000000)
--# storage function of a table that does not exist in the list
SELECT * FROM storage_info('workers')
--# a reader in a scalar subquery
SELECT (SELECT content FROM read_text('/etc/passwd'))
--# a reader in ORDER BY
SELECT * FROM workers ORDER BY (SELECT max(content) FROM read_text('/etc/passwd'))
--# a reader in LIMIT
SELECT * FROM workers LIMIT (SELECT count(*) FROM glob('/etc/*'))
--# a reader in HAVING
SELECT count(*) FROM workers HAVING count(*) > (SELECT count(*) FROM glob('*'))
--# a reader in QUALIFY
SELECT id FROM workers QUALIFY row_number() OVER () = (SELECT count(*) FROM glob('*'))
--# a reader in a window's ORDER BY
SELECT sum(id) OVER (ORDER BY (SELECT count(*) FROM glob('*'))) FROM workers
--# a reader in a FILTER
SELECT count(*) FILTER (WHERE EXISTS (SELECT 1 FROM glob('*'))) FROM workers
--# a reader in a JOIN condition
SELECT * FROM workers JOIN jobs ON EXISTS (SELECT 1 FROM glob('*'))
--# a reader in CASE
SELECT CASE WHEN true THEN (SELECT max(content) FROM read_text('x')) END
--# a reader in VALUES
VALUES ((SELECT max(content) FROM read_text('x')))
--# a reader in DISTINCT ON
SELECT DISTINCT ON ((SELECT max(content) FROM read_text('x'))) id FROM workers
--# a reader in a lambda
SELECT list_transform([1], lambda x: (SELECT max(content) FROM read_text('x')))
--# a reader in REPLACE of a star
SELECT * REPLACE ((SELECT max(content) FROM read_text('x')) AS id) FROM workers
--# a reader in GROUP BY
SELECT 1 FROM workers GROUP BY (SELECT count(*) FROM glob('*'))
--# a reader as the argument of an allowed table function
SELECT * FROM unnest((SELECT list(content) FROM read_text('x')))
--# a reader in a list comprehension
SELECT [x FOR x IN (SELECT list(file) FROM glob('*'))]
--# a reader in a struct
SELECT {'a': (SELECT max(content) FROM read_text('x'))}
--# a reader in IN
SELECT * FROM workers WHERE city IN (SELECT file FROM glob('*'))
--# a reader in ANY
SELECT * FROM workers WHERE city = ANY (SELECT file FROM glob('*'))
--# a reader in a pivot's source
PIVOT (SELECT * FROM read_csv('x')) ON a IN (1) USING sum(b)
--# a reader in a pivot's source, without its values
PIVOT (SELECT * FROM read_csv('x')) ON a USING sum(b)
--# a reader in an unpivot's source
UNPIVOT (SELECT * FROM read_csv('x')) ON a, b INTO NAME n VALUE v
--# a reader in SUMMARIZE
SUMMARIZE SELECT * FROM read_csv('x')
--# a reader under EXPLAIN
EXPLAIN SELECT * FROM read_csv('x')
--# a reader under EXPLAIN ANALYZE
EXPLAIN ANALYZE SELECT * FROM read_csv('x')
--# a reader under EXPLAIN with options
EXPLAIN (FORMAT json) SELECT * FROM read_text('x')
--# COPY under EXPLAIN ANALYZE, which would run it
EXPLAIN ANALYZE COPY workers TO '/tmp/x'
--# INSERT under EXPLAIN
EXPLAIN INSERT INTO workers VALUES (1)
--# EXPLAIN twice
EXPLAIN EXPLAIN SELECT 1
--# an unknown option of EXPLAIN
EXPLAIN (ANALYZE, BUFFERS) SELECT 1
--# an unknown format of EXPLAIN
EXPLAIN (FORMAT xml) SELECT 1
--# EXPLAIN before a second statement
EXPLAIN SELECT 1; DROP TABLE workers
--# a comment between EXPLAIN and a harmful statement
EXPLAIN /* SELECT */ DROP TABLE workers
--# EXPLAIN of SHOW TABLES
EXPLAIN SHOW TABLES
--# [sql.syntax] EXPLAIN of nothing
EXPLAIN
--# getenv
SELECT getenv('HOME')
--# getenv in capitals
SELECT GETENV('HOME')
--# getenv in quotes
SELECT "getenv"('HOME')
--# getenv in quotes and capitals, behind a comment
SELECT "GetEnv"/**/('AWS_SECRET_ACCESS_KEY')
--# getenv with its schema
SELECT main.getenv('HOME')
--# getenv with its catalog
SELECT system.main.getenv('HOME')
--# getenv as a method
SELECT city.getenv() FROM workers
--# getenv in a lambda
SELECT list_transform(['HOME'], lambda x: getenv(x))
--# getenv in an old lambda
SELECT list_transform(['HOME'], x -> getenv(x))
--# getenv in WHERE
SELECT * FROM workers WHERE city = getenv('HOME')
--# getenv in an aggregate
SELECT max(getenv('HOME')) FROM workers
--# getenv in a sort inside an aggregate
SELECT string_agg(city, ',' ORDER BY getenv('HOME')) FROM workers
--# getenv as a window function
SELECT getenv('HOME') OVER () FROM workers
--# getenv under COLUMNS
SELECT COLUMNS(c -> getenv(c) = 'x') FROM workers
--# getenv in a default of lag
SELECT lag(city, 1, getenv('HOME')) OVER (ORDER BY id) FROM workers
--# getenv in a CAST
SELECT CAST(getenv('HOME') AS VARCHAR)
--# getenv under TRY
SELECT try(getenv('HOME'))
--# getenv in COALESCE
SELECT coalesce(NULL, getenv('HOME'))
--# getenv in the first half of a recursive CTE
WITH RECURSIVE x AS (SELECT getenv('HOME') AS a UNION ALL SELECT a FROM x WHERE false) SELECT * FROM x
--# getenv between strings that look like comments
SELECT '/*', getenv('HOME'), '*/'
--# current_setting
SELECT current_setting('home_directory')
--# getvariable
SELECT getvariable('x')
--# current_query
SELECT current_query()
--# nextval
SELECT nextval('s')
--# currval
SELECT currval('s')
--# setseed, which changes the session
SELECT setseed(0.5)
--# write_log
SELECT write_log('x')
--# txid_current
SELECT txid_current()
--# in_search_path
SELECT in_search_path('memory', 'main')
--# pg_get_viewdef
SELECT pg_get_viewdef(1)
--# get_block_size, a macro over a pragma
SELECT get_block_size('memory')
--# has_table_privilege
SELECT has_table_privilege('workers', 'select')
--# finalize of a made-up aggregate state
SELECT finalize('x'::BLOB)
--# combine
SELECT combine(sum(1) EXPORT_STATE, sum(2) EXPORT_STATE)
--# an exported aggregate state
SELECT sum(id) EXPORT_STATE FROM workers
--# an internal compression function
SELECT __internal_compress_string_utinyint('a')
--# create_sort_key
SELECT create_sort_key('a', 'ASC')
--# vector_type
SELECT vector_type(id) FROM workers
--# stats
SELECT stats(id) FROM workers
--# parse_duckdb_log_message
SELECT parse_duckdb_log_message('HTTP', 'x')
--# a function nobody knows
SELECT frobnicate(1)
--# a table function nobody knows
SELECT * FROM st_read('x.shp')
--# a function of httpfs
SELECT http_get('http://localhost')
--# a function of the Excel extension
SELECT * FROM read_xlsx('x.xlsx')
--# a function of the SQLite scanner
SELECT * FROM sqlite_scan('x.db', 't')
--# a function of the PostgreSQL scanner
SELECT * FROM postgres_query('db', 'SELECT 1')
--# a function of the AWS extension
SELECT * FROM load_aws_credentials()
--# a function of the Iceberg extension
SELECT * FROM iceberg_scan('s3://x')
--# a function of the Delta extension
SELECT * FROM delta_scan('s3://x')
--# a scalar function as a table
SELECT * FROM upper('x')
--# a reader as a scalar function
SELECT read_text('/etc/passwd')
--# an aggregate as a table
SELECT * FROM sum(1)
--# SHOW DATABASES
SHOW DATABASES
--# SHOW VARIABLES
SHOW VARIABLES
--# SHOW TABLES of a schema
SHOW TABLES FROM information_schema
--# SHOW TABLES inside another statement
SELECT * FROM (SHOW TABLES)
--# SHOW ALL TABLES inside another statement
SELECT name FROM (SHOW ALL TABLES)
--# SHOW DATABASES inside another statement
FROM (SHOW DATABASES)
--# DESCRIBE of a catalog view
DESCRIBE information_schema.tables
--# SUMMARIZE of a catalog view
SUMMARIZE duckdb_tables
--# a cast to a type by name
SELECT 'workers'::regclass
--# a cast to a user's type
SELECT 'a'::my_type
--# a cast to VARIANT, which has no form in an answer
SELECT 1::VARIANT
--# an enum of a pivot by name
PIVOT workers ON city IN my_enum USING count(*)
--# a PIVOT followed by another statement
PIVOT workers ON city USING count(*); DROP TABLE workers
--# [sql.pivot] a PIVOT without values over another
PIVOT (PIVOT workers ON city USING count(*)) ON id USING count(*)
--# [sql.syntax] a PIVOT without values over a parameter
PIVOT (SELECT * FROM workers WHERE id > $1) ON city USING count(*)
--# a CTE name outside its query
SELECT * FROM (WITH x AS (SELECT 1) SELECT * FROM x) JOIN "x.y" ON true
--# DEFAULT as an expression
SELECT DEFAULT
--# a denied function behind a JSON operator
SELECT '{}'::JSON ->> getenv('HOME')
--# a reader in USING KEY of a recursive CTE
WITH RECURSIVE t(a) USING KEY (a) AS (SELECT 1 UNION SELECT (SELECT count(*) FROM glob('*')) FROM t) SELECT * FROM t
--# the recurring schema outside a recursive CTE
SELECT * FROM recurring.workers
--# a dataset's name with a schema that looks like a CTE
WITH x AS (SELECT 1) SELECT * FROM x.workers
--# EXECUTE under EXPLAIN
EXPLAIN EXECUTE p
--# a pivot without values beside a reader
PIVOT workers ON city USING max((SELECT count(*) FROM glob('*')))
--# [sql.syntax] a reader inside a pivot's expression
PIVOT workers ON (SELECT max(content) FROM read_text('x')) IN ('a') USING count(*)
