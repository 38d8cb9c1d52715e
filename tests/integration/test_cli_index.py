"""`lakehouse index`: against a running lake."""

import json
import os
import subprocess
import unittest

from lake import Lake, program

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
        return done.stdout.decode()

    def test_an_index_is_built_listed_promoted_and_rolled_back(self):
        out = self.run_cli("build", "cli_notes", "notes", "--id", "note_id", "--text", "title,body")
        self.assertIn("generation 2 from notes version 1, 60 items", out)
        self.run_cli("build", "cli_notes", "notes", "--id", "note_id", "--text", "body", "--model", "hash-512", "--chunk", "100:10",
                     "--where", "trade = 'cook'", "--no-promote")
        listed = json.loads(self.run_cli("list", "--output", "json"))
        self.assertEqual([(i["name"], i["generation"], i["model"]) for i in listed], [("cli_notes", 2, "lsa-256")])
        self.assertIn("generation 3 answers now, before it was 2", self.run_cli("promote", "cli_notes", "3"))
        self.assertIn("generation 2 answers now, before it was 3", self.run_cli("rollback", "cli_notes"))
        self.assertIn("60 unchanged", self.run_cli("refresh", "cli_notes"))
        self.assertIn("ready", self.run_cli("generations", "cli_notes"))

    def test_what_was_measured_is_shown(self):
        self.run_cli("build", "cli_trials", "notes", "--id", "note_id", "--text", "body")
        rows = json.loads(self.run_cli("trials", "cli_trials", "--run", "--output", "json"))
        self.assertEqual(len(rows), 12)

    def test_wrong_lines_are_refused(self):
        self.run_cli("build", "x", "notes", code=2)
        self.run_cli("swap", "x", code=2)
        self.run_cli("promote", "nowhere", "1", code=4)
        self.run_cli("promote", "nowhere", "one", code=1)


if __name__ == "__main__":
    unittest.main()
