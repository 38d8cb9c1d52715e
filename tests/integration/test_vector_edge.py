"""What holds for every route about vectors, questions, models and jobs: tokens, methods, bodies, problems, keys, the journal."""

import json
import unittest

from lake import Lake, wait_until

INDEXES = "/v1/vectors/indexes"
TOKENS = '[[token]]\nname = "writer"\nsecret = "write-me"\n[[token]]\nname = "reader"\nsecret = "read-me"\nmay_write = false\n'
WRITER = {"Authorization": "Bearer write-me"}
READER = {"Authorization": "Bearer read-me"}
TAGS = {"vectors", "answers", "models", "jobs"}
# Of the routes with a body these change nothing, so that a reader may call them.
QUESTIONS = {INDEXES + "/{name}/search", "/v1/search", "/v1/rag", "/v1/embeddings", "/v1/chat/completions"}
PARAMETERS = {"{name}": "edge", "{id}": "00000000", "{model}": "nobody"}
# The longest body of each route that takes one, in bytes; the others have the default of http.body_max.
BODIES = {"/items": 256 << 20, "/items/delete": 256 << 20, "/search": 8 << 20, "/v1/rag": 8 << 20, "/v1/embeddings": 16 << 20,
          "/v1/chat/completions": 16 << 20}
DEFINITION = 64 << 10


def filled(path):
    for name, value in PARAMETERS.items():
        path = path.replace(name, value)
    return path


