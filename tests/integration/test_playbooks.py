"""The rules by which playbooks move answers, each seen through the public edge."""

import math
import time
import unittest

from lake import Lake

INDEXES = "/v1/vectors/indexes"
QUESTION = "someone who can start at the cold store tomorrow"
NEAR = "who can start at the cold store soon"       # speaks, but is not the same question
FAR = "someone for the cold season in the harbour"  # speaks of something else


class Rules(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.lake = Lake()
        cls.lake.__enter__()
        answer = cls.lake.post(INDEXES, {"name": "bills", "metric": "cosine", "model": "hash-512", "dimension": 512})
        assert answer.status == 201, answer
        items = [{"id": f"b{i}", "text": f"Invoice {i} was paid by transfer number {i * 7}.", "metadata": {"odd": i % 2 == 1}} for i in range(400)]
        answer = cls.lake.post(f"{INDEXES}/bills/items", {"items": items})
        assert answer.status == 200, answer
        found = cls.lake.post(f"{INDEXES}/bills/search", {"text": QUESTION, "k": 400, "exact": True}).json["results"]
        assert len(found) == 400
        cls.distances = {h["id"]: h["distance"] for h in found}
        cls.last = found[-1]  # so far down that no leg of a question finds it

    @classmethod
    def tearDownClass(cls):
        cls.lake.__exit__(None, None, None)

    def record(self, **body):
        answer = self.lake.post("/v1/playbooks", {"question": QUESTION, "index": "bills", **body})
        self.assertEqual(answer.status, 201, answer)
        self.addCleanup(self.lake.request, "DELETE", f"/v1/playbooks/{answer.json['id']}")
        return answer.json["id"]

    def hits(self, question=QUESTION, k=6, **body):
        answer = self.lake.post("/v1/search", {"question": question, "index": "bills", "k": k, "playbooks": True, **body})
        self.assertEqual(answer.status, 200, answer)
        return answer.json["results"]

    def hit(self, id, **body):
        return next((h for h in self.hits(**body) if h["id"] == id), None)

    def distance_of(self, question):
        """Of the recorded question from this one; there is one record."""
        return self.lake.post(f"{INDEXES}/playbooks/search", {"text": question, "k": 1}).json["results"][0]["distance"]

    def test_what_no_leg_finds_is_brought_in_for_nearly_the_same_question_only(self):
        last = self.last["id"]
        self.assertIsNone(self.hit(last, k=200))
        made = self.record(answers=[last])
        hit = self.hits()[0]
        self.assertEqual((hit["id"], hit["moved"]), (last, {"factor": hit["moved"]["factor"], "injected": True, "playbooks": [made]}))
        self.assertAlmostEqual(hit["moved"]["factor"], 0.5, places=3)
        self.assertAlmostEqual(hit["legs"]["vector"]["distance"], self.distances[last], places=4)
        self.assertEqual(hit["legs"]["vector"]["rank"], 1)
        self.assertIsNone(self.hit(last, playbooks=False))
        distance = self.distance_of(NEAR)
        self.assertTrue(0.20 < distance < 0.5, distance)
        self.assertIsNone(self.hit(last, question=NEAR, k=200))

    def test_what_is_brought_in_passes_the_filters(self):
        last = self.last
        self.record(answers=[last["id"]])
        odd = last["metadata"]["odd"]
        self.assertIsNotNone(self.hit(last["id"], filter={"odd": odd}))
        self.assertIsNone(self.hit(last["id"], filter={"odd": not odd}, k=200))
        self.lake.ingest("allowed", b"id\nb0\nb1\n", format="csv")
        rule = {"dataset": "allowed", "id_column": "id"}
        self.assertEqual({h["id"] for h in self.hits(sql_filter=rule)}, {"b0", "b1"})

    def test_it_speaks_within_half_of_the_recorded_question_and_not_beyond(self):
        near = self.hits(question=NEAR, playbooks=False)[5]["id"]
        far = self.hits(question=FAR, playbooks=False)[5]["id"]
        self.record(answers=[near, far])
        self.assertTrue(0.20 < self.distance_of(NEAR) < 0.5)
        self.assertTrue(0.5 < self.distance_of(FAR) < 0.75, self.distance_of(FAR))
        moved = self.hit(near, question=NEAR)["moved"]
        self.assertFalse(moved["injected"])
        self.assertNotIn("moved", self.hit(far, question=FAR))

    def test_it_grows_weak_with_age(self):
        made = self.record(answers=["b1", "b2"], score=0.8)
        item = self.lake.get(f"{INDEXES}/playbooks/items/{made}").json
        for days in (0, 10, 30, 90):
            then = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - days * 86400))
            self.lake.post(f"{INDEXES}/playbooks/items", {"items": [{"id": made, "text": QUESTION, "metadata": {**item["metadata"], "recorded_at": then}}]})
            self.assertAlmostEqual(self.hit("b1", k=200)["moved"]["factor"], 1 - 0.5 * 0.8 * math.exp(-days / 30), places=3)

    def test_many_that_agree_halve_a_distance_and_no_more(self):
        made = sorted(self.record(answers=["b1"], score=1) for _ in range(3))
        moved = self.hit("b1", k=200)["moved"]
        self.assertEqual((moved["factor"], sorted(moved["playbooks"])), (0.5, made))

    def test_every_failure_halves_the_pull(self):
        self.record(answers=["b1"], score=1)
        for failures in (1, 2):
            self.record(answers=["b1"], failed=True)
            self.assertAlmostEqual(self.hit("b1", k=200)["moved"]["factor"], 1 - 0.5 * 0.5 ** failures, places=3)

    def test_an_asker_who_names_no_city_is_not_kept_from_what_worked_in_one(self):
        made = self.record(answers=["b1"], city="Joliet", role="picker")
        self.assertEqual(self.hit("b1", k=200)["moved"]["playbooks"], [made])
        self.assertEqual(self.hit("b1", k=200, city="JOLIET", role="Picker")["moved"]["playbooks"], [made])
        for other in ({"city": "Peoria"}, {"role": "driver"}, {"city": "Joliet", "role": "driver"}, {"city": "Peoria", "role": "picker"}):
            self.assertNotIn("moved", self.hit("b1", k=200, **other), other)

    def test_the_journal_tells_who_recorded_and_retracted_it(self):
        made = self.record(answers=["b1"], score=0.5)
        self.assertEqual(self.lake.request("DELETE", f"/v1/playbooks/{made}").status, 204)
        events = self.lake.get(f"/v1/journal?entity={made}").json["events"]
        self.assertEqual([(e["entity_type"], e["action"], e["actor"]) for e in events],
                         [("playbook", "playbook.retracted", "local"), ("playbook", "playbook.recorded", "local")])
        self.assertEqual((events[1]["new"]["index"], events[1]["new"]["outcome"]), ("bills", "worked"))


