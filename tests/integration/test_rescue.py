"""Rescue buckets through the public edge: replication, reads of what a bucket has lost, and who is told."""

import hashlib
import os
import shutil
import unittest

from lake import Lake, wait_until
from rescue import damage, only_data_file, replicate

PRIMARY = "/v1/storage/buckets/primary/objects/"
USED = "x-lakehouse-rescue-used"
CONFIG = """
[[bucket]]
name = "spare"
role = "rescue"
[[bucket]]
name = "second"
[store]
breaker_reset = "1h"
"""


def errors(lake, code):
    return [e for e in lake.get("/v1/errors").json["errors"] if e["code"] == code]


class Rescue(unittest.TestCase):
    def setUp(self):
        self.lake = Lake(CONFIG)
        self.lake.__enter__()

    def tearDown(self):
        self.lake.__exit__(None, None, None)

    def test_a_damaged_object_is_answered_by_its_copy(self):
        data = os.urandom(300_000)
        put = self.lake.request("PUT", PRIMARY + "a/b.bin", data, headers={"Content-Type": "application/x-thing"})
        self.assertEqual(put.status, 201)
        replicate(self.lake)
        good = self.lake.get(PRIMARY + "a/b.bin")
        self.assertNotIn(USED, good.headers)
        damage(self.lake.bucket_path("a/b.bin"))
        for headers, status, want in (({}, 200, data), ({"Range": "bytes=0-99"}, 206, data[:100])):
            got = self.lake.get(PRIMARY + "a/b.bin", headers=headers)
            self.assertEqual((got.status, got.body, got.headers[USED]), (status, want, "spare"))
            self.assertEqual(got.headers["etag"], put.headers["etag"])
            self.assertEqual(got.headers["content-type"], "application/x-thing")
            self.assertEqual(got.headers["x-lakehouse-checksum-sha256"], hashlib.sha256(data).hexdigest())
        rows = wait_until(lambda: errors(self.lake, "store.rescued"), what="the row of the rescued read")
        self.assertEqual((rows[0]["bucket"], rows[0]["object"]), ("primary", "a/b.bin"))
        metrics = "".join(self.scrape())
        self.assertRegex(metrics, r'lakehouse_store_rescued_total\{bucket="primary"\} [1-9]')

    def scrape(self):
        """The counters of all processes: each has its own."""
        if self.lake.kind == "one":
            return [self.lake.get("/metrics").text]
        import urllib.request
        return [urllib.request.urlopen(p.url + "/metrics").read().decode() for p in self.lake.processes.values()]

    def test_sql_goes_on_over_damaged_data_and_says_so(self):
        rows = "id,name\n" + "".join(f"{i},name{i}\n" for i in range(5000))
        self.lake.ingest("people", rows.encode())
        replicate(self.lake)
        path, key = only_data_file(self.lake, "people")
        with open(path, "r+b") as f:
            f.seek(os.path.getsize(path) // 2)
            byte = f.read(1)
            f.seek(-1, 1)
            f.write(bytes([byte[0] ^ 1]))
        answer = self.lake.post("/v1/sql", {"sql": "SELECT count(*), sum(id), max(name) FROM people"})
        self.assertEqual((answer.status, answer.json["rows"]), (200, [[5000, sum(range(5000)), "name999"]]), answer)
        self.assertEqual(answer.json["rescue_used"], "spare")
        self.assertEqual(answer.headers[USED], "spare")
        row = wait_until(lambda: errors(self.lake, "store.rescued"), what="the row of the rescued read")[0]
        self.assertEqual((row["bucket"], row["object"]), ("primary", key))

    def test_without_need_nothing_is_said(self):
        self.lake.ingest("people", b"id\n1\n")
        replicate(self.lake)
        answer = self.lake.post("/v1/sql", {"sql": "SELECT * FROM people"})
        self.assertNotIn("rescue_used", answer.json)
        self.assertNotIn(USED, answer.headers)

    def test_what_is_not_there_is_not_there(self):
        self.lake.request("PUT", PRIMARY + "k", b"1")
        replicate(self.lake)
        self.lake.request("DELETE", PRIMARY + "k")
        got = self.lake.get(PRIMARY + "k")
        self.assertEqual((got.status, got.json["code"]), (404, "store.no_object"))
        self.assertNotIn(USED, got.headers)

    def test_datasets_in_two_buckets_join_and_survive_one_of_them(self):
        self.lake.ingest("people", b"id,name\n1,Ann\n2,Bob\n")
        self.lake.ingest("jobs", b"id,job\n1,Pilot\n2,Baker\n", headers={"X-Lakehouse-Bucket": "second"})
        join = "SELECT name, job FROM people JOIN jobs USING (id) ORDER BY id"
        want = [["Ann", "Pilot"], ["Bob", "Baker"]]
        self.assertEqual(self.lake.rows(join), want)
        key = "/v1/storage/buckets/second/objects/some/key"
        tag = self.lake.request("PUT", key, b"value").headers["etag"]
        replicate(self.lake)
        shutil.rmtree(os.path.join(self.lake.data, "buckets", "second"))
        answer = self.lake.sql(join)
        self.assertEqual((answer["rows"], answer["rescue_used"]), (want, "spare"))
        self.assertEqual(self.lake.sql("SELECT count(*) FROM people")["rows"], [[2]])
        for method, body in (("GET", b"value"), ("HEAD", b"")):
            got = self.lake.request(method, key)
            self.assertEqual((got.status, got.body, got.headers["etag"], got.headers[USED]), (200, body, tag, "spare"))
        put = self.lake.request("PUT", "/v1/storage/buckets/second/objects/k", b"1")
        self.assertEqual((put.status, put.json["code"]), (503, "store.bucket_gone"))
        self.assertIn(self.lake.request("PUT", PRIMARY + "k", b"1").status, (200, 201))

    def test_a_rescue_bucket_takes_writes_of_replication_only(self):
        spare = "/v1/storage/buckets/spare"
        put = self.lake.request("PUT", spare + "/objects/k", b"1")
        self.assertEqual((put.status, put.json["code"]), (403, "store.rescue_read_only"))
        ingest = self.lake.post("/v1/ingest?dataset=d", b"a\n1\n", headers={"X-Lakehouse-Bucket": "spare", "Content-Type": "text/csv"})
        self.assertEqual((ingest.status, ingest.json["code"]), (403, "store.rescue_read_only"))
        self.assertEqual(self.lake.request("DELETE", spare).status, 403)

    def test_replication_is_incremental_and_an_event(self):
        self.lake.ingest("people", b"id\n1\n")
        first = replicate(self.lake)
        self.assertGreaterEqual(first["copied"], 3)
        self.assertEqual(first["failed"], 0)
        second = replicate(self.lake)
        self.assertLess(second["copied"], first["copied"])
        self.assertGreaterEqual(second["unchanged"], first["copied"])
        events = [e for e in self.lake.get("/v1/journal?entity=spare").json["events"] if e["action"] == "bucket.replicated"]
        self.assertEqual(len(events), 1, events)
        self.assertEqual(events[0]["new"]["copied"], first["copied"])

    def test_replication_needs_a_writer_and_a_rescue_bucket(self):
        other = self.lake.post("/v1/storage/replicate", {"to": "second"})
        self.assertEqual((other.status, other.json["code"]), (400, "store.no_rescue_bucket"))
        wrong = self.lake.post("/v1/storage/replicate", {"too": "spare"})
        self.assertEqual((wrong.status, wrong.json["code"]), (400, "request.field_unknown"))

    def test_an_object_that_cannot_be_copied_is_told_and_the_rest_is_copied(self):
        self.lake.request("PUT", PRIMARY + "bad", b"12345")
        self.lake.request("PUT", PRIMARY + "good", b"12345")
        damage(self.lake.bucket_path("bad"))
        result = replicate(self.lake, expect=1)
        self.assertEqual(result["failed"], 1)
        self.assertIn("bad", result["first_failure"])
        self.assertEqual(self.lake.get("/v1/storage/buckets/spare/objects/primary/good").body, b"12345")
        wait_until(lambda: errors(self.lake, "store.replicate_failed"), what="the row of the failure")


class AtRunTime(unittest.TestCase):
    def test_a_rescue_bucket_added_at_run_time_answers_in_every_process(self):
        with Lake('[store]\nbreaker_failures = 0\n') as lake:
            self.assertEqual(lake.post("/v1/storage/replicate", {}).json["code"], "store.no_rescue_bucket")
            added = lake.post("/v1/storage/buckets", {"name": "spare", "backend": "local", "role": "rescue"})
            self.assertEqual(added.status, 201, added)
            lake.ingest("people", b"id\n" + b"".join(b"%d\n" % i for i in range(20000)))
            replicate(lake)
            damage(only_data_file(lake, "people")[0])
            def rescued():
                answer = lake.post("/v1/sql", {"sql": "SELECT sum(id) FROM people"})
                return answer.status == 200 and answer.json
            answer = wait_until(rescued, what="a process to find the rescue bucket")
            self.assertEqual(answer["rows"], [[sum(range(20000))]])
            self.assertEqual(answer["rescue_used"], "spare")
            removed = lake.request("DELETE", "/v1/storage/buckets/spare")
            self.assertEqual((removed.status, removed.json["code"]), (403, "store.bucket_protected"))


if __name__ == "__main__":
    unittest.main()
