"""Every mutation is an event, every failure a row."""

import unittest

from lake import Lake, wait_until


class Journal(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.lake = Lake()
        cls.lake.__enter__()

    @classmethod
    def tearDownClass(cls):
        cls.lake.__exit__(None, None, None)

    def events(self, entity):
        return self.lake.get(f"/v1/journal?entity={entity}&limit=100").json["events"]

    def test_each_kind_of_mutation_leaves_its_event(self):
        lake = self.lake
        lake.ingest("things", b"v\n1\n", format="csv")
        lake.ingest("things", b"v\n2\n", format="csv", mode="append")
        lake.post("/v1/catalog/datasets/things/rollback", {"version": 1})
        lake.request("PATCH", "/v1/catalog/datasets/things", {"owner": "ops"})
        lake.request("DELETE", "/v1/catalog/datasets/things")
        events = self.events("things")
        actions = [e["action"] for e in reversed(events)]
        self.assertEqual(len(actions), 5, actions)
        for member in ("event_id", "time", "entity_type", "entity_id", "actor", "source", "trace_id"):
            self.assertIn(member, events[0])
        self.assertEqual(len({e["event_id"] for e in events}), 5)
        lake.request("PUT", "/v1/storage/buckets/primary/objects/some/key", b"x")
        self.assertTrue(self.events("primary/some/key") or self.events("some/key"))

    def test_reads_leave_none(self):
        self.lake.ingest("quiet", b"v\n1\n", format="csv")
        before = len(self.events("quiet"))
        self.lake.sql("SELECT * FROM quiet")
        self.lake.get("/v1/catalog/datasets/quiet")
        self.lake.ingest("quiet", b"v\n1\n", format="csv")
        self.assertEqual(len(self.events("quiet")), before)

    def test_events_survive_a_kill(self):
        with Lake() as lake:
            for i in range(5):
                lake.ingest("t", b"v\n%d\n" % i, format="csv")
            lake.kill()
            lake.start()
            events = lake.get("/v1/journal?entity=t").json["events"]
            self.assertEqual(len(events), 5)

    def test_limits_and_times_are_checked(self):
        for query in ("limit=0", "limit=x", "since=yesterday", "limit=100000000", "wrong=1"):
            self.assertEqual(self.lake.get(f"/v1/errors?{query}").status, 400, query)
            self.assertEqual(self.lake.get(f"/v1/journal?{query}").status, 400, query)

    def test_failures_of_all_services_are_found_in_one_call(self):
        with Lake() as lake:
            lake.ingest("broken", b"v\n1\n2\n3\n", format="csv")
            key = lake.get("/v1/catalog/datasets/broken").json["objects"][0]["key"]
            with open(lake.bucket_path(key), "r+b") as f:
                f.seek(10)
                byte = f.read(1)
                f.seek(10)
                f.write(bytes([byte[0] ^ 0x55]))
            for _ in range(3):
                answer = lake.post("/v1/sql", {"sql": "SELECT * FROM broken"})
                self.assertEqual((answer.status, answer.json["code"]), (500, "store.checksum"))
            rows = wait_until(lambda: [e for e in lake.get("/v1/errors").json["errors"] if e["code"] == "store.checksum"],
                              what="the failure in /v1/errors")
            for member in ("time", "service", "code", "detail", "object", "bucket", "trace_id", "count"):
                self.assertIn(member, rows[0])
            self.assertTrue(wait_until(lambda: sum(
                e["count"] for e in lake.get("/v1/errors").json["errors"] if e["code"] == "store.checksum") >= 3))
            self.assertEqual(lake.get("/v1/errors?service=nobody").json["errors"], [])


if __name__ == "__main__":
    unittest.main()
