"""Buckets in S3 that lie, fail, hang and come back: what the lake refuses, what it answers all the same, and how fast."""

import socket
import threading
import time
import unittest

from lake import Lake, wait_until
from lying_s3 import LyingS3
from rescue import damage, only_data_file, replicate

SECRETS = {"LAKEHOUSE_SECRET_FAR_ACCESS_KEY_ID": "AKFAR", "LAKEHOUSE_SECRET_FAR_SECRET_ACCESS_KEY": "not-checked"}


def s3_bucket(name, endpoint, bucket, role=""):
    return {"name": name, "backend": "s3", "endpoint": endpoint, "region": "us-east-1", "bucket": bucket, "path_style": True,
            "credentials": "FAR", **({"role": role} if role else {})}


def s3_config(name, endpoint, bucket):
    return (f'[[bucket]]\nname = "{name}"\nbackend = "s3"\nendpoint = "{endpoint}"\nbucket = "{bucket}"\n'
            'credentials = "FAR"\npath_style = true\n')


class Way:
    """A TCP way to a server that can be cut and hung and opened again."""

    def __init__(self, target):
        self.target = target
        self.mode = "open"
        self.connections = 0
        self.live = []
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.endpoint = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        threading.Thread(target=self.accept, daemon=True).start()

    def set(self, mode):
        self.mode = mode
        if mode != "open":
            for s in self.live:
                try:
                    s.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass
                s.close()
            self.live = []

    def accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            self.connections += 1
            if self.mode == "cut":
                client.close()
            elif self.mode == "hang":
                self.live.append(client)
            else:
                server = socket.create_connection(self.target)
                self.live += [client, server]
                for a, b in ((client, server), (server, client)):
                    threading.Thread(target=self.pump, args=(a, b), daemon=True).start()

    @staticmethod
    def pump(a, b):
        try:
            while data := a.recv(65536):
                b.sendall(data)
        except OSError:
            pass
        for s in (a, b):
            try:
                s.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            s.close()

    def close(self):
        self.listener.close()
        self.set("cut")


class Liars(unittest.TestCase):
    def test_as_primary_a_store_that_ignores_conditions_is_refused(self):
        for ignored in ("If-None-Match", "If-Match"):
            with self.subTest(ignored), LyingS3(ignores=(ignored,)) as store, \
                    Lake(s3_config("primary", store.endpoint, "lake"), env=SECRETS) as lake:
                ready = lake.get("/readyz")
                self.assertEqual(ready.status, 503, ready)
                self.assertIn("does not hold to conditions", ready.text)
                health = lake.get("/v1/storage/health").json["buckets"][0]
                self.assertTrue(health["reachable"])
                self.assertFalse(health["capabilities"]["conditional_put" if ignored == "If-None-Match" else "compare_and_swap"])
                self.assertTrue(health["proven"]["ignores_conditions"], health)
                ingest = lake.post("/v1/ingest?dataset=d", b"a\n1\n", headers={"Content-Type": "text/csv"})
                self.assertEqual((ingest.status, ingest.json["code"]), (501, "store.conditions_ignored"), ingest)
                self.assertFalse([k for k in store.objects if k.startswith("_catalog/datasets/")], store.objects.keys())

    def test_an_honest_one_is_proven_and_used(self):
        with LyingS3() as store, Lake(s3_config("primary", store.endpoint, "lake"), env=SECRETS) as lake:
            ready = lake.get("/readyz")
            self.assertEqual(ready.status, 200, ready)
            health = lake.get("/v1/storage/health").json["buckets"][0]
            self.assertTrue(health["proven"]["capabilities"]["compare_and_swap"], health)
            self.assertIn("_storage/proofs/primary.json", store.objects)
            lake.ingest("people", b"id\n1\n2\n")
            self.assertEqual(lake.value("SELECT sum(id) FROM people"), 3)

    def test_beside_primary_it_takes_plain_objects_and_nothing_that_commits(self):
        with LyingS3(ignores=("If-None-Match",)) as store, Lake(env=SECRETS) as lake:
            added = lake.post("/v1/storage/buckets", s3_bucket("far", store.endpoint, "lake"))
            self.assertEqual(added.status, 201, added)
            path = "/v1/storage/buckets/far/objects/k"
            self.assertIn(lake.request("PUT", path, b"1").status, (200, 201))
            refused = lake.request("PUT", path, b"2", headers={"If-Match": "*"})
            self.assertEqual((refused.status, refused.json["code"]), (501, "store.conditions_ignored"))
            rescue = lake.post("/v1/storage/buckets", s3_bucket("spare", store.endpoint, "other", role="rescue"))
            self.assertEqual((rescue.status, rescue.json["code"]), (400, "store.conditions_ignored"), rescue)
            self.assertNotIn("spare", [b["name"] for b in lake.get("/v1/storage/buckets").json["buckets"]])


