"""Cranfield through the whole lake: taken in, built into an index with lsa-256, asked by /v1/search, judged by the tests' own measure.

`lakehouse eval` (test_eval.py) measures the legs by themselves; this says that what is served is what was measured.
"""

import csv
import io
import math
import os
import re
import unittest

from lake import Lake, wait_until
from test_eval import DATA, judgements

ONE_TOPOLOGY_ONLY = True
INDEX = "/v1/vectors/indexes/cranfield"


def smart(name):
    with open(os.path.join(DATA, name), encoding="ascii") as f:
        for document in re.split(r"^\.I ", f.read(), flags=re.M)[1:]:
            number, _, rest = document.partition("\n")
            fields = re.split(r"^\.([A-Z])\n", rest, flags=re.M)
            yield number.strip(), {fields[i]: fields[i + 1] for i in range(1, len(fields), 2)}


def documents():
    out = io.StringIO()
    w = csv.writer(out)
    w.writerow(["doc", "title", "body"])
    for number, fields in smart("cran.all.1400"):
        w.writerow(["d" + number, fields.get("T", ""), fields.get("W", "")])
    return out.getvalue().encode()


def ndcg(ranking, good):
    gains = sum(1 / math.log2(i + 2) for i, d in enumerate(ranking[:10]) if d in good)
    return gains / sum(1 / math.log2(i + 2) for i in range(min(10, len(good))))


class Retrieval(unittest.TestCase):
    def test_the_lake_serves_what_was_measured(self):
        relevant = judgements()
        questions = [fields["W"] for _, fields in smart("cran.qry")]
        with Lake() as lake:
            lake.ingest("cranfield", documents(), format="csv")
            self.assertEqual(lake.post("/v1/vectors/indexes", {"name": "cranfield", "dimension": 256, "metric": "cosine", "model": "lsa-256"}).status, 201)
            job = lake.post(INDEX + "/build", {"dataset": "cranfield", "id_column": "doc", "text_columns": ["title", "body"],
                                              "chunk": {"size": 100000, "overlap": 0}})
            self.assertEqual(job.status, 202, job)
            done = wait_until(lambda: (lambda j: j if j["state"] in ("succeeded", "failed", "canceled") else None)(
                lake.get("/v1/jobs/" + job.json["job_id"]).json), timeout=240, what="the index")
            self.assertEqual(done["state"], "succeeded", done)
            sums = {"hybrid": 0.0, "meaning": 0.0}
            for number, question in enumerate(questions, 1):
                asked = {"hybrid": lake.post("/v1/search", {"question": question, "index": "cranfield", "k": 10}),
                         "meaning": lake.post(INDEX + "/search", {"text": question, "k": 10})}
                for leg, answer in asked.items():
                    self.assertEqual(answer.status, 200, answer)
                    ranking = [re.match(r"d(\d+)", hit["id"]).group(1) for hit in answer.json["results"]]
                    sums[leg] += ndcg(ranking, relevant[str(number)])
        means = {leg: value / len(questions) for leg, value in sums.items()}
        print(f"Cranfield through the lake, nDCG@10: {means}")
        self.assertGreaterEqual(means["meaning"], 0.435)
        self.assertGreaterEqual(means["hybrid"], 0.44)
        self.assertGreaterEqual(means["hybrid"], means["meaning"] - 0.005)


if __name__ == "__main__":
    unittest.main()
