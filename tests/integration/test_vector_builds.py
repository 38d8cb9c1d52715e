"""Indexes built from datasets: jobs, generations, refresh, trials — through the public edge."""

import csv
import io
import os
import random
import shutil
import threading
import unittest

from lake import Lake, wait_until

INDEXES = "/v1/vectors/indexes"
WORDS = {"forklift": "warehouse pallets lifting trucks licence", "welder": "steel torch seams metal helmet",
         "nurse": "hospital patients care ward medicine", "cook": "kitchen meals oven recipes menu",
         "driver": "truck road delivery miles cargo", "painter": "walls brush colour ladder coating"}


def notes(count, seed=1):
    """A dataset of short texts about six trades."""
    rng = random.Random(seed)
    trades = sorted(WORDS)
    out = io.StringIO()
    w = csv.writer(out)
    w.writerow(["note_id", "trade", "pay", "title", "body"])
    for i in range(count):
        trade = trades[i % len(trades)]
        words = WORDS[trade].split()
        body = " ".join(rng.choice(words) for _ in range(8)) + f". {trade} number {i}."
        w.writerow([f"n{i}", trade, 10 + i % 30, f"{trade} {rng.choice(words)}", body])
    return out.getvalue().encode()


class BuildCase(unittest.TestCase):
    CONFIG = ""

    @classmethod
    def setUpClass(cls):
        cls.lake = Lake(config=cls.CONFIG)
        cls.lake.__enter__()

    @classmethod
    def tearDownClass(cls):
        cls.lake.__exit__(None, None, None)

    def create(self, name, model="hash-512", dimension=512):
        answer = self.lake.post(INDEXES, {"name": name, "dimension": dimension, "metric": "cosine", "model": model})
        self.assertEqual(answer.status, 201, answer)

    def wait(self, answer):
        return self.lake.run_job(answer)

    def build(self, name, dataset="notes", **body):
        body = {"dataset": dataset, "id_column": "note_id", "text_columns": ["title", "body"], **body}
        return self.wait(self.lake.post(f"{INDEXES}/{name}/build", body))

    def ids(self, name, **body):
        answer = self.lake.post(f"{INDEXES}/{name}/search", body)
        self.assertEqual(answer.status, 200, answer)
        return [r["id"] for r in answer.json["results"]]


