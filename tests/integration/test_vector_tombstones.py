"""Rows deleted by key are gone from vector indexes too: from the first answer after the deletion, and for good."""

import unittest

from lake import Lake, wait_until

INDEXES = "/v1/vectors/indexes"
BODIES = {"n1": "crane operator ordered a silver harness in Denver", "n2": "welder burned a purple torch in Chicago",
          "n3": "welder polished seams with a brass helmet", "n4": "nurse counted patients in the quiet ward"}


def notes(ids=BODIES, bodies=BODIES):
    lines = ["note_id,who,body"] + [f"{i},{i}@example.org,{bodies[i]}" for i in ids]
    return ("\n".join(lines) + "\n").encode()


class Case(unittest.TestCase):
    KIND = None

    @classmethod
    def setUpClass(cls):
        cls.lake = Lake(kind=cls.KIND)
        cls.lake.__enter__()

    @classmethod
    def tearDownClass(cls):
        cls.lake.__exit__(None, None, None)

    def job(self, answer):
        self.assertEqual(answer.status, 202, answer)
        path = "/v1/jobs/" + answer.json["job_id"]
        job = wait_until(lambda: (lambda j: j if j["state"] in ("succeeded", "failed", "canceled") else None)(self.lake.get(path).json),
                         timeout=120, what="the job")
        self.assertEqual(job["state"], "succeeded", job)
        return job["result"]

    def make(self, name, model="hash-512", **more):
        lake = self.lake
        lake.ingest(name, notes(), format="csv")
        dimension = 512 if model == "hash-512" else 256
        made = lake.post(INDEXES, {"name": name, "dimension": dimension, "metric": "cosine", "model": model})
        self.assertEqual(made.status, 201, made)
        self.job(lake.post(f"{INDEXES}/{name}/build",
                           {"dataset": name, "id_column": "note_id", "text_columns": ["body"], "model": model, **more}))

    def by_hand(self, name, id, text):
        answer = self.lake.post(f"{INDEXES}/{name}/items", {"items": [{"id": id, "text": text}]})
        self.assertEqual(answer.status, 200, answer)

    def found(self, name, **body):
        answer = self.lake.post(f"{INDEXES}/{name}/search", {"k": 50, **body})
        self.assertEqual(answer.status, 200, answer)
        return sorted(r["id"] for r in answer.json["results"])

    def status_of(self, name, id):
        return self.lake.get(f"{INDEXES}/{name}/items/{id}").status


