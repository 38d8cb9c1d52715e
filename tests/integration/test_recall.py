"""Recall of the default search on small real sets: texts of Cranfield under both built-in models, places of the United States.

The questions are real too, and none of them is an item. Truth is the exact search, which test_vectors.py holds to its own arithmetic.
"""

import csv
import math
import os
import unittest

from lake import ROOT, Lake
from test_retrieval import documents, smart

ONE_TOPOLOGY_ONLY = True
INDEXES = "/v1/vectors/indexes"
PLACES = os.path.join(ROOT, "node_modules", "vega-datasets", "data")
FLOOR = 0.99


def places(name):
    """Points on the unit sphere."""
    with open(os.path.join(PLACES, name), newline="") as f:
        for row in csv.DictReader(f):
            a, b = math.radians(float(row["latitude"])), math.radians(float(row["longitude"]))
            yield [math.cos(a) * math.cos(b), math.cos(a) * math.sin(b), math.sin(a)]


class Recall(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.lake = Lake()
        cls.lake.__enter__()

    @classmethod
    def tearDownClass(cls):
        cls.lake.__exit__(None, None, None)

    def create(self, name, metric, dimension, model=None):
        answer = self.lake.post(INDEXES, {"name": name, "metric": metric, "dimension": dimension, **({"model": model} if model else {})})
        self.assertEqual(answer.status, 201, answer)

    def measured(self, name, questions, **body):
        """Share of the ten nearest that are found; of equally near ones any will do."""
        found = wanted = 0
        for question in questions:
            truth = self.lake.post(f"{INDEXES}/{name}/search", {**question, **body, "k": 10, "exact": True}).json["results"]
            got = self.lake.post(f"{INDEXES}/{name}/search", {**question, **body, "k": 10}).json
            self.assertEqual((len(truth), len(got["results"])), (10, 10), name)
            wanted += 10
            found += sum(h["distance"] <= truth[-1]["distance"] + 1e-6 for h in got["results"])
        print(f"recall@10 of {name} {body or ''}: {found / wanted:.4f}")
        return found / wanted, got["plan"]

    def test_texts_of_cranfield(self):
        self.lake.ingest("cranfield", documents(), format="csv")
        questions = [{"text": fields["W"]} for _, fields in smart("cran.qry")]
        for name, model, dimension in (("hashed", "hash-512", 512), ("learned", "lsa-256", 256)):
            self.create(name, "cosine", dimension, model)
            self.lake.run_job(self.lake.post(f"{INDEXES}/{name}/build", {
                "dataset": "cranfield", "id_column": "doc", "text_columns": ["title", "body"], "chunk": {"size": 300, "overlap": 0}}))
            self.assertGreater(self.lake.get(f"{INDEXES}/{name}").json["length"], 3000)
            recall, plan = self.measured(name, questions)
            self.assertEqual(plan, "graph")
            self.assertGreaterEqual(recall, FLOOR, name)

    def test_places_of_the_united_states(self):
        for metric in ("l2", "dot"):
            name = f"places_{metric}"
            self.create(name, metric, 3)
            items = [{"id": str(i), "vector": v, "metadata": {"tenth": i % 10 == 0}} for i, v in enumerate(places("zipcodes.csv"))]
            for start in range(0, len(items), 10000):
                self.assertEqual(self.lake.post(f"{INDEXES}/{name}/items", {"items": items[start:start + 10000]}).status, 200)
            questions = [{"vector": v} for v in list(places("airports.csv"))[::17]]
            self.assertGreater(len(questions), 150)
            recall, plan = self.measured(name, questions)
            self.assertEqual(plan, "graph")
            self.assertGreaterEqual(recall, FLOOR, metric)
            self.assertGreaterEqual(self.measured(name, questions, filter={"tenth": True})[0], FLOOR, metric)


if __name__ == "__main__":
    unittest.main()
