"""The Python sidecar: by itself over HTTP, with an Ollama beside it, and behind a lake."""

import base64
import http.client
import json
import os
import struct
import subprocess
import sys
import tempfile
import unittest
import urllib.parse

from lake import ROOT, Lake, Process
from provider import WORDS, Provider, vector

ONE_TOPOLOGY_ONLY = True
CORPUS = os.path.join(ROOT, "tests", "data", "cranfield", "cran.all.1400")
LSA = "sklearn-lsa-256"


class Sidecar:
    def __init__(self, *args, token="", ollama=""):
        self.folder = tempfile.TemporaryDirectory()
        env = {k: v for k, v in os.environ.items() if not k.startswith("SIDECAR_")}
        env.update(PYTHONPATH=ROOT, SIDECAR_TOKEN=token, OPENBLAS_NUM_THREADS="1")
        self.process = Process(["/usr/bin/python3", "-m", "sidecar", "--listen", "127.0.0.1:0", "--corpus", CORPUS, "--ollama", ollama, *args],
                               env, os.path.join(self.folder.name, "log"))

    def __enter__(self):
        self.process.wait_listening()
        self.url = self.process.url
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.folder.cleanup()

    def request(self, method, path, body=None, headers=()):
        where = urllib.parse.urlparse(self.url)
        connection = http.client.HTTPConnection(where.hostname, where.port, timeout=120)
        try:
            connection.request(method, path, None if body is None else json.dumps(body), {"Content-Type": "application/json", **dict(headers)})
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()

    def embed(self, texts, model=""):
        status, body = self.request("POST", "/embed", {"model": model, "texts": texts})
        assert status == 200, body
        answer = json.loads(body)
        flat = struct.unpack(f"<{answer['count'] * answer['dim']}f", base64.b64decode(answer["vectors"]))
        return [flat[i:i + answer["dim"]] for i in range(0, len(flat), answer["dim"])]


def dot(a, b):
    return sum(x * y for x, y in zip(a, b))


class Alone(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.sidecar = Sidecar().__enter__()

    @classmethod
    def tearDownClass(cls):
        cls.sidecar.__exit__()

    def test_lsa_embeds_by_meaning_to_unit_vectors(self):
        a, b, c, nothing = self.sidecar.embed(["heat transfer on a hot blunt body", "aerodynamic heating of blunt noses", "buckling of thin cylindrical shells", "?!"])
        self.assertEqual(len(a), 256)
        self.assertAlmostEqual(dot(a, a), 1, places=4)
        self.assertGreater(dot(a, b), dot(a, c) + 0.1)
        self.assertEqual(set(nothing), {0.0})

    def test_the_same_corpus_gives_the_same_vectors_in_another_process(self):
        with Sidecar() as other:
            for x, y in zip(self.sidecar.embed(["supersonic flow"], LSA)[0], other.embed(["supersonic flow"], LSA)[0]):
                self.assertAlmostEqual(x, y, places=5)

    def test_it_lists_its_models_and_says_what_it_cannot(self):
        status, body = self.sidecar.request("GET", "/models")
        self.assertEqual((status, [m["name"] for m in json.loads(body)["models"]]), (200, [LSA]))
        self.assertEqual(self.sidecar.request("GET", "/healthz")[0], 200)
        self.assertEqual(self.sidecar.request("POST", "/embed", {"texts": ["a"], "model": "nobody"})[0], 404)
        self.assertEqual(self.sidecar.request("POST", "/generate", {"messages": [{"role": "user", "content": "hello"}]})[0], 501)

    def test_wrong_requests_are_refused(self):
        for path, body in (("/embed", {}), ("/embed", {"texts": []}), ("/embed", {"texts": ["a"], "colour": 1}), ("/embed", {"texts": [["a"]]}),
                           ("/generate", {"messages": [{"role": "cook", "content": "a"}]}), ("/generate", {"messages": [], "temperature": 1})):
            self.assertEqual(self.sidecar.request("POST", path, body)[0], 422, body)
        self.assertEqual(self.sidecar.request("POST", "/embed", {"texts": ["a"] * 4097})[0], 413)
        self.assertEqual(self.sidecar.request("POST", "/embed", {"texts": ["a" * (1 << 20) + "b"]})[0], 413)


class WithOllama(unittest.TestCase):
    def test_models_of_an_ollama_are_served_and_stream(self):
        with Provider("ollama") as far, Sidecar(ollama=far.url, token="let-me-in") as sidecar:
            me = {"Authorization": "Bearer let-me-in"}
            self.assertEqual(sidecar.request("GET", "/models")[0], 401)
            names = [m["name"] for m in json.loads(sidecar.request("GET", "/models", headers=me)[1])["models"]]
            self.assertEqual(names, [LSA, "far-model:latest"])
            status, body = sidecar.request("POST", "/embed", {"texts": ["a", "bc"], "model": "far-model:latest"}, headers=me)
            self.assertEqual(status, 200, body)
            self.assertEqual(base64.b64decode(json.loads(body)["vectors"]), struct.pack("<6f", *vector("a"), *vector("bc")))
            status, body = sidecar.request("POST", "/generate", {"messages": [{"role": "user", "content": "hello"}]}, headers=me)
            events = [json.loads(line) for line in body.splitlines()]
            self.assertEqual("".join(e["piece"] for e in events), "".join(WORDS))
            self.assertEqual((events[-1]["done"], events[-1]["finish_reason"], events[-1]["completion_tokens"]), (True, "stop", 3))
            far.mode = "fail"
            self.assertEqual(sidecar.request("POST", "/embed", {"texts": ["a"], "model": "far-model:latest"}, headers=me)[0], 503)


class BehindALake(unittest.TestCase):
    def test_a_lake_embeds_and_generates_through_it(self):
        with Provider("ollama") as far, Sidecar(ollama=far.url, token="let-me-in") as sidecar:
            config = (f'[[provider]]\nname = "beside"\nkind = "sidecar"\nurl = "{sidecar.url}"\ncredentials = "BESIDE"\n'
                      f'[[model]]\nname = "lsa"\nprovider = "beside"\nkind = "embed"\nremote_name = "{LSA}"\n'
                      '[[model]]\nname = "far"\nprovider = "beside"\nkind = "generate"\nremote_name = "far-model:latest"\n')
            with Lake(config=config, env={"LAKEHOUSE_SECRET_BESIDE_API_KEY": "let-me-in"}) as lake:
                answer = lake.post("/v1/embeddings", {"model": "lsa", "input": ["supersonic flow", "buckling of shells"]})
                self.assertEqual((answer.status, [len(d["embedding"]) for d in answer.json["data"]]), (200, [256, 256]), answer)
                answer = lake.post("/v1/chat/completions", {"messages": [{"role": "user", "content": "hello"}]})
                self.assertEqual(answer.json["choices"][0]["message"]["content"], "".join(WORDS), answer)


if __name__ == "__main__":
    unittest.main()
