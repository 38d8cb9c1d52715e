"""SIGKILL at each step of a deletion by key, a compaction and a collection; then every row is there once, or gone for good."""

import glob
import os
import unittest

from lake import Lake

GC = {"dry_run": False, "older_than_s": 0}
QUIET = '[catalog]\ncompact_interval = "0"\ngc_interval = "0"\nwriter_ttl = "1s"\n'

DELETION = ["catalog.erase.before_put", "catalog.erase.after_put", "catalog.commit.before_put", "catalog.commit.after_put",
            "catalog.commit.after_event"]
COMPACTION = ["catalog.compact.before_put", "catalog.compact.after_put", "catalog.compact.before_commit",
              "catalog.commit.before_put", "catalog.commit.after_put", "catalog.commit.after_event", "catalog.compact.after_commit"]
COLLECTION = ["catalog.gc.before_delete@1", "catalog.gc.before_delete@3", "catalog.gc.before_delete@5"]


def rule(point):
    name, _, number = point.partition("@")
    return f"{name}=kill" + (f"@{number}" if number else "")


class UpkeepCrash(unittest.TestCase):
    def ids(self, lake, name="t"):
        return [r[0] for r in lake.rows(f'SELECT id FROM "{name}" ORDER BY id')]

    def prepared(self):
        lake = Lake(config=QUIET, kind="one")
        lake.start()
        for i in range(4):
            lake.ingest("t", b"id\n%d\n%d\n" % (i, i + 10), format="csv", mode="append")
        return lake

    def crash(self, lake, point, act):
        lake.restart(faults=rule(point))
        with self.assertRaises(Exception, msg=point):
            act()
        lake.kill()
        lake.start()

    def clean_up(self, lake):
        """Everything that is left over can be collected, and nothing else is."""
        rows = self.ids(lake)
        os.system(f"rm -f {lake.bucket_path('_catalog/writers')}/*")  # what its expiry would do an hour later
        lake.post("/v1/catalog/gc", {**GC, "keep_versions": 1})
        self.assertEqual(self.ids(lake), rows)
        named = {o["key"] for o in lake.get("/v1/catalog/datasets/t").json["objects"]}
        there = {os.path.relpath(p, lake.bucket_path("")) for p in glob.glob(lake.bucket_path("_data/t/*"))}
        self.assertEqual(there, named)
        self.assertEqual(lake.post("/v1/catalog/datasets/t/resync").json["differences"], [])
        lake.stop()
        lake.remove()

    def test_a_deletion_is_whole_or_absent_and_can_be_repeated(self):
        for point in DELETION:
            with self.subTest(point=point):
                lake = self.prepared()
                self.crash(lake, point, lambda: lake.tombstone("t", "id", [2, 12]))
                self.assertIn(self.ids(lake), ([0, 1, 2, 3, 10, 11, 12, 13], [0, 1, 3, 10, 11, 13]))
                lake.tombstone("t", "id", [2, 12])
                self.assertEqual(self.ids(lake), [0, 1, 3, 10, 11, 13])
                actions = [e["action"] for e in lake.get("/v1/journal?entity=t&limit=100").json["events"]]
                self.assertIn("dataset.tombstoned", actions)
                self.clean_up(lake)

    def test_a_compaction_loses_and_doubles_nothing_and_can_be_repeated(self):
        for point in COMPACTION:
            with self.subTest(point=point):
                lake = self.prepared()
                lake.tombstone("t", "id", [1])
                self.crash(lake, point, lambda: lake.post("/v1/catalog/datasets/t/compact"))
                expected = [0, 2, 3, 10, 11, 12, 13]
                self.assertEqual(self.ids(lake), expected)
                self.assertIn(lake.post("/v1/catalog/datasets/t/compact").status, (200, 201))
                self.assertEqual(self.ids(lake), expected)
                self.assertEqual(len(lake.get("/v1/catalog/datasets/t").json["objects"]), 1)
                self.clean_up(lake)

    def test_a_collection_leaves_whole_versions_and_can_be_repeated(self):
        for point in COLLECTION:
            with self.subTest(point=point):
                lake = self.prepared()
                lake.tombstone("t", "id", [1])
                lake.post("/v1/catalog/datasets/t/compact")
                self.crash(lake, point, lambda: lake.post("/v1/catalog/gc", GC))
                expected = [0, 2, 3, 10, 11, 12, 13]
                self.assertEqual(self.ids(lake), expected)
                for version in range(1, 7):  # whatever is still there can be read as a whole
                    answer = lake.post("/v1/sql", {"sql": f'SELECT count(*) FROM "t@{version}"'})
                    self.assertIn(answer.status, (200, 410), (point, version, answer))
                os.system(f"rm -f {lake.bucket_path('_catalog/collecting')}/*")  # the lease of the dead
                lake.post("/v1/catalog/gc", GC)
                self.assertEqual(lake.get("/v1/catalog/datasets/t/versions").json["versions"][-1]["version"], 6)
                self.clean_up(lake)


if __name__ == "__main__":
    unittest.main()