class VectorTombstones(Case):
    def test_each_door_alone_is_closed_from_the_first_request(self):
        lake = self.lake
        question = BODIES["n2"]
        doors = {"search": lambda n: lake.post(f"{INDEXES}/{n}/search", {"text": question, "k": 50}),
                 "hybrid": lambda n: lake.post("/v1/search", {"question": question, "index": n, "k": 20}),
                 "rag": lambda n: lake.post("/v1/rag", {"question": "welder torch Chicago", "index": n}),
                 "vector_sql": lambda n: lake.post("/v1/sql", {"sql": f"SELECT id, text FROM vector_search('{n}', $1, 50)", "params": [question]}),
                 "text_sql": lambda n: lake.post("/v1/sql", {"sql": f"SELECT id, text FROM text_search('{n}', $1, 50)", "params": [question]})}
        for door, ask in doors.items():
            with self.subTest(door=door):
                name, deleted = "door_" + door, b"purple" if door == "rag" else b'"n2"'
                self.make(name)
                before = ask(name)
                self.assertEqual(before.status, 200, before)
                self.assertIn(deleted, before.body)
                lake.tombstone(name, "note_id", ["n2"])
                after = ask(name)
                self.assertEqual(after.status, 200, after)
                self.assertNotIn(deleted, after.body)
                if door != "rag":
                    self.assertIn(b'"n3"', after.body)
        self.make("door_item")
        self.assertEqual(self.status_of("door_item", "n2"), 200)
        lake.tombstone("door_item", "note_id", ["n2"])
        self.assertEqual(self.status_of("door_item", "n2"), 404)
        self.assertEqual(self.status_of("door_item", "n1"), 200)

    def test_rows_deleted_by_another_column_go_and_what_was_put_in_by_hand_stays(self):
        self.make("other")
        self.by_hand("other", "mine", BODIES["n2"])
        self.lake.tombstone("other", "who", ["n2@example.org", "n4@example.org"])
        self.assertEqual(self.found("other", text="welder torch"), ["mine", "n1", "n3"])
        self.assertEqual(self.lake.get(f"{INDEXES}/other").json["length"], 3)
        events = [e for e in self.lake.get("/v1/journal?entity=other").json["events"] if e["action"] == "items.deleted"]
        self.assertEqual([(e["new"]["deleted"], e["new"]["tombstone"]) for e in events], [(2, 2)])

    def test_all_chunks_of_a_row_go_and_no_others(self):
        long = {i: " ".join(f"{b} number {n}." for n in range(8)) for i, b in BODIES.items()}
        self.lake.ingest("cut", notes(bodies=long), format="csv")
        self.lake.post(INDEXES, {"name": "cut", "dimension": 256, "metric": "cosine", "model": "lsa-256"})
        self.job(self.lake.post(f"{INDEXES}/cut/build", {"dataset": "cut", "id_column": "note_id", "text_columns": ["body"],
                                                         "model": "lsa-256", "chunk": {"size": 100, "overlap": 10}}))
        before = self.found("cut", text="welder torch seams")
        self.assertGreater(sum(i.startswith("n2#") for i in before), 1)
        self.lake.tombstone("cut", "who", ["n2@example.org"])
        self.assertEqual(self.found("cut", text="welder torch seams"), [i for i in before if not i.startswith("n2#")])

    def test_of_rows_with_one_id_the_text_that_was_deleted_goes(self):
        for gone, stays in (("a", "b"), ("b", "a")):
            name = "twins_" + gone
            self.lake.ingest(name, b"id,who,body\n1,a,purple torch\n1,b,brass helmet\n2,c,silver harness\n", format="csv")
            self.lake.post(INDEXES, {"name": name, "dimension": 512, "metric": "cosine", "model": "hash-512"})
            self.job(self.lake.post(f"{INDEXES}/{name}/build", {"dataset": name, "id_column": "id", "text_columns": ["body"]}))
            self.lake.tombstone(name, "who", [gone])
            body = self.lake.post(f"{INDEXES}/{name}/search", {"text": "purple torch brass helmet", "k": 9}).body
            self.assertNotIn({"a": b"purple torch", "b": b"brass helmet"}[gone], body, stays)

    def test_a_condition_of_the_source_still_holds(self):
        self.make("part", where="note_id <> 'n4' -- not that one")
        self.lake.tombstone("part", "note_id", ["n2", "n4"])
        self.assertEqual(self.found("part", text="welder"), ["n1", "n3"])

    def test_a_row_that_comes_again_is_back_with_a_refresh_and_not_before(self):
        lake = self.lake
        self.make("again")
        lake.tombstone("again", "note_id", ["n2"])
        lake.ingest("again", notes(["n2"], {"n2": "welder came back with a green torch"}), format="csv", mode="append")
        self.assertEqual(self.found("again", text="welder torch"), ["n1", "n3", "n4"])
        self.job(lake.post(f"{INDEXES}/again/refresh"))
        self.assertEqual(self.found("again", text="welder torch"), ["n1", "n2", "n3", "n4"])
        self.assertIn("green", lake.get(f"{INDEXES}/again/items/n2").json["text"])
        lake.tombstone("again", "note_id", ["n2"])
        self.assertEqual(self.found("again", text="welder torch"), ["n1", "n3", "n4"])

    def test_a_generation_gone_back_to_does_not_show_them_either(self):
        lake = self.lake
        self.make("twice")
        self.job(lake.post(f"{INDEXES}/twice/build", {"dataset": "twice", "id_column": "note_id", "text_columns": ["body"]}))
        lake.tombstone("twice", "note_id", ["n2"])
        self.assertEqual(self.found("twice", text="welder torch"), ["n1", "n3", "n4"])
        self.assertEqual(lake.post(f"{INDEXES}/twice/rollback").status, 200)
        self.assertEqual(self.found("twice", text="welder torch"), ["n1", "n3", "n4"])

    def test_a_generation_that_is_asked_for_by_its_number_does_not_show_them_either(self):
        self.make("numbered")
        self.job(self.lake.post(f"{INDEXES}/numbered/build", {"dataset": "numbered", "id_column": "note_id", "text_columns": ["body"]}))
        ask = lambda: self.lake.post(f"{INDEXES}/numbered/search?generation=2", {"text": BODIES["n2"], "k": 50})
        self.assertIn("n2", [r["id"] for r in ask().json["results"]])
        self.lake.tombstone("numbered", "note_id", ["n2"])
        answer = ask()
        self.assertEqual((answer.status, answer.json["generation"]), (200, 2), answer)
        self.assertNotIn("n2", [r["id"] for r in answer.json["results"]])

    def test_more_rows_than_a_page_are_all_looked_at(self):
        lake = self.lake
        lines = "".join(f"i{n},w{n % 7},torch number {n}\n" for n in range(4500))
        lake.ingest("many", ("id,who,body\n" + lines).encode(), format="csv")
        lake.post(INDEXES, {"name": "many", "dimension": 512, "metric": "cosine", "model": "hash-512"})
        self.job(lake.post(f"{INDEXES}/many/build", {"dataset": "many", "id_column": "id", "text_columns": ["body"]}))
        lake.tombstone("many", "who", ["w3"])
        self.assertEqual(self.status_of("many", "i3"), 404)
        self.assertEqual(lake.get(f"{INDEXES}/many").json["length"], sum(n % 7 != 3 for n in range(4500)))

    def test_a_deletion_while_a_refresh_runs_is_seen_at_once_and_nothing_else_is_lost(self):
        lake = self.lake
        lines = [f"i{n},w{n % 7},torch number {n}\n" for n in range(6000)]
        lake.ingest("amid", ("id,who,body\n" + "".join(lines[:3000])).encode(), format="csv")
        lake.post(INDEXES, {"name": "amid", "dimension": 512, "metric": "cosine", "model": "hash-512"})
        self.job(lake.post(f"{INDEXES}/amid/build", {"dataset": "amid", "id_column": "id", "text_columns": ["body"]}))
        lake.ingest("amid", ("id,who,body\n" + "".join(lines[3000:])).encode(), format="csv", mode="append")
        refresh = lake.post(f"{INDEXES}/amid/refresh")
        for who in range(3):
            lake.tombstone("amid", "who", [f"w{who}"])
            answer = lake.post(f"{INDEXES}/amid/search", {"text": "torch number", "k": 6000})
            self.assertEqual(answer.status, 200, answer)
            shown = {int(r["id"][1:]) % 7 for r in answer.json["results"]}
            self.assertEqual(shown & set(range(who + 1)), set())
        self.job(refresh)
        answer = lake.post(f"{INDEXES}/amid/search", {"text": "torch number", "k": 6000}).json
        self.assertEqual(sorted(int(r["id"][1:]) for r in answer["results"]), [n for n in range(6000) if n % 7 > 2])

    def test_a_hidden_dataset_leaves_its_indexes_answering(self):
        self.make("veiled")
        self.lake.request("DELETE", "/v1/catalog/datasets/veiled")
        self.assertEqual(self.found("veiled", text="welder torch"), ["n1", "n2", "n3", "n4"])

    def test_after_a_restart_they_are_still_gone(self):
        lake = self.lake
        for name in ("slept", "woke"):
            self.make(name)
            self.by_hand(name, "mine", "a torch of my own")
        lake.tombstone("slept", "note_id", ["n2"])
        self.assertEqual(self.found("slept", text="welder torch"), ["mine", "n1", "n3", "n4"])
        lake.tombstone("woke", "note_id", ["n2"])
        lake.restart()
        for name in ("slept", "woke"):
            self.assertEqual(self.status_of(name, "n2"), 404)
            self.assertEqual(self.found(name, text="welder torch"), ["mine", "n1", "n3", "n4"])


class Failures(Case):
    KIND = "apart"

    def test_while_rows_cannot_be_read_nothing_is_answered(self):
        lake = self.lake
        self.make("blind")
        lake.processes["queryd"].kill()
        self.assertEqual(self.found("blind", text="welder torch"), ["n1", "n2", "n3", "n4"])
        lake.tombstone("blind", "note_id", ["n2"])
        for answer in (lake.post(f"{INDEXES}/blind/search", {"text": "welder torch"}), lake.get(f"{INDEXES}/blind/items/n2"),
                       lake.post("/v1/search", {"question": "welder torch", "index": "blind"})):
            self.assertGreaterEqual(answer.status, 500, answer)
        lake.restart()
        self.assertEqual(self.found("blind", text="welder torch"), ["n1", "n3", "n4"])


if __name__ == "__main__":
    unittest.main()
