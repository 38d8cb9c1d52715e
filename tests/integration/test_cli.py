"""The command line, against a running server and with the lake opened in place."""

import csv
import io
import json
import os
import pty
import select
import subprocess
import time
import unittest

from lake import Lake, program

CSV = b"id,name,pay\n1,Ann,10.5\n2,Bob,20\n3,Chlo\xc3\xa9,\n"


class Cli(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.lake = Lake()
        cls.lake.__enter__()
        cls.file = cls.lake.path("my people-1.csv")
        with open(cls.file, "wb") as f:
            f.write(CSV)

    @classmethod
    def tearDownClass(cls):
        cls.lake.__exit__(None, None, None)

    def environment(self):
        env = {k: v for k, v in os.environ.items() if not k.startswith("LAKEHOUSE_")}
        env["ASAN_OPTIONS"] = "detect_container_overflow=0"
        env["LSAN_OPTIONS"] = "suppressions=" + os.path.join(os.path.dirname(__file__), "..", "lsan.supp")
        env["HOME"] = self.lake.folder
        env["LC_ALL"] = "C.UTF-8"
        return env

    def run_cli(self, *args, code=0, stdin=b"", where=None):
        where = where if where is not None else ["--url", self.lake.url]
        done = subprocess.run([program("lakehouse"), args[0], *where, *args[1:]], input=stdin, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, env=self.environment(), cwd=self.lake.folder, timeout=120)
        self.assertEqual(done.returncode, code, (args, done.stdout, done.stderr))
        return done.stdout.decode(), done.stderr.decode()

    def check_round(self, where):
        out, err = self.run_cli("ingest", self.file, where=where)
        self.assertEqual((out, err), ("my_people_1: version 1, 3 rows\n", ""))
        out, _ = self.run_cli("ingest", self.file, where=where)
        self.assertIn("(unchanged)", out)
        out, _ = self.run_cli("sql", "SELECT * FROM my_people_1 ORDER BY id", where=where)
        self.assertEqual(list(csv.reader(io.StringIO(out))), [["id", "name", "pay"], ["1", "Ann", "10.5"], ["2", "Bob", "20"],
                                                              ["3", "Chloé", ""]])
        out, _ = self.run_cli("sql", "--output", "table", "SELECT id, name FROM my_people_1 WHERE id = 3", where=where)
        self.assertIn("│  3 │ Chloé │", out)
        self.assertIn("1 row\n", out)
        out, _ = self.run_cli("sql", "--output", "ndjson", "SELECT name FROM my_people_1 WHERE id = $x", "--params", '{"x": 2}', where=where)
        self.assertEqual(json.loads(out), {"name": "Bob"})
        out, _ = self.run_cli("sql", stdin=b"SELECT 40 + 2 AS answer", where=where)
        self.assertEqual(out, "answer\n42\n")
        out, _ = self.run_cli("datasets", "--output", "json", where=where)
        self.assertIn("my_people_1", [d["name"] for d in json.loads(out)])
        out, _ = self.run_cli("describe", "my_people_1", where=where)
        self.assertEqual([r[:2] for r in csv.reader(io.StringIO(out))][1:], [["id", "BIGINT"], ["name", "VARCHAR"], ["pay", "DOUBLE"]])
        self.run_cli("ingest", "-", "--dataset", "my_people_1", "--mode", "append", stdin=b"id,name,pay\n4,Di,1.5\n", where=where)
        out, _ = self.run_cli("rollback", "my_people_1", "1", where=where)
        self.assertIn("version 3", out)
        out, _ = self.run_cli("versions", "my_people_1", where=where)
        self.assertEqual([r[0] for r in csv.reader(io.StringIO(out))][1:], ["3", "2", "1"])
        out, _ = self.run_cli("delete-rows", "my_people_1", "--key", "pay", "--reason", "ticket 17", "20", "99.5", where=where)
        self.assertEqual(out, "my_people_1: 1 rows deleted, 2 are left; version 4\n")
        out, _ = self.run_cli("sql", "SELECT count(*) AS n FROM my_people_1", where=where)
        self.assertEqual(out, "n\n2\n")
        out, _ = self.run_cli("compact", "my_people_1", where=where)
        self.assertIn("1 deleted rows left out", out)
        out, err = self.run_cli("gc", "--older-than", "0", where=where)
        self.assertIn("would go", err)
        self.assertIn("_catalog/datasets/my_people_1/0000000004.parquet", out)
        out, err = self.run_cli("gc", "--older-than", "0", "--remove", where=where)
        self.assertIn("are gone", err)
        self.run_cli("sql", "SELECT * FROM \"my_people_1@3\"", where=where, code=4)
        out, _ = self.run_cli("errors", where=where)
        self.assertTrue(out.startswith("time,service,code"))
        out, _ = self.run_cli("status", where=where)
        self.assertIn("datasets", out)

    def test_every_verb_works_against_a_server(self):
        self.check_round(None)

    def test_every_verb_works_with_the_lake_opened_in_place(self):
        self.check_round(["--data", self.lake.path("in-place")])

    def test_a_server_is_found_by_its_folder(self):
        self.lake.ingest("found_it", b"a\n1\n", format="csv")
        out, _ = self.run_cli("datasets", where=["--data", self.lake.data])
        self.assertIn("found_it", out)
        out, _ = self.run_cli("status", where=["--data", self.lake.data])
        self.assertIn(self.lake.url, out)

    def test_exit_codes_tell_what_happened(self):
        self.run_cli("sql", "SELECT * FROM nothing_here", code=4)
        self.run_cli("describe", "nothing_here", code=4)
        self.run_cli("sql", "SELEC 1", code=1)
        self.run_cli("sql", "DROP TABLE x", code=1)
        self.run_cli("sql", "--colour", "red", code=2)
        self.run_cli("ingest", code=2)
        self.run_cli("ingest", "/nonexistent.csv", code=4)
        self.run_cli("nonsense", code=2)
        self.run_cli("datasets", where=["--url", "http://127.0.0.1:9"], code=3)
        self.run_cli("datasets", where=["--data", self.lake.path("no such lake")], code=3)

    def test_an_error_points_at_its_place(self):
        _, err = self.run_cli("sql", "SELECT nme\nFROM range(3)", code=1)
        self.assertIn("SELECT nme\n", err)
        self.assertRegex(err, r"\n {9}\^")

    def test_help_names_every_verb(self):
        out, _ = self.run_cli("--help", where=[])
        for verb in ("serve", "ingest", "sql", "datasets", "describe", "versions", "rollback", "delete-rows", "compact", "gc", "errors", "status", "config", "demo"):
            self.assertIn(f"  {verb} ", out)
            if verb != "serve":
                self.assertIn("usage:", self.run_cli(verb, "--help")[0])

    def test_demo_is_the_same_everywhere_and_adds_up(self):
        folder = self.lake.path("staffing")
        self.run_cli("demo", "--scale", "0.001", "--out", folder, where=[])
        self.run_cli("demo", "--scale", "0.001", "--only-staffing")
        for name in ("workers", "clients", "job_orders", "placements", "timesheets", "call_log", "interviews"):
            with open(os.path.join(folder, name + ".csv"), encoding="utf-8", newline="") as f:
                rows = list(csv.reader(f))
            self.assertEqual({len(r) for r in rows}, {len(rows[0])}, name)
            self.assertEqual(self.lake.value(f"SELECT count(*) FROM {name}"), len(rows) - 1)
        self.assertEqual(self.lake.value("SELECT count(*) FROM placements ANTI JOIN workers USING (worker_id)"), 0)

    def test_the_interactive_form_answers_completes_and_remembers(self):
        self.lake.ingest("completable", b"first_column\n7\n", format="csv")
        master, slave = pty.openpty()
        env = {**self.environment(), "TERM": "xterm"}
        child = subprocess.Popen([program("lakehouse"), "sql", "--url", self.lake.url], stdin=slave, stdout=slave, stderr=slave,
                                 env=env, close_fds=True)
        os.close(slave)
        seen = b""

        def expect(text):
            nonlocal seen
            deadline = time.monotonic() + 60
            while text not in seen:
                self.assertLess(time.monotonic(), deadline, seen)
                if select.select([master], [], [], 1)[0]:
                    seen += os.read(master, 65536)
            seen = seen.split(text, 1)[1]

        try:
            expect(b"lake> ")
            os.write(master, b"SELECT first_col\tFROM compl\t;\n")
            expect(b"first_column")
            expect(b"1 row")
            os.write(master, b"\\o csv\n")
            expect(b"lake> ")
            os.write(master, b"SELECT 6 *\n7 AS answer;\n")
            expect(b"42")
            os.write(master, b"\\q\n")
            self.assertEqual(child.wait(30), 0)
        finally:
            child.kill()
            child.wait()
            os.close(master)
        with open(os.path.join(self.lake.folder, ".local/state/lakehouse/history")) as f:
            self.assertIn("SELECT", f.read())


if __name__ == "__main__":
    unittest.main()