class Reserved(unittest.TestCase):
    def test_nobody_makes_the_index_of_playbooks_otherwise_than_recording_one_does(self):
        with Lake() as lake:
            lake.post(INDEXES, {"name": "notes", "metric": "cosine", "model": "hash-512", "dimension": 512})
            lake.post(f"{INDEXES}/notes/items", {"items": [{"id": "a", "text": "a crane driver"}]})
            lake.ingest("words", b"id,body\n1,crane\n", format="csv")
            for body in ({"metric": "l2", "dimension": 2}, {"metric": "cosine", "dimension": 512}, {"metric": "l2", "dimension": 512, "model": "hash-512"}):
                answer = lake.post(INDEXES, {"name": "playbooks", **body})
                self.assertEqual((answer.status, answer.json["code"]), (400, "vectors.reserved"), answer)
            made = lake.post("/v1/playbooks", {"question": "crane work", "index": "notes", "answers": ["a"]})
            self.assertEqual(made.status, 201, made)
            answer = lake.post(f"{INDEXES}/playbooks/build", {"dataset": "words", "id_column": "id", "text_columns": ["body"]})
            self.assertEqual((answer.status, answer.json["code"]), (400, "vectors.reserved"), answer)
            hit = lake.post("/v1/search", {"question": "crane work", "index": "notes"}).json["results"][0]
            self.assertEqual(hit["moved"]["playbooks"], [made.json["id"]])


class Ranks(unittest.TestCase):
    """What a hit says of its legs is what the legs answer when they are asked alone."""

    @classmethod
    def setUpClass(cls):
        cls.lake = Lake()
        cls.lake.__enter__()
        answer = cls.lake.post(INDEXES, {"name": "jobs", "metric": "cosine", "model": "hash-512", "dimension": 512})
        assert answer.status == 201, answer
        items = [{"id": f"{trade[0]}{i}", "text": f"{trade} wanted in {city}, shift {i}"} for i, (trade, city) in enumerate(
            (t, c) for t in ("forklift driver", "welder", "crane driver") for c in ("Joliet", "Peoria", "Rockford", "Chicago"))]
        answer = cls.lake.post(f"{INDEXES}/jobs/items", {"items": items})
        assert answer.status == 200, answer

    @classmethod
    def tearDownClass(cls):
        cls.lake.__exit__(None, None, None)

    def test_ranks_scores_and_weights_of_the_legs_add_up(self):
        question = "driver in Peoria"
        vector = {h["id"]: (i + 1, h["distance"]) for i, h in enumerate(self.lake.post(f"{INDEXES}/jobs/search", {"text": question, "k": 12}).json["results"])}
        rows = self.lake.rows(f"SELECT id, score FROM text_search('jobs', '{question}', 12)")
        text = {id: (i + 1, score) for i, (id, score) in enumerate(rows)}
        self.assertTrue(len(vector) == 12 > len(text) > 3)
        for weights, (of_vector, of_text) in ((None, (0.5, 1)), ({"vector": 2}, (2, 1)), ({"text": 7, "vector": 0.25}, (0.25, 7))):
            body = {"question": question, "index": "jobs", "k": 12, **({"weights": weights} if weights else {})}
            hits = self.lake.post("/v1/search", body).json["results"]
            self.assertEqual(len(hits), 12)
            for hit in hits:
                legs = hit["legs"]
                self.assertEqual((legs["vector"]["rank"], legs["vector"]["distance"]), vector[hit["id"]])
                want = of_vector / (10 + vector[hit["id"]][0])
                if hit["id"] in text:
                    self.assertEqual(legs["text"]["rank"], text[hit["id"]][0])
                    self.assertAlmostEqual(legs["text"]["score"], text[hit["id"]][1], places=5)
                    want += of_text / (10 + text[hit["id"]][0])
                else:
                    self.assertNotIn("text", legs)
                self.assertAlmostEqual(hit["score"], want, places=6)
            self.assertEqual([h["score"] for h in hits], sorted((h["score"] for h in hits), reverse=True))


if __name__ == "__main__":
    unittest.main()
