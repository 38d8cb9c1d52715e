"""`lakehouse index`: against a running lake."""

import json
import os
import signal
import subprocess
import unittest

from lake import Lake, program, wait_until

from test_vector_builds import notes


class Index(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.lake = Lake()
        cls.lake.__enter__()
        cls.lake.ingest("notes", notes(60), format="csv")

    @classmethod
    def tearDownClass(cls):
        cls.lake.__exit__(None, None, None)

    def run_cli(self, *args, code=0):
        done = subprocess.run([program("lakehouse"), "index", *args, "--url", self.lake.url], stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, env={**os.environ, "LAKEHOUSE_LOG": "json"}, timeout=120)
        self.assertEqual(done.returncode, code, (done.stdout, done.stderr))
        self.said = done.stderr.decode()
        return done.stdout.decode()

    def test_an_index_is_built_listed_promoted_and_rolled_back(self):
        out = self.run_cli("build", "cli_notes", "notes", "--id", "note_id", "--text", "title,body")
        self.assertEqual(out, "cli_notes: generation 2 from notes version 1, 60 items (60 embedded, 0 kept)\n")
        self.assertEqual(self.said, "")  # progress is for terminals
        self.run_cli("build", "cli_notes", "notes", "--id", "note_id", "--text", "body", "--model", "hash-512", "--chunk", "100:10",
                     "--where", "trade = 'cook'", "--no-promote")
        listed = json.loads(self.run_cli("list", "--output", "json"))
        self.assertEqual([(i["name"], i["generation"], i["model"]) for i in listed if i["name"] == "cli_notes"], [("cli_notes", 2, "lsa-256")])
        self.assertIn("generation 3 answers now, before it was 2", self.run_cli("promote", "cli_notes", "3"))
        self.assertIn("generation 2 answers now, before it was 3", self.run_cli("rollback", "cli_notes"))
        self.assertIn("60 unchanged", self.run_cli("refresh", "cli_notes"))
        self.assertIn("ready", self.run_cli("generations", "cli_notes"))

    def test_what_was_measured_is_shown(self):
        self.run_cli("build", "cli_trials", "notes", "--id", "note_id", "--text", "body")
        rows = json.loads(self.run_cli("trials", "cli_trials", "--run", "--output", "json"))
        self.assertEqual(len(rows), 12)
        self.assertEqual(self.said, "")
        out = self.run_cli("trials", "cli_trials", "--output", "csv").splitlines()
        self.assertEqual(out[0], "measured_at,generation,m,ef_construction,ef_search,quantization,recall,p50_us,p95_us,p99_us,build_ms,memory_bytes")
        self.assertEqual(len(out), 13)

    def test_a_build_that_is_refused_leaves_no_index_behind(self):
        self.run_cli("build", "cli_none", "nowhere", "--id", "note_id", "--text", "body", code=4)
        self.run_cli("build", "cli_none", "notes", "--id", "nope", "--text", "body", code=1)
        self.lake.ingest("heavy", b"id,body\na," + b"steel " * 200000 + b"\n", format="csv")
        self.run_cli("build", "cli_none", "heavy", "--id", "id", "--text", "body", code=1)
        self.assertIn("vectors.text_too_big", self.said)
        self.run_cli("build", "cli_none", "notes", "--id", "note_id", "--text", "body", "--where", "nope = 1", code=1)
        self.assertEqual(self.lake.get("/v1/vectors/indexes/cli_none").status, 404)
        self.run_cli("build", "cli_some", "notes", "--id", "note_id", "--text", "body")
        self.run_cli("build", "cli_some", "notes", "--id", "nope", "--text", "body", code=1)
        self.assertEqual(self.lake.get("/v1/vectors/indexes/cli_some").json["length"], 60)

    def test_rows_that_are_left_out_are_told(self):
        self.lake.ingest("gaps", b"id,body\na,steel torch\nb,\nc,kitchen oven\n", format="csv")
        out = self.run_cli("build", "cli_gaps", "gaps", "--id", "id", "--text", "body", "--model", "hash-512")
        self.assertEqual(out, "cli_gaps: generation 2 from gaps version 1, 2 items (2 embedded, 0 kept), 1 without an id or known words left out\n")

    def test_wrong_lines_are_refused(self):
        self.run_cli("build", "x", "notes", code=2)
        self.run_cli("swap", "x", code=2)
        self.assertIn('there is no action "swap"', self.said)
        self.run_cli("promote", "x", code=2)
        self.assertIn("promote takes INDEX GENERATION", self.said)
        for chunk in ("abc", "0", "-5", "100:", "100:x", "100:-1", ":10"):
            self.run_cli("build", "x", "notes", "--id", "note_id", "--text", "body", "--chunk", chunk, code=2)
            self.assertIn("--chunk is SIZE or SIZE:OVERLAP", self.said)
        self.run_cli("promote", "nowhere", "1", code=4)
        self.run_cli("promote", "nowhere", "one", code=1)


class Interrupted(unittest.TestCase):
    def test_ctrl_c_ends_the_build_and_not_only_the_looking_at_it(self):
        with Lake(faults="vectors.build_amid=delay:1000") as lake:
            lake.ingest("notes", notes(20000), format="csv")
            line = [program("lakehouse"), "index", "build", "cut_short", "notes", "--id", "note_id", "--text", "body", "--model", "hash-512", "--url", lake.url]
            cli = subprocess.Popen(line, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            wait_until(lambda: any(j["progress"] > 0 for j in lake.get("/v1/jobs").json["jobs"]), what="the build to begin")
            cli.send_signal(signal.SIGINT)
            out, err = cli.communicate(timeout=60)
            self.assertEqual((cli.returncode, out), (130, b""), err)
            self.assertIn(b"the job was cancelled", err)
            wait_until(lambda: lake.get("/v1/jobs").json["jobs"][0]["state"] == "canceled", what="the job to end")
            self.assertEqual(lake.get("/v1/vectors/indexes/cut_short").status, 404)


if __name__ == "__main__":
    unittest.main()
