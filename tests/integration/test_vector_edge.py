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

    def test_the_callers_trace_is_kept(self):
        trace = "4bf92f3577b34da6a3ce929d0e0e4736"
        for method, path in self.routes:
            headers = {**READER, "traceparent": f"00-{trace}-00f067aa0ba902b7-01"}
            answer = self.lake.request(method, filled(path), b"{}" if method == "POST" else None, headers=headers)
            self.assertEqual(answer.headers["x-trace-id"], trace, (method, path))


if __name__ == "__main__":
    unittest.main()