class FarBuckets(unittest.TestCase):
    """A lake whose second bucket is in an honest S3 store, with a way between that can be cut."""

    def setUp(self):
        self.store = LyingS3()
        self.store.__enter__()
        self.way = Way(self.store.server.server_address)
        self.lake = Lake('[[bucket]]\nname = "spare"\nrole = "rescue"\n[store]\ncache_memory = 0\ncache_disk = 0\n'
                         'rescue_after = "500ms"\nbreaker_failures = 2\nbreaker_reset = "300ms"\n', env=SECRETS)
        self.lake.__enter__()
        added = self.lake.post("/v1/storage/buckets", s3_bucket("far", self.way.endpoint, "lake"))
        self.assertEqual(added.status, 201, added)
        self.lake.ingest("people", b"id,name\n1,Ann\n2,Bob\n")
        self.lake.ingest("jobs", b"id,job\n1,Pilot\n2,Baker\n", headers={"X-Lakehouse-Bucket": "far"})

    def tearDown(self):
        self.way.close()
        self.lake.__exit__(None, None, None)
        self.store.__exit__(None, None, None)

    JOIN = "SELECT name, job FROM people JOIN jobs USING (id) ORDER BY id"
    WANT = [["Ann", "Pilot"], ["Bob", "Baker"]]

    def test_datasets_here_and_there_join(self):
        answer = self.lake.sql(self.JOIN)
        self.assertEqual(answer["rows"], self.WANT)
        self.assertNotIn("rescue_used", answer)
        self.assertEqual(len([k for k in self.store.objects if k.startswith("_data/jobs/")]), 1)

    def test_a_dead_store_is_stood_in_for_spared_and_taken_back(self):
        replicate(self.lake)
        for mode in ("cut", "hang"):
            with self.subTest(mode):
                self.way.set(mode)
                answer = self.lake.sql(self.JOIN)
                self.assertEqual((answer["rows"], answer["rescue_used"]), (self.WANT, "spare"))
                for _ in range(3):
                    self.lake.sql(self.JOIN)
                # Spared: what is left of its cost is a probe now and then, not a timeout for each read.
                began, before = time.monotonic(), self.way.connections
                for _ in range(20):
                    self.assertEqual(self.lake.rows(self.JOIN), self.WANT)
                elapsed = time.monotonic() - began
                probes = elapsed / 0.3 + 2
                self.assertLess(self.way.connections - before, 6 * probes + 20)
                self.assertLess(elapsed, 20 * 0.5)
                self.way.set("open")
                def back():
                    answer = self.lake.sql(self.JOIN)
                    return answer["rows"] == self.WANT and "rescue_used" not in answer
                wait_until(back, what="the bucket to be taken back")

    def test_without_a_copy_the_failure_is_told_and_the_rest_goes_on(self):
        self.way.set("cut")
        answer = self.lake.post("/v1/sql", {"sql": "SELECT * FROM jobs", "timeout_ms": 20000})
        self.assertIn(answer.status, (503, 408), answer)
        self.assertEqual(self.lake.rows("SELECT name FROM people ORDER BY id"), [["Ann"], ["Bob"]])
        health = {b["name"]: b for b in self.lake.get("/v1/storage/health").json["buckets"]}
        self.assertFalse(health["far"]["reachable"])
        self.assertTrue(health["primary"]["reachable"])
        self.assertEqual(self.lake.request("DELETE", "/v1/storage/buckets/far").status, 409)
        self.way.set("open")


class FarRescue(unittest.TestCase):
    def test_the_rescue_bucket_may_be_in_s3_and_is_verified_too(self):
        with LyingS3() as store, Lake(s3_config("away", store.endpoint, "copies") + 'role = "rescue"\n', env=SECRETS) as lake:
            lake.ingest("people", b"id\n" + b"".join(b"%d\n" % i for i in range(20000)))
            first = replicate(lake)
            self.assertEqual(first["failed"], 0, first)
            self.assertEqual(replicate(lake)["failed"], 0)
            path, key = only_data_file(lake, "people")
            damage(path)
            answer = lake.sql("SELECT sum(id) FROM people")
            self.assertEqual((answer["rows"], answer["rescue_used"]), ([[sum(range(20000))]], "away"))
            got = lake.get("/v1/storage/buckets/primary/objects/" + key)
            self.assertEqual((got.status, got.headers["x-lakehouse-rescue-used"]), (200, "away"))
            verified = lake.post("/v1/storage/verify", {"deep": True}).json["differences"]
            self.assertEqual({(d["bucket"], d["what"]) for d in verified if "_journal/" not in d["key"]}, {("primary", "checksum")}, verified)
            copy = "primary/" + key
            data, etag, meta, when = store.objects[copy]
            store.objects[copy] = (b"x" + data[1:], etag, meta, when)
            verified = lake.post("/v1/storage/verify", {"deep": True}).json["differences"]
            self.assertIn(("away", "checksum"), {(d["bucket"], d["what"]) for d in verified}, verified)


if __name__ == "__main__":
    unittest.main()