class EveryRoute(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.lake = Lake(config=TOKENS)
        cls.lake.__enter__()
        answer = cls.lake.post(INDEXES, {"name": "edge", "metric": "cosine", "dimension": 512, "model": "hash-512"}, headers=WRITER)
        assert answer.status == 201, answer
        paths = cls.lake.get("/v1/openapi.json", headers=WRITER).json["paths"]
        cls.routes = [(method.upper(), path) for path, operations in paths.items() for method, operation in operations.items()
                      if method != "parameters" and TAGS & set(operation["tags"])]
        assert len(cls.routes) >= 31, cls.routes
        cls.tags = {path: {tag for o in operations if o != "parameters" for tag in operations[o]["tags"]} for path, operations in paths.items()}

    @classmethod
    def tearDownClass(cls):
        cls.lake.__exit__(None, None, None)

    def problem(self, answer, status, code, what):
        self.assertEqual(answer.status, status, (what, answer))
        self.assertEqual(answer.headers["content-type"], "application/problem+json", what)
        problem = answer.json
        self.assertEqual((problem["status"], problem["code"], problem["trace_id"]), (status, code, answer.headers["x-trace-id"]), what)
        for member in ("type", "title", "detail", "retryable"):
            self.assertIn(member, problem, what)

    def test_without_a_token_no_route_answers(self):
        for method, path in self.routes:
            answer = self.lake.request(method, filled(path), b"{}" if method == "POST" else None)
            self.problem(answer, 401, "auth.required", (method, path))
            self.assertIn("www-authenticate", answer.headers)

    def test_a_reader_changes_nothing_by_any_route(self):
        for method, path in self.routes:
            answer = self.lake.request(method, filled(path), b"{}" if method == "POST" else None, headers=READER)
            if method == "GET" or path in QUESTIONS:
                self.assertNotIn(answer.status, (401, 403), (method, path, answer))
            else:
                self.problem(answer, 403, "auth.read_only", (method, path))
        self.assertEqual(self.lake.get(f"{INDEXES}/edge", headers=READER).status, 200)

    def test_another_method_is_answered_with_those_that_there_are(self):
        for path in {path for _, path in self.routes}:
            answer = self.lake.request("PATCH", filled(path), b"{}", headers=WRITER)
            self.problem(answer, 405, "request.method", path)
            allowed = {m.strip() for m in answer.headers["allow"].split(",")}
            self.assertTrue({method for method, p in self.routes if p == path} <= allowed, (path, allowed))

    def test_a_body_that_is_no_object_or_has_unknown_fields_is_refused(self):
        for method, path in self.routes:
            if method != "POST":
                continue
            for body in (b"[]", b"{", b'"x"', b'{"nobody_knows_this_field": 1}', b"\xff\xfe"):
                answer = self.lake.request(method, filled(path), body, headers=WRITER)
                self.assertEqual(answer.status, 400, (path, body, answer))
                self.assertEqual(answer.headers["content-type"], "application/problem+json")
            self.assertIn("nobody_knows_this_field", self.lake.request(method, filled(path), b'{"nobody_knows_this_field": 1}', headers=WRITER).json["detail"], path)

    def test_a_body_past_its_limit_is_413(self):
        for method, path in self.routes:
            if method != "POST":
                continue
            limit = next((size for end, size in BODIES.items() if path.endswith(end)), DEFINITION)
            connection = self.lake.connect()
            connection.putrequest("POST", filled(path))
            connection.putheader("Authorization", WRITER["Authorization"])
            connection.putheader("Content-Type", "application/json")
            connection.putheader("Content-Length", str(limit + 1))
            connection.putheader("Expect", "100-continue")
            connection.endheaders()
            response = connection.getresponse()
            self.assertEqual((response.status, json.loads(response.read())["code"]), (413, "request.too_big"), path)
            connection.close()

    def test_an_unknown_parameter_is_refused(self):
        for method, path in self.routes:
            if method == "POST" and "models" in self.tags[path]:
                continue  # clients of OpenAI's protocol add their own
            answer = self.lake.request(method, filled(path) + "?nobody_knows=1", b"{}" if method == "POST" else None, headers=WRITER)
            self.problem(answer, 400, "request.query_unknown", (method, path))
            self.assertIn("nobody_knows", answer.json["detail"])

    def test_the_callers_trace_is_kept(self):
        trace = "4bf92f3577b34da6a3ce929d0e0e4736"
        for method, path in self.routes:
            headers = {**READER, "traceparent": f"00-{trace}-00f067aa0ba902b7-01"}
            answer = self.lake.request(method, filled(path), b"{}" if method == "POST" else None, headers=headers)
            self.assertEqual(answer.headers["x-trace-id"], trace, (method, path))


class Mutations(unittest.TestCase):
    """Every request that changes something: once for a key, and told to the journal."""

    @classmethod
    def setUpClass(cls):
        cls.lake = Lake(config=TOKENS)
        cls.lake.__enter__()
        cls.lake.ingest("notes", b"id,body\na,steel torch\nb,kitchen oven\nc,hospital ward\n", format="csv", headers=WRITER)
        for name in ("edge", "other"):
            cls.lake.post(INDEXES, {"name": name, "metric": "cosine", "dimension": 512, "model": "hash-512"}, headers=WRITER)
        answer = cls.lake.post(f"{INDEXES}/other/items", {"items": [{"id": i, "text": f"night shift {i}"} for i in "xyz"]}, headers=WRITER)
        assert answer.status == 200, answer

    @classmethod
    def tearDownClass(cls):
        cls.lake.__exit__(None, None, None)

    def send(self, method, path, body=None, status=200, **headers):
        answer = self.lake.request(method, path, body, headers={**WRITER, **headers})
        self.assertEqual(answer.status, status, (path, answer))
        return answer

    def job(self, answer):
        def ended():
            job = self.lake.get("/v1/jobs/" + answer.json["job_id"], headers=READER).json
            return job if job["state"] not in ("queued", "running") else None
        job = wait_until(ended, what="the job")
        self.assertEqual(job["state"], "succeeded", job)

    def actions(self, entity):
        events = self.lake.get(f"/v1/journal?entity={entity}&limit=1000", headers=READER).json["events"]
        self.assertEqual({e["actor"] for e in events}, {"writer"})
        self.assertTrue(all(len(e["trace_id"]) == 32 for e in events))
        return [e["action"] for e in reversed(events)]

    def test_every_change_is_in_the_journal_with_its_actor(self):
        edge = f"{INDEXES}/edge"
        self.send("POST", f"{edge}/items", {"items": [{"id": "i1", "text": "early shift"}, {"id": "i2", "text": "late shift"}, {"id": "i3", "text": "x"}]})
        self.send("POST", f"{edge}/items/delete", {"ids": ["i1"]})
        self.send("DELETE", f"{edge}/items/i2", status=204)
        self.send("POST", f"{edge}/merge", {"source": "other"})
        self.job(self.send("POST", f"{edge}/build", {"dataset": "notes", "id_column": "id", "text_columns": ["body"]}, 202))
        self.job(self.send("POST", f"{edge}/refresh", {}, 202))
        self.job(self.send("POST", f"{edge}/trials", {"grid": [{"m": 8}], "queries": 2, "k": 1}, 202))
        self.job(self.send("POST", f"{edge}/autotune", {"queries": 2, "k": 1, "promote": False}, 202))
        self.send("POST", f"{edge}/promote", {"generation": 1})
        self.send("POST", f"{edge}/rollback", {})
        self.send("DELETE", edge, status=204)
        self.assertEqual(self.actions("edge"), [
            "index.created", "items.upserted", "items.deleted", "items.deleted", "index.merged",
            "index.build_started", "generation.promoted", "index.refresh_started", "index.trials_started", "index.trials_started",
            "generation.promoted", "generation.rolled_back", "index.deleted"])

    def test_a_repeated_key_changes_nothing_again_and_with_another_body_is_refused(self):
        record = {"question": "who works nights", "index": "other", "answers": ["x"]}
        new = {"name": "keyed", "metric": "l2", "dimension": 1}
        item = {"items": [{"id": "a", "vector": [1]}]}
        for path, body, status, other in (("/v1/playbooks", record, 201, {**record, "answers": ["y"]}), (INDEXES, new, 201, {**new, "dimension": 2}),
                                          (f"{INDEXES}/keyed/items", item, 200, {"items": []}), (f"{INDEXES}/keyed/items/delete", {"ids": ["a"]}, 200, {"ids": ["b"]})):
            key = {"Idempotency-Key": "k" + path}
            first, second = (self.send("POST", path, body, status, **key) for _ in range(2))
            self.assertEqual(first.json, second.json, path)
            self.send("POST", path, other, 422, **key)
        self.assertEqual(self.lake.get(f"{INDEXES}/playbooks", headers=READER).json["length"], 1)
        self.assertEqual(self.actions("keyed"), ["index.created", "items.upserted", "items.deleted"])


if __name__ == "__main__":
    unittest.main()