class Builds(BuildCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.lake.ingest("notes", notes(240), format="csv")

    def test_a_dataset_becomes_an_index_that_answers_questions(self):
        self.create("built")
        job = self.build("built")
        self.assertEqual((job["result"]["rows"], job["result"]["items"], job["result"]["generation"], job["progress"]), (240, 240, 2, 1))
        got = self.lake.get(f"{INDEXES}/built").json
        self.assertEqual((got["length"], got["generation"], got["stale"], got["model"]), (240, 2, False, "hash-512"))
        self.assertEqual((got["source"]["dataset"], got["source"]["version"]), ("notes", 1))
        answer = self.lake.post(f"{INDEXES}/built/search", {"text": "steel torch welder", "k": 5}).json
        self.assertEqual({r["metadata"]["trade"] for r in answer["results"]}, {"welder"})
        self.assertIn("welder", answer["results"][0]["text"])
        self.assertEqual(answer["results"][0]["metadata"]["_dataset"], "notes")
        found = self.lake.post(f"{INDEXES}/built/search", {"text": "steel torch", "k": 300, "filter": {"trade": ["cook", "nurse"], "pay": {"gte": 30}}}).json
        want = self.lake.value("SELECT count(*) FROM notes WHERE trade IN ('cook', 'nurse') AND pay >= 30")
        self.assertEqual(len(found["results"]), want)

    def test_lsa_is_learned_from_the_texts_and_survives_a_restart(self):
        self.create("learned", model="lsa-256", dimension=256)
        answer = self.lake.post(f"{INDEXES}/learned/items", {"items": [{"id": "a", "text": "steel"}]})
        self.assertEqual((answer.status, answer.json["code"]), (409, "vectors.model_not_fitted"))
        self.build("learned")
        before = self.ids("learned", text="hospital patients", k=20)
        self.assertEqual(len(before), 20)
        got = self.lake.post(f"{INDEXES}/learned/search", {"text": "ward medicine", "k": 5}).json["results"]
        self.assertEqual({r["metadata"]["trade"] for r in got}, {"nurse"})
        self.lake.restart()
        self.assertEqual(self.ids("learned", text="hospital patients", k=20), before)
        self.assertEqual(self.ids("learned", text="xyzzy", k=5), [])
        self.assertEqual(self.lake.post(f"{INDEXES}/learned/items", {"items": [{"id": "mine", "text": "oven recipes"}]}).status, 200)
        self.assertIn("mine", self.ids("learned", text="oven recipes", k=50))

    def test_long_texts_are_cut_into_chunks_that_know_where_they_stand(self):
        body = "The first sentence is about forklifts. " * 10 + "The second part is about baking bread. " * 10
        self.lake.ingest("long", f"note_id,title,body\nl1,Long,{body}\n".encode(), format="csv")
        self.create("chunks")
        self.build("chunks", dataset="long", text_columns=["body"], chunk={"size": 120, "overlap": 20})
        answer = self.lake.post(f"{INDEXES}/chunks/search", {"text": "baking bread", "k": 3}).json["results"]
        text = self.lake.value("SELECT body FROM long")
        for hit in answer:
            m = hit["metadata"]
            self.assertEqual(hit["id"], f"l1#{m['_chunk']}")
            self.assertEqual(text.encode()[m["_start"]:m["_end"]].decode(), hit["text"])

    def test_a_refresh_embeds_only_what_changed_and_removes_what_went(self):
        rows = notes(60, seed=3).decode().splitlines()
        self.lake.ingest("moving", "\n".join(rows).encode(), format="csv")
        self.create("moving")
        self.build("moving", dataset="moving")
        self.lake.post(f"{INDEXES}/moving/items", {"items": [{"id": "by_hand", "text": "kept by hand"}]})
        rows[1] = "n0,cook,99,changed,entirely new words about sailing"
        del rows[5]
        rows.append("n999,cook,1,added,a row that was not there")
        self.lake.ingest("moving", "\n".join(rows).encode(), format="csv")
        self.assertEqual(self.lake.get(f"{INDEXES}/moving").json["stale"], True)
        job = self.wait(self.lake.post(f"{INDEXES}/moving/refresh", {}))
        self.assertEqual((job["result"]["embedded"], job["result"]["removed"], job["result"]["unchanged"]), (2, 1, 58), job)
        got = self.lake.get(f"{INDEXES}/moving").json
        self.assertEqual((got["stale"], got["length"], got["generation"]), (False, 61, 2))
        self.assertEqual(self.ids("moving", text="sailing", k=1), ["n0"])
        self.assertEqual(self.lake.get(f"{INDEXES}/moving/items/n4").status, 404)
        self.assertEqual(self.lake.get(f"{INDEXES}/moving/items/by_hand").status, 200)

    def test_an_index_whose_dataset_was_deleted_is_stale_and_still_answers(self):
        self.lake.ingest("leaving", notes(12, seed=5), format="csv")
        self.create("left")
        self.build("left", dataset="leaving")
        self.assertEqual(self.lake.request("DELETE", "/v1/catalog/datasets/leaving").status, 200)
        self.assertEqual(self.lake.get(f"{INDEXES}/left").json["stale"], True)
        self.assertEqual(len(self.ids("left", text="kitchen", k=12)), 12)
        answer = self.lake.post(f"{INDEXES}/left/refresh", {})
        self.assertEqual((answer.status, answer.json["code"]), (404, "sql.unknown_dataset"))

    def test_a_text_past_the_limit_ends_a_build_that_does_not_cut_texts(self):
        long = "Lines about welding in the harbour. " * 40000
        self.lake.ingest("books", f"note_id,title,body\nn1,Short,A few words.\nn2,Long,{long}\n".encode(), format="csv")
        self.create("books")
        answer = self.lake.post(f"{INDEXES}/books/build", {"dataset": "books", "id_column": "note_id", "text_columns": ["body"]})
        error = self.lake.run_job(answer, "failed")["error"]
        self.assertEqual(error["code"], "vectors.text_too_big")
        self.assertIn("'n2'", error["detail"])
        self.assertEqual(self.lake.get(f"{INDEXES}/books").json["generation"], 1)
        self.build("books", dataset="books", text_columns=["body"], chunk={"size": 5000, "overlap": 0})
        self.assertGreater(self.lake.get(f"{INDEXES}/books").json["length"], 100)

    def test_texts_that_have_drifted_are_learned_anew_in_a_new_generation(self):
        old = notes(60, seed=7)
        self.lake.ingest("drifting", old, format="csv")
        self.create("drifting", model="lsa-256", dimension=256)
        self.build("drifting", dataset="drifting", text_columns=["body"])
        self.lake.post(f"{INDEXES}/drifting/items", {"items": [{"id": "by_hand", "text": "kitchen oven recipes", "metadata": {"who": "me"}}]})
        few = old + b"n900,cook,9,cook,kitchen oven meals recipes menu\n"
        self.lake.ingest("drifting", few, format="csv")
        job = self.wait(self.lake.post(f"{INDEXES}/drifting/refresh", {}))
        self.assertEqual((job["result"]["generation"], job["result"]["embedded"]), (2, 1))
        new = "".join(f"m{i},sailor,5,sailor,harbour anchor sails mast rigging compass tide number {i}\n" for i in range(60))
        self.lake.ingest("drifting", few + new.encode(), format="csv")
        self.assertEqual(self.ids("drifting", text="anchor rigging"), [])
        job = self.wait(self.lake.post(f"{INDEXES}/drifting/refresh", {}))
        got = self.lake.get(f"{INDEXES}/drifting").json
        self.assertEqual((job["result"]["generation"], got["generation"], got["stale"], got["length"]), (3, 3, False, 122))
        hits = self.lake.post(f"{INDEXES}/drifting/search", {"text": "anchor rigging", "k": 20}).json["results"]
        self.assertEqual({h["metadata"]["trade"] for h in hits}, {"sailor"})
        item = self.lake.get(f"{INDEXES}/drifting/items/by_hand").json
        self.assertEqual((item["text"], item["metadata"]), ("kitchen oven recipes", {"who": "me"}))
        self.assertIn("by_hand", self.ids("drifting", text="kitchen oven recipes", k=30))
        self.assertEqual(self.lake.post(f"{INDEXES}/drifting/rollback", {}).json["generation"], 2)
        self.assertEqual(self.ids("drifting", text="anchor rigging"), [])

    def test_texts_so_long_that_a_page_of_them_is_too_big_for_one_answer_are_read_in_shorter_pages(self):
        rows = "".join(f"n{i},{'steel' if i % 2 else 'oven'} number {i} {'.' * 850000}\n" for i in range(90))
        self.lake.ingest("long_rows", f"note_id,body\n{rows}".encode(), format="csv")
        self.create("long_rows")
        job = self.build("long_rows", dataset="long_rows", text_columns=["body"])
        self.assertEqual((job["result"]["rows"], job["result"]["items"]), (90, 90))
        self.assertEqual({int(i[1:]) % 2 for i in self.ids("long_rows", text="steel", k=40)}, {1})

    def test_generations_are_promoted_and_rolled_back(self):
        self.create("swapped")
        self.build("swapped", where="trade = 'cook'")
        self.build("swapped", where="trade = 'nurse'")
        listed = self.lake.get(f"{INDEXES}/swapped/generations").json
        self.assertEqual([(g["generation"], g["state"], g["current"]) for g in listed["generations"]],
                         [(3, "ready", True), (2, "ready", False), (1, "ready", False)])
        self.assertEqual(self.lake.post(f"{INDEXES}/swapped/rollback", {}).json["generation"], 2)
        got = self.lake.post(f"{INDEXES}/swapped/search", {"text": "ward", "k": 100}).json
        self.assertEqual((got["generation"], {r["metadata"]["trade"] for r in got["results"]}), (2, {"cook"}))
        self.assertEqual(self.lake.post(f"{INDEXES}/swapped/promote", {"generation": 3}).json["generation"], 3)
        got = self.lake.post(f"{INDEXES}/swapped/search", {"text": "ward", "k": 100}).json
        self.assertEqual((got["generation"], {r["metadata"]["trade"] for r in got["results"]}), (3, {"nurse"}))
        got = self.lake.post(f"{INDEXES}/swapped/search?generation=2", {"text": "ward", "k": 100}).json
        self.assertEqual((got["generation"], {r["metadata"]["trade"] for r in got["results"]}), (2, {"cook"}))
        for number, status, code in ((9, 404, "vectors.unknown_generation"), (0, 400, "request.query"), ("x", 400, "request.query")):
            answer = self.lake.post(f"{INDEXES}/swapped/search?generation={number}", {"text": "ward"})
            self.assertEqual((answer.status, answer.json["code"]), (status, code))
        for body, status, code in (({"generation": 9}, 404, "vectors.unknown_generation"), ({}, 400, "request.field_missing"),
                                   ({"generation": 0}, 400, "vectors.generation")):
            answer = self.lake.post(f"{INDEXES}/swapped/promote", body)
            self.assertEqual((answer.status, answer.json["code"]), (status, code))
        actions = [e["action"] for e in self.lake.get("/v1/journal?entity=swapped").json["events"]]
        self.assertEqual(actions.count("generation.promoted"), 3)
        self.assertIn("generation.rolled_back", actions)

    def test_a_thousand_swaps_under_load_fail_and_mix_nothing(self):
        self.create("hot")
        self.build("hot", where="trade = 'cook'")
        self.build("hot", where="trade = 'nurse'")
        trades, failures, stop = {2: {"cook"}, 3: {"nurse"}}, [], threading.Event()
        questions = {f"{INDEXES}/hot/search": {"text": "kitchen ward", "k": 10},
                     "/v1/search": {"question": "kitchen ward", "index": "hot", "k": 50},
                     "/v1/sql": {"sql": "SELECT metadata->>'trade' FROM vector_search('hot', 'kitchen ward', 5) UNION ALL "
                                        "SELECT metadata->>'trade' FROM text_search('hot', 'kitchen ward', 5)"}}
        seen = {path: set() for path in questions}

        def look(path, got):
            """Whole answers are of one trade: 40 notes to a question of 50, 10 of them to one of 10."""
            if path == "/v1/sql":
                found = [row[0] for row in got["rows"]]
                number = 2 if found[:1] == ["cook"] else 3
            else:
                found = [r["metadata"]["trade"] for r in got["results"]]
                number = got["generation"] if "generation" in got else got["indexes"][0]["generation"]
            if len(found) != (40 if path == "/v1/search" else 10) or set(found) != trades[number]:
                failures.append((path, got))
            seen[path].add(number)

        def read(path):
            try:
                while not stop.is_set():
                    answer = self.lake.post(path, questions[path])
                    if answer.status != 200:
                        failures.append((path, answer))
                    else:
                        look(path, answer.json)
            except Exception as e:  # an answer that did not come is one that failed
                failures.append((path, repr(e)))

        readers = [threading.Thread(target=read, args=(path,)) for path in questions]
        for t in readers:
            t.start()
        for i in range(500):
            for generation in (2, 3):
                answer = self.lake.post(f"{INDEXES}/hot/promote", {"generation": generation})
                self.assertEqual((answer.status, answer.json.get("generation")), (200, generation), answer)
                if i % 20 == 0:  # whoever asks after the promotion gets what was promoted
                    self.assertEqual(self.lake.post(f"{INDEXES}/hot/search", {"text": "ward", "k": 1}).json["generation"], generation)
        stop.set()
        for t in readers:
            t.join()
        self.assertEqual(failures[:2], [])
        self.assertEqual(seen, {path: {2, 3} for path in questions})

    def test_one_index_is_merged_into_another(self):
        for name in ("from_here", "to_here"):
            self.lake.post(INDEXES, {"name": name, "dimension": 2, "metric": "l2"})
        self.lake.post(f"{INDEXES}/from_here/items", {"items": [{"id": f"f{i}", "vector": [i, 0], "metadata": {"i": i}} for i in range(2500)]})
        self.lake.post(f"{INDEXES}/to_here/items", {"items": [{"id": "f0", "vector": [9, 9]}, {"id": "t", "vector": [0, 1]}]})
        answer = self.lake.post(f"{INDEXES}/to_here/merge", {"source": "from_here", "clear_source": True})
        self.assertEqual((answer.status, answer.json["merged"]), (200, 2500), answer)
        self.assertEqual(self.lake.get(f"{INDEXES}/to_here").json["length"], 2501)
        self.assertEqual(self.lake.get(f"{INDEXES}/from_here").json["length"], 0)
        self.assertEqual(self.lake.get(f"{INDEXES}/to_here/items/f0").json["vector"], [0, 0])
        self.create("other_size")
        answer = self.lake.post(f"{INDEXES}/to_here/merge", {"source": "other_size"})
        self.assertEqual((answer.status, answer.json["code"]), (409, "vectors.dimension_differs"))

    def test_vectors_without_a_direction_are_not_merged_into_an_index_of_directions(self):
        for name, metric in (("lengths", "l2"), ("directions", "cosine")):
            self.lake.post(INDEXES, {"name": name, "dimension": 2, "metric": metric})
        self.lake.post(f"{INDEXES}/lengths/items", {"items": [{"id": "none", "vector": [0, 0]}, {"id": "east", "vector": [3, 0]}]})
        answer = self.lake.post(f"{INDEXES}/directions/merge", {"source": "lengths", "clear_source": True})
        self.assertEqual((answer.status, answer.json["merged"], answer.json["left_out"]), (200, 1, 1), answer)
        self.assertEqual(self.lake.get(f"{INDEXES}/directions/items/none").status, 404)
        self.assertEqual(self.lake.get(f"{INDEXES}/lengths/items/none").json["vector"], [0, 0])
        self.assertEqual(self.lake.get(f"{INDEXES}/lengths").json["length"], 1)

    def test_a_build_that_cannot_work_is_refused_at_once(self):
        self.create("refused")
        good = {"dataset": "notes", "id_column": "note_id", "text_columns": ["body"]}
        for change, status, code in (({"dataset": "nowhere"}, 404, "sql.unknown_dataset"), ({"id_column": "x"}, 400, "vectors.source"),
                                     ({"text_columns": ["x"]}, 400, "vectors.source"), ({"text_columns": []}, 400, "vectors.source"),
                                     ({"model": "no-such"}, 404, "bridge.unknown_model"), ({"chunk": {"size": 1}}, 400, "vectors.source"),
                                     ({"where": "nope = 1"}, 400, None), ({"more": 1}, 400, "request.field_unknown")):
            answer = self.lake.post(f"{INDEXES}/refused/build", {**good, **change})
            self.assertEqual(answer.status, status, (change, answer))
            if code:
                self.assertEqual(answer.json["code"], code)
        self.assertEqual(len(self.lake.get(f"{INDEXES}/refused/generations").json["generations"]), 1)
        answer = self.lake.post(f"{INDEXES}/refused/refresh", {})
        self.assertEqual((answer.status, answer.json["code"]), (409, "vectors.no_source"))

    def test_jobs_are_listed_and_finished_ones_cannot_be_cancelled(self):
        self.create("jobs")
        job = self.build("jobs", where="trade = 'cook'")
        listed = self.lake.get("/v1/jobs?limit=1").json
        self.assertEqual(listed["jobs"][0]["id"], job["id"])
        self.assertEqual((job["kind"], job["subject"], job["service"]), ("index.build", "jobs", "vectord"))
        self.assertEqual(self.lake.get("/v1/jobs/" + "0" * 8).status, 404)
        answer = self.lake.request("DELETE", f"/v1/jobs/{job['id']}")
        self.assertEqual((answer.status, answer.json["code"]), (409, "jobs.finished"))


class Trials(BuildCase):
    def fill(self, name):
        rng = random.Random(11)
        self.lake.post(INDEXES, {"name": name, "dimension": 16, "metric": "l2"})
        for start in range(0, 3000, 1000):
            answer = self.lake.post(f"{INDEXES}/{name}/items", {"items": [
                {"id": str(i), "vector": [rng.gauss(0, 1) for _ in range(16)]} for i in range(start, start + 1000)]})
            self.assertEqual(answer.status, 200, answer)

    def test_every_trial_is_a_row_and_the_best_has_the_highest_recall(self):
        self.fill("tried")
        answer = self.lake.get(f"{INDEXES}/tried/trials/best")
        self.assertEqual((answer.status, answer.json["code"]), (404, "vectors.no_trial"))
        grid = [{"m": 8, "ef_construction": 40, "ef_search": 10}, {"m": 8, "ef_construction": 40, "ef_search": 100},
                {"m": 16, "ef_search": 200, "quantization": "int8"}]
        job = self.wait(self.lake.post(f"{INDEXES}/tried/trials", {"grid": grid, "k": 10, "queries": 50}))
        self.assertEqual((job["result"]["trials"], job["result"]["promoted"]), (3, None))
        rows = self.lake.get(f"{INDEXES}/tried/trials").json["trials"]
        self.assertEqual([(r["m"], r["ef_search"], r["quantization"]) for r in reversed(rows)], [(8, 10, "none"), (8, 100, "none"), (16, 200, "int8")])
        for r in rows:
            self.assertTrue(0 < r["recall"] <= 1 and 0 < r["p50_us"] <= r["p95_us"] <= r["p99_us"] and r["build_ms"] > 0 and r["memory_bytes"] > 0, r)
        self.assertEqual(self.lake.value(f"SELECT count(*) FROM index_trials WHERE job_id = '{job['id']}' AND items = 3000"), 3)
        first = self.lake.get(f"{INDEXES}/tried/trials?limit=2").json
        then = self.lake.get(f"{INDEXES}/tried/trials?limit=2&cursor={first['next_cursor']}").json
        self.assertEqual((first["trials"] + then["trials"], "next_cursor" in then), (rows, False))
        best = self.lake.get(f"{INDEXES}/tried/trials/best").json
        top = max(r["recall"] for r in rows)
        self.assertEqual(best["trial_id"], min((r for r in rows if r["recall"] == top), key=lambda r: r["p50_us"])["trial_id"])
        for body in ({"grid": []}, {"grid": [{"m": 1}]}, {"grid": [{"m": 8}], "k": 0}, {"grid": [{"m": 8}], "queries": 0}, {}):
            self.assertEqual(self.lake.post(f"{INDEXES}/tried/trials", body).status, 400, body)

    def test_autotune_promotes_the_best_over_the_same_items_and_can_be_rolled_back(self):
        self.fill("tuned")
        before = self.lake.get(f"{INDEXES}/tuned").json
        job = self.wait(self.lake.post(f"{INDEXES}/tuned/autotune", {"promote": True, "queries": 30}))
        after = self.lake.get(f"{INDEXES}/tuned").json
        self.assertEqual(after["generation"], job["result"]["promoted"])
        self.assertEqual((after["length"], after["parameters"]["ef_search"]), (3000, job["result"]["best"]["ef_search"]))
        self.assertEqual(self.lake.post(f"{INDEXES}/tuned/items", {"items": [{"id": "new", "vector": [9] * 16}]}).status, 200)
        self.lake.post(f"{INDEXES}/tuned/rollback", {})
        wait_until(lambda: self.lake.get(f"{INDEXES}/tuned").json["length"] == 3001, what="the other graph to follow the log")
        got = self.lake.post(f"{INDEXES}/tuned/search", {"vector": [9] * 16, "k": 1}).json
        self.assertEqual((got["generation"], got["results"][0]["id"]), (before["generation"], "new"))


class GatedTrials(BuildCase):
    CONFIG = "[vectors]\nrecall_gate = 0.98\nautotune_promote = true\n"

    def test_below_the_gate_nothing_is_the_best_and_above_it_the_best_is_promoted_without_asking(self):
        rng = random.Random(4)
        self.lake.post(INDEXES, {"name": "gated", "dimension": 24, "metric": "l2"})
        for start in range(0, 3000, 1000):
            self.lake.post(f"{INDEXES}/gated/items", {"items": [
                {"id": str(i), "vector": [rng.gauss(0, 1) for _ in range(24)]} for i in range(start, start + 1000)]})
        poor = [{"m": 4, "ef_construction": 8, "ef_search": 1}]
        job = self.wait(self.lake.post(f"{INDEXES}/gated/trials", {"grid": poor, "k": 10, "queries": 50}))
        self.assertEqual((job["result"]["best"], job["result"]["promoted"]), (None, None))
        self.assertLess(self.lake.value("SELECT recall FROM index_trials WHERE index_name = 'gated'"), 0.98)
        answer = self.lake.get(f"{INDEXES}/gated/trials/best")
        self.assertEqual((answer.status, answer.json["code"]), (404, "vectors.no_trial"))
        self.assertEqual(self.lake.get(f"{INDEXES}/gated").json["generation"], 1)
        job = self.wait(self.lake.post(f"{INDEXES}/gated/autotune", {"queries": 30}))
        best, promoted = job["result"]["best"], job["result"]["promoted"]
        self.assertGreaterEqual(best["recall"], 0.98)
        got = self.lake.get(f"{INDEXES}/gated").json
        self.assertEqual((got["generation"], got["length"]), (promoted, 3000))
        self.assertEqual({k: got["parameters"][k] for k in ("m", "ef_construction", "ef_search")}, {k: best[k] for k in ("m", "ef_construction", "ef_search")})
        self.assertEqual(self.lake.get(f"{INDEXES}/gated/trials/best").json["recall"], best["recall"])
        events = self.lake.get("/v1/journal?entity=gated&limit=1000").json["events"]
        self.assertEqual([e["new"]["generation"] for e in events if e["action"] == "generation.promoted"], [promoted])
        self.assertEqual([e["action"] for e in events].count("index.trials_started"), 2)
        self.assertEqual(self.lake.post(f"{INDEXES}/gated/rollback", {}).json["generation"], 1)
        job = self.wait(self.lake.post(f"{INDEXES}/gated/autotune", {"queries": 10, "promote": False}))
        self.assertEqual((job["result"]["promoted"], self.lake.get(f"{INDEXES}/gated").json["generation"]), (None, 1))


class BuildBudget(BuildCase):
    CONFIG = "[vectors]\nmemory_max = \"1MiB\"\n"

    def test_a_build_that_does_not_fit_fails_and_the_old_generation_answers_on(self):
        self.lake.ingest("notes", notes(3000), format="csv")
        self.create("tight")
        self.assertEqual(self.lake.post(f"{INDEXES}/tight/items", {"items": [{"id": "safe", "text": "kitchen oven"}]}).status, 200)
        answer = self.lake.post(f"{INDEXES}/tight/build", {"dataset": "notes", "id_column": "note_id", "text_columns": ["body"]})
        self.assertEqual(self.lake.run_job(answer, "failed")["error"]["code"], "vectors.memory")
        self.assertEqual(self.ids("tight", text="kitchen oven"), ["safe"])
        self.assertEqual([g["state"] for g in self.lake.get(f"{INDEXES}/tight/generations").json["generations"]], ["ready"])
        self.assertIn("vectors.memory", {e["code"] for e in self.lake.get("/v1/errors").json["errors"]})


class Limits(BuildCase):
    CONFIG = "[vectors]\nindexes_max = 2\ngenerations_keep = 2\nitems_max = 3\ntext_max = \"64\"\nmetadata_max = \"20\"\n"

    def test_settings_bound_indexes_generations_and_items(self):
        self.lake.ingest("notes", b"note_id,title,body\n" + b"".join(b"n%d,t,steel torch %d\n" % (i, i) for i in range(20)), format="csv")
        self.create("one")
        self.create("two")
        answer = self.lake.post(INDEXES, {"name": "three", "dimension": 2, "metric": "l2"})
        self.assertEqual((answer.status, answer.json["code"]), (413, "vectors.too_many_indexes"))
        for i in range(4):
            self.build("one", metadata_columns=[], m=8 + i)
        listed = self.lake.get(f"{INDEXES}/one/generations").json["generations"]
        self.assertEqual([g["generation"] for g in listed], [5, 4, 3])
        self.assertEqual([g["parameters"]["m"] for g in listed], [11, 10, 9])
        kept = {name.split(".")[0].split("-")[1] for name in os.listdir(self.lake.bucket_path("_vectors/one/embeddings"))}
        self.assertEqual(len(kept), 3, kept)
        answer = self.lake.post(f"{INDEXES}/one/promote", {"generation": 2})
        self.assertEqual((answer.status, answer.json["code"]), (404, "vectors.unknown_generation"))
        self.assertEqual(len(self.ids("one", text="steel", k=30)), 20)
        for items, code in (([{"id": str(i), "text": "a"} for i in range(4)], "vectors.too_many_items"), ([{"id": "a", "text": "x" * 65}], "vectors.text_too_big"),
                            ([{"id": "a", "text": "a", "metadata": {"k": "x" * 20}}], "vectors.metadata_too_big")):
            answer = self.lake.post(f"{INDEXES}/two/items", {"items": items})
            self.assertEqual((answer.status, answer.json["code"]), (413, code))
        answer = self.lake.post(f"{INDEXES}/two/search", {"text": "x" * 65})
        self.assertEqual((answer.status, answer.json["code"]), (413, "vectors.text_too_big"))
        pages, cursor = [], ""
        while cursor is not None and len(pages) < 9:
            page = self.lake.get(f"/v1/jobs?limit=3&cursor={cursor}").json
            pages.append([j["id"] for j in page["jobs"]])
            cursor = page.get("next_cursor")
        self.assertEqual((len(pages), sum(pages, [])), (2, [j["id"] for j in self.lake.get("/v1/jobs").json["jobs"]]))


class KilledPromotion(unittest.TestCase):
    def promotion(self, fault, generation):
        with Lake() as lake:
            lake.ingest("notes", notes(60), format="csv")
            lake.post(INDEXES, {"name": "p", "dimension": 512, "metric": "cosine", "model": "hash-512"})
            lake.post(f"{INDEXES}/p/items", {"items": [{"id": "safe", "text": "kitchen oven"}]})
            lake.restart(faults=fault)
            victim = lake.processes["lakehouse" if lake.kind == "one" else "vectord"]
            try:
                lake.post(f"{INDEXES}/p/build", {"dataset": "notes", "id_column": "note_id", "text_columns": ["body"]})
            except OSError:
                pass  # the job was faster than its answer
            wait_until(lambda: not victim.is_running(), what="the kill")
            lake.kill()
            lake.start(faults="none=error")
            got = lake.post(f"{INDEXES}/p/search", {"text": "kitchen oven", "k": 100}).json
            self.assertEqual((got["generation"], len(got["results"])), generation)

    def test_before_it_the_old_generation_answers(self):
        self.promotion("vectors.before_promote=kill", (1, 1))

    def test_after_it_the_new_one_does(self):
        self.promotion("vectors.after_promote=kill", (2, 60))


class KilledSwap(unittest.TestCase):
    """kill -9 while a generation is promoted or rolled back by a request."""

    def swap(self, fault, request, generation):
        with Lake() as lake:
            lake.ingest("notes", notes(60), format="csv")
            lake.post(INDEXES, {"name": "s", "dimension": 512, "metric": "cosine", "model": "hash-512"})
            for trade in ("cook", "nurse"):
                lake.run_job(lake.post(f"{INDEXES}/s/build", {"dataset": "notes", "id_column": "note_id", "text_columns": ["body"], "where": f"trade = '{trade}'"}))
            lake.restart(faults=fault)
            victim = lake.processes["lakehouse" if lake.kind == "one" else "vectord"]
            try:
                answer = lake.post(f"{INDEXES}/s/{request[0]}", request[1])
                self.assertIn(answer.status, (502, 503), answer)
            except OSError:
                pass
            wait_until(lambda: not victim.is_running(), what="the kill")
            lake.kill()
            lake.start(faults="none=error")
            for number in (generation, 5 - generation, generation):
                got = lake.post(f"{INDEXES}/s/search", {"text": "kitchen ward", "k": 60}).json
                self.assertEqual((got["generation"], len(got["results"])), (number, 10))
                self.assertEqual({r["metadata"]["trade"] for r in got["results"]}, {{2: "cook", 3: "nurse"}[number]})
                self.assertEqual(lake.post(f"{INDEXES}/s/promote", {"generation": 5 - number}).status, 200)

    def test_before_a_promotion_is_stored_the_old_generation_answers(self):
        self.swap("vectors.before_swap=kill", ("promote", {"generation": 2}), 3)

    def test_after_it_is_stored_the_new_one_does(self):
        self.swap("vectors.after_swap=kill", ("promote", {"generation": 2}), 2)

    def test_a_rollback_is_kept_too(self):
        self.swap("vectors.after_swap=kill", ("rollback", {}), 2)


class Canceled(unittest.TestCase):
    def test_a_build_that_is_cancelled_leaves_what_answered_before(self):
        with Lake(faults="vectors.build_amid=delay:1000") as lake:
            lake.ingest("notes", notes(20000), format="csv")
            lake.post(INDEXES, {"name": "c", "dimension": 512, "metric": "cosine", "model": "hash-512"})
            lake.post(f"{INDEXES}/c/items", {"items": [{"id": "safe", "text": "kitchen oven"}]})
            answer = lake.post(f"{INDEXES}/c/build", {"dataset": "notes", "id_column": "note_id", "text_columns": ["body"]})
            path = "/v1/jobs/" + answer.json["job_id"]
            wait_until(lambda: lake.get(path).json["progress"] > 0, what="the first rows")
            self.assertEqual(lake.get("/v1/status").json["jobs"], 1)
            self.assertEqual(lake.request("DELETE", path).status, 204)
            job = lake.run_job(answer, "canceled")
            self.assertLess(job["progress"], 1)
            self.assertEqual(lake.request("DELETE", path).status, 409)
            got = lake.post(f"{INDEXES}/c/search", {"text": "kitchen oven"}).json
            self.assertEqual((got["generation"], [r["id"] for r in got["results"]]), (1, ["safe"]))
            self.assertEqual(len(lake.get(f"{INDEXES}/c/generations").json["generations"]), 1)


class RemovedMeanwhile(unittest.TestCase):
    def test_a_build_of_an_index_that_was_removed_touches_nothing_of_the_one_made_anew_and_leaves_no_objects(self):
        with Lake(faults="vectors.build_amid=delay:600") as lake:
            lake.ingest("notes", notes(20000), format="csv")
            new = {"name": "d", "dimension": 512, "metric": "cosine", "model": "hash-512"}
            body = {"dataset": "notes", "id_column": "note_id", "text_columns": ["body"]}
            lake.post(INDEXES, new)
            old = lake.post(f"{INDEXES}/d/build", body)
            wait_until(lambda: lake.get("/v1/jobs/" + old.json["job_id"]).json["progress"] > 0, what="the first rows")
            self.assertEqual(lake.request("DELETE", f"{INDEXES}/d").status, 204)
            lake.post(INDEXES, new)
            lake.run_job(lake.post(f"{INDEXES}/d/build", {**body, "where": "trade = 'cook'"}))
            job = lake.run_job(old, "failed")
            self.assertEqual(job["error"]["code"], "vectors.unknown_index")
            self.assertLess(job["progress"], 0.9)  # it ended when it learned of that
            got = lake.get(f"{INDEXES}/d").json
            self.assertEqual((got["generation"], got["source"]["where"], got["length"]), (2, "trade = 'cook'", lake.value("SELECT count(*) FROM notes WHERE trade = 'cook'")))
            folder = lake.bucket_path("_vectors/d/embeddings")
            self.assertEqual(len({name.split("-")[0] for name in os.listdir(folder)}), 1, os.listdir(folder))


class LearnedAnewMeanwhile(unittest.TestCase):
    def test_what_is_put_in_by_hand_while_a_model_is_learned_anew_is_there_afterwards(self):
        with Lake(faults="vectors.before_promote=delay:400;vectors.after_promote=delay:200") as lake:
            lake.ingest("d", notes(60), format="csv")
            lake.post(INDEXES, {"name": "d", "dimension": 256, "metric": "cosine", "model": "lsa-256"})
            body = {"dataset": "d", "id_column": "note_id", "text_columns": ["body"]}
            lake.run_job(lake.post(f"{INDEXES}/d/build", body))
            new = "".join(f"m{i},sailor,5,sailor,harbour anchor sails mast rigging compass tide number {i}\n" for i in range(60))
            lake.ingest("d", notes(60) + new.encode(), format="csv")
            sure, stop = [], threading.Event()

            def write():
                for i in range(100000):
                    if stop.is_set():
                        return
                    answer = lake.post(f"{INDEXES}/d/items", {"items": [{"id": f"h{i}", "text": f"kitchen oven recipes {i}"}]})
                    if answer.status != 200:
                        sure.append(answer)
                        return
                    sure.append(f"h{i}")
            writer = threading.Thread(target=write)
            writer.start()
            job = lake.run_job(lake.post(f"{INDEXES}/d/refresh", {}))
            stop.set()
            writer.join()
            self.assertEqual((job["result"]["generation"], lake.get(f"{INDEXES}/d").json["generation"]), (3, 3))
            self.assertGreater(len(sure), 20)
            found = {r["id"] for r in lake.post(f"{INDEXES}/d/search", {"text": "kitchen oven recipes", "k": 10000}).json["results"]}
            self.assertEqual([i for i in sure if i not in found], [])


class WithoutCaches(BuildCase):
    def test_deleting_every_cache_changes_no_answer_beyond_the_recall_of_a_graph(self):
        self.lake.ingest("notes", notes(6000), format="csv")
        for name, model, dimension in (("hashed", "hash-512", 512), ("learned", "lsa-256", 256)):
            self.create(name, model, dimension)
            self.build(name)
        questions = ["steel torch number 77", "hospital patients care", "kitchen recipes for meals", "brush and ladder 4242"]

        def answers():
            exact, walked, ranked = [], [], []
            for name in ("hashed", "learned"):
                for q in questions:
                    exact.append(self.ids(name, text=q, k=50, exact=True))
                    walked.append(self.ids(name, text=q, k=50))
                    ranked.append([(h["id"], h["legs"].get("text")) for h in self.lake.post("/v1/search", {"question": q, "index": name, "k": 20, "weights": {"vector": 0, "text": 1}}).json["results"]])
            return exact, walked, ranked
        before = answers()
        plan = self.lake.post(f"{INDEXES}/hashed/search", {"text": questions[0], "k": 50}).json["plan"]
        self.assertEqual(plan, "graph")
        self.lake.stop()
        folder = os.path.join(self.lake.data, "cache")
        self.assertTrue(os.listdir(os.path.join(folder, "vectors")))
        shutil.rmtree(folder)
        self.lake.start()
        after = answers()
        self.assertEqual((after[0], after[2]), (before[0], before[2]))
        same = sum(len(set(a) & set(b)) for a, b in zip(before[1], after[1]))
        self.assertGreaterEqual(same / (50 * len(before[1])), 0.99)
        self.assertTrue(all(len(a) == 50 for a in after[1]))


class Killed(unittest.TestCase):
    def test_a_job_whose_process_was_killed_has_failed_and_nothing_acknowledged_is_lost(self):
        with Lake() as lake:
            lake.ingest("notes", notes(60), format="csv")
            lake.post(INDEXES, {"name": "killed", "dimension": 512, "metric": "cosine", "model": "hash-512"})
            lake.post(f"{INDEXES}/killed/items", {"items": [{"id": "safe", "text": "kitchen oven"}]})
            lake.restart(faults="vectors.build_amid=kill")
            body = {"dataset": "notes", "id_column": "note_id", "text_columns": ["body"]}
            answer = lake.post(f"{INDEXES}/killed/build", body)
            self.assertEqual(answer.status, 202, answer)
            victim = lake.processes["lakehouse" if lake.kind == "one" else "vectord"]
            wait_until(lambda: not victim.is_running(), what="the kill")
            lake.kill()
            lake.start(faults="none=error")
            job = lake.get("/v1/jobs/" + answer.json["job_id"]).json
            self.assertEqual((job["state"], job["error"]["code"]), ("failed", "job.interrupted"))
            got = lake.post(f"{INDEXES}/killed/search", {"text": "kitchen oven", "k": 5}).json
            self.assertEqual((got["generation"], [r["id"] for r in got["results"]]), (1, ["safe"]))
            answer = lake.post(f"{INDEXES}/killed/build", body)
            wait_until(lambda: lake.get("/v1/jobs/" + answer.json["job_id"]).json["state"] == "succeeded", what="the build")
            states = [g["state"] for g in lake.get(f"{INDEXES}/killed/generations").json["generations"]]
            self.assertEqual(states, ["ready", "ready"])


if __name__ == "__main__":
    unittest.main()
