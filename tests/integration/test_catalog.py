"""Versions, rollback, metadata, resync, collection, and rebuilding from the bucket."""

import glob
import os
import shutil
import unittest

from lake import Lake, wait_until


class CatalogCase(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.lake = Lake()
        cls.lake.__enter__()

    @classmethod
    def tearDownClass(cls):
        cls.lake.__exit__(None, None, None)

    def detail(self, name):
        answer = self.lake.get(f"/v1/catalog/datasets/{name}")
        self.assertEqual(answer.status, 200, answer)
        return answer


class Catalog(CatalogCase):
    def test_a_list_pages_and_a_detail_tells_all(self):
        for name in ("page_a", "page_b", "page_c"):
            self.lake.ingest(name, b"id,v\n1,x\n2,\n2,y\n", format="csv")
        seen, cursor = [], None
        while True:
            path = "/v1/catalog/datasets?limit=2" + (f"&cursor={cursor}" if cursor else "")
            body = self.lake.get(path).json
            self.assertLessEqual(len(body["datasets"]), 2)
            seen += body["datasets"]
            cursor = body.get("next_cursor")
            if not cursor:
                break
        names = [d["name"] for d in seen]
        self.assertEqual(names, sorted(set(names)))
        self.assertTrue({"page_a", "page_b", "page_c"} <= set(names))
        row = next(d for d in seen if d["name"] == "page_a")
        self.assertEqual((row["version"], row["rows"]), (1, 3))
        for member in ("size_bytes", "updated_at", "tags"):
            self.assertIn(member, row)
        body = self.detail("page_a").json
        columns = {c["name"]: c for c in body["columns"]}
        self.assertEqual(columns["id"]["type"], "BIGINT")
        self.assertEqual((str(columns["id"]["min"]), str(columns["id"]["max"])), ("1", "2"))
        self.assertEqual(columns["v"]["nulls"], 1)
        self.assertEqual(columns["id"]["distinct_estimate"], 2)
        self.assertEqual(len(body["objects"]), 1)
        self.assertEqual(len(body["fingerprint"]), 64)

    def test_rollback_makes_a_new_version_without_copying(self):
        self.lake.ingest("back", b"v\n1\n", format="csv")
        self.lake.ingest("back", b"v\n2\n", format="csv")
        before = sorted(glob.glob(self.lake.bucket_path("_data/back/*")))
        answer = self.lake.post("/v1/catalog/datasets/back/rollback", {"version": 1})
        self.assertIn(answer.status, (200, 201), answer)
        self.assertEqual(answer.json["version"], 3)
        self.assertEqual(self.lake.value("SELECT v FROM back"), 1)
        self.assertEqual(sorted(glob.glob(self.lake.bucket_path("_data/back/*"))), before)
        versions = self.lake.get("/v1/catalog/datasets/back/versions").json["versions"]
        self.assertEqual(sorted(v["version"] for v in versions), [1, 2, 3])
        self.assertEqual({v["version"]: v["mode"] for v in versions}[3], "rollback")
        self.assertEqual(self.lake.post("/v1/catalog/datasets/back/rollback", {"version": 9}).status, 404)
        self.assertEqual(self.lake.post("/v1/catalog/datasets/back/rollback", {"version": "x"}).status, 400)

    def test_metadata_changes_are_compare_and_swap(self):
        self.lake.ingest("meta", b"v\n1\n", format="csv")
        etag = self.detail("meta").headers["etag"]
        patch = {"description": "what it is", "owner": "ops", "tags": ["a", "b"], "columns": {"v": "the value"}}
        first = self.lake.request("PATCH", "/v1/catalog/datasets/meta", patch, headers={"If-Match": etag})
        self.assertEqual(first.status, 200, first)
        stale = self.lake.request("PATCH", "/v1/catalog/datasets/meta", {"owner": "x"}, headers={"If-Match": etag})
        self.assertEqual(stale.status, 412)
        body = self.detail("meta").json
        self.assertEqual((body["description"], body["owner"], body["tags"]), ("what it is", "ops", ["a", "b"]))
        self.assertEqual(body["columns"][0]["description"], "the value")

    def test_delete_hides_and_a_new_ingest_brings_back(self):
        self.lake.ingest("gone", b"v\n1\n", format="csv")
        self.assertIn(self.lake.request("DELETE", "/v1/catalog/datasets/gone").status, (200, 204))
        self.assertEqual(self.lake.get("/v1/catalog/datasets/gone").status, 404)
        self.assertEqual(self.lake.post("/v1/sql", {"sql": "SELECT * FROM gone"}).status, 404)
        self.assertNotIn("gone", [d["name"] for d in self.lake.get("/v1/catalog/datasets?limit=1000").json["datasets"]])
        body = self.lake.ingest("gone", b"v\n1\n", format="csv")
        self.assertFalse(body["unchanged"])
        self.assertEqual(self.lake.value("SELECT v FROM gone"), 1)

    def test_resync_finds_nothing_to_mend_in_a_sound_dataset(self):
        self.lake.ingest("sound", b"v\n1\n2\n", format="csv")
        answer = self.lake.post("/v1/catalog/datasets/sound/resync")
        self.assertEqual(answer.status, 200, answer)
        self.assertEqual(answer.json["differences"], [])
        self.assertEqual(self.detail("sound").json["version"], 1)

    def test_an_unknown_name_gets_near_ones(self):
        self.lake.ingest("placements", b"v\n1\n", format="csv")
        answer = self.lake.get("/v1/catalog/datasets/placement")
        self.assertEqual((answer.status, answer.json["code"]), (404, "catalog.unknown_dataset"))
        self.assertIn("placements", answer.json["near"])


class Collection(unittest.TestCase):
    def test_orphans_go_and_live_objects_stay(self):
        with Lake() as lake:
            for v in range(4):
                lake.ingest("t", b"v\n%d\n" % v, format="csv")
            orphan = lake.bucket_path("_data/t/0190-orphan.parquet")
            with open(orphan, "wb") as f:
                f.write(b"left behind")
            dry = lake.post("/v1/catalog/gc", {"dry_run": True, "older_than_s": 0}).json
            self.assertIn("_data/t/0190-orphan.parquet", [r["key"] for r in dry["removed"]])
            self.assertTrue(os.path.exists(orphan))
            done = lake.post("/v1/catalog/gc", {"dry_run": False, "older_than_s": 0}).json
            self.assertEqual([r["key"] for r in done["removed"]], ["_data/t/0190-orphan.parquet"])
            self.assertFalse(os.path.exists(orphan))
            for version in range(1, 5):
                self.assertEqual(lake.value(f'SELECT v FROM "t@{version}"'), version - 1)
            lake.post("/v1/catalog/gc", {"dry_run": False, "older_than_s": 0, "keep_versions": 2})
            lake.post("/v1/catalog/gc", {"dry_run": False, "older_than_s": 0, "keep_versions": 2})
            self.assertEqual(len(glob.glob(lake.bucket_path("_data/t/*"))), 2)
            self.assertEqual(lake.value("SELECT v FROM t"), 3)
            self.assertEqual(lake.value('SELECT v FROM "t@3"'), 2)
            self.assertEqual(lake.post("/v1/sql", {"sql": 'SELECT v FROM "t@1"'}).status, 410)


class Rebuild(unittest.TestCase):
    def test_the_bucket_alone_is_enough(self):
        with Lake() as lake:
            lake.ingest("keep", b"id,v\n1,a\n", format="csv")
            lake.ingest("keep", b"id,v\n2,b\n", format="csv", mode="append")
            lake.request("PATCH", "/v1/catalog/datasets/keep", {"owner": "ops"})
            want = lake.rows("SELECT * FROM keep ORDER BY id")
            lake.stop()
            for name in os.listdir(lake.data):
                if name != "primary":
                    shutil.rmtree(os.path.join(lake.data, name), ignore_errors=True)
            moved = lake.path("elsewhere")
            os.makedirs(moved)
            shutil.move(os.path.join(lake.data, "primary"), os.path.join(moved, "primary"))
            lake.data = moved
            lake.start()
            self.assertEqual(lake.rows("SELECT * FROM keep ORDER BY id"), want)
            self.assertEqual(lake.get("/v1/catalog/datasets/keep").json["owner"], "ops")
            events = lake.get("/v1/journal?entity=keep").json["events"]
            self.assertTrue(any(e["action"] == "version.committed" for e in events))

    def test_one_broken_manifest_does_not_hide_the_others(self):
        with Lake() as lake:
            lake.ingest("good", b"v\n1\n", format="csv")
            lake.ingest("bad", b"v\n1\n", format="csv")
            lake.ingest("bad", b"v\n2\n", format="csv")
            lake.stop()
            manifest = lake.bucket_path("_catalog/datasets/bad/0000000002.parquet")
            with open(manifest, "r+b") as f:
                f.seek(20)
                byte = f.read(1)
                f.seek(20)
                f.write(bytes([byte[0] ^ 0xFF]))
            lake.start()
            self.assertEqual(lake.value("SELECT v FROM good"), 1)
            self.assertIn("good", [d["name"] for d in lake.get("/v1/catalog/datasets").json["datasets"]])
            self.assertGreaterEqual(lake.get("/v1/catalog/datasets/bad").status, 500)
            self.assertEqual(lake.value('SELECT v FROM "bad@1"'), 1)
            wait_until(lambda: [e for e in lake.get("/v1/errors").json["errors"]
                                if "0000000002.parquet" in e["object"] + e["detail"]], what="the failure in /v1/errors")


if __name__ == "__main__":
    unittest.main()
