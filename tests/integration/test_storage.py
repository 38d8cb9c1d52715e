"""Objects and buckets through the public edge."""

import hashlib
import json
import os
import threading
import unittest

from lake import Lake, wait_until

OBJECTS = "/v1/storage/buckets/primary/objects/"


class StorageCase(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.lake = Lake()
        cls.lake.__enter__()

    @classmethod
    def tearDownClass(cls):
        cls.lake.__exit__(None, None, None)

    def put(self, key, data, **headers):
        return self.lake.request("PUT", OBJECTS + key, data, headers={k.replace("_", "-"): v for k, v in headers.items()})


class Objects(StorageCase):
    def test_put_get_head_delete(self):
        data = os.urandom(300_000)
        put = self.put("a/b.bin", data, Content_Type="application/x-thing")
        self.assertIn(put.status, (200, 201), put)
        got = self.lake.get(OBJECTS + "a/b.bin")
        self.assertEqual((got.status, got.body, got.headers["content-type"]), (200, data, "application/x-thing"))
        self.assertEqual(got.headers["etag"], put.headers["etag"])
        head = self.lake.request("HEAD", OBJECTS + "a/b.bin")
        self.assertEqual((head.status, head.headers["content-length"], head.body), (200, "300000", b""))
        self.assertEqual(self.lake.request("DELETE", OBJECTS + "a/b.bin").status, 204)
        self.assertEqual(self.lake.get(OBJECTS + "a/b.bin").status, 404)

    def test_ranges(self):
        data = bytes(range(256)) * 1000
        self.put("range.bin", data)
        for header, want in (("bytes=0-9", data[:10]), ("bytes=255990-", data[255990:]), ("bytes=-5", data[-5:]),
                             ("bytes=100-199", data[100:200])):
            got = self.lake.get(OBJECTS + "range.bin", headers={"Range": header})
            self.assertEqual((got.status, got.body), (206, want), header)
            self.assertTrue(got.headers["content-range"].endswith("/256000"))
        beyond = self.lake.get(OBJECTS + "range.bin", headers={"Range": "bytes=256000-"})
        self.assertEqual((beyond.status, beyond.headers["content-range"]), (416, "bytes */256000"))
        self.assertEqual(self.lake.get(OBJECTS + "range.bin", headers={"Range": "lines=1-2"}).status, 200)

    def test_conditions(self):
        first = self.put("cond", b"1", If_None_Match="*")
        self.assertIn(first.status, (200, 201))
        self.assertEqual(self.put("cond", b"2", If_None_Match="*").status, 412)
        self.assertEqual(self.put("cond", b"2", If_Match='"nope"').status, 412)
        second = self.put("cond", b"2", If_Match=first.headers["etag"])
        self.assertIn(second.status, (200, 201))
        self.assertEqual(self.lake.get(OBJECTS + "cond", headers={"If-None-Match": second.headers["etag"]}).status, 304)
        self.assertEqual(self.lake.get(OBJECTS + "cond").body, b"2")

    def test_one_of_many_creators_wins(self):
        outcomes = []
        def create(i):
            outcomes.append(self.put("race", b"%d" % i, If_None_Match="*").status)
        threads = [threading.Thread(target=create, args=(i,)) for i in range(16)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        self.assertEqual(sorted(outcomes)[0] // 100, 2)
        self.assertEqual(sorted(outcomes)[1:], [412] * 15)

    def test_checksum_header_is_checked(self):
        good = hashlib.sha256(b"bytes").hexdigest()
        self.assertIn(self.put("sum", b"bytes", X_Lakehouse_Checksum_SHA256=good).status, (200, 201))
        self.assertEqual(self.put("sum2", b"other", X_Lakehouse_Checksum_SHA256=good).status, 400)
        self.assertEqual(self.lake.get(OBJECTS + "sum2").status, 404)

    def test_keys_that_break_the_rules_are_refused(self):
        for key in ("a//b", "a/../b", "./a", "a%00b", "a%0Ab", "x" * 1025, "%2Fa"):
            with self.subTest(key[:20]):
                self.assertEqual(self.put(key, b"x").status, 400)
        for key in ("space%20and%2Bplus", "%C3%BCml%C3%A4ut", "per%25cent", "dots...", "long" * 60):
            with self.subTest(key[:20]):
                self.assertIn(self.put(key, b"x").status, (200, 201))
                self.assertEqual(self.lake.get(OBJECTS + key).body, b"x")

    def test_prefixes_of_services_are_closed(self):
        for key in ("_catalog/datasets/x/0000000001.parquet", "_data/x", "_journal/x", "_anything/x"):
            with self.subTest(key):
                self.assertEqual(self.put(key, b"x").status, 403)
                self.assertEqual(self.lake.request("DELETE", OBJECTS + key).status, 403)

    def test_lists_page_in_key_order(self):
        keys = ["l/b", "l/a/x", "l/a-b", "l/a0", "l/c/d/e", "l/a/y"]
        for key in keys:
            self.put(key, b"1")
        seen, cursor = [], ""
        while True:
            body = self.lake.get(f"/v1/storage/buckets/primary/objects?prefix=l/&limit=2{cursor}").json
            seen += [o["key"] for o in body["objects"]]
            if not body.get("next_cursor"):
                break
            cursor = "&cursor=" + body["next_cursor"]
        self.assertEqual(seen, sorted(keys))

    def test_a_flipped_byte_is_reported_and_not_served(self):
        data = os.urandom(200_000)
        self.put("flip.bin", data)
        path = self.lake.bucket_path("flip.bin")
        with open(path, "r+b") as f:
            f.seek(100_000)
            f.write(bytes([data[100_000] ^ 1]))
        got = self.lake.get(OBJECTS + "flip.bin")
        self.assertEqual((got.status, got.json["code"]), (500, "store.checksum"))
        errors = self.lake.get("/v1/errors").json["errors"]
        self.assertTrue(any(e["code"] == "store.checksum" for e in errors), errors)


class Buckets(StorageCase):
    def test_buckets_come_and_go(self):
        root = self.lake.path("second")
        answer = self.lake.post("/v1/storage/buckets", {"name": "second", "backend": "local", "root": root})
        self.assertEqual(answer.status, 201, answer)
        self.assertEqual(self.lake.post("/v1/storage/buckets", {"name": "second", "backend": "local", "root": root}).status, 409)
        path = "/v1/storage/buckets/second/objects/k"
        self.assertIn(self.lake.request("PUT", path, b"v").status, (200, 201))
        self.lake.restart()
        self.assertEqual(self.lake.get(path).body, b"v")
        self.assertEqual(self.lake.request("DELETE", "/v1/storage/buckets/second").status, 204)
        self.assertEqual(self.lake.get(path).status, 404)
        self.assertEqual(self.lake.request("DELETE", "/v1/storage/buckets/primary").status, 403)
        names = [b["name"] for b in self.lake.get("/v1/storage/buckets").json["buckets"]]
        self.assertEqual(names, ["primary"])

    def test_a_bucket_in_use_stays_and_one_removed_by_force_comes_back(self):
        root = self.lake.path("used")
        bucket = {"name": "used", "backend": "local", "root": root}
        self.assertEqual(self.lake.post("/v1/storage/buckets", bucket).status, 201)
        self.lake.ingest("here", b"a\n1\n")
        self.lake.ingest("there", b"a\n2\n", headers={"X-Lakehouse-Bucket": "used"})
        refused = self.lake.request("DELETE", "/v1/storage/buckets/used")
        self.assertEqual((refused.status, refused.json["code"], refused.json["datasets"]), (409, "store.bucket_in_use", ["there"]))
        self.assertEqual(self.lake.request("DELETE", "/v1/storage/buckets/used?force=true").status, 204)
        gone = wait_until(lambda: (a := self.lake.post("/v1/sql", {"sql": "SELECT * FROM there"})).status != 200 and a,
                          what="every process to have forgotten the bucket")
        self.assertEqual((gone.status, gone.json["code"]), (404, "store.no_bucket"), gone)
        self.assertEqual(self.lake.rows("SELECT * FROM here"), [[1]])
        refused = wait_until(lambda: (a := self.lake.post("/v1/ingest?dataset=x&allow_duplicate=true&mode=append", b"a\n1\n",
                                                          headers={"X-Lakehouse-Bucket": "used", "Content-Type": "text/csv"})).status not in (200, 201) and a,
                             what="every process to have forgotten the bucket")
        self.assertEqual((refused.status, refused.json["code"]), (404, "store.no_bucket"))
        self.assertEqual(self.lake.post("/v1/storage/buckets", bucket).status, 201)
        self.assertEqual(self.lake.rows("SELECT * FROM there JOIN here ON true"), [[2, 1]])
        self.assertEqual(self.lake.request("DELETE", "/v1/storage/buckets/used?force=true").status, 204)

    def test_health_is_proven(self):
        body = self.lake.get("/v1/storage/health").json
        primary = next(b for b in body["buckets"] if b["name"] == "primary")
        self.assertTrue(primary["reachable"], primary)
        self.assertTrue(primary["capabilities"]["conditional_put"], primary)
        self.assertTrue(primary["proven"]["capabilities"]["compare_and_swap"], primary)
        again = self.lake.get("/v1/storage/health?prove=true").json["buckets"][0]
        self.assertGreater(again["proven"]["at"], primary["proven"]["at"])
        self.assertEqual(self.lake.get("/v1/storage/health?prove=maybe").status, 400)

    def test_a_store_that_was_seen_to_ignore_conditions_is_refused_for_the_catalog(self):
        with Lake() as lake:
            lake.get("/v1/storage/health")
            path = lake.bucket_path("_storage/proofs/primary.json")
            with open(path) as f:
                proof = json.load(f)
            proof.update(ignores_conditions=True, detail="2 writers at once were told that they had created it")
            proof["capabilities"].update(conditional_put=False)
            os.unlink(path)
            with open(path, "w") as f:
                json.dump(proof, f)
            ready = wait_until(lambda: (a := lake.get("/readyz")).status == 503 and a, what="the lake to be not ready")
            self.assertIn("2 writers at once", ready.text)
            primary = lake.get("/v1/storage/health").json["buckets"][0]
            self.assertFalse(primary["capabilities"]["conditional_put"])
            self.assertTrue(primary["proven"]["ignores_conditions"])
            refused = lake.request("PUT", OBJECTS + "k", b"1", headers={"If-None-Match": "*"})
            self.assertEqual((refused.status, refused.json["code"]), (501, "store.conditions_ignored"))
            if lake.kind == "one":
                ingest = lake.post("/v1/ingest?dataset=d", b"a\n1\n", headers={"Content-Type": "text/csv"})
                self.assertEqual((ingest.status, ingest.json["code"]), (501, "store.conditions_ignored"), ingest)


if __name__ == "__main__":
    unittest.main()
