"""Embeddings, chat and models through the public edge: built-in, and by providers that are real small servers."""

import base64
import json
import math
import os
import struct
import subprocess
import threading
import unittest

from lake import ROOT, Lake, wait_until
from provider import WORDS, Provider, vector

TOKENS = '[[token]]\nname = "writer"\nsecret = "write-me"\n[[token]]\nname = "reader"\nsecret = "read-me"\nmay_write = false\n'
READER = {"Authorization": "Bearer read-me"}
KINDS = ("ollama", "openai", "sidecar")


def sdk(lake, *args):
    done = subprocess.run(["node", "tests/integration/openai_sdk.mjs", lake.url + "/v1", "read-me", *args], cwd=ROOT,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=120)
    return done.returncode, done.stdout.decode()


class BuiltIn(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.lake = Lake(config=TOKENS)
        cls.lake.__enter__()

    @classmethod
    def tearDownClass(cls):
        cls.lake.__exit__(None, None, None)

    def embed(self, **body):
        return self.lake.post("/v1/embeddings", body, headers=READER)

    def refused(self, answer, status, code):
        self.assertEqual((answer.status, answer.json["code"], answer.json["error"]["code"]), (status, code, code), answer)

    def test_the_public_client_works_unmodified(self):
        self.assertEqual(sdk(self.lake), (0, "fine\n"))

    def test_floats_and_base64_are_the_same_vector(self):
        floats = self.embed(input="forklift").json["data"][0]["embedding"]
        packed = self.embed(input=["forklift"], model="hash-512", encoding_format="base64").json["data"][0]["embedding"]
        self.assertEqual(base64.b64decode(packed), struct.pack("<512f", *floats))
        self.assertAlmostEqual(math.fsum(x * x for x in floats), 1, places=5)
        self.assertEqual(set(self.embed(input="?!").json["data"][0]["embedding"]), {0})

    def test_every_wrong_request_names_its_field(self):
        for body, code in (({}, "request.field_missing"), ({"input": 7}, "openai.unsupported"), ({"input": []}, "request.field_type"),
                           ({"input": [["a"]]}, "openai.unsupported"), ({"input": "a", "encoding_format": "hex"}, "openai.unsupported"),
                           ({"input": "a", "dimensions": 100}, "openai.unsupported"), ({"input": "a", "colour": 1}, "request.field_unknown"),
                           ({"input": {"a": 1}}, "request.field_type")):
            self.refused(self.embed(**body), 400, code)
        self.refused(self.embed(input="a", model="nobody"), 404, "bridge.unknown_model")
        self.assertEqual(self.embed(input=["a"] * 8193).status, 413)

    def test_without_a_model_chat_is_not_supported(self):
        messages = [{"role": "user", "content": "hello"}]
        for stream in (False, True):
            self.refused(self.lake.post("/v1/chat/completions", {"messages": messages, "stream": stream}, headers=READER), 501, "bridge.no_model")
        self.refused(self.lake.post("/v1/chat/completions", {"messages": messages, "model": "hash-512"}, headers=READER), 501, "bridge.wrong_kind")

    def test_every_wrong_chat_names_its_field(self):
        good = [{"role": "user", "content": "hello"}]
        for body, code in (({}, "request.field_missing"), ({"messages": []}, "request.field_missing"), ({"messages": [7]}, "request.field_type"),
                           ({"messages": [{"role": "cook", "content": "a"}]}, "openai.unsupported"), ({"messages": good, "n": 2}, "openai.unsupported"),
                           ({"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}, "openai.unsupported"),
                           ({"messages": good, "temperature": 3}, "request.field_type"), ({"messages": good, "tools": []}, "request.field_unknown"),
                           ({"messages": good, "stop": ["a"] * 5}, "openai.unsupported"), ({"messages": good, "max_tokens": -1}, "request.field_type")):
            self.refused(self.lake.post("/v1/chat/completions", body, headers=READER), 400, code)

    def test_without_a_token_nothing_is_embedded_and_nothing_listed(self):
        for method, path, body in (("POST", "/v1/embeddings", {"input": "a"}), ("POST", "/v1/chat/completions", {"messages": []}),
                                   ("GET", "/v1/models", None), ("GET", "/v1/models/hash-512", None)):
            self.assertEqual(self.lake.request(method, path, body).status, 401, path)
        self.assertEqual(self.lake.get("/v1/embeddings", headers=READER).status, 405)


class Profiles(unittest.TestCase):
    def test_whoever_is_held_to_a_profile_is_told_of_no_model_that_an_index_taught(self):
        held = {"Authorization": "Bearer held"}
        writer = {"Authorization": "Bearer write-me"}
        with Lake(config=TOKENS + '[[token]]\nname = "agent"\nsecret = "held"\nmay_write = false\nprofile = "elsewhere"\n') as lake:
            lake.ingest("letters", b"id,body\n1,steel torch\n2,kitchen oven\n3,hospital ward\n", format="csv", headers=writer)
            lake.post("/v1/vectors/indexes", {"name": "taught", "metric": "cosine", "dimension": 256, "model": "lsa-256"}, headers=writer)
            job = lake.post("/v1/vectors/indexes/taught/build", {"dataset": "letters", "id_column": "id", "text_columns": ["body"]}, headers=writer)
            wait_until(lambda: lake.get("/v1/jobs/" + job.json["job_id"], headers=READER).json["state"] == "succeeded", what="the build")
            ids = lambda who: [m["id"] for m in lake.get("/v1/models", headers=who).json["data"]]
            learned = [m for m in ids(READER) if m.startswith("lsa-256:taught:")]
            self.assertEqual(len(learned), 1)
            self.assertEqual(ids(held), ["hash-512"])
            for who, status in ((READER, 200), (held, 404)):
                self.assertEqual(lake.get("/v1/models/" + learned[0], headers=who).status, status)
                self.assertEqual(lake.post("/v1/embeddings", {"input": "steel", "model": learned[0]}, headers=who).status, status)
            self.assertEqual(lake.post("/v1/embeddings", {"input": "steel"}, headers=held).status, 200)


class Limits(unittest.TestCase):
    def test_a_token_may_embed_only_as_often_as_it_may_ask(self):
        with Lake(config="gateway.requests_per_second = 1\ngateway.burst = 2\n" + TOKENS) as lake:
            statuses = [lake.post("/v1/embeddings", {"input": "a"}, headers=READER).status for _ in range(6)]
            self.assertEqual(statuses[:2], [200, 200])
            self.assertIn(429, statuses)


class Providers(unittest.TestCase):
    def setUp(self):
        self.providers = {kind: Provider(kind, key="the-key" if kind == "openai" else None) for kind in KINDS}
        for p in self.providers.values():
            p.__enter__()
            self.addCleanup(p.__exit__)

    def lake(self, settings=""):
        toml = settings + TOKENS + "".join(p.toml(credentials="FAR" if kind == "openai" else "") for kind, p in self.providers.items())
        return Lake(config=toml, env={"LAKEHOUSE_SECRET_FAR_API_KEY": "the-key"})

    def chat(self, lake, kind, **body):
        return lake.post("/v1/chat/completions", {"model": "chat-" + kind, "messages": [{"role": "user", "content": "hello"}], **body}, headers=READER)

    def test_every_kind_embeds_and_generates_for_the_public_client(self):
        with self.lake() as lake:
            for kind in KINDS:
                texts = [f"text {i}" for i in range(20)]
                answer = lake.post("/v1/embeddings", {"input": texts, "model": "embed-" + kind}, headers=READER)
                self.assertEqual([d["embedding"] for d in answer.json["data"]], [vector(t) for t in texts], answer)
                self.assertEqual(len(self.providers[kind].requests), 3)  # 20 texts by 8
                self.assertEqual(sdk(lake, "chat-" + kind), (0, "fine\n"))
            self.assertEqual(self.providers["openai"].requests[0][1]["Authorization"], "Bearer the-key")
            self.assertNotIn("Authorization", self.providers["ollama"].requests[0][1])
            ids = [m["id"] for m in lake.get("/v1/models", headers=READER).json["data"]]
            self.assertEqual(ids, ["hash-512"] + [name + kind for kind in KINDS for name in ("embed-", "chat-")])
            self.assertNotIn("the-key", lake.logs())

    def test_an_index_takes_no_vectors_of_another_length_from_its_model(self):
        far = self.providers["ollama"]
        writer = {"Authorization": "Bearer write-me"}
        with Lake(config=TOKENS + far.toml().replace("dim = 3\n", "")) as lake:
            index = {"name": "far", "metric": "l2", "model": "embed-ollama"}
            self.assertEqual(lake.post("/v1/vectors/indexes", {**index, "dimension": 4}, headers=writer).status, 201)
            for path, body in (("/items", {"items": [{"id": "a", "text": "steel"}]}), ("/search", {"text": "steel"})):
                answer = lake.post("/v1/vectors/indexes/far" + path, body, headers=writer)
                self.assertEqual((answer.status, answer.json["code"]), (400, "vectors.model_dimension"), answer)
            answer = lake.post("/v1/vectors/indexes", {**index, "name": "again", "dimension": 4}, headers=writer)
            self.assertEqual((answer.status, answer.json["code"]), (400, "vectors.model_dimension"), answer)  # known by now
            self.assertEqual(lake.post("/v1/vectors/indexes", {**index, "name": "again", "dimension": 3}, headers=writer).status, 201)
            self.assertEqual(lake.post("/v1/vectors/indexes/again/items", {"items": [{"id": "a", "text": "steel"}]}, headers=writer).status, 200)
            self.assertEqual(lake.get("/v1/vectors/indexes/again/items/a", headers=writer).json["vector"], vector("steel"))

    def test_the_cache_answers_what_was_asked_before_and_says_so(self):
        with self.lake() as lake:
            for _ in range(3):
                lake.post("/v1/embeddings", {"input": ["a", "b"], "model": "embed-ollama"}, headers=READER)
            self.assertEqual(len(self.providers["ollama"].requests), 1)
            cache = lake.get("/v1/status", headers=READER).json["models"]["cache"]
            self.assertEqual((cache["entries"], cache["misses"], cache["hits"], cache["evictions"]), (2, 2, 4, 0))
            self.assertGreater(cache["bytes_max"], cache["bytes"])
            self.assertGreaterEqual(cache["bytes"], 2 * 4 * len(vector("a")))

    def test_the_cache_forgets_the_oldest_and_counts_it(self):
        size = 4 * len(vector("a"))
        with self.lake(f"bridge.cache = {10 * size + 2000}\n") as lake:
            texts = [f"t{i}" for i in range(200)]
            lake.post("/v1/embeddings", {"input": texts, "model": "embed-ollama"}, headers=READER)
            cache = lake.get("/v1/status", headers=READER).json["models"]["cache"]
            self.assertGreater(cache["evictions"], 0)
            self.assertEqual((cache["misses"], cache["entries"] + cache["evictions"]), (200, 200))
            self.assertLessEqual(cache["bytes"], cache["bytes_max"])
            asked = len(self.providers["ollama"].requests)
            lake.post("/v1/embeddings", {"input": ["t199"], "model": "embed-ollama"}, headers=READER)
            self.assertEqual(len(self.providers["ollama"].requests), asked)
            lake.post("/v1/embeddings", {"input": ["t0"], "model": "embed-ollama"}, headers=READER)
            self.assertEqual(len(self.providers["ollama"].requests), asked + 1)

    def test_answers_that_are_wrong_are_502_and_never_reach_the_caller(self):
        with self.lake("bridge.breaker_failures = 1000\n") as lake:
            for kind in KINDS:
                for mode in ("wrong_dimension", "nan", "redirect"):
                    self.providers[kind].mode = mode
                    with Provider("ollama") as elsewhere:
                        self.providers[kind].elsewhere = elsewhere.url + "/api/embed"
                        answer = lake.post("/v1/embeddings", {"input": mode, "model": "embed-" + kind}, headers=READER)
                        self.assertEqual((answer.status, answer.json["code"]), (502, "bridge.bad_answer"), (kind, mode))
                        self.assertEqual(elsewhere.requests, [])

    def test_a_hiccup_is_hidden_and_an_outage_opens_the_breaker_and_is_in_the_errors(self):
        with self.lake('bridge.breaker_failures = 4\nbridge.breaker_cooldown = "200ms"\n') as lake:
            far = self.providers["ollama"]
            far.fail_next = 2
            self.assertEqual(lake.post("/v1/embeddings", {"input": "x", "model": "embed-ollama"}, headers=READER).status, 200)
            far.mode = "fail"
            ask = lambda: lake.post("/v1/embeddings", {"input": "y", "model": "embed-ollama"}, headers=READER)
            self.assertEqual((ask().status, ask().json["code"]), (503, "bridge.circuit_open"))
            seen = len(far.requests)
            states = lambda: {p["name"]: p["is_left_alone"] for p in lake.get("/v1/status", headers=READER).json["models"]["providers"]}
            self.assertEqual(sorted(states().values()), [False, False, True])
            far.mode = ""
            wait_until(lambda: ask().status == 200, what="the breaker to close")
            self.assertGreater(len(far.requests), seen)
            self.assertEqual(sorted(states().values()), [False, False, False])
            codes = wait_until(lambda: {e["code"] for e in lake.get("/v1/errors", headers=READER).json["errors"]} & {"bridge.provider", "bridge.circuit_open"})
            self.assertTrue(codes)

    def test_a_provider_gets_so_many_requests_at_once_and_the_rest_is_told_to_come_again(self):
        far = self.providers["ollama"]
        far.mode = "slow"
        toml = "bridge.queue_length = 0\n" + TOKENS + far.toml(timeout="60s").replace("timeout", "concurrency = 2\ntimeout", 1)
        answers = []
        with Lake(config=toml) as lake:
            ask = lambda i: answers.append(lake.post("/v1/embeddings", {"input": f"text {i}", "model": "embed-ollama"}, headers=READER))
            threads = [threading.Thread(target=ask, args=(i,)) for i in range(2)]
            for t in threads:
                t.start()
            wait_until(lambda: len(far.requests) == 2, what="two requests at the provider")
            for i in range(3):
                busy = lake.post("/v1/embeddings", {"input": f"more {i}", "model": "embed-ollama"}, headers=READER)
                self.assertEqual((busy.status, busy.json["code"], busy.json["retryable"]), (503, "bridge.busy", True), busy)
                self.assertIn("retry-after", busy.headers)
            self.assertEqual(len(far.requests), 2)
            far.may_go.set()
            for t in threads:
                t.join()
            self.assertEqual([a.status for a in answers], [200, 200])

    def test_a_slow_provider_is_given_up(self):
        self.providers["ollama"].mode = "slow"
        with self.lake("bridge.retries = 0\n") as lake:
            answer = lake.post("/v1/embeddings", {"input": "x", "model": "embed-ollama"}, headers=READER)
            self.assertEqual((answer.status, answer.json["code"]), (503, "bridge.provider"), answer)
            self.providers["ollama"].may_go.set()

    def test_a_wrong_key_is_the_operators_matter(self):
        self.providers["openai"].key = "another"
        with self.lake() as lake:
            answer = lake.post("/v1/embeddings", {"input": "x", "model": "embed-openai"}, headers=READER)
            self.assertEqual((answer.status, answer.json["code"]), (502, "bridge.provider_denied"), answer)
            self.assertNotIn("the-key", answer.text)

    def test_pieces_arrive_before_the_answer_is_whole(self):
        for kind in KINDS:
            self.providers[kind].mode = "stall"
            self.providers[kind].may_go.clear()
        with self.lake() as lake:
            for kind in KINDS:
                connection = lake.connect()
                connection.request("POST", "/v1/chat/completions", headers={**READER, "Content-Type": "application/json"}, body=json.dumps(
                    {"model": "chat-" + kind, "stream": True, "messages": [{"role": "user", "content": "hello"}]}))
                response = connection.getresponse()
                self.assertEqual((response.status, response.getheader("Content-Type")), (200, "text/event-stream"))
                text = b""
                while WORDS[0].encode() not in text:
                    text += response.read1()
                self.assertNotIn(WORDS[1].encode(), text)
                self.providers[kind].may_go.set()
                text += response.read()
                self.assertTrue(text.endswith(b"data: [DONE]\n\n"), text)
                connection.close()

    def test_an_answer_that_breaks_off_is_cut_and_never_done(self):
        with self.lake() as lake:
            for kind in KINDS:
                self.providers[kind].mode = "cut"
                answer = self.chat(lake, kind)
                self.assertIn(answer.status, (502, 503), answer)
                connection = lake.connect()
                connection.request("POST", "/v1/chat/completions", headers={**READER, "Content-Type": "application/json"}, body=json.dumps(
                    {"model": "chat-" + kind, "stream": True, "messages": [{"role": "user", "content": "hello"}]}))
                response = connection.getresponse()
                with self.assertRaises(Exception):
                    text = response.read()
                    self.assertNotIn(b"[DONE]", text)
                    raise EOFError if b'"error"' in text else AssertionError(text)
                connection.close()


if __name__ == "__main__":
    unittest.main()
