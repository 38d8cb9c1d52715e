"""Random histories of ingests, deletions, rollbacks, compactions and collections against a model: the answers are always the model's.

LAKEHOUSE_MODEL_STEPS steps a run (60 unless told), LAKEHOUSE_MODEL_SEED repeats a run's choices.
"""

import os
import random
import unittest

from lake import Lake

QUIET = '[catalog]\ncompact_interval = "0"\ngc_interval = "0"\n'
IDS = 12


class Model:
    """Each version is its rows; a deletion takes rows from all of them."""

    def __init__(self):
        self.versions = {}
        self.head = 0

    def add(self, rows):
        self.head += 1
        self.versions[self.head] = sorted(rows)

    def rows(self):
        return self.versions.get(self.head, [])

    def delete(self, column, values):
        return {n: [r for r in rows if r[column] not in values] for n, rows in self.versions.items()}


class History:
    def __init__(self, test, lake, dice):
        self.test, self.lake, self.dice = test, lake, dice
        self.model = Model()
        self.next_v = 0

    def some_rows(self, unique):
        ids = self.dice.sample(range(IDS), self.dice.randint(1, 4)) if unique else \
            [self.dice.randrange(IDS) for _ in range(self.dice.randint(1, 4))]
        rows = []
        for i in ids:
            self.next_v += 1
            rows.append([i, f"v{self.next_v}"])
        return rows

    def ingest(self, rows, **how):
        data = "id,v\n" + "".join(f"{i},{v}\n" for i, v in rows)
        return self.lake.ingest("m", data.encode(), format="csv", **how)

    def check_version(self, answer):
        self.test.assertEqual(answer["version"], self.model.head)

    def append(self):
        rows = self.some_rows(False)
        answer = self.ingest(rows, mode="append")
        self.model.add(self.model.rows() + rows)
        self.check_version(answer)

    def upsert(self):
        rows = self.some_rows(True)
        answer = self.ingest(rows, mode="upsert", key="id")
        ids = {r[0] for r in rows}
        self.model.add([r for r in self.model.rows() if r[0] not in ids] + rows)
        self.check_version(answer)

    def replace(self):
        rows = self.some_rows(False)
        answer = self.ingest(rows)
        self.model.add(rows)
        self.check_version(answer)

    def tombstone(self):
        column = self.dice.choice([0, 1])
        if column == 0:
            values = self.dice.sample(range(IDS), self.dice.randint(1, 3))
        else:
            values = [f"v{self.dice.randint(1, self.next_v)}" for _ in range(3)]
        answer = self.lake.tombstone("m", ["id", "v"][column], values)
        after = self.model.delete(column, values)
        removed = len(self.model.rows()) - len(after[self.model.head])
        self.test.assertEqual(answer["rows_removed"], removed)
        if not answer["unchanged"]:
            self.model.versions = after
            self.model.add(after[self.model.head])
        else:
            self.test.assertEqual(after, self.model.versions)
        self.check_version(answer)

    def rollback(self):
        version = self.dice.choice(list(self.model.versions))
        answer = self.lake.post("/v1/catalog/datasets/m/rollback", {"version": version})
        self.test.assertIn(answer.status, (200, 201), answer)
        if version != self.model.head:
            self.model.add(self.model.versions[version])
        self.check_version(answer.json)

    def compact(self):
        answer = self.lake.post("/v1/catalog/datasets/m/compact").json
        if not answer["unchanged"]:
            self.model.add(self.model.rows())
        self.check_version(answer)

    def collect(self):
        keep = self.dice.choice([None, 1, 3, 6])
        body = {"dry_run": False, "older_than_s": 0, **({"keep_versions": keep} if keep else {})}
        report = self.lake.post("/v1/catalog/gc", body).json
        self.test.assertEqual(report["refused"], [])
        listed = {v["version"] for v in self.lake.get("/v1/catalog/datasets/m/versions?limit=1000").json["versions"]}
        for version in set(self.model.versions) - listed:
            answer = self.lake.post("/v1/sql", {"sql": f'SELECT * FROM "m@{version}"'})
            self.test.assertEqual(answer.status, 410, (version, answer))
            del self.model.versions[version]
        self.test.assertEqual(listed, set(self.model.versions))
        self.test.assertEqual(min(listed), max(listed) - len(listed) + 1)
        if keep:
            self.test.assertLessEqual(len(listed), keep)

    def restart(self):
        self.lake.restart()

    def compare(self):
        rows = self.lake.rows("SELECT id, v FROM m ORDER BY ALL", limit=100000)
        self.test.assertEqual(rows, self.model.rows())
        old = self.dice.choice(list(self.model.versions))
        self.test.assertEqual(self.lake.rows(f'SELECT id, v FROM "m@{old}" ORDER BY ALL', limit=100000), self.model.versions[old])
        detail = self.lake.get("/v1/catalog/datasets/m?distinct=false").json
        self.test.assertEqual(detail["rows"], len(rows))
        ids = [r[0] for r in rows]
        column = next(c for c in detail["columns"] if c["name"] == "id")
        told = [column["min"], column["max"]]
        self.test.assertEqual(told, [str(min(ids)), str(max(ids))] if ids else [None, None])

    def run(self, steps):
        self.append()
        moves = [(self.append, 6), (self.upsert, 4), (self.replace, 1), (self.tombstone, 6), (self.rollback, 2), (self.compact, 3),
                 (self.collect, 2), (self.restart, 0.2)]
        for number in range(steps):
            move = self.dice.choices([m for m, _ in moves], [w for _, w in moves])[0]
            try:
                move()
                self.compare()
            except AssertionError as failed:
                raise AssertionError(f"step {number}, {move.__name__}: {failed}") from failed


class UpkeepModel(unittest.TestCase):
    def test_random_histories_answer_as_the_model_does(self):
        steps = int(os.environ.get("LAKEHOUSE_MODEL_STEPS", "60"))
        seed = int(os.environ.get("LAKEHOUSE_MODEL_SEED", str(random.randrange(1 << 30))))
        print(f"model: {steps} steps, seed {seed}")
        with Lake(config=QUIET) as lake:
            History(self, lake, random.Random(seed)).run(steps)


if __name__ == "__main__":
    unittest.main()
