"""Questions in words through the public edge: hybrid search, playbooks, answers with quotes, searches inside SQL."""

import http.server
import json
import subprocess
import threading
import unittest
import urllib.parse

from lake import Lake, program

INDEXES = "/v1/vectors/indexes"

NOTES = [
    ("n1", "Ann Ruiz renewed her forklift licence in May. She prefers the early shift.", {"city": "Joliet", "role": "driver"}),
    ("n2", "Acme Cold Storage complained that two pickers arrived late on Monday.", {"city": "Chicago", "role": "picker"}),
    ("n3", "Bob Tran asked for night shifts at the harbour. He has a crane permit.", {"city": "Chicago", "role": "driver"}),
    ("n4", "The first aid course of September is full. The next one starts in November.", {"city": "Joliet"}),
    ("n5", "Order F-1207 was cancelled by the client because the machine broke down.", {"city": "Rockford"}),
    ("n6", "Welders at the shipyard must bring their own helmets and gloves.", {"city": "Chicago", "role": "welder"}),
]


class Model(http.server.BaseHTTPRequestHandler):
    """An OpenAI-compatible endpoint that says what the test tells it to."""

    protocol_version = "HTTP/1.1"
    says = ""
    asked = []
    status = 200

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        Model.asked.append(body)
        assert body["stream"]
        pieces = [Model.says[at:at + 7] for at in range(0, len(Model.says), 7)]
        events = [{"choices": [{"index": 0, "delta": {"content": p}, "finish_reason": None}]} for p in pieces]
        events.append({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
        answer = "".join(f"data: {json.dumps(e)}\n\n" for e in events) + "data: [DONE]\n\n"
        if Model.status != 200:
            answer = '{"error":{"message":"broken"}}'
        self.send_response(Model.status)
        self.send_header("Content-Type", "text/event-stream" if Model.status == 200 else "application/json")
        self.send_header("Content-Length", str(len(answer.encode())))
        self.end_headers()
        self.wfile.write(answer.encode())

    def log_message(self, *args):
        pass


class AnswerCase(unittest.TestCase):
    CONFIG = ""

    @classmethod
    def setUpClass(cls):
        cls.lake = Lake(config=cls.CONFIG)
        cls.lake.__enter__()
        answer = cls.lake.post(INDEXES, {"name": "notes", "metric": "cosine", "model": "hash-512", "dimension": 512})
        assert answer.status == 201, answer
        items = [{"id": i, "text": t, "metadata": m} for i, t, m in NOTES]
        answer = cls.lake.post(f"{INDEXES}/notes/items", {"items": items})
        assert answer.status == 200, answer

    @classmethod
    def tearDownClass(cls):
        cls.lake.__exit__(None, None, None)

    def search(self, question, expect=200, **body):
        answer = self.lake.post("/v1/search", {"question": question, "index": "notes", **body})
        self.assertEqual(answer.status, expect, answer)
        return answer.json["results"] if expect == 200 else answer.json

    def ids(self, question, **body):
        return [hit["id"] for hit in self.search(question, **body)]

    def ask(self, question, expect=200, **body):
        answer = self.lake.post("/v1/rag", {"question": question, "index": "notes", **body})
        self.assertEqual(answer.status, expect, answer)
        return answer.json

    def refused(self, answer, status, code):
        self.assertEqual((answer.status, answer.json["code"]), (status, code), answer)


class Hybrid(AnswerCase):
    def test_every_hit_says_which_leg_ranked_it_where(self):
        hits = self.search("who has a forklift licence", k=3)
        self.assertEqual(hits[0]["id"], "n1")
        self.assertEqual(hits[0]["legs"]["vector"]["rank"], 1)
        self.assertEqual(hits[0]["legs"]["text"]["rank"], 1)
        self.assertGreater(hits[0]["legs"]["text"]["score"], 0)
        self.assertFalse(hits[0]["sql_verified"])
        self.assertEqual(hits[0]["metadata"]["city"], "Joliet")
        self.assertEqual(len(hits), 3)
        self.assertEqual([h["score"] for h in hits], sorted((h["score"] for h in hits), reverse=True))

    def test_a_code_is_found_by_its_letters(self):
        self.assertEqual(self.ids("F-1207")[0], "n5")

    def test_a_weight_of_nothing_leaves_a_leg_out(self):
        hits = self.search("crane permit", weights={"vector": 0, "text": 1})
        self.assertTrue(all("vector" not in h["legs"] for h in hits))
        self.assertEqual(hits[0]["id"], "n3")
        hits = self.search("crane permit", weights={"vector": 1, "text": 0})
        self.assertTrue(all("text" not in h["legs"] for h in hits))

    def test_facts_decide_what_may_be_found(self):
        self.lake.ingest("note_facts", b"note,open\nn1,true\nn3,true\nn5,false\n", format="csv")
        rule = {"dataset": "note_facts", "id_column": "note", "where": "open"}
        hits = self.search("shift", sql_filter=rule)
        self.assertEqual(sorted(h["id"] for h in hits), ["n1", "n3"])
        self.assertTrue(all(h["sql_verified"] for h in hits))
        self.assertEqual(self.ids("shift", filter={"city": "Chicago"}, sql_filter=rule), ["n3"])
        self.refused(self.lake.post("/v1/search", {"question": "x", "index": "notes", "sql_filter": {
            "dataset": "note_facts", "id_column": "note", "where": "1=1) UNION SELECT getenv('HOME'"}}), 403, "sql.not_allowed")

    def test_several_indexes_are_one_ranking(self):
        self.lake.post(INDEXES, {"name": "more_notes", "metric": "cosine", "model": "hash-512", "dimension": 512})
        self.lake.post(f"{INDEXES}/more_notes/items", {"items": [{"id": "m1", "text": "A forklift licence costs 80 dollars."}]})
        answer = self.lake.post("/v1/search", {"question": "forklift licence", "indexes": ["notes", "more_notes"], "k": 2})
        self.assertEqual(sorted((h["index"], h["id"]) for h in answer.json["results"]), [("more_notes", "m1"), ("notes", "n1")])
        self.assertEqual([i["name"] for i in answer.json["indexes"]], ["notes", "more_notes"])

    def test_an_index_without_a_model_is_searched_by_its_words(self):
        self.lake.post(INDEXES, {"name": "outside", "metric": "l2", "dimension": 2})
        self.lake.post(f"{INDEXES}/outside/items", {"items": [{"id": "o1", "text": "a crane driver", "vector": [1, 0]}]})
        answer = self.lake.post("/v1/search", {"question": "crane", "index": "outside"}).json
        self.assertEqual([h["id"] for h in answer["results"]], ["o1"])
        self.assertEqual(answer["skipped"], [{"index": "outside", "leg": "vector", "code": "vectors.no_model"}])

    def test_a_question_that_is_none_is_refused(self):
        for body, code in (({"question": " ", "index": "notes"}, "vectors.question"),
                           ({"question": "x"}, "vectors.question"),
                           ({"question": "x", "index": "notes", "indexes": ["notes"]}, "vectors.question"),
                           ({"question": "x", "indexes": []}, "vectors.question"),
                           ({"question": "x", "indexes": ["notes", "notes"]}, "vectors.question"),
                           ({"question": "x", "indexes": ["a", "b", "c", "d", "e"]}, "vectors.question"),
                           ({"question": "x", "index": "notes", "weights": {"vector": -1}}, "vectors.question"),
                           ({"question": "x", "index": "notes", "weights": {"vector": 0, "text": 0}}, "vectors.question"),
                           ({"question": "x", "index": "notes", "k": 0}, "request.field_value"),
                           ({"question": "x", "index": "notes", "kk": 1}, "request.field_unknown"),
                           ({"question": 3, "index": "notes"}, "request.field_type"),
                           ({"index": "notes"}, "request.field_missing"),
                           ({"question": "x", "index": "notes", "filter": {"a": {"b": 1}}}, "vectors.filter")):
            self.refused(self.lake.post("/v1/search", body), 400, code)
        self.refused(self.lake.post("/v1/search", {"question": "x", "index": "nowhere"}), 404, "vectors.unknown_index")


class Playbooks(AnswerCase):
    QUESTION = "someone who can start at the cold store tomorrow"

    def record(self, expect=201, **body):
        answer = self.lake.post("/v1/playbooks", {"question": self.QUESTION, "index": "notes", **body})
        self.assertEqual(answer.status, expect, answer)
        return answer.json

    def hit(self, id, **body):
        return next((h for h in self.search(self.QUESTION, **body) if h["id"] == id), None)

    def test_what_worked_moves_up_and_says_why_until_it_is_retracted(self):
        before = self.hit("n6", k=6, playbooks=False)
        self.assertNotIn("moved", before)
        made = self.record(answers=["n6"], score=1.0, tags=["urgent"])
        moved = self.hit("n6", k=6)
        self.assertEqual(moved["moved"]["playbooks"], [made["id"]])
        self.assertAlmostEqual(moved["moved"]["factor"], 0.5, places=3)
        self.assertGreater(moved["score"], before["score"])
        self.assertLessEqual(moved["legs"]["vector"]["rank"], before["legs"]["vector"]["rank"])
        self.assertNotIn("moved", self.hit("n6", k=6, playbooks=False))
        kept = self.lake.get(f"/v1/playbooks/{made['id']}").json
        self.assertEqual((kept["question"], kept["answers"], kept["outcome"], kept["tags"]), (self.QUESTION, ["n6"], "worked", ["urgent"]))
        self.assertEqual(self.lake.request("DELETE", f"/v1/playbooks/{made['id']}").status, 204)
        self.assertNotIn("moved", self.hit("n6", k=6))
        self.refused(self.lake.get(f"/v1/playbooks/{made['id']}"), 404, "vectors.unknown_playbook")
        self.refused(self.lake.request("DELETE", f"/v1/playbooks/{made['id']}"), 404, "vectors.unknown_playbook")

    def test_a_failure_halves_it(self):
        made = self.record(answers=["n2"], score=0.8)
        self.assertAlmostEqual(self.hit("n2", k=6)["moved"]["factor"], 0.6, places=3)
        failed = self.record(answers=["n2"], failed=True)
        self.assertAlmostEqual(self.hit("n2", k=6)["moved"]["factor"], 0.8, places=3)
        for id in (made["id"], failed["id"]):
            self.lake.request("DELETE", f"/v1/playbooks/{id}")

    def test_another_city_or_role_is_never_moved(self):
        made = self.record(answers=["n4"], city="Joliet", role="picker")
        self.assertIn("moved", self.hit("n4", k=6, city="joliet"))
        self.assertNotIn("moved", self.hit("n4", k=6, city="Chicago"))
        self.assertNotIn("moved", self.hit("n4", k=6, role="welder"))
        self.lake.request("DELETE", f"/v1/playbooks/{made['id']}")

    def test_it_brings_in_what_no_leg_found_but_never_past_a_filter(self):
        made = self.record(answers=["n5"])
        hits = self.search(self.QUESTION, k=6, filter={"city": "Chicago"})
        self.assertNotIn("n5", [h["id"] for h in hits])
        self.assertIn("n5", [h["id"] for h in self.search(self.QUESTION, k=6)])
        self.lake.request("DELETE", f"/v1/playbooks/{made['id']}")

    def test_a_question_far_away_is_not_moved(self):
        made = self.record(answers=["n6"])
        self.assertTrue(all("moved" not in h for h in self.search("September first aid course", k=6)))
        self.lake.request("DELETE", f"/v1/playbooks/{made['id']}")

    def test_one_playbook_moves_at_most_a_third(self):
        made = self.record(answers=["n1", "n2", "n3", "n4", "n5", "n6"])
        moved = [h["id"] for h in self.search(self.QUESTION, k=6) if "moved" in h]
        self.assertEqual(sorted(moved), ["n1", "n2"])
        self.lake.request("DELETE", f"/v1/playbooks/{made['id']}")

    def test_playbooks_are_data_of_an_ordinary_index(self):
        made = self.record(answers=["n1"], score=0.5)
        self.assertGreaterEqual(self.lake.get(f"{INDEXES}/playbooks").json["length"], 1)
        item = self.lake.get(f"{INDEXES}/playbooks/items/{made['id']}").json
        self.assertEqual(item["metadata"]["score"], 0.5)
        self.lake.request("DELETE", f"/v1/playbooks/{made['id']}")

    def test_nonsense_is_refused(self):
        for body, code in (({"answers": []}, "vectors.playbook"), ({"answers": ["a"], "score": 1.5}, "vectors.playbook"),
                           ({"answers": [3]}, "vectors.playbook"), ({}, "vectors.playbook"),
                           ({"answers": ["a"], "index": "playbooks"}, "vectors.playbook"),
                           ({"answers": ["a"], "worked": True}, "request.field_unknown"),
                           ({"answers": ["a"], "tags": [""]}, "vectors.playbook"),
                           ({"answers": ["a"], "question": " "}, "vectors.playbook")):
            self.assertEqual(self.record(expect=400, **body)["code"], code, body)
        self.assertEqual(self.record(expect=404, index="nowhere", answers=["a"])["code"], "vectors.unknown_index")


class Restart(AnswerCase):
    def test_playbooks_outlive_the_process(self):
        made = self.lake.post("/v1/playbooks", {"question": "night shift driver", "index": "notes", "answers": ["n6"]}).json
        self.lake.restart()
        hit = next(h for h in self.search("night shift driver", k=6) if h["id"] == "n6")
        self.assertEqual(hit["moved"]["playbooks"], [made["id"]])


class Extractive(AnswerCase):
    def test_an_answer_is_made_of_sentences_that_stand_in_the_lake(self):
        answer = self.ask("When did Ann renew her forklift licence?")
        self.assertTrue(answer["found"])
        self.assertEqual(answer["model"], "extractive")
        self.assertIn("Ann Ruiz renewed her forklift licence in May.", answer["answer"])
        texts = {i: t for i, t, _ in NOTES}
        self.assertGreaterEqual(len(answer["citations"]), 1)
        for c in answer["citations"]:
            self.assertEqual(texts[c["id"]].encode()[c["start"]:c["end"]].decode(), c["quote"])
            self.assertIsNone(c["dataset"])
        self.assertIn("n1", [p["id"] for p in answer["passages"]])

    def test_a_citation_names_the_dataset_of_its_passage_and_none_for_what_was_put_in_by_hand(self):
        self.lake.ingest("calls", b"call,words,page\nc1,Maria wants to drive reach trucks in Peoria.,7\n", format="csv")
        self.lake.post(INDEXES, {"name": "called", "metric": "cosine", "model": "hash-512", "dimension": 512})
        self.lake.run_job(self.lake.post(f"{INDEXES}/called/build", {"dataset": "calls", "id_column": "call", "text_columns": ["words"]}))
        self.lake.post(f"{INDEXES}/called/items", {"items": [{"id": "h1", "text": "Olga wants to weld pipes in Rockford."}]})
        for question, wanted in (("Who wants to drive reach trucks?", ("c1", "calls", 7)), ("Who wants to weld pipes?", ("h1", None, None))):
            answer = self.lake.post("/v1/rag", {"question": question, "index": "called"}).json
            self.assertTrue(answer["found"], answer)
            c = answer["citations"][0]
            self.assertEqual((c["id"], c["dataset"], c.get("page")), wanted)

    def test_what_the_lake_does_not_say_is_not_answered(self):
        for question in ("Who won the election in Bolivia?", "What is the boiling point of tungsten?",
                         "Who won the early election in Bolivia?", "At which harbour did Napoleon land on his return from Elba?"):
            answer = self.ask(question)
            self.assertEqual((answer["found"], answer["answer"], answer["citations"]), (False, "", []), question)

    def test_a_model_that_is_not_there_is_named(self):
        self.assertEqual(self.ask("x y", expect=404, model="gpt-none")["code"], "bridge.unknown_model")

    def test_the_command_line_searches_and_answers(self):
        def run(*args):
            done = subprocess.run([program("lakehouse"), *args, "--url", self.lake.url], stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60)
            return done.returncode, done.stdout.decode(), done.stderr.decode()
        code, out, _ = run("search", "forklift licence", "--index", "notes", "--k", "2", "--output", "json")
        self.assertEqual((code, json.loads(out)[0]["id"]), (0, "n1"))
        code, out, _ = run("search", "forklift licence", "--index", "notes", "--k", "1", "--output", "csv")
        self.assertEqual((code, out.splitlines()[0], out.splitlines()[1].split(",")[:2]), (0, "rank,id,score,meaning,words,text", ["1", "n1"]))
        code, out, _ = run("ask", "When did Ann renew her forklift licence?", "--index", "notes")
        self.assertEqual(code, 0)
        self.assertIn("Ann Ruiz renewed her forklift licence in May.", out)
        self.assertIn("[1] n1:", out)
        code, out, _ = run("ask", "Who won the election in Bolivia?", "--index", "notes")
        self.assertEqual((code, out), (0, "The lake does not say.\n"))
        code, out, _ = run("ask", "When did Ann renew her forklift licence?", "--index", "notes", "--output", "json")
        self.assertEqual((code, json.loads(out)["citations"][0]["id"]), (0, "n1"))
        self.assertEqual(run("ask", "x", "--index", "notes", "--output", "csv")[0], 2)
        self.lake.ingest("cli_facts", b"note\nn3\n", format="csv")
        facts = ("--dataset", "cli_facts", "--id-column", "note")
        code, out, said = run("search", "shift", "--index", "notes", *facts, "--output", "json")
        self.assertEqual((code, [h["id"] for h in json.loads(out)], said), (0, ["n3"], ""))
        for half in (facts[:2], facts[2:], ("--where", "true")):
            self.assertEqual(run("search", "shift", "--index", "notes", *half)[0], 2)
        self.lake.post(INDEXES, {"name": "cli_words", "metric": "l2", "dimension": 2})
        self.lake.post(f"{INDEXES}/cli_words/items", {"items": [{"id": "o1", "text": "a crane driver", "vector": [1, 0]}]})
        code, out, said = run("search", "crane", "--index", "cli_words", "--output", "json")
        self.assertEqual((code, len(json.loads(out)), said), (0, 1, "lakehouse: cli_words was not searched by meaning (vectors.no_model)\n"))
        self.assertEqual(run("search", "x")[0], 2)
        self.assertEqual(run("search", "x", "--index", "nowhere")[0], 4)


class Generated(AnswerCase):
    MORE = ""

    @classmethod
    def setUpClass(cls):
        cls.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Model)
        threading.Thread(target=cls.server.serve_forever, daemon=True).start()
        cls.CONFIG = cls.MORE + (f'[bridge]\nretries = 0\n[[provider]]\nname = "far"\nkind = "openai"\nurl = "http://127.0.0.1:{cls.server.server_port}"\n'
                      '[[model]]\nname = "talker"\nprovider = "far"\nkind = "generate"\n')
        super().setUpClass()

    @classmethod
    def tearDownClass(cls):
        super().tearDownClass()
        cls.server.shutdown()
        cls.server.server_close()

    def setUp(self):
        Model.status, Model.says = 200, ""
        Model.asked.clear()

    def test_quotes_that_stand_are_kept_and_others_dropped(self):
        Model.says = json.dumps({"found": True, "answer": "In May.", "quotes": [
            {"passage": 1, "quote": "Ann Ruiz renewed her forklift licence in May."}, {"passage": 1, "quote": "It was the third of May."}]})
        answer = self.ask("When did Ann renew her forklift licence?", model="talker")
        self.assertEqual((answer["found"], answer["answer"], answer["model"], answer["quotes_dropped"]), (True, "In May.", "talker", 1))
        self.assertEqual([c["quote"] for c in answer["citations"]], ["Ann Ruiz renewed her forklift licence in May."])
        self.assertEqual(answer["citations"][0]["id"], "n1")
        prompt = Model.asked[0]["messages"][-1]["content"]
        self.assertIn("forklift licence in May", prompt)
        self.assertTrue(prompt.endswith("Question: When did Ann renew her forklift licence?"))

    def test_an_invented_answer_is_not_passed_on(self):
        Model.says = json.dumps({"found": True, "answer": "In June.", "quotes": [{"passage": 1, "quote": "in June"}]})
        answer = self.ask("When did Ann renew her forklift licence?", model="talker")
        self.assertEqual((answer["found"], answer["answer"], answer["citations"]), (False, "", []))
        Model.says = "It was in June, believe me."
        self.assertFalse(self.ask("When did Ann renew her forklift licence?", model="talker")["found"])

    def test_a_broken_provider_leaves_the_sentences(self):
        Model.status = 500
        answer = self.ask("When did Ann renew her forklift licence?", model="talker")
        self.assertTrue(answer["found"])
        self.assertEqual((answer["model"], answer["fallback"]), ("extractive", "bridge.provider"))

    def test_without_generate_no_model_is_asked(self):
        self.assertEqual(self.ask("When did Ann renew her forklift licence?", generate=False)["model"], "extractive")
        self.assertEqual(Model.asked, [])


class TokenBudget(Generated):
    MORE = "rag.prompt_tokens = 300\nrag.answer_tokens = 7\n"

    def test_no_model_is_told_more_than_its_tokens(self):
        long = " ".join(f"Forklift licence number {i} was renewed in May." for i in range(400))
        self.lake.post(f"{INDEXES}/notes/items", {"items": [{"id": "long", "text": long}]})
        self.addCleanup(self.lake.request, "DELETE", f"{INDEXES}/notes/items/long")
        self.ask("Which forklift licence was renewed?", model="talker")
        asked = Model.asked[0]
        self.assertEqual(asked["max_tokens"], 7)
        told = sum(len(m["content"].encode()) for m in asked["messages"])
        self.assertTrue(800 < told <= 4 * 300, told)
        self.assertIn("Forklift licence", asked["messages"][-1]["content"])
        self.assertTrue(asked["messages"][-1]["content"].endswith("Question: Which forklift licence was renewed?"))


class InsideSql(AnswerCase):
    def test_one_statement_joins_meaning_words_and_facts(self):
        self.lake.ingest("people", b"note,name,rate\nn1,Ann,21.5\nn3,Bob,25\nn6,Cy,30\n", format="csv")
        rows = self.lake.rows("SELECT p.name, v.distance < 1 AS near FROM vector_search('notes', 'forklift licence', 6) v "
                              "JOIN people p ON p.note = v.id WHERE p.rate < 30 ORDER BY v.distance LIMIT 1")
        self.assertEqual(rows, [["Ann", True]])
        rows = self.lake.rows("SELECT t.id, t.score > 0, t.distance, t.metadata->>'city' FROM text_search('notes', 'crane', 3) t")
        self.assertEqual(rows, [["n3", True, None, "Chicago"]])
        rows = self.lake.rows("SELECT v.id FROM vector_search($1, $2, 1, filter := $3) v", params=["notes", "shift", '{"city":"Chicago"}'])
        self.assertEqual(rows, [["n3"]])

    def test_a_vector_is_searched_like_a_text(self):
        vector = self.lake.get(f"{INDEXES}/notes/items/n5").json["vector"]
        rows = self.lake.sql("SELECT id, round(distance, 4) FROM vector_search('notes', $1, 1)", params=[vector])["rows"]
        self.assertEqual(rows, [["n5", 0]])

    def test_what_goes_wrong_is_said_as_the_index_says_it(self):
        self.assertEqual(self.lake.sql("FROM vector_search('nowhere', 'x', 1)", expect=404)["code"], "vectors.unknown_index")
        self.assertEqual(self.lake.sql("FROM vector_search('notes', [1.0, 2.0], 1)", expect=400)["code"], "vectors.dimension")
        self.assertEqual(self.lake.sql("FROM vector_search('notes', 'x', 0)", expect=400)["code"], "sql.search")
        self.assertEqual(self.lake.sql("FROM vector_search('notes', 'x', 1, filter := '{')", expect=400)["code"], "request.json")

    def test_explain_and_limits_hold(self):
        self.assertTrue(self.lake.rows("EXPLAIN SELECT * FROM vector_search('notes', 'x', 3)"))
        many = " UNION ALL ".join(["SELECT id FROM text_search('notes', 'crane', 1)"] * 33)
        self.assertEqual(self.lake.sql(many, expect=413)["code"], "sql.too_complex")


class Edge(unittest.TestCase):
    def test_a_reader_may_ask_and_not_record(self):
        config = '[[token]]\nname = "r"\nsecret = "reader-token-0123456789"\nmay_write = false\n'
        with Lake(config=config) as lake:
            headers = {"Authorization": "Bearer reader-token-0123456789"}
            for path, body in (("/v1/search", {"question": "x", "index": "a"}), ("/v1/rag", {"question": "x", "index": "a"})):
                self.assertEqual(lake.post(path, body).status, 401)
                answer = lake.post(path, body, headers=headers)
                self.assertEqual((answer.status, answer.json["code"]), (404, "vectors.unknown_index"))
            answer = lake.post("/v1/playbooks", {"question": "x", "index": "a", "answers": ["b"]}, headers=headers)
            self.assertEqual((answer.status, answer.json["code"]), (403, "auth.read_only"))


if __name__ == "__main__":
    unittest.main()
