--# a constant ->
SELECT 1
--# a trailing semicolon and comment ->
SELECT 1; -- done
--# many semicolons ->
SELECT 1;;;
--# a comment in front ->
/* the /* nested */ comment */ SELECT 1
--# a table -> workers
SELECT * FROM workers
--# FROM first -> workers
FROM workers
--# FROM first with SELECT behind -> workers
FROM workers SELECT city, count(*) GROUP BY city
--# TABLE -> workers
TABLE workers
--# a quoted name -> workers
SELECT * FROM "workers"
--# a version -> workers@3
SELECT * FROM "workers@3"
--# a version and the head -> workers, workers@3
SELECT * FROM workers JOIN "workers@3" AS old USING (id)
--# a version in single quotes -> workers@3
SELECT * FROM 'workers@3'
--# filters and limits -> workers
SELECT id, city FROM workers WHERE pay > 10.5 AND city LIKE 'Chi%' ORDER BY pay DESC NULLS LAST LIMIT 10 OFFSET 5
--# LIMIT as a percentage -> workers
SELECT * FROM workers LIMIT 10%
--# aggregates and HAVING -> workers
SELECT city, avg(pay), count(DISTINCT state) FROM workers GROUP BY city HAVING count(*) > 1
--# GROUP BY ALL, ORDER BY ALL -> workers
SELECT city, state, sum(pay) FROM workers GROUP BY ALL ORDER BY ALL
--# FILTER -> workers
SELECT count(*) FILTER (WHERE pay > 10), sum(pay) FILTER (city = 'Rome') FROM workers
--# an ordered aggregate -> workers
SELECT string_agg(city, ', ' ORDER BY pay DESC), list(id ORDER BY id) FROM workers
--# WITHIN GROUP -> workers
SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY pay), mode() WITHIN GROUP (ORDER BY city) FROM workers
--# GROUPING SETS -> workers
SELECT city, state, sum(pay), grouping(city, state) FROM workers GROUP BY GROUPING SETS ((city, state), (city), ())
--# ROLLUP -> workers
SELECT city, state, sum(pay) FROM workers GROUP BY ROLLUP (city, state)
--# CUBE -> workers
SELECT city, state, sum(pay) FROM workers GROUP BY CUBE (city, state)
--# DISTINCT ON -> workers
SELECT DISTINCT ON (city) city, id FROM workers ORDER BY city, pay DESC
--# statistics -> workers
SELECT quantile_cont(pay, [0.25, 0.5]), median(pay), stddev(pay), corr(pay, id), regr_slope(pay, id), approx_count_distinct(city), histogram(city) FROM workers
--# arg_max and friends -> workers
SELECT arg_max(city, pay), max_by(city, pay), any_value(city), first(id), mad(pay), entropy(city) FROM workers
--# row_number -> workers
SELECT id, row_number() OVER (PARTITION BY city ORDER BY pay DESC) FROM workers
--# every window function -> workers
SELECT rank() OVER w, dense_rank() OVER w, percent_rank() OVER w, cume_dist() OVER w, ntile(4) OVER w, lead(id) OVER w, lag(id, 2, 0) OVER w, first_value(id) OVER w, last_value(id) OVER w, nth_value(id, 2) OVER w FROM workers WINDOW w AS (PARTITION BY city ORDER BY id)
--# a frame of rows -> workers
SELECT avg(pay) OVER (ORDER BY id ROWS BETWEEN 3 PRECEDING AND CURRENT ROW EXCLUDE TIES) FROM workers
--# a frame of a range -> workers
SELECT sum(pay) OVER (ORDER BY hired RANGE BETWEEN INTERVAL 30 DAYS PRECEDING AND INTERVAL 1 DAY FOLLOWING) FROM workers
--# IGNORE NULLS -> workers
SELECT last_value(city IGNORE NULLS) OVER (ORDER BY id) FROM workers
--# a distinct window aggregate -> workers
SELECT count(DISTINCT city) OVER (PARTITION BY state) FROM workers
--# QUALIFY -> workers
SELECT * FROM workers QUALIFY row_number() OVER (PARTITION BY city ORDER BY pay DESC) <= 3
--# a window over an aggregate -> workers
SELECT city, sum(sum(pay)) OVER (ORDER BY city) FROM workers GROUP BY city
--# an inner join -> workers, jobs
SELECT w.id, j.title FROM workers w JOIN jobs j ON j.worker = w.id
--# left, right and full joins -> workers, jobs, calls
SELECT * FROM workers w LEFT JOIN jobs j ON j.worker = w.id FULL JOIN calls c ON c.worker = w.id
--# a cross join -> workers, jobs
SELECT * FROM workers CROSS JOIN jobs
--# a comma join -> workers, jobs
SELECT * FROM workers w, jobs j WHERE w.id = j.worker
--# a natural join -> jobs, calls
SELECT * FROM jobs NATURAL JOIN calls
--# a semi join -> workers, jobs
SELECT * FROM workers w SEMI JOIN jobs j ON j.worker = w.id
--# an anti join -> workers, jobs
SELECT * FROM workers w ANTI JOIN jobs j ON j.worker = w.id
--# a positional join -> workers, jobs
SELECT * FROM workers POSITIONAL JOIN jobs
--# an ASOF join with USING -> trades, prices
SELECT * FROM trades ASOF JOIN prices USING (sym, ts)
--# an ASOF left join with ON -> trades, prices
SELECT t.sym, p.price FROM trades t ASOF LEFT JOIN prices p ON t.sym = p.sym AND t.ts >= p.ts
--# a self join -> workers
SELECT a.id, b.id FROM workers a JOIN workers b ON a.boss = b.id
--# LATERAL -> workers, jobs
SELECT * FROM workers w, LATERAL (SELECT count(*) AS n FROM jobs j WHERE j.worker = w.id)
--# a lateral join with LIMIT -> workers, jobs
SELECT * FROM workers w LEFT JOIN LATERAL (SELECT title FROM jobs j WHERE j.worker = w.id ORDER BY rate DESC LIMIT 1) t ON true
--# a lateral alias -> workers
SELECT pay * 2 AS twice, twice + 1 FROM workers
--# a scalar subquery -> jobs, workers
SELECT id, (SELECT max(rate) FROM jobs WHERE worker = workers.id) FROM workers
--# IN and EXISTS -> workers, jobs, calls
SELECT * FROM workers w WHERE id IN (SELECT worker FROM jobs) AND NOT EXISTS (SELECT 1 FROM calls c WHERE c.worker = w.id)
--# ANY and ALL -> workers, jobs
SELECT * FROM workers WHERE pay > ALL (SELECT rate FROM jobs) OR id = ANY (SELECT worker FROM jobs)
--# an ARRAY subquery -> workers
SELECT ARRAY(SELECT id FROM workers ORDER BY id)
--# UNION ALL -> workers, jobs
SELECT id FROM workers UNION ALL SELECT worker FROM jobs
--# UNION BY NAME -> workers, jobs
SELECT id, city FROM workers UNION BY NAME SELECT title, worker AS id FROM jobs
--# INTERSECT and EXCEPT -> workers, jobs, calls
(SELECT id FROM workers INTERSECT SELECT worker FROM jobs) EXCEPT SELECT worker FROM calls
--# VALUES ->
VALUES (1, 'a'), (2, 'b')
--# VALUES in FROM ->
SELECT * FROM (VALUES (1, 'a'), (2, 'b')) AS t(n, s)
--# a CTE -> workers
WITH w AS (SELECT * FROM workers) SELECT count(*) FROM w
--# a CTE that reads an earlier one -> workers
WITH a AS (SELECT * FROM workers), b AS (SELECT city FROM a) SELECT * FROM b
--# a CTE of the dataset's own name -> workers
WITH workers AS (SELECT id, city FROM workers WHERE pay > 5) SELECT * FROM workers
--# a CTE name in other capitals ->
WITH Numbers AS (SELECT 1 AS n) SELECT n FROM NUMBERS
--# a CTE with column names ->
WITH t(a, b) AS (SELECT 1, 2) SELECT a + b FROM t
--# a materialised CTE -> workers
WITH w AS MATERIALIZED (SELECT * FROM workers) SELECT a.id FROM w a JOIN w b USING (id)
--# two materialised CTEs -> workers
WITH a AS MATERIALIZED (SELECT * FROM workers), b AS MATERIALIZED (SELECT * FROM a) SELECT * FROM b
--# a CTE that is not materialised -> workers
WITH w AS NOT MATERIALIZED (SELECT * FROM workers) SELECT * FROM w
--# a CTE in a subquery, the dataset of its name outside -> workers
SELECT * FROM (WITH workers AS (SELECT 1 AS one) SELECT * FROM workers) x, workers
--# a CTE shadowed by an inner one ->
WITH x AS (SELECT 1 AS a) SELECT * FROM (WITH x AS (SELECT 2 AS a) SELECT * FROM x) y, x
--# a CTE in an expression -> workers
SELECT (WITH w AS (SELECT max(pay) AS m FROM workers) SELECT m FROM w)
--# a recursive CTE ->
WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t WHERE n < 10) SELECT sum(n) FROM t
--# a recursive CTE over a dataset -> workers
WITH RECURSIVE chain AS (SELECT id, boss, 1 AS depth FROM workers WHERE boss IS NULL UNION ALL SELECT w.id, w.boss, c.depth + 1 FROM workers w JOIN chain c ON w.boss = c.id) SELECT * FROM chain
--# a recursive CTE whose first half reads the dataset of its name -> workers
WITH RECURSIVE workers AS (SELECT id FROM workers UNION SELECT id + 1000 FROM workers WHERE id < 3) SELECT * FROM workers
--# a recursive CTE with a key ->
WITH RECURSIVE t(a, b) USING KEY (a) AS (SELECT 1, 1 UNION SELECT a, b + 1 FROM t WHERE b < 3) SELECT * FROM t
--# WITH RECURSIVE that is not recursive -> workers
WITH RECURSIVE workers AS (SELECT * FROM workers) SELECT * FROM workers
--# PIVOT with its values -> cities
PIVOT cities ON year IN (2000, 2010, 2020) USING sum(population) GROUP BY country
--# PIVOT without its values -> cities
PIVOT cities ON year USING sum(population)
--# PIVOT over two columns without their values -> cities
PIVOT cities ON country, name USING sum(population)
--# PIVOT over an expression without its values -> cities
PIVOT cities ON country || '_' || name USING sum(population) GROUP BY year
--# PIVOT of a join without its values -> workers, jobs
PIVOT (SELECT * FROM workers w JOIN jobs j ON j.worker = w.id) ON title USING count(*) GROUP BY city
--# PIVOT with only one of its columns given -> cities
PIVOT cities ON country IN ('NL', 'US'), year USING sum(population) GROUP BY name
--# PIVOT in a CTE without its values -> cities
WITH p AS (PIVOT cities ON year USING sum(population) GROUP BY country) SELECT * FROM p
--# PIVOT of a CTE without its values -> cities
WITH recent AS (SELECT * FROM cities WHERE year > 1990) PIVOT recent ON year USING sum(population) GROUP BY name
--# PIVOT in a subquery without its values, sorted -> cities
SELECT * FROM (PIVOT cities ON year USING max(population) GROUP BY name) ORDER BY name LIMIT 3
--# PIVOT without its values, with ORDER BY and LIMIT -> cities
PIVOT cities ON year USING sum(population) GROUP BY country ORDER BY country LIMIT 2
--# PIVOT over CASE without its values -> cities
PIVOT cities ON CASE WHEN year IN (2000) THEN 'old' ELSE 'new' END USING count(*) GROUP BY country
--# PIVOT with a comment behind its column -> cities
PIVOT cities ON year /* no values */ USING sum(population)
--# EXPLAIN of a PIVOT without its values -> cities
EXPLAIN PIVOT cities ON year USING sum(population)
--# PIVOT in SQL's standard form -> cities
FROM cities PIVOT (sum(population) AS total, count(*) AS n FOR year IN (2000, 2010) GROUP BY country)
--# PIVOT without columns -> cities
PIVOT cities USING sum(population) GROUP BY country
--# PIVOT_WIDER -> cities
PIVOT_WIDER cities ON year USING sum(population)
--# UNPIVOT -> monthly
UNPIVOT monthly ON jan, feb, mar INTO NAME month VALUE amount
--# UNPIVOT of COLUMNS -> monthly
UNPIVOT monthly ON COLUMNS(* EXCLUDE (id)) INTO NAME month VALUE amount
--# UNPIVOT in SQL's standard form -> monthly
FROM monthly UNPIVOT INCLUDE NULLS (amount FOR month IN (jan, feb, mar))
--# star with EXCLUDE, REPLACE and RENAME -> workers
SELECT * EXCLUDE (boss) REPLACE (upper(city) AS city) RENAME (id AS number) FROM workers
--# a qualified star -> workers, jobs
SELECT w.*, j.title FROM workers w JOIN jobs j ON j.worker = w.id
--# a star by pattern -> workers
SELECT * LIKE 'c%' FROM workers
--# COLUMNS by regular expression -> workers
SELECT min(COLUMNS('pay|id')), max(COLUMNS('(pay|id)')) FROM workers
--# COLUMNS by lambda -> monthly
SELECT COLUMNS(c -> c LIKE '%a%') FROM monthly
--# COLUMNS of a star with EXCLUDE -> monthly
SELECT sum(COLUMNS(* EXCLUDE (id))) FROM monthly
--# UNPACK -> monthly
SELECT greatest(*COLUMNS(* EXCLUDE (id))) FROM monthly
--# a positional reference -> workers
SELECT #1, #2 FROM workers ORDER BY 1
--# a prefix alias ->
SELECT n: 42, s: 'x'
--# SAMPLE -> workers
SELECT * FROM workers USING SAMPLE 10
--# TABLESAMPLE -> workers
SELECT * FROM workers TABLESAMPLE reservoir(50%) REPEATABLE (7)
--# CASE -> workers
SELECT CASE city WHEN 'Rome' THEN 1 ELSE 2 END, CASE WHEN pay > 10 THEN 'a' END FROM workers
--# logic and NULL -> workers
SELECT city IS NULL, city IS NOT DISTINCT FROM 'Rome', NOT (pay > 5 OR id < 3), coalesce(city, 'none'), nullif(city, ''), ifnull(pay, 0), if(pay > 1, 'a', 'b') FROM workers
--# BETWEEN, IN, LIKE, ILIKE, GLOB, SIMILAR TO -> workers
SELECT * FROM workers WHERE id BETWEEN 1 AND 9 AND city IN ('Rome', 'Bonn') AND city NOT LIKE 'a%' ESCAPE '$' AND city ILIKE 'R%' AND city GLOB '*' AND city SIMILAR TO '.*' AND city ~ '.*'
--# arithmetic ->
SELECT 1 + 2 * 3 / 4 - 5 % 6, 7 // 2, 2 ** 10, 2 ^ 3, -(-1), +1, 5 & 3, 5 | 2, ~5, 1 << 3, 8 >> 1, @(-3), 4!
--# mathematics ->
SELECT abs(-1), ceil(1.2), floor(1.8), round(1.256, 2), sqrt(2), ln(2), log10(100), exp(1), pow(2, 8), sin(1), atan2(1, 2), gcd(12, 18), greatest(1, 2), least(1, 2), pi(), random() < 2, sign(-3)
--# text ->
SELECT upper('a'), lower('A'), trim(' a '), substr('abc', 2), substring('abc' FROM 1 FOR 2), replace('aa', 'a', 'b'), split_part('a,b', ',', 1), concat_ws('-', 'a', 'b'), lpad('a', 3, '0'), position('b' IN 'abc'), regexp_replace('abc', 'b', 'x'), regexp_extract('a1', '[0-9]'), format('{} {}', 1, 'a'), printf('%d', 3), md5('a'), levenshtein('a', 'b')
--# text similarity ->
SELECT jaro_winkler_similarity('ann', 'anne'), jaccard('abc', 'abd'), damerau_levenshtein('ab', 'ba'), strip_accents('é'), starts_with('abc', 'a'), contains('abc', 'b')
--# dates -> workers
SELECT date_trunc('month', hired), date_part('year', hired), extract(dow FROM hired), hired + INTERVAL 3 MONTHS, age(hired), datediff('day', hired, current_date), strftime(hired, '%Y-%m'), last_day(hired), dayname(hired) FROM workers
--# timestamps ->
SELECT now(), current_timestamp, today(), TIMESTAMP '2024-01-01 00:00:00', TIMESTAMPTZ '2024-01-01 00:00:00+00' AT TIME ZONE 'Europe/Rome', epoch_ms(TIMESTAMP '2024-01-01'), make_timestamp(2024, 1, 2, 3, 4, 5), time_bucket(INTERVAL 1 HOUR, TIMESTAMP '2024-01-01 10:30:00'), to_timestamp(0)
--# intervals ->
SELECT INTERVAL 1 YEAR, INTERVAL '2' DAY, INTERVAL (3) HOURS, INTERVAL '1 day 2 hours', DATE '2024-01-31' + INTERVAL 1 MONTH
--# lists -> workers
SELECT skills[1], skills[1:2], len(skills), list_contains(skills, 'forklift'), list_sort(skills), list_distinct(skills), unnest(skills), array_agg(id) OVER () FROM workers
--# lambdas ->
SELECT list_transform([1, 2, 3], lambda x: x + 1), list_filter([1, 2, 3], lambda x, i: x > i), list_reduce([1, 2, 3], lambda a, b: a + b)
--# old lambdas ->
SELECT list_transform([1, 2, 3], x -> x * 2)
--# list comprehension ->
SELECT [x * 2 FOR x IN [1, 2, 3] IF x > 1]
--# a nested list comprehension ->
SELECT [[y FOR y IN x] FOR x IN [[1], [2, 3]]]
--# list aggregates ->
SELECT list_sum([1, 2]), list_avg([1, 2]), list_aggregate([1, 2], 'max'), list_cosine_similarity([1.0, 0.0], [0.5, 0.5]), array_distance([1.0, 2.0]::DOUBLE[2], [2.0, 3.0]::DOUBLE[2])
--# structs -> workers
SELECT profile.level, profile['level'], struct_extract(profile, 'level'), profile.*, {'a': 1, 'b': {'c': [1]}}, struct_pack(x := 1), row(1, 'a'), struct_insert(profile, z := 1) FROM workers
--# a struct reached through its table -> workers
SELECT workers.profile.level FROM workers
--# maps -> events
SELECT m['a'], map_keys(m), map_values(m), map_entries(m), cardinality(m), MAP {'k': 1}, map([1, 2], ['a', 'b']), map_from_entries([(1, 'a')]) FROM events
--# unions ->
SELECT union_value(num := 2), union_tag(union_value(num := 2)), union_extract(union_value(num := 2), 'num')
--# JSON ->
SELECT '{"a": [1, 2]}'::JSON -> '$.a[0]', '{"a": 1}' ->> 'a', json_extract('{"a": 1}', '$.a'), to_json({'a': 1}), json_object('k', 1), json_array_length('[1, 2]'), json_structure('{"a": 1}'), json_group_array(1), json_valid('x')
--# json_each ->
SELECT * FROM json_each('{"a": 1, "b": [2]}')
--# json_tree ->
SELECT key, fullkey FROM json_tree('{"a": {"b": 2}}')
--# range ->
SELECT i FROM range(10) r(i)
--# generate_series of dates ->
SELECT * FROM generate_series(DATE '2024-01-01', DATE '2024-01-05', INTERVAL 1 DAY) t(day)
--# unnest as a table ->
SELECT * FROM unnest([1, 2, 3]) AS t(x)
--# unnest with ordinality ->
SELECT * FROM unnest(['a', 'b']) WITH ORDINALITY AS t(v, i)
--# unnest beside a table -> workers
SELECT id, skill FROM workers, unnest(skills) AS u(skill)
--# unnest of structs, recursively ->
SELECT unnest([{'a': 1}, {'a': 2}], recursive := true)
--# repeat_row ->
SELECT * FROM repeat_row(1, 'a', num_rows := 3)
--# casts ->
SELECT '1'::INTEGER, CAST('1.5' AS DECIMAL(10, 2)), TRY_CAST('x' AS DOUBLE), '2024-01-01'::DATE, 'a'::ENUM('a', 'b'), [1]::BIGINT[], [1, 2]::INTEGER[2], {'a': 1}::STRUCT(a VARCHAR), MAP {'a': 1}::MAP(VARCHAR, DOUBLE), '{}'::JSON, 1::HUGEINT, '\xAA'::BLOB, '101'::BIT, 12::BIGNUM
--# a cast to a union ->
SELECT 1::UNION(num INTEGER, str VARCHAR)
--# collations -> workers
SELECT city FROM workers WHERE city COLLATE NOCASE = 'rome' ORDER BY city COLLATE NOACCENT.NOCASE
--# an ICU collation -> workers
SELECT city FROM workers ORDER BY city COLLATE de
--# parameters by place -> workers
SELECT * FROM workers WHERE id = $1 AND pay > $2
--# parameters by question mark -> workers
SELECT * FROM workers WHERE id = ? AND city = ?
--# parameters by name -> workers
SELECT * FROM workers WHERE city = $city AND pay > $least
--# strings with everything in them ->
SELECT 'it''s', E'a\tb\'c', $$a 'quoted' ; "thing"$$, $tag$ $$ $tag$, 'read_csv(''x'')', "a" FROM (SELECT 1 AS "a")
--# names that look like functions ->
SELECT getenv, read_csv FROM (SELECT 1 AS getenv, 2 AS read_csv)
--# names that look like files, as columns ->
SELECT "x.csv" FROM (SELECT 1 AS "x.csv")
--# a table alias that looks like a file -> workers
SELECT count(*) FROM workers AS "x.csv"
--# method calls -> workers
SELECT city.upper().substr(1, 2), ('abc').length() FROM workers
--# TRY ->
SELECT try(1 / 0)
--# the identity of the session ->
SELECT current_user, session_user, current_schema(), current_database(), version(), typeof(1)
--# uuid and hash ->
SELECT uuid() IS NOT NULL, gen_random_uuid() IS NOT NULL, hash('a') > 0, sha256('a')
--# DESCRIBE of a dataset -> workers
DESCRIBE workers
--# SHOW of a dataset -> workers
SHOW workers
--# DESCRIBE of a query -> workers, jobs
DESCRIBE SELECT w.id, j.title FROM workers w JOIN jobs j ON j.worker = w.id
--# DESCRIBE inside a query -> workers
SELECT column_name, column_type FROM (DESCRIBE workers) WHERE column_type = 'VARCHAR'
--# SUMMARIZE of a dataset -> workers
SUMMARIZE workers
--# SUMMARIZE of a query -> workers
SUMMARIZE SELECT id, pay FROM workers
--# SUMMARIZE of a version -> workers@3
SUMMARIZE "workers@3"
--# SHOW TABLES ->
SHOW TABLES
--# SHOW ALL TABLES ->
SHOW ALL TABLES
--# SHOW alone ->
SHOW
--# DESCRIBE alone ->
DESCRIBE
--# EXPLAIN -> workers
EXPLAIN SELECT * FROM workers
--# EXPLAIN ANALYZE -> workers
EXPLAIN ANALYZE SELECT count(*) FROM workers
--# EXPLAIN with a format -> workers
EXPLAIN (FORMAT JSON) SELECT count(*) FROM workers
--# EXPLAIN with two options -> workers
EXPLAIN (ANALYZE, FORMAT 'json') SELECT count(*) FROM workers
--# EXPLAIN behind comments -> workers
-- first
/* second */ ExPlAiN /* third */ SELECT * FROM workers -- last
--# EXPLAIN of a query in parentheses -> workers
EXPLAIN (SELECT * FROM workers)
--# EXPLAIN of a CTE -> workers
EXPLAIN WITH w AS (SELECT * FROM workers) SELECT * FROM w
--# EXPLAIN of DESCRIBE -> workers
EXPLAIN DESCRIBE workers
--# blanks that are not ASCII -> workers
SELECT city FROM workers
--# a long chain of conditions -> workers
SELECT * FROM workers WHERE id = 1 OR id = 2 OR id = 3 OR id = 4 OR id = 5 OR id = 6 OR id = 7 OR id = 8 OR id = 9 OR id = 10
--# deep parentheses ->
SELECT ((((((((((((((((((((1))))))))))))))))))))
--# a reference-use question: forklift operators called often and never placed -> workers, calls, jobs
SELECT w.id, w.city, count(c.worker) AS called FROM workers w JOIN calls c ON c.worker = w.id WHERE list_contains(w.skills, 'forklift') AND w.state = 'IL' AND NOT EXISTS (SELECT 1 FROM jobs j WHERE j.worker = w.id) GROUP BY ALL HAVING count(*) >= 5 ORDER BY called DESC
--# a cohort table -> events
WITH firsts AS (SELECT k, date_trunc('month', min(ts)) AS cohort FROM events GROUP BY k), activity AS (SELECT DISTINCT e.k, date_trunc('month', e.ts) AS month FROM events e) SELECT cohort, month, count(*) FROM firsts JOIN activity USING (k) GROUP BY ALL ORDER BY ALL
--# sessions by gaps -> events
SELECT k, ts, sum(is_new) OVER (PARTITION BY k ORDER BY ts) AS session FROM (SELECT *, CASE WHEN ts - lag(ts) OVER (PARTITION BY k ORDER BY ts) < INTERVAL 30 MINUTES THEN 0 ELSE 1 END AS is_new FROM events)
