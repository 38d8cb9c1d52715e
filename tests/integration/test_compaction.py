"""Compaction and collection: fewer objects with the same rows, deleted rows gone for good, nothing else lost."""

import concurrent.futures
import glob
import os
import threading
import unittest

from lake import Lake, wait_until

GC = {"dry_run": False, "older_than_s": 0}


def content(lake, name):
    return lake.rows(f'SELECT * FROM "{name}" ORDER BY ALL', limit=1000000)


def objects(lake, name):
    return sorted(glob.glob(lake.bucket_path(f"_data/{name}/*.parquet")))


def compact(lake, name, expect=(200, 201)):
    answer = lake.post(f"/v1/catalog/datasets/{name}/compact")
    assert answer.status in expect, answer
    return answer.json


def bytes_anywhere(lake, needle):
    """Names of files of the data folder that hold the bytes, packed values left aside."""
    found = []
    for folder, _, names in os.walk(lake.data):
        for name in names:
            with open(os.path.join(folder, name), "rb") as f:
                if needle in f.read():
                    found.append(os.path.join(folder, name))
    return found


class Compaction(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.lake = Lake(config='[catalog]\ncompact_interval = "0"\ngc_interval = "0"\n')
        cls.lake.__enter__()

    @classmethod
    def tearDownClass(cls):
        cls.lake.__exit__(None, None, None)

    def test_small_objects_become_one_and_no_reader_notices(self):
        lake = self.lake
        for i in range(12):
            lake.ingest("small", b"id,v\n%d,x%d\n" % (i, i), format="csv", mode="append")
        before = lake.get("/v1/catalog/datasets/small").json
        rows = content(lake, "small")
        done = compact(lake, "small")
        self.assertEqual((done["version"], done["objects_before"], done["objects_after"], done["rows"]), (13, 12, 1, 12))
        after = lake.get("/v1/catalog/datasets/small").json
        self.assertEqual(len(after["objects"]), 1)
        for member in ("rows", "fingerprint", "columns"):
            self.assertEqual(after[member], before[member])
        self.assertEqual(content(lake, "small"), rows)
        self.assertEqual(content(lake, "small@12"), rows)
        self.assertEqual(content(lake, "small@5"), [r for r in rows if r[0] < 5])
        self.assertEqual(lake.post("/v1/catalog/datasets/small/resync").json["differences"], [])
        self.assertTrue(compact(lake, "small")["unchanged"])
        self.assertTrue(lake.ingest("small", b"id,v\n3,x3\n", format="csv", mode="append")["unchanged"])
        mode = {v["version"]: v["mode"] for v in lake.get("/v1/catalog/datasets/small/versions").json["versions"]}
        self.assertEqual(mode[13], "compact")

    def test_values_of_every_shape_come_through(self):
        lake = self.lake
        for i in range(3):
            row = b'{"id":%d,"day":"2021-01-0%d","list":[%d,2],"o":{"a":%d,"b":null},"t":"\\u00e9 \\n","f":%d.25}\n'
            empty = b'{"id":%d,"day":null,"list":null,"o":null,"t":"","f":null}\n' % (10 + i)
            lake.ingest("shapes", row % (i, i + 1, i, i, i) + empty, format="ndjson", mode="append", evolve=True)
        rows = content(lake, "shapes")
        before = lake.get("/v1/catalog/datasets/shapes").json
        self.assertEqual(compact(lake, "shapes")["objects_after"], 1)
        self.assertEqual(content(lake, "shapes"), rows)
        self.assertEqual(lake.get("/v1/catalog/datasets/shapes").json["columns"], before["columns"])
        self.assertEqual(lake.post("/v1/catalog/datasets/shapes/resync").json["differences"], [])

    def test_deleted_rows_are_gone_from_the_bucket_after_compaction_and_collection(self):
        lake = self.lake
        secret = "erika.mustermann.7731"
        for i in range(3):
            mail = secret if i == 1 else f"someone{i}"
            lake.ingest("gone", b"id,mail\n%d,%s\n%d,other%d\n" % (i, mail.encode(), i + 10, i), format="csv", mode="append",
                        headers={"X-Test": "1"})
        self.assertTrue(bytes_anywhere(lake, secret.encode()))
        lake.tombstone("gone", "id", [1])
        done = compact(lake, "gone")
        self.assertEqual((done["rows_removed"], done["rows"]), (1, 5))
        self.assertEqual(lake.get("/v1/catalog/datasets/gone/tombstones").json["objects"], 1)  # in old versions
        report = lake.post("/v1/catalog/gc", GC).json
        mine = [r["key"] for r in report["removed"] if "/gone/" in r["key"]]
        self.assertIn("_catalog/datasets/gone/0000000004.parquet", mine)
        self.assertNotIn("_catalog/datasets/gone/0000000005.parquet", mine)
        self.assertEqual(len(objects(lake, "gone")), 1)
        self.assertEqual(bytes_anywhere(lake, secret.encode()), [])
        self.assertEqual([r[0] for r in content(lake, "gone")], [0, 2, 10, 11, 12])
        answer = lake.post("/v1/sql", {"sql": 'SELECT * FROM "gone@2"'})
        self.assertEqual((answer.status, answer.json["code"]), (410, "catalog.version_collected"))
        self.assertEqual((answer.json["oldest"], answer.json["newest"]), (5, 5))
        rolled = lake.post("/v1/catalog/datasets/gone/rollback", {"version": 2})
        self.assertEqual((rolled.status, rolled.json["code"]), (410, "catalog.version_collected"))
        self.assertEqual(lake.post("/v1/sql", {"sql": 'SELECT * FROM "gone@9"'}).json["code"], "sql.unknown_version")
        # What has been carried out everywhere needs no values any more.
        self.assertTrue(compact(lake, "gone")["tombstones_dropped"])
        self.assertEqual(lake.get("/v1/catalog/datasets/gone/tombstones").json["tombstones"], [])
        lake.post("/v1/catalog/gc", {**GC, "keep_versions": 1})
        self.assertEqual(glob.glob(lake.bucket_path("_catalog/tombstones/gone/*")), [])
        self.assertEqual([r[0] for r in content(lake, "gone")], [0, 2, 10, 11, 12])

    def test_all_rows_can_be_deleted(self):
        lake = self.lake
        lake.ingest("none", b"id\n1\n2\n", format="csv")
        lake.tombstone("none", "id", [1, 2])
        self.assertEqual((compact(lake, "none")["objects_after"], content(lake, "none")), (0, []))
        lake.ingest("none", b"id\n3\n", format="csv", mode="append")
        self.assertEqual(content(lake, "none"), [[3]])

    def test_rows_ingested_after_a_deletion_survive_its_compaction(self):
        lake = self.lake
        lake.ingest("again", b"id,v\n1,a\n2,b\n", format="csv")
        lake.tombstone("again", "id", [1])
        lake.ingest("again", b"id,v\n1,new\n", format="csv", mode="append")
        compact(lake, "again")
        self.assertEqual(content(lake, "again"), [[1, "new"], [2, "b"]])

    def test_no_append_is_lost_beside_compaction_deletion_and_collection(self):
        lake = self.lake
        stop = threading.Event()
        lake.ingest("busy", b"id\n0\n", format="csv", mode="append")

        def keep_house():
            while not stop.is_set():
                compact(lake, "busy", expect=(200, 201, 409, 503))
                lake.post("/v1/catalog/gc", {**GC, "keep_versions": 2})

        def append(i):
            answer = lake.post("/v1/ingest?dataset=busy&mode=append&format=csv", b"id\n%d\n" % i)
            while answer.status in (409, 503):
                answer = lake.post("/v1/ingest?dataset=busy&mode=append&format=csv", b"id\n%d\n" % i)
            self.assertIn(answer.status, (200, 201), answer)
            if i % 10 == 5:
                lake.tombstone("busy", "id", [i])

        keeper = threading.Thread(target=keep_house)
        keeper.start()
        try:
            with concurrent.futures.ThreadPoolExecutor(4) as pool:
                list(pool.map(append, range(1, 41)))
        finally:
            stop.set()
            keeper.join()
        expected = [i for i in range(41) if i % 10 != 5]
        self.assertEqual([r[0] for r in content(lake, "busy")], expected)
        compact(lake, "busy")
        self.assertEqual([r[0] for r in content(lake, "busy")], expected)

    def test_another_bucket_that_holds_a_datasets_objects_is_collected_too(self):
        lake = self.lake
        lake.post("/v1/storage/buckets", {"name": "aside", "backend": "local", "root": lake.path("aside")})
        lake.ingest("far", b"id\n1\n", format="csv", headers={"X-Lakehouse-Bucket": "aside"})
        lake.ingest("far", b"id\n2\n", format="csv", headers={"X-Lakehouse-Bucket": "aside"})
        orphan = lake.path("aside", "_data", "far", "left.parquet")
        strange = lake.path("aside", "other", "kept.bin")
        os.makedirs(os.path.dirname(strange))
        for path in (orphan, strange):
            with open(path, "wb") as f:
                f.write(b"left behind")
        report = lake.post("/v1/catalog/gc", {**GC, "keep_versions": 1}).json
        mine = [(r["bucket"], r["key"]) for r in report["removed"] if "/far/" in r["key"] and "_data" in r["key"]]
        self.assertEqual(len(mine), 2)
        self.assertIn(("aside", "_data/far/left.parquet"), mine)
        self.assertFalse(os.path.exists(orphan))
        self.assertTrue(os.path.exists(strange))
        self.assertEqual(content(lake, "far"), [[2]])

    def test_a_running_statement_keeps_what_it_reads(self):
        lake = self.lake
        lake.ingest("read", b"id\n1\n2\n3\n", format="csv")
        lake.ingest("read", b"id\n4\n", format="csv")
        slow = 'SELECT count(*) FROM "read@1" a, range(3000000000) r WHERE a.id + r.range % 7 > 2'
        statement = threading.Thread(target=lambda: lake.post("/v1/sql", {"sql": slow, "timeout_ms": 60000}))
        statement.start()
        wait_until(lambda: any(q["datasets"] for q in lake.get("/v1/sql").json["queries"] if q["sql"] == slow))
        query = next(q for q in lake.get("/v1/sql").json["queries"] if q["sql"] == slow)
        self.assertEqual(query["datasets"], [{"name": "read", "version": 1}])
        lake.post("/v1/catalog/gc", {**GC, "keep_versions": 1})
        self.assertEqual(content(lake, "read@1"), [[1], [2], [3]])
        lake.request("DELETE", f"/v1/sql/{query['query_id']}")
        statement.join()
        lake.post("/v1/catalog/gc", {**GC, "keep_versions": 1})
        self.assertEqual(lake.post("/v1/sql", {"sql": 'SELECT * FROM "read@1"'}).status, 410)

    def test_a_version_whose_objects_another_process_took_is_said_to_be_collected(self):
        lake = self.lake
        lake.ingest("taken", b"id\n1\n", format="csv")
        lake.ingest("taken", b"id\n2\n", format="csv")
        self.assertEqual(content(lake, "taken@1"), [[1]])
        os.unlink(lake.bucket_path("_catalog/datasets/taken/0000000001.parquet"))
        os.unlink(objects(lake, "taken")[0])
        answer = lake.post("/v1/sql", {"sql": 'SELECT * FROM "taken@1"'})
        self.assertEqual((answer.status, answer.json["code"]), (410, "catalog.version_collected"))
        self.assertEqual(content(lake, "taken"), [[2]])


class Background(unittest.TestCase):
    def test_small_objects_and_deleted_rows_go_by_themselves(self):
        config = ('[catalog]\ncompact_interval = "200ms"\ngc_interval = "200ms"\nretention = "62s"\n'
                  '[query]\ntimeout_max = "1s"\n')
        with Lake(config=config) as lake:
            for i in range(10):
                lake.ingest("t", b"id\n%d\n" % i, format="csv", mode="append")
            wait_until(lambda: len(lake.get("/v1/catalog/datasets/t").json["objects"]) < 10)
            lake.tombstone("t", "id", [3])
            wait_until(lambda: lake.get("/v1/catalog/datasets/t").json["hidden_rows"] == 0)
            self.assertEqual([r[0] for r in content(lake, "t")], [0, 1, 2, 4, 5, 6, 7, 8, 9])

    def test_a_retention_shorter_than_the_longest_statement_stops_the_start(self):
        lake = Lake(config='[catalog]\nretention = "1m"\n')
        try:
            with self.assertRaises(Exception):
                lake.start()
            self.assertIn("catalog.retention", lake.logs())
        finally:
            lake.remove()


if __name__ == "__main__":
    unittest.main()
