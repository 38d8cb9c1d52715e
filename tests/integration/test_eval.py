"""Retrieval quality on Cranfield, by `lakehouse eval`: floors that a change of text/ must not fall through."""

import json
import math
import os
import subprocess
import tempfile
import unittest

from lake import program

ONE_TOPOLOGY_ONLY = True  # no service takes part
DATA = os.path.join(os.path.dirname(__file__), "..", "data", "cranfield")
FLOORS = {"bm25": 0.385, "lsa": 0.435, "hash": 0.32, "hybrid": 0.44, "hybrid-hash": 0.39}


def run_eval(*args, code=0):
    done = subprocess.run([program("lakehouse"), "eval", *args], stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=300)
    assert done.returncode == code, (done.returncode, done.stdout, done.stderr)
    return done.stdout.decode(), done.stderr.decode()


def judgements():
    relevant = {}
    with open(os.path.join(DATA, "cranqrel"), encoding="ascii") as f:
        for line in f:
            query, document, grade = line.split()
            if int(grade) > 0:
                relevant.setdefault(query, set()).add(document)
    return relevant


def measures(run, relevant):
    """trec_eval's ndcg_cut_10, recall_100 and recip_rank, written down a second time."""
    ndcg = recall = mrr = 0.0
    for query, good in relevant.items():
        ranking = run.get(query, [])
        gains = sum(1 / math.log2(i + 2) for i, d in enumerate(ranking[:10]) if d in good)
        ndcg += gains / sum(1 / math.log2(i + 2) for i in range(min(10, len(good))))
        recall += len(good.intersection(ranking[:100])) / len(good)
        mrr += next((1 / (i + 1) for i, d in enumerate(ranking) if d in good), 0.0)
    return ndcg / len(relevant), recall / len(relevant), mrr / len(relevant)


class Eval(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.run_file = os.path.join(cls.folder.name, "run")
        out, _ = run_eval("--documents", os.path.join(DATA, "cran.all.1400"), "--queries", os.path.join(DATA, "cran.qry"),
                          "--judgements", os.path.join(DATA, "cranqrel"), "--run", cls.run_file, "--output", "json")
        cls.legs = {row["leg"]: row for row in json.loads(out)}

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    def test_every_leg_stays_above_its_floor(self):
        self.assertEqual(set(self.legs), set(FLOORS))
        for leg, floor in FLOORS.items():
            self.assertEqual(self.legs[leg]["queries"], 225)
            self.assertGreaterEqual(self.legs[leg]["ndcg_cut_10"], floor, leg)

    def test_the_hybrid_is_never_much_below_its_best_leg(self):
        for hybrid, vectors in (("hybrid", "lsa"), ("hybrid-hash", "hash")):
            best = max(self.legs["bm25"]["ndcg_cut_10"], self.legs[vectors]["ndcg_cut_10"])
            self.assertGreaterEqual(self.legs[hybrid]["ndcg_cut_10"], best - 0.005, hybrid)

    def test_measures_equal_those_worked_out_from_the_written_run(self):
        runs, relevant = {}, judgements()
        with open(self.run_file, encoding="ascii") as f:
            for line in f:
                query, _, document, rank, _, leg = line.split()
                ranking = runs.setdefault(leg, {}).setdefault(query, [])
                ranking.append(document)
                self.assertEqual(int(rank), len(ranking))
        for leg, row in self.legs.items():
            for name, value in zip(("ndcg_cut_10", "recall_100", "recip_rank"), measures(runs[leg], relevant)):
                self.assertAlmostEqual(row[name], value, delta=1e-4, msg=f"{leg} {name}")

    def test_wrong_arguments_are_told(self):
        _, err = run_eval("--documents", "x", code=2)
        self.assertIn("are needed", err)
        _, err = run_eval("--documents", "/nowhere", "--queries", "/nowhere", "--judgements", "/nowhere", code=4)
        self.assertIn("/nowhere", err)


if __name__ == "__main__":
    unittest.main()
