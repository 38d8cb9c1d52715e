"""SQL out: forms, limits, errors, versions, cancellation — through the public edge."""

import csv
import io
import json
import socket
import threading
import time
import unittest
import urllib.parse

from lake import Lake, wait_until


class SqlCase(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.lake = Lake(config="[query]\ntimeout_max = \"20s\"\n")
        cls.lake.__enter__()
        cls.lake.ingest("workers", b"id,name,city,pay\n1,Ann,Rome,10.5\n2,Bob,Paris,20\n3,Cy,Rome,\n", format="csv")
        cls.lake.ingest("jobs", b"job,worker\nforklift,1\nwelder,2\n", format="csv")

    @classmethod
    def tearDownClass(cls):
        cls.lake.__exit__(None, None, None)

    def problem(self, sql, **body):
        answer = self.lake.post("/v1/sql", {"sql": sql, **body})
        self.assertEqual(answer.headers["content-type"], "application/problem+json", answer)
        return answer.status, answer.json


class Answers(SqlCase):
    def test_the_answer_has_the_agreed_shape(self):
        body = self.lake.sql("SELECT city, count(*) AS n FROM workers GROUP BY city ORDER BY city")
        self.assertEqual(body["columns"], [{"name": "city", "type": "VARCHAR"}, {"name": "n", "type": "BIGINT"}])
        self.assertEqual(body["rows"], [["Paris", 1], ["Rome", 2]])
        self.assertEqual((body["row_count"], body["truncated"]), (2, False))
        self.assertEqual(body["datasets"], [{"name": "workers", "version": 1}])
        self.assertTrue(body["query_id"])
        self.assertIsInstance(body["elapsed_ms"], (int, float))

    def test_joins_ctes_windows_and_pivots_work(self):
        self.assertEqual(self.lake.rows(
            "WITH w AS (SELECT * FROM workers) SELECT name, job FROM w JOIN jobs ON worker = id ORDER BY 1"),
            [["Ann", "forklift"], ["Bob", "welder"]])
        self.assertEqual(self.lake.rows("SELECT id, row_number() OVER (ORDER BY id DESC) FROM workers ORDER BY id"),
                         [[1, 3], [2, 2], [3, 1]])
        pivot = self.lake.sql("PIVOT workers ON city USING count(*) GROUP BY name ORDER BY name")
        self.assertEqual([c["name"] for c in pivot["columns"]], ["name", "Paris", "Rome"])
        self.assertEqual(self.lake.value("FROM workers SELECT count(*)"), 3)

    def test_describe_summarize_show_and_explain_work(self):
        self.assertIn("workers", [r[0] for r in self.lake.rows("SHOW TABLES")])
        self.assertEqual([r[0] for r in self.lake.rows("DESCRIBE workers")], ["id", "name", "city", "pay"])
        self.assertEqual(len(self.lake.rows("SUMMARIZE workers")), 4)
        self.assertTrue(self.lake.rows("EXPLAIN SELECT * FROM workers"))

    def test_parameters_bind_by_place_and_by_name(self):
        self.assertEqual(self.lake.rows("SELECT name FROM workers WHERE id = $1", params=[2]), [["Bob"]])
        self.assertEqual(self.lake.rows("SELECT name FROM workers WHERE id = ? AND city = ?", params=[1, "Rome"]), [["Ann"]])
        self.assertEqual(self.lake.rows("SELECT name FROM workers WHERE city = $c ORDER BY 1", params={"c": "Rome"}),
                         [["Ann"], ["Cy"]])
        self.assertEqual(self.lake.rows("SELECT $1", params=["'; DROP TABLE x; --"]), [["'; DROP TABLE x; --"]])

    def test_numbers_keep_their_digits(self):
        row = self.lake.rows("SELECT 9007199254740992::BIGINT, 9007199254740993::BIGINT, 1.10::DECIMAL(10,2), "
                             "123456789012345678.90::DECIMAL(20,2), 0.1::DOUBLE, 'nan'::DOUBLE, 'inf'::FLOAT, "
                             "170141183460469231731687303715884105727::HUGEINT")[0]
        self.assertEqual(row, [9007199254740992, "9007199254740993", 1.1, "123456789012345678.90", 0.1, None, None,
                               "170141183460469231731687303715884105727"])

    def test_times_blobs_and_nested_values_have_their_form(self):
        row = self.lake.rows("SELECT DATE '2024-02-29', TIMESTAMP '2024-02-29 12:00:00.5', 'ab'::BLOB, [1,NULL], "
                             "{'a': 1, 'b': 'x'}, MAP {'k': 2}, NULL, true, uuid '00000000-0000-0000-0000-000000000001'")[0]
        self.assertEqual(row[0], "2024-02-29")
        self.assertTrue(row[1].startswith("2024-02-29T12:00:00.5"), row[1])
        self.assertEqual(row[2:], ["YWI=", [1, None], {"a": 1, "b": "x"}, {"k": 2}, None, True,
                                   "00000000-0000-0000-0000-000000000001"])

    def test_accept_chooses_the_form(self):
        sql = "SELECT id, name, pay FROM workers ORDER BY id"
        def ask(accept):
            return self.lake.post("/v1/sql", {"sql": sql}, headers={"Accept": accept})
        nd = ask("application/x-ndjson")
        self.assertEqual([json.loads(l) for l in nd.text.splitlines()],
                         [{"id": 1, "name": "Ann", "pay": 10.5}, {"id": 2, "name": "Bob", "pay": 20.0},
                          {"id": 3, "name": "Cy", "pay": None}])
        rows = list(csv.reader(io.StringIO(ask("text/csv").text)))
        self.assertEqual(rows[0], ["id", "name", "pay"])
        self.assertEqual([r[1] for r in rows[1:]], ["Ann", "Bob", "Cy"])
        arrow = ask("application/vnd.apache.arrow.stream")
        self.assertEqual(arrow.headers["content-type"], "application/vnd.apache.arrow.stream")
        self.assertTrue(arrow.body.endswith(b"\xff\xff\xff\xff\x00\x00\x00\x00"))
        parquet = ask("application/vnd.apache.parquet")
        self.assertEqual((parquet.body[:4], parquet.body[-4:]), (b"PAR1", b"PAR1"))
        self.assertEqual(ask("image/png").status, 406)

    def test_limit_and_truncated(self):
        body = self.lake.sql("SELECT * FROM range(100)", limit=7)
        self.assertEqual((body["row_count"], len(body["rows"]), body["truncated"]), (7, 7, True))
        body = self.lake.sql("SELECT * FROM range(7)", limit=7)
        self.assertEqual((body["row_count"], body["truncated"]), (7, False))

    def test_old_versions_stay_readable(self):
        self.lake.ingest("moving", b"v\n1\n", format="csv")
        self.lake.ingest("moving", b"v\n2\n", format="csv")
        self.assertEqual(self.lake.value("SELECT v FROM moving"), 2)
        self.assertEqual(self.lake.value('SELECT v FROM "moving@1"'), 1)
        self.assertEqual(self.lake.rows('SELECT a.v, b.v FROM moving a, "moving@1" b'), [[2, 1]])
        status, problem = self.problem('SELECT v FROM "moving@9"')
        self.assertEqual(status, 404)

    def test_a_new_version_is_seen_at_once_by_everybody(self):
        for i in range(30):
            self.lake.ingest("fast", b"v\n%d\n" % i, format="csv")
            self.assertEqual(self.lake.value("SELECT v FROM fast"), i)

    def test_the_hot_cache_pins_answers_and_forgets(self):
        self.lake.ingest("hot", b"v\n1\n2\n", format="csv")
        pinned = self.lake.post("/v1/query/cache/pin", {"dataset": "hot"})
        self.assertIn(pinned.status, (200, 201), pinned)
        self.assertEqual(self.lake.value("SELECT sum(v) FROM hot"), 3)
        stats = self.lake.get("/v1/query/cache").json
        self.assertIn("hot", json.dumps(stats))
        self.lake.ingest("hot", b"v\n5\n", format="csv")
        self.assertEqual(self.lake.value("SELECT sum(v) FROM hot"), 5)
        self.assertEqual(self.lake.post("/v1/query/cache/evict", {"dataset": "hot"}).status, 200)
        self.assertEqual(self.lake.value("SELECT sum(v) FROM hot"), 5)


class Refusals(SqlCase):
    def test_only_one_reading_statement_over_datasets_may_run(self):
        for sql in ("DROP TABLE workers", "COPY workers TO '/tmp/x.csv'", "SELECT 1; SELECT 2", "ATTACH 'x.db'",
                    "SELECT * FROM read_csv('/etc/passwd')", "SELECT * FROM '/etc/passwd'", "SELECT getenv('HOME')",
                    "INSTALL httpfs", "SET memory_limit='1TB'", "PRAGMA database_list",
                    "CREATE TABLE t AS SELECT 1", "INSERT INTO workers VALUES (1)", "EXPORT DATABASE '/tmp/x'",
                    "SELECT * FROM duckdb_settings()", "SELECT * FROM information_schema.tables",
                    "SELECT * FROM query('SELECT 1')", "SELECT * FROM glob('/*')", "SELECT * FROM read_text('/etc/passwd')",
                    "SELECT * FROM read_parquet('lake://primary/_catalog/x')", "SELECT current_setting('memory_limit')",
                    "EXPLAIN COPY workers TO '/tmp/x'", "WITH x AS (SELECT * FROM read_blob('/etc/passwd')) SELECT * FROM x"):
            with self.subTest(sql):
                status, problem = self.problem(sql)
                self.assertEqual((status, problem["code"]), (403, "sql.not_allowed"), problem)

    def test_errors_say_where_and_what_was_meant(self):
        status, problem = self.problem("SELECT nme FROM workers")
        self.assertEqual(status, 400)
        self.assertIn("nme", problem["detail"])
        status, problem = self.problem("SELEC 1")
        self.assertEqual((status, problem["code"]), (400, "sql.syntax"))
        self.assertIn("position", problem)
        status, problem = self.problem("SELECT * FROM workrs")
        self.assertEqual((status, problem["code"]), (404, "sql.unknown_dataset"))
        self.assertIn("workers", problem["near"])

    def test_bodies_are_strict(self):
        for body, field in (({"sql": "SELECT 1", "sq": 1}, "sq"), ({"sql": 5}, "sql"), ({}, "sql"),
                            ({"sql": "SELECT 1", "limit": "x"}, "limit"), ({"sql": "SELECT 1", "timeout_ms": -1}, "timeout_ms")):
            answer = self.lake.post("/v1/sql", body)
            self.assertEqual(answer.status, 400, answer)
            self.assertIn(field, answer.json["detail"])
        self.assertEqual(self.lake.post("/v1/sql", b"{not json", headers={"Content-Type": "application/json"}).status, 400)

    def test_a_long_query_is_stopped_at_its_deadline(self):
        start = time.monotonic()
        status, problem = self.problem("SELECT count(*) FROM range(1000000) a, range(1000000) b WHERE a.range + b.range = 7",
                                       timeout_ms=300)
        self.assertEqual((status, problem["code"]), (408, "sql.timeout"))
        self.assertLess(time.monotonic() - start, 5)

    def running(self):
        answer = self.lake.get("/v1/sql")
        return answer.json["queries"] if answer.status == 200 else []

    def test_a_query_can_be_cancelled_and_a_closed_connection_cancels(self):
        slow = {"sql": "SELECT count(*) FROM range(1000000) a, range(1000000) b WHERE a.range * b.range = 7"}
        result = []
        thread = threading.Thread(target=lambda: result.append(self.lake.post("/v1/sql", slow)))
        thread.start()
        query = wait_until(lambda: [q for q in self.running() if "a.range * b.range" in q["sql"]], what="the query to run")[0]
        self.assertIn(self.lake.request("DELETE", f"/v1/sql/{query['query_id']}").status, (200, 202, 204))
        thread.join(10)
        self.assertFalse(thread.is_alive())
        self.assertGreaterEqual(result[0].status, 400)

        host = urllib.parse.urlparse(self.lake.url)
        raw = socket.create_connection((host.hostname, host.port))
        body = json.dumps(slow).encode()
        raw.sendall(b"POST /v1/sql HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s"
                    % (len(body), body))
        wait_until(lambda: [q for q in self.running() if "a.range * b.range" in q["sql"]], what="the query to run")
        raw.close()
        wait_until(lambda: not [q for q in self.running() if "a.range * b.range" in q["sql"]], timeout=10,
                   what="the abandoned query to stop")

    def test_answers_past_the_byte_limit_are_refused(self):
        with Lake(config='[query]\nbytes_max = "64KiB"\n') as lake:
            answer = lake.post("/v1/sql", {"sql": "SELECT repeat('x', 1000) FROM range(1000)", "limit": 1000})
            self.assertEqual((answer.status, answer.json["code"]), (413, "sql.too_many_bytes"))


if __name__ == "__main__":
    unittest.main()
