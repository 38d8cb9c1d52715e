"""Rows deleted by key: gone at once for every reader, in every version, and for good."""

import json
import unittest

from lake import Lake, wait_until


class Tombstones(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.lake = Lake()
        cls.lake.__enter__()

    @classmethod
    def tearDownClass(cls):
        cls.lake.__exit__(None, None, None)

    def ids(self, name):
        return [r[0] for r in self.lake.rows(f'SELECT id FROM "{name}" ORDER BY id')]

    def test_a_deletion_is_seen_at_once_in_every_form_and_version(self):
        lake = self.lake
        lake.ingest("people", b"id,mail\n1,a@x\n2,b@x\n3,c@x\n", format="csv")
        lake.ingest("people", b"id,mail\n4,d@x\n2,bb@x\n", format="csv", mode="append")
        self.assertEqual(self.ids("people"), [1, 2, 2, 3, 4])
        done = lake.tombstone("people", "id", [2, 99])
        self.assertEqual((done["version"], done["rows_removed"], done["rows"], done["values"]), (3, 2, 3, 2))
        self.assertEqual(done["objects"], 2)
        self.assertEqual(self.ids("people"), [1, 3, 4])
        self.assertEqual(self.ids("people@1"), [1, 3])
        self.assertEqual(self.ids("people@2"), [1, 3, 4])
        for accept in ("application/x-ndjson", "text/csv", "application/vnd.apache.arrow.stream"):
            answer = lake.post("/v1/sql", {"sql": "SELECT mail FROM people"}, headers={"Accept": accept})
            self.assertEqual(answer.status, 200)
            self.assertIn(b"a@x", answer.body)
            self.assertNotIn(b"bb@x", answer.body)
        plan = json.dumps(lake.sql("EXPLAIN SELECT * FROM people"))
        self.assertNotIn("bb@x", plan)
        summary = {r[0]: r for r in lake.rows("SUMMARIZE people")}
        self.assertEqual(summary["id"][1:4], ["BIGINT", "1", "4"])
        self.assertEqual(lake.value("SELECT count(*) FROM people"), 3)

    def test_statistics_and_lists_do_not_tell_of_deleted_rows(self):
        lake = self.lake
        lake.ingest("stats", b"id,mail\n1,a@x\n2,\n9,zz@x\n", format="csv")
        lake.tombstone("stats", "mail", ["zz@x"])
        detail = lake.get("/v1/catalog/datasets/stats").json
        columns = {c["name"]: c for c in detail["columns"]}
        self.assertEqual((detail["rows"], detail["hidden_rows"]), (2, 1))
        self.assertEqual((str(columns["id"]["max"]), columns["mail"]["max"], columns["mail"]["nulls"]), ("2", "a@x", 1))
        self.assertEqual(columns["id"]["distinct_estimate"], 2)
        listed = next(d for d in lake.get("/v1/catalog/datasets?limit=1000").json["datasets"] if d["name"] == "stats")
        self.assertEqual(listed["rows"], 2)
        found = lake.post("/v1/catalog/datasets/stats/resync").json
        self.assertEqual((found["differences"], found["rows"]), ([], 2))
        lake.post("/v1/catalog/datasets/stats/rollback", {"version": 1})
        detail = lake.get("/v1/catalog/datasets/stats").json
        self.assertEqual((detail["version"], detail["rows"]), (3, 2))
        self.assertNotIn("zz@x", json.dumps(detail["columns"]))

    def test_a_rollback_and_an_append_do_not_bring_rows_back_and_an_ingest_does(self):
        lake = self.lake
        lake.ingest("back", b"id,v\n1,a\n2,b\n", format="csv")
        lake.ingest("back", b"id,v\n3,c\n", format="csv")
        lake.tombstone("back", "id", [2])
        lake.post("/v1/catalog/datasets/back/rollback", {"version": 1})
        self.assertEqual(self.ids("back"), [1])
        lake.ingest("back", b"id,v\n5,e\n", format="csv", mode="append")
        self.assertEqual(self.ids("back"), [1, 5])
        lake.ingest("back", b"id,v\n2,new\n", format="csv", mode="append")
        self.assertEqual(lake.rows("SELECT id, v FROM back ORDER BY id"), [[1, "a"], [2, "new"], [5, "e"]])
        lake.tombstone("back", "id", [2])
        self.assertEqual(self.ids("back"), [1, 5])
        lake.ingest("back", b"id,v\n1,A\n6,f\n", format="csv", mode="upsert", key="id")
        self.assertEqual(lake.rows("SELECT id, v FROM back ORDER BY id"), [[1, "A"], [5, "e"], [6, "f"]])
        lake.tombstone("back", "id", [6])
        again = lake.ingest("back", b"id,v\n1,A\n6,f\n", format="csv", mode="upsert", key="id")
        self.assertFalse(again["unchanged"])
        self.assertEqual(self.ids("back"), [1, 5, 6])

    def test_the_same_file_again_is_no_repeat_of_what_has_been_deleted_from(self):
        lake = self.lake
        data = b"id\n1\n2\n"
        lake.ingest("whole", data, format="csv")
        lake.tombstone("whole", "id", [1])
        self.assertFalse(lake.ingest("whole", data, format="csv")["unchanged"])
        self.assertEqual(self.ids("whole"), [1, 2])
        lake.ingest("part", data, format="csv", mode="append")
        lake.tombstone("part", "id", [1])
        self.assertTrue(lake.ingest("part", data, format="csv", mode="append")["unchanged"])
        self.assertEqual(self.ids("part"), [2])

    def test_a_hidden_dataset_is_deleted_from_too(self):
        lake = self.lake
        lake.ingest("hidden", b"id\n1\n2\n", format="csv")
        lake.request("DELETE", "/v1/catalog/datasets/hidden")
        done = lake.tombstone("hidden", "id", [1])
        self.assertEqual((done["rows_removed"], done["hidden_rows"]), (0, 1))
        self.assertEqual(lake.get("/v1/catalog/datasets/hidden").status, 404)
        lake.post("/v1/catalog/datasets/hidden/rollback", {"version": 1})
        self.assertEqual(self.ids("hidden"), [2])

    def test_rows_without_a_key_stay_and_names_are_quoted(self):
        lake = self.lake
        lake.ingest("odd", b'id,"he said ""x""",filename\n1,a\'b,f\n2,,g\n3,c,h\n', format="csv")
        lake.tombstone("odd", 'he said "x"', ["a'b", "nobody"])
        self.assertEqual(self.ids("odd"), [2, 3])
        self.assertEqual(lake.value("SELECT string_agg(filename, ' ' ORDER BY id) FROM odd"), "g h")

    def test_pinned_datasets_show_it_too(self):
        lake = self.lake
        lake.ingest("pinned", b"id\n1\n2\n", format="csv")
        lake.post("/v1/query/cache/pin", {"dataset": "pinned"})
        self.assertEqual(self.ids("pinned"), [1, 2])
        lake.tombstone("pinned", "id", [1])
        self.assertEqual(self.ids("pinned"), [2])
        self.assertEqual(self.ids("pinned@1"), [2])
        lake.post("/v1/query/cache/pin", {"dataset": "pinned"})
        self.assertEqual(self.ids("pinned"), [2])

    def test_who_asked_and_why_is_in_the_journal_and_in_the_list(self):
        lake = self.lake
        lake.ingest("said", b"id\n1\n2\n", format="csv")
        lake.tombstone("said", "id", [1], reason="ticket 17")
        lake.tombstone("said", "id", [77], reason="ticket 18")
        events = [e for e in lake.get("/v1/journal?entity=said").json["events"] if e["action"] == "dataset.tombstoned"]
        self.assertEqual([e["new"]["reason"] for e in events], ["ticket 18", "ticket 17"])
        self.assertEqual(events[1]["new"]["requested_by"], "privacy@example.org")
        listed = lake.get("/v1/catalog/datasets/said/tombstones?values=true").json
        self.assertEqual([(t["version"], t["values"], t["reason"], t["rows_removed"]) for t in listed["tombstones"]],
                         [(2, ["1"], "ticket 17", 1)])
        told = 'SELECT tombstone, key_column, value, actor, reason, created_at > TIMESTAMPTZ \'2020-01-01\' FROM "said@tombstones"'
        self.assertEqual(lake.rows(told), [[2, "id", "1", "privacy@example.org", "ticket 17", True]])
        self.assertEqual(lake.value('SELECT count(*) FROM said JOIN "said@tombstones" t ON said.id::VARCHAR = t.value'), 0)
        lake.ingest("unsaid", b"id\n1\n", format="csv")
        self.assertEqual(lake.rows('SELECT * FROM "unsaid@tombstones"'), [])
        self.assertEqual(lake.post("/v1/sql", {"sql": 'SELECT * FROM "nobody@tombstones"'}).status, 404)

    def test_what_hides_nothing_changes_nothing(self):
        lake = self.lake
        lake.ingest("same", b"id\n1\n", format="csv")
        answer = lake.post("/v1/catalog/datasets/same/tombstone",
                           {"key_column": "id", "values": [5], "actor": "a", "reason": "r"})
        self.assertEqual((answer.status, answer.json["unchanged"], answer.json["version"]), (200, True, 1))

    def test_a_repeat_with_the_same_idempotency_key_is_one_deletion(self):
        lake = self.lake
        lake.ingest("once", b"id\n1\n2\n", format="csv")
        body = {"key_column": "id", "values": [1], "actor": "a", "reason": "r"}
        first, second = (lake.post("/v1/catalog/datasets/once/tombstone", body, headers={"Idempotency-Key": "k-1"})
                         for _ in range(2))
        self.assertEqual((first.status, first.json), (second.status, second.json))
        self.assertEqual(first.json["version"], 2)
        other = lake.post("/v1/catalog/datasets/once/tombstone", {**body, "values": [2]}, headers={"Idempotency-Key": "k-1"})
        self.assertEqual(other.status, 422)

    def test_bad_requests_say_what_is_wrong(self):
        lake = self.lake
        lake.ingest("typed", b"i,d,day,s,b,l\n1,1.5,2021-02-03,x,true,7\n", format="csv")
        good = {"key_column": "i", "values": [1], "actor": "a", "reason": "r"}
        path = "/v1/catalog/datasets/typed/tombstone"

        def refused(change, status=400, code=None):
            body = {**good, **change}
            answer = lake.post(path, {k: v for k, v in body.items() if v is not None})
            self.assertEqual(answer.status, status, (change, answer))
            if code:
                self.assertEqual(answer.json["code"], code)
            return answer.json["detail"]

        for field in good:
            self.assertIn(field, refused({field: None}))
        self.assertIn("colour", refused({"colour": 1}, code="request.field_unknown"))
        self.assertIn("values[1]", refused({"values": [1, "x"]}, code="catalog.tombstone"))
        for column, values in (("i", [1.5]), ("i", [None]), ("i", [True]), ("i", ["1.0"]), ("i", [[1]]), ("i", [1 << 70]),
                               ("day", ["2021-02-30"]), ("day", [20210203]), ("s", [1]), ("b", ["true"]), ("b", [1]),
                               ("d", ["x"])):
            refused({"key_column": column, "values": values})
        self.assertIn("nothere", refused({"key_column": "nothere"}, code="catalog.tombstone"))
        refused({"values": []})
        refused({"values": "1"})
        refused({"reason": ""})
        refused({"values": list(range(10001))}, status=413, code="catalog.tombstone_too_big")
        self.assertEqual(lake.post("/v1/catalog/datasets/nobody/tombstone", good).status, 404)
        self.assertEqual(lake.get("/v1/catalog/datasets/nobody/tombstones").status, 404)
        for column, values in (("d", [1.5]), ("day", ["2021-02-03"]), ("s", ["x"]), ("b", [True]), ("i", ["1"])):
            lake.ingest("typed", b"i,d,day,s,b,l\n1,1.5,2021-02-03,x,true,%s\n" % column.encode(), format="csv", evolve=True)
            self.assertEqual(lake.tombstone("typed", column, values)["rows_removed"], 1, column)


class Restart(unittest.TestCase):
    def test_deletions_survive_a_restart_and_every_cache_being_removed(self):
        with Lake() as lake:
            lake.ingest("kept", b"id\n1\n2\n3\n", format="csv")
            lake.tombstone("kept", "id", [2])
            lake.restart()
            self.assertEqual([r[0] for r in lake.rows('SELECT id FROM "kept@1" ORDER BY id')], [1, 3])
            self.assertEqual([r[0] for r in lake.rows("SELECT id FROM kept ORDER BY id")], [1, 3])


class TwoProcesses(unittest.TestCase):
    def test_another_process_on_the_same_bucket_sees_a_deletion_as_it_sees_a_version(self):
        with Lake(config='[catalog]\nrefresh_interval = "50ms"\n') as first:
            first.ingest("shared", b"id\n1\n2\n3\n", format="csv")
            first.ingest("shared", b"id\n4\n", format="csv", mode="append")
            with Lake(config='[catalog]\nrefresh_interval = "50ms"\n', data=first.data) as second:
                self.assertEqual(second.value("SELECT count(*) FROM shared"), 4)
                self.assertEqual(second.value('SELECT count(*) FROM "shared@1"'), 3)
                first.tombstone("shared", "id", [2])
                self.assertEqual(first.value('SELECT count(*) FROM "shared@1"'), 2)
                wait_until(lambda: second.value("SELECT count(*) FROM shared") == 3)
                self.assertEqual(second.value('SELECT count(*) FROM "shared@1"'), 2)
                second.tombstone("shared", "id", [4])
                self.assertEqual(second.value("SELECT count(*) FROM shared"), 2)
                wait_until(lambda: first.value("SELECT count(*) FROM shared") == 2)


if __name__ == "__main__":
    unittest.main()
