"""The front door: health, problems, tokens, limits, CORS."""

import signal
import platform
import ctypes
import json
import os
import re
import socket
import subprocess
import tempfile
import unittest
import urllib.parse

from lake import Lake, program, topology

TOKEN = {"LAKEHOUSE_TOKEN": "correct-horse"}


class Door(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.lake = Lake(config='[http]\nidle_timeout = "3s"\n')
        cls.lake.__enter__()

    @classmethod
    def tearDownClass(cls):
        cls.lake.__exit__(None, None, None)

    def test_health_readiness_status_metrics_and_openapi(self):
        self.assertEqual(self.lake.get("/healthz").json["status"], "ok")
        self.assertEqual(self.lake.get("/readyz").status, 200)
        status = self.lake.get("/v1/status").json
        for member in ("version", "uptime_s", "services", "datasets", "indexes", "buckets", "jobs", "models", "memory"):
            self.assertIsNotNone(status[member], member)
        self.lake.get("/healthz")
        metrics = self.lake.get("/metrics").text
        self.assertRegex(metrics, r'lakehouse_http_requests_total\{[^}]*route="/healthz"[^}]*\} [1-9]')
        api = self.lake.get("/v1/openapi.json").json
        self.assertTrue(api["openapi"].startswith("3.1"))
        self.assertIn("/v1/sql", api["paths"])

    def test_every_answer_has_a_trace_and_keeps_the_callers(self):
        self.assertTrue(self.lake.get("/healthz").headers["x-trace-id"])
        trace = "4bf92f3577b34da6a3ce929d0e0e4736"
        answer = self.lake.get("/v1/nothing", headers={"traceparent": f"00-{trace}-00f067aa0ba902b7-01"})
        self.assertEqual(answer.headers["x-trace-id"], trace)
        self.assertEqual(answer.json["trace_id"], trace)

    def test_problems_are_problem_json(self):
        for method, path, status in (("GET", "/v1/nothing", 404), ("DELETE", "/v1/ingest", 405), ("GET", "/v1/profiles", 501),
                                     ("POST", "/internal/catalog/commit", 404), ("GET", "/internal/catalog/names", 404)):
            answer = self.lake.request(method, path)
            self.assertEqual(answer.status, status, (method, path, answer))
            self.assertEqual(answer.headers["content-type"], "application/problem+json")
            problem = answer.json
            for member in ("type", "title", "status", "detail", "code", "trace_id", "retryable"):
                self.assertIn(member, problem)
        self.assertIn("POST", self.lake.request("DELETE", "/v1/ingest").headers["allow"])

    def test_a_body_past_its_limit_is_413(self):
        answer = self.lake.post("/v1/sql", b'{"sql":"' + b" " * (20 << 20) + b'"}')
        self.assertEqual((answer.status, answer.json["code"]), (413, "request.too_big"))

    def test_cors_is_off_and_foreign_pages_cannot_write(self):
        answer = self.lake.get("/healthz", headers={"Origin": "https://evil.example"})
        self.assertNotIn("access-control-allow-origin", answer.headers)
        answer = self.lake.post("/v1/ingest?dataset=x&format=csv", b"a\n1\n", headers={"Origin": "https://evil.example"})
        self.assertEqual(answer.status, 403)
        answer = self.lake.get("/v1/catalog/datasets", headers={"Host": "evil.example"})
        self.assertIn(answer.status, (403, 421))

    def test_malformed_requests_get_an_answer_or_a_closed_door(self):
        host = urllib.parse.urlparse(self.lake.url)
        for raw in (b"GARBAGE\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"GET /%zz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
                    b"POST /v1/sql HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: -5\r\n\r\n",
                    b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX: " + b"y" * 100_000 + b"\r\n\r\n", b"\x00\x01\x02\r\n\r\n"):
            with socket.create_connection((host.hostname, host.port), timeout=20) as s:
                s.sendall(raw)
                try:
                    first = s.recv(4096)
                except ConnectionError:
                    first = b""
                self.assertTrue(first == b"" or re.match(rb"HTTP/1\.[01] (4|5)\d\d", first), (raw[:40], first))
        self.assertEqual(self.lake.get("/healthz").status, 200)


class Tokens(unittest.TestCase):
    def test_without_the_token_nothing_but_health(self):
        with Lake(env=TOKEN) as lake:
            self.assertEqual(lake.get("/healthz").status, 200)
            for method, path in (("GET", "/v1/catalog/datasets"), ("POST", "/v1/sql"), ("POST", "/v1/ingest?dataset=x"),
                                 ("GET", "/v1/errors"), ("GET", "/v1/journal"), ("GET", "/v1/status"),
                                 ("GET", "/v1/storage/buckets"), ("PUT", "/v1/storage/buckets/primary/objects/k"),
                                 ("POST", "/v1/catalog/gc"), ("GET", "/metrics"), ("GET", "/v1/query/cache")):
                answer = lake.request(method, path, b"{}" if method != "GET" else None)
                self.assertEqual((answer.status, answer.json["code"]), (401, "auth.required"), path)
                self.assertIn("www-authenticate", answer.headers)
            wrong = lake.get("/v1/catalog/datasets", headers={"Authorization": "Bearer wrong"})
            self.assertEqual(wrong.status, 401)
            right = lake.get("/v1/catalog/datasets", headers={"Authorization": "Bearer correct-horse"})
            self.assertEqual(right.status, 200)
            self.assertNotIn("correct-horse", lake.logs())

    def test_a_reading_token_cannot_write(self):
        config = '[[token]]\nname = "reader"\nsecret = "read-only"\nmay_write = false\n'
        with Lake(config=config) as lake:
            headers = {"Authorization": "Bearer read-only"}
            self.assertEqual(lake.get("/v1/catalog/datasets", headers=headers).status, 200)
            self.assertEqual(lake.post("/v1/sql", {"sql": "SELECT 1"}, headers=headers).status, 200)
            for method, path in (("POST", "/v1/ingest?dataset=x&format=csv"), ("PUT", "/v1/storage/buckets/primary/objects/k"),
                                 ("POST", "/v1/catalog/gc"), ("DELETE", "/v1/catalog/datasets/x"), ("POST", "/v1/storage/buckets")):
                answer = lake.request(method, path, b"{}", headers=headers)
                self.assertEqual((answer.status, answer.json["code"]), (403, "auth.read_only"), path)

    def test_an_open_address_without_a_token_does_not_start(self):
        name = "lakehouse" if topology() == "one" else "gateway"
        args = [program(name)] + (["serve"] if name == "lakehouse" else [])
        with tempfile.TemporaryDirectory() as data:
            done = subprocess.run(args + ["--data", data, "--listen", "0.0.0.0:0"], stdout=subprocess.PIPE,
                                  stderr=subprocess.PIPE, timeout=60,
                                  env={k: v for k, v in os.environ.items() if k != "LAKEHOUSE_TOKEN"})
        self.assertNotEqual(done.returncode, 0)
        self.assertEqual(done.stdout, b"")
        self.assertIn(b"token", done.stderr)


class Settings(unittest.TestCase):
    def test_an_unknown_key_stops_the_start_and_is_located(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "bad.toml")
            with open(path, "w") as f:
                f.write('[query]\n  timeout_mx = "5s"\n')
            done = subprocess.run([program("lakehouse"), "serve", "--config", path, "--data", folder, "--listen", "127.0.0.1:0"],
                                  stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60)
            self.assertNotEqual(done.returncode, 0)
            self.assertIn(b"bad.toml:2:3", done.stderr)
            self.assertIn(b"query.timeout_max", done.stderr)
            done = subprocess.run([program("lakehouse"), "config", "check", "--config", path],
                                  stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60)
            self.assertNotEqual(done.returncode, 0)


class Signals(unittest.TestCase):
    @unittest.skipUnless(platform.machine() == "x86_64", "the number of a system call")
    def test_a_stop_signal_to_a_thread_of_a_library_ends_every_process_in_order(self):
        with Lake() as lake:
            for p in lake.processes.values():
                threads = sorted(int(t) for t in os.listdir(f"/proc/{p.popen.pid}/task"))
                ctypes.CDLL(None).syscall(234, p.popen.pid, threads[1], signal.SIGTERM)  # tgkill
                self.assertEqual(p.popen.wait(60), 0, p.args)


if __name__ == "__main__":
    unittest.main()
